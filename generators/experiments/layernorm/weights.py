"""Under a norm, growing weights act as a falling learning rate (Section 5.2): exactly, and over a training."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.layernorm.digit_nets import NORMS, error, means, mlp, train
from generators.record import Record
from generators.training import Groups
from implementations.layernorm import layer_norm

# How the net is normalised, and whether its hidden matrices are put back to their first length after every step.
ARMS = {
    "none": ("none", False),
    "layer_norm": ("layer_norm", False),
    "kept_length": ("layer_norm", True),
}
HOPELESS = 1e3  # a loss from which no training came back; guessing gives 2.3


def plain_sgd(groups: Groups) -> torch.optim.Optimizer:
    """Gradient descent without momentum: what the argument of the paper is about."""
    return torch.optim.SGD(groups)


def growing_weights(
    seed: int,
    scales: list[float],
    n_hidden: int,
    batch: int,
    steps: int,
    rates: dict[str, float],
    points: int,
) -> dict[str, Any]:
    """Length of the hidden matrices and how far a step turns them, at several constant rates."""
    arms = {
        arm: {
            name: trained(seed, *how, n_hidden, batch, steps, rate, points)
            for name, rate in rates.items()
        }
        for arm, how in ARMS.items()
    }
    free, kept = arms["layer_norm"], arms["kept_length"]
    return {
        "exact": exact_part(seed, scales),
        "arms": arms,
        # What the length of the weights alone does to the rate at which they turn.
        "rate_left": {name: free[name]["rate_left"] for name in rates},
        "turns_more": {name: last(kept[name]["turn"]) - last(free[name]["turn"]) for name in rates},
        "loss_above": {name: last(kept[name]["loss"]) - last(free[name]["loss"]) for name in rates},
    }


def last(curve: list[float]) -> float:
    """The mean of a curve's last quarter."""
    end = curve[-max(1, len(curve) // 4) :]
    return sum(end) / len(end)


def exact_part(seed: int, scales: list[float]) -> dict[str, float]:
    r"""What scaling W by delta does, in float64 without epsilon; worst over the scales.

    `output` is the relative change of the output, `gradient` that of $\delta \, \partial L / \partial W$, and
    `along` the share of the gradient that points along a weight matrix: none, or a step could shorten it.
    """
    torch.manual_seed(seed)
    options = dict(dtype=torch.float64)
    x, weight = torch.randn(32, 20, **options), torch.randn(16, 20, **options)
    gain, bias, direction = (torch.randn(*n, **options) for n in ((16,), (16,), (32, 16)))

    def at(scale: float) -> tuple[Tensor, Tensor]:
        scaled = (scale * weight).requires_grad_()
        output = layer_norm(x @ scaled.T, gain, bias, 0.0)
        (gradient,) = torch.autograd.grad((output.tanh() * direction).sum(), scaled)
        return output.detach(), gradient

    output, gradient = at(1.0)
    outputs, gradients = zip(*(at(scale) for scale in scales), strict=True)
    return {
        "output": max(_relative(output, other) for other in outputs),
        "gradient": max(
            _relative(gradient, scale * other)
            for scale, other in zip(scales, gradients, strict=True)
        ),
        "along": ((gradient * weight).sum().abs() / (gradient.norm() * weight.norm())).item(),
    }


def _relative(before: Tensor, after: Tensor) -> float:
    return ((after - before).norm() / before.norm()).item()


def trained(
    seed: int,
    norm: str,
    keep_length: bool,
    n_hidden: int,
    batch: int,
    steps: int,
    rate: float,
    points: int,
) -> dict[str, Any]:
    """One training: loss, lengths in units of the first, and the mean turn of a step in degrees.

    A training whose loss grows without end is stopped; `finished` is the share of its steps.
    """
    torch.manual_seed(seed)
    model = mlp(n_hidden, NORMS[norm])
    matrices = [layer.weight for layer in model if isinstance(layer, nn.Linear)][:-1]
    first = [matrix.norm().item() for matrix in matrices]
    before = [matrix.detach().clone() for matrix in matrices]
    losses, turns, lengths = [], [], []
    torch.manual_seed(seed)
    for loss in train(model, batch, steps, lambda step: rate, plain_sgd, clip=math.inf):
        if loss > HOPELESS:
            break
        losses.append(loss)
        turned = [angle(*pair) for pair in zip(before, matrices, strict=True)]
        turns.append(sum(turned) / len(turned))
        with torch.no_grad():
            for matrix, length in zip(matrices, first, strict=True):
                if keep_length:
                    matrix.mul_(length / matrix.norm())
        lengths.append([m.norm().item() / n for m, n in zip(matrices, first, strict=True)])
        before = [matrix.detach().clone() for matrix in matrices]
    return {
        "finished": len(losses) / steps,
        "loss": means(losses, points),
        "turn": means(turns, points),
        "length": [means(list(layer), points) for layer in zip(*lengths, strict=True)],
        "growth": list(lengths[-1]),
        "rate_left": sum(length**-2 for length in lengths[-1]) / len(matrices),
        "error": error(model.eval()),
    }


def angle(before: Tensor, after: Tensor) -> float:
    """Degrees between two matrices seen as vectors; exact for small angles, where a cosine is 1 to rounding."""
    a, b = before / before.norm(), after.detach() / after.detach().norm()
    return math.degrees(2 * math.asin(min(1.0, (a - b).norm().item() / 2)))


EXPERIMENTS = {
    "growing_weights": Experiment(
        question="Do growing weights slow learning down, as a falling rate would?",
        run=growing_weights,
        settings=dict(
            scales=[0.01, 0.1, 0.5, 2.0, 10.0, 100.0],
            n_hidden=64,
            batch=32,
            steps=160,
            rates=dict(slow=0.1, middle=0.3, fast=1.0),
            points=20,
        ),
        smoke=dict(n_hidden=8, batch=8, steps=6, points=4),
        seeds=(0, 1, 2, 3, 4),
        tolerance=dict(exact=1e-10, arms=None, rate_left=0.2, turns_more=10.0, loss_above=2.0),
    ),
}


def growth_slows(record: Record) -> str:
    """Holds if all three parts do; in part if the first does.

    Exact: scaling W changes the output and delta times the gradient by less than 1e-10. Under layer norm both hidden
    matrices grow, at every rate, the intervals lying above 1. A net whose matrices are kept at their first length
    turns further with each step of the last quarter, at every rate, the interval of the difference lying above 0.
    """
    if max(record[f"exact.{what}"].max for what in ("output", "gradient")) > 1e-10:
        return FAILS
    rates = record.runs[0]["rate_left"]
    grow = all(
        record[f"arms.layer_norm.{rate}.growth.{layer}"].low > 1
        for rate in rates
        for layer in (0, 1)
    )
    slower = all(record[f"turns_more.{rate}"].low > 0 for rate in rates)
    return HOLDS if grow and slower else IN_PART


def growth_steadies(record: Record) -> str:
    """Holds if at the fastest rate the net of kept length ends with the higher loss, the interval lying above 0.

    In part if that is so at a slower rate only.
    """
    worse = {rate: record[f"loss_above.{rate}"].low > 0 for rate in record.runs[0]["loss_above"]}
    return HOLDS if worse["fast"] else IN_PART if any(worse.values()) else FAILS


CLAIMS = [
    Claim(
        id="C5",
        text="Weights that grow under layer norm act as a learning rate that falls.",
        where="Section 5.2.2",
        experiment="layernorm.growing_weights",
        did="Scaled the weights in float64; trained with plain gradient descent and a constant rate, the hidden "
        "matrices free or put back to their first length after each step. The number is the share of the rate that "
        "growth leaves at the end, at rate 1.",
        rule=Rule(growth_slows, forecast=0.85),
        measured="rate_left.fast:pct0",
    ),
    Claim(
        id="C5x",
        text="The growth of the weights steadies learning.",
        where="Section 5.2.2",
        experiment="layernorm.growing_weights",
        did="Compared the training loss of the two nets in the last quarter. The number is how far that of the net "
        "whose matrices cannot grow lies above the other's, at rate 1.",
        rule=Rule(growth_steadies, forecast=0.9),
        measured="loss_above.fast:f2",
    ),
]
