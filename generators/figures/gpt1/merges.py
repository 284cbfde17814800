"""Byte pairs: what merges do to the length of a text."""

from matplotlib.figure import Figure

from generators.charts import beside
from generators.figure import STRONG, lettered, line, new_figure
from generators.palette import colour
from generators.record import Record


def byte_pairs(record: Record) -> Figure:
    """Tokens of a word against the number of merges: steep for the first hundred, then each doubling brings less."""
    counts = record.settings["merges"]
    lengths = [record[f"tokens_per_word.{count}"].mean for count in counts]
    figure, axes = new_figure(270, right=30, x="merges learnt", y="tokens a word")
    axes.set(xlim=(0, len(counts) - 1), ylim=(0, 1.08 * lengths[0]))
    line(axes, range(len(counts)), lengths)
    axes.set_xticks(range(len(counts)), [lettered(count, "int") for count in counts])
    for place, count in enumerate(counts):
        if place in (0, len(counts) - 1) or count == 512:  # 512 are those of our models
            axes.annotate(
                lettered(lengths[place], "f1"),
                (place, lengths[place]),
                (4 if place == 0 else -2, 14),
                textcoords="offset points",
                color=colour("c1"),
                weight=STRONG,
                ha="left" if place == 0 else "center",
                va="center",
            )
    axes.axhline(1, color=colour("edge"), linewidth=1.2)
    beside(axes, "one token a word", 0, 1, 6, "left", up=-10, color=colour("dim"))
    return figure


FIGURES = {"byte_pairs": byte_pairs}
