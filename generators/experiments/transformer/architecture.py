"""What the model is made of: its parts, and how many weights each has, at the sizes of the paper and at ours."""

from typing import Any

import torch
from torch import nn

from generators.experiment import Experiment
from implementations.transformer import (
    PAPER,
    PAPER_BIG,
    TINY,
    DecoderLayer,
    EncoderLayer,
    FeedForward,
    MultiHeadAttention,
    Residual,
    Transformer,
    TransformerConfig,
)

SIZES = {"base": PAPER, "big": PAPER_BIG, "tiny": TINY}
KINDS = {MultiHeadAttention: "attention", FeedForward: "feed_forward", Residual: "norm"}


def architecture() -> dict[str, Any]:
    """Weights of every part, counted on models without memory; and the order of the parts in a layer."""
    found: dict[str, Any] = {name: counted(config) for name, config in SIZES.items()}
    with torch.device("meta"):
        model = Transformer(TINY)
    return {**found, "encoder": parts(model.encoder[0]), "decoder": parts(model.decoder[0])}


def counted(config: TransformerConfig) -> dict[str, Any]:
    """Weights by part, and what the model would have with the biases that much code adds to attention."""
    with torch.device("meta"):
        model = Transformer(config)
    total = weights(model)
    attentions = [part for part in model.modules() if isinstance(part, MultiHeadAttention)]
    by_kind = {
        name: sum(weights(part) for part in model.modules() if isinstance(part, kind))
        for kind, name in KINDS.items()
    }
    return {
        "total": total,
        "with_biases": total + 4 * config.d_model * len(attentions),
        "embedding": weights(model.embedding),
        "encoder": weights(model.encoder),
        "decoder": weights(model.decoder),
        **by_kind,
        "d_model": config.d_model,
        "d_ff": config.d_ff,
        "n_heads": config.n_heads,
        "n_layers": config.n_layers,
        "vocab_size": config.vocab_size,
    }


def weights(part: nn.Module) -> int:
    """How many numbers training may change."""
    return sum(parameter.numel() for parameter in part.parameters())


def parts(layer: EncoderLayer | DecoderLayer) -> list[str]:
    """The names of a layer's parts, in the order in which they are defined."""
    return [name for name, _ in layer.named_children()]


EXPERIMENTS = {
    "architecture": Experiment(
        question="What is the model made of, and how many weights does each part have?",
        run=architecture,
        settings={},
        seeds=(),
        kind="exact",
    ),
}
