"""Figures of "Layer Normalization": each takes the record that it is named after."""

from generators.figures.layernorm import axes, digits, invariances, placement, recurrent

FIGURES = {
    **axes.FIGURES,
    **invariances.FIGURES,
    **digits.FIGURES,
    **recurrent.FIGURES,
    **placement.FIGURES,
}
