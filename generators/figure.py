"""House style of figures, and the only writer of figures and tables: everything in results/ that is no record.

A figure is a function from its record to a matplotlib figure, made of the few helpers below. It is 400 px wide, has
no title and no legend box, letters as outlines, and one file for light and dark. Everything is in pixels.
"""

import functools
import importlib
import io
import math
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import font_manager, rcParams
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

from generators.experiment import units
from generators.files import ROOT
from generators.formats import NARROW, shown
from generators.ledger import settle, settle_ledger
from generators.lettering import FAMILY, lettering
from generators.palette import colour
from generators.record import RESULTS, Record, Summary, records, shown_by
from generators.svg import NotAllowed, slim

WIDTH = 400
TEXT, SMALL, STRONG = 13, 12, 600

# Second cues beside colour, in the order of the categories. Dashes are multiples of the line's width.
DASHES = ((), (6, 2), (3, 1.6), (1.2, 1.4), (7, 2, 1.4, 2), (4, 1.4, 1.2, 1.4, 1.2, 1.4))
MARKERS = "osD^vP"

STYLE = {
    "figure.dpi": 72,  # a point is a pixel
    "savefig.dpi": 72,
    "savefig.transparent": True,
    "svg.fonttype": "path",
    "svg.hashsalt": "house",
    "path.simplify": False,
    "font.family": FAMILY,
    "font.size": TEXT,
    "text.color": colour("ink"),
    "axes.unicode_minus": True,
    "axes.edgecolor": colour("dim"),
    "axes.labelcolor": colour("dim"),
    "axes.labelsize": SMALL,
    "axes.labelpad": 6,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": colour("rule"),
    "grid.linewidth": 0.8,
    "xtick.color": colour("dim"),
    "ytick.color": colour("dim"),
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.width": 0.8,
    "ytick.major.pad": 7,
    "ytick.alignment": "center",
    "xtick.minor.size": 0,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
}


@functools.cache
def _house_style() -> None:
    for file in lettering():
        font_manager.fontManager.addfont(file)
    rcParams.update(STYLE)


# Curves and bars ------------------------------------------------------------------------------------------------


def new_figure(
    height: int,
    left: int = 42,
    right: int = 96,
    top: int = 34,
    bottom: int = 46,
    x: str = "",
    y: str = "",
) -> tuple[Figure, Axes]:
    """One pair of axes with these margins; the y-axis's name lies above its upper end."""
    _house_style()
    figure = Figure(figsize=(WIDTH / 72, height / 72))
    return figure, panel(figure, top, height - top - bottom, left, right, x, y)


def panel(
    figure: Figure,
    top: float,
    tall: float,
    left: float = 42,
    right: float = 96,
    x: str = "",
    y: str = "",
) -> Axes:
    """Axes that begin `top` pixels below the figure's upper edge; several may stand one above the other."""
    height = 72 * figure.get_figheight()
    box = (left / WIDTH, 1 - (top + tall) / height, (WIDTH - left - right) / WIDTH, tall / height)
    axes = figure.add_axes(box)
    axes.grid(axis="y")
    axes.set_xlabel(x)
    place = 2 / WIDTH, 1 - (top - 16) / height
    figure.text(*place, y, color=colour("dim"), size=SMALL, va="bottom")
    return axes


