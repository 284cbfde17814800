"""Figures of "Attention Is All You Need": each takes the record that it is named after."""

from generators.figures.transformer import (
    attention,
    broken,
    learning,
    live,
    model,
    speed,
    translation,
)

TABLES = speed.TABLES

FIGURES = {
    **model.FIGURES,
    **translation.FIGURES,
    **attention.FIGURES,
    **broken.FIGURES,
    **learning.FIGURES,
    **live.FIGURES,
    **speed.FIGURES,
}
