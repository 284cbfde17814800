"""What it costs: beside other libraries, and against length."""

from matplotlib.figure import Figure

from generators.charts import beside
from generators.figure import (
    SMALL,
    STRONG,
    WIDTH,
    end_labels,
    grouped,
    line,
    logarithmic,
    new_figure,
    panel,
)
from generators.palette import colour
from generators.record import Record

NAMES = {
    "torch": "PyTorch",
    "marian": "Marian",
    "bart": "BART",
    "x_transformers": "x-transformers",
    "labml": "labml",
}


def bench(record: Record) -> Figure:
    """Time of five libraries as a multiple of ours, for training steps and generation; the fastest in colour."""
    run, lengths = record.runs[0], record.settings["lengths"]
    works = {f"step_{length}": f"{length} tokens" for length in lengths}
    works["generation"] = "generation"
    rows = [(work, setting) for work in works for setting in ("default", "fast")]
    top, gap = 26, 10  # between two kinds of work
    height = 27 * len(rows) + gap * (len(works) - 1)
    figure, axes = new_figure(
        top + height + 46, left=132, right=128, top=top, bottom=46, x="their time over ours"
    )
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x")
    axes.set(xscale="log", ylim=(height, 0), yticks=[])
    for number, (work, setting) in enumerate(rows):
        y = 13 + 27 * number + gap * (number // 2)
        found = run[work][setting]
        fastest = found["fastest_peer"]
        for name in (peer for peer in NAMES if peer in found and peer != fastest):
            axes.plot(found[name]["ratio"], y, "o", color=colour("edge"), markersize=5)
        middle, low, high = (found[fastest][key] for key in ("ratio", "ratio_q1", "ratio_q3"))
        axes.plot([low, high], [y, y], color=colour("c1"), linewidth=5, alpha=0.35)
        style = {"markersize": 8, "markeredgecolor": colour("paper"), "markeredgewidth": 1.2}
        axes.plot(middle, y, "o", color=colour("c1"), clip_on=False, **style)
        if setting == "default":
            beside(axes, works[work], 0, y, -130, "left")
        dim = {"color": colour("dim"), "size": SMALL}
        beside(axes, setting, 0, y, -8, **dim)
        beside(axes, f"{middle:.2f}", 1, y, 32, color=colour("c1"), weight=STRONG)
        beside(axes, NAMES[fastest], 1, y, 40, "left", **dim)
    axes.axvline(1, color=colour("ink"), linewidth=1.2)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.9), max(high, 1.5))
    logarithmic(
        axes.xaxis, [tick for tick in (0.5, 0.7, 1, 1.2, 1.5, 2, 3, 4, 6) if low < tick < high]
    )
    figure.text(
        2 / WIDTH,
        1 - 12 / (top + height + 46),
        "training step",
        color=colour("dim"),
        size=SMALL,
        va="center",
    )
    return figure


def length_cost(record: Record) -> Figure:
    """Time and memory of a sequence against its length, for attention in two forms and for a whole encoder layer."""
    run = record.runs[0]
    lengths = run["lengths"]
    figure, upper = new_figure(436, bottom=254, right=134, y="time, ms")
    lower = panel(figure, 242, 148, right=134, x="positions", y="memory kept, MB")
    kinds = {"explicit": "explicit", "fused": "fused", "layer": "layer"}
    for category, (kind, name) in enumerate(kinds.items(), start=1):
        for axes, values, slope in (
            (
                upper,
                [1e3 * point["median"] for point in run["seconds"][kind]],
                run["exponent"][kind]["long"]["median"],
            ),
            (
                lower,
                [held / 1e6 for held in run["bytes"][kind]],
                run["memory_exponent"][kind]["long"],
            ),
        ):
            line(axes, lengths, values, category, f"{name}, slope {slope:.1f}")
    for axes in (upper, lower):
        axes.set(xscale="log", yscale="log", xlim=(lengths[0], lengths[-1]))
        logarithmic(axes.xaxis, lengths[::2] if len(lengths) > 6 else lengths)
        logarithmic(axes.yaxis)
        end_labels(axes)
    return figure


def decoding_cost(record: Record) -> Figure:
    """Time of one more token against how many are written, with a cache of keys and values and without."""
    run = record.runs[0]
    lengths = run["lengths"]
    figure, axes = new_figure(280, right=150, x="tokens written before", y="time of a token, ms")
    for category, kind, name in ((1, "with", "cache"), (2, "without", "no cache")):
        slope = run["exponent"][kind]["median"]
        times = [1e3 * point["median"] for point in run["seconds"][kind]]
        line(axes, lengths, times, category, f"{name}, slope {slope:.1f}")
    axes.set(xscale="log", yscale="log", xlim=(lengths[0], lengths[-1]))
    logarithmic(axes.xaxis, lengths[::2] if len(lengths) > 6 else lengths)
    logarithmic(axes.yaxis)
    end_labels(axes)
    return figure


def recurrence(record: Record) -> Figure:
    """Tokens trained in a second against length: the Transformer beside two LSTMs with attention of like size."""
    run = record.runs[0]
    lengths = run["lengths"]
    names = {"transformer": "Transformer", "fused": "LSTM", "feeding": "LSTM, step by step"}
    figure, axes = new_figure(
        280, right=142, x="tokens in a sequence", y="tokens trained in a second"
    )
    for category, (model, name) in enumerate(names.items(), start=1):
        speeds = [run["tokens_per_second"][model][str(length)]["median"] for length in lengths]
        line(axes, lengths, speeds, category, name)
    axes.set(xscale="log", xlim=(lengths[0], lengths[-1]), ylim=(0, None))
    axes.locator_params(axis="y", nbins=4)
    axes.yaxis.set_major_formatter(grouped)
    logarithmic(axes.xaxis, lengths)
    end_labels(axes)
    return figure


def bench_table(record: Record) -> str:
    """Every library's time over ours, with quartiles, and how much of the machine's products ours reaches."""
    run = record.runs[0]
    works = [*(f"step_{length}" for length in record.settings["lengths"]), "generation"]
    lines = [
        f"| work | precision | {' | '.join(NAMES.values())} | ours, of peak |",
        f"| --- | --- | {'--: | ' * len(NAMES)}--: |",
    ]
    for work in works:
        label = work.replace("step_", "step, ").replace("generation", "generation, cached")
        for setting in ("default", "fast"):
            found = run[work][setting]
            cells = [
                f"{found[peer]['ratio']:.2f} ({found[peer]['ratio_q1']:.2f} to {found[peer]['ratio_q3']:.2f})"
                if peer in found
                else "–"
                for peer in NAMES
            ]
            peak = found["ours"].get("peak")
            share = f"{100 * peak:.0f} %" if peak else "–"
            lines.append(f"| {label} | {setting} | {' | '.join(cells)} | {share} |")
    return "\n".join(lines) + "\n"


TABLES = {"bench_table": bench_table}
FIGURES = {
    "bench": bench,
    "length_cost": length_cost,
    "decoding_cost": decoding_cost,
    "recurrence": recurrence,
}
