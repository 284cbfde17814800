"""What it costs: beside other libraries, and beside our own network in another memory layout."""

from matplotlib.figure import Figure

from generators.charts import race, race_table
from generators.record import Record

NAMES = {
    "plain_layout": "plain layout",
    "transformers": "Hugging Face",
    "pytorchcv": "pytorchcv",
}
WORKS = {"step": "training", "evaluation": "evaluation"}


def bench(record: Record) -> Figure:
    """Time of two libraries and of ours in the plain layout as a multiple of ours; the fastest in colour."""
    return race(record, WORKS, NAMES, f"batch of {record.settings['batch']}")


def bench_table(record: Record) -> str:
    """Everybody's time over ours, with quartiles, and how much of the machine's products ours reaches."""
    return race_table(record, {"step": "training step", "evaluation": "evaluation"}, NAMES)


TABLES = {"bench_table": bench_table}
FIGURES = {"bench": bench}
