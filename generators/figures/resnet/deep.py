"""Depth with and without shortcuts: what is learned in the end, and how it got there."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from generators.figure import end_labels, line, logarithmic, new_figure, panel
from generators.figures.resnet.marks import ARMS
from generators.record import Record

GUESS = math.log(10)  # the loss of one who knows nothing of ten digits


def depth(record: Record) -> Figure:
    """Training loss against depth: plain networks climb to a guess's loss at 56 layers, residual ones stay low."""
    depths = record.settings["depths"]
    figure, axes = new_figure(290, left=46, right=76, x="layers", y="training loss")
    axes.set(xscale="log", yscale="log", xlim=(depths[0], depths[-1]), ylim=(0.005, 4))
    logarithmic(axes.xaxis, depths)
    logarithmic(axes.yaxis)
    for category, arm in ARMS:
        losses = [record[f"loss.{arm}_{layers}"] for layers in depths]
        line(axes, depths, losses, category, arm)
    line(axes, depths, [GUESS] * len(depths), 0, "a guess")
    end_labels(axes)
    return figure


def depth_curves(record: Record) -> Figure:
    """Training loss against updates: 20 plain layers learn more slowly than residual ones, 56 hardly at all."""
    figure, upper = new_figure(370, right=76, bottom=208, y="20 layers: training loss")
    lower = panel(figure, 212, 112, right=76, x="updates", y="56 layers: training loss")
    for axes, layers in ((upper, 20), (lower, 56)):
        _courses(axes, record, layers)
        axes.set(ylim=(0, 3), yticks=[0, 1, 2, 3])
        end_labels(axes)
    upper.tick_params(labelbottom=False)
    return figure


def _courses(axes: Axes, record: Record, layers: int) -> None:
    """Both kinds; a point stands in the middle of the updates that it is the mean of."""
    count, updates = record.settings["points"], int(record["steps_in_all"].mean)
    steps = [updates * (index + 0.5) / count for index in range(count)]
    axes.set_xlim(0, updates)
    axes.locator_params(axis="x", nbins=4)
    for category, arm in ARMS:
        losses = [record[f"curves.{arm}_{layers}.{index}"] for index in range(count)]
        line(axes, steps, losses, category, arm, within=(0, 9))


FIGURES = {"depth": depth, "depth_curves": depth_curves}
