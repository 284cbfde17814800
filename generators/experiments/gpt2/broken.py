"""Models, vocabularies and sampling with a well-known mistake in them: what the bug gallery is made of."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from generators.experiments.gpt1.bugs import ErfFeedForward
from generators.experiments.gpt2.small import Read
from implementations.gpt2 import GPT2, ByteTokenizer, Cache, next_token, top_k
from implementations.transformer import TransformerConfig

Distribution = Callable[..., Tensor]  # as `next_token`, from logits, B V

# Trained with the bug -----------------------------------------------------------------------------------------


class MaskShifted(GPT2):
    """`tril(diagonal=1)`: in training, each position sees the next one, which is the answer."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.visible = torch.ones_like(self.visible).tril(1)


class NoFinalNorm(GPT2):
    """What the blocks have added up goes to the embeddings as it is."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.norm = nn.Identity()


class NotTied(GPT2):
    """The output has a matrix of its own, which starts as the embeddings' does."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.output = nn.Linear(config.d_model, config.vocab_size, bias=False)
        nn.init.normal_(self.output.weight, std=self.tokens.weight.std().item())

    def logits(self, features: Tensor) -> Tensor:
        """Scores from the other matrix."""
        return self.output(features)


class ErfGelu(GPT2):
    """Every block with the other GELU."""

    def block(self) -> nn.Module:
        """Exchange the feed-forward network."""
        block = super().block()
        block.feed_forward = ErfFeedForward(self.config)
        return block


class QueryKeyScaled(GPT2):
    """The residual initialisation on queries and keys; the two matrices that write to the stream stay large.

    `started_as` puts the right weights in, which are then moved from the one place to the other.
    """

    def load_state_dict(self, state: dict[str, Tensor], *arguments: Any, **options: Any) -> Any:
        """Undo the right scaling and do the wrong one."""
        loaded = super().load_state_dict(state, *arguments, **options)
        root = math.sqrt(2 * self.config.n_layers)
        with torch.no_grad():
            for block in self.blocks:
                block.attention.output.weight *= root
                block.feed_forward.contract.weight *= root
                block.attention.query.weight /= root
                block.attention.key.weight /= root
        return loaded


class TextOrder(ByteTokenizer):
    """Joins the first pair of the text that has a merge, not the pair whose merge was learnt first."""

    def encode(self, text: str) -> list[int]:
        """The same bytes, in other tokens."""
        known = set(self.merges)
        tokens = []
        for piece in self._pattern.findall(text):
            parts = [bytes([value]) for value in piece.encode()]
            while (
                first := next((n for n, two in enumerate(pairwise(parts)) if two in known), -1) + 1
            ):
                parts[first - 1 : first + 1] = [parts[first - 1] + parts[first]]
            tokens += [self.number[part] for part in parts]
        return tokens


IN_TRAINING: dict[str, type[GPT2]] = {
    "mask_shifted": MaskShifted,
    "no_final_norm": NoFinalNorm,
    "not_tied": NotTied,
    "erf_gelu": ErfGelu,
    "query_key_scaled": QueryKeyScaled,
    "text_order": GPT2,  # the vocabulary's bug, not the model's
}


def started_as(right: GPT2, kind: type[GPT2]) -> GPT2:
    """A model of another kind with the same weights, as far as it has them."""
    model = kind(right.config)
    model.load_state_dict(right.state_dict(), strict=False)
    return model


# Trained rightly, used wrongly --------------------------------------------------------------------------------


class PositionsNotOffset(GPT2):
    """With the cache, whatever is new stands at the beginning."""

    def embed(self, tokens: Tensor, first: int = 0) -> Tensor:
        """Forget how many there were before."""
        return super().embed(tokens, 0)


class MaskNotOffset(GPT2):
    """Several new tokens get the first rows of the mask, though others stand before them."""

    def features(self, tokens: Tensor, caches: Sequence[Cache] | None = None) -> Tensor:
        """Forget the past where the mask is cut out; not where positions are."""
        first = caches[0].length if caches else 0
        length = tokens.shape[1]
        x = self.embed(tokens, first)
        visible = self.visible[:, :, :length, : first + length] if length > 1 else None
        for depth, block in enumerate(self.blocks):
            x = block(x, visible, caches[depth] if caches else None)
        return self.norm(x)


def not_renormalised(logits: Tensor, temperature: float, k: int) -> Tensor:
    """Top-k behind the softmax: what is ruled out is missing, and the sum lies below 1."""
    p = (logits / temperature).softmax(dim=-1)
    return p.masked_fill(top_k(p, k).isinf(), 0.0)


def temperature_on_probabilities(logits: Tensor, temperature: float, k: int) -> Tensor:
    """Probabilities divided by the temperature; whoever makes their sum 1 again divides it out."""
    p = top_k(logits, k).softmax(dim=-1) / temperature
    return p / p.sum(dim=-1, keepdim=True)


def softmax_twice(logits: Tensor, temperature: float, k: int) -> Tensor:
    """Probabilities taken for logits: the likeliest token wins by a factor of e^(1 / temperature), at most."""
    return next_token(logits.softmax(dim=-1), temperature, k)


def drawn(p: Tensor) -> Tensor:
    """One token a row, by the running sum of the probabilities; beyond too small a sum lies the last token."""
    chance = torch.rand(len(p), 1, dtype=torch.float64)
    return (p.double().cumsum(dim=-1) <= chance).sum(dim=-1, keepdim=True).clamp(max=p.shape[1] - 1)


SAMPLING = {
    "top_k_not_renormalised": not_renormalised,
    "temperature_on_probabilities": temperature_on_probabilities,
    "softmax_twice": softmax_twice,
}
CACHE = ("positions_not_offset", "mask_not_offset", "cache_reused")
IN_USE = (*CACHE, "text_order_in_use", *SAMPLING)


def caches_of(model: GPT2) -> list[Cache]:
    """Empty ones."""
    return [Cache() for _ in model.blocks]


def in_chunks(chunk: int, before: Tensor | None = None) -> Read:
    """Read with the cache, so many tokens at a time; behind other texts, one for each row, that nobody threw away."""

    def read(model: GPT2, tokens: Tensor) -> Tensor:
        caches = caches_of(model)
        if before is not None:
            model.features(before[: len(tokens)], caches)
        parts = [model.features(part, caches) for part in tokens.split(chunk, dim=1)]
        return model.logits(torch.cat(parts, dim=1))

    return read
