"""What it costs: beside other libraries, and against length."""

from matplotlib.figure import Figure

from generators.charts import race, race_table
from generators.figure import end_labels, grouped, line, logarithmic, new_figure, panel
from generators.record import Record

NAMES = {
    "torch": "PyTorch",
    "marian": "Marian",
    "bart": "BART",
    "x_transformers": "x-transformers",
    "labml": "labml",
}


def works(record: Record) -> dict[str, str]:
    """What is timed, and its name in the figure."""
    lengths = {f"step_{length}": f"{length} tokens" for length in record.settings["lengths"]}
    return lengths | {"generation": "generation"}


def bench(record: Record) -> Figure:
    """Time of five libraries as a multiple of ours, for training steps and generation; the fastest in colour."""
    return race(record, works(record), NAMES, "training step")


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
    names = {
        work: work.replace("step_", "step, ").replace("generation", "generation, cached")
        for work in works(record)
    }
    return race_table(record, names, NAMES)


TABLES = {"bench_table": bench_table}
FIGURES = {
    "bench": bench,
    "length_cost": length_cost,
    "decoding_cost": decoding_cost,
    "recurrence": recurrence,
}
