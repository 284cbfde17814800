"""The bug gallery: what each mistake looks like in training, and what it costs on text that is really unseen."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from generators.charts import arrow, canvas, quiet, words
from generators.figure import STRONG, lettered
from generators.palette import colour
from generators.record import Record, Summary

TRAINED = {
    "mask_shifted": "mask one too wide",
    "labels_not_shifted": "labels not shifted",
    "no_positions": "no positions",
    "output_not_tied": "output not tied",
    "other_gelu": "the other GELU",
}
ROW = 34
LOSS, NATS = (206, 54), (290, 52)  # where a column is 0, and how far it reaches to either side


def bugs(record: Record) -> Figure:
    """Five bugs: four lower the training loss; of these, one raises the cost of an unseen token, and two lower it."""
    figure, axes = canvas(66 + ROW * len(TRAINED))
    quiet(axes, (LOSS[0] + 12, 12), "training loss", ha="right")
    quiet(axes, (NATS[0] - 8, 12), "cost of the next")
    quiet(axes, (NATS[0] - 8, 28), "token, unseen")
    quiet(axes, (2, 12), "nats above")
    quiet(axes, (2, 28), "the right model")
    for x, _ in (LOSS, NATS):
        arrow(axes, [(x, 42), (x, 54 + ROW * len(TRAINED))], "edge", 0.8, head=False)
    loss, nats = (
        {bug: record[f"{what}.{bug}"] for bug in TRAINED} for what in ("loss_above", "nats_above")
    )
    for row, (bug, name) in enumerate(TRAINED.items()):
        y = 62 + ROW * row
        words(axes, (2, y), name)
        for found, column in ((loss, LOSS), (nats, NATS)):
            far = max(abs(value.mean) for value in found.values())
            _difference(axes, y, found[bug], *column, far)
    return figure


def _difference(
    axes: Axes, y: float, found: Summary, zero: float, reach: float, far: float
) -> None:
    """A bar from no difference, with its interval; in colour where the interval leaves out no difference."""
    certain = found.low > 0 or found.high < 0
    tone = "edge" if not certain else "c2" if found.mean > 0 else "c1"
    middle, low, high = (
        zero + reach * value / far for value in (found.mean, found.low, found.high)
    )
    axes.plot([zero, middle], [y, y], color=colour(tone), linewidth=11, solid_capstyle="butt")
    axes.plot([low, high], [y, y], color=colour("ink"), linewidth=1.6)
    above = found.mean > 0
    sign = "+" if above else ""
    text = f"{sign}{lettered(found.mean, 'f2')}" if abs(found.mean) >= 0.005 else "0"
    place = max(high, zero) + 6 if above else min(low, zero) - 6
    style = {"weight": STRONG} if certain else {"color": colour("dim")}
    words(axes, (place, y), text, tone, ha="left" if above else "right", **style)


FIGURES = {"bugs": bugs}
