"""The worked answers on GPT-1 compute what the model computes.

What holds of every paper's exercises stands in `test_exercises.py`.
"""

from collections import Counter

import pytest
import torch

from exercises.answers import gpt1 as answers
from implementations import gpt1
from implementations.gpt1 import Special, apply_merges, batch_of, spell

TEXT = "the lower, the newer: banana bandana and ananas in the newest of the widest matrices"


def test_merges_are_learnt_and_applied_as_the_vocabulary_does():
    words = Counter(spell(TEXT))
    merges = answers.learn_merges(words, 25)
    assert merges == gpt1.learn_merges(words, 25)
    rank = {pair: number for number, pair in enumerate(merges)}
    for word in spell("the bandana of the newest owner"):
        assert answers.merge_by_rank(word, merges) == apply_merges(word, rank)


def test_gelu_is_the_models(exact):
    x = torch.linspace(-5, 5, 101)
    torch.testing.assert_close(answers.gelu(x), gpt1.gelu(x))


def test_sequences_are_the_models():
    special = Special(1, 2, 3)
    context, choices = [7, 8], [[9], [10, 11]]
    assert answers.multiple_choice(context, choices, *special) == gpt1.multiple_choice(
        context, choices, special
    )


def test_losses_and_the_summary_are_the_models(exact):
    tokens, real = batch_of([[1, 2, 3, 4], [5, 6], [7, 8, 9]], context=8)
    logits, scores, labels = torch.randn(3, 4, 12), torch.randn(3, 5), torch.tensor([0, 4, 2])
    given = (logits, tokens, real)
    assert answers.next_token_loss(*given).item() == pytest.approx(
        gpt1.next_token_loss(*given).item()
    )
    assert answers.fine_tuning_loss(scores, labels, *given, 0.3).item() == pytest.approx(
        gpt1.fine_tuning_loss(scores, labels, *given, 0.3).item()
    )
    model = gpt1.FineTuned(gpt1.GPT1(gpt1.TINY), n_outputs=2)
    one, other = torch.randn(2, 3, 4, gpt1.TINY.d_model)
    expected = model.head(model.summary(one, real) + model.summary(other, real))
    found = answers.similarity_score(one, other, real, model.head.weight.T)
    torch.testing.assert_close(found, expected)
