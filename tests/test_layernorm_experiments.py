"""What the experiments on layer norm do to nets is what they say, and nothing else."""

import math

import pytest
import smoke_runs
import torch
from torch import nn
from torch.nn import functional as F

from generators.data import digits
from generators.experiments.layernorm import (
    batch_size,
    bugs,
    cells,
    convolutions,
    counting,
    digit_nets,
    dynamics,
    gain,
    invariances,
    one_number,
    parity,
    placement,
    weights,
)
from generators.record import Record
from generators.training import adamw
from implementations.layernorm import BatchNorm, LayerNorm, LSTMCell, RecurrentCell
from implementations.transformer import Residual, Transformer, TransformerConfig

CONFIG = TransformerConfig(
    23, d_model=12, n_heads=3, d_ff=18, n_layers=1, dropout=0.0, context=11, padding=0
)
SOURCE, TARGET = torch.tensor([[3, 4, 5], [7, 8, 0]]), torch.tensor([[1, 4], [1, 5]])


@pytest.fixture(autouse=True)
def _seed():
    """Every test begins from the same random numbers."""
    torch.manual_seed(0)


def run(name: str) -> Record:
    """What an experiment measures at smoke size."""
    return smoke_runs.record("layernorm", name)


def seeded(make, *arguments):
    """A module made from seed 5."""
    torch.manual_seed(5)
    return make(*arguments)


def unlike(norm: nn.Module) -> nn.Module:
    """The same norm with gains and biases that are not 1 and 0."""
    with torch.no_grad():
        norm.gain.uniform_(0.5, 1.5)
        norm.bias.uniform_(-0.5, 0.5)
    return norm


def like(make, other: nn.Module) -> nn.Module:
    """A norm of another kind with the parameters of the first."""
    norm = make(len(other.gain))
    norm.load_state_dict(other.state_dict(), strict=False)
    return norm


