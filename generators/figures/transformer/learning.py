"""How it learns: warm-up, gradients before the first step, label smoothing."""

from matplotlib.figure import Figure

from generators.figure import end_labels, line, logarithmic, new_figure
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
    """How often the likeliest token is right against how sure the model is, with and without label smoothing."""
    plain, smooth = list(record.settings["epsilons"])[:2]
    figure, axes = new_figure(
        300, right=22, x="probability of the likeliest token, %", y="it is the right one, %"
    )
    ticks = [0, 25, 50, 75, 100]
    axes.set(xlim=(0, 100), ylim=(0, 100), xticks=ticks, yticks=ticks)
    axes.plot([0, 100], [0, 100], color=colour("edge"), linewidth=1.2)
    for category, arm in ((1, smooth), (2, plain)):
        bins = {}
        for run in record.runs:
            for sure, right, share in run["reliability"][arm]:
                bins.setdefault(int(sure * record.settings["bins"]), []).append(
                    (sure, right, share)
                )
        points = []
        for rows in (bins[number] for number in sorted(bins)):
            total = sum(share for _, _, share in rows)
            points.append([100 * sum(row[i] * row[2] for row in rows) / total for i in (0, 1)])
        line(axes, *zip(*points, strict=True), category)
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
