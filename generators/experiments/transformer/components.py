"""Each part of the Transformer taken out in turn: what is lost."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.transformer.pairs import compared, config_for, swapped
from generators.experiments.transformer.task import corpus
from generators.record import Record
from implementations.transformer import (
    DecoderLayer,
    FeedForward,
    KeysValues,
    MultiHeadAttention,
    Residual,
    Transformer,
    TransformerConfig,
)


class NoResidual(Residual):
    """The sub-layer's output replaces its input instead of being added to it."""

    def forward(self, x: Tensor, change: Tensor) -> Tensor:
        """Normalise the change alone."""
        return self.norm(self.dropout(change))


class NoNorm(Residual):
    """The sum stays as it is."""

    def forward(self, x: Tensor, change: Tensor) -> Tensor:
        """Add without normalising."""
        return x + self.dropout(change)


class NoFeedForward(FeedForward):
    """Attention alone: no position thinks by itself."""

    def forward(self, x: Tensor) -> Tensor:
        """Change nothing."""
        return torch.zeros_like(x)


class Unscaled(MultiHeadAttention):
    """Scores that are not divided by the root of the key width: the query is multiplied by it beforehand."""

    def forward(self, x: Tensor, source: KeysValues, visible: Tensor | None = None) -> Tensor:
        """Ask with louder questions."""
        louder = KeysValues(source.k * math.sqrt(source.k.shape[-1]), source.v)
        return super().forward(x, louder, visible)


Mask = Tensor | None


class OtherMasks(DecoderLayer):
    """A layer that changes the masks it is given."""

    def masks(self, written: Mask, memory: Mask) -> tuple[Mask, Mask]:
        """What may be seen of the target and of the source."""
        return written, memory

    def forward(
        self,
        x: Tensor,
        written: KeysValues,
        memory: KeysValues,
        written_visible: Mask = None,
        memory_visible: Mask = None,
    ) -> Tensor:
        """Do as ever, behind other masks."""
        return super().forward(x, written, memory, *self.masks(written_visible, memory_visible))


class ReadsAhead(OtherMasks):
    """In training, every position sees the whole target, the answer included."""

    def masks(self, written: Mask, memory: Mask) -> tuple[Mask, Mask]:
        """Ignore the causal mask."""
        return None, memory


class SeesPadding(Transformer):
    """What fills up short sentences is read as if it were text."""

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Read the source without its mask, and hand on none."""
        everything = torch.ones_like(source, dtype=torch.bool)[:, None, None, :]
        x = self.embed(source)
        for layer in self.encoder:
            x = layer(x, everything)
        return x, everything


def without(old: type[nn.Module], new: Callable[[Any], nn.Module]) -> Callable[..., Transformer]:
    """A model in which every part of a kind is replaced by another kind."""

    def make(config: TransformerConfig) -> Transformer:
        model = Transformer(config)
        swapped(model, old, new)
        return model

    return make


def without_positions(config: TransformerConfig) -> Transformer:
    """A model that does not know the order."""
    model = Transformer(config)
    model.positions.zero_()
    return model


def with_one_head(config: TransformerConfig) -> Transformer:
    """One head of full width."""
    return Transformer(replace(config, n_heads=1))


ARMS: dict[str, Callable[[TransformerConfig], Transformer]] = {
    "whole": Transformer,
    "residuals": without(Residual, NoResidual),
    "norm": without(Residual, NoNorm),
    "feed_forward": without(FeedForward, NoFeedForward),
    "positions": without_positions,
    "causal_mask": without(DecoderLayer, ReadsAhead),
    "padding_mask": SeesPadding,
    "scaling": without(MultiHeadAttention, Unscaled),
    "several_heads": with_one_head,
}


def components(
    seed: int,
    limit: int,
    merges: int,
    batch: int,
    steps: int,
    warmup: int,
    points: int,
    lr: float | dict[str, float],
    **sizes: int,
) -> dict[str, Any]:
    """Exact match on unseen numbers of the whole model and of each that lacks a part; what each part is worth."""
    data = corpus(limit, merges)
    config = config_for(data, **sizes)
    accuracy, curves = compared(ARMS, seed, data, config, batch, steps, lr, warmup, points)
    return {
        "accuracy": accuracy,
        "lost": {arm: accuracy["whole"] - accuracy[arm] for arm in ARMS if arm != "whole"},
        "loss": {arm: curve[-1] for arm, curve in curves.items()},
        "curves": curves,
        "tested": len(data.tested),
    }


EXPERIMENTS = {
    "components": Experiment(
        question="What is lost when a part of the Transformer is taken out?",
        run=components,
        settings=dict(
            limit=2000,
            merges=150,
            batch=64,
            steps=150,
            warmup=30,
            points=25,
            lr={**dict.fromkeys(ARMS, 1e-2), "residuals": 2e-3, "causal_mask": 2e-3},
            d_model=32,
            n_heads=4,
            d_ff=64,
            n_layers=2,
        ),
        smoke=dict(limit=100, merges=30, batch=8, steps=4, warmup=2, points=2, d_model=8, d_ff=16),
        tune={"lr": [2e-3, 5e-3, 1e-2]},
        score="accuracy",
        tolerance=dict(accuracy=0.3, lost=0.3, loss=1.0, curves=3.0),
    ),
}


def each_contributes(record: Record) -> str:
    """Holds if every part that is taken out costs accuracy, the interval of what is lost lying above 0.

    In part if that is so for at least half of them.
    """
    missed = [record[f"lost.{arm}"].low > 0 for arm in record.runs[0]["lost"]]
    return HOLDS if all(missed) else IN_PART if 2 * sum(missed) >= len(missed) else FAILS


CLAIMS = [
    Claim(
        id="P6",
        text="Each component contributes.",
        where="said of the architecture in every tutorial",
        experiment="transformer.components",
        did="Took out each of eight parts, each arm with its own learning rate; German to English below 2,000. "
        "The number is what the whole model gets right.",
        rule=Rule(each_contributes, forecast=0.1),
        measured="accuracy.whole:pct",
        said=True,
    ),
]