def input_gradient(norm: nn.Module, x: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """The gradient of one sum of a norm's outputs by its inputs."""
    x = x.clone().requires_grad_()
    return torch.autograd.grad((norm(x) * direction).sum(), x)[0]


# Differences of sizes (plain ones stand in differences.py) --------------------------------------------------


def test_differences_of_sizes_are_of_one_run():
    measured = run("long_sequences").runs[0]
    for kind in cells.CELLS:
        for what, of in (("evener", "reach"), ("steadier", "grown")):
            sizes = [abs(measured[of][f"{kind}_{norm}"]) for norm in ("none", "norm")]
            assert measured[what][kind] == sizes[0] - sizes[1]
    arms = run("growing_weights").runs[0]
    for name, difference in arms["turns_more"].items():
        kept, free = (arms["arms"][arm][name] for arm in ("kept_length", "layer_norm"))
        assert difference == weights.last(kept["turn"]) - weights.last(free["turn"])
        assert arms["loss_above"][name] == weights.last(kept["loss"]) - weights.last(free["loss"])


# Invariances -----------------------------------------------------------------------------------------------

CELLS = [(method, change) for method, row in invariances.PRINTED.items() for change in row]


def table() -> dict:
    """The experiment at its full size, which takes milliseconds."""
    torch.manual_seed(1000)
    return invariances.invariances(1000, **invariances.EXPERIMENTS["invariances"].settings)


def test_all_cells_agree_and_either_answer_is_far_from_the_threshold():
    measured = table()
    assert measured["agreeing"] == len(CELLS) == 18
    assert measured["largest_same"] < 1e-12
    assert measured["smallest_other"] > 0.05
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize(("method", "change"), CELLS)
def test_one_cell_printed_otherwise_does_not_agree(method, change, monkeypatch):
    row = invariances.PRINTED[method]
    monkeypatch.setitem(invariances.PRINTED, method, {**row, change: not row[change]})
    assert table()["agreeing"] == 17


def test_every_change_is_seen_by_a_layer_without_a_norm():
    x, weight = torch.randn(8, 5), torch.randn(4, 5)
    for name, (new_x, new_weight) in invariances.changes(x, weight, by=3.0).items():
        moved = invariances.relative_change(F.linear(x, weight), F.linear(new_x, new_weight))
        assert moved > 0.1, name
        assert torch.equal(new_x, x) == ("data" not in name and "case" not in name)
        assert torch.equal(new_weight, weight) == ("matrix" not in name and "vector" not in name)


def test_a_norm_that_forgets_something_is_found_out(monkeypatch):
    only_centred = lambda x, gain, bias, epsilon: gain * (x - x.mean(-1, keepdim=True)) + bias  # noqa: E731
    monkeypatch.setattr(invariances, "layer_norm", only_centred)
    assert table()["agreeing"] == 15  # invariant to no scale any more, and there were three


def test_scaling_is_an_error_where_epsilon_counts():
    errors = table()["error_by_scale"]
    assert errors == sorted(errors)
    sigma = table()["edge"]
    lost = 1 - sigma / math.sqrt(sigma**2 + invariances.EPSILON)
    assert lost == pytest.approx(0.01)


def test_training_is_use_for_layer_norm_alone():
    measured = run("train_equals_eval")
    assert measured["layer_norm.modes"].mean == measured["layer_norm.others"].mean == 0
    assert min(measured[f"batch_norm.{what}"].mean for what in ("modes", "others")) > 1e-3


# Nets on digits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["layer_norm", "batch_norm"])
def test_nets_start_from_the_same_matrices_and_norms_stand_before_each_relu(norm):
    bare, net = (seeded(digit_nets.mlp, 6, digit_nets.NORMS[kind]) for kind in ("none", norm))
    for place in (1, 4, 7):
        assert torch.equal(bare[place].weight, net[place].weight)
    kind = {"layer_norm": LayerNorm, "batch_norm": BatchNorm}[norm]
    assert [type(net[place]) for place in (2, 3, 5, 6)] == [kind, nn.ReLU, kind, nn.ReLU]
    bare[2] = bare[5] = kind(6)
    images = digits("test")[0][:9]
    assert torch.equal(bare(images), net(images))


def test_batch_norm_refuses_one_value_and_has_no_arm_with_it():
    net = digit_nets.mlp(6, BatchNorm)
    with pytest.raises(ValueError, match="more than one value"):
        next(digit_nets.train(net, 1, 1, 1e-3))
    assert "batch_norm_1" not in batch_size.ARMS
    assert "layer_norm_1" in batch_size.ARMS


def test_an_epoch_shows_every_picture_once():
    images = digits("train")[0]
    source = digit_nets.shuffled(719)  # half of them
    seen = torch.cat([next(source)[0] for _ in range(2)]).flatten(1)
    assert torch.equal(seen.sum(dim=1).sort().values, images.flatten(1).sum(dim=1).sort().values)


def test_recomputed_statistics_are_those_of_all_training_pictures():
    net = batch_size.with_exact_statistics(digit_nets.mlp(6, BatchNorm))
    sums = net[1](digits("train")[0].flatten(1))
    assert torch.allclose(net[2].running_mean, sums.mean(0), atol=1e-5)
    assert torch.allclose(net[2].running_variance, sums.var(0), rtol=1e-4)
    assert not net.training


def test_a_layer_normalised_over_the_picture_and_over_channels_alone():
    x = torch.randn(3, 4, 8, 8) + torch.randn(3, 4, 1, 1)
    whole, pixel = (convolutions.ARMS[arm](4, 8)(x) for arm in ("layer_norm", "channel_norm"))
    assert torch.allclose(whole.mean((1, 2, 3)), torch.zeros(3), atol=1e-5)
    assert whole.mean(1).abs().max() > 0.1
    sigma = (x.var(1, correction=0, keepdim=True) + invariances.EPSILON).sqrt()
    assert torch.allclose(pixel, (x - x.mean(1, keepdim=True)) / sigma, atol=1e-4)
    assert torch.equal(convolutions.ARMS["none"](4, 8)(x), x)
    nets = [seeded(convolutions.conv_net, 2, make) for make in convolutions.ARMS.values()]
    for net in nets:
        assert torch.equal(net[3].weight, nets[0][3].weight)


@pytest.mark.parametrize(
    ("losses", "step"), [([1.0] * 5 + [0.0] * 5, 8), ([1.0] * 9, 9), ([0.0] * 9, 5)]
)
def test_the_first_step_below_a_level(losses, step):
    assert convolutions.first_below(losses, 0.5) == step  # at 8 the last five have the mean 0.4


def test_a_turn_by_a_known_angle_and_a_length_that_is_kept():
    one, degree = torch.tensor([[1.0, 0.0]]), math.radians(1.0)
    turned = 7 * torch.tensor([[math.cos(degree), math.sin(degree)]])
    assert weights.angle(one, turned) == pytest.approx(1.0, rel=1e-4)
    arms = run("growing_weights").runs[0]["arms"]
    for rate in arms["kept_length"].values():
        assert rate["growth"] == pytest.approx([1.0, 1.0], abs=1e-5)
    assert min(arms["layer_norm"]["fast"]["growth"]) > 1.001


# Bugs ------------------------------------------------------------------------------------------------------

X, DIRECTION = torch.randn(7, 6, generator=torch.Generator().manual_seed(3)), torch.arange(42.0)
DIRECTION = DIRECTION.sin().view(7, 6)


def test_the_right_arm_is_layer_norm_itself():
    net = seeded(bugs.with_norm(LayerNorm), 6)
    assert type(net[2]) is type(net[5]) is LayerNorm
    assert net[2] is not net[5]


@pytest.mark.parametrize("bug", bugs.BUGS)
def test_a_bug_changes_outputs_or_gradients_of_the_same_weights(bug):
    right, wrong = seeded(digit_nets.mlp, 6, LayerNorm), seeded(bugs.BUGS[bug], 6)
    with torch.no_grad():  # norms that have learnt
        for place, value in ((2, 1.5), (5, 0.5)):
            right[place].gain.copy_(torch.linspace(0.5, value, 6))
            wrong[place].gain.copy_(right[place].gain[: len(wrong[place].gain)])
    images, labels = (part[:40] for part in digits("train"))
    found = []
    for net in (right, wrong):
        loss = F.cross_entropy(net(images), labels)
        found.append((loss.item(), torch.autograd.grad(loss, net[1].weight)[0]))
    outputs = abs(found[0][0] - found[1][0])
    gradients = (found[0][1] - found[1][1]).norm() / found[0][1].norm()
    assert (outputs > 1e-3) == (bug not in ("epsilon_outside", "statistics_detached"))
    assert (gradients > 1e-3) == (bug != "epsilon_outside")  # that one shows on blanks alone


def test_the_unbiased_variance_makes_outputs_smaller_by_a_known_factor():
    share = math.sqrt(5 / 6)
    assert torch.allclose(bugs.UnbiasedVariance(6)(X), share * LayerNorm(6)(X), atol=1e-4)
    for width in (2, 3, 16):
        assert bugs.too_small(width) == pytest.approx(1 - math.sqrt((width - 1) / width), abs=2e-3)


def test_epsilon_outside_has_no_gradient_where_all_inputs_are_equal():
    right = unlike(LayerNorm(6))
    assert torch.allclose(like(bugs.EpsilonOutside, right)(X), right(X), atol=1e-4)
    assert bugs.broken_gradient(LayerNorm(6)) == 0
    assert bugs.broken_gradient(bugs.EpsilonOutside(6)) == 0.5  # one picture of two


def test_the_wrong_axis_is_batch_norm_that_never_freezes():
    batch_norm = unlike(BatchNorm(6))
    wrong = like(bugs.WrongAxis, batch_norm).eval()
    assert torch.allclose(wrong(X), batch_norm.train()(X), atol=1e-5)
    assert torch.equal(wrong(X[:1])[0], wrong.bias)  # one alone is its own mean


def test_detached_statistics_leave_two_terms_of_the_gradient_out():
    right = unlike(LayerNorm(6))
    wrong = like(bugs.StatisticsDetached, right)
    assert torch.allclose(wrong(X), right(X), atol=1e-5)
    sigma = (X.var(1, correction=0, keepdim=True) + right.epsilon).sqrt()
    expected = DIRECTION * right.gain / sigma
    assert torch.allclose(input_gradient(wrong, X, DIRECTION), expected, atol=1e-5)
    assert not torch.allclose(input_gradient(right, X, DIRECTION), expected, atol=0.1)


def test_gains_and_modules_that_are_one_and_a_norm_too_many():
    one = bugs.OneGain(6)
    assert one.gain.shape == one.bias.shape == (1,)
    assert torch.allclose(one(X), LayerNorm(6)(X), atol=1e-5)
    shared = bugs.one_module(6)
    assert shared[2] is shared[5]
    logits = bugs.norm_on_logits(6)(digits("test")[0][:9])
    assert torch.allclose(logits.mean(1), torch.zeros(9), atol=1e-5)
    assert torch.allclose(logits.var(1, correction=0), torch.ones(9), atol=1e-2)


def test_norms_that_are_not_frozen_get_the_trained_parameters():
    net = digit_nets.mlp(6, BatchNorm)
    for place in (2, 5):
        unlike(net[place])
    frozen = digit_nets.error(net.eval())
    measured = bugs.not_frozen(net)["not_frozen"]
    assert measured["frozen"] == frozen != measured["all"]
    assert measured["all"] == digit_nets.error(net.train())
    labels = digits("test")[1]  # one by one, every picture gets the same answer
    assert measured["one"] in [(labels != k).double().mean().item() for k in range(10)]


# Recurrent layers ------------------------------------------------------------------------------------------


def states(cell: nn.Module, n_states: int) -> torch.Tensor:
    """The last state after five steps along given inputs."""
    inputs = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(1))
    zeros = torch.zeros(4, 6)
    return cells.walk(cell, inputs, (zeros,) * n_states)[-1][0]


