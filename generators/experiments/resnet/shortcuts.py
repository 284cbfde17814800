"""What the shortcut carries: options A, B and C, half of the input, or a learned share of it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.resnet.trained import (
    LEARNING,
    SMALL_LEARNING,
    curve,
    fitted,
    judged,
    named,
    network,
)
from generators.record import Record
from generators.training import rate_of
from implementations.resnet import BasicBlock, ResNetConfig


class Half(nn.Module):
    """A shortcut that carries half of what it did."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Halve."""
        return 0.5 * self.inner(x)


class Gated(nn.Module):
    r"""A shortcut that carries $(1 - g(x)) x$, the gate a 1x1 convolution and a sigmoid, half open at the start.

    "Shortcut-only gating" of Identity Mappings (Section 3.1): the branch is not gated.
    """

    def __init__(self, inner: nn.Module, channels: int) -> None:
        super().__init__()
        self.inner = inner
        self.gate = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.gate.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Let through what the gate leaves."""
        return self.inner((1 - self.gate(x).sigmoid()) * x)


class HalfBlock(BasicBlock):
    """A block with half its shortcut."""

    def __init__(self, in_channels: int, width: int, stride: int, config: ResNetConfig) -> None:
        super().__init__(in_channels, width, stride, config)
        self.shortcut = Half(self.shortcut)


class GatedBlock(BasicBlock):
    """A block with a gate on its shortcut."""

    def __init__(self, in_channels: int, width: int, stride: int, config: ResNetConfig) -> None:
        super().__init__(in_channels, width, stride, config)
        self.shortcut = Gated(self.shortcut, in_channels)


# Arm -> how a network of a given depth and width is made; option A and the plain twin come from the stage.
MAKES: dict[str, Callable[..., nn.Module]] = {
    "B": partial(network, BasicBlock, shortcut="B"),
    "C": partial(network, BasicBlock, shortcut="C"),
    "half": partial(network, HalfBlock),
    "gated": partial(network, GatedBlock),
}
STAGED = {"A": "residual", "plain": "plain"}
OPTIONS = ("A", "B", "C")
NO_IDENTITY = {"half": "half", "gated": "gated", "convolution": "C"}


def shortcuts(
    seed: int,
    trained: dict[str, Tensor],
    depth: int,
    width: int,
    batch: int,
    steps: int,
    warmup: int,
    weight_decay: float,
    points: int,
    lr: float | Mapping[str, float],
) -> dict[str, Any]:
    """Training loss and test error of one depth with every kind of shortcut, each arm at its own rate.

    `options` says by how much the losses of A, B and C spread, how far the plain twin lies above the worst of them,
    and what share of the second the first is; `worse` how far every shortcut that is not the identity lies above
    option A. A convolution in every shortcut is option C.
    """
    loss, error, test_error, curves, parameters = {}, {}, {}, {}, {}
    for arm, kind in STAGED.items():
        name = named(kind, depth)
        loss[arm] = trained[f"{name}.train"][0].item()
        error[arm] = 1 - trained[f"{name}.train"][1].item()
        test_error[arm] = 1 - trained[f"{name}.test"][1].item()
        curves[arm] = curve(trained[f"{name}.losses"].tolist(), points)
    for arm, make in MAKES.items():
        model, losses = fitted(
            partial(make, depth, width),
            seed,
            rate_of(arm, lr),
            batch=batch,
            steps=steps,
            warmup=warmup,
            weight_decay=weight_decay,
        )
        loss[arm], right = judged(model, "train")
        error[arm] = 1 - right
        test_error[arm] = 1 - judged(model, "test")[1]
        curves[arm] = curve(losses, points)
        parameters[arm] = sum(weight.numel() for weight in model.parameters())
    spread = max(loss[option] for option in OPTIONS) - min(loss[option] for option in OPTIONS)
    gap = loss["plain"] - max(loss[option] for option in OPTIONS)
    return {
        "loss": loss,
        "error": error,
        "test_error": test_error,
        "minus_loss": {arm: -loss[arm] for arm in MAKES},
        "options": {"spread": spread, "gap": gap, "share": spread / gap},
        "worse": {name: loss[arm] - loss["A"] for name, arm in NO_IDENTITY.items()},
        "worse_in_test": {
            name: test_error[arm] - test_error["A"] for name, arm in NO_IDENTITY.items()
        },
        "parameters": parameters,
        "curves": curves,
    }


EXPERIMENTS = {
    "shortcuts": Experiment(
        question="Does it matter what the shortcut carries, as long as it is there?",
        run=shortcuts,
        settings={
            **LEARNING,
            **dict(depth=56, points=22, lr=dict(B=0.05, C=0.05, half=0.05, gated=0.05)),
        },
        smoke={**SMALL_LEARNING, **dict(depth=8, points=2)},
        stages=("trained",),
        tune={"lr": [0.01, 0.03, 0.1, 0.3]},
        score="minus_loss",
        tolerance=dict(
            loss=1.0,
            error=0.4,
            test_error=0.4,
            minus_loss=1.0,
            options=None,
            worse=1.0,
            worse_in_test=0.5,
            curves=2.0,
        ),
    ),
}


def kind_hardly_matters(record: Record) -> str:
    """Holds if the losses of A, B and C spread by at most a tenth of the plain twin's distance from their worst.

    By the upper end of the interval of that share, which must not be negative either. In part up to a third.
    """
    share = record["options.share"]
    if share.min < 0:  # the plain twin is not the worst
        return FAILS
    return HOLDS if share.high <= 1 / 10 else IN_PART if share.high <= 1 / 3 else FAILS


def identity_is_best(record: Record) -> str:
    """Holds if the training loss with a halved, a gated and a convolved shortcut lies above that with option A.

    That is, the interval of each difference lies above 0. In part if one or two of the three do.
    """
    worse = [record[f"worse.{arm}"].low > 0 for arm in NO_IDENTITY]
    return HOLDS if all(worse) else IN_PART if any(worse) else FAILS


CLAIMS = [
    Claim(
        id="B3",
        text="Which kind of shortcut it is matters little beside whether there is one.",
        where="Section 4.1, Table 3",
        experiment="resnet.shortcuts",
        did="Options A, B and C and the plain twin at 56 layers, each at its best rate. The number is the "
        "spread of the three as a share of the plain twin's distance from the worst of them.",
        rule=Rule(kind_hardly_matters, forecast=0.85),
        measured="options.share:pct",
    ),
    Claim(
        id="B6",
        text="The identity is the best shortcut: scaled, gated or convolved ones train worse.",
        where="Identity Mappings, Section 3, Table 1",
        experiment="resnet.shortcuts",
        did="At 56 layers, the shortcut halved, gated, or with a 1x1 convolution in every block (option C). The "
        "number is how far the training loss with the halved one lies above that with the identity.",
        rule=Rule(identity_is_best, forecast=0.3),
        measured="worse.half:f3",
    ),
]
