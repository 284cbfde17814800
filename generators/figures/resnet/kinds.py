"""What the shortcut carries, and what stands in its way."""

from matplotlib.figure import Figure

from generators.charts import beside
from generators.figure import (
    SMALL,
    STRONG,
    end_labels,
    lettered,
    line,
    logarithmic,
    new_figure,
)
from generators.figures.resnet.marks import OTHER, PLAIN, RESIDUAL, decades, mark
from generators.palette import colour
from generators.record import Record

KINDS = {
    "A": "identity, zeros (A)",
    "B": "identity, 2 matrices (B)",
    "C": "a matrix in each (C)",
    "half": "half of the input",
    "gated": "a gated share",
    "plain": "nothing: plain",
}


def shortcuts(record: Record) -> Figure:
    """Training loss for six kinds of shortcut, at 20 layers and at 56: a small step for A and B, a long one else."""
    order = sorted(KINDS, key=lambda kind: record[f"loss.{kind}_56"].mean)
    figure, axes = new_figure(286, left=160, right=52, top=30, bottom=46, x="training loss")
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x")
    axes.set(xlim=(-2.4, 0.6), ylim=(len(order) - 0.5, -0.5), yticks=[])
    axes.set_xticks([-2, -1, 0], ["0.01", "0.1", "1"])
    for row, kind in enumerate(order):
        category = PLAIN if kind == "plain" else RESIDUAL
        deep = decades(record[f"loss.{kind}_56"])
        if f"{kind}_20" in record.runs[0]["loss"]:
            shallow = decades(record[f"loss.{kind}_20"])
            ends = [shallow.mean, deep.mean]
            axes.plot(ends, [row, row], color=colour(f"c{category}"), linewidth=2.2, zorder=3)
            mark(axes, shallow, row, category, hollow=True)
        mark(axes, deep, row, category)
        beside(axes, KINDS[kind], 0, row, -156, "left")
        text = lettered(record[f"loss.{kind}_56"].mean, "f2")
        beside(axes, text, 1, row, 48, color=colour(f"c{category}"), weight=STRONG)
        if row == 0:
            dim = {"textcoords": "offset points", "size": SMALL, "color": colour("dim")}
            axes.annotate("20 layers", (shallow.mean, row), (0, 16), **dim, ha="right", va="center")
            axes.annotate("56", (deep.mean, row), (0, 16), **dim, va="center")
            beside(axes, "at 56", 1, row, 48, up=16, color=colour("dim"), size=SMALL)
    return figure


def preactivation(record: Record) -> Figure:
    """Training loss against depth: it rises for the original block, most at the larger rate; pre-activation's not."""
    depths = record.settings["depths"]
    figure, axes = new_figure(290, left=46, right=106, x="layers", y="training loss")
    axes.set(xscale="log", yscale="log", xlim=(depths[0], depths[-1]), ylim=(0.005, 4))
    logarithmic(axes.xaxis, depths)
    logarithmic(axes.yaxis)
    for category, arm, name in (
        (RESIDUAL, "original", "original"),
        (OTHER, "pre", "pre-activation"),
    ):
        line(axes, depths, [record[f"loss.{arm}_{layers}"] for layers in depths], category, name)
    end_labels(axes)
    for layers in record.settings["same_rate"]:
        found = decades(record[f"loss.same_rate_{layers}"])
        low, loss, high = (10**size for size in (found.low, found.mean, found.high))
        tone = colour(f"c{RESIDUAL}")
        axes.plot([layers, layers], [low, high], color=tone, linewidth=5, alpha=0.25)
        axes.plot(layers, loss, "o", color=tone, markersize=8, markerfacecolor=colour("paper"))
        text = "original at the\nrate of the other"
        axes.annotate(
            text,
            (layers, loss),
            (-12, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            color=tone,
        )
    return figure


FIGURES = {"shortcuts": shortcuts, "preactivation": preactivation}
