"""What a token costs with a cache of keys and values and without."""

from matplotlib.figure import Figure

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


FIGURES = {"generation_cost": generation_cost}
