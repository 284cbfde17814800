"""Why short numbers go wrong: the translator learns on, with short numbers as rare as before or as common as long."""

from typing import Any

import torch
from torch import Tensor

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.transformer.heads_off import answered, pairs
from generators.experiments.transformer.task import PADDING, Corpus, batches, corpus, loss_on
from generators.experiments.transformer.translator import (
    SIZES,
    SMALL_SIZES,
    SMALL_TASK,
    TASK,
    by_length,
    trained_translator,
)
from generators.record import Record
from generators.training import training


def even_over_lengths(data: Corpus) -> Tensor:
    """Chances for the trained numbers such that each count of digits is as likely as any other."""
    digits = torch.tensor([len(str(number)) for number in data.trained.tolist()])
    counts = torch.bincount(digits)
    return 1.0 / counts[digits]


def short_numbers(
    seed: int,
    translator: dict[str, Tensor],
    limit: int,
    merges: int,
    batch: int,
    steps: int,
    lr: float,
    **sizes: int,
) -> dict[str, Any]:
    """Accuracy by length before and after some more steps, drawn as before or evenly over lengths."""
    data = corpus(limit, merges)
    lengths, accuracy = {}, {}
    model = trained_translator(translator, data, **sizes)
    everything = pairs(data, data.tested)
    right = answered(model, everything)
    lengths["before"], accuracy["before"] = by_length(right, data), right.mean().item()
    for arm, chances in (("as_before", None), ("evenly", even_over_lengths(data))):
        torch.manual_seed(seed)
        model = trained_translator(translator, data, **sizes)
        for _ in training(model, loss_on(model), batches(data, batch, chances=chances), steps, lr):
            pass
        right = answered(model.eval(), everything)
        lengths[arm], accuracy[arm] = by_length(right, data), right.mean().item()
    shortest = min(lengths["before"], key=int)
    return {
        "accuracy": accuracy,
        "by_length": lengths,
        "shortest": {arm: table[shortest] for arm, table in lengths.items()},
        "gain_on_shortest": lengths["evenly"][shortest] - lengths["as_before"][shortest],
        "gain_overall": accuracy["evenly"] - accuracy["as_before"],
        "share_of_short": share_of_short(data),
    }


def share_of_short(data: Corpus) -> float:
    """Share of the trained numbers, all languages together, that are written with a single token."""
    tokens = (data.tokens[:, data.trained] != PADDING).sum(dim=2)
    return (tokens == 2).double().mean().item()  # itself and the end


EXPERIMENTS = {
    "short_numbers": Experiment(
        question="Does the translator fail on short numbers because it has hardly met any?",
        run=short_numbers,
        settings={**TASK, **SIZES, **dict(batch=96, steps=200, lr=1e-3)},
        smoke={**SMALL_TASK, **SMALL_SIZES, **dict(batch=8, steps=4)},
        stages=("translator",),
        tolerance=dict(
            accuracy=0.02,
            by_length=1.0,
            shortest=0.3,
            gain_on_shortest=0.4,
            gain_overall=0.02,
            share_of_short=1e-9,
        ),
    ),
}


def rarity_explains(record: Record) -> str:
    """Holds if practice on short numbers gains 10 points on the shortest over equal practice as before, at no cost.

    Both at the lower end of the interval; "no cost" is at most half a point of overall accuracy. In part if the gain
    is there (above 0) but smaller, or has a price.
    """
    gain = record["gain_on_shortest"].low
    if gain >= 0.1 and record["gain_overall"].low >= -0.005:
        return HOLDS
    return IN_PART if gain > 0 else FAILS


CLAIMS = [
    Claim(
        id="O1",
        text="The translator fails on short numbers because it meets them rarely.",
        where="our own guess, from the errors of an earlier run",
        experiment="transformer.short_numbers",
        did="Let the finished translator learn on for 200 steps, with numbers drawn as before or evenly over their "
        "count of digits. The number is what the second gains over the first on answers of one token.",
        rule=Rule(rarity_explains, forecast=0.7),
        measured="gain_on_shortest:pct",
    ),
]
