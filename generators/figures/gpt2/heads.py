"""What the heads of the page's model do, and which of them it would miss."""

from matplotlib.figure import Figure

from generators.charts import beside
from generators.figure import MARKERS, STRONG, new_figure
from generators.palette import colour
from generators.record import Record


def explorer_heads(record: Record) -> Figure:
    """Each head of three models: how sharp its map is against the bits that are lost without it."""
    figure, axes = new_figure(
        330, right=26, x="largest weight in a row of the map, %", y="bits lost without the head"
    )
    axes.axhline(0, color=colour("edge"), linewidth=1.2)
    for marker, run in zip(MARKERS, record.runs, strict=False):
        for layer, row in enumerate(run["heads"]):
            for head, about in enumerate(row):
                missed = [layer, head] == run["costliest"]
                place, above = (100 * about["sharpness"], about["cost"]), 3 + missed
                tone, size = (colour("c1"), 9) if missed else (colour("edge"), 6)
                style = {"markeredgecolor": colour("paper"), "zorder": above, "clip_on": False}
                axes.plot(*place, marker, color=tone, markersize=size, **style)
                if [layer, head] == run["sharpest"]:
                    ring = {"markerfacecolor": "none", "markeredgecolor": colour("c2")}
                    axes.plot(*place, "o", markersize=15, markeredgewidth=2, **ring, clip_on=False)
    axes.set_xlim(0, 100)
    top = axes.get_ylim()[1]
    for up, text, role in ((-8, "filled: missed most", "c1"), (-26, "ring: sharpest map", "c2")):
        beside(axes, text, 0, top, 8, "left", up=up, color=colour(role), weight=STRONG)
    return figure


FIGURES = {"explorer_heads": explorer_heads}
