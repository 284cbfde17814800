"""Over which axes each method averages: a drawing, no measurement."""

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from generators.charts import canvas, quiet, words
from generators.figure import STRONG
from generators.palette import colour
from generators.record import Record

CELL, EXAMPLES, UNITS = 15, 5, 6
PIXEL, PICTURES, CHANNELS, SIDE = 9, 3, 4, 2
COLUMNS = (26, 156, 286)  # where the three panels of a row begin


def invariances_axes(record: Record) -> Figure:
    """Six grids, each with the values that share one mean shaded: a row for layer norm, a column for batch norm."""
    figure, axes = canvas(300)
    for x, name, role, inside in (
        (COLUMNS[0], "batch norm", "c2", lambda example, unit: unit == 1),
        (COLUMNS[1], "layer norm", "c1", lambda example, unit: example == 1),
        (COLUMNS[2], "weight norm", "c3", lambda unit, source: unit == 1),
    ):
        words(axes, (x, 14), name, role, weight=STRONG)
        _grid(axes, (x, 46), role, inside)
        of_weights = name == "weight norm"
        quiet(axes, (x, 36), "a matrix: inputs" if of_weights else "units")
        _upright(axes, (x - 9, 46 + EXAMPLES * CELL / 2), "units" if of_weights else "examples")
    top = 186
    for x, name, role, inside in (
        (COLUMNS[0], "batch norm", "c2", lambda example, channel, pixel: channel == 1),
        (COLUMNS[1], "layer norm", "c1", lambda example, channel, pixel: example == 1),
        (
            COLUMNS[2],
            "channels only",
            "c4",
            lambda example, channel, pixel: example == 1 and pixel == 1,
        ),
    ):
        words(axes, (x, top - 30), name, role, weight=STRONG)
        quiet(axes, (x, top - 10), "channels")
        _upright(axes, (x - 9, top + PICTURES * 26 / 2), "pictures")
        _pictures(axes, (x, top), role, inside)
    quiet(axes, (COLUMNS[0] - 20, 284), "shaded: what shares one mean and one deviation")
    return figure


def _grid(
    axes: Axes, corner: tuple[float, float], role: str, inside: Callable[[int, int], bool]
) -> None:
    """One value for each row and column."""
    cells = [(row, column) for row in range(EXAMPLES) for column in range(UNITS)]
    for shaded in (False, True):
        places = [
            (corner[0] + column * CELL, corner[1] + row * CELL)
            for row, column in cells
            if inside(row, column) == shaded
        ]
        _squares(axes, places, CELL - 2, role if shaded else "rule")


def _pictures(
    axes: Axes, corner: tuple[float, float], role: str, inside: Callable[[int, int, int], bool]
) -> None:
    """A small square of pixels for each picture and channel."""
    pixels = [
        (example, channel, pixel)
        for example in range(PICTURES)
        for channel in range(CHANNELS)
        for pixel in range(SIDE * SIDE)
    ]
    for shaded in (False, True):
        places = [
            (
                corner[0] + channel * 25 + pixel % SIDE * (PIXEL + 1),
                corner[1] + example * 26 + pixel // SIDE * (PIXEL + 1),
            )
            for example, channel, pixel in pixels
            if inside(example, channel, pixel) == shaded
        ]
        _squares(axes, places, PIXEL, role if shaded else "rule")


def _squares(axes: Axes, places: list[tuple[float, float]], side: float, role: str) -> None:
    """Many squares as one shape: a smaller file."""
    shape = Path.make_compound_path(
        *(
            Path([(x, y), (x + side, y), (x + side, y + side), (x, y + side), (x, y)], closed=True)
            for x, y in places
        )
    )
    axes.add_patch(PathPatch(shape, facecolor=colour(role), linewidth=0))


def _upright(axes: Axes, place: tuple[float, float], text: str) -> None:
    """A name beside its rows."""
    quiet(axes, place, text, rotation=90, ha="center")


FIGURES = {"invariances_axes": invariances_axes}