@pytest.mark.parametrize("kind", cells.CELLS)
def test_the_arm_with_norm_is_the_cell_and_the_other_has_its_weights(kind):
    make, n_states = cells.CELLS[kind], cells.N_STATES[kind]
    whole = seeded(make, 3, 6)
    norm, none = (seeded(cells.cell_of, f"{kind}_{arm}", 3, 6) for arm in ("norm", "none"))
    assert type(norm) is make
    assert torch.equal(states(norm, n_states), states(whole, n_states))
    assert norm.state_dict().keys() == none.state_dict().keys()
    for name, weight in none.state_dict().items():
        assert torch.equal(weight, whole.state_dict()[name])
    assert not torch.allclose(states(none, n_states), states(whole, n_states), atol=1e-2)


def test_cells_without_norm_are_those_of_the_textbook():
    x, h, c = torch.randn(4, 3), torch.randn(4, 6), torch.randn(4, 6)
    plain = cells.cell_of("plain_none", 3, 6)
    unlike(plain.norm)
    sums = plain.from_input(x) + plain.from_hidden(h)
    assert torch.allclose(plain(x, h), (plain.norm.gain * sums + plain.norm.bias).tanh())
    lstm = cells.cell_of("lstm_none", 3, 6)
    forget, take, give, new = (lstm.from_input(x) + lstm.from_hidden(h)).chunk(4, dim=1)
    kept = forget.sigmoid() * c + take.sigmoid() * new.tanh()
    assert torch.allclose(lstm(x, h, c)[1], kept, atol=1e-6)
    assert torch.allclose(lstm(x, h, c)[0], give.sigmoid() * kept.tanh(), atol=1e-6)


