"""What the model is: a sum beside two layers; and the way back of the gradient that comes from it."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from generators.charts import arrow, beside, box, canvas, plus, quiet, words
from generators.figure import SMALL, STRONG, new_figure
from generators.figures.resnet.marks import OTHER, PLAIN, RESIDUAL, decades, mark
from generators.palette import colour
from generators.record import Record

LAYERS = ("convolution, norm", "ReLU", "convolution, norm")
LONG = 150  # how wide a block is


def architecture(record: Record) -> Figure:
    """A plain block and a residual one, to whose two layers their input is added; below, three kinds of shortcut."""
    figure, axes = canvas(452)
    for left, name, role, residual in (
        (10, "plain", f"c{PLAIN}", False),
        (210, "residual", f"c{RESIDUAL}", True),
    ):
        _block(axes, left, name, role, residual)
    top = 288
    arrow(axes, [(2, top - 20), (398, top - 20)], "rule", 0.8, head=False)
    quiet(axes, (2, top - 2), "what is on the shortcut where the channels double")
    for row, (option, at_change, name) in enumerate(
        (
            ("A", "0", "padded with zeros"),
            ("B", "W", "a matrix there"),
            ("C", "W", "a matrix in each"),
        )
    ):
        _chain(axes, top + 50 + 46 * row, option, at_change, name)
    return figure


def _block(axes: Axes, left: float, name: str, role: str, residual: bool) -> None:
    """Two layers from top to bottom; with a way past them where it is residual."""
    middle = left + LONG / 2
    words(axes, (left, 12), name, role, weight=STRONG)
    words(axes, (middle, 30), "x", ha="center", style="normal")
    y = 38
    start = y
    for text, tall in zip(LAYERS, (34, 24, 34), strict=True):
        arrow(axes, [(middle, y), (middle, y + 16)])
        box(axes, (left, y + 16), LONG, tall, "s1" if text != "ReLU" else "", "edge")
        words(axes, (middle, y + 16 + tall / 2), text, ha="center")
        y += 16 + tall
    total = y + 20
    if residual:
        side = left + LONG + 20
        arrow(
            axes,
            [(middle, start + 6), (side, start + 6), (side, total), (middle + 8, total)],
            role,
            3,
        )
        arrow(axes, [(middle, y), (middle, total)], head=False)
        plus(axes, (middle, total), 8, role)
        words(axes, (middle - 16, total), "F(x) + x", role, ha="right", weight=STRONG)
    else:
        arrow(axes, [(middle, y), (middle, total + 8)], head=False)
        words(axes, (middle - 16, total), "F(x)", role, ha="right", weight=STRONG)
    arrow(axes, [(middle, total + 8), (middle, total + 24)])
    box(axes, (left, total + 24), LONG, 24, edge="edge")
    words(axes, (middle, total + 36), "ReLU", ha="center")
    arrow(axes, [(middle, total + 48), (middle, total + 66)])


def _chain(axes: Axes, y: float, option: str, at_change: str, name: str) -> None:
    """Four blocks in a row, of which the third doubles the channels; an arc over each for its shortcut."""
    words(axes, (2, y), option, f"c{RESIDUAL}", weight=STRONG)
    x = 24
    for number in range(4):
        tall = 10 if number < 2 else 20
        box(axes, (x + 12, y - tall / 2), 34, tall, "s1", "edge")
        changes = number == 2
        sign = at_change if changes else "W" if option == "C" else ""
        role = f"c{RESIDUAL}"
        ends = [(x, y), (x, y - 20)], [(x + 58, y - 20), (x + 58, y)]
        if sign:
            box(axes, (x + 20, y - 28), 18, 16, edge=role)
            words(axes, (x + 29, y - 20), sign, role, ha="center", size=SMALL, weight=STRONG)
            arrow(axes, [*ends[0], (x + 20, y - 20)], role, 2, head=False)
            arrow(axes, [(x + 38, y - 20), *ends[1]], role, 2, head=False)
        else:
            arrow(axes, [*ends[0], *ends[1]], role, 2, head=False)
        arrow(axes, [(x, y), (x + 12, y)], "edge", 1, head=False)
        arrow(axes, [(x + 46, y), (x + 58, y)], "edge", 1, head=False)
        x += 58
    quiet(axes, (x + 12, y - 8), name)


FACTORS = {"0_5": "× 0.5", "0_9": "× 0.9", "1": "× 1", "1_1": "× 1.1"}


def identity(record: Record) -> Figure:
    """Gradient after 54 blocks: scaled by a half, its direct term shrinks to nothing while the whole one explodes."""
    figure, axes = new_figure(
        250,
        left=66,
        right=22,
        top=34,
        bottom=46,
        x="gradient at the first block over that at the last, power of ten",
    )
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x")
    axes.set(xlim=(-17, 9), ylim=(len(FACTORS) - 0.5, -0.5), yticks=[], xticks=[-15, -10, -5, 0, 5])
    axes.axvline(0, color=colour("ink"), linewidth=1.2)
    for row, (factor, name) in enumerate(FACTORS.items()):
        direct, whole = (
            decades(record[f"by_factor.{factor}.{what}"]) for what in ("direct", "gradient")
        )
        beside(axes, name, 0, row, -62, "left")
        axes.plot([direct.mean, whole.mean], [row, row], color=colour("rule"), linewidth=1.6)
        mark(axes, direct, row, OTHER)
        mark(axes, whole, row, RESIDUAL)
        if row == 0:
            for place, text, category, ha in (
                (direct, "direct term", OTHER, "left"),
                (whole, "whole gradient", RESIDUAL, "right"),
            ):
                axes.annotate(
                    text,
                    (place.mean, row),
                    (-6 if ha == "left" else 6, 17),
                    textcoords="offset points",
                    ha=ha,
                    va="center",
                    color=colour(f"c{category}"),
                    weight=STRONG,
                )
    figure.text(2 / 400, 1 - 18 / 250, "shortcut", color=colour("dim"), size=SMALL, va="bottom")
    return figure


FIGURES = {"architecture": architecture, "identity": identity}
