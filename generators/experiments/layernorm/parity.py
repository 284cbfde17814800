"""Equality with PyTorch's own norms and recurrent layers, with the same weights."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm as their_weight_norm

from generators.experiment import Claim, Experiment
from generators.parity import worst_error
from implementations.layernorm import (
    LSTM,
    BatchNorm,
    RecurrentCell,
    layer_norm,
    weight_norm,
)


def parity(
    seed: int,
    batch: int,
    widths: list[int],
    picture: list[int],
    n_inputs: int,
    n_hidden: int,
    length: int,
) -> dict[str, Any]:
    """Largest differences to PyTorch, outputs and gradients, in float32.

    A difference is divided by the largest entry of what it is compared with, if that is above 1.
    """
    shapes = {str(width): [width] for width in widths} | {"picture": picture}
    groups = {
        "layer_norm": {name: _layer_norm(batch, shape) for name, shape in shapes.items()},
        "batch_norm": {
            "units": _batch_norm(torch.randn(batch, n_hidden), nn.BatchNorm1d(n_hidden)),
            "picture": _batch_norm(torch.randn(batch, *picture), nn.BatchNorm2d(picture[0])),
        },
        "weight_norm": {"linear": _weight_norm(batch, n_inputs, n_hidden)},
        "recurrent": {
            "cell": _recurrent_cell(batch, n_inputs, n_hidden),
            "lstm": _lstm(batch, length, n_inputs, n_hidden),
        },
    }
    errors = [e for group in groups.values() for case in group.values() for e in case.values()]
    return {"worst": max(errors), **groups}


def _compared(
    ours: Tensor, theirs: Tensor, our_inputs: Sequence[Tensor], their_inputs: Sequence[Tensor]
) -> dict[str, float]:
    """Worst errors of an output, and of the gradients of one random sum of it."""
    direction = torch.randn_like(theirs)
    mine = torch.autograd.grad((ours * direction).sum(), our_inputs)
    other = torch.autograd.grad((theirs * direction).sum(), their_inputs)
    fitting = [gradient.view_as(like) for gradient, like in zip(mine, other, strict=True)]
    return {"output": worst_error([ours], [theirs]), "gradient": worst_error(fitting, other)}


def _layer_norm(batch: int, shape: list[int]) -> dict[str, float]:
    """Our own lines, forward and backward; the module takes PyTorch's kernel and would prove nothing."""
    inputs = [
        torch.randn(batch, *shape, requires_grad=True),
        torch.randn(shape, requires_grad=True),
        torch.randn(shape, requires_grad=True),
    ]
    theirs = F.layer_norm(inputs[0], shape, *inputs[1:])
    return _compared(layer_norm(*inputs), theirs, inputs, inputs)


def _batch_norm(x: Tensor, theirs: nn.BatchNorm1d | nn.BatchNorm2d) -> dict[str, float]:
    """In training, and then in use, with the statistics that both have kept."""
    ours = BatchNorm(x.shape[1])
    with torch.no_grad():
        theirs.weight.copy_(ours.gain.normal_())
        theirs.bias.copy_(ours.bias.normal_())
    x.requires_grad_()
    in_training = _compared(
        ours(x), theirs(x), [x, ours.gain, ours.bias], [x, theirs.weight, theirs.bias]
    )
    kept = worst_error(
        [ours.running_mean, ours.running_variance], [theirs.running_mean, theirs.running_var]
    )
    ours.eval()
    theirs.eval()
    in_use = _compared(
        ours(x), theirs(x), [x, ours.gain, ours.bias], [x, theirs.weight, theirs.bias]
    )
    return {
        **in_training,
        "statistics": kept,
        **{f"{what}_in_use": error for what, error in in_use.items()},
    }


