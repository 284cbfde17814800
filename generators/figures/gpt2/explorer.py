"""The page's model before anybody has touched it: where a head looks from the last word, and which head is missed."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc

from generators.charts import box, canvas, on_step, quiet, step, words
from generators.figure import STRONG, WIDTH, lettered, text_width
from generators.palette import colour
from generators.record import Record

LEAST = 0.02  # weights below are not drawn
LINE = 122  # where the words stand
CELL = 38


def explorer(record: Record) -> Figure:
    """One head's look back from the last word of a repeated list; below, how hard all look, and which is missed."""
    shown = record.runs[0]["presets"]["list"]
    layer, head = shown["head"]
    figure, axes = canvas(366)
    quiet(axes, (2, 12), f"head {layer + 1}.{head + 1} looks back from the last word")
    middles = _words(axes, shown["tokens"])
    weights = shown["map"][-1]
    for x, weight in zip(middles, weights, strict=True):
        if weight >= LEAST and x != middles[-1]:
            _arc(axes, x, middles[-1], weight, strongest=weight == max(weights))
    for left, name, table in (
        (30, "looks at “kite”, %", [[100 * look for look in row] for row in shown["looks"]]),
        (234, "bits lost without it", shown["costs"]),
    ):
        quiet(axes, (left, 172), name)
        _grid(axes, (left, 206), table, 100 if table is not shown["costs"] else 10)
    return figure


def _words(axes: Axes, tokens: Sequence[str]) -> list[float]:
    """The words in one row; their middles."""
    names = [token.strip() for token in tokens]
    widths = [text_width(name) for name in names]
    gap = (WIDTH - 8 - sum(widths)) / (len(names) - 1)
    middles, x = [], 4.0
    for number, (name, wide) in enumerate(zip(names, widths, strict=True)):
        last = number == len(names) - 1
        style = {"weight": STRONG} if last else {}
        words(axes, (x + wide / 2, LINE), name, "c1" if last else "ink", ha="center", **style)
        middles.append(x + wide / 2)
        x += wide + gap
    return middles


def _arc(axes: Axes, start: float, end: float, weight: float, strongest: bool) -> None:
    """Half an ellipse above the words, as thick as the weight."""
    role, wide = ("c1" if strongest else "edge"), end - start
    shape = Arc(
        ((start + end) / 2, LINE - 14),
        wide,
        min(160, 40 + 0.36 * wide),
        theta1=180,
        theta2=360,
        color=colour(role),
        linewidth=1 + 9 * weight,
    )
    axes.add_patch(shape)


def _grid(
    axes: Axes, corner: tuple[float, float], table: Sequence[Sequence[float]], full: float
) -> None:
    """A number for each head, darker the larger; layers are rows."""
    x, y = corner
    quiet(axes, (x + 1, y - 12), "head", ha="right")
    quiet(axes, (x - 18, y + 2 * CELL), "layer", ha="center", rotation=90)
    for column in range(len(table[0])):
        quiet(axes, (x + CELL * (column + 0.5), y - 12), f"{column + 1}", ha="center")
    for row, line in enumerate(table):
        quiet(axes, (x - 8, y + CELL * (row + 0.5)), f"{row + 1}", ha="right")
        for column, value in enumerate(line):
            shade = step(max(0.0, value) / full)
            place = x + CELL * column, y + CELL * row
            box(axes, place, CELL - 2, CELL - 2, f"s{shade}")
            text = lettered(value, "int" if full == 100 else "f1").replace("−0.0", "0.0")
            middle = place[0] + CELL / 2 - 1, place[1] + CELL / 2 - 1
            words(axes, middle, text, on_step(shade), ha="center")


FIGURES = {"explorer": explorer}
