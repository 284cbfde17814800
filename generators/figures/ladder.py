"""The ladder: what each change from a decoder of 2017 to GPT-2 bought, and its code."""

import difflib
from dataclasses import dataclass

from matplotlib.figure import Figure

from generators.charts import beside
from generators.figure import SMALL, STRONG, lettered, new_figure
from generators.formats import shown, with_spread
from generators.palette import colour
from generators.record import Record, Summary, records
from generators.source import quoted


@dataclass(frozen=True)
class Words:
    """How a rung is told: its change, where the paper has it, and definitions before and after."""

    change: str
    paper: str
    place: str
    code: tuple[tuple[str, str], ...] = ()


# In the order of the papers. A later paper adds its rungs here and to RUNGS of the experiment.
RUNGS = {
    "decoder_of_2017": Words("decoder of 2017", "Transformer", "Sections 3.1 to 3.5"),
    "learnt_positions": Words(
        "learnt positions",
        "GPT-1",
        "Section 4.1",
        (("ladder.Decoder.place", "ladder.LearntPositions.place"),),
    ),
    "GELU": Words(
        "GELU",
        "GPT-1",
        "Section 4.1",
        (("transformer.FeedForward.forward", "gpt1.FeedForward.forward"),),
    ),
    "attention_biases": Words(
        "biases in attention",
        "GPT-1",
        "the authors' code",
        (("transformer.MultiHeadAttention.__init__", "gpt1.MaskedSelfAttention.__init__"),),
    ),
    "start_by_width": Words(
        "start at 0.02, by width",
        "GPT-1",
        "Section 4.1, Eq. 2",
        (
            ("ladder.Decoder.embed", "gpt1.GPT1.embed"),
            ("ladder.Decoder.__init__", "gpt1.GPT1.__init__"),
        ),
    ),
    "norms_first": Words(
        "norms first, one at the end",
        "GPT-2",
        "Section 2.3",
        (("gpt1.Block.forward", "gpt2.Block.forward"),),
    ),
    "smaller_branches": Words(
        "branches start smaller",
        "GPT-2",
        "Section 2.3",
        (("ladder.NormFirst.__init__", "gpt2.GPT2.__init__"),),
    ),
    "byte_tokens": Words(
        "tokens of bytes",
        "GPT-2",
        "Section 2.2",
        (
            ("gpt1.BytePairs.learn", "gpt2.ByteTokenizer.learn"),
            ("gpt1.BytePairs.encode", "gpt2.ByteTokenizer.encode"),
        ),
    ),
}
ASIDE = "start_at_any_width"  # of the rung of GPT-1's start, with 0.02 itself
YEARS = {"Transformer": 2017, "GPT-1": 2018, "GPT-2": 2019}


def climb(record: Record) -> Figure:
    """Bits per byte from a decoder of 2017 to GPT-2, change by change, in 2 and 12 layers; and the time of a step."""
    shallow, deep = record.settings["depths"]
    timed = records("ladder").get("ladder.steps")
    heads = len({words.paper for words in RUNGS.values()})
    tall = 31 * len(RUNGS) + 24 * heads
    figure, axes = new_figure(
        tall + 96, left=184, right=100, top=46, bottom=50, x="bits per byte, unseen text"
    )
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x")
    axes.set(ylim=(tall, 0), yticks=[])
    path: list[tuple[float, float]] = []
    paper, y = "", 0.0
    dim = {"color": colour("dim"), "size": SMALL}
    for name, words in RUNGS.items():
        if words.paper != paper:
            paper = words.paper
            beside(axes, f"{paper}, {YEARS[paper]}", 0, y + 12, -182, "left", **dim)
            y += 24
        row = y + 13
        first = not path
        beside(axes, words.change if first else f"+ {words.change}", 0, row, -182, "left")
        bits = record[f"bits.{name}_{deep}"]
        path.append((bits.mean, row))
        _dot(axes, record[f"bits.{name}_{shallow}"], row, "edge", hollow=True)
        _dot(axes, bits, row, "c1")
        beside(axes, lettered(bits.mean, "f2"), 1, row, 38, color=colour("c1"), weight=STRONG)
        if timed:
            time = timed[f"over_first.{name}_{deep}"].mean
            beside(axes, lettered(time, "f2"), 1, row, 92)
        y += 31
    axes.plot(*zip(*path, strict=True), color=colour("c1"), linewidth=2.2, zorder=2)
    if alone := records("ladder").get("ladder.frequencies"):
        axes.axvline(
            alone["bits.words"].mean, color=colour("edge"), linewidth=1.6, dashes=(4, 3), zorder=1
        )
    _heads(axes, record, shallow, deep)
    return figure


