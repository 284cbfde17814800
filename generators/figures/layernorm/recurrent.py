"""Recurrent layers with layer norm: gradients, learning to count, and an input of one number."""

import numpy as np
from matplotlib.figure import Figure

from generators.charts import beside, box, canvas, quiet, words
from generators.figure import (
    SMALL,
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
from generators.figures.layernorm.curves import ANOTHER, LAYER, NONE, OTHER, courses
from generators.palette import colour
from generators.record import Record

CELLS = {"plain": "simple layer", "lstm": "LSTM"}
NORMS = {"none": (NONE, "no norm"), "norm": (LAYER, "layer norm")}
FAR = 101  # steps back that are shown


def dynamics(record: Record) -> Figure:
    """Gradient against steps back, a line for each size of the weights: a wide fan, narrower with layer norm."""
    kept = [step for step in record.runs[0]["kept"] if step <= FAR]
    figure, first = new_figure(388, left=44, right=238, top=58, bottom=222)
    below, wide = 224, WIDTH - 44 - 238
    panels = {("plain", "none"): first}
    for cell, norm, top, left in (
        ("plain", "norm", 58, 222),
        ("lstm", "none", below, 44),
        ("lstm", "norm", below, 222),
    ):
        panels[cell, norm] = panel(figure, top, 108, left, WIDTH - left - wide)
    for (cell, norm), axes in panels.items():
        category, name = NORMS[norm]
        axes.set(xlim=(0, FAR), ylim=(-42, 22), xticks=[0, 50, 100], yticks=[-40, -20, 0, 20])
        scales = [arm["scale"] for arm in record.runs[0]["scales"][f"{cell}_{norm}"]]
        gradients = [
            [
                record[f"scales.{cell}_{norm}.{number}.gradient.{index}"]
                for index in range(len(kept))
            ]
            for number in range(len(scales))
        ]
        ends = [gradient[-1].mean for gradient in gradients]
        alike = max(ends) - min(ends) < 2
        for scale, gradient in zip(scales, gradients, strict=True):
            label = f"× {scale:g}" if not alike else "all" if scale == scales[0] else ""
            line(axes, kept, gradient, category, label, width=2)
        end_labels(axes, gap=14)
        axes.tick_params(labelleft=norm == "none", labelbottom=cell == "lstm")
        if cell == "plain":
            beside(axes, name, 0, 22, 0, "left", up=14, color=colour(f"c{category}"), weight=STRONG)
            dim = {"color": colour("dim"), "size": SMALL}
            beside(axes, "weights", 1, 22, 8, "left", up=14, **dim)
        else:
            axes.set_xlabel("steps back")
    for top, name in ((22, CELLS["plain"]), (below - 16, CELLS["lstm"])):
        text = f"{name}: size of the gradient, power of ten"
        place = 2 / WIDTH, 1 - top / 388
        figure.text(*place, text, color=colour("dim"), size=SMALL, va="bottom")
    return figure


def long_sequences(record: Record) -> Figure:
    """Training loss of nets that learn to count, against updates: layer norm speeds the LSTM up, the other not."""
    figure, upper = new_figure(370, bottom=208, y="simple layer: training loss")
    lower = panel(figure, 212, 112, x="updates", y="LSTM: training loss")
    for axes, cell in ((upper, "plain"), (lower, "lstm")):
        arms = [(category, f"{cell}_{norm}", name) for norm, (category, name) in NORMS.items()]
        courses(axes, record, arms)
        axes.set(ylim=(0, 3.2), yticks=[0, 1, 2, 3])
        end_labels(axes)
    upper.tick_params(labelbottom=False)
    return figure


def gain_at_start(record: Record) -> Figure:
    """Training loss of LSTMs against updates from several gains: with either norm a gain of 1 learns first."""
    gains = {"one": (LAYER, "gain 1"), "tenth": (OTHER, "gain 0.1"), "three": (ANOTHER, "gain 3")}
    figure, upper = new_figure(390, right=76, bottom=222, y="layer norm: training loss")
    lower = panel(figure, 214, 130, right=76, x="updates", y="batch norm: training loss")
    for axes, norm in ((upper, "layer"), (lower, "batch")):
        axes.set(yscale="log")
        arms = [(category, f"{norm}_{gain}", name) for gain, (category, name) in gains.items()]
        courses(axes, record, [arm for arm in arms if arm[1] in record.runs[0]["curves"]])
        axes.set_ylim(0.22, 3.5)
        logarithmic(axes.yaxis, [0.3, 1, 3])
        end_labels(axes)
    upper.tick_params(labelbottom=False)
    return figure


# One number -----------------------------------------------------------------------------------------------------

READERS = {"none": "no norm", "norm": "layer norm", "norm_and_constant": "layer norm and a 1"}
WEIGHTS = np.array([-1.0, 0.5, 1.4, -0.4, 0.8, -1.2])  # those of the drawing
INPUTS = (0.5, 1.0, 1.5)


def one_number(record: Record) -> Figure:
    """Inputs of 0.5, 1 and 1.5 look the same once normalised; below, the normalised LSTM explains nothing of them."""
    figure, axes = canvas(314)
    for y, text in ((56, "weights × input"), (138, "normalised")):
        words(axes, (2, y), text)
    for number, x in enumerate(INPUTS):
        left = 132 + 94 * number
        words(axes, (left + 38, 12), f"input {x:g}", ha="center")
        sums = WEIGHTS * x
        seen = (sums - sums.mean()) / sums.std()
        for middle, values, role in ((56, sums, f"c{NONE}"), (138, seen, f"c{LAYER}")):
            for unit, value in enumerate(16 * values):
                box(axes, (left + 13 * unit, middle - max(value, 0)), 11, abs(value), role)
    quiet(axes, (2, 196), "explained of the mean of 16 numbers, %")
    for row, (arm, name) in enumerate(READERS.items()):
        y, share = 224 + 34 * row, percent(record[f"explained.{arm}"])
        ours = arm == "norm"
        words(axes, (2, y), name, weight=STRONG if ours else 400)
        box(axes, (132, y - 10), 216, 20, "s0")
        box(axes, (132, y - 10), 216 * max(0, share.mean) / 100, 20, "c1" if ours else "mute")
        ends = [132 + 2.16 * min(100, max(0, end)) for end in (share.low, share.high)]
        axes.plot(ends, [y, y], color=colour("ink"), linewidth=1.6)
        text = lettered(round(share.mean), "int")
        words(axes, (WIDTH - 2, y), text, ha="right", weight=STRONG if ours else 400)
    return figure


FIGURES = {
    "dynamics": dynamics,
    "long_sequences": long_sequences,
    "one_number": one_number,
    "gain_at_start": gain_at_start,
}
