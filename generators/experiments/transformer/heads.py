"""How many heads: a task that asks every position for two letters at once, and shapes of equal cost."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.experiment import FAILS, HOLDS, IN_PART, TOO_SMALL, Claim, Experiment, Rule
from generators.experiments.transformer.architecture import weights
from generators.experiments.transformer.pairs import config_for, exact, smoothed_curve, train
from generators.experiments.transformer.task import corpus, cross_entropy
from generators.record import Record
from generators.training import rate_of, training
from implementations.transformer import EncoderLayer, Transformer, TransformerConfig, positions

Question = tuple[Tensor, Tensor, Tensor]  # letters, and the two places that each position asks for


class TwoPointers(nn.Module):
    """One encoder layer that is told, at each position, two places, and has to say which letters stand there."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.letter = nn.Embedding(config.vocab_size, config.d_model)
        self.first = nn.Embedding(config.context, config.d_model)
        self.second = nn.Embedding(config.context, config.d_model)
        self.layer = EncoderLayer(config)
        self.answer = nn.Linear(config.d_model, 2 * config.vocab_size)
        self.register_buffer("places", positions(config.context, config.d_model), persistent=False)

    def forward(self, letters: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Scores of both letters: batch, position, 2, vocabulary."""
        x = self.letter(letters) + self.places + self.first(first) + self.second(second)
        return self.answer(self.layer(x)).unflatten(-1, (2, -1))


def questions(config: TransformerConfig, batch: int) -> Iterator[Question]:
    """Random letters and random places, endlessly."""
    shape = (batch, config.context)
    while True:
        letters = torch.randint(config.vocab_size, shape)
        yield letters, torch.randint(config.context, shape), torch.randint(config.context, shape)


def answers(question: Question) -> Tensor:
    """The two letters that each position asks for: batch, position, 2."""
    letters, first, second = question
    return torch.stack([letters.gather(1, first), letters.gather(1, second)], dim=-1)


@torch.no_grad()
def both_right(model: TwoPointers, question: Question) -> float:
    """Share of positions that say both letters."""
    return (model(*question).argmax(dim=-1) == answers(question)).all(-1).double().mean().item()


def heads(
    seed: int,
    numbers: list[int],
    letters: int,
    length: int,
    d_model: int,
    d_ff: int,
    batch: int,
    steps: int,
    warmup: int,
    points: int,
    lr: float | dict[str, float],
) -> dict[str, Any]:
    """Positions that say both letters, for each number of heads of the same total width."""
    accuracy, curves, parameters = {}, {}, {}
    for n_heads in numbers:
        arm = str(n_heads)
        config = TransformerConfig(letters, d_model, n_heads, d_ff, 1, 0.0, context=length)
        torch.manual_seed(seed)
        model = TwoPointers(config)

        def loss_of(question: Question, model: TwoPointers = model) -> Tensor:
            return F.cross_entropy(model(*question).flatten(0, 2), answers(question).flatten())

        torch.manual_seed(seed)
        data = questions(config, batch)
        rate = rate_of(arm, lr)
        losses = [loss for _, loss in training(model, loss_of, data, steps, rate, warmup)]
        curves[arm] = smoothed_curve(losses, points)
        parameters[arm] = weights(model)
        shown = [both_right(model.eval(), next(data)) for _ in range(8)]
        accuracy[arm] = sum(shown) / len(shown)
    most = str(max(numbers))
    return {
        "accuracy": accuracy,
        "over_one": {arm: accuracy[arm] - accuracy["1"] for arm in accuracy if arm != "1"},
        "over_most": {arm: accuracy[arm] - accuracy[most] for arm in accuracy if arm != most},
        "parameters": parameters,
        "curves": curves,
    }


def shapes(
    seed: int,
    shapes: dict[str, list[int]],
    limit: int,
    merges: int,
    batch: int,
    steps: int,
    warmup: int,
    lr: float | dict[str, float],
) -> dict[str, Any]:
    """Exact match of translators of about equal cost a step: wide and shallow, narrow and deep, many heads or few."""
    data = corpus(limit, merges)
    accuracy, cost = {}, {}
    for arm, (d_model, n_heads, n_layers) in shapes.items():
        config = config_for(
            data, d_model=d_model, n_heads=n_heads, d_ff=2 * d_model, n_layers=n_layers
        )
        torch.manual_seed(seed)
        model = Transformer(config)
        torch.manual_seed(seed)
        train(model, data, cross_entropy, batch, steps, rate_of(arm, lr), warmup)
        accuracy[arm] = exact(model.eval(), data)
        cost[arm] = weights(model) - weights(model.embedding)
    return {
        "accuracy": accuracy,
        "cost": cost,
        "spread": max(accuracy.values()) - min(accuracy.values()),
        "tested": len(data.tested),
    }


NUMBERS = [1, 2, 4, 8, 16]
SHAPES = {
    "wide_1_head": [64, 1, 1],
    "wide_4_heads": [64, 4, 1],
    "wide_16_heads": [64, 16, 1],
    "middle_4_heads": [44, 4, 2],
    "deep_4_heads": [32, 4, 4],
}

EXPERIMENTS = {
    "heads": Experiment(
        question="Do several heads beat one at equal cost where two places have to be looked at at once?",
        run=heads,
        settings=dict(
            numbers=NUMBERS,
            letters=8,
            length=16,
            d_model=64,
            d_ff=64,
            batch=64,
            steps=300,
            warmup=40,
            points=20,
            lr={"1": 5e-3, "2": 1e-2, "4": 1e-2, "8": 1e-2, "16": 2e-2},
        ),
        smoke=dict(letters=3, length=4, d_model=16, d_ff=16, batch=4, steps=4, warmup=2, points=2),
        seeds=(0, 1, 2, 3, 4),
        tune={"lr": [2e-3, 5e-3, 1e-2, 2e-2]},
        score="accuracy",
        tolerance=dict(accuracy=0.5, over_one=0.5, over_most=0.5, parameters=0, curves=1.0),
    ),
    "shapes": Experiment(
        question="Does it matter whether the same cost buys width, heads or depth?",
        run=shapes,
        settings=dict(
            shapes=SHAPES,
            limit=1000,
            merges=100,
            batch=64,
            steps=100,
            warmup=25,
            lr={**dict.fromkeys(SHAPES, 1e-2), "deep_4_heads": 2e-2},
        ),
        smoke=dict(
            shapes={"wide": [16, 2, 1], "deep": [8, 2, 2]},
            limit=100,
            merges=30,
            batch=8,
            steps=4,
            warmup=2,
            lr=1e-2,
        ),
        tune={"lr": [5e-3, 1e-2, 2e-2]},
        score="accuracy",
        tolerance=dict(accuracy=0.5, cost=0, spread=0.5),
    ),
}


def several_beat_one_and_too_many_hurt(record: Record) -> str:
    """Holds if some number of heads beats one head, and some number beats the largest; both by the interval.

    The intervals are those of paired differences over the seeds. In part if only one of the two is so.
    """
    several = any(record[f"over_one.{arm}"].low > 0 for arm in record.runs[0]["over_one"])
    too_many = any(
        record[f"over_most.{arm}"].low > 0 for arm in record.runs[0]["over_most"] if arm != "1"
    )
    return HOLDS if several and too_many else IN_PART if several or too_many else FAILS


def the_usual_split_is_fine(record: Record) -> str:
    """Holds if four heads of width 64 are not beaten by any shape of equal cost by more than 2 points.

    By the means. Not testable if no shape reaches 70 %. In part if they are beaten by up to 5 points.
    """
    reached = {arm: record[f"accuracy.{arm}"].mean for arm in record.runs[0]["accuracy"]}
    if max(reached.values()) < 0.7:
        return TOO_SMALL
    behind = max(reached.values()) - reached["wide_4_heads"]
    return HOLDS if behind <= 0.02 else IN_PART if behind <= 0.05 else FAILS


CLAIMS = [
    Claim(
        id="A2",
        text="Several heads beat one at equal cost, and too many hurt.",
        where="Table 3 (A)",
        experiment="transformer.heads",
        did="One layer of width 64 with 1 to 16 heads; each position has to say which letters stand at two places "
        "that it is told. The number is what four heads gain over one.",
        rule=Rule(several_beat_one_and_too_many_hurt, forecast=0.6),
        measured="over_one.4:pct",
    ),
    Claim(
        id="P4",
        text="A width of 512 with 8 heads works remarkably well.",
        where="said of the paper's sizes, as if the split had been found to matter",
        experiment="transformer.shapes",
        did="Five shapes of about equal cost on German to English below 1,000: width 64 with 1, 4 and 16 heads, "
        "and narrower and deeper ones. The number is the spread between the best and the worst.",
        rule=Rule(the_usual_split_is_fine, forecast=0.4),
        measured="spread:pct",
        said=True,
    ),
]