def _dot(axes, value: Summary, row: float, role: str, hollow: bool = False) -> None:
    axes.plot(
        [value.low, value.high], [row, row], color=colour(role), linewidth=5, alpha=0.35, zorder=3
    )
    axes.plot(
        value.mean,
        row,
        "o",
        color=colour(role),
        markerfacecolor=colour("paper" if hollow else role),
        markersize=7,
        zorder=4,
    )


def _heads(axes, record: Record, shallow: int, deep: int) -> None:
    """What the two kinds of dots and the two columns are, above the first row."""
    first = next(iter(RUNGS))
    dim = {"size": SMALL, "va": "center", "textcoords": "offset points"}
    ends = {depth: record[f"bits.{first}_{depth}"].mean for depth in (shallow, deep)}
    for depth, role in ((shallow, "dim"), (deep, "c1")):
        left = ends[depth] == min(ends.values())
        text = f"{depth} layers"
        axes.annotate(
            text,
            (ends[depth], 37),
            (-4 if left else 10, 17),
            ha="right" if left else "left",
            color=colour(role),
            **dim,
        )
    beside(axes, "bits", 1, 0, 38, up=14, color=colour("c1"), size=SMALL)
    beside(axes, "step,", 1, 0, 92, up=28, color=colour("dim"), size=SMALL)
    beside(axes, "2017 = 1", 1, 0, 92, up=14, color=colour("dim"), size=SMALL)


FIGURES = {"climb": climb}


# Tables ---------------------------------------------------------------------------------------------------------


def climb_table(record: Record) -> str:
    """Every rung: where it stands, what it bought at both depths, and its step over that of the rung below."""
    depths = record.settings["depths"]
    timed = records("ladder").get("ladder.steps")
    head = ["change", "paper", *(f"bits, {depth} layers" for depth in depths)]
    head += [f"bought, {depth} layers" for depth in depths] + ["step over the one before"]
    lines = [f"| {' | '.join(head)} |", f"| --- | --- |{' --: |' * (2 * len(depths) + 1)}"]
    told = {**RUNGS, ASIDE: Words("beside it: 0.02 at any width", "GPT-1", "as printed")}
    for name, words in told.items():
        bits = [_spread(record[f"bits.{name}_{depth}"]) for depth in depths]
        bought, time = ["–"] * len(depths), "–"
        if name in {arm.rpartition("_")[0] for arm in record.runs[0]["bought"]}:
            bought = [_spread(record[f"bought.{name}_{depth}"]) for depth in depths]
            time = _spread(timed[f"over_below.{name}_{depths[-1]}"]) if timed else "–"
        cells = [words.change, f"{words.paper}, {words.place}", *bits, *bought, time]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _spread(value: Summary) -> str:
    return (
        with_spread(value.mean, value.half_width, "f3")
        if value.half_width
        else shown(value.mean, "f3")
    )


def climb_code(record: Record) -> str:
    """Every rung's code against that of the rung below: lines that went, lines that came."""
    parts = []
    for words in RUNGS.values():
        if words.code:
            blocks = [_difference(before, after) for before, after in words.code]
            parts.append(f"**{words.change}** ({words.paper}, {words.place})")
            parts += [f"```diff\n{block}\n```" for block in blocks]
    return "\n\n".join(parts) + "\n"


def _difference(before: str, after: str) -> str:
    """Two definitions as one, docstrings aside: `-` before what went, `+` before what came."""
    old, new = (quoted(key, bare=True).text.splitlines() for key in (before, after))
    lines = [line for line in difflib.ndiff(old, new) if not line.startswith("?")]
    changed = [line.rstrip() for line in lines]
    return "\n".join([f"- {before}", f"+ {after}", "", *changed] if before != after else changed)


TABLES = {"climb": climb_table, "climb_code": climb_code}
