"""Our GPT-2 at the small setting that nanoGPT publishes for Shakespeare's characters."""

from matplotlib.figure import Figure

from generators.charts import beside
from generators.figure import end_labels, line, new_figure
from generators.palette import colour
from generators.record import Record, Summary

ARMS = {"their_start": "weights at 0.02", "ours": "by the width"}


def yardstick(record: Record) -> Figure:
    """Loss on unseen Shakespeare from two starts: with weights at 0.02 it ends as published, by width lower."""
    figure, axes = new_figure(270, right=112, x="updates", y="nats a character, unseen text")
    published = record["published"].mean
    axes.axhline(published, color=colour("edge"), linewidth=1.6, dashes=(4, 3))
    for category, (arm, name) in zip((2, 1), ARMS.items(), strict=True):
        curves = [run[arm]["curve"] for run in record.runs]
        losses = [Summary(tuple(points)) for points in zip(*map(_losses, curves), strict=True)]
        line(axes, [point["step"] for point in curves[0]], losses, category, name)
    axes.set_xlim(0, record.settings["steps"])
    end_labels(axes)
    beside(axes, f"nanoGPT: {published:.2f}", 0, published, 4, "left", up=-9, color=colour("dim"))
    return figure


def _losses(curve: list[dict[str, float]]) -> list[float]:
    return [point["val"] for point in curve]


def yardstick_sample(record: Record) -> str:
    """What the first seed's model wrote, from a line break on."""
    return f"```text\n{record.runs[0]['ours']['sample'].strip()}\n```\n"


FIGURES = {"yardstick": yardstick}
TABLES = {"yardstick_sample": yardstick_sample}
