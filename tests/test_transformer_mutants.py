"""Nine well-known bugs, put into `implementations/transformer.py` one at a time: each makes a named test fail.

The bug gallery (`generators/experiments/transformer/bugs.py`) shows what the same bugs look like from outside.
"""

import math
from collections.abc import Callable

import pytest
import test_transformer as invariants
import test_transformer_decoding as decoding
import test_transformer_parity as parity
import torch
from mutants import assert_caught
from torch import Tensor
from torch.nn import functional as F
from transformer_cases import small_model

from implementations import transformer
from implementations.transformer import (
    DecoderLayer,
    KeysValues,
    MultiHeadAttention,
    Residual,
    Transformer,
)


def scaling_removed(patch: pytest.MonkeyPatch) -> None:
    """Scores are not divided by the root of the head's width."""
    right = MultiHeadAttention.forward

    def wrong(self, x, source, visible=None):
        grown = KeysValues(source.k * math.sqrt(source.k.shape[-1]), source.v)
        return right(self, x, grown, visible)

    patch.setattr(MultiHeadAttention, "forward", wrong)


def mask_shifted_by_one(patch: pytest.MonkeyPatch) -> None:
    """Every position sees the one after it: the answer, in training."""

    def wrong(length, device=None):
        return torch.ones(1, 1, length, length, dtype=torch.bool, device=device).tril(diagonal=1)

    patch.setattr(transformer, "causal", wrong)


def padding_seen_by_cross_attention(patch: pytest.MonkeyPatch) -> None:
    """The encoder hides the padding from itself, the decoder looks at it."""
    right = DecoderLayer.forward

    def wrong(self, x, written, memory, written_visible=None, memory_visible=None):
        return right(self, x, written, memory, written_visible, None)

    patch.setattr(DecoderLayer, "forward", wrong)


def positions_off_by_one(patch: pytest.MonkeyPatch) -> None:
    """The target is counted from 1, the source from 0."""
    right, encode, reading = Transformer.embed, Transformer.encode, []

    def wrong(self, tokens, first=0):
        return right(self, tokens, first if reading else first + 1)

    def wrong_only_outside(self, source):
        reading.append(True)
        try:
            return encode(self, source)
        finally:
            reading.pop()

    patch.setattr(Transformer, "embed", wrong)
    patch.setattr(Transformer, "encode", wrong_only_outside)


def embedding_not_scaled(patch: pytest.MonkeyPatch) -> None:
    """The shared matrix, small for the sake of the logits, drowns in the positions."""

    def wrong(self, tokens, first=0):
        here = self.positions[first : first + tokens.shape[1]]
        return self.dropout(self.embedding(tokens) + here)

    patch.setattr(Transformer, "embed", wrong)


def beam_score_not_normalised(patch: pytest.MonkeyPatch) -> None:
    """Sums of log-probabilities are compared as they are: short translations win."""
    patch.setattr(transformer, "length_penalty", lambda length, alpha: 1.0)


def label_smoothing_on_padding(patch: pytest.MonkeyPatch) -> None:
    """Only the term of the right token leaves padding out; the doubt is spread there too."""

    def wrong(logits: Tensor, target: Tensor, epsilon: float, padding: int) -> Tensor:
        log_p = logits.log_softmax(dim=-1)
        real = target != padding
        right = log_p.gather(1, target[:, None])[:, 0].masked_fill(~real, 0.0)
        return (-(1 - epsilon) * right - epsilon * log_p.mean(dim=-1)).sum() / real.sum()

    patch.setattr(transformer, "label_smoothing", wrong)


def dropout_in_evaluation(patch: pytest.MonkeyPatch) -> None:
    """`functional.dropout` without `training=self.training`: it never stops."""

    def wrong(self, x, change):
        return self.norm(x + F.dropout(change, self.dropout.p))

    patch.setattr(Residual, "forward", wrong)


def cache_without_its_offset(patch: pytest.MonkeyPatch) -> None:
    """Each new token is told that it stands at position 0."""
    right = Transformer.embed
    patch.setattr(Transformer, "embed", lambda self, tokens, first=0: right(self, tokens))


# How it is broken -> the test that sees it, and what pytest would give to that test.
CAUGHT_BY: dict[Callable, tuple[Callable, Callable[[], dict]]] = {
    scaling_removed: (parity.test_transformer_equals_torch, lambda: {"dtype": torch.float64}),
    mask_shifted_by_one: (
        invariants.test_the_future_does_not_change_the_past,
        lambda: {"model": small_model()},
    ),
    padding_seen_by_cross_attention: (
        invariants.test_padding_changes_nothing,
        lambda: {"model": small_model()},
    ),
    positions_off_by_one: (parity.test_transformer_equals_torch, lambda: {"dtype": torch.float64}),
    embedding_not_scaled: (parity.test_transformer_equals_torch, lambda: {"dtype": torch.float64}),
    beam_score_not_normalised: (
        decoding.test_beam_search_with_cache_writes_what_a_plain_one_writes,
        lambda: {"exact": None, "alpha": 0.6, "most": decoding.LONGEST},
    ),
    label_smoothing_on_padding: (
        invariants.test_label_smoothing_equals_torch,
        lambda: {"exact": None},
    ),
    dropout_in_evaluation: (
        decoding.test_evaluation_has_no_chance_in_it,
        lambda: {"exact": None},
    ),
    cache_without_its_offset: (
        decoding.test_the_cache_changes_no_logit,
        lambda: {"model": small_model()},
    ),
}


@pytest.mark.parametrize("bug", CAUGHT_BY, ids=lambda bug: bug.__name__)
def test_each_bug_is_caught_by_a_test_with_a_name(bug, exact, monkeypatch):
    catching, fixtures = CAUGHT_BY[bug]
    assert_caught(lambda: catching(**fixtures()), bug, monkeypatch)


def test_off_by_one_everywhere_is_seen_by_the_formula_alone(exact, monkeypatch):
    """Counted from 1 on both sides, a model computes something else, but nothing that looks inconsistent."""
    right = Transformer.embed
    monkeypatch.setattr(
        Transformer, "embed", lambda self, tokens, first=0: right(self, tokens, first + 1)
    )
    invariants.test_the_future_does_not_change_the_past(small_model())
    invariants.test_padding_changes_nothing(small_model())
    with pytest.raises(AssertionError):
        parity.test_transformer_equals_torch(torch.float64)
