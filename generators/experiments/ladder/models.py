"""The decoders of the ladder: one of 2017, then each with one change more, up to GPT-1 and GPT-2 themselves."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from implementations import gpt1, gpt2, transformer
from implementations.layernorm import LayerNorm
from implementations.transformer import (
    MultiHeadAttention,
    Residual,
    TransformerConfig,
    causal,
    positions,
)


class Block(nn.Module):
    """A decoder layer of 2017 without an encoder to look at: attention to what is written, then feed-forward."""

    def __init__(
        self, attention: nn.Module, feed_forward: nn.Module, config: TransformerConfig
    ) -> None:
        super().__init__()
        self.attention = attention
        self.feed_forward = feed_forward
        self.add_attention = Residual(config)
        self.add_feed_forward = Residual(config)

    def forward(
        self, x: Float[Tensor, "B T D"], visible: Bool[Tensor, "1 1 T T"]
    ) -> Float[Tensor, "B T D"]:
        """Update every position."""
        x = self.add_attention(x, self.attention(x, self.attention.keys_values(x), visible))
        return self.add_feed_forward(x, self.feed_forward(x))


class Sinusoids(nn.Module):
    """A table of positions that nobody learns."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        table = positions(config.context, config.d_model)
        self.register_buffer("weight", table, persistent=False)


class Decoder(nn.Module):
    """The Transformer's decoder as a language model: its embeddings, sinusoids, ReLU, norms after the sums."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.d_model)
        self.positions = self.place()
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(self.block() for _ in range(config.n_layers))
        self.register_buffer("visible", causal(config.context), persistent=False)
        nn.init.normal_(self.tokens.weight, std=config.d_model**-0.5)

    def place(self) -> nn.Module:
        """What says where a token stands."""
        return Sinusoids(self.config)

    def attention(self) -> nn.Module:
        """Attention without biases."""
        return MultiHeadAttention(self.config)

    def feed_forward(self) -> nn.Module:
        """Two layers with a ReLU between them."""
        return transformer.FeedForward(self.config)

    def block(self) -> nn.Module:
        """One layer."""
        return Block(self.attention(), self.feed_forward(), self.config)

    def embed(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Embeddings times the root of their width, and positions."""
        length = tokens.shape[1]
        scaled = self.tokens(tokens) * math.sqrt(self.config.d_model)
        return self.dropout(scaled + self.positions.weight[:length])

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Score each next token."""
        length = tokens.shape[1]
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, self.visible[:, :, :length, :length])
        return x @ self.tokens.weight.T


class LearntPositions(Decoder):
    """A table of positions that is learnt like that of tokens."""

    def place(self) -> nn.Module:
        """What says where a token stands."""
        return nn.Embedding(self.config.context, self.config.d_model)


class Gelu(LearntPositions):
    """GELU in place of ReLU."""

    def feed_forward(self) -> nn.Module:
        """Two layers with a GELU between them."""
        return gpt1.FeedForward(self.config)


class Biases(Gelu):
    """Biases in the four projections of attention."""

    def attention(self) -> nn.Module:
        """Attention with biases; its dropout is 0 here."""
        return gpt1.MaskedSelfAttention(self.config)


class AtAnyWidth(gpt1.GPT1):
    """GPT-1 with its weights drawn at 0.02 whatever the width: beside the ladder, not on it."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        with torch.no_grad():
            for weight in self.parameters():
                if weight.ndim > 1:
                    weight *= math.sqrt(config.d_model / gpt1.PAPER.d_model)


class NormFirst(gpt1.GPT1):
    """GPT-1 with its norms at the entrance of each branch, and one more at the end."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.norm = LayerNorm(config.d_model)

    def block(self) -> nn.Module:
        """One layer."""
        return gpt2.Block(self.config)

    def features(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """What the final norm hands to the embeddings."""
        return self.norm(super().features(tokens))


@dataclass(frozen=True)
class Rung:
    """One change: what is built, what it is compared with, and on which tokens."""

    model: Callable[[TransformerConfig], nn.Module]
    below: str = ""  # the rung that it starts from; the first has none
    tokens: str = "words"  # "words": Sennrich's byte pairs, over characters; "bytes": GPT-2's


# A later paper adds a line. The names stand in records, figures and tables.
RUNGS = {
    "decoder_of_2017": Rung(Decoder),
    "learnt_positions": Rung(LearntPositions, "decoder_of_2017"),
    "GELU": Rung(Gelu, "learnt_positions"),
    "attention_biases": Rung(Biases, "GELU"),
    "start_by_width": Rung(gpt1.GPT1, "attention_biases"),
    "norms_first": Rung(NormFirst, "start_by_width"),
    "smaller_branches": Rung(gpt2.GPT2, "norms_first"),
    "byte_tokens": Rung(gpt2.GPT2, "smaller_branches", "bytes"),
    "start_at_any_width": Rung(AtAnyWidth, "attention_biases"),  # beside the ladder
}
