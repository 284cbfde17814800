"""The worked answers on GPT-2 compute what the model computes; what the grader says of the proof.

What holds of every paper's exercises stands in `test_exercises.py`.
"""

import math
from pathlib import Path

import pytest
import torch
from gpt2_answers import WRONG_ANSWERS

from exercises.__main__ import grade
from exercises.answers import gpt2 as answers
from exercises.checks.gpt2 import MERGES
from implementations.gpt2 import (
    GPT2,
    SIZES,
    TINY,
    Block,
    ByteTokenizer,
    Cache,
    next_token,
)
from implementations.layernorm import layer_norm
from implementations.transformer import TransformerConfig

PUBLISHED = {"117M": 124_439_808, "345M": 354_823_168, "762M": 774_030_080, "1542M": 1_557_611_200}


# The answers are the model's ---------------------------------------------------------------------


def test_parameters_are_those_of_the_published_weights_and_of_the_model():
    def counted(config):
        return answers.count_parameters(
            config.vocab_size, config.context, config.n_layers, config.d_model
        )

    assert {name: counted(config) for name, config in SIZES.items()} == PUBLISHED
    assert counted(TINY) == sum(p.numel() for p in GPT2(TINY).parameters())


def test_an_even_guess_over_bytes_costs_eight_bits_each():
    text = "naïve – two words"
    bits, perplexity = answers.fair_measures(math.log(256), len(text.encode()), text)
    assert bits == pytest.approx(8)
    assert perplexity == pytest.approx(256 ** (len(text.encode()) / 4))


@pytest.mark.parametrize(("new", "past"), [(3, 4), (1, 5), (6, 0)])
def test_the_mask_is_the_part_of_the_square_that_the_model_cuts_out(new, past):
    whole = GPT2(TINY).visible[0, 0, past : past + new, : past + new]
    assert answers.causal_mask(new, past).equal(whole)


def test_a_block_is_the_models(exact):
    block, x = Block(TINY), torch.randn(2, 5, TINY.d_model)
    with torch.no_grad():
        for norm in (block.norm_attention, block.norm_feed_forward):
            norm.gain.uniform_(0.5, 1.5)
            norm.bias.normal_()
    visible = answers.causal_mask(5, 0)[None, None]

    def attention(normed):
        return block.attention(normed, block.attention.keys_values(normed), visible)

    parts = block.norm_attention, attention, block.norm_feed_forward, block.feed_forward
    torch.testing.assert_close(answers.pre_norm_block(x, *parts), block(x, visible))


def test_deviations_at_the_start_are_the_models():
    torch.manual_seed(0)
    config = TransformerConfig(400, 128, n_heads=4, d_ff=512, n_layers=3, dropout=0.0, context=200)
    weights = {n: w for n, w in GPT2(config).named_parameters() if n.endswith("weight")}
    assert len(weights) == 2 + 6 * 3
    deviation = 0.02 * math.sqrt(768 / 128)
    expected = answers.initial_deviations(list(weights), 3, deviation)
    found = [weight.std().item() for weight in weights.values()]
    assert found == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("text", ["abc low", "café → où", "aaaabcbcd", "", "\x00 日本 🙂"])
def test_tokens_are_the_models(text):
    assert answers.to_tokens(text, MERGES) == ByteTokenizer(MERGES, r"(?s).+").encode(text)


@pytest.mark.parametrize("options", [(0.6, 5, 0.75), (1.5, 4, 0.7), (1.0, 9, 1.0), (0.2, 1, 0.1)])
def test_the_distribution_is_what_the_model_draws_from(exact, options):
    logits = 2 * torch.randn(20, 9)
    found = answers.sampling_distribution(logits, *options)
    torch.testing.assert_close(found, next_token(logits, *options))
    assert found.sum(-1).tolist() == pytest.approx([1] * 20)


def test_attention_with_a_cache_is_the_models(exact):
    config = TransformerConfig(13, 6, n_heads=1, d_ff=8, n_layers=1, dropout=0.0, context=12)
    model, cache = GPT2(config), Cache()
    attention, tokens = model.blocks[0].attention, torch.randint(13, (9,))
    tables = model.tokens.weight, model.positions.weight
    matrices = [part.weight.T for part in (attention.query, attention.key, attention.value)]
    keys = values = torch.zeros(0, 6)
    with torch.no_grad():
        for piece in tokens.split([4, 1, 3, 1]):
            first = len(keys)
            x = model.embed(piece[None], first)
            source = cache.followed_by(attention.keys_values(x))
            visible = model.visible[:, :, first : first + len(piece), : first + len(piece)]
            expected = (attention.weights(x, source, visible) @ source.v)[0, 0]
            found, keys, values = answers.cached_attention(piece, keys, values, *tables, *matrices)
            torch.testing.assert_close(found, expected)
    whole = answers.cached_attention(tokens, keys[:0], values[:0], *tables, *matrices)
    torch.testing.assert_close((keys, values), whole[1:])
    torch.testing.assert_close(found[-1], whole[0][-1])


# The proof ---------------------------------------------------------------------------------------


def test_the_proof_is_what_a_measurement_finds(exact):
    n_layers, start, branch, width = 3, 0.7, 0.4, 400

    def measured(normed, factor):
        x = math.sqrt(start) * torch.randn(300, width)
        for _ in range(2 * n_layers):
            read = layer_norm(x, torch.ones(width), torch.zeros(width), 0.0) if normed else x
            # With independent weights, the sum over the inputs has the variance v times theirs.
            x = x + factor * math.sqrt(branch / width) * read @ torch.randn(width, width)
        return x.var().item()

    smaller = 1 / math.sqrt(2 * n_layers)
    cases = [(True, 1.0), (True, smaller), (False, 1.0), (False, smaller)]
    found = [measured(*case) for case in cases]
    assert found == pytest.approx(answers.stream_variance(n_layers, start, branch), rel=0.03)


def test_no_message_on_the_proof_gives_a_number_away():
    told = []
    for name, answer, _ in WRONG_ANSWERS:
        if name == "stream_variance":
            module = type("Answers", (), {name: staticmethod(answer)})
            told.append(grade("gpt2", module, Path("my/gpt2.py"))[name][1])
    assert all("Number" in one or "four numbers" in one for one in told)
    for given in ("0.", "1 +", "**", "2 L", "s +", "power", "product"):
        assert not any(given in one for one in told)
