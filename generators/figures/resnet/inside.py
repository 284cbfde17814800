"""What goes on inside a deep network: responses, gradients, and blocks that are missed or not."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from generators.charts import beside
from generators.figure import STRONG, end_labels, line, logarithmic, new_figure, panel, percent
from generators.figures.resnet.marks import ARMS, OTHER, PLAIN, RESIDUAL
from generators.palette import colour
from generators.record import Record


def responses(record: Record) -> Figure:
    """Responses of layers on a logarithmic scale: residual ones stay at 1, the first of 110 plain ones lie far up."""
    text = "deviation of a layer's response"
    figure, upper = new_figure(330, left=52, right=76, bottom=330 - 34 - 52, y=f"56 layers: {text}")
    lower = panel(figure, 146, 138, 52, 76, x="layer", y=f"110 layers: {text}")
    for axes, layers, most in ((upper, 56, 30), (lower, 110, 30_000)):
        places = range(1, layers - 1)  # the first and the last layer stand in no block
        axes.set(yscale="log", xlim=(1, places[-1]), ylim=(0.5, most))
        axes.set_xticks([1, places[-1] // 2, places[-1]])
        logarithmic(axes.yaxis, [tick for tick in (1, 10, 100, 1000, 10_000) if tick < most])
        for category, arm in ARMS:
            found = [record[f"by_layer.{arm}_{layers}.{place - 1}"] for place in places]
            line(axes, places, found, category, arm)
        end_labels(axes)
    return figure


def gradients(record: Record) -> Figure:
    """Gradient of each kernel: before training it grows towards the first of a plain net, half-way it falls."""
    count, layers = record.settings["points"], 54
    places = [1 + round(index * (layers - 1) / (count - 1)) for index in range(count)]
    text = "size of the gradient, power of ten"
    figure, upper = new_figure(410, left=38, right=106, bottom=200, y=f"before training: {text}")
    lower = panel(figure, 256, 108, 38, 106, x="layer", y=f"half-way: {text}")
    without = (OTHER, "plain_normless", "plain, no norm")
    known = [(category, arm, arm) for category, arm in ARMS]
    for axes, moment, arms in ((upper, "start", [*known, without]), (lower, "half", known)):
        axes.set(xlim=(1, layers), xticks=[1, 18, 36, 54])
        for category, arm, name in arms:
            where = f"{moment}.{arm}_{layers + 2}.curve.kernel"
            line(axes, places, [record[f"{where}.{i}"] for i in range(count)], category, name)
    upper.set(ylim=(-9, 3), yticks=[-9, -6, -3, 0, 3])
    lower.set(ylim=(-4, 0), yticks=[-4, -2, 0])
    upper.tick_params(labelbottom=False)
    for axes in (upper, lower):
        end_labels(axes)
    return figure


def lesions(record: Record) -> Figure:
    """Test accuracy without each block in turn: any block ruins the plain net, only the first ones a residual net."""
    nets = {
        "plain_20": (PLAIN, "plain, 20 layers"),
        "residual_20": (RESIDUAL, "residual, 20 layers"),
        "residual_56": (RESIDUAL, "residual, 56 layers"),
    }
    figure, first = new_figure(450, left=40, right=12, top=54, bottom=450 - 54 - 84)
    second, third = (panel(figure, top, 84, 40, 12) for top in (187, 320))
    for axes, (net, (category, name)) in zip((first, second, third), nets.items(), strict=True):
        _lost(axes, record, net, category)
        beside(axes, name, 0, 100, 0, "left", up=13, color=colour(f"c{category}"), weight=STRONG)
    figure.text(
        2 / 400, 1 - 16 / 450, "accuracy without the block, %", color=colour("dim"), size=12
    )
    third.set_xlabel("block taken out")
    return figure


def _lost(axes: Axes, record: Record, net: str, category: int) -> None:
    """A bar for each block, down from the whole network's accuracy to what is left; a dot and its interval there."""
    run = record.runs[0]["by_network"][net]
    whole = percent(record[f"by_network.{net}.whole"]).mean
    blocks = [block + 1 for block in run["block"]]
    tone = colour(f"c{category}")
    axes.set(ylim=(0, 100), yticks=[0, 50, 100], xlim=(0.4, blocks[-1] + 0.6))
    axes.set_xticks([1, *(block for block in (9, 18, 27) if block <= blocks[-1])])
    axes.plot([0.4, blocks[-1] + 0.6], [whole, whole], color=colour("ink"), linewidth=1.2)
    for index, block in enumerate(blocks):
        left = percent(record[f"by_network.{net}.without.{index}"])
        axes.bar(block, left.mean - whole, 0.62, whole, color=tone)
        ends = [max(0, left.low), min(100, left.high)]
        axes.plot([block, block], ends, color=colour("ink"), linewidth=1.6)


FIGURES = {"responses": responses, "gradients": gradients, "lesions": lesions}
