"""What the experiments on residual networks do to them is what they say, and nothing else."""

import math
from functools import partial

import pytest
import smoke_runs
import torch
from torch import nn
from torch.nn import functional as F

from generators.experiments.resnet import (
    bugs,
    exact,
    gradients,
    identity,
    landscape,
    lesions,
    parity,
    preactivation,
    responses,
    shortcuts,
    trained,
)
from generators.record import Record
from implementations.resnet import (
    BasicBlock,
    PaddedShortcut,
    PreActivationResNet,
    Projection,
    ResNet,
    ResNetConfig,
    cifar,
)

CONFIG = cifar(8, 4, in_channels=1)
GAP = ResNetConfig((1,), (6,), 10, large_stem=False, shortcut="A")  # of a block from 6 to 6 or more


@pytest.fixture(autouse=True)
def _seed():
    """Every test begins from the same random numbers."""
    torch.manual_seed(0)


def run(name: str) -> Record:
    """What an experiment measures at smoke size."""
    return smoke_runs.record("resnet", name)


def stage() -> dict[str, torch.Tensor]:
    """The networks of the stage, trained for two steps."""
    return smoke_runs.stage("resnet", "trained")


def seeded(make, *arguments, **options):
    """A module made from seed 5."""
    torch.manual_seed(5)
    return make(*arguments, **options)


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """All blocks in a line."""
    return [block for row in model.stages for block in row]


def some(split: str = "train", count: int = 24):
    """A few pictures and labels."""
    return tuple(part[:count] for part in trained.all_of(split))


def same_state(one: nn.Module, other: nn.Module) -> bool:
    """Whether all weights and statistics are equal bit for bit."""
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[n], theirs[n]) for n in mine)


@torch.no_grad()
def unlike(model: nn.Module) -> nn.Module:
    """The same network with norms that have learnt and seen something."""
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(std=0.3)
            norm.running_mean.normal_(std=0.3)
            norm.running_var.uniform_(0.5, 2.0)
    return model


def block(kind=BasicBlock, channels: int = 6, stride: int = 1) -> nn.Module:
    """A block on 6 channels; from seed 5, and with norms that have learnt."""
    torch.manual_seed(5)
    return unlike(kind(6, channels, stride, GAP)).eval()


def back(module: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """An output, and the gradient of one sum of it by the input."""
    x = x.clone().requires_grad_()
    output = module(x)
    direction = torch.randn(output.shape, generator=torch.Generator().manual_seed(1))
    return output.detach(), torch.autograd.grad((output * direction).sum(), x)[0]


# The stage -------------------------------------------------------------------------------------------------


def test_the_residual_arm_is_the_model_and_the_plain_one_starts_from_its_weights():
    model = seeded(ResNet, cifar(20, 8, in_channels=1))
    residual, plain = (seeded(trained.build, arm, 20) for arm in ("residual", "plain"))
    assert {type(each) for each in blocks_of(residual)} == {BasicBlock}
    assert same_state(residual, model)
    assert same_state(plain, model)
    images, _ = some()
    assert torch.allclose(residual(images), model(images), atol=1e-5)
    assert not torch.allclose(plain(images), model(images), atol=0.1)


@pytest.mark.parametrize(("channels", "stride"), [(6, 1), (12, 2)])
def test_a_plain_block_is_its_branch_rectified(channels, stride):
    plain, x = block(trained.PlainBlock, channels, stride), torch.randn(2, 6, 4, 4)
    assert torch.equal(plain(x), plain.branch(x).relu())
    whole = block(BasicBlock, channels, stride)
    assert torch.equal(whole(x), (plain.branch(x) + whole.shortcut(x)).relu())


@pytest.mark.parametrize("name", ["plain_20.end", "residual_20.end", "residual_20.half"])
def test_a_network_comes_back_bit_for_bit(name):
    network, moment = name.split(".")
    arm, depth = network.split("_")
    model = trained.restored(stage(), arm, int(depth), moment)
    assert not model.training
    assert {f"{name}.{key}" for key in model.state_dict()} == {
        key for key in stage() if key.startswith(f"{name}.")
    }
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, stage()[f"{name}.{key}"])
    if moment == "end":
        assert list(trained.judged(model, "test")) == stage()[f"{network}.test"].tolist()
        assert list(trained.judged(model, "train")) == stage()[f"{network}.train"].tolist()


