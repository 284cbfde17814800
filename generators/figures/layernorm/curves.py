"""Courses of training: which colour each arm has everywhere in this unit, and how its curve is drawn."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from generators.figure import line
from generators.record import Record

# Layer norm has one colour in all figures, and so has everything that it is compared with.
LAYER, BATCH, NONE, OTHER, ANOTHER = 1, 2, 3, 4, 5
Arms = Sequence[tuple[int, str, str]]  # category, key of the record, name


def courses(axes: Axes, record: Record, arms: Arms, path: str = "curves") -> None:
    """One curve for each arm over the updates; a point stands in the middle of those that it is the mean of."""
    updates, count = (record.settings[what] for what in ("steps", "points"))
    axes.set_xlim(0, updates)
    axes.locator_params(axis="x", nbins=4)
    for category, arm, name in arms:
        where = path.format(arm) if "{}" in path else f"{path}.{arm}"
        steps = [updates * (index + 0.5) / count for index in range(count)]
        line(axes, steps, [record[f"{where}.{index}"] for index in range(count)], category, name)
