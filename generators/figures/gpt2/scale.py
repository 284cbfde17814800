"""Size, hints and depth: what a larger model knows, what a few words switch, and where the norms stand."""

from matplotlib.figure import Figure

from generators.charts import beside
from generators.figure import (
    bars,
    end_labels,
    lettered,
    line,
    logarithmic,
    new_figure,
    percent,
)
from generators.palette import colour
from generators.record import Record

CORPORA = {
    "held_out": (1, "at home"),
    "unseen": (2, "unseen package"),
    "code": (3, "its source code"),
    "licence": (4, "a licence"),
    "english": (5, "English numbers"),
    "german": (6, "German numbers"),
}


def sizes(record: Record) -> Figure:
    """Bits per byte against the number of weights on six corpora: it falls at home, and not everywhere abroad."""
    widths = record.settings["widths"]
    weights = [record[f"weights.{width}"].mean for width in widths]
    figure, axes = new_figure(350, right=118, x="weights", y="bits a byte")
    axes.set(xscale="log", xlim=(weights[0], weights[-1]))
    for corpus, (category, name) in CORPORA.items():
        values = [record[f"bits.{corpus}.{width}"] for width in widths]
        line(axes, weights, values, category, name)
    axes.set_ylim(bottom=0)
    logarithmic(axes.xaxis)
    end_labels(axes)
    return figure


HINTS = {
    "with": "named",
    "cut": "a letter missing",
    "small": "small first letter",
    "without": "not named",
    "wrong": "another named",
}


def hint(record: Record) -> Figure:
    """Right translations if the text names the language, misspells it, does not name it, or names another."""
    figure, axes = bars(
        [*HINTS.values()],
        [percent(record[f"share_right.{kind}"]) for kind in HINTS],
        lambda share: lettered(share, "int"),
        x="translations right, %",
        within=(0, 100),
    )
    axes.set(xlim=(0, 100), xticks=[0, 50, 100])
    return figure


ARMS = {
    "post": (2, "norm last"),
    "post_warm": (4, "last, warm-up"),
    "post_scaled": (5, "last, small start"),
    "pre_unscaled": (3, "norm first"),
    "pre": (1, "first, small start"),
}


def depth(record: Record) -> Figure:
    """Loss of 24 layers against updates at a fixed rate, beside the loss of knowing how often tokens occur."""
    steps, points = record.settings["steps"], record.settings["points"]
    updates = [steps * (index + 0.5) / points for index in range(points)]
    figure, axes = new_figure(310, right=124, x="updates", y="bits a token, text not yet read")
    axes.set_xlim(0, steps)
    known = record["frequencies"].mean
    axes.axhline(known, color=colour("edge"), linewidth=1.6, dashes=(4, 3))
    for arm, (category, name) in ARMS.items():
        values = [record[f"curves.{arm}.{index}"] for index in range(points)]
        line(axes, updates[1:], values[1:], category, name)
    axes.locator_params(axis="x", nbins=4)
    end_labels(axes, gap=17)
    beside(axes, "frequencies", 0, known, 4, "left", up=-9, color=colour("dim"))
    return figure


FIGURES = {"sizes": sizes, "hint": hint, "depth": depth}
