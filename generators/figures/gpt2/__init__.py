"""Figures of "Language Models are Unsupervised Multitask Learners": each takes the record that it is named after."""

from generators.figures.gpt2 import yardstick

FIGURES = {
    **yardstick.FIGURES,
}
TABLES = {
    **yardstick.TABLES,
}
