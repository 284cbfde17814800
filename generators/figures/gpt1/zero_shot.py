"""Without a label: what pre-training alone can tell, and when."""

from matplotlib.figure import Figure

from generators.charts import beside
from generators.figure import end_labels, line, new_figure, percent
from generators.palette import colour
from generators.record import Record


def zero_shot(record: Record) -> Figure:
    """Texts told right without a label against updates of pre-training, phrases made comparable and as they are."""
    steps = record.runs[0]["step"]
    figure, axes = new_figure(
        290, right=112, x="updates of pre-training", y="texts told right without a label, %"
    )
    axes.set_xlim(0, steps[-1])
    for category, arm, name in ((0, "not_evened", "as they are"), (1, "accuracy", "evened out")):
        shares = [percent(record[f"{arm}.{index}"]) for index in range(len(steps))]
        if not category:  # only there to be compared with
            line(axes, steps, [share.mean for share in shares], category, name)
        else:
            line(axes, steps, shares, category, name, within=(0, 100))
    chance = 100 * record["chance"].mean
    axes.axhline(chance, color=colour("ink"), linewidth=1.2)
    axes.set(ylim=(10, 30), yticks=[10, 15, 20, 25, 30])
    axes.locator_params(axis="x", nbins=4)
    end_labels(axes)
    beside(axes, "guessing", 1, chance, 8, "left")
    return figure


FIGURES = {"zero_shot": zero_shot}
