"""The ladder: each rung differs from the one below in what it says and in nothing else; its top is GPT-2."""

import math

import pytest
import smoke_runs
import torch
from torch import nn

from generators.data import Docstring
from generators.experiment import find_experiment, settings_of
from generators.experiments.ladder import climb, steps, text
from generators.experiments.ladder.models import (
    RUNGS,
    AtAnyWidth,
    Biases,
    Decoder,
    Gelu,
    LearntPositions,
    NormFirst,
)
from generators.figures import ladder
from generators.record import Record
from implementations.gpt1 import GPT1, BytePairs
from implementations.gpt2 import GPT2, ByteTokenizer
from implementations.transformer import Transformer, TransformerConfig, causal

CONFIG = TransformerConfig(29, d_model=12, n_heads=3, d_ff=18, n_layers=2, dropout=0.0, context=7)
TOKENS = torch.randint(29, (2, 5), generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def _seed():
    """Every test begins from the same random numbers."""
    torch.manual_seed(0)


def disturbed(model: nn.Module) -> nn.Module:
    """The same model with no weight at its start: gains are not 1, biases not 0."""
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.1 * torch.randn_like(weight)
    return model


def seeded(model: type[nn.Module]) -> nn.Module:
    """A model from seed 5."""
    torch.manual_seed(5)
    return model(CONFIG)


# The rungs ------------------------------------------------------------------------------------------------------


def test_the_first_rung_equals_the_transformers_decoder_that_looks_at_no_source():
    model, ours = Transformer(CONFIG), Decoder(CONFIG)
    ours.tokens.load_state_dict(model.embedding.state_dict())
    x = model.embed(TOKENS)
    assert torch.equal(ours.embed(TOKENS), x)
    visible = causal(TOKENS.shape[1])
    for layer, block in zip(model.decoder, ours.blocks, strict=True):
        # The norm of what is normed already changes nothing but for its epsilon.
        nn.init.zeros_(layer.cross_attention.output.weight)
        block.attention.load_state_dict(layer.self_attention.state_dict())
        block.feed_forward.load_state_dict(layer.feed_forward.state_dict())
        memory = layer.cross_attention.keys_values(x)
        x = layer(x, layer.self_attention.keys_values(x), memory, visible)
    assert torch.allclose(ours(TOKENS), model.logits(x), atol=2e-4)


def test_learnt_positions_equal_to_sinusoids_give_the_first_rung():
    below, model = disturbed(Decoder(CONFIG)), LearntPositions(CONFIG)
    model.load_state_dict(below.state_dict(), strict=False)
    assert not torch.allclose(model(TOKENS), below(TOKENS), atol=1e-3)
    model.positions.weight.data = below.positions.weight
    assert torch.equal(model(TOKENS), below(TOKENS))


def test_gelu_changes_the_activation_and_nothing_else():
    below, model = disturbed(LearntPositions(CONFIG)), Gelu(CONFIG)
    model.load_state_dict(below.state_dict())
    assert not torch.allclose(model(TOKENS), below(TOKENS), atol=1e-3)
    for ours, theirs in zip(model.blocks, below.blocks, strict=True):
        ours.feed_forward = theirs.feed_forward
    assert torch.equal(model(TOKENS), below(TOKENS))


def test_biases_of_zero_give_the_rung_below():
    below, model = disturbed(Gelu(CONFIG)), Biases(CONFIG)
    missing = model.load_state_dict(below.state_dict(), strict=False)
    assert len(missing.missing_keys) == 4 * CONFIG.n_layers
    for block in model.blocks:
        for part in ("query", "key", "value", "output"):
            nn.init.zeros_(block.attention.get_submodule(part).bias)
    assert torch.allclose(model(TOKENS), below(TOKENS), atol=1e-6)


def test_the_rung_under_gpt1_equals_it_but_for_the_scale_of_embeddings_and_the_start():
    model, above = Biases(CONFIG), disturbed(GPT1(CONFIG))
    model.load_state_dict(above.state_dict())
    root = math.sqrt(CONFIG.d_model)
    model.tokens.weight.data /= root
    assert torch.allclose(root * model(TOKENS), above(TOKENS), atol=1e-5)


def test_the_rung_of_gpt1_equals_it_exactly():
    trusted, ours = disturbed(GPT1(CONFIG)), RUNGS["start_by_width"].model(CONFIG)
    ours.load_state_dict(trusted.state_dict())
    assert torch.equal(ours(TOKENS), trusted(TOKENS))


@pytest.mark.parametrize("rung", ["norms_first", "smaller_branches", "byte_tokens"])
def test_the_rungs_of_gpt2_equal_it_exactly(rung):
    trusted, ours = disturbed(GPT2(CONFIG)), RUNGS[rung].model(CONFIG)
    ours.load_state_dict(trusted.state_dict())
    assert torch.equal(ours(TOKENS), trusted(TOKENS))


def test_smaller_branches_are_the_rung_below_with_two_matrices_a_block_divided():
    below, model = seeded(NormFirst), seeded(GPT2)
    theirs = dict(below.named_parameters())
    last = ("attention.output.weight", "feed_forward.contract.weight")
    changed = 0
    for name, weight in model.named_parameters():
        smaller = name.endswith(last)
        changed += smaller
        factor = math.sqrt(2 * CONFIG.n_layers) if smaller else 1
        assert torch.allclose(weight * factor, theirs[name]), name
    assert changed == 2 * CONFIG.n_layers


def test_norms_first_start_as_gpt1_does():
    below, model = dict(seeded(GPT1).named_parameters()), dict(seeded(NormFirst).named_parameters())
    shared = below.keys() & model.keys()
    assert all(torch.equal(below[name], model[name]) for name in shared)
    assert all("norm" in name for name in below.keys() ^ model.keys())


def test_at_any_width_weights_start_at_two_hundredths():
    model = AtAnyWidth(TransformerConfig(500, 48, 4, 192, 1, dropout=0.0, context=64))
    for name, weight in model.named_parameters():
        if weight.ndim > 1:
            assert weight.std().item() == pytest.approx(0.02, rel=0.08), name


@pytest.mark.parametrize("name", RUNGS)
def test_nothing_leaks_from_the_future(name):
    model = disturbed(RUNGS[name].model(CONFIG)).eval()
    changed = TOKENS.clone()
    changed[:, 3] = (changed[:, 3] + 1) % 29
    before, after = model(TOKENS), model(changed)
    assert torch.allclose(before[:, :3], after[:, :3], atol=1e-6)
    assert not torch.allclose(before[:, 3:], after[:, 3:], atol=1e-3)


def test_every_rung_is_compared_with_the_one_below_and_what_stands_aside_with_the_same():
    *names, aside = RUNGS
    assert [RUNGS[name].below for name in names] == ["", *names[:-1]]
    assert RUNGS[aside].below == RUNGS["start_by_width"].below


# Text and loss --------------------------------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch):
    """Library prose of a few lines."""
    lines = ["Return  the\nlargest value.", "Return the smallest\tvalue, or 0.", "Sort the values."]
    docstrings = [
        Docstring("numpy", f"numpy/{number}.py", line) for number, line in enumerate(lines)
    ]
    texts = [each.text for each in docstrings]
    monkeypatch.setattr(text, "prose", lambda split: 9 * texts if split == "train" else texts)


def test_both_vocabularies_write_the_same_text_without_loss(few):
    said = text.text_of("held_out", 1)
    assert said == "Return the largest value. Return the smallest value, or 0. Sort the values."
    train = text.text_of("train", 1)
    words, units = BytePairs.learn([train], 20), ByteTokenizer.learn([train], 20)
    assert words.decode(words.encode(said)) == said
    assert units.decode(units.encode(said)) == said


def test_both_vocabularies_have_the_size_that_was_asked_for(few):
    for kind in ("words", "bytes"):
        data = text.corpus.__wrapped__(kind, 270 if kind == "bytes" else 60, 1, 1)
        assert data.vocab_size == (270 if kind == "bytes" else 60)
        assert len(data.test) * data.bytes_per_token == pytest.approx(75)
        assert data.unknown == 0


def test_an_even_guess_costs_the_same_bits_of_a_byte_in_any_vocabulary():
    class Even(nn.Module):
        def forward(self, tokens):
            return torch.zeros(*tokens.shape, 16)

    data = text.Corpus(torch.tensor([]), torch.arange(33) % 16, 16, 2.0, 0.0)
    assert climb.bits_per_byte(Even(), data, context=8) == pytest.approx(4 / 2)


def test_rungs_of_a_seed_learn_from_the_same_places():
    tokens = torch.arange(100)
    first, second, other = (next(climb.windows(tokens, 8, 4, seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(first - first[:, :1], torch.arange(9).expand(4, 9))


# What a run says ------------------------------------------------------------------------------------------------


def test_what_depth_adds_is_what_a_rung_buys_there_and_not_where_it_is_shallow(monkeypatch):
    def bits(model, *_):
        return model.config.n_layers * (2.0 if isinstance(model, NormFirst) else 3.0)

    monkeypatch.setattr(climb, "bits_per_byte", bits)
    work = find_experiment("ladder", "climb")
    settings = settings_of(work, {}, smoke=True) | {"depths": [1, 3]}
    run = work.run(seed=1, **settings)
    assert run["bought"]["norms_first_1"] == 1
    assert run["bought"]["norms_first_3"] == 3
    assert run["deeper_buys"]["norms_first"] == 2
    assert run["deeper_buys"]["GELU"] == 0


def test_a_loss_that_overflows_counts_as_an_even_guess(monkeypatch):
    def overflowing(*_, **__):
        raise FloatingPointError
        yield

    monkeypatch.setattr(climb, "training", overflowing)
    run = smoke_runs.run("ladder", "climb")
    assert run["bits"]["GELU_1"] == pytest.approx(run["even_guess"])


def test_ratios_are_taken_round_by_round():
    # A machine that slows down to half its speed in the last rounds.
    assert steps.middle_ratio([1.1, 1.1, 2.2, 2.2], [1.0, 1.0, 2.0, 2.0]) == pytest.approx(1.1)


# What is drawn --------------------------------------------------------------------------------------------------


def test_every_rung_of_the_ladder_is_told():
    assert [*ladder.RUNGS, ladder.ASIDE] == [*RUNGS]


def test_a_rungs_code_is_its_difference_to_the_one_below():
    shown = ladder.climb_code(Record({"paper": "ladder", "name": "climb"}))
    assert "-     return self.contract(self.expand(x).relu())" in shown
    assert "+     return self.contract(gelu(self.expand(x)))" in shown
    assert shown.count("```diff") == shown.count("\n```\n")
    changed = [line for line in shown.splitlines() if line.startswith(("+ ", "- "))]
    assert '"""' not in "".join(changed)