def test_what_is_done_to_a_network_that_came_back_leaves_the_stage_as_it_was():
    before = {key: tensor.clone() for key, tensor in stage().items()}
    model = trained.restored(stage(), "plain", 8)
    trained.settle(model)
    nn.init.ones_(model.classifier.weight)
    assert all(torch.equal(before[key], stage()[key]) for key in before)


def test_what_is_recorded_of_a_network_is_the_stage_s():
    for name in ("plain_20", "residual_20"):
        loss, accuracy = stage()[f"{name}.train"].tolist()
        assert run("depth")[f"loss.{name}"].mean == loss
        assert run("depth")[f"error.{name}"].mean == 1 - accuracy


@pytest.mark.parametrize("mode", [True, False])
def test_settled_norms_have_the_statistics_of_all_training_pictures(mode):
    model = unlike(seeded(trained.build, "residual", 8, 4)).train(mode)
    momentum = model.stem[1].momentum
    trained.settle(model)
    assert model.training == mode
    assert {n.momentum for n in model.modules() if isinstance(n, nn.BatchNorm2d)} == {momentum}
    images, _ = trained.all_of("train")
    with torch.no_grad():
        x = model.stem[0](images)
        first = blocks_of(model)[0]
        y = first.conv1(model.train().stem(images))
    # The stem's norm has seen the pictures again; its statistics of them are the ones to compare.
    trained.settle(model)
    for norm, seen in ((model.stem[1], x), (first.norm1, y)):
        assert torch.allclose(norm.running_mean, seen.mean((0, 2, 3)), atol=1e-4)
        assert torch.allclose(norm.running_var, seen.var((0, 2, 3)), rtol=1e-3)


@torch.no_grad()
def test_a_network_that_is_settled_sees_training_pictures_as_in_training():
    model = unlike(seeded(trained.build, "residual", 8, 4))
    images, labels = trained.all_of("train")
    in_training = model.train()(images)
    assert not torch.allclose(model.eval()(images), in_training, atol=0.1)
    trained.settle(model)
    assert torch.allclose(model.eval()(images), in_training, atol=1e-2)
    expected = F.cross_entropy(model(images), labels).item()
    assert trained.mean_loss(model.train(), "train") == expected
    assert model.training


