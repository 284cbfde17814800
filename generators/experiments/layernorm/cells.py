"""Recurrent cells with and without their norms, and what can be watched while they walk along a sequence."""

import math

import torch
from torch import Tensor, nn

from implementations.layernorm import LayerNorm, LSTMCell, RecurrentCell

State = tuple[Tensor, ...]  # h; or h and c


class Affine(LayerNorm):
    """Gain and bias stay, the normalisation goes."""

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift."""
        return self.gain * x + self.bias


CELLS = {"plain": RecurrentCell, "lstm": LSTMCell}
N_STATES = {"plain": 1, "lstm": 2}
ARMS = [f"{cell}_{norm}" for cell in CELLS for norm in ("norm", "none")]


def cell_of(arm: str, n_inputs: int, n_hidden: int) -> nn.Module:
    """A cell as it is, or with every layer norm of it replaced; with the same seed, the same weights."""
    kind, norm = arm.split("_")
    cell = CELLS[kind](n_inputs, n_hidden)
    if norm == "none":
        for name, child in list(cell.named_children()):
            if isinstance(child, LayerNorm):
                cell.register_module(name, Affine(tuple(child.gain.shape)))
    return cell


def walk(cell: nn.Module, inputs: Tensor, state: State) -> list[State]:
    """The states after every step of inputs B T I."""
    states = []
    for x in inputs.unbind(1):
        after = cell(x, *state)
        state = after if isinstance(after, tuple) else (after,)
        states.append(state)
    return states


def gradients_back(loss: Tensor, states: list[State]) -> list[float]:
    """Norm of the gradient of a loss by the state at every step."""
    flat = torch.autograd.grad(loss, [part for state in states for part in state])
    width = len(states[0])
    return [
        math.sqrt(sum(part.square().sum().item() for part in flat[first : first + width]))
        for first in range(0, len(flat), width)
    ]


def decades(x: float) -> float:
    """The logarithm to base 10; what has vanished altogether counts as 1e-300."""
    return round(math.log10(max(x, 1e-300)), 3)
