"""Norm and ReLU before the convolutions, nothing after the addition: does it help, and the more the deeper?"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.resnet.trained import (
    LEARNING,
    SMALL_LEARNING,
    build,
    curve,
    fitted,
    judged,
    named,
)
from generators.record import Record
from generators.training import rate_of
from implementations.resnet import PreActivationResNet, cifar


def new(depth: int, width: int) -> PreActivationResNet:
    """An untrained network of pre-activation blocks, option A, channels last."""
    config = cifar(depth, width, in_channels=1)
    return PreActivationResNet(config).to(memory_format=torch.channels_last)


def preactivation(
    seed: int,
    trained: dict[str, Tensor],
    depths: list[int],
    same_rate: list[int],
    width: int,
    batch: int,
    steps: int,
    warmup: int,
    weight_decay: float,
    points: int,
    rates: float | Mapping[str, float],
) -> dict[str, Any]:
    """The stage's residual networks against pre-activation ones of the same sizes, each at its own rate.

    `gain` is how far the original lies above pre-activation; `growth` how much larger the gain in the training loss
    is at a depth than at the smallest. At the depths in `same_rate` the original is trained once more, at
    pre-activation's rate; `gain_at_same_rate` is how far that one's training loss lies above.
    """
    learn = partial(
        fitted, seed=seed, batch=batch, steps=steps, warmup=warmup, weight_decay=weight_decay
    )
    loss, test_error, curves = {}, {}, {}
    gain: dict[str, dict[str, float]] = {"loss": {}, "test_error": {}}
    for depth in depths:
        original, new_one = named("original", depth), named("pre", depth)
        staged = named("residual", depth)
        loss[original] = trained[f"{staged}.train"][0].item()
        test_error[original] = 1 - trained[f"{staged}.test"][1].item()
        curves[original] = curve(trained[f"{staged}.losses"].tolist(), points)
        model, losses = learn(partial(new, depth, width), lr=rate_of(new_one, rates))
        loss[new_one] = judged(model, "train")[0]
        test_error[new_one] = 1 - judged(model, "test")[1]
        curves[new_one] = curve(losses, points)
        gain["loss"][str(depth)] = loss[original] - loss[new_one]
        gain["test_error"][str(depth)] = test_error[original] - test_error[new_one]
    for depth in same_rate:
        name = named("same_rate", depth)
        make, rate = partial(build, "residual", depth, width), rate_of(named("pre", depth), rates)
        model, losses = learn(make, lr=rate)
        loss[name] = judged(model, "train")[0]
        test_error[name] = 1 - judged(model, "test")[1]
        curves[name] = curve(losses, points)
    least = str(depths[0])
    return {
        "loss": loss,
        "test_error": test_error,
        "minus_loss": {named("pre", depth): -loss[named("pre", depth)] for depth in depths},
        "gain": gain,
        "gain_at_same_rate": {
            str(depth): loss[named("same_rate", depth)] - loss[named("pre", depth)]
            for depth in same_rate
        },
        "growth": {
            str(depth): gain["loss"][str(depth)] - gain["loss"][least] for depth in depths[1:]
        },
        "curves": curves,
    }


EXPERIMENTS = {
    "preactivation": Experiment(
        question="Does pre-activation help, and the more the deeper the network?",
        run=preactivation,
        settings={
            **LEARNING,
            **dict(
                depths=[20, 56, 110],
                same_rate=[56],
                points=22,
                rates=dict(pre_20=0.3, pre_56=0.3, pre_110=0.3),
            ),
        },
        smoke={**SMALL_LEARNING, **dict(depths=[8, 20], same_rate=[8], points=2, rates=0.1)},
        stages=("trained",),
        # Not `lr`: the sweep would train the stage's networks anew, at rates that are not for them.
        tune={"rates": [0.03, 0.1, 0.3, 1.0]},
        score="minus_loss",
        tolerance=dict(
            loss=1.0,
            test_error=0.4,
            minus_loss=1.0,
            gain=1.0,
            gain_at_same_rate=1.5,
            growth=1.0,
            curves=2.0,
        ),
    ),
}


def helps_more_when_deeper(record: Record) -> str:
    """Holds if pre-activation's training loss at 110 layers is lower, and by more than at 20 layers.

    The interval of both differences lies above 0, each arm at its own rate. In part if it is lower at 110 layers, or
    lower at 56 where both have pre-activation's rate.
    """
    if record["gain.loss.110"].low > 0 and record["growth.110"].low > 0:
        return HOLDS
    some = record["gain.loss.110"].low > 0 or record["gain_at_same_rate.56"].low > 0
    return IN_PART if some else FAILS


CLAIMS = [
    Claim(
        id="B7",
        text="Pre-activation makes residual networks easier to train, the more so the deeper they are.",
        where="Identity Mappings, Section 4, Tables 2 and 3",
        experiment="resnet.preactivation",
        did="Original and pre-activation blocks at 20, 56 and 110 layers, equal steps, each at its best rate; "
        "and at 56 the original at pre-activation's rate as well. The number is how "
        "far the original's training loss lies above pre-activation's at 110.",
        rule=Rule(helps_more_when_deeper, forecast=0.3),
        measured="gain.loss.110:f3",
    ),
]