def _weight_norm(batch: int, n_inputs: int, n_hidden: int) -> dict[str, float]:
    theirs = their_weight_norm(nn.Linear(n_inputs, n_hidden))
    direction = torch.randn(n_hidden, n_inputs, requires_grad=True)
    gain = torch.rand(n_hidden, requires_grad=True)
    their_gain, their_direction = theirs.parametrizations.weight.parameters()
    with torch.no_grad():
        their_direction.copy_(direction)
        their_gain.copy_(gain[:, None])
    x = torch.randn(batch, n_inputs, requires_grad=True)
    ours = F.linear(x, weight_norm(direction, gain), theirs.bias)
    return _compared(ours, theirs(x), [x, direction, gain], [x, their_direction, their_gain])


def _recurrent_cell(batch: int, n_inputs: int, n_hidden: int) -> dict[str, float]:
    """One step without a norm, for PyTorch has none with it."""
    ours, theirs = RecurrentCell(n_inputs, n_hidden), nn.RNNCell(n_inputs, n_hidden, bias=False)
    ours.norm = nn.Identity()
    x = torch.randn(batch, n_inputs, requires_grad=True)
    h = torch.randn(batch, n_hidden, requires_grad=True)
    with torch.no_grad():
        theirs.weight_ih.copy_(ours.from_input.weight)
        theirs.weight_hh.copy_(ours.from_hidden.weight)
    return _compared(
        ours(x, h),
        theirs(x, h),
        [x, h, ours.from_input.weight, ours.from_hidden.weight],
        [x, h, theirs.weight_ih, theirs.weight_hh],
    )


def _lstm(batch: int, length: int, n_inputs: int, n_hidden: int) -> dict[str, float]:
    """Along a sequence without norms; PyTorch has the gates in the order take, forget, new, give."""
    ours, theirs = LSTM(n_inputs, n_hidden), nn.LSTM(n_inputs, n_hidden, batch_first=True)
    cell = ours.cell
    cell.norm_input = cell.norm_hidden = cell.norm_cell = nn.Identity()
    nn.init.normal_(cell.bias)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(_their_gates(cell.from_input.weight))
        theirs.weight_hh_l0.copy_(_their_gates(cell.from_hidden.weight))
        theirs.bias_ih_l0.copy_(_their_gates(cell.bias))
        theirs.bias_hh_l0.zero_()
    x = torch.randn(batch, length, n_inputs, requires_grad=True)
    our_weights = [cell.from_input.weight, cell.from_hidden.weight, cell.bias]
    their_weights = [theirs.weight_ih_l0, theirs.weight_hh_l0, theirs.bias_ih_l0]
    direction = torch.randn(batch, length, n_hidden)
    outputs, gradients = [], []
    for model, weights in ((ours, our_weights), (theirs, their_weights)):
        states, (last, kept) = model(x)
        total = (states * direction).sum() + kept.sum()
        gradients.append(torch.autograd.grad(total, [x, *weights]))
        outputs.append([states, last.view(batch, -1), kept.view(batch, -1)])
    reordered = [gradients[0][0], *(_their_gates(gradient) for gradient in gradients[0][1:])]
    return {
        "output": worst_error(*outputs),
        "gradient": worst_error(reordered, gradients[1]),
    }


def _their_gates(rows: Tensor) -> Tensor:
    forget, take, give, new = rows.chunk(4)
    return torch.cat([take, forget, new, give])


EXPERIMENTS = {
    "parity": Experiment(
        question="How far are outputs and gradients from those of PyTorch with the same weights?",
        run=parity,
        settings=dict(  # no width of 2 or 3: sigma is then often small, and its inverse blows rounding up
            batch=8, widths=[16, 64, 256], picture=[3, 4, 4], n_inputs=10, n_hidden=16, length=20
        ),
        smoke=dict(batch=3, widths=[4], picture=[2, 2, 2], n_inputs=3, n_hidden=4, length=3),
        kind="parity",
        tolerance=dict.fromkeys(
            ("worst", "layer_norm", "batch_norm", "weight_norm", "recurrent"), 1e-5
        ),
    ),
}

CLAIMS: list[Claim] = []
