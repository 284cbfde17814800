"""Well-known bugs, put into `implementations/gpt1.py` and `gpt2.py` one at a time: each makes a named test fail."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import test_gpt1 as first
import test_gpt2 as second
import test_gpt_parity as parity
import torch
from mutants import assert_caught
from torch.nn import functional as F

from implementations import gpt1, gpt2
from implementations.gpt1 import GPT1, FineTuned
from implementations.gpt2 import GPT2, Generation


def mask_off_by_one(patch: pytest.MonkeyPatch) -> None:
    """`tril(diagonal=1)`: each position sees the token that it should predict."""
    patch.setattr(
        gpt1,
        "causal",
        lambda length: torch.ones(1, 1, length, length, dtype=torch.bool).tril(diagonal=1),
    )


def gelu_with_the_error_function(patch: pytest.MonkeyPatch) -> None:
    """PyTorch's default instead of the approximation that the weights were trained with."""
    patch.setattr(gpt1, "gelu", F.gelu)


def attention_without_biases(patch: pytest.MonkeyPatch) -> None:
    """As in the Transformer, whose attention is subclassed."""
    right = gpt1.MaskedSelfAttention.__init__

    def wrong(self, config):
        right(self, config)
        for part in (self.query, self.key, self.value, self.output):
            part.forward = lambda x, part=part: F.linear(x, part.weight, 0 * part.bias)

    patch.setattr(gpt1.MaskedSelfAttention, "__init__", wrong)


def embeddings_scaled(patch: pytest.MonkeyPatch) -> None:
    """By the root of the width, as the Transformer does and GPT does not."""

    def wrong(self, tokens):
        scaled = self.tokens(tokens) * math.sqrt(self.config.d_model)
        return self.dropout(scaled + self.positions.weight[: tokens.shape[1]])

    patch.setattr(GPT1, "embed", wrong)


def labels_not_shifted(patch: pytest.MonkeyPatch) -> None:
    """Each position is asked for its own token, which it has read."""

    def wrong(logits, tokens, real=None):
        losses = F.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none")
        return losses.mean() if real is None else losses[real.flatten()].mean()

    patch.setattr(gpt1, "next_token_loss", wrong)
    patch.setattr(parity, "next_token_loss", wrong)
    patch.setattr(first, "next_token_loss", wrong)


def padding_in_the_auxiliary_loss(patch: pytest.MonkeyPatch) -> None:
    """All tokens of a filled-up batch count."""
    right = gpt1.next_token_loss
    patch.setattr(gpt1, "next_token_loss", lambda logits, tokens, real=None: right(logits, tokens))


def summary_at_the_last_column(patch: pytest.MonkeyPatch) -> None:
    """`features[:, -1]`: in a short row that is a token that only fills up."""
    patch.setattr(FineTuned, "summary", lambda self, features, real: features[:, -1])


def one_order_for_similarity(patch: pytest.MonkeyPatch) -> None:
    """Only the first order is read."""
    patch.setattr(
        FineTuned,
        "similarity",
        lambda self, one, other, real: self.head(self.summary(self.model.features(one), real)),
    )


def merges_by_frequency_in_the_text(patch: pytest.MonkeyPatch) -> None:
    """From left to right, whatever pair is known first, instead of the lowest rank."""

    def wrong(symbols, rank):
        joined = list(symbols)
        place = 0
        while place < len(joined) - 1:
            if (joined[place], joined[place + 1]) in rank:
                joined[place : place + 2] = [joined[place] + joined[place + 1]]
                place = 0
            else:
                place += 1
        return joined

    patch.setattr(gpt1, "apply_merges", wrong)
    patch.setattr(gpt2, "apply_merges", wrong)
    patch.setattr(first, "apply_merges", wrong)


def counts_not_kept_up_to_date(patch: pytest.MonkeyPatch) -> None:
    """The pairs are counted once and the most frequent taken, as if merges changed nothing."""

    def wrong(words, n_merges):
        total: dict = {}
        for word, count in words.items():
            for pair in pairwise(word):
                total[pair] = total.get(pair, 0) + count
        ordered = sorted(total, key=lambda pair: (-total[pair], pair))
        return [pair for pair in ordered if total[pair] > 1][:n_merges]

    patch.setattr(first, "learn_merges", wrong)


def positions_not_offset_with_the_cache(patch: pytest.MonkeyPatch) -> None:
    """Each new token is told that it stands at position 0."""
    right = GPT2.embed
    patch.setattr(GPT2, "embed", lambda self, tokens, first=0: right(self, tokens))


def mask_not_offset_with_the_cache(patch: pytest.MonkeyPatch) -> None:
    """Several tokens behind a cache get the mask of a text's start: they do not see all of their past."""
    right = gpt2.Block.forward

    def wrong(self, x, visible, cache=None):
        if visible is not None:
            rows, columns = visible.shape[2:]
            visible = torch.ones(1, 1, rows, columns, dtype=torch.bool).tril()
        return right(self, x, visible, cache)

    patch.setattr(gpt2.Block, "forward", wrong)


def cache_of_the_text_before(patch: pytest.MonkeyPatch) -> None:
    """A default that is made once: every generation goes on from the first one's keys."""
    kept: list = []
    right = Generation.__init__

    def wrong(self, model):
        right(self, model)
        if not kept:
            kept.extend(self.caches)
        self.caches = kept

    patch.setattr(Generation, "__init__", wrong)


def top_k_after_the_softmax(patch: pytest.MonkeyPatch) -> None:
    """Probabilities set to zero, and what is left no longer adds up to one."""

    def wrong(logits, temperature=1.0, k=None, p=None):
        chances = (logits / temperature).softmax(dim=-1)
        kept = chances.topk(min(k or len(chances[0]), chances.shape[-1]), dim=-1).values[:, -1:]
        return chances.masked_fill(chances < kept, 0.0)

    patch.setattr(second, "next_token", wrong)


