"""What each change of GPT-1 and GPT-2 costs in time: an update of every rung, in turn, in one process."""

import itertools
import statistics
import time
from typing import Any

import torch

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.ladder.climb import loss_of
from generators.experiments.ladder.models import RUNGS
from generators.record import Record
from generators.training import training
from implementations.transformer import TransformerConfig


def step_times(
    depth: int, vocab_size: int, batch: int, rounds: int, sizes: dict[str, Any]
) -> dict[str, list[float]]:
    """Seconds of one core that an update takes, in so many rounds, in each of which every rung has its turn."""
    tokens = torch.randint(vocab_size, (batch, sizes["context"] + 1))
    config = TransformerConfig(vocab_size, n_layers=depth, dropout=0.0, **sizes)
    updates = {}
    for name, rung in RUNGS.items():
        model = rung.model(config)
        updates[name] = training(
            model,
            lambda rows, at=model: loss_of(at, rows),
            itertools.repeat(tokens),
            rounds + 1,
            1e-3,
        )
    times: dict[str, list[float]] = {name: [] for name in RUNGS}
    for turn in range(rounds + 1):
        for name, update in updates.items():
            started = time.process_time()  # what else runs on the machine does not count
            next(update)
            if turn:  # the first one warms up
                times[name].append(time.process_time() - started)
    return times


def middle_ratio(times: list[float], others: list[float]) -> float:
    """The median of what each round says."""
    return statistics.median(one / other for one, other in zip(times, others, strict=True))


def steps(
    seed: int, depths: list[int], vocab_size: int, batch: int, rounds: int, **sizes: Any
) -> dict[str, Any]:
    """How long an update takes: over the rung below, over the first rung, and in seconds."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    over_below, over_first, seconds = {}, {}, {}
    first = next(iter(RUNGS))
    for depth in depths:
        times = step_times(depth, vocab_size, batch, rounds, sizes)
        for name, rung in RUNGS.items():
            arm = f"{name}_{depth}"
            seconds[arm] = statistics.median(times[name])
            over_first[arm] = middle_ratio(times[name], times[first])
            if rung.below:
                over_below[arm] = middle_ratio(times[name], times[rung.below])
    return {"over_below": over_below, "over_first": over_first, "seconds": seconds}


EXPERIMENTS = {
    "steps": Experiment(
        question="From a decoder of 2017 to GPT-2, change by change: how much longer does an update take?",
        run=steps,
        settings=dict(
            depths=[2, 12],
            vocab_size=512,
            batch=4,
            rounds=15,
            d_model=32,
            n_heads=4,
            d_ff=128,
            context=64,
        ),
        smoke=dict(depths=[1], vocab_size=16, batch=2, rounds=1, d_model=8, d_ff=16, context=8),
        seeds=(0, 1, 2, 3, 4),
        kind="timing",
        tier="benchmark",
        exclusive=True,
    )
}


def free_of_cost(record: Record) -> str:
    """Holds if no change makes an update 5 % slower than the rung below, by its interval, at either depth.

    In part if that is so at one of the depths.
    """
    names = [name for name, rung in RUNGS.items() if rung.below]
    free = [
        all(record[f"over_below.{name}_{depth}"].low <= 1.05 for name in names) for depth in (2, 12)
    ]
    return HOLDS if all(free) else IN_PART if any(free) else FAILS


CLAIMS = [
    Claim(
        id="K9",
        text="None of the changes from the decoder of 2017 to GPT-2 costs time.",
        where="our own",
        experiment="ladder.steps",
        did="An update of every rung in turn, in one process with one thread, five times fifteen rounds. The number "
        "is GPT-2's time over that of the decoder of 2017, twelve layers.",
        rule=Rule(free_of_cost, forecast=0.5),
        measured="over_first.smaller_branches_12:f2",
    ),
]
