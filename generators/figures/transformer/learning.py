"""How it learns: warm-up, gradients before the first step, label smoothing."""

from matplotlib.figure import Figure

from generators.charts import beside
from generators.figure import (
    MARKERS,
    SMALL,
    STRONG,
    end_labels,
    lettered,
    line,
    logarithmic,
    new_figure,
    percent,
)
from generators.palette import colour
from generators.record import Record


def warmup(record: Record) -> Figure:
    """Training loss against updates: norm after and norm before each sub-layer, each with and without warm-up."""
    arms = {
        "post_cold": "post-norm, none",
        "post_warm": "post-norm, warm-up",
        "pre_cold": "pre-norm, none",
        "pre_warm": "pre-norm, warm-up",
    }
    figure, axes = new_figure(300, right=138, x="updates", y="training loss")
    axes.set(xlim=(0, record.settings["steps"]), yscale="log")
    axes.locator_params(axis="x", nbins=4)
    every = record.settings["steps"] / record.settings["points"]
    for category, (arm, name) in enumerate(arms.items(), start=1):
        count = min(len(run["curves"][arm]) for run in record.runs)  # overflow ends a curve early
        curve = [record[f"curves.{arm}.{index}"] for index in range(count)]
        steps = [every * (index + 0.5) for index in range(count)]
        line(axes, steps, curve, category, name)
    logarithmic(axes.yaxis)
    end_labels(axes)
    return figure


def gradients_at_start(record: Record) -> Figure:
    """Norm of the last layer's gradient before training against depth, for norm after and norm before a sub-layer."""
    depths = record.runs[0]["depths"]
    figure, axes = new_figure(280, right=112, x="layers in each stack", y="norm of the gradient")
    axes.set(xlim=(depths[0], depths[-1]), xscale="log", yscale="log")
    for category, arm, name in (
        (1, "post_theory", "post-norm"),
        (2, "pre_theory", "pre-norm"),
        (0, "post_torch", "post, as PyTorch"),
        (0, "pre_torch", "pre, as PyTorch"),
    ):
        norms = [record[f"norms.{arm}.{index}"] for index in range(len(depths))]
        line(axes, depths, norms, category, name)
    logarithmic(axes.xaxis, depths)
    logarithmic(axes.yaxis)
    end_labels(axes)
    return figure


def label_smoothing(record: Record) -> Figure:
    """How sure the model is of its tokens and how often it is right, with its loss, by amount of label smoothing."""
    epsilons = record.settings["epsilons"]
    top, row = 34, 44
    height = top + row * len(epsilons) + 46
    figure, axes = new_figure(height, left=112, right=112, top=top, x="sure and right, %")
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x")
    axes.set(ylim=(len(epsilons) - 0.5, -0.5), yticks=[])
    for number, (arm, epsilon) in enumerate(epsilons.items()):
        sure, right = (
            percent(record[f"{what}.{arm}"]) for what in ("confidence", "token_accuracy")
        )
        axes.plot(
            [sure.mean, right.mean], [number] * 2, color=colour("mute"), linewidth=5, zorder=1
        )
        for category, value in ((2, sure), (1, right)):
            tone = colour(f"c{category}")
            axes.plot([value.low, value.high], [number] * 2, color=tone, linewidth=1.6)
            style = {"markersize": 8, "markeredgecolor": colour("paper"), "markeredgewidth": 1.2}
            axes.plot(value.mean, number, MARKERS[category - 1], color=tone, **style)
        name = f"smoothing {epsilon:g}" if epsilon else "no smoothing"
        beside(axes, name, 0, number, -110, "left")
        beside(axes, lettered(record[f"nll.{arm}"].mean, "f2"), 1, number, 46)
        beside(axes, lettered(100 * record[f"exact.{arm}"].mean, "f1"), 1, number, 108)
    last = list(epsilons)[-1]
    for what, name, role in (("confidence", "sure", "c2"), ("token_accuracy", "right", "c1")):
        spot = percent(record[f"{what}.{last}"]).mean, len(epsilons) - 1
        place = {"xytext": (0, 14), "textcoords": "offset points", "ha": "center", "va": "center"}
        axes.annotate(name, spot, **place, color=colour(role), weight=STRONG)
    for text, across in (("loss", 46), ("exact, %", 108)):
        beside(axes, text, 1, -0.5, across, up=14, color=colour("dim"), size=SMALL)
    axes.locator_params(axis="x", nbins=4)
    return figure


def dropout(record: Record) -> Figure:
    """Loss on unseen numbers against updates, while few numbers are seen many times, for three rates of dropout."""
    figure, axes = new_figure(280, right=104, x="updates", y="loss on unseen numbers")
    steps = record.runs[0]["curves"][next(iter(record.settings["rates"]))]["step"]
    axes.set(xlim=(0, steps[-1]), yscale="log")
    for category, (arm, rate) in enumerate(record.settings["rates"].items(), start=1):
        losses = [record[f"curves.{arm}.held_out.{index}"] for index in range(len(steps))]
        name = f"dropout {rate:g}" if rate else "no dropout"
        line(axes, steps, losses, category, name)
    axes.locator_params(axis="x", nbins=4)
    logarithmic(axes.yaxis)
    end_labels(axes)
    return figure


FIGURES = {
    "dropout": dropout,
    "warmup": warmup,
    "gradients_at_start": gradients_at_start,
    "label_smoothing": label_smoothing,
}
