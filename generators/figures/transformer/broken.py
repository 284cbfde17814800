"""What is taken out of the model or broken in it, and what is lost."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from generators.charts import arrow, box, canvas, quiet, words
from generators.figure import MARKERS, STRONG, WIDTH, bars, lettered, new_figure, percent
from generators.palette import colour
from generators.record import Record

PARTS = {
    "residuals": "residual connections",
    "norm": "layer normalisation",
    "feed_forward": "feed-forward layers",
    "positions": "positions",
    "causal_mask": "causal mask",
    "padding_mask": "padding mask",
    "scaling": "scaling of the scores",
    "several_heads": "more heads than one",
}
TRAINED = {
    "scaling_removed": "scores not scaled",
    "mask_shifted": "causal mask shifted",
    "padding_seen": "padding seen",
    "embedding_not_scaled": "embedding not scaled",
    "smoothing_on_padding": "smoothing on padding",
}
USED = {
    "positions_off_by_one": "positions one too far",
    "cache_without_offset": "cache without offset",
    "dropout_left_on": "dropout left on",
    "beam_not_normalised": "beam not normalised",
}


def components(record: Record) -> Figure:
    """Bars of the exact matches that are lost when each of eight parts is taken out, the costliest part first."""
    lost = {part: percent(record[f"lost.{part}"]) for part in record.runs[0]["lost"]}
    order = sorted(lost, key=lambda part: -lost[part].mean)
    values = [lost[part] for part in order]
    whole = percent(record["accuracy.whole"]).mean
    figure, axes = bars(
        [PARTS[part] for part in order],
        values,
        lambda number: lettered(number, "f1"),
        x=f"exact matches lost, of {whole:.0f} in 100",
        subjects=[row for row, value in enumerate(values) if value.low > 0],
        within=(-100, 100),
    )
    axes.set_xlim(min(0, *(value.low for value in values)), 100)
    axes.set_xticks([0, 25, 50, 75, 100])
    return figure


def bugs(record: Record) -> Figure:
    """Nine bugs, each with its training loss over that of the right model and with its exact matches."""
    known = record.runs[0]["lost"]
    figure, axes = canvas(46 + 27 * (len(known) + 1) + 2 * 26)
    quiet(axes, (SPARK, 12), "training loss")
    quiet(axes, (WIDTH - 2, 12), "exact match, %", ha="right")
    _row(axes, record, 38, "right", "the right model")
    y = 38
    for title, group in (
        ("trained with a bug", TRAINED),
        ("trained rightly, used with a bug", USED),
    ):
        y += 32
        quiet(axes, (2, y), title)
        arrow(axes, [(2, y - 15), (WIDTH - 2, y - 15)], "rule", 0.8, head=False)
        for bug in (name for name in group if name in known):
            y += 27
            _row(axes, record, y, bug, group[bug])
    return figure


SPARK, LOSS, BAR, LONG = 150, 260, 276, 80  # where curve, its end and bar stand; the bar's length


def _row(axes: Axes, record: Record, y: float, bug: str, name: str) -> None:
    """One bug: its name, its curve over the right one, its exact matches; in colour what gives it away."""
    right = bug == "right"
    words(axes, (2, y), name, weight=STRONG if right else 400)
    _curve(axes, record, y, "right", "c1" if right else "mute", 2.2 if right else 4)
    if bug in record.runs[0]["loss"]:
        seen = not right and record[f"loss_above.{bug}"].low > 0
        if not right:
            _curve(axes, record, y, bug, "c2", 1.6)
        text = lettered(record[f"loss.{bug}"].mean, "f2")
        _value(axes, (LOSS, y), text, "c1" if right else "c2" if seen else "")
    share = percent(record[f"accuracy.{bug}"]).mean
    role = "c1" if right else "c2" if record[f"lost.{bug}"].low > 0 else ""
    box(axes, (BAR, y - 8), LONG, 16, "s0")
    box(axes, (BAR, y - 8), LONG * share / 100, 16, role or "mute")
    _value(axes, (WIDTH - 2, y), lettered(share, "f1"), role)


def _value(axes: Axes, place: tuple[float, float], text: str, role: str) -> None:
    words(axes, place, text, role or "ink", ha="right", weight=STRONG if role else 400)


def _curve(axes: Axes, record: Record, y: float, arm: str, role: str, width: float) -> None:
    """The mean training loss, its logarithm up, 22 px high."""
    curves = record.runs[0]["curves"]
    low, high = min(min(curve) for curve in curves.values()), max(curves["right"])
    losses = [record[f"curves.{arm}.{index}"].mean for index in range(0, len(curves[arm]), 2)]
    heights = [math.log(loss / low) / math.log(high / low) for loss in losses]
    places = [SPARK + 72 * index / (len(heights) - 1) for index in range(len(heights))]
    points = [(x, y + 11 - 22 * min(1, up)) for x, up in zip(places, heights, strict=True)]
    arrow(axes, points, role, width, head=False)


def heads_off(record: Record) -> Figure:
    """Scatter of all heads: how sharp a head's map is against the exact matches that are lost without it."""
    kinds = {"cross": "cross-attention", "encoder": "encoder", "decoder": "decoder"}
    figure, axes = new_figure(
        290, right=22, x="mean of the largest weight in a row of the map", y="exact match lost, %"
    )
    ticks = [0, 0.25, 0.5, 0.75, 1]
    rows = [sharp for run in record.runs for kind in kinds for sharp in run["sharpness"][kind]]
    axes.set(xticks=ticks, xlim=(min(map(min, rows)) // 0.25 / 4, 1))
    for category, (kind, name) in enumerate(kinds.items(), start=1):
        points = [
            (sharp, 100 * lost)
            for run in record.runs
            for both in zip(run["sharpness"][kind], run["lost"][kind], strict=True)
            for sharp, lost in zip(*both, strict=True)
        ]
        tone = colour(f"c{category}")
        axes.plot(
            *zip(*points, strict=True),
            MARKERS[category - 1],
            color=tone,
            markersize=7,
            markeredgewidth=1,
            markeredgecolor=colour("paper"),
            clip_on=False,
            zorder=4 - category,
        )
        place = max(points, key=lambda point: point[1])
        if place[1] < 1:  # among many others: the dullest head has room around it
            place = min(points)
        axes.annotate(
            name,
            place,
            (-8, 0) if place[0] > 0.7 else (0, 14),
            textcoords="offset points",
            ha="right" if place[0] > 0.7 else "left",
            va="center",
            color=tone,
            weight=STRONG,
        )
    axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    return figure


FIGURES = {"components": components, "bugs": bugs, "heads_off": heads_off}
