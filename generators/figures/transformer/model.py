"""What the model is: its parts and their weights."""

import math
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from generators.charts import arrow, box, canvas, clocks, plus, quiet, words
from generators.figure import STRONG, WIDTH, lettered
from generators.record import Record

KINDS = {
    "self_attention": "attention",
    "cross_attention": "attention",
    "feed_forward": "feed_forward",
}
NAMES = {
    "self_attention": "self-attention",
    "cross_attention": "cross-attention",
    "feed_forward": "feed-forward",
}
ROLES = {"attention": "c1", "feed_forward": "c2", "embedding": "c3"}
LEFT, RIGHT, COLUMN = 26, 226, 148  # where the two stacks begin, and how wide they are
WHOLE = 330  # how tall a block of this width would be that held all weights


def architecture(record: Record) -> Figure:
    """Encoder and decoder as two columns of blocks, each block as large as its share of the base model's weights."""
    run = record.runs[0]
    share = run["base"]["embedding"] / run["base"]["total"]
    figure, axes = canvas(412)
    wide, top = RIGHT + COLUMN - LEFT, 30
    tall = share * WHOLE * COLUMN / wide
    _block(axes, (LEFT, top), wide, tall, "embedding, and the output's matrix", "embedding", share)
    ends, middles = {}, {}
    for side, x, text in (("encoder", LEFT, "source"), ("decoder", RIGHT, "written so far")):
        middle = x + COLUMN / 2
        quiet(axes, (middle, 9), text, ha="center")
        arrow(axes, [(middle, 17), (middle, top)])
        aside = (middle + 12, "left") if side == "encoder" else (middle - 12, "right")
        quiet(axes, (aside[0], top + tall + 14), "+ positions", ha=aside[1])
        ends[side], middles[side] = _stack(axes, x, top + tall, side, run)
    middle, y = LEFT + COLUMN / 2, ends["encoder"]
    gap = (LEFT + COLUMN + RIGHT) / 2
    turn = middles["decoder"]["cross_attention"]
    arrow(axes, [(middle, y), (middle, y + 22), (gap, y + 22), (gap, turn), (RIGHT, turn)], "c1", 2)
    quiet(axes, (middle, y + 36), "keys and values", ha="center")
    middle, y = RIGHT + COLUMN / 2, ends["decoder"]
    arrow(axes, [(middle, y), (middle, y + 22)])
    quiet(axes, (middle, y + 32), "the next token", ha="center")
    for row, text in enumerate(
        ("areas: shares of the", f"{lettered(run['base']['total'] / 1e6, 'int')} million weights")
    ):
        quiet(axes, (LEFT - 18, y + 14 + 18 * row), text)
    return figure


def _stack(
    axes: Axes, x: float, y: float, side: str, run: Mapping[str, Any]
) -> tuple[float, dict[str, float]]:
    """A stack from its input down: where its frame ends, and the middle of each block."""
    base, everywhere = run["base"], [*run["encoder"], *run["decoder"]]
    middle, way = x + COLUMN / 2, -1 if side == "encoder" else 1
    outer = middle + way * (COLUMN / 2 + 10)  # where what is added goes past the block
    top, middles = y + 28, {}
    start, y = y, y + 40
    for name in filter(KINDS.get, run[side]):
        kind = KINDS[name]
        alike = sum(KINDS.get(part) == kind for part in everywhere)
        share = base[kind] / base["total"] / alike
        tall = share * WHOLE
        text = "masked attention" if (side, name) == ("decoder", "self_attention") else NAMES[name]
        arrow(axes, [(middle, start), (middle, y + 10)])
        _block(axes, (x, y + 10), COLUMN, tall, text, kind, share)
        total = y + 10 + tall + 14
        arrow(axes, [(middle, y), (outer, y), (outer, total), (middle + 6 * way, total)])
        arrow(axes, [(middle, y + 10 + tall), (middle, total)], head=False)
        plus(axes, (middle, total))
        quiet(axes, (middle - way * 12, total), "add, norm", ha="right" if way > 0 else "left")
        middles[name] = y + 10 + tall / 2
        start, y = total + 6, total + 14
    corner = min(x, outer) - 8
    box(axes, (corner, top), COLUMN + 26, start + 6 - top, edge="rule")
    times = (corner + 6, "left") if side == "encoder" else (corner + COLUMN + 20, "right")
    quiet(axes, (times[0], top - 9), f"{base['n_layers']} ×", ha=times[1])
    return start, middles


def _block(
    axes: Axes,
    corner: tuple[float, float],
    width: float,
    height: float,
    text: str,
    kind: str,
    share: float,
) -> None:
    """A block with its name and its share of the weights."""
    x, y = corner[0], corner[1] + height / 2
    box(axes, corner, width, height, ROLES[kind], ROLES[kind], 0.16)
    words(axes, (x + 8, y), text)
    words(axes, (x + width - 8, y), lettered(share, "pct0"), ha="right", weight=STRONG)


def position_shift(record: Record) -> Figure:
    """The code of nine positions as the hands of four clocks: a step further turns each by an angle of its own."""
    d_model = record.settings["d_model"]
    pairs = [place * d_model // 16 for place in range(4)]
    shown = range(9)
    left, right, top, row = 74, 52, 44, 48
    figure, axes = canvas(top + row * len(pairs) - 14)
    places = [left + (WIDTH - left - right) / len(shown) * (p + 0.5) for p in shown]
    quiet(axes, (left - 8, 12), "position", ha="right")
    quiet(axes, (WIDTH - 4, 12), "a step", ha="right")
    for position in shown:
        quiet(axes, (places[position], 12), str(position), ha="center")
    for number, pair in enumerate(pairs):
        y, turn = top + row * number, 10_000 ** (-2 * pair / d_model)
        quiet(axes, (left - 8, y - 8), "features", ha="right")
        quiet(axes, (left - 8, y + 8), f"{2 * pair}, {2 * pair + 1}", ha="right")
        clocks(axes, [(x, y) for x in places], 14, [p * turn for p in shown], turn)
        degrees = math.degrees(turn)
        words(axes, (WIDTH - 4, y), f"{degrees:.{int(degrees < 10)}f}°", ha="right", weight=STRONG)
    return figure


FIGURES = {"architecture": architecture, "position_shift": position_shift}
