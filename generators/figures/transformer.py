"""Figures of "Attention Is All You Need": each takes the record that it is named after."""

import numpy as np
from matplotlib.figure import Figure

from generators.figure import grouped, heatmap, line, new_figure
from generators.record import Record, Summary


def translation(record: Record) -> Figure:
    """Exact matches on numbers that the model has never seen, in per cent, against updates; a curve and its band."""
    steps = record.runs[0]["curve"]["step"]
    shares = [record[f"curve.accuracy.{index}"] for index in range(len(steps))]
    percent = [Summary(tuple(100 * value for value in share.values)) for share in shares]
    figure, axes = new_figure(250, right=22, x="updates", y="exact match on unseen numbers, %")
    axes.set(xlim=(0, steps[-1]), ylim=(0, 100), yticks=[0, 25, 50, 75, 100])
    axes.locator_params(axis="x", nbins=4)
    axes.xaxis.set_major_formatter(grouped)
    line(axes, steps, percent, within=(0, 100))
    return figure


def alignment(record: Record) -> Figure:
    """Heat map of cross-attention: which parts of a German number the model looks at for each English word."""
    example = record.runs[0]["examples"][0]
    weights = np.mean(example["weights"][-1], axis=0)  # last layer, mean of heads: target, source
    written, read = ([text.strip() for text in example[side]] for side in ("target", "source"))
    return heatmap(written, read, weights, sides=("writes", "while it reads"))


FIGURES = {"translation": translation, "alignment": alignment}
