"""Residual networks with a bug, and shortcuts that go one way only."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from generators.charts import arrow, box, canvas, quiet, words
from generators.figure import STRONG, WIDTH, lettered, percent
from generators.figures.resnet.marks import PLAIN, RESIDUAL
from generators.palette import colour
from generators.record import Record, Summary

TRAINED = {
    "right": "the right network",
    "padding_before": "zeros on the other side",
    "relu_before_addition": "ReLU before the sum",
    "stride_in_first": "stride in the first 1×1",
    "shortcut_detached": "shortcut detached",
    "norm_forgotten": "norm forgotten",
}
RIGHT_OF = {"stride_in_first": "right_bottleneck"}
USED = {
    "not_frozen.shuffled": "no eval(), shuffled",
    "not_frozen.sorted": "no eval(), sorted",
    "not_frozen.single": "no eval(), one by one",
    "weights_of_right.relu_before_addition": "ReLU before the sum",
    "weights_of_right.stride_in_first": "stride in the first 1×1",
    "weights_of_right.padding_before": "zeros on the other side",
}
LOSS, HIT, LONG, ROW = (
    160,
    288,
    100,
    24,
)  # where the two columns begin; how long they are; a row's height


def bugs(record: Record) -> Figure:
    """Five bugs, of which three leave the training loss as it is; below, test accuracies of right weights misused."""
    rows, more = len(TRAINED), len(USED)
    figure, axes = canvas(86 + ROW * (rows + more))
    bottom = 24 + ROW * rows
    quiet(axes, (2, 12), "trained with a bug")
    quiet(axes, (LOSS, 12), "training loss")
    quiet(axes, (HIT, 12), "test accuracy, %")
    for loss in (0.01, 0.1, 1):
        _tick(axes, _at_loss(loss), bottom, f"{loss:g}")
    for share in (0, 50, 100):
        _tick(axes, _at_share(share), bottom, f"{share}")
    for row, (bug, name) in enumerate(TRAINED.items()):
        y = 24 + ROW * (row + 0.5)
        seen = bug in record.runs[0]["loss_above"] and record[f"loss_above.{bug}"].low > 0
        lost = bug in record.runs[0]["lost"] and record[f"lost.{bug}"].low > 0
        words(axes, (2, y), name, weight=STRONG if bug == "right" else 400)
        right = RIGHT_OF.get(bug, "right")
        for what, place, sure in (
            ("loss", _at_loss, seen),
            ("accuracy", lambda share: _at_share(100 * share), lost),
        ):
            role = "c1" if bug == "right" else "c2" if sure else "edge"
            at = place(record[f"{what}.{right}"].mean)
            axes.plot([at, at], [y - 9, y + 9], color=colour("c1"), linewidth=1.2)
            _seeds(axes, [place(value) for value in record[f"{what}.{bug}"].values], y, role)
    y = bottom + 42
    quiet(axes, (2, y), "used with a bug, right weights")
    quiet(axes, (WIDTH - 2, y), "test accuracy, %", ha="right")
    for row, (path, name) in enumerate(USED.items(), start=1):
        _bar(axes, y + ROW * row, name, percent(record[path]))
    return figure


def _at_loss(loss: float) -> float:
    """Where a training loss lies on its logarithmic scale, 0.005 to 3."""
    return LOSS + LONG * math.log(loss / 0.005) / math.log(3 / 0.005)


def _at_share(share: float) -> float:
    """Where a share of 100 lies."""
    return HIT + LONG * share / 100


def _tick(axes: Axes, x: float, bottom: float, text: str) -> None:
    arrow(axes, [(x, 26), (x, bottom)], "rule", 0.8, head=False)
    quiet(axes, (x, bottom + 10), text, ha="center")


def _seeds(axes: Axes, places: list[float], y: float, role: str) -> None:
    """A dot for each seed: three that lie far apart say more than their interval."""
    style = {"markersize": 7, "markeredgecolor": colour("paper"), "markeredgewidth": 1}
    marker = "s" if role == "c2" else "o"
    axes.plot(places, [y] * len(places), marker, color=colour(role), zorder=4, **style)


def _bar(axes: Axes, y: float, name: str, share: Summary) -> None:
    """The mean as a bar, the seeds as dots, the mean in words."""
    well = share.mean > 95
    words(axes, (2, y), name)
    full = WIDTH - 42 - LOSS
    box(axes, (LOSS, y - 8), full, 16, "s0")
    box(axes, (LOSS, y - 8), full * share.mean / 100, 16, "mute" if well else "c2")
    places = [LOSS + full * value / 100 for value in share.values]
    _seeds(axes, places, y, "ink")
    text = lettered(round(share.mean), "int")
    style = {} if well else {"weight": STRONG}
    words(axes, (WIDTH - 2, y), text, "ink" if well else "c2", ha="right", **style)


# Ways -----------------------------------------------------------------------------------------------------------

WAYS = {
    "neither": ("neither: plain", f"c{PLAIN}"),
    "forward": ("only forwards", "mute"),
    "backward": ("only backwards", "mute"),
    "both": ("both: residual", f"c{RESIDUAL}"),
}
SIGN, ZERO, FULL, WORST = 116, 190, 164, 0.7  # where sign and bar begin; a bar of the worst loss


def bugs_ways(record: Record) -> Figure:
    """Bars of training loss: a shortcut for signals alone is about as bad as none, for gradients alone worse."""
    figure, axes = canvas(36 + 44 * len(WAYS))
    quiet(axes, (2, 12), "the shortcut carries")
    quiet(axes, (ZERO, 12), "training loss")
    for row, (way, (name, role)) in enumerate(WAYS.items()):
        y = 50 + 44 * row
        loss = record[f"ways.{way}"]
        words(axes, (2, y), name, "ink" if role == "mute" else role, weight=STRONG)
        for up, there in ((-7, way in ("forward", "both")), (7, way in ("backward", "both"))):
            ends = [(SIGN, y + up), (SIGN + 50, y + up)]
            ends = ends if up < 0 else ends[::-1]
            arrow(axes, ends, "ink" if there else "rule", 2 if there else 0.8, head=there)
        box(axes, (ZERO, y - 11), FULL * loss.mean / WORST, 22, role)
        middle = [ZERO + FULL * max(0, end) / WORST for end in (loss.low, loss.high)]
        axes.plot(middle, [y, y], color=colour("ink"), linewidth=1.6)
        text = lettered(loss.mean, "f2")
        words(
            axes, (WIDTH - 2, y), text, "ink" if role == "mute" else role, ha="right", weight=STRONG
        )
    return figure


FIGURES = {"bugs": bugs, "bugs_ways": bugs_ways}
