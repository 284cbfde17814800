"""The translator of numbers: what it learns, where it looks, and what its heads are for."""

import math

import numpy as np
from matplotlib.figure import Figure

from generators.charts import canvas, heatmap, quiet, slant, small_map, words
from generators.figure import (
    SMALL,
    STRONG,
    WIDTH,
    end_labels,
    grouped,
    lettered,
    line,
    new_figure,
    percent,
    text_width,
)
from generators.record import Record


def translation(record: Record) -> Figure:
    """Exact matches on numbers that the model has never seen, in per cent, against updates; a curve and its band."""
    steps = record.runs[0]["curve"]["step"]
    shares = [percent(record[f"curve.accuracy.{index}"]) for index in range(len(steps))]
    figure, axes = new_figure(250, right=22, x="updates", y="exact match on unseen numbers, %")
    axes.set(xlim=(0, steps[-1]), ylim=(0, 100), yticks=[0, 25, 50, 75, 100])
    axes.locator_params(axis="x", nbins=4)
    axes.xaxis.set_major_formatter(grouped)
    line(axes, steps, shares, within=(0, 100))
    return figure


def alignment(record: Record) -> Figure:
    """Heat map of cross-attention: which parts of a German number the model looks at for each English word."""
    example = record.runs[0]["examples"][0]
    weights = np.mean(example["weights"][-1], axis=0)  # last layer, mean of heads: target, source
    written, read = ([text.strip() for text in example[side]] for side in ("target", "source"))
    return heatmap(written, read, weights, sides=("writes", "while it reads"))


def alignment_heads(record: Record) -> Figure:
    """Cross-attention of every head while one number is translated, with dots where the true counterparts stand."""
    run = record.runs[0]
    example = run["examples"][0]
    written, read = ([text.strip() for text in example[side]] for side in ("target", "source"))
    layers = example["weights"]
    left = 14 + max(text_width(word, size=SMALL) for word in written)
    pitch = (WIDTH - left - 12) / len(layers[0])
    cell = (pitch - 8) / len(read), 15.0
    head = 16 + 0.71 * max(text_width(word, size=SMALL) for word in read)
    block = cell[1] * len(written) + 44
    figure, axes = canvas(round(head + block * len(layers) + 4))
    best = max(max(heads) for heads in run["agreement_by_head"])
    for layer, heads in enumerate(layers):
        top = head + block * layer
        for row, word in enumerate(written):
            quiet(axes, (left - 8, top + cell[1] * (row + 0.5)), word, ha="right")
        quiet(axes, (left - 8, top + cell[1] * len(written) + 12), f"layer {layer + 1}", ha="right")
        for number, weights in enumerate(heads):
            x, share = left + pitch * number, run["agreement_by_head"][layer][number]
            small_map(axes, (x, top), cell, weights, example["true"])
            place = x + cell[0] * len(read) / 2, top + cell[1] * len(written) + 12
            words(
                axes,
                place,
                lettered(share, "pct0"),
                ha="center",
                weight=STRONG if share == best else 400,
            )
            if layer == 0:
                for column, word in enumerate(read):
                    spot = x + cell[0] * (column + 0.5) - 3, top - 5
                    slant(axes, spot, word)
    return figure


def short_numbers(record: Record) -> Figure:
    """Exact matches against the length of the answer, long to short, before and after more practice of two kinds."""
    arms = {"evenly": "all lengths alike", "as_before": "more of the same", "before": "before"}
    lengths = sorted(map(int, record.runs[0]["by_length"]["before"]), reverse=True)
    figure, axes = new_figure(270, right=122, x="tokens of the answer", y="exact match, %")
    axes.set(xlim=(lengths[0] - 1, lengths[-1] - 1), ylim=(0, 100), yticks=[0, 25, 50, 75, 100])
    axes.set_xticks([length - 1 for length in lengths])  # the end is no token of the number
    for category, (arm, name) in enumerate(arms.items(), start=1):
        shares = [percent(record[f"by_length.{arm}.{length}"]) for length in lengths]
        line(axes, [length - 1 for length in lengths], shares, category, name, within=(0, 100))
    end_labels(axes)
    return figure


def multi30k(record: Record) -> Figure:
    """Heat map of cross-attention over a real German sentence while the model writes its English translation."""
    example = record.runs[0]["maps"][0]
    written, read = ([_piece(token) for token in example[side]] for side in ("target", "source"))
    return heatmap(written, read, example["cross"])


def multi30k_learning(record: Record) -> Figure:
    """BLEU on real sentences of the validation split, translated greedily, against updates."""
    steps = [look["step"] for look in record.runs[0]["curve"]]
    scores = [record[f"curve.{index}.validation_bleu"] for index in range(len(steps))]
    figure, axes = new_figure(250, right=26, x="updates", y="BLEU, validation")
    axes.set(xlim=(0, steps[-1]), ylim=(0, 10 * math.ceil(max(s.high for s in scores) / 10)))
    axes.locator_params(nbins=4)
    axes.xaxis.set_major_formatter(grouped)
    line(axes, steps, scores)
    return figure


def _piece(token: str) -> str:
    """A token as people write it; a dash before what is only the rest of a word."""
    bare = token.strip().removeprefix("￭")
    return bare if token[0] in " ￭<" else f"-{bare}"


FIGURES = {
    "multi30k": multi30k,
    "multi30k_learning": multi30k_learning,
    "translation": translation,
    "alignment": alignment,
    "alignment_heads": alignment_heads,
    "short_numbers": short_numbers,
}