def line(
    axes: Axes,
    x: Sequence[float],
    y: Sequence[Summary] | Sequence[float],
    category: int = 1,
    label: str = "",
    width: float = 2.2,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> None:
    """A curve in the category's colour, dash and marker; of summaries: their means, in a band of 95 % intervals.

    The band ends at the limits `within` which the quantity itself stays. On a logarithmic axis (set before) mean and
    interval are those of the logarithms. Category 0 is what is only there to be
    compared with: a thin dim line without markers.
    """
    tone = colour(f"c{category}" if category else "edge")
    there, back = (np.log, np.exp) if axes.get_yscale() == "log" else (np.array, np.array)
    points = [
        Summary(tuple(there(point.values if isinstance(point, Summary) else [point])))
        for point in y
    ]
    middle = back([point.mean for point in points])
    if isinstance(y[0], Summary):
        ends = back([[point.low for point in points], [point.high for point in points]])
        ends = np.clip(ends, *within)
        axes.fill_between(x, *ends, color=tone, alpha=0.16, linewidth=0, clip_on=False)
    axes.plot(
        x,
        middle,
        color=tone,
        linewidth=width if category else 1.6,
        dashes=DASHES[category - 1] if category else (),
        dash_capstyle="butt",
        marker=MARKERS[category - 1] if category else "",
        markersize=7,
        markeredgewidth=1.2,
        markeredgecolor=colour("paper"),
        markevery=list(range(len(middle) - 1, -1, -max(1, math.ceil((len(middle) - 1) / 4))))[::-1],
        label=label or "_",
        clip_on=False,
    )


def end_labels(axes: Axes, gap: float = 15) -> None:
    """Write each curve's label at its end, spread until none touches another; set the axes' limits before."""

    def thin(curve: Line2D) -> bool:
        return curve.get_color() == colour("edge")

    curves = [curve for curve in axes.get_lines() if not curve.get_label().startswith("_")]
    ends = [axes.transData.transform(curve.get_xydata()[-1]) for curve in curves]
    order = sorted(range(len(curves)), key=lambda index: ends[index][1])
    heights = spread([ends[index][1] for index in order], gap)
    for index, height in zip(order, heights, strict=True):
        axes.annotate(
            curves[index].get_label(),
            curves[index].get_xydata()[-1],
            (8, height - ends[index][1]),
            textcoords="offset points",
            color=colour("dim") if thin(curves[index]) else curves[index].get_color(),
            weight=400 if thin(curves[index]) else STRONG,
            va="center",
            annotation_clip=False,
        )


def logarithmic(axis: Axis, ticks: Sequence[float] = ()) -> None:
    """Plain numbers along a logarithmic axis: at these ticks, or at 1, 3, 10 ...; at 1, 2, 5 ... over a short one."""
    low, high = sorted(axis.get_view_interval())
    steps = (1, 3) if high / low > 10**1.3 else (1, 2, 5)
    axis.set_major_locator(FixedLocator(ticks) if len(ticks) else LogLocator(subs=steps))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, place: grouped(value) if value >= 1000 else f"{value:g}")


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """The places nearest to those wanted (ascending) that keep the order and lie at least `gap` apart."""
    groups: list[
        tuple[float, int]
    ] = []  # neighbours that moved together: sum of their places, and how many
    for index, place in enumerate(wanted):
        total, count = place - index * gap, 1
        while groups and groups[-1][0] / groups[-1][1] > total / count:
            before = groups.pop()
            total, count = total + before[0], count + before[1]
        groups.append((total, count))
    settled = [total / count for total, count in groups for _ in range(count)]
    return [place + index * gap for index, place in enumerate(settled)]


