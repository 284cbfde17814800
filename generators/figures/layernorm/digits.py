"""What nets on handwritten digits show: batches, growing weights, convolutions, and bugs."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from generators.charts import arrow, box, canvas, quiet, words
from generators.figure import (
    STRONG,
    WIDTH,
    end_labels,
    lettered,
    line,
    logarithmic,
    new_figure,
    panel,
    percent,
)
from generators.figures.layernorm.curves import BATCH, LAYER, NONE, OTHER, courses
from generators.palette import colour
from generators.record import Record, Summary

ARMS = (
    (NONE, "none", "no norm"),
    (LAYER, "layer_norm", "layer norm"),
    (BATCH, "batch_norm", "batch norm"),
)


def batch_size(record: Record) -> Figure:
    """Test error against a batch that shrinks: it falls with layer norm and without a norm, not with batch norm."""
    figure, axes = new_figure(270, x="examples in a batch", y="test error, %")
    axes.set(xscale="log", xlim=(128, 1), ylim=(0, 7))
    logarithmic(axes.xaxis, [128, 32, 4, 1])
    for category, norm, name in ARMS:
        sizes = [size for size in (128, 32, 4, 1) if f"{norm}_{size}" in record.runs[0]["error"]]
        errors = [percent(record[f"error.{norm}_{size}"]) for size in sizes]
        line(axes, sizes, errors, category, "" if norm == "none" else name, within=(0, 100))
        if norm == "none":  # its end lies on another curve
            style = {"xytext": (12, 6), "textcoords": "offset points", "weight": STRONG}
            axes.annotate(name, (128, errors[0].mean), **style, color=colour(f"c{category}"))
    end_labels(axes)
    return figure


def batch_size_curves(record: Record) -> Figure:
    """Training loss against epochs in batches of 4: with batch norm it stays far above no norm and layer norm."""
    epochs = range(1, record.settings["epochs"] + 1)
    figure, axes = new_figure(270, x="epochs", y="training loss, batches of 4")
    axes.set(xlim=(1, epochs[-1]), xticks=epochs, yscale="log")
    for category, norm, name in ARMS:
        losses = [record[f"losses.{norm}_4.{epoch - 1}"] for epoch in epochs]
        line(axes, epochs, losses, category, name)
    logarithmic(axes.yaxis)
    end_labels(axes)
    return figure


def growing_weights(record: Record) -> Figure:
    """Training loss and turn of the weights in a step: both fall if weights may grow, both stay high if not."""
    rate = "middle"
    figure, upper = new_figure(370, right=104, bottom=208, y="training loss")
    x = f"updates, at a constant rate of {record.settings['rates'][rate]:g}"
    lower = panel(figure, 214, 110, right=104, x=x, y="turn in a step, °")
    arms = ((LAYER, "layer_norm", "may grow"), (BATCH, "kept_length", "put back"))
    for axes, what in ((upper, "loss"), (lower, "turn")):
        courses(axes, record, arms, f"arms.{{}}.{rate}.{what}")
        axes.set_ylim(bottom=0)
        axes.locator_params(axis="y", nbins=4, integer=True)
        end_labels(axes)
    upper.tick_params(labelbottom=False)
    return figure


def convolutions(record: Record) -> Figure:
    """Training loss of a convolutional net against updates: batch norm falls first, then layer norm, no norm last."""
    figure, axes = new_figure(290, right=112, x="updates", y="training loss")
    axes.set_yscale("log")
    courses(axes, record, (*ARMS, (OTHER, "channel_norm", "channels only")))
    logarithmic(axes.yaxis)
    end_labels(axes)
    return figure


# Bugs -----------------------------------------------------------------------------------------------------------

TRAINED = {
    "statistics_detached": "statistics detached",
    "norm_on_logits": "norm on the logits",
    "one_module": "one norm for all layers",
    "epsilon_outside": "epsilon outside the root",
    "wrong_axis": "over the wrong axis",
    "unbiased_variance": "unbiased variance",
    "one_gain": "one gain for all units",
}
USED = {
    "not_frozen.frozen": "batch norm, used rightly",
    "not_frozen.32": "eval() forgotten",
    "not_frozen.32_sorted": "eval() forgotten, sorted",
    "error_one_by_one.wrong_axis": "wrong axis, one by one",
}
LOSS, ERROR, LONG = (172, 0.27), (296, 6.8), 100  # where a column is 0, and what fills it
USED_LONG = 176  # a bar of 100 %


def bugs(record: Record) -> Figure:
    """Seven bugs, of which two raise the training loss and one the test error; below, errors of bugs in use."""
    figure, axes = canvas(74 + 25 * len(TRAINED) + 25 * len(USED))
    quiet(axes, (2, 12), "trained with a bug")
    bottom = 28 + 25 * len(TRAINED)
    for (x, _), name in ((LOSS, "extra training loss"), (ERROR, "extra error, points")):
        quiet(axes, (x - 8, 12), name)
        arrow(axes, [(x, 26), (x, bottom)], "edge", 0.8, head=False)
    for row, (bug, name) in enumerate(TRAINED.items()):
        y = 40 + 25 * row
        loss, error = record[f"loss_above.{bug}"], percent(record[f"error_above.{bug}"])
        seen = loss.low > 0 or error.low > 0
        words(axes, (2, y), name, weight=STRONG if seen else 400)
        _difference(axes, y, loss, *LOSS, "f2")
        _difference(axes, y, error, *ERROR, "f1")
    y = bottom + 26
    arrow(axes, [(2, y - 15), (WIDTH - 2, y - 15)], "rule", 0.8, head=False)
    quiet(axes, (2, y), "used with a bug")
    quiet(axes, (LOSS[0] - 8, y), "test error, %")
    for row, (path, name) in enumerate(USED.items(), start=1):
        right = row == 1
        share = percent(record[path])
        place = y + 3 + 25 * row
        words(axes, (2, place), name)
        box(axes, (LOSS[0], place - 8), USED_LONG, 16, "s0")
        long = USED_LONG * share.mean / 100
        box(axes, (LOSS[0], place - 8), long, 16, "mute" if right else "c2")
        ends = [LOSS[0] + USED_LONG * end / 100 for end in (share.low, share.high)]
        axes.plot(ends, [place, place], color=colour("ink"), linewidth=1.6)
        style = {"ha": "right"} if right else {"ha": "right", "weight": STRONG}
        text = lettered(share.mean, "f1")
        words(axes, (WIDTH - 2, place), text, "ink" if right else "c2", **style)
    return figure


def _difference(axes: Axes, y: float, found: Summary, zero: float, full: float, form: str) -> None:
    """A point with its interval beside the line of no difference; in colour what gives the bug away."""
    seen = found.low > 0
    middle, low, high = (zero + LONG * v / full for v in (found.mean, found.low, found.high))
    tone = "c2" if seen else "edge"
    axes.plot([low, high], [y, y], color=colour(tone), linewidth=1.6)
    style = {"markersize": 7, "markeredgecolor": colour("paper"), "markeredgewidth": 1.2}
    axes.plot(middle, y, "s" if seen else "o", color=colour(tone), **style)
    if seen:
        text = f"+{lettered(found.mean, form)}"
        words(axes, (low - 5, y), text, "c2", ha="right", weight=STRONG)


FIGURES = {
    "batch_size": batch_size,
    "batch_size_curves": batch_size_curves,
    "growing_weights": growing_weights,
    "convolutions": convolutions,
    "bugs": bugs,
}