def test_gradients_back_along_a_chain_that_halves():
    steps = [torch.ones(2, 3, requires_grad=True)]
    for _ in range(4):
        steps.append(0.5 * steps[-1])
    found = cells.gradients_back(steps[-1].sum(), [(step,) for step in steps])
    assert found == pytest.approx([math.sqrt(6) * 0.5**k for k in (4, 3, 2, 1, 0)])


def test_the_ceiling_is_what_a_wide_cell_with_large_weights_reaches():
    cell = seeded(RecurrentCell, 3, 400)
    nn.init.normal_(cell.from_hidden.weight, std=50 / math.sqrt(400))
    h = torch.randn(30, 400, requires_grad=True)
    inputs = torch.randn(30, 40, 3)
    walked = cells.walk(cell, inputs, (h,))
    back = cells.gradients_back((walked[-1][0] @ torch.randn(400)).sum(), walked)
    assert (back[1] / back[-1]) ** (1 / 38) == pytest.approx(dynamics.ceiling(1.0), rel=0.01)


def test_a_look_sees_the_gradient_where_it_is_and_leaves_the_model_alone():
    text, n_letters = counting.counting(30)
    model = counting.Reader(cells.cell_of("plain_norm", n_letters, 4), n_letters, 4, 1)
    letters = next(counting.windows(text, 2, 7))
    found = counting.look(model, letters, [1, 5])
    assert found["last_handed"] == pytest.approx(1.0, abs=1e-2)  # normalised, and the gain is 1
    assert found["reach"] == found["gradient"][0] - found["gradient"][1]  # of six steps, four back
    assert not model.cell.norm._forward_hooks


@pytest.mark.parametrize("arm", gain.ARMS)
def test_a_normalised_cell_starts_with_its_gain_and_the_same_matrices(arm):
    cell, whole = seeded(gain.normalised_cell, arm, 3, 6), seeded(LSTMCell, 3, 6)
    kind, size = arm.split("_")
    norms = [child for child in cell.children() if isinstance(child, LayerNorm)]
    assert len(norms) == 3
    for norm in norms:
        assert torch.equal(norm.gain, torch.full_like(norm.gain, gain.GAINS[size]))
    assert {isinstance(norm, gain.OverBatch) for norm in norms} == {kind == "batch"}
    assert torch.equal(cell.from_hidden.weight, whole.from_hidden.weight)
    assert torch.equal(states(cell, 2), states(whole, 2)) == (arm == "layer_one")


