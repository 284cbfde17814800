"""Figures of "Language Models are Unsupervised Multitask Learners": each takes the record that it is named after."""

from generators.figures.gpt2 import broken, explorer, heads, scale, speed, start, text, yardstick

FIGURES = {
    **text.FIGURES,
    **start.FIGURES,
    **scale.FIGURES,
    **explorer.FIGURES,
    **heads.FIGURES,
    **broken.FIGURES,
    **yardstick.FIGURES,
    **speed.FIGURES,
}
TABLES = {**yardstick.TABLES, **speed.TABLES}
