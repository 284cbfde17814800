"""Drawing by hand, in pixels: boxes, arrows, small maps and panels, for figures that are no plain curve or bars."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon, Rectangle, Wedge

from generators.figure import SMALL, WIDTH, new_figure, on_step, step
from generators.palette import colour

Point = tuple[float, float]


def canvas(height: int) -> tuple[Figure, Axes]:
    """Bare paper of this height: the axes count pixels from the upper left corner."""
    figure, axes = new_figure(height, left=0, right=0, top=0, bottom=0)
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    axes.axis("off")
    return figure, axes


def words(axes: Axes, place: Point, text: str, role: str = "ink", **style: Any) -> None:
    """Text on its middle line at a place; `role` is its colour."""
    style = {"va": "center_baseline", "color": colour(role), **style}
    axes.text(*place, text, **style)


def quiet(axes: Axes, place: Point, text: str, **style: Any) -> None:
    """A remark: small and dim."""
    words(axes, place, text, "dim", size=SMALL, **style)


def box(
    axes: Axes,
    corner: Point,
    width: float,
    height: float,
    fill: str = "",
    edge: str = "",
    strength: float = 1,
    thickness: float = 1.2,
) -> None:
    """A rectangle from its upper left corner; `strength` thins the fill alone."""
    if fill:
        axes.add_patch(
            Rectangle(corner, width, height, facecolor=colour(fill), alpha=strength, linewidth=0)
        )
    if edge:
        axes.add_patch(
            Rectangle(
                corner, width, height, fill=False, edgecolor=colour(edge), linewidth=thickness
            )
        )


def arrow(
    axes: Axes, points: Sequence[Point], role: str = "dim", width: float = 1.2, head: bool = True
) -> None:
    """A line through these corners, with a head at its end or without."""
    axes.plot(*zip(*points, strict=True), color=colour(role), linewidth=width)
    if head:
        (x, y), (x0, y0) = points[-1], points[-2]
        long, wide = 4 + width, 2.4 + 0.6 * width
        size = math.hypot(x - x0, y - y0)
        along, across = ((x - x0) / size, (y - y0) / size), ((y0 - y) / size, (x - x0) / size)
        back = x - long * along[0], y - long * along[1]
        sides = [(back[0] + s * wide * across[0], back[1] + s * wide * across[1]) for s in (-1, 1)]
        axes.add_patch(Polygon([(x, y), *sides], facecolor=colour(role), linewidth=0))


def plus(axes: Axes, middle: Point, radius: float = 6, role: str = "ink") -> None:
    """A sum: a circle with a cross in it."""
    axes.add_patch(
        Circle(middle, radius, facecolor=colour("paper"), edgecolor=colour(role), linewidth=1.2)
    )
    x, y = middle
    for ends in (((x - 3, x + 3), (y, y)), ((x, x), (y - 3, y + 3))):
        axes.plot(*ends, color=colour(role), linewidth=1.2)


def small_map(
    axes: Axes,
    corner: Point,
    cell: tuple[float, float],
    weights: Sequence[Sequence[float]],
    dots: Sequence[tuple[int, int]] = (),
) -> None:
    """Weights as cells of this width and height without numbers; a dot in those (row, column) that are asked for."""
    (x, y), (wide, tall) = corner, cell
    box(axes, corner, wide * len(weights[0]), tall * len(weights), "s0")
    for row, line in enumerate(weights):
        for column, weight in enumerate(line):
            if step(weight):  # the paper below has the colour of 0
                place = x + wide * column, y + tall * row
                box(axes, place, wide - 1, tall - 1, f"s{step(weight)}")
    for row, column in dots:
        axes.plot(
            x + wide * (column + 0.5) - 0.5,
            y + tall * (row + 0.5) - 0.5,
            "o",
            markersize=5,
            color=colour(on_step(step(weights[row][column]))),
            markeredgewidth=0,
        )


def clocks(
    axes: Axes, middles: Sequence[Point], radius: float, angles: Sequence[float], turn: float
) -> None:
    """Dials whose hands stand at these angles from noon, clockwise; tinted: the turn that led there."""
    face = {"markersize": 2 * radius, "markeredgewidth": 1.2, "markerfacecolor": "none"}
    axes.plot(
        *zip(*middles, strict=True), "o", linestyle="", markeredgecolor=colour("mute"), **face
    )
    for (x, y), angle in zip(middles, angles, strict=True):
        if angle:
            ends = (math.degrees(part) - 90 for part in (angle - turn, angle))
            wedge = Wedge((x, y), radius - 1, *ends, facecolor=colour("c1"), alpha=0.2, linewidth=0)
            axes.add_patch(wedge)
        tip = x + radius * math.sin(angle), y - radius * math.cos(angle)
        axes.plot([x, tip[0]], [y, tip[1]], color=colour("c1"), linewidth=2.2)
