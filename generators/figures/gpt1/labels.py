"""Table 5 at several numbers of labels: who is right how often, and what each part of the recipe brings."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from generators.charts import arrow, beside, canvas, quiet, words
from generators.figure import (
    STRONG,
    end_labels,
    lettered,
    line,
    logarithmic,
    new_figure,
    percent,
)
from generators.figures.gpt1.pretraining import LSTM, TRANSFORMER
from generators.palette import colour
from generators.record import Record, Summary

SCRATCH, COUNTING, FROZEN = 3, 4, 5
ARMS = (
    (COUNTING, "naive_bayes", "counting"),
    (TRANSFORMER, "full", "GPT-1"),
    (LSTM, "lstm", "LSTM"),
    (SCRATCH, "from_scratch", "not pre-trained"),
)


READINGS = (
    (TRANSFORMER, "full", "tuned"),
    (SCRATCH, "from_scratch", "tuned, new"),
    (FROZEN, "frozen", "only read"),
    (COUNTING, "frozen_untrained", "only read, new"),
)


def table5(record: Record) -> Figure:
    """Texts told right against the number of labels: counting tokens, GPT-1, GPT-1 not pre-trained, LSTM."""
    return by_labels(record, ARMS, 310)


def table5_frozen(record: Record) -> Figure:
    """Texts told right against labels: the pre-trained and a new model, each tuned as a whole and only read."""
    return by_labels(record, READINGS, 300)


def by_labels(record: Record, arms: Sequence[tuple[int, str, str]], height: int) -> Figure:
    """The accuracy of some arms (colour, key, name) against the number of labels, and what guessing gets."""
    counts = [int(count) for count in record.settings["counts"]]
    figure, axes = new_figure(
        height, right=118, x="labelled texts", y="texts of unseen files told right, %"
    )
    axes.set(xscale="log", xlim=(counts[0], counts[-1]))
    for category, arm, name in arms:
        shares = [percent(record[f"accuracy.{arm}.{count}"]) for count in counts]
        line(axes, counts, shares, category, name, within=(0, 100))
    chance = 100 * record["chance"].mean
    axes.axhline(chance, color=colour("edge"), linewidth=1.2)
    axes.set_ylim(bottom=0)
    logarithmic(axes.xaxis, counts)
    end_labels(axes)
    beside(axes, "guessing", 1, chance, 8, "left", color=colour("dim"))
    return figure


# What each part brings ------------------------------------------------------------------------------------------

PARTS = {
    "from_scratch": "pre-training",
    "no_auxiliary": "auxiliary loss",
    "lstm": "Transformer, not LSTM",
    "naive_bayes": "tuning, not counting",
}
ZERO, POINT = 190, 4.8  # where no difference lies, and pixels of one point of accuracy
ROW, BETWEEN = 24, 18


def table5_parts(record: Record) -> Figure:
    """What pre-training, auxiliary loss, Transformer and tuning add to the right answers, by the number of labels."""
    counts = [*record.settings["counts"]]
    block = ROW * len(counts) + BETWEEN
    figure, axes = canvas(block * len(PARTS) + 52)
    quiet(axes, (2, 12), "labels")
    quiet(axes, (ZERO, 12), "points of accuracy added", ha="center")
    bottom = block * len(PARTS) + 30
    for points in (-20, -10, 0, 10, 20, 30):
        x = ZERO + POINT * points
        arrow(axes, [(x, 26), (x, bottom)], "edge" if points == 0 else "rule", 0.8, head=False)
        quiet(axes, (x, bottom + 12), lettered(points, "int"), ha="center")
    for part, (arm, name) in enumerate(PARTS.items()):
        top = 38 + block * part
        words(axes, (2, top), name, weight=STRONG)
        for row, count in enumerate(counts):
            y = top + ROW * row + 18
            quiet(axes, (2, y), lettered(int(count), "int"))
            _difference(axes, y, percent(record[f"ahead.{arm}.{count}"]))
    return figure


def _difference(axes: Axes, y: float, found: Summary) -> None:
    """A point with its interval; in colour where the interval leaves out no difference."""
    certain = found.low > 0 or found.high < 0
    tone = "c1" if found.low > 0 else "c2" if certain else "edge"
    middle, low, high = (ZERO + POINT * value for value in (found.mean, found.low, found.high))
    axes.plot([low, high], [y, y], color=colour(tone), linewidth=1.6)
    style = {"markersize": 7, "markeredgecolor": colour("paper"), "markeredgewidth": 1.2}
    axes.plot(middle, y, "s" if certain else "o", color=colour(tone), **style)
    above = found.mean > 0
    text = f"{'+' if above else ''}{lettered(found.mean, 'f1')}"
    style = {"weight": STRONG} if certain else {"color": colour("dim")}
    place = high + 6 if above else low - 6
    words(axes, (place, y), text, tone, ha="left" if above else "right", **style)


FIGURES = {"table5": table5, "table5_parts": table5_parts, "table5_frozen": table5_frozen}
