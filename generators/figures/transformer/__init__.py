"""Figures of "Attention Is All You Need": each takes the record that it is named after."""

from generators.figures.transformer import broken, model, translation

FIGURES = {**model.FIGURES, **translation.FIGURES, **broken.FIGURES}
