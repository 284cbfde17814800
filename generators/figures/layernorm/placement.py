"""Our Transformer with its norms moved, replaced, frozen or taken away."""

from matplotlib.figure import Figure

from generators.figure import bars, end_labels, lettered, logarithmic, new_figure, panel, percent
from generators.figures.layernorm.curves import LAYER, NONE, OTHER, courses
from generators.palette import colour
from generators.record import Record

ARMS = {
    "pre": "norm first",
    "post": "norm last",
    "frozen": "no gain, no bias",
    "rms": "RMSNorm",
    "none": "no norm",
}


def placement(record: Record) -> Figure:
    """Bars of exact matches of a Transformer, its norm moved, replaced, frozen or missing; a dot for each run."""
    values = {arm: percent(record[f"accuracy.{arm}"]) for arm in ARMS}
    order = sorted(ARMS, key=lambda arm: -values[arm].mean)
    figure, axes = bars(
        [ARMS[arm] for arm in order],
        [values[arm] for arm in order],
        lambda number: lettered(number, "f1"),
        x="exact match, %",
        subjects=[order.index("post")],
        within=(0, 100),
    )
    for row, arm in enumerate(order):  # few seeds that lie far apart say more than their interval
        style = {"markersize": 6, "markeredgecolor": colour("paper"), "markeredgewidth": 1.2}
        seeds = values[arm].values
        axes.plot(seeds, [row] * len(seeds), "o", color=colour("ink"), zorder=4, **style)
    axes.set(xlim=(0, 100), xticks=[0, 50, 100])
    return figure


def placement_deep(record: Record) -> Figure:
    """Training loss of ten layers from two starts: without norm they learn from small weights only."""
    figure, upper = new_figure(
        400, right=88, bottom=226, y="training loss, weights as PyTorch draws them"
    )
    lower = panel(
        figure, 224, 130, right=88, x="updates", y="training loss, weights 2.4 times as large"
    )
    for axes, start in ((upper, ""), (lower, "_he")):
        arms = ((OTHER, f"pre{start}", "norm first"), (LAYER, f"post{start}", "norm last"))
        axes.set_yscale("log")
        courses(axes, record, (*arms, (NONE, f"none{start}", "no norm")))
        axes.set_ylim(0.015, 6)
        logarithmic(axes.yaxis, [0.03, 0.1, 0.3, 1, 3])
        end_labels(axes)
    upper.tick_params(labelbottom=False)
    return figure


FIGURES = {"placement": placement, "placement_deep": placement_deep}
