"""How much of a pre-trained model is taken over: none, the embeddings, one layer after the other; or an early one."""

import re
from typing import Any

import torch
from torch import Tensor

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.gpt1.fine_tuning import accuracy, fine_tune, model_with
from generators.experiments.gpt1.pretraining import SIZES, SMALL_SIZES, weights_of
from generators.experiments.gpt1.task import CLASSES, labelled, some, vocabulary
from generators.record import Record

AUXILIARY = 0.5


def lower_layers(weights: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """Embeddings of tokens and positions, and the blocks below a number."""
    return {
        name: tensor
        for name, tensor in weights.items()
        if not (block := re.match(r"blocks\.(\d+)", name)) or int(block[1]) < layers
    }


def transferred(
    seed: int,
    language_model: dict[str, Tensor],
    merges: int,
    sample: int,
    labels: int,
    runs: int,
    early: int,
    steps: int,
    batch: int,
    lr: float,
    n_layers: int,
    **sizes: int,
) -> dict[str, Any]:
    """Accuracy on unseen files after tuning, by what was taken over from pre-training; the rest is drawn anew.

    Arm `0` has the embeddings only, `3` everything. `early` has everything as it was after a part of pre-training.
    """
    known = vocabulary(merges, sample)
    trained, tested = labelled("train", merges, sample), labelled("test", merges, sample)
    weights = weights_of(language_model)
    starts = {str(layers): lower_layers(weights, layers) for layers in range(n_layers + 1)}
    starts["early"] = weights_of(language_model, f"kept.{early}.")
    torch.manual_seed(seed)
    draws = [some(trained, labels) for _ in range(runs)]
    found = {}
    for arm, start in starts.items():
        torch.manual_seed(seed)
        shares = []
        for examples in draws:
            model = model_with(known, start, n_hidden=0, n_layers=n_layers, **sizes)
            net = fine_tune(model, examples, steps, lr, batch, AUXILIARY)
            shares.append(accuracy(net, tested))
        found[arm] = sum(shares) / runs
    return {
        "accuracy": found,
        "added": {
            str(layer): found[str(layer)] - found[str(layer - 1)]
            for layer in range(1, n_layers + 1)
        },
        "all_over_none": found[str(n_layers)] - found["0"],
        "all_over_early": found[str(n_layers)] - found["early"],
        "steps_of_early": int(language_model["curve.step"][early]),
        "chance": 1 / CLASSES,
        "tested": len(tested),
    }


EXPERIMENTS = {
    "transferred": Experiment(
        question="What does each layer that is taken over from pre-training add, and what does pre-training on add?",
        run=transferred,
        settings=dict(
            merges=512,
            sample=40,
            labels=240,
            runs=1,
            early=3,
            steps=80,
            batch=16,
            lr=4e-3,
            **SIZES,
        ),
        smoke=dict(merges=40, sample=2000, labels=10, steps=2, early=1, **SMALL_SIZES),
        stages=("language_model",),
        tolerance=dict.fromkeys(("accuracy", "added", "all_over_none", "all_over_early"), 0.3),
    ),
}


def each_layer_adds(record: Record) -> str:
    """Holds if all layers beat the embeddings alone, and no layer costs anything beyond noise.

    The first: the paired interval lies above 0. The second: no layer's interval lies below 0. In part if no layer
    costs and the mean of all layers over the embeddings is above 0.
    """
    costs = any(record[f"added.{layer}"].high < 0 for layer in range(1, record_layers(record) + 1))
    gain = record["all_over_none"]
    return FAILS if costs or gain.mean <= 0 else HOLDS if gain.low > 0 else IN_PART


def record_layers(record: Record) -> int:
    """How many layers the model has."""
    return record.settings["n_layers"]


def more_is_better(record: Record) -> str:
    """Holds if the end of pre-training serves better than a quarter of it, paired interval above 0.

    In part if the interval contains 0 and its mean is above 0.
    """
    gain = record["all_over_early"]
    return HOLDS if gain.low > 0 else IN_PART if gain.mean > 0 and gain.high > 0 else FAILS


CLAIMS = [
    Claim(
        id="E4",
        text="Each layer that is taken over adds to the accuracy.",
        where="Section 5 and Figure 2, left",
        experiment="gpt1.transferred",
        did="Embeddings and the first 0 to 3 layers taken over, those above drawn anew as at the start of "
        "pre-training; tuned on 240 labels. The number is what all layers add to the embeddings.",
        rule=Rule(each_layer_adds, forecast=0.15),
        measured="all_over_none:pct",
    ),
    Claim(
        id="N23",
        text="The more pre-training, the better for the task.",
        where="said of every pre-trained model",
        experiment="gpt1.transferred",
        did="Tuned from the weights after a quarter of pre-training and from those at its end, on the same 240 "
        "labels. The number is what the end adds.",
        rule=Rule(more_is_better, forecast=0.12),
        measured="all_over_early:pct",
        said=True,
    ),
]
