"""What a token costs with a cache of keys and values and without, and our time beside other libraries'."""

from matplotlib.figure import Figure

from generators.charts import race, race_table
from generators.figure import end_labels, line, logarithmic, new_figure
from generators.record import Record

KINDS = {"without": (2, "no cache"), "with": (1, "cache")}


def generation_cost(record: Record) -> Figure:
    """Time of one more token against how many stand before it: steep without a cache, gentle with one."""
    lengths, seconds = record.runs[0]["lengths"], record.runs[0]["seconds"]
    figure, axes = new_figure(280, right=84, x="tokens before", y="time of the next token, ms")
    axes.set(xscale="log", yscale="log", xlim=(lengths[0], lengths[-1]))
    for kind, (category, name) in KINDS.items():
        line(axes, lengths, [1e3 * point["median"] for point in seconds[kind]], category, name)
    logarithmic(axes.xaxis, lengths[::2])
    logarithmic(axes.yaxis)
    end_labels(axes)
    return figure


PEERS = {
    "torch": "torch.nn",
    "transformers": "Hugging Face",
    "x_transformers": "x-transformers",
    "litgpt": "litgpt",
    "labml": "labml",
}


def bench(record: Record) -> Figure:
    """Time of five libraries as a multiple of ours, training at two sizes and generation; the fastest in colour."""
    works = {"step_s": "training, S", "step_m": "training, M", "generation": "generation"}
    return race(record, works, PEERS, "two cores, random tokens")


def bench_table(record: Record) -> str:
    """Everybody's time over ours, with quartiles, and how much of the machine's products ours reaches."""
    works = {"step_s": "step, S", "step_m": "step, M", "generation": "generation, cached"}
    return race_table(record, works, PEERS)


TABLES = {"bench_table": bench_table}
FIGURES = {"generation_cost": generation_cost, "bench": bench}
