"""A line with a slope (Nobody, 2020, arXiv:0000.00000): the smallest paper there could be."""

import torch
from torch import Tensor, nn


def bend(x: Tensor) -> Tensor:
    """A definition that the model reaches."""
    return x.tanh() * 2


def unused(x: Tensor) -> Tensor:
    """A definition that nothing reaches."""
    return x + 1


class Line(nn.Module):
    """One weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Bend the product."""
        return bend(x @ self.weight)
