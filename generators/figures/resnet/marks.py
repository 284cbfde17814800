"""Which colour each kind of network has in this unit, and points with intervals in the rows of a chart."""

import math

from matplotlib.axes import Axes

from generators.figure import MARKERS
from generators.palette import colour
from generators.record import Summary

# Plain and residual have one colour each in all figures.
RESIDUAL, PLAIN, OTHER = 1, 2, 3
ARMS = ((RESIDUAL, "residual"), (PLAIN, "plain"))


def decades(sizes: Summary) -> Summary:
    """Sizes as powers of ten."""
    return Summary(tuple(math.log10(size) for size in sizes.values))


def mark(axes: Axes, place: Summary, row: float, category: int, hollow: bool = False) -> None:
    """A point with its interval in a row; hollow for the one that the others are compared with."""
    tone = colour(f"c{category}")
    if place.high > place.low:
        axes.plot([place.low, place.high], [row, row], color=tone, linewidth=5, alpha=0.25)
    axes.plot(
        place.mean,
        row,
        MARKERS[category - 1],
        color=tone,
        markersize=8,
        markerfacecolor=colour("paper") if hollow else tone,
        markeredgecolor=tone if hollow else colour("paper"),
        markeredgewidth=1.6 if hollow else 1.2,
        clip_on=False,
        zorder=4,
    )
