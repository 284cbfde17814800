"""What is taken out of the model or broken in it, and what is lost."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from generators.charts import box, canvas, quiet, words
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
    run = record.runs[0]
    known = [*TRAINED, *USED]
    figure, axes = canvas(44 + 27 * (len(known) + 1) + 2 * 26)
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
        axes.plot([2, WIDTH - 2], [y - 15, y - 15], color=colour("rule"), linewidth=0.8)
        for bug in (name for name in group if name in run["lost"]):
            y += 27
            _row(axes, record, y, bug, group[bug])
    return figure


SPARK, BAR = 162, 272  # where the curves and the bars of a row begin
WIDE, LONG = 84, 84  # and how wide they are


def _row(axes: Axes, record: Record, y: float, bug: str, name: str) -> None:
    """One bug: its name, its curve over the right one, its exact matches."""
    curves = record.runs[0]["curves"]
    top = max(curves["right"])
    least = min(min(curve) for curve in curves.values())

    def curve(arm: str, role: str, width: float) -> None:
        heights = [record[f"curves.{arm}.{index}"].mean for index in range(0, len(curves[arm]), 2)]
        places = [SPARK + WIDE * index / (len(heights) - 1) for index in range(len(heights))]
        axes.plot(
            places,
            [y + 10 - 20 * min(1, (height - least) / (top - least)) for height in heights],
            color=colour(role),
            linewidth=width,
            clip_on=False,
        )

    right = bug == "right"
    words(axes, (2, y), name, weight=STRONG if right else 400)
    curve("right", "c1" if right else "mute", 2.2 if right else 4)
    if not right and bug in curves:
        curve(bug, "c2", 1.6)
    share = percent(record[f"accuracy.{bug}"]).mean
    costs = not right and record[f"lost.{bug}"].low > 0
    box(axes, (BAR, y - 8), LONG, 16, "s0")
    box(axes, (BAR, y - 8), LONG * share / 100, 16, "c1" if right else "c2" if costs else "mute")
    words(
        axes,
        (WIDTH - 2, y),
        lettered(share, "f1"),
        ha="right",
        weight=STRONG if right or costs else 400,
    )


def heads_off(record: Record) -> Figure:
    """Scatter of all heads: how sharp a head's map is against the exact matches that are lost without it."""
    kinds = {"cross": "cross-attention", "encoder": "encoder", "decoder": "decoder"}
    figure, axes = new_figure(
        290, right=22, x="mean of the largest weight in a row of the map", y="exact match lost, %"
    )
    axes.set(xlim=(0, 1), xticks=[0, 0.25, 0.5, 0.75, 1])
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
        costliest = max(points, key=lambda point: point[1])
        axes.annotate(
            name,
            costliest,
            (8, 0) if costliest[0] < 0.6 else (-8, 0),
            textcoords="offset points",
            ha="left" if costliest[0] < 0.6 else "right",
            va="center",
            color=tone,
            weight=STRONG,
        )
    axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    return figure


FIGURES = {"components": components, "bugs": bugs, "heads_off": heads_off}
