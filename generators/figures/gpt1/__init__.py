"""Figures of "Improving Language Understanding by Generative Pre-Training": one for each record."""

from generators.figures.gpt1 import (
    broken,
    inputs,
    labels,
    layers,
    merges,
    pretraining,
    symmetry,
    zero_shot,
)

FIGURES = {
    **inputs.FIGURES,
    **merges.FIGURES,
    **pretraining.FIGURES,
    **labels.FIGURES,
    **layers.FIGURES,
    **zero_shot.FIGURES,
    **symmetry.FIGURES,
    **broken.FIGURES,
}
