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
    arms: dict[str, list[str]],
    width: int,
    batch: int,
    steps: int,
    warmup: int,
    weight_decay: float,
    points: int,
    rates: float | Mapping[str, float],
) -> dict[str, Any]:
    """Training loss and test error with every kind of shortcut (`half_56`), each arm at its own rate.

    `arms` says for each depth which ones are trained here, beside option A and the plain twin. For each depth,
    `options` says by how much the losses of A, B and C spread, how far the plain twin lies above the worst of them,
    and what share the spread is of how far it lies above the best; `worse` how far every shortcut that is not the
    identity lies above option A. A convolution in every shortcut is option C.
    """
    loss, error, test_error, curves, parameters = {}, {}, {}, {}, {}
    depths = [int(depth) for depth in arms]
    for depth in depths:
        for arm, kind in STAGED.items():
            name, staged = named(arm, depth), named(kind, depth)
            loss[name] = trained[f"{staged}.train"][0].item()
            error[name] = 1 - trained[f"{staged}.train"][1].item()
            test_error[name] = 1 - trained[f"{staged}.test"][1].item()
            curves[name] = curve(trained[f"{staged}.losses"].tolist(), points)
        for arm in arms[str(depth)]:
            name = named(arm, depth)
            model, losses = fitted(
                partial(MAKES[arm], depth, width),
                seed,
                rate_of(name, rates),
                batch=batch,
                steps=steps,
                warmup=warmup,
                weight_decay=weight_decay,
            )
            loss[name], right = judged(model, "train")
            error[name] = 1 - right
            test_error[name] = 1 - judged(model, "test")[1]
            curves[name] = curve(losses, points)
            parameters[name] = sum(weight.numel() for weight in model.parameters())
    return {
        "loss": loss,
        "error": error,
        "test_error": test_error,
        "minus_loss": {name: -loss[name] for name in parameters},
        "options": {str(depth): spread_of_options(loss, depth) for depth in depths},
        "worse": {str(depth): above_identity(loss, depth) for depth in depths},
        "worse_in_test": {str(depth): above_identity(test_error, depth) for depth in depths},
        "parameters": parameters,
        "curves": curves,
    }


def spread_of_options(loss: dict[str, float], depth: int) -> dict[str, float]:
    """How far options A, B and C lie apart at a depth, beside how far away the plain twin is."""
    losses = [loss[named(option, depth)] for option in OPTIONS]
    spread, plain = max(losses) - min(losses), loss[named("plain", depth)]
    return {
        "spread": spread,
        "gap": plain - max(losses),
        "share": spread / (plain - min(losses)),
    }


def above_identity(measured: dict[str, float], depth: int) -> dict[str, float]:
    """How far each shortcut that is not the identity lies above option A."""
    return {
        what: measured[named(arm, depth)] - measured[named("A", depth)]
        for what, arm in NO_IDENTITY.items()
        if named(arm, depth) in measured
    }


EXPERIMENTS = {
    "shortcuts": Experiment(
        question="Does it matter what the shortcut carries, as long as it is there?",
        run=shortcuts,
        settings={
            **LEARNING,
            **dict(
                arms={"20": ["B", "C"], "56": ["B", "C", "half", "gated"]},
                points=22,
                rates=dict(
                    B_20=0.1,
                    C_20=0.3,
                    B_56=0.03,
                    C_56=0.1,
                    half_56=0.1,
                    gated_56=0.1,
                ),
            ),
        },
        smoke={
            **SMALL_LEARNING,
            **dict(arms={"8": ["B", "C", "half", "gated"]}, points=2, rates=0.1),
        },
        stages=("trained",),
        # Not `lr`: the sweep would train the stage's networks anew, at rates that are not for them.
        tune={"rates": [0.01, 0.03, 0.1, 0.3]},
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
    """Holds if A, B and C spread by at most a quarter of what lies between the best of them and the plain twin.

    In Table 3 and Table 2 it is a fifth. By the upper end of that share's interval over training losses, at 20 and
    at 56 layers. In part at one of them.
    """
    little = [record[f"options.{depth}.share"].high <= 0.25 for depth in (20, 56)]
    return HOLDS if all(little) else IN_PART if any(little) else FAILS


def identity_is_best(record: Record) -> str:
    """Holds if at 56 layers a halved, a gated and a convolved shortcut end with a higher training loss than option A.

    That is, the interval of each difference lies above 0. In part if one or two of the three do.
    """
    worse = [record[f"worse.56.{what}"].low > 0 for what in NO_IDENTITY]
    return HOLDS if all(worse) else IN_PART if any(worse) else FAILS


CLAIMS = [
    Claim(
        id="B3",
        text="Which kind of shortcut it is matters little beside whether there is one.",
        where="Section 4.1, Table 3",
        experiment="resnet.shortcuts",
        did="Options A, B and C and the plain twin at 20 and 56 layers, each at its best rate. The number is the "
        "spread of the three training losses at 56, as a share of what lies between their best and the plain twin.",
        rule=Rule(kind_hardly_matters, forecast=0.03),
        measured="options.56.share:pct",
    ),
    Claim(
        id="B6",
        text="The identity is the best shortcut: scaled, gated or convolved ones train worse.",
        where="Identity Mappings, Section 3, Table 1",
        experiment="resnet.shortcuts",
        did="At 56 layers, the shortcut halved, gated, or with a 1x1 convolution in every block (option C). The "
        "number is how far the training loss with the halved one lies above that with the identity.",
        rule=Rule(identity_is_best, forecast=0.93),
        measured="worse.56.half:f2",
    ),
]
