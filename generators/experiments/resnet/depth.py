"""Depth with and without shortcuts: training loss and error of the networks, and how soon they learn."""

import itertools
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.resnet.trained import (
    BLOCKS,
    DEPTHS,
    RATES,
    build,
    curve,
    named,
    steps_to,
)
from generators.record import Record

MODERATE = (8, 20)


def depth(
    seed: int,
    trained: dict[str, Tensor],
    depths: list[int],
    level: float,
    points: int,
    lr: float | Mapping[str, float],
) -> dict[str, Any]:
    """What became of the networks of the stage, by name; and differences of the same seed.

    `deeper` says by how much the training error (and loss) grows from one depth to the next, `gap` how far plain
    lies above residual at each depth, `sooner` how many steps fewer the residual one takes to the level. A network
    that never gets there counts one step more than there were. `moving` is the training loss with the moving
    averages that batch norm kept during training, in place of statistics over the whole training set.
    """
    names = [named(arm, size) for size in depths for arm in BLOCKS]
    loss = {name: trained[f"{name}.train"][0].item() for name in names}
    error = {name: 1 - trained[f"{name}.train"][1].item() for name in names}
    test_error = {name: 1 - trained[f"{name}.test"][1].item() for name in names}
    losses = {name: trained[f"{name}.losses"].tolist() for name in names}
    steps = {name: steps_to(losses[name], level) for name in names}
    pairs = list(itertools.pairwise(depths))
    parameters = {
        name: sum(weight.numel() for weight in build(arm, size).parameters())
        for size in depths
        for arm in BLOCKS
        for name in [named(arm, size)]
    }
    return {
        "loss": loss,
        "error": error,
        "test_error": test_error,
        "minus_loss": {name: -value for name, value in loss.items()},
        "moving": {name: min(trained[f"{name}.moving"][0].item(), 1e9) for name in names},
        "deeper": {
            what: {
                arm: {
                    f"{shallow}_{deep}": measured[named(arm, deep)] - measured[named(arm, shallow)]
                    for shallow, deep in pairs
                }
                for arm in BLOCKS
            }
            for what, measured in (("error", error), ("loss", loss))
        },
        "gap": {
            what: {
                str(size): measured[named("plain", size)] - measured[named("residual", size)]
                for size in depths
            }
            for what, measured in (("error", error), ("loss", loss), ("test_error", test_error))
        },
        "steps": steps,
        "sooner": {
            str(size): steps[named("plain", size)] - steps[named("residual", size)]
            for size in depths
        },
        "more_parameters": {
            str(size): parameters[named("residual", size)] - parameters[named("plain", size)]
            for size in depths
        },
        "parameters": {str(size): parameters[named("residual", size)] for size in depths},
        "curves": {name: curve(losses[name], points) for name in names},
        "steps_in_all": len(losses[names[0]]),
    }


EXPERIMENTS = {
    "depth": Experiment(
        question="Do deeper plain networks fit their training set worse, and do shortcuts turn that around?",
        run=depth,
        settings=dict(depths=list(DEPTHS), level=0.5, points=22, lr=RATES),
        smoke=dict(depths=[8, 20, 56], points=2),
        stages=("trained",),
        tune={"lr": [0.01, 0.03, 0.1, 0.3]},
        score="minus_loss",
        tolerance=dict(
            loss=1.0,
            error=0.4,
            test_error=0.4,
            minus_loss=1.0,
            moving=None,
            deeper=1.0,
            gap=1.0,
            steps=60,
            sooner=60,
            curves=2.0,
        ),
    ),
}


def deeper_plain_is_worse(record: Record) -> str:
    """Holds if the plain networks' training error grows from 20 to 56 and from 56 to 110 layers.

    That is, the interval of each difference lies above 0. In part if one of the two does.
    """
    worse = [record[f"deeper.error.plain.{step}"].low > 0 for step in ("20_56", "56_110")]
    return HOLDS if all(worse) else IN_PART if any(worse) else FAILS


def shortcuts_turn_it_around(record: Record) -> str:
    """Holds if three things are so, by intervals over seeds.

    Residual and plain networks have equally many parameters; at 56 and at 110 layers the residual one's training
    loss is lower; and it falls from 8 to 20 and from 20 to 56 layers. In part if all but the last is so.
    """
    free = all(record[f"more_parameters.{size}"].max == 0 for size in (8, 20, 56, 110))
    lower = all(record[f"gap.loss.{size}"].low > 0 for size in (56, 110))
    order = all(record[f"deeper.loss.residual.{step}"].high < 0 for step in ("8_20", "20_56"))
    if not (free and lower):
        return FAILS
    return HOLDS if order else IN_PART


def residual_is_sooner(record: Record) -> str:
    """Holds if at 8 and 20 layers the residual network reaches the level in fewer steps and ends no better by much.

    Fewer: the interval of the difference lies above 0. By much: its test error is on average over 2 points lower.
    In part if both are so at one of the two depths.
    """
    so = [
        record[f"sooner.{size}"].low > 0 and record[f"gap.test_error.{size}"].mean <= 0.02
        for size in MODERATE
    ]
    return HOLDS if all(so) else IN_PART if any(so) else FAILS


CLAIMS = [
    Claim(
        id="B1",
        text="Past some depth, a deeper plain network has a higher training error.",
        where="Section 4.1, Figures 1 and 6",
        experiment="resnet.depth",
        did="Plain networks of 8, 20, 56 and 110 layers, equal steps, each at its best rate. The number is how far "
        "the training error at 56 layers lies above that at 20.",
        rule=Rule(deeper_plain_is_worse, forecast=0.93),
        measured="deeper.error.plain.20_56:pct",
    ),
    Claim(
        id="B2",
        text="Shortcuts turn the order around at no extra parameters: deeper is better.",
        where="Section 4.1, Table 2",
        experiment="resnet.depth",
        did="The same networks with shortcuts that pad with zeros. The number is how far the plain network's "
        "training loss lies above the residual one's at 56 layers.",
        rule=Rule(shortcuts_turn_it_around, forecast=0.15),
        measured="gap.loss.56:f2",
    ),
    Claim(
        id="B8",
        text="Where a plain network is not too deep, shortcuts mainly make it learn sooner.",
        where="Section 4.1, the networks of 18 layers",
        experiment="resnet.depth",
        did="Steps until the training loss is below 0.5, at 8 and 20 layers. The number is how many steps fewer the "
        "residual network takes at 20.",
        rule=Rule(residual_is_sooner, forecast=0.35),
        measured="sooner.20:f1",
    ),
]