def test_over_the_batch_is_batch_norm_in_training():
    right = unlike(BatchNorm(6))
    assert torch.allclose(like(gain.OverBatch, right).eval()(X), right.train()(X), atol=1e-5)


def test_size_of_one_number_is_seen_only_without_norm_or_with_a_constant():
    rows = 0.5 + torch.rand(5, 3)
    for arm in one_number.ARMS:
        model = seeded(one_number.Scale, arm, 8)
        moved = (model(rows) - model(1.2 * rows)).abs().max().item()
        assert (moved < 1e-3) == (arm == "norm"), arm


# Placement in the Transformer ------------------------------------------------------------------------------


def test_the_untouched_arm_is_the_transformer_and_all_share_its_weights():
    assert placement.MODELS["post"] is Transformer
    whole = seeded(Transformer, CONFIG)
    for arm, make in placement.NORMS.items():
        other = seeded(make, CONFIG)
        assert torch.equal(other.embedding.weight, whole.embedding.weight), arm
        mine, theirs = (
            sorted(p.sum().item() for p in each.parameters() if p.ndim > 1)
            for each in (other, whole)
        )
        assert mine == theirs, arm
        # At the start RMSNorm differs by the mean, and the frozen norm not at all.
        same = torch.allclose(other(SOURCE, TARGET), whole(SOURCE, TARGET), atol=1e-5)
        assert same == (arm in ("post", "frozen")), arm


def test_what_stands_in_the_place_of_each_norm():
    x = torch.randn(5, 12)
    for arm, kind in {"none": nn.Identity, "rms": placement.RMSNorm, "frozen": LayerNorm}.items():
        model = placement.NORMS[arm](CONFIG)
        norms = [part.norm for part in model.modules() if isinstance(part, Residual)]
        assert len(norms) == 5
        assert {type(norm) for norm in norms} == {kind}
        trained = {p.requires_grad for norm in norms for p in norm.parameters()}
        assert trained == {"none": set(), "rms": {True}, "frozen": {False}}[arm]
    rms = placement.RMSNorm(12)
    nn.init.uniform_(rms.gain)
    expected = rms.gain * x / (x.square().mean(1, keepdim=True) + placement.EPSILON).sqrt()
    assert torch.allclose(rms(x), expected, atol=1e-6)


def test_frozen_norms_stay_where_they_start():
    model = placement.NORMS["frozen"](CONFIG)
    updates = adamw([{"params": list(model.parameters()), "lr": 0.1}])
    model(SOURCE, TARGET).square().sum().backward()
    updates.step()
    norm = model.encoder[0].add_attention.norm
    assert torch.equal(norm.gain, torch.ones(12))
    assert torch.equal(norm.bias, torch.zeros(12))


@pytest.mark.parametrize("arm", placement.NORMS)
def test_the_start_of_he_has_six_times_the_variance(arm):
    config = TransformerConfig(23, 64, 4, 128, 1, 0.0, context=11, padding=0)
    usual, he = (seeded(placement.MODELS[name], config) for name in (arm, f"{arm}_he"))
    for (name, before), after in zip(usual.named_modules(), he.modules(), strict=True):
        if isinstance(before, nn.Linear):
            ratio = (after.weight.var() / before.weight.var()).item()
            assert ratio == pytest.approx(6, rel=0.1), name
    assert torch.equal(usual.embedding.weight, he.embedding.weight)


def test_a_look_counts_every_layer_and_leaves_no_trace():
    measured = run("placement").runs[0]
    assert {len(look["stream"]) for look in measured["start"].values()} == {2}
    # Norm 1 a unit after post-norm at the start: a stream of length sqrt(8) at every layer.
    assert measured["start"]["post"]["stream"] == pytest.approx([math.sqrt(8)] * 2, rel=1e-3)


# Parity ----------------------------------------------------------------------------------------------------


def test_parity_would_see_a_wrong_gradient(monkeypatch):
    settings = {**parity.EXPERIMENTS["parity"].settings, **parity.EXPERIMENTS["parity"].smoke}
    measured = parity.parity(1000, **settings)
    worst = measured.pop("worst")
    groups = [case for group in measured.values() for case in group.values()]
    assert worst == max(error for case in groups for error in case.values()) < 1e-5
    right = parity.layer_norm
    monkeypatch.setattr(parity, "layer_norm", lambda x, g, b: right(x, g, b) + 1e-3 * x.detach())
    assert parity.parity(1000, **settings)["worst"] > 1e-4
