"""Blocks taken out of trained networks, or put in another order: the ensemble view of Veit et al. (2016), not of He.

If a residual network is many paths of various lengths, then without one block half of them are left, and it still
answers; a plain network has one path. Veit et al. leave batch norm as it was trained, so later blocks are normalised
with statistics of the whole network; here we also take these statistics anew.
"""

import copy
import random
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.resnet.trained import accuracy, restored, settle
from generators.record import Record
from implementations.resnet import ResNet

Place = tuple[int, int]  # stage, and block in the stage


def network(trained: dict[str, Tensor], name: str) -> ResNet:
    """A trained network of the stage by its name, `plain_20`."""
    arm, depth = name.split("_")
    return restored(trained, arm, int(depth))


def places(model: ResNet) -> list[Place]:
    """The blocks that keep the shape of their input: only these can be left out or change places."""
    return [
        (number, index)
        for number, stage in enumerate(model.stages)
        for index, block in enumerate(stage)
        if isinstance(block.shortcut, nn.Identity)
    ]


def without(model: ResNet, gone: Iterable[Place]) -> ResNet:
    """A copy that lacks these blocks: what would have come in goes out, in plain and residual networks alike."""
    model = copy.deepcopy(model)
    for stage, index in gone:
        model.stages[stage][index] = nn.Identity()
    return model


def swapped(model: ResNet, place: Place) -> ResNet:
    """A copy in which a block and the one after it have changed places."""
    model = copy.deepcopy(model)
    stage, first = model.stages[place[0]], place[1]
    stage[first], stage[first + 1] = stage[first + 1], stage[first]
    return model


def settled(model: ResNet) -> ResNet:
    """The same model, its norms' statistics taken anew over all training pictures."""
    settle(model)
    return model


def hits(models: Iterable[ResNet]) -> list[float]:
    """Test accuracy of each."""
    return [accuracy(model, "test") for model in models]


def mean(values: list[float]) -> float:
    """Arithmetic mean."""
    return sum(values) / len(values)


def lesions(
    seed: int,
    trained: dict[str, Tensor],
    every: dict[str, int],
    cut: str,
    counts: list[int],
    draws: int,
) -> dict[str, Any]:
    """Test accuracy without one block, with two neighbours swapped, and without several blocks at random.

    Args:
        seed: For the blocks that chance takes out.
        trained: The stage.
        every: Networks, and which of their blocks are tried: 2 means every other.
        cut: The network that loses several blocks.
        counts: How many at a time.
        draws: Choices of blocks per count.

    Returns:
        `kept`: the share of its accuracy that a network keeps without one block, mean over blocks; `kept_swapped`
        the same for swaps. `settled` wherever the norms' statistics were taken anew after the cut. Under
        `by_network`, blocks are numbered through all stages.
    """
    by_network: dict[str, dict[str, Any]] = {}
    kept, kept_swapped, worst = {}, {}, {}
    for name, step in every.items():
        model = network(trained, name)
        all_places = places(model)
        tried = all_places[::step]
        movable = [place for place in tried if (place[0], place[1] + 1) in all_places]
        whole = accuracy(model, "test")
        losing = hits(without(model, [place]) for place in tried)
        moving = hits(swapped(model, place) for place in movable)
        per_stage = len(model.stages[0])
        by_network[name] = {
            "whole": whole,
            "block": [stage * per_stage + index for stage, index in tried],
            "without": [round(accuracy, 4) for accuracy in losing],
            "swapped_block": [stage * per_stage + index for stage, index in movable],
            "swapped": [round(accuracy, 4) for accuracy in moving],
        }
        kept[name], kept_swapped[name] = mean(losing) / whole, mean(moving) / whole
        worst[name] = min(losing) / whole
    model, chance = network(trained, cut), random.Random(seed)
    several: dict[str, dict[str, float]] = {"as_trained": {}, "settled": {}, "regained": {}}
    for count in counts:
        choices = [chance.sample(places(model), count) for _ in range(draws)]
        before = mean(hits(without(model, gone) for gone in choices))
        after = mean(hits(settled(without(model, gone)) for gone in choices))
        several["as_trained"][str(count)] = before
        several["settled"][str(count)] = after
        several["regained"][str(count)] = after - before
    plain = network(trained, "plain_20")
    return {
        "by_network": by_network,
        "kept": kept,
        "kept_swapped": kept_swapped,
        "worst_block": worst,
        "residual_minus_plain": kept["residual_20"] - kept["plain_20"],
        "several": several,
        "plain_settled": mean(hits(settled(without(plain, [gone])) for gone in places(plain))),
    }


EXPERIMENTS = {
    "lesions": Experiment(
        question="What is left of a trained network without one of its blocks, or with two in the wrong order?",
        run=lesions,
        settings=dict(
            every=dict(plain_20=1, residual_20=1, residual_56=1, residual_110=8),
            cut="residual_56",
            counts=[4, 8, 16],
            draws=2,
        ),
        smoke=dict(
            every=dict(plain_20=6, residual_20=6, residual_56=20),
            cut="residual_20",
            counts=[1, 2],
            draws=1,
        ),
        stages=("trained",),
        tolerance=dict(
            by_network=1.0,
            kept=0.3,
            kept_swapped=0.3,
            worst_block=1.0,
            residual_minus_plain=0.3,
            several=0.5,
            plain_settled=0.3,
        ),
    ),
}


def one_block_matters_little(record: Record) -> str:
    """Holds if residual networks keep 85 % of their accuracy without one block, and the plain one less than half.

    Mean over blocks; lower ends of the intervals for residual networks of 20, 56 and 110, upper end for the plain one
    of 20; and at 20 layers the difference, paired by seed, lies above zero. In part if 56 and 110 do and the
    difference is there.
    """
    depths = ("20", "56", "110")
    robust = {depth: record[f"kept.residual_{depth}"].low >= 0.85 for depth in depths}
    apart = record["residual_minus_plain"].low > 0
    if all(robust.values()) and apart and record["kept.plain_20"].high < 0.5:
        return HOLDS
    return IN_PART if robust["56"] and robust["110"] and apart else FAILS


def order_matters_little(record: Record) -> str:
    """Holds if residual networks of 56 and 110 keep 95 % of their accuracy when two neighbours change places.

    Mean over pairs, lower ends of the intervals. In part if they keep 80 %.
    """
    low = min(record[f"kept_swapped.residual_{depth}"].low for depth in ("56", "110"))
    return HOLDS if low >= 0.95 else IN_PART if low >= 0.8 else FAILS


CLAIMS = [
    Claim(
        id="V1",
        text="A residual network hardly misses any single block; a plain one falls apart.",
        where="Veit et al. 2016, Section 4.1",
        experiment="resnet.lesions",
        did="Took out one block after training, each in turn (with 110 layers every eighth), in residual networks of "
        "20, 56 and 110 layers and in a plain one of 20, the deepest that learns well here; test accuracy. The "
        "number is the share that the residual network of 56 keeps.",
        rule=Rule(one_block_matters_little, forecast=0.75),
        measured="kept.residual_56:pct",
    ),
    Claim(
        id="V2",
        text="Neighbouring blocks of a residual network may change places.",
        where="Veit et al. 2016, Section 4.3",
        experiment="resnet.lesions",
        did="Swapped two neighbours of the same shape, each pair in turn (with 110 layers every eighth); test "
        "accuracy. The number is the share that the network of 56 keeps.",
        rule=Rule(order_matters_little, forecast=0.75),
        measured="kept_swapped.residual_56:pct",
    ),
]
