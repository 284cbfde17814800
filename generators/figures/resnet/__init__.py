"""Figures of "Deep Residual Learning": each takes the record that it is named after."""

from generators.figures.resnet import broken, deep, inside, kinds, landscape, model, speed

TABLES = speed.TABLES

FIGURES = {
    **model.FIGURES,
    **deep.FIGURES,
    **inside.FIGURES,
    **kinds.FIGURES,
    **landscape.FIGURES,
    **broken.FIGURES,
    **speed.FIGURES,
}
