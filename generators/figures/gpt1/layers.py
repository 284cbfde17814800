"""How much of a pre-trained model is taken over."""

from matplotlib.figure import Figure

from generators.figure import bars, lettered, percent
from generators.palette import colour
from generators.record import Record

NAMES = {
    "0": "embeddings only",
    "1": "and 1 layer",
    "2": "and 2 layers",
    "3": "and 3: all",
    "early": "all, after a quarter",
}


def transferred(record: Record) -> Figure:
    """Texts told right after tuning, by what was taken over: embeddings, layer after layer, or an early model."""
    layers = [str(layer) for layer in range(record.settings["n_layers"] + 1)]
    arms = [*layers, "early"]
    values = [percent(record[f"accuracy.{arm}"]) for arm in arms]
    figure, axes = bars(
        [NAMES[arm] for arm in arms],
        values,
        lambda share: lettered(share, "f1"),
        x="texts of unseen files told right, %",
        subjects=[len(layers) - 1],
        within=(0, 100),
    )
    for row, value in enumerate(
        values
    ):  # few seeds that lie far apart say more than their interval
        style = {"markersize": 6, "markeredgecolor": colour("paper"), "markeredgewidth": 1.2}
        axes.plot(value.values, [row] * value.n, "o", color=colour("ink"), zorder=4, **style)
    axes.set_xlim(left=0)
    axes.locator_params(axis="x", nbins=4)
    return figure


FIGURES = {"transferred": transferred}
