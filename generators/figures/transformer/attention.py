"""What attention is made of: scaling, several heads, positions, and how far it reaches."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from generators.figure import (
    SMALL,
    bars,
    end_labels,
    lettered,
    line,
    logarithmic,
    new_figure,
    panel,
    percent,
)
from generators.palette import colour
from generators.record import Record


def scaling(record: Record) -> Figure:
    """Largest weight of a row and gradient through the softmax against the width of random vectors, scaled or not."""
    figure, upper = new_figure(384, bottom=218, y="largest weight of a row, %")
    lower = panel(figure, 224, 112, x="width of the vectors", y="gradient, median")
    widths = record.settings["widths"]
    arms = ((1, "scaled", "scaled"), (2, "unscaled", "not scaled"))
    for axes in (upper, lower):
        axes.set(xscale="log", xlim=(widths[0], widths[-1]))
        logarithmic(axes.xaxis, widths[::2] if len(widths) > 6 else widths)
    upper.set(ylim=(0, 100), yticks=[0, 50, 100])
    lower.set(yscale="log")
    for category, arm, name in arms:
        weights = [percent(record[f"top_weight.{arm}.{width}"]) for width in widths]
        line(upper, widths, weights, category, name)
        gradients = [record[f"typical_gradient.{arm}.{width}"] for width in widths]
        line(lower, widths, gradients, category, name)
    logarithmic(lower.yaxis)
    for axes in (upper, lower):
        end_labels(axes)
    return figure


def scaling_training(record: Record) -> Figure:
    """Training loss of a translator with one wide head against updates, with its scores scaled and not scaled."""
    figure, axes = new_figure(280, x="updates", y="training loss")
    count = len(record.runs[0]["curves"]["scaled"])
    every = record["steps_per_point"].mean
    axes.set(xlim=(0, count * every), yscale="log")
    for category, arm, name in ((1, "scaled", "scaled"), (2, "unscaled", "not scaled")):
        curve = [record[f"curves.{arm}.{index}"] for index in range(count)]
        steps = [every * (index + 0.5) for index in range(count)]
        line(axes, steps, curve, category, name)
    logarithmic(axes.yaxis)
    end_labels(axes)
    return figure


def positions(record: Record) -> Figure:
    """Letters copied to their places against length, up to twice what was trained, for three kinds of positions."""
    lengths, longest = record.settings["lengths"], record.settings["longest"]
    figure, axes = new_figure(290, x="letters to copy", y="letters in their places, %")
    axes.set(xlim=(lengths[0], lengths[-1]), ylim=(0, 100), yticks=[0, 25, 50, 75, 100])
    axes.set_xticks([length for length in lengths if length % 8 == 0 or length == lengths[0]])
    _trained(axes, lengths[0], longest)
    for category, arm, name in (
        (1, "sinusoidal", "sines"),
        (2, "learned", "learned"),
        (3, "none", "none"),
    ):
        shares = [percent(record[f"letters.{arm}.{length}"]) for length in lengths]
        line(axes, lengths, shares, category, name, within=(0, 100))
    end_labels(axes)
    return figure


def _trained(axes: Axes, first: float, last: float) -> None:
    """Tint the lengths that training has shown."""
    axes.axvspan(first, last, color=colour("s0"), linewidth=0, zorder=0)
    place = {"xytext": (-6, 6), "textcoords": "offset points", "ha": "right", "va": "bottom"}
    axes.annotate("trained", (last, 0), **place, color=colour("dim"), size=SMALL)


def heads(record: Record) -> Figure:
    """Positions that name both letters which they are asked for against the number of heads, at equal total width."""
    numbers = record.settings["numbers"]
    figure, axes = new_figure(260, right=22, x="heads", y="both letters right, %")
    axes.set(xscale="log", xlim=(numbers[0], numbers[-1]), ylim=(0, 100))
    axes.set_yticks([0, 25, 50, 75, 100])
    logarithmic(axes.xaxis, numbers)
    line(
        axes,
        numbers,
        [percent(record[f"accuracy.{number}"]) for number in numbers],
        within=(0, 100),
    )
    return figure


def shapes(record: Record) -> Figure:
    """Bars of exact matches for translators of about equal cost: wide or deep, with few heads or with many."""
    arms = record.settings["shapes"]
    names = [
        f"{width} wide, {_count(n_heads, 'head')}, {_count(n_layers, 'layer')}"
        for width, n_heads, n_layers in arms.values()
    ]
    values = [percent(record[f"accuracy.{arm}"]) for arm in arms]
    best = max(range(len(values)), key=lambda row: values[row].mean)
    figure, axes = bars(
        names,
        values,
        lambda number: lettered(number, "f1"),
        x="exact match, %",
        subjects=[best],
        within=(0, 100),
    )
    axes.set(xlim=(0, 100), xticks=[0, 50, 100])
    return figure


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def distance(record: Record) -> Figure:
    """Letters recalled against how far back they were read, for attention and two recurrent networks."""
    distances = record.settings["distances"]
    figure, axes = new_figure(280, x="positions back", y="letters recalled, %")
    axes.set(xscale="log", xlim=(distances[0], distances[-1]), ylim=(0, 100))
    axes.set_yticks([0, 25, 50, 75, 100])
    logarithmic(axes.xaxis, distances)
    for category, arm, name in (
        (1, "attention", "attention"),
        (2, "gru", "GRU"),
        (3, "lstm", "LSTM"),
    ):
        shares = [percent(record[f"accuracy.{arm}.{far}"]) for far in distances]
        line(axes, distances, shares, category, name, within=(0, 100))
    line(axes, distances, [100 * record["chance"].mean] * len(distances), 0, "a guess")
    end_labels(axes)
    return figure


FIGURES = {
    "distance": distance,
    "scaling": scaling,
    "scaling_training": scaling_training,
    "positions": positions,
    "heads": heads,
    "shapes": shapes,
}
