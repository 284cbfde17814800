"""The bug gallery: what each mistake looks like in the loss, in bits per byte, and in what the model writes."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from generators.charts import arrow, canvas, quiet, words
from generators.figure import STRONG, lettered, percent
from generators.palette import colour
from generators.record import Record, Summary

TRAINED = {
    "mask_shifted": "mask one too wide",
    "text_order": "merges in text order",
    "query_key_scaled": "queries, keys scaled",
    "no_final_norm": "no final norm",
    "not_tied": "output not tied",
    "erf_gelu": "the other GELU",
}
USED = {
    "text_order_in_use": "merges in text order",
    "cache_reused": "cache of other text",
    "mask_not_offset": "mask not moved",
    "positions_not_offset": "positions from 0",
    "softmax_twice": "softmax twice",
    "top_k_not_renormalised": "top-k after softmax",
    "temperature_on_probabilities": "temperature after it",
}
TALL = 25


class Column:
    """One measured difference to the right model: where 0 is, pixels for one unit, how it is printed."""

    def __init__(
        self, name: str, zero: float, reach: float, end: float, form: str, bad: int
    ) -> None:
        self.name, self.zero, self.form, self.bad = name, zero, form, bad
        self.unit, self.end = reach / end, reach


LOSS = Column("training loss", 188, 34, 0.5, "f2", 1)
BITS = Column("bits a byte", 240, 50, 0.5, "f2", 1)
LOST = Column("right lines, %", 370, 40, 50, "int", -1)


def bugs(record: Record) -> Figure:
    """Thirteen bugs: training loss, bits per byte and right lines, each as its difference to the right model."""
    height = 66 + TALL * (len(TRAINED) + len(USED)) + 34
    figure, axes = canvas(height)
    y = 42
    quiet(axes, (2, 14), "difference to the right model")
    for column in (LOSS, BITS, LOST):
        right = column is not BITS
        place = column.zero + (28 if column is LOST else 12 if right else -8)
        quiet(axes, (place, 34), column.name, ha="right" if right else "left")
    for title, group in (("trained with a bug", TRAINED), ("used with a bug", USED)):
        quiet(axes, (2, y - 8 if group is TRAINED else y), title)
        top = y + 12
        for bug, name in group.items():
            y += TALL
            trained = group is TRAINED
            found = [(BITS, record[f"bits_above.{bug}"])]
            found += [(LOSS, record[f"loss_above.{bug}"])] if trained else []
            lost = percent(record[f"lost.{bug}"])
            found.append((LOST, Summary(tuple(-value for value in lost.values))))
            words(axes, (2, y), name)
            for column, value in found:
                _difference(axes, y, value, column)
        for column in (LOSS, BITS, LOST) if group is TRAINED else (BITS, LOST):
            arrow(axes, [(column.zero, top), (column.zero, y + 12)], "edge", 0.8, head=False)
        y += TALL + 8
    return figure


def _difference(axes: Axes, y: float, found: Summary, column: Column) -> None:
    """A point with its interval beside the line of no difference; in colour where the interval leaves it out."""
    certain = found.low > 0 or found.high < 0
    worse = certain and (found.mean > 0) == (column.bad > 0)
    tone = "c2" if worse else "c1" if certain else "edge"
    ends = [
        max(-column.end, min(column.end * 1.05, column.unit * end))
        for end in (found.low, found.high)
    ]
    axes.plot([column.zero + end for end in ends], [y, y], color=colour(tone), linewidth=1.6)
    x = column.zero + max(-column.end, min(column.end, column.unit * found.mean))
    style = {"markersize": 7, "markeredgecolor": colour("paper"), "markeredgewidth": 1.2}
    axes.plot(x, y, "s" if certain else "o", color=colour(tone), **style)
    if certain:
        sign = "+" if found.mean > 0 else ""
        text = f"{sign}{lettered(found.mean, column.form)}"
        beyond = column.unit * found.mean > column.end  # the point stands at the end of its room
        right = (found.mean > 0) != beyond
        edge = x - 8 if beyond else column.zero + (max(ends) + 6 if right else min(ends) - 6)
        words(axes, (edge, y), text, tone, ha="left" if right else "right", weight=STRONG)


FIGURES = {"bugs": bugs}
