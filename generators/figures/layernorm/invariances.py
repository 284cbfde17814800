"""What a norm cannot see, and where epsilon makes it see after all."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from generators.charts import arrow, box, canvas, quiet, words
from generators.figure import STRONG, lettered, line, logarithmic, new_figure, percent
from generators.palette import colour
from generators.record import Record

SAME = 1e-10  # relative change of the output below which there is none
METHODS = {"batch_norm": "batch norm", "weight_norm": "weight norm", "layer_norm": "layer norm"}
LATER = {"rms_norm": "RMSNorm", "layer_norm_before": "norm first"}
CHANGES = {
    "matrix_scaled": ("all", "scaled"),
    "matrix_shifted": ("all", "shifted"),
    "vector_scaled": ("one unit", "scaled"),
    "data_scaled": ("all", "scaled"),
    "data_shifted": ("all", "shifted"),
    "case_scaled": ("one case", "scaled"),
}
LEFT, WIDE, TALL, TOP = 84, 50, 34, 62


def invariances(record: Record) -> Figure:
    """Five norms by six changes of weights or data: solid where the output stays, else by how much it changes."""
    rows = [("table", *row) for row in METHODS.items()] + [("later", *row) for row in LATER.items()]
    figure, axes = canvas(TOP + TALL * len(rows) + 62)
    for column, of_what in ((0, "weights"), (3, "data")):
        x = _left(column)
        words(axes, (x + 1.5 * WIDE, 12), of_what, ha="center")
        arrow(axes, [(x + 1, 23), (x + 3 * WIDE - 3, 23)], "edge", 0.8, head=False)
    for column, heads in enumerate(CHANGES.values()):
        for y, head in zip((34, 48), heads, strict=True):
            quiet(axes, (_left(column) + WIDE / 2, y), head, ha="center")
    for row, (table, method, name) in enumerate(rows):
        y = TOP + TALL * row + (12 if table == "later" else 0)
        ours = method == "layer_norm"
        words(axes, (2, y + TALL / 2), name, weight=STRONG if ours else 400)
        for column, change in enumerate(CHANGES):
            found = record[f"{table}.{method}.{change}"]
            _cell(axes, (_left(column), y), found.mean, found.max < SAME)
    y = TOP + TALL * len(rows) + 38
    box(axes, (LEFT, y - 7), 14, 14, "c1")
    words(axes, (LEFT + 21, y), "cannot see it", "c1", weight=STRONG)
    box(axes, (LEFT + 128, y - 7), 14, 14, "s1")
    words(axes, (LEFT + 149, y), "output changes, %")
    return figure


def _left(column: int) -> float:
    """Weights and data stand a little apart."""
    return LEFT + WIDE * column + (12 if column > 2 else 0)


def _cell(axes: Axes, corner: tuple[float, float], change: float, same: bool) -> None:
    """Solid for no change at all; else the change of the output in per cent."""
    box(axes, corner, WIDE - 2, TALL - 2, "c1" if same else "s1")
    text = "0" if same else lettered(100 * change, "int")
    middle = corner[0] + WIDE / 2 - 1, corner[1] + TALL / 2 - 1
    style = {"weight": STRONG} if same else {}
    words(axes, middle, text, "paper" if same else "ink", ha="center", **style)


def invariances_epsilon(record: Record) -> Figure:
    """How much layer norm's output changes when its input is tripled: under 1 % until its deviation is below 0.02."""
    scales = record.runs[0]["scales"]
    figure, axes = new_figure(
        270,
        right=22,
        x="deviation of the input",
        y="change of the output when the input is tripled, %",
    )
    axes.set(xscale="log", yscale="log", xlim=(scales[0], scales[-1]), ylim=(3e-4, 100))
    errors = [percent(record[f"error_by_scale.{index}"]) for index in range(len(scales))]
    edge = record["edge"].mean
    axes.axvspan(edge, scales[-1], color=colour("s1"), linewidth=0, zorder=0)
    line(axes, scales, errors)
    logarithmic(axes.xaxis, [1, 0.1, 0.01, 0.001, 0.0001])
    logarithmic(axes.yaxis, [0.001, 0.01, 0.1, 1, 10, 100])
    place = {"textcoords": "offset points", "va": "center"}
    axes.annotate(
        f"below {lettered(edge, 'f2')}:\nover 1 %",
        (edge, 0.003),
        (10, 0),
        **place,
        color=colour("ink"),
        weight=STRONG,
    )
    return figure


FIGURES = {"invariances": invariances, "invariances_epsilon": invariances_epsilon}
