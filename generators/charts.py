"""Figures that are no plain curves or bars, in pixels: boxes, arrows, clocks, heat maps, and races of a benchmark."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon, Rectangle, Wedge

from generators.figure import (
    SMALL,
    STRONG,
    TEXT,
    WIDTH,
    logarithmic,
    new_figure,
    text_width,
)
from generators.palette import SEQUENTIAL, colour
from generators.record import Record

Point = tuple[float, float]


def canvas(height: int) -> tuple[Figure, Axes]:
    """Bare paper of this height: the axes count pixels from the upper left corner."""
    figure, axes = new_figure(height, left=0, right=0, top=0, bottom=0)
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    axes.axis("off")
    return figure, axes


def words(axes: Axes, place: Point, text: str, role: str = "ink", **style: Any) -> None:
    """Text on its middle line at a place; `role` is its colour."""
    style = {"va": "center", "color": colour(role), **style}
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
            Rectangle(
                corner,
                width,
                height,
                facecolor=colour(fill),
                alpha=strength,
                linewidth=0,
                clip_on=False,
            )
        )
    if edge:
        axes.add_patch(
            Rectangle(
                corner,
                width,
                height,
                fill=False,
                edgecolor=colour(edge),
                linewidth=thickness,
                clip_on=False,
            )
        )


def arrow(
    axes: Axes, points: Sequence[Point], role: str = "dim", width: float = 1.2, head: bool = True
) -> None:
    """A line through these corners, with a head at its end or without."""
    axes.plot(*zip(*points, strict=True), color=colour(role), linewidth=width, clip_on=False)
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


def beside(
    axes: Axes,
    text: str,
    edge: int,
    row: float,
    across: float,
    side: str = "right",
    up: float = 0,
    **style: Any,
) -> None:
    """Text in a row of ordinary axes, so many pixels from their left (0) or their right (1) edge."""
    frame = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    style = {"ha": side, "va": "center", "annotation_clip": False, **frame, **style}
    axes.annotate(text, (edge, row), (across, up), **style)


# Clocks ---------------------------------------------------------------------------------------------------------


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


# Heat maps ------------------------------------------------------------------------------------------------------


ROOMY = 28  # pixels that a cell with a number in it takes


def step(weight: float) -> int:
    """Which of the ten sequential colours a weight gets: even in its square root, so that small ones show."""
    return min(len(SEQUENTIAL) - 1, math.floor(10 * math.sqrt(max(0.0, weight))))


def on_step(number: int) -> str:
    """The role in which text is readable on a sequential colour."""
    return "ink" if number < 5 else "glow" if number == 5 else "paper"


def heatmap(
    rows: Sequence[str],
    columns: Sequence[str],
    weights: Sequence[Sequence[float]],
    sides: tuple[str, str] = ("", ""),
    label: str = "weight, %",
) -> Figure:
    """Weights as coloured rectangles: percentages from 10 on, and a box around the largest of each row.

    Where cells are too narrow for numbers, colour and box remain. `sides` says what rows and columns are.
    """
    array = np.asarray(weights, dtype=float)
    if array.shape != (len(rows), len(columns)):
        raise ValueError(f"{array.shape} weights for {len(rows)} rows and {len(columns)} columns")
    left, right = 16 + max(text_width(name) for name in [*rows, sides[0]]), 8.0
    cell = min(80.0, (WIDTH - left - right) / len(columns))
    widest = max(text_width(name) for name in columns)
    slanted = widest > cell - 4
    if slanted:  # the last name reaches beyond its column
        right = max(right, 0.71 * text_width(columns[-1]) + 8)
        cell = min(cell, (WIDTH - left - right) / len(columns))
    tall = min(cell, 36.0)
    top = (round(20 + 0.71 * widest) if slanted else 26) + (20 if sides[1] else 0)
    grid, legend = tall * len(rows), 44
    figure, axes = canvas(round(top + grid + legend))
    left += (WIDTH - left - right - cell * len(columns)) / 2
    quiet(axes, (left - 10, top - 8), sides[0], ha="right", va="baseline")
    quiet(axes, (left + cell * len(columns) / 2, 14), sides[1], ha="center", va="baseline")
    for column, name in enumerate(columns):
        middle = left + cell * (column + 0.5)
        if slanted:
            slant(axes, (middle - 4, top - 8), name, "ink", TEXT)
        else:
            words(axes, (middle, top - 8), name, ha="center", va="baseline")
    if cell < ROOMY:
        small_map(axes, (left, top), (cell, tall), array)
    for row, name in enumerate(rows):
        words(axes, (left - 10, top + tall * (row + 0.5)), name, ha="right")
        for column, weight in enumerate(array[row]):
            corner = (left + cell * column, top + tall * row)
            boxed = column == int(array[row].argmax())
            if cell >= ROOMY:
                _cell(axes, corner, cell, tall, weight, boxed)
            elif boxed:
                box(axes, corner, cell - 1, tall - 1, edge="ink", thickness=1.6)
    _scale(axes, left, top + grid + 16, label)
    return figure


def slant(axes: Axes, place: Point, text: str, role: str = "dim", size: float = SMALL) -> None:
    """The name of a narrow column, rising to the right from a place."""
    style = {"rotation": 45, "rotation_mode": "anchor", "va": "baseline", "ha": "left"}
    words(axes, place, text, role, size=size, **style)


def _cell(
    axes: Axes, corner: Point, width: float, height: float, weight: float, boxed: bool
) -> None:
    x, y = corner
    number = step(weight)
    box(axes, (x + 0.75, y + 0.75), width - 1.5, height - 1.5, f"s{number}")
    if boxed:
        box(axes, (x + 1.4, y + 1.4), width - 2.8, height - 2.8, edge="ink", thickness=1.6)
    if weight >= 0.095:  # what rounds to ten or more
        words(
            axes,
            (x + width / 2, y + height / 2),
            f"{100 * weight:.0f}",
            on_step(number),
            ha="center",
            weight=STRONG if boxed else 400,
        )


def _scale(axes: Axes, x: float, y: float, label: str) -> None:
    """The ten colours in a row, with the weights where the first, the sixth and the last end."""
    quiet(axes, (x, y + 5), label)
    start = x + text_width(label, size=SMALL) + 12
    for number in range(len(SEQUENTIAL)):
        box(axes, (start + 13 * number, y), 13, 10, f"s{number}")
    for number in (0, 5, len(SEQUENTIAL)):
        quiet(axes, (start + 13 * number, y + 22), f"{number**2}", ha="center", va="baseline")


def small_map(
    axes: Axes,
    corner: Point,
    cell: tuple[float, float],
    weights: Sequence[Sequence[float]] | np.ndarray,
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


# Races: the record of a benchmark -------------------------------------------------------------------------------


def race(record: Record, works: Mapping[str, str], peers: Mapping[str, str], head: str) -> Figure:
    """Each peer's time over ours, for each work in both settings; the fastest with its quartiles, in colour.

    `works` and `peers` give names to keys of the record; `head` stands above the first works.
    """
    run = record.runs[0]
    rows = [(work, setting) for work in works for setting in ("default", "fast")]
    top, gap = 26, 10  # between two kinds of work
    height = 27 * len(rows) + gap * (len(works) - 1)
    figure, axes = new_figure(
        top + height + 46, left=132, right=128, top=top, bottom=46, x="their time over ours"
    )
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x")
    axes.set(xscale="log", ylim=(height, 0), yticks=[])
    for number, (work, setting) in enumerate(rows):
        y = 13 + 27 * number + gap * (number // 2)
        found = run[work][setting]
        fastest = found["fastest_peer"]
        for name in (peer for peer in peers if peer in found and peer != fastest):
            axes.plot(found[name]["ratio"], y, "o", color=colour("edge"), markersize=5)
        middle, low, high = (found[fastest][key] for key in ("ratio", "ratio_q1", "ratio_q3"))
        axes.plot([low, high], [y, y], color=colour("c1"), linewidth=5, alpha=0.35)
        style = {"markersize": 8, "markeredgecolor": colour("paper"), "markeredgewidth": 1.2}
        axes.plot(middle, y, "o", color=colour("c1"), clip_on=False, **style)
        if setting == "default":
            beside(axes, works[work], 0, y, -130, "left")
        dim = {"color": colour("dim"), "size": SMALL}
        beside(axes, setting, 0, y, -8, **dim)
        beside(axes, f"{middle:.2f}", 1, y, 32, color=colour("c1"), weight=STRONG)
        beside(axes, peers[fastest], 1, y, 40, "left", **dim)
    axes.axvline(1, color=colour("ink"), linewidth=1.2)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.9), max(high, 1.5))
    logarithmic(
        axes.xaxis, [tick for tick in (0.5, 0.7, 1, 1.2, 1.5, 2, 3, 4, 6) if low < tick < high]
    )
    place = 2 / WIDTH, 1 - 12 / (top + height + 46)
    figure.text(*place, head, color=colour("dim"), size=SMALL, va="center")
    return figure


def race_table(record: Record, works: Mapping[str, str], peers: Mapping[str, str]) -> str:
    """Each peer's time over ours with quartiles, and ours as a share of the machine's products, in Markdown."""
    run = record.runs[0]
    lines = [
        f"| work | precision | {' | '.join(peers.values())} | ours, of peak |",
        f"| --- | --- | {'--: | ' * len(peers)}--: |",
    ]
    for work, label in works.items():
        for setting in ("default", "fast"):
            found = run[work][setting]
            cells = [
                f"{found[peer]['ratio']:.2f} ({found[peer]['ratio_q1']:.2f} to {found[peer]['ratio_q3']:.2f})"
                if peer in found
                else "–"
                for peer in peers
            ]
            peak = found["ours"].get("peak")
            share = f"{100 * peak:.0f} %" if peak else "–"
            lines.append(f"| {label} | {setting} | {' | '.join(cells)} | {share} |")
    return "\n".join(lines) + "\n"
