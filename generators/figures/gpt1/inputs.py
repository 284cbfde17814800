"""How a task is written as tokens: a drawing, no measurement."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from generators.charts import arrow, box, canvas, plus, quiet, words
from generators.figure import STRONG
from generators.record import Record

TALL, GAP = 22, 3  # of a token's box, and between two
FRAME = {"start": 36, "$": 16, "extract": 50}  # tokens without text, and how wide they are drawn
TEXT = 58
END = 236  # where an input ends at most


def order_tasks(record: Record) -> Figure:
    """Four tasks as rows of tokens: start, the texts with a delimiter between, and extract, where it is read."""
    figure, axes = canvas(330)
    y = 14
    quiet(axes, (2, y), "one text, one class")
    end = _row(axes, y + 24, "start", "text", "extract")
    _read(axes, y + 24, "classes", end)
    y += 64
    quiet(axes, (2, y), "does B follow from A?")
    _row(axes, y + 24, "start", "text A", "$", "text B", "extract")
    _read(axes, y + 24, "classes")
    y += 64
    quiet(axes, (2, y), "how alike are A and B? both orders, added")
    _row(axes, y + 24, "start", "text A", "$", "text B", "extract")
    _row(axes, y + 52, "start", "text B", "$", "text A", "extract")
    middle = y + 38
    for height in (y + 24, y + 52):
        arrow(axes, [(END + 3, height), (264, height), (264, middle)], head=False)
    plus(axes, (264, middle))
    _read(axes, middle, "score", 271)
    y += 92
    quiet(axes, (2, y), "which answer? a softmax over their scores")
    for number in (1, 2):
        height = y + 28 * number - 4
        _row(axes, height, "start", "question", "$", f"answer {number}", "extract")
        _read(axes, height, f"score {number}")
    box(axes, (2, 307), 14, 14, "c2")
    words(axes, (23, 314), "no text: embeddings learnt with the task", "c2", weight=STRONG)
    return figure


def _row(axes: Axes, y: float, *tokens: str) -> float:
    """A row of tokens, those that frame a task in colour; return where it ends."""
    x = 2.0
    for token in tokens:
        frame = token in FRAME
        wide = FRAME.get(token, TEXT)
        box(axes, (x, y - TALL / 2), wide, TALL, "c2" if frame else "s1")
        style = {"ha": "center", "size": 12}
        words(axes, (x + wide / 2, y), token, "paper" if frame else "ink", **style)
        x += wide + GAP
    return x


def _read(axes: Axes, y: float, answer: str, start: float = END + 3) -> None:
    """From the last token through the new matrix to the answer."""
    arrow(axes, [(start, y), (282, y)])
    box(axes, (284, y - TALL / 2), 46, TALL, "c1")
    words(axes, (307, y), "matrix", "paper", ha="center", size=12)
    arrow(axes, [(331, y), (343, y)])
    words(axes, (346, y), answer, size=12)


FIGURES = {"order_tasks": order_tasks}
