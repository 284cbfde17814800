"""What the experiments on the Transformer do to it is what they say, and nothing else."""

import pytest
import torch
from torch import nn

from generators.experiments.transformer import bugs, components, distance, heads, heads_off, short
from generators.experiments.transformer.architecture import weights
from generators.experiments.transformer.pairs import (
    config_for,
    exact,
    mixed,
    smoothed_curve,
    train,
    translations,
)
from generators.experiments.transformer.task import PADDING, corpus, exact_matches
from implementations.transformer import Transformer, TransformerConfig

SIZES = dict(d_model=16, n_heads=2, d_ff=32, n_layers=2)


@pytest.fixture(scope="module")
def data():
    """All numbers below 100."""
    return corpus(100, 30)


@pytest.fixture
def model(data) -> Transformer:
    """A small model with random weights."""
    torch.manual_seed(0)
    return Transformer(config_for(data, **SIZES)).eval()


def scores(model: Transformer, data) -> torch.Tensor:
    """Logits of a few pairs, padding among them."""
    torch.manual_seed(1)
    source, target = next(mixed(data, 8))
    assert (source == PADDING).any()
    return model.eval()(source, target[:, :-1])


@pytest.mark.parametrize("arm", components.ARMS)
def test_an_arm_differs_from_the_model_exactly_if_something_is_taken_out(arm, data, model):
    torch.manual_seed(0)
    other = components.ARMS[arm](model.config)
    if arm != "several_heads":  # whose weights have other shapes
        other.load_state_dict(model.state_dict())
    same = torch.equal(scores(other, data), scores(model, data))
    assert same == (arm == "whole")


@pytest.mark.parametrize("bug", bugs.IN_TRAINING)
def test_a_bug_changes_the_loss_of_the_same_weights(bug, data, model):
    make, loss = bugs.IN_TRAINING[bug]
    other = make(model.config)
    other.load_state_dict(model.state_dict())
    torch.manual_seed(1)
    source, target = next(mixed(data, 8))
    wanted = target[:, 1:].flatten()
    right, wrong = (
        criterion(each.eval()(source, target[:, :-1]).flatten(0, 1), wanted).item()
        for each, criterion in ((model, bugs.smoothed), (other, loss))
    )
    assert abs(right - wrong) > 1e-4


def test_a_curve_that_ends_early_is_the_beginning_of_the_whole_one():
    losses = [float(step) for step in range(10)]
    whole = smoothed_curve(losses, 5)
    assert whole == [0.5, 2.5, 4.5, 6.5, 8.5]
    assert smoothed_curve(losses[:7], 5, steps=10) == [*whole[:3], 6.0]
    assert smoothed_curve(losses[:2], 5) == [0.0, 1.0]
    assert smoothed_curve([], 5, steps=10) == smoothed_curve([], 5) == []


def test_smoothing_over_padding_is_right_where_there_is_none():
    torch.manual_seed(0)
    logits, target = torch.randn(5, 7), torch.tensor([1, 2, 3, 4, 5])
    assert torch.allclose(bugs.smoothed(logits, target), bugs.smoothed_over_padding(logits, target))


def test_the_least_loss_is_that_of_a_model_that_says_the_smoothed_target():
    target = torch.full((1, 7), bugs.EPSILON / 7)
    target[0, 3] += 1 - bugs.EPSILON
    found = bugs.smoothed(target.log(), torch.tensor([3])).item()
    assert found == pytest.approx(bugs.least_loss(7), abs=1e-6)


def test_surprise_with_the_cache_is_that_of_one_pass(data, model):
    wanted = data.tokens[1, data.tested]
    start = torch.full_like(wanted[:, :1], bugs.FIRST_LANGUAGE + 1)
    logits = model(data.tokens[0, data.tested], torch.cat([start, wanted[:, :-1]], dim=1))
    right = nn.functional.cross_entropy(
        logits.flatten(0, 1), wanted.flatten(), ignore_index=PADDING
    )
    assert bugs.surprise(model, data) == pytest.approx(right.item(), abs=1e-5)


def test_one_pass_counts_what_greedy_decoding_gets_right(data, model):
    learnt = train(model, data, nn.CrossEntropyLoss(ignore_index=PADDING), 16, 150, 1e-2, 10)
    assert learnt[-1] < learnt[0] / 2
    model.eval()
    everything = heads_off.pairs(data, data.trained)
    slow = torch.stack(
        [exact_matches(model, data, data.trained, *pair) for pair in heads_off.DIRECTIONS]
    )
    assert 0 < slow.double().mean() < 1
    assert torch.equal(heads_off.answered(model, everything), slow.double())
    assert exact(model, data) == pytest.approx(
        (translations(model, data) == data.tokens[1, data.tested]).all(1).double().mean().item()
    )


def test_a_head_that_is_switched_off_says_nothing_and_comes_back(data, model):
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    whole = scores(model, data)
    module = model.decoder[0].cross_attention
    with heads_off.switched_off(module, 1):
        assert not torch.equal(scores(model, data), whole)
        assert (module.output.weight[:, 8:] == 0).all()
        assert torch.equal(module.output.weight[:, :8], before[key_of(model, module)][:, :8])
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())


def key_of(model: Transformer, module: nn.Module) -> str:
    """The name of a module's output matrix."""
    return next(f"{name}.output.weight" for name, each in model.named_modules() if each is module)


def test_rank_correlation_is_spearmans():
    a, b = torch.tensor([1.0, 5.0, 2.0, 9.0]), torch.tensor([10.0, 30.0, 20.0, 90.0])
    assert heads_off.rank_correlation(a, b) == pytest.approx(1)
    assert heads_off.rank_correlation(a, -b) == pytest.approx(-1)
    assert heads_off.rank_correlation(a, torch.ones(4)) == 0
    ties = heads_off.ranks(torch.tensor([3.0, 1.0, 3.0]))
    assert ties.tolist() == [1.5, 0.0, 1.5]


def test_each_count_of_digits_is_drawn_as_often(data):
    chances = short.even_over_lengths(data)
    digits = torch.tensor([len(str(number)) for number in data.trained.tolist()])
    assert chances[digits == 1].sum() == pytest.approx(chances[digits == 2].sum().item())


def test_two_pointers_ask_for_the_letters_that_stand_there():
    config = TransformerConfig(5, 16, 2, 16, 1, 0.0, context=6)
    question = next(heads.questions(config, 3))
    letters, first, second = question
    for row in range(3):
        for place in range(6):
            expected = [letters[row, first[row, place]], letters[row, second[row, place]]]
            assert heads.answers(question)[row, place].tolist() == [int(e) for e in expected]


def test_recall_asks_for_each_letter_at_its_distance():
    read, wanted = distance.recalls(9, batch=2, letters=4, shown=3)
    for place in range(3):
        assert torch.equal(read[:, place], wanted[:, place])
        assert (read[:, place + 9] == 4 + place).all()


def test_the_recurrent_networks_are_as_large_as_attention():
    settings = distance.EXPERIMENTS["distance"].settings
    config = TransformerConfig(
        settings["letters"] + settings["shown"],
        dropout=0.0,
        context=16,
        **{name: settings[name] for name in SIZES},
    )
    sizes = [weights(m) for m in distance.models(config, 8, 2).values()]
    assert max(sizes) / min(sizes) < 1.05
