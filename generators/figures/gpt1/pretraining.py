"""Pre-training: how well two language models of one size predict what they have never read."""

from matplotlib.figure import Figure

from generators.charts import beside
from generators.figure import end_labels, line, new_figure
from generators.palette import colour
from generators.record import Record

TRANSFORMER, LSTM = 1, 2  # one colour each in all figures


def pretraining(record: Record) -> Figure:
    """Bits for a byte of unseen prose against updates of pre-training: a Transformer and an LSTM of equal size."""
    steps = record.runs[0]["step"]
    figure, axes = new_figure(
        300, right=104, x="updates of pre-training", y="bits a byte, files not read"
    )
    axes.set(xlim=(0, steps[-1]))
    for category, arm, name in (
        (TRANSFORMER, "language_model", "Transformer"),
        (LSTM, "recurrent", "LSTM"),
    ):
        bits = [record[f"curves.{arm}.bits.{index}"] for index in range(len(steps))]
        line(axes, steps, bits, category, name)
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="y", integer=True)
    axes.locator_params(axis="x", nbins=4)
    end_labels(axes)
    start = record["curves.language_model.bits.0"].mean
    beside(axes, "untrained", 0, start, 10, "left", color=colour("dim"))
    return figure


FIGURES = {"pretraining": pretraining}