def test_all_networks_of_a_seed_see_the_same_batches():
    first, again, other = (next(trained.batches(seed, 64))[1] for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_curves_and_first_steps_worked_by_hand():
    assert trained.curve([4.0, 2.0, 1.0, 1.0, 0.0], 2) == [3.0, 0.66667]
    assert trained.steps_to([1.0] * 5 + [0.0] * 5, 0.5) == 8  # the last five have the mean 0.4
    assert trained.steps_to([1.0] * 9, 0.5) == 10
    assert trained.steps_to([0.0] * 9, 0.5) == 5


# Shortcuts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "stride"), [(6, 1), (12, 2)])
def test_half_and_gated_shortcuts(channels, stride):
    x = torch.randn(2, 6, 4, 4)
    right, half, gated = (
        block(kind, channels, stride)
        for kind in (BasicBlock, shortcuts.HalfBlock, shortcuts.GatedBlock)
    )
    assert torch.allclose(half.shortcut(x), 0.5 * right.shortcut(x))
    nn.init.zeros_(gated.shortcut.gate.weight)
    assert torch.allclose(gated.shortcut(x), 0.5 * right.shortcut(x))
    nn.init.constant_(gated.shortcut.gate.bias, -50.0)  # all the way open
    assert torch.allclose(gated.shortcut(x), right.shortcut(x))
    assert torch.equal(half(x), (half.branch(x) + half.shortcut(x)).relu())
    assert torch.equal(half.branch(x), right.branch(x))


@pytest.mark.parametrize(
    ("arm", "kinds"),
    [
        ("B", [nn.Identity] * 3 + [Projection] + [nn.Identity] * 2 + [Projection]),
        ("C", [Projection] * 7),
        ("half", [shortcuts.Half] * 7),
        ("gated", [shortcuts.Gated] * 7),
    ],
)
def test_every_arm_has_its_shortcut_and_the_kernels_of_option_a(arm, kinds):
    model = seeded(shortcuts.MAKES[arm], 20, 4)
    found = [type(each.shortcut) for each in blocks_of(model)]
    assert found[: len(kinds)] == kinds
    right = seeded(trained.build, "residual", 20, 4)
    assert [type(each.shortcut) for each in blocks_of(right)][3] is PaddedShortcut
    assert model.stem[0].weight.shape == right.stem[0].weight.shape


def test_the_spread_of_options_worked_by_hand():
    losses = dict(A_20=1.0, B_20=1.5, C_20=1.2, plain_20=3.0)
    spread = shortcuts.spread_of_options(losses, 20)
    assert spread == pytest.approx(dict(spread=0.5, gap=1.5, share=0.25))


def test_pre_activation_is_the_model_of_the_sequel():
    model, expected = (
        seeded(preactivation.new, 20, 4),
        seeded(PreActivationResNet, cifar(20, 4, in_channels=1)),
    )
    assert same_state(model, expected)
    images, _ = some()
    assert torch.allclose(model(images), expected(images), atol=1e-5)


# Bugs ------------------------------------------------------------------------------------------------------


def test_a_detached_shortcut_gives_the_same_output_and_another_gradient():
    x = torch.randn(2, 6, 4, 4)
    (right, whole), (wrong, part) = back(block(), x), back(block(bugs.Detached), x)
    assert torch.equal(right, wrong)
    plain = block()
    plain.shortcut = Constant(x)  # carries what it did, and is no function of x
    assert torch.allclose(part, back(plain, x)[1])
    assert not torch.allclose(whole, part, atol=0.1)


class Constant(nn.Module):
    """Says always the same."""

    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Ignore the input."""
        return self.value


def test_a_shortcut_for_the_gradient_alone_gives_the_output_of_a_plain_block():
    x = torch.randn(2, 6, 4, 4)
    plain, branch = back(block(trained.PlainBlock), x)
    found, both = back(block(bugs.GradientOnly), x)
    assert torch.allclose(plain, found, atol=1e-6)
    passed = (found > 0).float()  # the ReLU lets the gradient through where the output is
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(both, branch + direction * passed, atol=1e-6)


def test_padding_before_is_the_same_shortcut_with_its_channels_turned():
    x = torch.randn(2, 6, 4, 4)
    right, wrong = (block(kind, 12, 2).shortcut(x) for kind in (BasicBlock, bugs.PaddingBefore))
    assert torch.equal(wrong, right.roll(6, dims=1))
    assert not torch.equal(wrong, right)
    assert isinstance(block(bugs.PaddingBefore).shortcut, nn.Identity)


def test_a_relu_before_the_addition_never_takes_away():
    x = torch.randn(2, 6, 4, 4)
    wrong = block(bugs.RectifiedBefore)
    assert torch.equal(wrong(x), wrong.branch(x).relu() + x)
    assert (wrong(x) >= x).all()
    assert (block()(x) < x).any()


@pytest.mark.parametrize("bug", bugs.IN_TRAINING)
def test_a_bug_changes_the_loss_or_the_gradient_of_the_same_weights(bug):
    right = unlike(seeded(trained.build, "residual", 8, 4)).eval()
    wrong = bugs.IN_TRAINING[bug](8, 4).eval()
    wrong.load_state_dict(right.state_dict(), strict=bug != "norm_forgotten")
    images, labels = some()
    found = []
    for model in (right, wrong):
        loss = F.cross_entropy(model(images), labels)
        found.append((loss.item(), torch.autograd.grad(loss, model.stem[0].weight)[0]))
    assert (found[0][0] == pytest.approx(found[1][0], abs=1e-4)) == (bug == "shortcut_detached")
    assert not torch.allclose(found[0][1], found[1][1], rtol=0.1)
    norms = [module for module in wrong.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == (1 if bug == "norm_forgotten" else 7)


def test_bottlenecks_differ_in_where_the_stride_stands_and_in_nothing_else():
    right, wrong = (seeded(bugs.bottlenecks, 1, 4, first) for first in (False, True))
    assert same_state(right, wrong)
    strides = [
        [(b.conv1.stride[0], b.conv2.stride[0]) for b in blocks_of(m)] for m in (right, wrong)
    ]
    assert strides == [[(1, 1), (1, 2), (1, 2)], [(1, 1), (2, 1), (2, 1)]]


def test_statistics_of_a_batch_leave_the_network_as_it_was():
    model = trained.restored(stage(), "residual", 8)
    twin = trained.restored(stage(), "residual", 8)
    everything = torch.arange(len(trained.all_of("test")[1]))
    found = bugs.in_batches(model, everything, len(everything))
    assert same_state(model, twin)
    assert not model.training
    images, labels = trained.all_of("test")
    with torch.no_grad():
        right = (twin.train()(images).argmax(1) == labels).double().mean().item()
    assert found == right


def test_the_right_weights_in_the_right_network_are_no_bug():
    model = trained.restored(stage(), "residual", 8)
    again = bugs.used_wrongly(model, trained.network(BasicBlock, 8))
    assert again == trained.accuracy(model, "test")


# Gradients -------------------------------------------------------------------------------------------------


def test_equalised_gradients_are_as_long_as_what_they_belong_to_and_point_as_before():
    images, labels = some()
    found = []
    for equal in (False, True):
        model = unlike(seeded(trained.build, "plain", 20, 4)).train()
        if equal:
            gradients.equalise(model)
        F.cross_entropy(model(images), labels).backward()
        found.append({name: (p.detach(), p.grad) for name, p in model.named_parameters()})
    ratios = [[], []]
    for name, (weight, gradient) in found[1].items():
        length = weight.norm() if weight.ndim > 1 else math.sqrt(weight.numel())
        for which in (0, 1):
            ratios[which].append((found[which][name][1].norm() / length).item())
        assert F.cosine_similarity(gradient.flatten(), found[0][name][1].flatten(), dim=0) > 0.999
    assert ratios[1] == pytest.approx([1.0] * len(ratios[1]), rel=1e-4)
    assert max(ratios[0]) > 10 * min(ratios[0])


def test_arms_without_norms_and_without_borders_have_the_same_kernels():
    plain, normless, borderless = (
        seeded(gradients.untrained, arm, 20, 4)
        for arm in ("plain", "plain_normless", "plain_borderless")
    )
    assert same_state(seeded(trained.build, "plain", 20, 4), plain)
    for model in (normless, borderless):
        assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
        for mine, theirs in zip(blocks_of(model), blocks_of(plain), strict=True):
            assert torch.equal(mine.conv2.weight, theirs.conv2.weight)
    # Without borders a picture that is moved moves its features, and their mean stays.
    images, _ = some()
    moved = {}
    for arm, model in (("normless", normless), ("borderless", borderless)):
        before, after = (
            model.features(each).mean((2, 3)) for each in (images, images.roll(4, dims=3))
        )
        moved[arm] = ((after - before).norm() / before.norm()).item()
    assert moved["borderless"] < 1e-4
    assert moved["normless"] > 0.01


def test_sizes_are_those_of_the_gradients_that_backward_leaves():
    model = seeded(trained.build, "plain", 8, 4)
    images, labels = some(count=16)
    found = gradients.sizes(seeded(trained.build, "plain", 8, 4), 16)
    F.cross_entropy(model.train()(images), labels).backward()
    kernels = [c.weight.grad.norm() for b in blocks_of(model) for c in (b.conv1, b.conv2)]
    assert found["kernel"] == pytest.approx([math.log10(size) for size in kernels], abs=1e-4)


def test_growth_of_a_curve_that_doubles_on_its_way_back():
    curve = [-layer * math.log10(2) for layer in range(9)]
    assert gradients.growth(curve) == pytest.approx(2)
    assert gradients.thinned([float(k) for k in range(9)], 3) == [0.0, 4.0, 8.0]


# Lesions ---------------------------------------------------------------------------------------------------


def test_a_lesion_removes_one_block_and_touches_no_other():
    model = trained.restored(stage(), "residual", 20)
    places = lesions.places(model)
    assert places == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)]
    before = blocks_of(model)
    for place in places:
        cut = lesions.without(model, [place])
        number = 3 * place[0] + place[1]
        for index, (mine, theirs) in enumerate(zip(blocks_of(cut), before, strict=True)):
            if index == number:
                assert type(mine) is nn.Identity
            else:
                assert same_state(mine, theirs)
        assert sum(type(each) is nn.Identity for each in blocks_of(cut)) == 1
    assert blocks_of(model) == before
    assert all(type(each) is BasicBlock for each in before)


def test_swapped_blocks_are_two_neighbours():
    model = trained.restored(stage(), "residual", 20)
    other = lesions.swapped(model, (1, 1))
    order = [0, 1, 2, 3, 5, 4, 6, 7, 8]
    for mine, place in zip(blocks_of(other), order, strict=True):
        assert same_state(mine, blocks_of(model)[place])
    assert not same_state(blocks_of(other)[4], blocks_of(model)[4])


def test_accuracy_without_a_block_is_that_of_a_network_that_skips_it():
    model = trained.restored(stage(), "residual", 8)
    cut = lesions.without(model, [(0, 0)])
    x = model.stem(trained.all_of("test")[0])
    for each in blocks_of(model)[1:]:
        x = each(x)
    logits = model.classifier(x.mean(dim=(2, 3)))
    right = (logits.argmax(1) == trained.all_of("test")[1]).double().mean().item()
    assert lesions.hits([cut]) == [right]


# The loss surface ------------------------------------------------------------------------------------------


def test_a_direction_is_as_long_as_the_weights_filter_by_filter():
    model = unlike(seeded(trained.build, "residual", 8, 4))
    way = landscape.direction(model)
    assert way.keys() == {name for name, p in model.named_parameters() if p.ndim > 1}
    for name, step in way.items():
        weight = model.get_parameter(name)
        assert torch.allclose(step.flatten(1).norm(dim=1), weight.flatten(1).norm(dim=1), rtol=1e-4)
        assert F.cosine_similarity(step.flatten(), weight.flatten(), dim=0).abs() < 0.9
    weight = model.get_parameter("stem.0.weight").flatten(1).norm(dim=1)
    assert weight.max() > 1.1 * weight.min(), "else one length for all filters would pass"


def test_a_surface_has_the_loss_of_the_moved_network_at_each_of_its_points():
    model = trained.restored(stage(), "residual", 8)
    ways = landscape.direction(model), landscape.direction(model)
    twin = trained.restored(stage(), "residual", 8)
    rows = landscape.surface(model, ways, [0.0, 1.0], 24)
    assert same_state(model, twin)
    images, labels = some()
    for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
        moved = trained.restored(stage(), "residual", 8)
        with torch.no_grad():
            for name in ways[0]:
                moved.get_parameter(name).add_(x * ways[0][name] + y * ways[1][name])
            expected = F.cross_entropy(moved(images), labels).item()
        assert rows[x][y] == pytest.approx(expected, rel=1e-4)


def test_bowl_and_hilltop_in_three_numbers():
    ticks = landscape.ticks_of(5)
    bowl = [[x * x + y * y for y in ticks] for x in ticks]
    hill = [[-value for value in row] for row in bowl]
    assert (landscape.bends_down(bowl), landscape.dips(bowl), landscape.uphill(bowl)) == (0, 1, 1)
    assert (landscape.bends_down(hill), landscape.dips(hill), landscape.uphill(hill)) == (1, 0, 0)


# Responses, algebra, counts --------------------------------------------------------------------------------


def test_responses_are_spreads_of_what_the_norms_put_out():
    model = trained.restored(stage(), "residual", 8)
    found = responses.spreads(model)
    assert len(found) == 6
    images, _ = trained.all_of("train")
    first = blocks_of(model)[0]
    with torch.no_grad():
        x = model.stem(images)
        expected = first.norm1(first.conv1(x)).std().item()
        added = first.branch(x).square().mean().sqrt() / x.square().mean().sqrt()
    assert found[0] == pytest.approx(expected, rel=1e-4)
    assert responses.added(model)[0] == pytest.approx(added.item(), rel=1e-4)
    assert not any(norm._forward_hooks for norm in responses.convolutional_norms(model))


def test_a_deep_output_is_taken_apart_exactly_and_a_wrong_factor_shows():
    assert run("identity")["worst"].mean < 1e-12
    torch.manual_seed(5)
    config = ResNetConfig((3,), (4,), 10, large_stem=False, in_channels=1)
    model = PreActivationResNet(config).double()
    images, labels = torch.randn(4, 1, 4, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 3])
    take = partial(identity.taken_apart, images=images, labels=labels, points=4)
    untouched = take(model, 1.0)
    assert max(untouched[error] for error in ("sum_error", "direct_error", "parts_error")) < 1e-12
    for each in model.stages[0]:
        each.shortcut = identity.Scaled(1.0)
    assert take(model, 1.0)["by_block"] == untouched["by_block"]
    wrong = take(model, 0.9)
    assert min(wrong["sum_error"], wrong["direct_error"]) > 0.05


def test_multiply_adds_worked_by_hand():
    # On 8x8: stem 9 * 4 * 64, a block 2 * 9 * 4 * 4 * 64; the next halve the sides and double the channels.
    stem, first = 9 * 4 * 64, 2 * 9 * 16 * 64
    second, third = 9 * 4 * 8 * 16 + 9 * 64 * 16, 9 * 8 * 16 * 4 + 9 * 256 * 4
    assert exact.multiply_adds(CONFIG, size=8) == stem + first + second + third + 16 * 10
    assert exact.rounds_to(0.4649, "0.46")
    assert not exact.rounds_to(0.4651, "0.46")


def test_parity_would_see_weights_that_are_not_the_same(monkeypatch):
    config = ResNetConfig((1, 1), (4, 8), 3, large_stem=True)
    images, labels = torch.randn(2, 3, 32, 32), torch.tensor([0, 1])
    same = parity.compared(config, images, labels, training=True)
    assert max(same.values()) < 1e-5
    right = parity.under_their_names

    def shifted(tensors):
        return {name: x + 1e-3 if "conv" in name else x for name, x in right(tensors).items()}

    monkeypatch.setattr(parity, "under_their_names", shifted)
    assert min(parity.compared(config, images, labels, training=True).values()) > 1e-4


def test_the_worst_of_parity_is_the_largest_of_all(monkeypatch):
    settings = parity.EXPERIMENTS["parity"].settings
    numbers = iter([1.0, 5.0, 3.0, 2.0, 7.0, 4.0])
    monkeypatch.setattr(parity, "compared", lambda *given: {"logits": next(numbers)})
    assert parity.parity(1000, **settings)["worst"] == 7.0
