"""Quality against length: a recurrent encoder and decoder that hand over one vector, and what attention changes."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.transformer.architecture import weights
from generators.experiments.transformer.letters import (
    FIRST_LETTER,
    mixed_lengths,
    quality_by_length,
)
from generators.experiments.transformer.task import loss_on
from generators.record import Record
from generators.training import rate_of, training
from implementations.transformer import Transformer, TransformerConfig


class Recurrent(nn.Module):
    """One GRU reads and hands its last state to a second, which writes."""

    def __init__(self, vocab_size: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, width)
        self.reader = nn.GRU(width, width, batch_first=True)
        self.writer = nn.GRU(width, width, batch_first=True)
        self.answer = nn.Linear(2 * width, vocab_size)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Scores of each next letter."""
        memory, last = self.reader(self.embedding(source))
        states, _ = self.writer(self.embedding(target), last)
        return self.answer(torch.cat([states, self.seen(states, memory)], dim=-1))

    def seen(self, states: Tensor, memory: Tensor) -> Tensor:
        """What the writer sees of the source besides: nothing."""
        return torch.zeros_like(states)


class WithAttention(Recurrent):
    """The same, and each state of the writer mixes the reader's states by how well they fit."""

    def seen(self, states: Tensor, memory: Tensor) -> Tensor:
        """Attention without projections."""
        return F.scaled_dot_product_attention(states, memory, memory)


def length(
    seed: int,
    letters: int,
    shortest: int,
    longest: int,
    lengths: list[int],
    rows: int,
    batch: int,
    steps: int,
    warmup: int,
    width: int,
    lr: float | dict[str, float],
    **sizes: int,
) -> dict[str, Any]:
    """Letters copied into their places, by length, for each model."""
    vocabulary = FIRST_LETTER + letters
    config = TransformerConfig(vocabulary, dropout=0.0, context=longest + 2, **sizes)
    makers = {
        "gru": lambda: Recurrent(vocabulary, width),
        "gru_attention": lambda: WithAttention(vocabulary, width),
        "transformer": lambda: Transformer(config),
    }
    right, parameters = {}, {}
    for arm, make in makers.items():
        torch.manual_seed(seed)
        model = make()
        torch.manual_seed(seed)
        data = mixed_lengths(shortest, longest, batch, letters)
        for _ in training(model, loss_on(model), data, steps, rate_of(arm, lr), warmup):
            pass
        right[arm] = quality_by_length(model, lengths, rows, letters)["letters"]
        parameters[arm] = weights(model)
    near, far = str(min(lengths)), str(max(lengths))
    return {
        "letters": right,
        "mean": {arm: sum(row.values()) / len(row) for arm, row in right.items()},
        "fall": {arm: row[near] - row[far] for arm, row in right.items()},
        "parameters": parameters,
    }


EXPERIMENTS = {
    "length": Experiment(
        question="Does the quality of a copy fall with its length, with attention and without?",
        run=length,
        settings=dict(
            letters=10,
            shortest=2,
            longest=16,
            lengths=[4, 8, 12, 16],
            rows=200,
            batch=32,
            steps=500,
            warmup=50,
            width=36,
            lr=dict(gru=2e-2, gru_attention=1e-2, transformer=1e-2),
            d_model=32,
            n_heads=4,
            d_ff=64,
            n_layers=1,
        ),
        smoke=dict(
            letters=3, longest=4, lengths=[2, 4], rows=4, batch=4, steps=4, warmup=2, width=8
        ),
        tune={"lr": [5e-3, 1e-2, 2e-2]},
        score="mean",
        tolerance=dict(letters=0.5, mean=0.3, fall=0.5, parameters=0),
    ),
}


def attention_keeps_the_quality(record: Record) -> str:
    """Holds if the GRU without attention falls by 20 points from the shortest to the longest, with it by 10 at most.

    By the ends of the intervals, in letters that stand in their places. In part if only the first is so.
    """
    falls = record["fall.gru"].low >= 0.2
    keeps = record["fall.gru_attention"].high <= 0.1
    return HOLDS if falls and keeps else IN_PART if falls else FAILS


CLAIMS = [
    Claim(
        id="S12",
        text="Without attention the quality of a translation falls with its length, with attention it does not.",
        where="Bahdanau et al. 2015, Figure 2",
        experiment="transformer.length",
        did="Copied random letters, trained on lengths 2 to 16: a GRU that hands over its last state, the same with "
        "attention, and the Transformer. The number is what the first loses from length 4 to 16.",
        rule=Rule(attention_keeps_the_quality, forecast=0.7),
        measured="fall.gru:pct",
    ),
]
