"""The loss around trained weights, as maps."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.path import Path

from generators.charts import box, canvas, quiet, words
from generators.figure import STRONG, WIDTH
from generators.figures.resnet.marks import PLAIN, RESIDUAL
from generators.palette import SEQUENTIAL, colour
from generators.record import Record

SIDE, TOP = 192, 28
LOW, HIGH = (
    math.log10(0.05),
    math.log10(12.5),
)  # where the first colour begins and the last one ends
PARTS = 3  # as many equal parts of each map as its own lines divide it into


def landscape(record: Record) -> Figure:
    """Two maps of the loss around trained weights, 56 layers: plain, a ragged plateau; residual, a round valley."""
    figure, axes = canvas(TOP + SIDE + 114)
    pictures = record.runs[0]["pictures"]
    for x, net, name, category in (
        (2, "plain_56", "plain", PLAIN),
        (WIDTH - SIDE - 2, "residual_56", "residual", RESIDUAL),
    ):
        words(axes, (x, 12), f"{name}, 56 layers", f"c{category}", weight=STRONG)
        _map(axes, x, np.log10(pictures[net]))
        for share, text in ((0, "−1"), (0.5, "0"), (1, "1")):
            ha = {0: "left", 0.5: "center", 1: "right"}[share]
            quiet(axes, (x + share * SIDE, TOP + SIDE + 12), text, ha=ha)
    text = "steps in two random directions"
    quiet(axes, (WIDTH / 2, TOP + SIDE + 32), text, ha="center")
    _scale(axes, TOP + SIDE + 56)
    quiet(axes, (WIDTH / 2, TOP + SIDE + 100), "lines: each map's own levels", ha="center")
    return figure


def _map(axes: Axes, left: float, heights: np.ndarray) -> None:
    """Colours by the common scale; lines at levels of its own, equal parts of it between each two."""
    ticks = np.linspace(0, SIDE, len(heights))
    steps = (heights - LOW) * len(SEQUENTIAL) / (HIGH - LOW)
    lowest = int(steps.min())
    box(axes, (left, TOP), SIDE, SIDE, f"s{lowest}")
    for step in range(lowest + 1, int(steps.max()) + 1):  # each upon the one before: no seams
        levels, tone = [step, len(SEQUENTIAL) + 1], [colour(f"s{step}")]
        _slim(axes.contourf(left + ticks, TOP + ticks, steps, levels=levels, colors=tone))
    own = np.quantile(heights, np.arange(1, PARTS) / PARTS)
    style = {"colors": [colour("paper")], "linewidths": 0.9, "linestyles": "solid"}
    _slim(axes.contour(left + ticks, TOP + ticks, heights, levels=own, **style))
    middle = left + SIDE / 2, TOP + SIDE / 2
    axes.plot(*middle, "P", color=colour("ink"), markersize=9, markeredgecolor=colour("paper"))


def _slim(drawn: ContourSet) -> None:
    """Whole pixels, and no points between two others on a straight edge: a smaller file."""
    paths = []
    for path in drawn.get_paths():
        points, codes = path.vertices.round(), path.codes
        inner = np.zeros(len(points), dtype=bool)
        on_edge = (points[:-2] == points[1:-1]) & (points[1:-1] == points[2:])
        inner[1:-1] = on_edge.any(axis=1)
        inner[1:-1] &= (codes[1:-1] == Path.LINETO) & (codes[2:] == Path.LINETO)
        paths.append(Path(points[~inner], codes[~inner]))
    drawn.set_paths(paths)


def _scale(axes: Axes, y: float) -> None:
    """The colours in a row, with the losses at which some of them begin."""
    quiet(axes, (2, y + 6), "training loss")
    wide, start = 30, WIDTH - 2 - 30 * len(SEQUENTIAL)
    for step in range(len(SEQUENTIAL)):
        box(axes, (start + wide * step, y), wide, 12, f"s{step}")
    for loss in (0.1, 0.3, 1, 3, 10):
        place = start + wide * len(SEQUENTIAL) * (math.log10(loss) - LOW) / (HIGH - LOW)
        quiet(axes, (place, y + 22), f"{loss:g}", ha="center")


FIGURES = {"landscape": landscape}
