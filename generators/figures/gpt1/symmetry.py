"""Two texts of which none is the first: what both orders are worth."""

from matplotlib.figure import Figure

from generators.charts import box, canvas, quiet, words
from generators.figure import STRONG, WIDTH, lettered, percent
from generators.palette import colour
from generators.record import Record

ARMS = {"both": "both orders", "one": "one order"}
LEFT, LONG, ROW = 112, 236, 32


def symmetry(record: Record) -> Figure:
    """Pairs judged right, and pairs whose answer turns when the texts change places, with both orders and one."""
    figure, axes = canvas(212)
    for part, (what, head) in enumerate(
        (
            ("accuracy", "judged right, %"),
            ("turns", "another answer when the texts change places, %"),
        )
    ):
        top = 12 + 104 * part
        quiet(axes, (2, top), head)
        for row, (arm, name) in enumerate(ARMS.items()):
            y, share = top + 28 + ROW * row, percent(record[f"{what}.{arm}"])
            ours = arm == "both"
            style = {"weight": STRONG} if ours else {}
            words(axes, (2, y), name, **style)
            box(axes, (LEFT, y - 10), LONG, 20, "s0")
            box(axes, (LEFT, y - 10), LONG * share.mean / 100, 20, "c1" if ours else "mute")
            ends = [LEFT + LONG * min(100, max(0, end)) / 100 for end in (share.low, share.high)]
            axes.plot(ends, [y, y], color=colour("ink"), linewidth=1.6)
            text = lettered(share.mean, "f1") if share.mean else "0"
            words(axes, (WIDTH - 2, y), text, ha="right", **style)
    return figure


FIGURES = {"symmetry": symmetry}
