"""The page's translator before anybody has touched it: where it looks while it writes one number."""

import math

from matplotlib.figure import Figure

from generators.charts import canvas, quiet, words
from generators.figure import WIDTH
from generators.palette import colour
from generators.record import Record

LEAST = 0.03  # weights below are not drawn
ABOVE, BELOW = 40, 190  # where the two lines of words stand


def live(record: Record) -> Figure:
    """Lines from each word of an English number to the German words that the model looks at while it writes it."""
    shown = record.runs[0]["drawn"]
    heads = shown["maps"][-1]
    figure, axes = canvas(226)
    above, below = (middles(len(shown[side])) for side in ("read", "written"))
    for row, target in enumerate(below):
        weights = [
            sum(head[row][column] for head in heads) / len(heads) for column in range(len(above))
        ]
        for column, weight in enumerate(weights):
            if weight < LEAST:
                continue
            strongest = weight == max(weights)
            path = bend((target, BELOW - 16), (above[column], ABOVE + 16))
            tone = colour("c1") if strongest else colour("edge")
            axes.plot(*zip(*path, strict=True), color=tone, linewidth=9 * weight)
    for places, y, side in ((above, ABOVE, "read"), (below, BELOW, "written")):
        for x, text in zip(places, shown[side], strict=True):
            words(axes, (x, y), text.strip(), ha="center")
    quiet(axes, (2, 12), "German, read")
    quiet(axes, (2, 216), "English, written")
    return figure


def middles(count: int) -> list[float]:
    """Evenly spaced places across the picture."""
    return [WIDTH * (number + 0.5) / count for number in range(count)]


def bend(start: tuple[float, float], end: tuple[float, float]) -> list[tuple[float, float]]:
    """A soft curve that leaves and arrives upright."""
    steps = [number / 14 for number in range(15)]
    ease = [(1 - math.cos(math.pi * step)) / 2 for step in steps]
    return [
        (start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * step)
        for step, part in zip(steps, ease, strict=True)
    ]


FIGURES = {"live": live}
