"""The worked answers compute what the model does, and right answers of another form pass too."""

import math
from pathlib import Path

import pytest
import torch
from resnet_answers import (
    RIGHT_GRADIENTS,
    conv,
    downwards,
    folding,
    network_size,
    normed,
    residual,
    rows_by,
    subsets,
    zeros,
)
from torch import nn
from torch.nn import functional as F

from exercises.__main__ import PASSED, grade
from exercises.answers import resnet as answers
from implementations import resnet


def graded(name, answer):
    """The verdict on one answer, and what its author is told."""
    module = type("Answers", (), {name: staticmethod(answer)})
    return grade("resnet", module, Path("my/resnet.py"))[name]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("stack", residual),
        ("gradients", RIGHT_GRADIENTS),
        ("shortcut", lambda x, s, n: zeros(F.avg_pool2d(x, 1, s), n - x.shape[1])),
        ("parameters", network_size),
        (
            "bottleneck",  # the stride in the last 1x1 picks what the 3x3 would have computed
            lambda x, a, b, c, s, n: F.relu(
                conv(conv(conv(x, a).relu(), b).relu(), c, n) + conv(x, s, n)
            ),
        ),
        ("pre_activation", normed()),
        ("fold", folding()),
        ("paths", rows_by(subsets)),
        ("paths", downwards),
    ],
)
def test_another_right_answer_passes(name, answer):
    assert graded(name, answer) == (PASSED, "")


# The answers are what the model computes ----------------------------------------------------------


def test_shortcut_and_parameters():
    x = torch.randn(2, 3, 7, 5)
    for stride, channels in ((1, 3), (2, 8), (3, 5)):
        found = answers.shortcut(x, stride, channels)
        assert torch.equal(found, resnet.pad_channels(x, stride, channels))
    for depth, width, classes in ((20, 16, 10), (8, 3, 7)):
        config = resnet.cifar(depth, width, n_classes=classes)
        size = sum(p.numel() for p in resnet.ResNet(config).parameters())
        assert answers.parameters(depth, width, classes) == size


def test_blocks():
    torch.manual_seed(0)
    x = torch.randn(4, 3, 6, 5)
    config = resnet.ResNetConfig((1,), (4,), n_classes=2, large_stem=False)
    block = resnet.BasicBlock(3, 5, 2, config)
    found = answers.residual_block(
        x, block.conv1, block.norm1, block.conv2, block.norm2, block.shortcut
    )
    torch.testing.assert_close(found, block(x))
    block = resnet.Bottleneck(3, 2, 2, config)
    for name in ("norm1", "norm2", "norm3"):
        setattr(block, name, nn.Identity())
    block.shortcut.norm = nn.Identity()
    convolutions = (block.conv1, block.conv2, block.conv3, block.shortcut.conv)
    found = answers.bottleneck(x, *(each.weight for each in convolutions), 2)
    torch.testing.assert_close(found, block(x))


def test_pre_activation():
    torch.manual_seed(0)
    config = resnet.ResNetConfig((3,), (4,), n_classes=2, large_stem=False)
    model = resnet.PreActivationResNet(config)
    x = torch.randn(2, 3, 6, 5)
    blocks = [(b.norm1, b.conv1, b.norm2, b.conv2) for b in model.stages[0]]
    found = answers.pre_activation(model.stem(x), blocks, model.final[0])
    torch.testing.assert_close(found, model.features(x))


def test_a_folded_block_computes_the_same():
    torch.manual_seed(0)
    config = resnet.ResNetConfig((1,), (4,), n_classes=2, large_stem=False)
    block = resnet.BasicBlock(4, 4, 1, config)
    x = torch.randn(8, 4, 6, 5)
    for _ in range(3):
        block(x)  # moves the statistics
    norm = block.eval().norm1
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    statistics = (norm.weight, norm.bias, norm.running_mean, norm.running_var, norm.eps)
    weight, bias = answers.fold(block.conv1.weight, *statistics)
    found = F.conv2d(x, weight, bias, padding=1)
    torch.testing.assert_close(found, norm(block.conv1(x)))


def test_gradients_and_paths_are_the_stacks():
    scales, slopes = [0.5, 1.0, 1.5], [0.25, -0.5, 1.0]
    xs = [torch.tensor(2.0, requires_grad=True)]
    for scale, slope in zip(scales, slopes, strict=True):
        xs.append(scale * xs[-1] + slope * xs[-1])
    wanted = [float(g) for g in torch.autograd.grad(xs[-1], xs)]
    assert answers.gradients(scales, slopes) == pytest.approx(wanted)
    weights = [torch.randn(3, 3) for _ in range(5)]
    x = torch.randn(3)
    output = answers.stack(x, [lambda x, w=w: x @ w for w in weights])
    torch.testing.assert_close(answers.paths(x, weights).sum(dim=0), output)
    ones = answers.paths(torch.ones(1), [torch.ones(1, 1)] * 5)
    assert ones[:, 0].tolist() == [math.comb(5, k) for k in range(6)]
