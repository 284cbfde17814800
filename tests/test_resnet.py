"""What must be true of `implementations/resnet.py`: sizes, shortcuts, sums, norms, memory format, errors.

Parity and bugs on purpose have test files of their own.
"""

import doctest
import itertools
from dataclasses import replace

import pytest
import torch
from resnet_cases import (
    BLOCKS,
    LARGE,
    LARGE_IMAGE,
    SMALL,
    SMALL_IMAGE,
    WIDTHS,
    B,
    K,
    P,
    PlainBlock,
    images,
    outputs,
    randomised,
)
from torch import Tensor, nn
from torch.nn import functional as F

from implementations import resnet
from implementations.resnet import (
    PAPER,
    RESNET_18,
    RESNET_34,
    RESNET_50,
    RESNET_101,
    RESNET_152,
    TINY,
    BasicBlock,
    Bottleneck,
    PaddedShortcut,
    PreActivationBlock,
    PreActivationResNet,
    Projection,
    ResNet,
    ResNetConfig,
    cifar,
)

# Sizes -----------------------------------------------------------------------------------------

# torchvision's `num_params` of resnet18 to resnet152 (torchvision/models/resnet.py); the paper prints none.
TORCHVISION = {
    18: (RESNET_18, 11_689_512),
    34: (RESNET_34, 21_797_672),
    50: (RESNET_50, 25_557_032),
    101: (RESNET_101, 44_549_160),
    152: (RESNET_152, 60_192_808),
}
# Depth -> millions as Table 6 prints them, and what these sizes are exactly.
TABLE_6 = {
    20: (0.27, 269_722),
    32: (0.46, 464_154),
    44: (0.66, 658_586),
    56: (0.85, 853_018),
    110: (1.7, 1_727_962),
    1202: (19.4, 19_421_274),
}