def bars(
    names: Sequence[str],
    values: Sequence[Summary],
    label: Callable[[float], str],
    x: str,
    subjects: Collection[int] = (0,),
    within: tuple[float, float] = (-math.inf, math.inf),
) -> tuple[Figure, Axes]:
    """Horizontal bars with 95 % intervals, their values in one column; the subjects in colour, the others muted.

    Intervals end at the limits `within` which the quantity itself stays.
    """
    left = 14 + max(text_width(name) for name in names)
    right = 16 + max(text_width(label(value.mean), STRONG) for value in values)
    figure, axes = new_figure(64 + 32 * len(names), left=left, right=right, top=10, bottom=46, x=x)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x")
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", labelsize=TEXT, labelcolor=colour("ink"))
    axes.set_ylim(len(names) - 0.5, -0.5)
    for row, value in enumerate(values):
        tone = colour("c1" if row in subjects else "mute")
        axes.barh(row, value.mean, height=0.6, color=tone, clip_on=False)
        if value.n > 1:
            low, high = np.clip([value.low, value.high], *within)
            axes.errorbar(
                value.mean,
                row,
                xerr=[[value.mean - low], [high - value.mean]],
                color=colour("ink"),
                linewidth=1.6,
                capsize=3.5,
                capthick=1.6,
                clip_on=False,
            )
        axes.annotate(
            label(value.mean),
            (1, row),
            (right - 2, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            va="center",
            weight=STRONG if row in subjects else 400,
        )
    return figure, axes


@functools.cache
def text_width(text: str, weight: int = 400, size: float = TEXT) -> int:
    """Pixels that a text takes, rounded up."""
    _house_style()
    properties = font_manager.FontProperties(family=FAMILY, weight=weight)
    return (
        math.ceil(TextPath((0, 0), text, size=size, prop=properties).get_extents().width)
        if text.strip()
        else 0
    )


def percent(share: Summary) -> Summary:
    """A share of 1 as one of 100."""
    return Summary(tuple(100 * value for value in share.values))


def lettered(number: float, form: str) -> str:
    """A number as prose writes it, in spaces that the font has."""
    return shown(number, form).replace(NARROW, "\u2009")


def grouped(value: float, place: int | None = None) -> str:
    """A tick's label with thin spaces between thousands."""
    return lettered(value, "int")


# Files ----------------------------------------------------------------------------------------------------------


def svg(figure: Figure) -> str:
    """The picture as text, the same each time."""
    if round(figure.get_figwidth() * 72) != WIDTH:
        raise ValueError(
            f"a figure is {WIDTH} px wide, not {figure.get_figwidth() * 72:.0f}; stack panels instead"
        )
    buffer = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph")  # matplotlib would draw a box
        try:
            figure.savefig(
                buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
            )
        except UserWarning as missing:
            raise NotAllowed(f"a letter that {FAMILY} does not have: {missing}") from missing
    return slim(buffer.getvalue())


def draw(names: Sequence[str] = (), check: bool = False) -> list[str]:
    """Write figures and ledgers of some papers, or of all; with `check` only compare. What is wrong, a line each."""
    folder = ROOT / "generators" / "figures"
    known = {path.stem for path in folder.glob("[!_]*") if _draws(folder, path.stem)} | set(units())
    problems = []
    for paper in sorted(known & set(names) if names else known):
        functions, tables = {}, {}
        if _draws(folder, paper):
            module = importlib.import_module(f"generators.figures.{paper}")
            functions, tables = module.FIGURES, vars(module).get("TABLES", {})
        problems += _draw_all(paper, functions, check) + _tables(paper, tables, check)
        problems += settle_ledger(paper, check)
    return problems


def _tables(paper: str, functions: Mapping[str, Callable[[Record], str]], check: bool) -> list[str]:
    """Write the tables of a paper, each from the record that it is named after."""
    known = {name: _record_of(name, paper) for name in functions}
    return [
        problem
        for name, record in known.items()
        if record is not None
        for problem in settle(RESULTS / paper / f"{name}.md", functions[name](record), check)
    ]


def _draws(folder: Path, paper: str) -> bool:
    """Whether a paper has figures: a module, or a package when they outgrow one."""
    return any((folder / file).is_file() for file in (f"{paper}.py", f"{paper}/__init__.py"))


def _record_of(figure: str, paper: str) -> Record | None:
    """The record that a figure or a table shows."""
    named = {record.name: record for record in records(paper).values()}
    return named.get(shown_by(figure, named))


def _draw_all(
    paper: str, functions: Mapping[str, Callable[[Record], Figure]], check: bool
) -> list[str]:
    problems = []
    for name, function in functions.items():
        record = _record_of(name, paper)
        if record is None:
            missing = f"results/{paper}/{name}.json is missing"
            problems.append(f"{missing}: `nox -s train -- {paper}` makes it")
        else:
            problems += settle(RESULTS / paper / f"{name}.svg", svg(function(record)), check)
    for orphan in sorted({path.stem for path in (RESULTS / paper).glob("*.svg")} - set(functions)):
        problems.append(f"results/{paper}/{orphan}.svg: no function draws it any more; delete it")
    return problems