def temperature_after_the_filters(patch: pytest.MonkeyPatch) -> None:
    """The nucleus is cut from the untempered distribution."""

    def wrong(logits, temperature=1.0, k=None, p=None):
        kept = gpt2.nucleus(logits, p) if p else logits
        return (kept / max(temperature, 1e-9)).softmax(dim=-1)

    patch.setattr(second, "next_token", wrong)


def nucleus_one_token_short(patch: pytest.MonkeyPatch) -> None:
    """The token with which the sum reaches p is left out too."""

    def wrong(logits, p):
        ordered, order = logits.softmax(dim=-1).sort(dim=-1, descending=True)
        out = (ordered.cumsum(dim=-1) >= p).gather(-1, order.argsort(dim=-1))
        return logits.masked_fill(out, -math.inf)

    patch.setattr(gpt2, "nucleus", wrong)


def residual_start_on_the_first_matrices(patch: pytest.MonkeyPatch) -> None:
    """The scaling falls on what enters the branches, not on what leaves them."""
    right = GPT2.__init__

    def wrong(self, config):
        right(self, config)
        scale = math.sqrt(2 * config.n_layers)
        with torch.no_grad():
            for block in self.blocks:
                for last, entry in (
                    (block.attention.output, block.attention.value),
                    (block.feed_forward.contract, block.feed_forward.expand),
                ):
                    last.weight *= scale
                    entry.weight /= scale

    patch.setattr(GPT2, "__init__", wrong)


def residual_start_by_layers(patch: pytest.MonkeyPatch) -> None:
    """1 / sqrt(L) instead of 1 / sqrt(2 L): each block adds twice."""
    right = GPT2.__init__

    def wrong(self, config):
        right(self, config)
        with torch.no_grad():
            for block in self.blocks:
                block.attention.output.weight *= math.sqrt(2)
                block.feed_forward.contract.weight *= math.sqrt(2)

    patch.setattr(GPT2, "__init__", wrong)


def no_final_norm(patch: pytest.MonkeyPatch) -> None:
    """The stream itself is handed to the embeddings."""

    def wrong(self, tokens, caches=None):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, self.visible[:, :, : tokens.shape[1], : tokens.shape[1]])
        return x + 0 * self.norm(x)

    patch.setattr(GPT2, "features", wrong)


# How it is broken -> the test that sees it, and what pytest would give to that test.
CAUGHT_BY: dict[Callable, tuple[Callable, dict]] = {
    mask_off_by_one: (first.test_the_future_does_not_change_the_past, {"exact": None}),
    gelu_with_the_error_function: (
        parity.test_the_model_equals_hugging_face,
        {"dtype": torch.float64, "kind": GPT2},
    ),
    attention_without_biases: (
        parity.test_the_model_equals_hugging_face,
        {"dtype": torch.float64, "kind": GPT1},
    ),
    embeddings_scaled: (
        parity.test_the_model_equals_hugging_face,
        {"dtype": torch.float64, "kind": GPT1},
    ),
    labels_not_shifted: (
        parity.test_the_loss_of_the_next_token_equals_hugging_face,
        {"exact": None, "kind": GPT1},
    ),
    padding_in_the_auxiliary_loss: (
        first.test_what_fills_a_batch_up_counts_nowhere,
        {"exact": None},
    ),
    summary_at_the_last_column: (
        first.test_the_scores_come_from_the_last_real_token,
        {"exact": None},
    ),
    one_order_for_similarity: (
        first.test_similarity_does_not_know_which_text_is_the_first,
        {"exact": None},
    ),
    merges_by_frequency_in_the_text: (
        first.test_merges_are_applied_in_the_order_in_which_they_were_learnt,
        {},
    ),
    counts_not_kept_up_to_date: (
        first.test_learnt_merges_equal_those_of_the_printed_algorithm,
        {"n_merges": 30},
    ),
    positions_not_offset_with_the_cache: (
        second.test_the_cache_changes_no_logit,
        {"exact": None, "cut": [4, 1, 1, 5]},
    ),
    mask_not_offset_with_the_cache: (
        second.test_the_cache_changes_no_logit,
        {"exact": None, "cut": [4, 1, 1, 5]},
    ),
    cache_of_the_text_before: (
        second.test_a_text_under_way_does_not_feel_what_happens_to_the_model_and_does_nothing_to_it,
        {"exact": None},
    ),
    top_k_after_the_softmax: (
        second.test_what_is_left_after_top_k_and_nucleus_is_a_distribution,
        {"exact": None},
    ),
    temperature_after_the_filters: (
        second.test_temperature_goes_first_and_zero_is_the_largest,
        {"exact": None},
    ),
    nucleus_one_token_short: (
        second.test_what_is_left_after_top_k_and_nucleus_is_a_distribution,
        {"exact": None},
    ),
    residual_start_on_the_first_matrices: (
        second.test_only_the_last_matrices_of_the_branches_start_smaller,
        {},
    ),
    residual_start_by_layers: (
        second.test_only_the_last_matrices_of_the_branches_start_smaller,
        {},
    ),
    no_final_norm: (
        parity.test_the_model_equals_hugging_face,
        {"dtype": torch.float64, "kind": GPT2},
    ),
}


@pytest.mark.parametrize("bug", CAUGHT_BY, ids=lambda bug: bug.__name__)
def test_each_bug_is_caught_by_a_test_with_a_name(bug, exact, monkeypatch):
    catching, fixtures = CAUGHT_BY[bug]
    assert_caught(lambda: catching(**fixtures), bug, monkeypatch)