def count(config: ResNetConfig, kind: type[ResNet] = ResNet, **given) -> int:
    """The model's parameters, counted without making them."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in kind(config, **given).parameters())


@pytest.mark.parametrize("depth", TORCHVISION)
def test_an_imagenet_model_has_its_depth_and_torchvisions_size(depth):
    config, parameters = TORCHVISION[depth]
    assert config.depth == depth
    assert count(config) == parameters


@pytest.mark.parametrize("depth", TABLE_6)
def test_a_cifar_model_has_the_papers_size(depth):
    printed, exactly = TABLE_6[depth]
    config = cifar(depth)
    assert config.depth == depth
    assert count(config) == exactly
    assert abs(exactly / 1e6 - printed) <= (0.05 if printed > 1 else 0.006)


def test_the_tiny_model_is_small():
    pairs = [(1, 8), (8, 8), (8, 8), (8, 16), (16, 16), (16, 32), (32, 32)]
    assert count(TINY) == sum(9 * a * b + 2 * b for a, b in pairs) + 32 * 10 + 10
    assert TINY.depth == 8
    assert PAPER == RESNET_34


def multiply_adds(config: ResNetConfig) -> int:
    """Products in the convolutions and the classifier for one 224x224 image."""
    total = []

    def add(module: nn.Module, _inputs, output: Tensor) -> None:
        pixels = output[0, 0].numel() if output.ndim == 4 else 1
        total.append(pixels * module.weight.numel())

    with torch.device("meta"):
        model = ResNet(config)
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(add)
        model(torch.empty(1, 3, 224, 224))
    return sum(total)


@pytest.mark.parametrize(
    ("config", "printed"),
    [
        (RESNET_18, 1.8),
        (RESNET_34, 3.6),
        (replace(RESNET_50, stride_in_first=True), 3.8),
        (replace(RESNET_152, stride_in_first=True), 11.3),
    ],
    ids=lambda value: str(getattr(value, "depth", value)),
)
def test_the_papers_multiply_adds_are_those_of_its_stride(config, printed):
    assert multiply_adds(config) / 1e9 == pytest.approx(printed, abs=0.08)


def test_with_the_stride_in_the_3x3_the_multiply_adds_are_not_the_printed_ones():
    assert round(multiply_adds(RESNET_50) / 1e9, 1) == 4.1  # the paper: 3.8


@pytest.mark.parametrize("kind", [ResNet, PreActivationResNet])
def test_stages_halve_the_image_and_have_their_widths(kind):
    for config, image, sizes in (
        (SMALL, SMALL_IMAGE, [(13, 10), (7, 5), (4, 3)]),
        (LARGE, LARGE_IMAGE, [(12, 9), (6, 5), (3, 3), (2, 2)]),
    ):
        model = kind(config)
        x = images(image)
        stem = model.stem(x)
        assert stem.shape == (B, config.widths[0], *sizes[0])
        for stage, blocks, width, size in zip(
            model.stages, config.blocks, config.widths, sizes, strict=True
        ):
            assert len(stage) == blocks
            stem = stage(stem)
            assert stem.shape == (B, width, *size)
        assert model.features(x).shape == (B, config.widths[-1], *sizes[-1])
        assert model(x).shape == (B, K)


def test_a_bottleneck_hands_over_four_times_its_width():
    model = ResNet(replace(LARGE, bottleneck=True))
    assert model.features(images(LARGE_IMAGE)).shape == (B, 4 * 8, 2, 2)
    assert {block.conv2.out_channels for block in model.stages[1]} == {4}


def test_convolutions_start_with_the_variance_of_he():
    model = ResNet(RESNET_18)
    for conv in (model.stem[0], model.stages[1][0].conv1, model.stages[2][1].conv2):
        outgoing = conv.out_channels * conv.kernel_size[0] ** 2
        assert conv.weight.std().item() == pytest.approx((2 / outgoing) ** 0.5, rel=0.03)
        assert abs(conv.weight.mean().item()) < 0.05 * conv.weight.std().item()


# Shortcuts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "in_change", "elsewhere"),
    [
        ("A", PaddedShortcut, nn.Identity),
        ("B", Projection, nn.Identity),
        ("C", Projection, Projection),
    ],
)
@pytest.mark.parametrize("kind", [ResNet, PreActivationResNet])
def test_each_option_has_its_shortcuts(kind, option, in_change, elsewhere):
    model = kind(replace(SMALL, shortcut=option))
    found = [type(block.shortcut) for stage in model.stages for block in stage]
    assert len(found) == sum(BLOCKS)
    changes = {BLOCKS[0], BLOCKS[0] + BLOCKS[1]}  # the first block of the second and third stage
    assert found == [in_change if i in changes else elsewhere for i in range(len(found))]


def test_option_a_keeps_the_old_channels_first_and_fills_the_new_with_zeros(exact):
    shortcut = PaddedShortcut(channels=7, stride=2)
    x = torch.randn(B, 3, 9, 6, requires_grad=True)
    y = shortcut(x)
    assert y.shape == (B, 7, 5, 3)
    assert torch.equal(y[:, :3], x[:, :, ::2, ::2])
    assert not y[:, 3:].any()
    assert not list(shortcut.parameters())
    direction = torch.randn_like(y)
    (gradient,) = torch.autograd.grad(y, x, direction)
    expected = torch.zeros_like(x)
    expected[:, :, ::2, ::2] = direction[:, :3]
    assert torch.equal(gradient, expected)


def test_a_plain_twin_has_the_same_parameters_and_is_another_function(exact):
    assert count(SMALL) == count(SMALL, block=PlainBlock)
    projections = sum(a * b + 2 * b for a, b in itertools.pairwise(WIDTHS))
    assert count(replace(SMALL, shortcut="B")) == count(SMALL) + projections
    residual, plain = ResNet(SMALL).eval(), ResNet(SMALL, PlainBlock).eval()
    plain.load_state_dict(residual.state_dict())
    x = images(SMALL_IMAGE)
    assert (residual(x) - plain(x)).abs().max() > 0.01


def pixels_looked_at(stride_in_first: bool) -> Tensor:
    """At which pixels of its input a block that halves the image has a gradient."""
    config = replace(SMALL, shortcut="B", bottleneck=True, stride_in_first=stride_in_first)
    block = randomised(Bottleneck(3, 4, 2, config)).eval()
    x = torch.randn(B, 3, 9, 6, requires_grad=True)
    block(x).square().sum().backward()
    return x.grad.abs().sum(dim=(0, 1)) > 0


def test_a_stride_in_the_first_convolution_overlooks_three_of_four_pixels(exact):
    seen = torch.zeros(9, 6, dtype=torch.bool)
    seen[::2, ::2] = True
    assert torch.equal(pixels_looked_at(stride_in_first=True), seen)
    assert pixels_looked_at(stride_in_first=False).all()


# Sums ------------------------------------------------------------------------------------------


def stack(kind: type[nn.Module], blocks: int = 4) -> nn.Sequential:
    """Blocks whose shortcuts are all the identity, in evaluation."""
    made = nn.Sequential(*(kind(3, 3, 1, SMALL) for _ in range(blocks)))
    return randomised(made).eval()


def test_pre_activation_is_a_sum_of_residuals(exact):
    blocks = stack(PreActivationBlock)
    x = first = torch.randn(B, 3, 6, 5)
    total = first
    for block in blocks:
        total = total + block.branch(x)
        x = block(x)
    assert torch.equal(blocks(first), total)  # to the last bit: the additions are the same


def test_the_original_is_no_such_sum(exact):
    blocks = stack(BasicBlock)
    x = first = torch.randn(B, 3, 6, 5)
    total = first
    for block in blocks:
        total = total + block.branch(x)
        x = block(x)
    assert (blocks(first) - total).abs().max() > 0.1
    assert blocks(first).min() >= 0


def without_residuals(blocks: nn.Sequential) -> nn.Sequential:
    """All branches give zero."""
    for block in blocks:
        last = block.norm2 if isinstance(block, BasicBlock) else block.conv2
        for weight in last.parameters():
            nn.init.zeros_(weight)
    return blocks


def test_without_residuals_pre_activation_lets_any_gradient_through(exact):
    x = torch.randn(B, 3, 6, 5, requires_grad=True)
    direction = torch.randn(B, 3, 6, 5)
    blocks = without_residuals(stack(PreActivationBlock, blocks=30))
    y = blocks(x)
    assert torch.equal(y, x)
    (gradient,) = torch.autograd.grad(y, x, direction)
    assert torch.equal(gradient, direction)


def test_without_residuals_the_original_lets_through_what_is_positive(exact):
    x = torch.randn(B, 3, 6, 5, requires_grad=True)
    direction = torch.randn(B, 3, 6, 5)
    y = without_residuals(stack(BasicBlock, blocks=30))(x)
    assert torch.equal(y, x.relu())
    (gradient,) = torch.autograd.grad(y, x, direction)
    assert torch.equal(gradient, direction * (x > 0))


def test_the_pre_activation_network_normalises_its_last_sum_and_not_its_first(exact):
    model = PreActivationResNet(LARGE).train()
    assert [type(layer) for layer in model.stem] == [nn.Conv2d, nn.MaxPool2d]
    assert [type(layer) for layer in PreActivationResNet(SMALL).stem] == [nn.Conv2d]
    (before_relu,) = outputs(model, nn.BatchNorm2d, images(LARGE_IMAGE))[-1:]
    assert before_relu.mean(dim=(0, 2, 3)).abs().max() < 1e-10
    assert torch.equal(model.final[1](before_relu), before_relu.relu())
    assert isinstance(ResNet(LARGE).final, nn.Identity)


# Norms -----------------------------------------------------------------------------------------


def test_training_moves_the_running_statistics_by_a_tenth(exact):
    model = ResNet(SMALL).train()
    norm = model.stem[1]
    x = images(SMALL_IMAGE)
    seen = model.stem[0](x)
    pixels = B * 13 * 10
    mean = seen.sum(dim=(0, 2, 3)) / pixels
    # The unbiased variance is what is kept, though the biased one normalises.
    variance = ((seen - mean[:, None, None]) ** 2).sum(dim=(0, 2, 3)) / (pixels - 1)
    model(x)
    assert torch.allclose(norm.running_mean, 0.1 * mean, rtol=0, atol=1e-12)
    assert torch.allclose(norm.running_var, 0.9 + 0.1 * variance, rtol=0, atol=1e-12)
    model(x)
    assert torch.allclose(norm.running_mean, 0.19 * mean, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [ResNet, PreActivationResNet])
def test_in_evaluation_an_image_is_judged_alone(kind, exact):
    model = randomised(kind(SMALL)).eval()
    before = {name: value.clone() for name, value in model.named_buffers()}
    x = images(SMALL_IMAGE)
    together = model(x)
    for row in range(B):
        alone = model(x[row : row + 1])[0]
        assert (alone - together[row]).abs().max() < 1e-12
    for name, value in model.named_buffers():
        assert torch.equal(value, before[name]), name
    model.train()
    assert (model(x)[0] - together[0]).abs().max() > 0.01  # in training the others matter


def test_in_evaluation_a_norm_uses_its_running_statistics(exact):
    model = randomised(ResNet(SMALL)).eval()
    norm, x = model.stem[1], torch.randn(B, WIDTHS[0], 6, 5)
    spread = (norm.running_var + 1e-5).sqrt()[:, None, None]
    whitened = (x - norm.running_mean[:, None, None]) / spread
    right = whitened * norm.weight[:, None, None] + norm.bias[:, None, None]
    assert (norm(x) - right).abs().max() < 1e-12


@pytest.mark.parametrize("kind", [ResNet, PreActivationResNet])
def test_what_a_norm_puts_out_stays_as_it_was(kind, exact):
    """Who records the tensors themselves must not find them rectified afterwards."""
    for recorded in outputs(randomised(kind(LARGE)), nn.BatchNorm2d, images(LARGE_IMAGE)):
        assert recorded.min() < 0


# Memory format ---------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["A", "B"])
@pytest.mark.parametrize("kind", [ResNet, PreActivationResNet])
def test_channels_last_stays_channels_last(kind, option):
    config = replace(LARGE, shortcut=option)
    model = kind(config).to(memory_format=torch.channels_last)
    x = images(LARGE_IMAGE).to(memory_format=torch.channels_last)
    every = [output for output in outputs(model, nn.Module, x) if output.ndim == 4]
    assert len(every) > 4 * sum(config.blocks)
    for output in every:
        assert output.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(model.eval()(x), model(x.contiguous()), atol=1e-5)


def test_the_gradient_of_option_a_is_channels_last_too():
    x = torch.randn(B, 3, 9, 6).to(memory_format=torch.channels_last).requires_grad_()
    y = PaddedShortcut(7, stride=2)(x)
    (gradient,) = torch.autograd.grad(y, x, torch.randn_like(y))
    assert gradient.is_contiguous(memory_format=torch.channels_last)


# Bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"blocks": (2, 1)}, r"blocks \(2, 1\) and widths \(3, 4, 6\) are not one per stage"),
        ({"blocks": (), "widths": ()}, "are not one per stage"),
        ({"blocks": (2, 0, 1)}, "every size must be at least 1"),
        ({"widths": (3, -4, 6)}, "every size must be at least 1"),
        ({"n_classes": 0}, "every size must be at least 1"),
        ({"in_channels": 0}, "every size must be at least 1"),
        ({"shortcut": "D"}, "shortcut 'D' is not A, B or C"),
        ({"widths": (6, 4, 3)}, "option A adds channels"),
        ({"stride_in_first": True}, "these blocks are basic"),
    ],
)
def test_a_configuration_without_sense_is_refused(bad, said):
    with pytest.raises(ValueError, match=said):
        replace(SMALL, **bad)


@pytest.mark.parametrize("depth", [2, 7, 21, -4])
def test_a_cifar_depth_is_6n_plus_2(depth):
    with pytest.raises(ValueError, match=f"depth {depth} is not 6n"):
        cifar(depth)


def test_channels_are_not_padded_away():
    with pytest.raises(ValueError, match="4 channels cannot be padded to 3"):
        PaddedShortcut(3, stride=1)(torch.zeros(1, 4, 2, 2))


def test_pre_activation_knows_no_bottleneck():
    with pytest.raises(ValueError, match="asks for bottlenecks"):
        PreActivationResNet(replace(SMALL, bottleneck=True))


# Learning --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ResNet, PreActivationResNet])
def test_it_learns(kind):
    """Which of ten blurred patterns is it, wherever it stands? Mean brightness does not tell."""
    torch.manual_seed(0)
    patterns = torch.randn(10, 1, 4, 4)
    patterns -= patterns.mean(dim=(2, 3), keepdim=True)

    def drawn(rows: int) -> tuple[Tensor, Tensor]:
        labels = torch.randint(10, (rows,))
        shifted = torch.zeros(rows, 1, 8, 8)
        for row, (down, right) in enumerate(torch.randint(5, (rows, 2)).tolist()):
            shifted[row, :, down : down + 4, right : right + 4] = patterns[labels[row]]
        return shifted, labels

    model = kind(TINY)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(60):
        x, labels = drawn(64)
        optimizer.zero_grad()
        F.cross_entropy(model(x), labels).backward()
        optimizer.step()
    x, labels = drawn(256)
    assert (model.eval()(x).argmax(dim=1) == labels).float().mean() > 0.9


def test_the_examples_in_the_docstrings_are_true():
    result = doctest.testmod(resnet)
    assert result.attempted >= 4
    assert result.failed == 0


def test_images_with_other_colours_are_refused():
    with pytest.raises(RuntimeError, match="channels"):
        ResNet(SMALL)(torch.zeros(1, P + 1, 8, 8))
