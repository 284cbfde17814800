"""A new model's residual stream, by depth."""

from matplotlib.figure import Figure

from generators.figure import end_labels, line, logarithmic, new_figure, panel
from generators.record import Record

ARMS = {"plain": (2, "as drawn"), "root_of_l": (3, "by root of L"), "scaled": (1, "by root of 2 L")}


def residual_start(record: Record) -> Figure:
    """A new model's residual stream grows with depth unless branches start smaller; its outputs spread alike."""
    depths = record.runs[0]["depths"]
    figure, upper = new_figure(372, right=110, bottom=196, y="residual stream, mean square")
    lower = panel(figure, 226, 96, right=110, x="blocks", y="logits, standard deviation")
    for axes, what in ((upper, "stream"), (lower, "logits")):
        axes.set_xscale("log")
        if what == "stream":
            axes.set_yscale("log")
        for arm, (category, name) in ARMS.items():
            values = [record[f"{arm}.{what}.{index}"] for index in range(len(depths))]
            apart = what == "stream" or arm == "scaled"  # below, one curve lies on the other
            label = name if what == "stream" else "all alike" if apart else ""
            line(axes, depths, values, category, label)
        axes.set_xlim(depths[0], depths[-1])
        logarithmic(axes.xaxis, depths)
    upper.set_ylim(0.05, 20)
    logarithmic(upper.yaxis, [0.1, 0.3, 1, 3, 10])
    lower.set(ylim=(0, 0.8))
    lower.set_yticks([0, 0.4, 0.8], ["0", "0.4", "0.8"])
    end_labels(upper)
    end_labels(lower)
    upper.tick_params(labelbottom=False)
    return figure


FIGURES = {"residual_start": residual_start}
