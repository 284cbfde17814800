"""Figures of "Layer Normalization": each takes the record that it is named after."""

from generators.figures.layernorm import axes, digits, invariances

FIGURES = {**axes.FIGURES, **invariances.FIGURES, **digits.FIGURES}
