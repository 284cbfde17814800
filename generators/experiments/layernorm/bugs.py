"""The bug gallery: mistakes in norms, put into one small net on digits, and what each looks like from outside."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.data import digits
from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.layernorm.digit_nets import Norm, error, means, mlp, train
from generators.record import Record
from implementations.layernorm import BatchNorm, LayerNorm, normalise


class UnbiasedVariance(LayerNorm):
    """Divides by H - 1, as `Tensor.var` does when nobody tells it otherwise."""

    def forward(self, x: Tensor) -> Tensor:
        """The outputs become too small, by the root of (H - 1) / H."""
        variance, mean = torch.var_mean(x, dim=-1, keepdim=True)
        return self.gain * (x - mean) / (variance + self.epsilon).sqrt() + self.bias


class EpsilonOutside(LayerNorm):
    """Adds epsilon to the deviation and not to the variance: the root of 0 has no slope."""

    def forward(self, x: Tensor) -> Tensor:
        """Equal to the right one, as good as, unless all inputs are the same."""
        deviation = x - x.mean(-1, keepdim=True)
        sigma = deviation.square().mean(-1, keepdim=True).sqrt()
        return self.gain * deviation / (sigma + self.epsilon) + self.bias


class WrongAxis(LayerNorm):
    """Averages over the examples of the batch, not over the units of each."""

    def forward(self, x: Tensor) -> Tensor:
        """Batch norm in disguise, in use too."""
        normalised, _ = normalise(x, (0,), self.epsilon)
        return self.gain * normalised + self.bias


class StatisticsDetached(LayerNorm):
    """The backward pass takes mean and deviation for constants."""

    def forward(self, x: Tensor) -> Tensor:
        """The right output; two terms of the gradient are missing."""
        mean = x.mean(-1, keepdim=True).detach()
        sigma = ((x - mean).square().mean(-1, keepdim=True) + self.epsilon).sqrt().detach()
        return self.gain * (x - mean) / sigma + self.bias


class OneGain(LayerNorm):
    """One gain and one bias for the whole layer, not one for each unit."""

    def __init__(self, shape: int) -> None:
        super().__init__(shape)
        self.gain = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """The same scale and shift everywhere."""
        normalised, _ = normalise(x, (-1,), self.epsilon)
        return self.gain * normalised + self.bias


def one_module(n_hidden: int) -> nn.Sequential:
    """A single norm, made once and put behind both layers: they share gain and bias."""
    norm = LayerNorm(n_hidden)
    return mlp(n_hidden, lambda n_units: norm)


def norm_on_logits(n_hidden: int) -> nn.Sequential:
    """Layer norm behind the last map too, which bounds what the net can be sure of."""
    return mlp(n_hidden, LayerNorm).append(LayerNorm(10))


def with_norm(norm: Norm) -> Callable[[int], nn.Sequential]:
    """The net with a norm of some kind behind each hidden map."""
    return lambda n_hidden: mlp(n_hidden, norm)


# Trained with the bug.
BUGS: dict[str, Callable[[int], nn.Sequential]] = {
    "unbiased_variance": with_norm(UnbiasedVariance),
    "epsilon_outside": with_norm(EpsilonOutside),
    "wrong_axis": with_norm(WrongAxis),
    "statistics_detached": with_norm(StatisticsDetached),
    "one_gain": with_norm(OneGain),
    "one_module": one_module,
    "norm_on_logits": norm_on_logits,
}
# With the weights of the right net put in, these give other outputs (or, detached, other gradients).
SAME_PARAMETERS = ("unbiased_variance", "epsilon_outside", "wrong_axis", "statistics_detached")
AT_ONCE = {"all": 0, "32": 32, "one": 1}  # test pictures shown together


def bugs(
    seed: int, n_hidden: int, batch: int, steps: int, points: int, lr: float, widths: list[int]
) -> dict[str, Any]:
    """Training loss and test error of the right nets and of each broken one, and how far outputs differ."""
    makers = {
        "layer_norm": with_norm(LayerNorm),
        "batch_norm": with_norm(BatchNorm),
        **BUGS,
    }
    models, curves = {}, {}
    for arm, make in makers.items():
        torch.manual_seed(seed)
        models[arm] = make(n_hidden)
        torch.manual_seed(seed)
        curves[arm] = means([*train(models[arm], batch, steps, lr)], points)
        models[arm].eval()
    errors = {arm: error(model) for arm, model in models.items()}
    loss = {arm: sum(curve[-3:]) / len(curve[-3:]) for arm, curve in curves.items()}
    return {
        "loss": loss,
        "loss_above": {bug: loss[bug] - loss["layer_norm"] for bug in BUGS},
        "error": errors,
        "error_above": {bug: errors[bug] - errors["layer_norm"] for bug in BUGS},
        "error_one_by_one": {
            arm: error(models[arm], 1) for arm in ("layer_norm", "batch_norm", "wrong_axis")
        },
        "curves": curves,
        "differs": differences(models["layer_norm"], n_hidden),
        "too_small": {str(width): too_small(width) for width in widths},
        "blank": {
            "right": broken_gradient(LayerNorm(n_hidden)),
            "epsilon_outside": broken_gradient(EpsilonOutside(n_hidden)),
        },
        **not_frozen(models["batch_norm"]),
    }


@torch.no_grad()
def differences(right: nn.Module, n_hidden: int) -> dict[str, float]:
    """The largest change of a logit when the norms of the trained right net are exchanged for broken ones."""
    images, _ = digits("test")
    wanted = right(images)
    found = {}
    for bug in SAME_PARAMETERS:
        twin = BUGS[bug](n_hidden)
        twin.load_state_dict(right.state_dict())
        found[bug] = (twin.eval()(images) - wanted).abs().max().item()
    return found


@torch.no_grad()
def too_small(width: int) -> float:
    """The share of the output that is lost by the unbiased variance: 1 - sqrt((H - 1) / H), measured."""
    x = torch.randn(100, width)
    return 1 - (UnbiasedVariance(width)(x).norm() / LayerNorm(width)(x).norm()).item()


def broken_gradient(norm: nn.Module) -> float:
    """The share of the gradient that is no number when one picture of two is blank: all its sums are equal."""
    images, _ = digits("train")
    sums = F.linear(
        torch.stack([images[0].flatten(), torch.zeros(64)]), torch.randn(norm.gain.shape[0], 64)
    )
    sums.requires_grad_()
    norm(sums).square().sum().backward()
    return 1 - sums.grad.isfinite().double().mean().item()


def not_frozen(model: nn.Module) -> dict[str, Any]:
    """Batch norm that takes the statistics of the test pictures it is shown, as it did in training.

    Shown in the order of the set, and sorted by digit, so that a batch is of one or two kinds. One at a time our
    module refuses; one that does not would give zeros, which `WrongAxis` computes.
    """
    _, labels = digits("test")
    twin = mlp(model[1].out_features, WrongAxis)
    kept = {name: x for name, x in model.state_dict().items() if "running" not in name}
    twin.load_state_dict(kept)
    frozen = error(model.eval())
    live = {name: error(twin, size) for name, size in AT_ONCE.items()}
    live["32_sorted"] = error(twin, 32, labels.argsort(stable=True))
    return {
        "not_frozen": {"frozen": frozen, **live},
        "not_frozen_above": {name: value - frozen for name, value in live.items()},
    }


EXPERIMENTS = {
    "bugs": Experiment(
        question="What do mistakes in a norm look like from outside: in the loss, and on unseen pictures?",
        run=bugs,
        settings=dict(n_hidden=64, batch=32, steps=120, points=20, lr=8e-3, widths=[2, 3, 16, 64]),
        smoke=dict(n_hidden=8, batch=8, steps=6, points=3),
        seeds=(0, 1, 2, 3, 4),
        tolerance=dict(
            **dict.fromkeys(("error", "error_above", "error_one_by_one"), 0.3),
            **dict.fromkeys(("not_frozen", "not_frozen_above"), 0.3),
            **dict(loss=0.5, loss_above=0.5, curves=2.0, differs=5.0, too_small=1e-4, blank=1e-9),
        ),
    ),
}


def loss_tells(record: Record) -> str:
    """Holds if every bug's training loss ends above the right one's, the interval lying above 0.

    In part if that is so for at least half of them.
    """
    told = [record[f"loss_above.{bug}"].low > 0 for bug in record.runs[0]["loss_above"]]
    return HOLDS if all(told) else IN_PART if 2 * sum(told) >= len(told) else FAILS


def forgotten_eval_costs(record: Record) -> str:
    """Holds if the test error in batches of 32, as they come, is above the frozen one, the interval above 0.

    In part if that is so only when the pictures come sorted by digit.
    """
    if record["not_frozen_above.32"].low > 0:
        return HOLDS
    return IN_PART if record["not_frozen_above.32_sorted"].low > 0 else FAILS


CLAIMS = [
    Claim(
        id="N4",
        text="A wrong norm shows in the training loss.",
        where="said when somebody asks whether their own norm is right",
        experiment="layernorm.bugs",
        did="Trained a net on digits with each of seven mistakes and compared the training loss at the end with the "
        "right net's. The number is how far the loss with the norm over the wrong axis lies above it.",
        rule=Rule(loss_tells, forecast=0.03),
        measured="loss_above.wrong_axis:f3",
        said=True,
    ),
    Claim(
        id="N5",
        text="Whoever forgets `eval()` with batch norm sees it in the test error.",
        where="said in every introduction to batch norm",
        experiment="layernorm.bugs",
        did="Tested a net with batch norm in batches of 32 that were normalised by their own statistics. "
        "The number is the rise of the test error.",
        rule=Rule(forgotten_eval_costs, forecast=0.9),
        measured="not_frozen_above.32:pmpct",
        said=True,
    ),
]
