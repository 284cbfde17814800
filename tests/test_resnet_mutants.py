"""Ten well-known bugs, put into `implementations/resnet.py` one at a time: each makes a named test fail.

The last two tests show what does not tell a bug from the right thing.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
import test_resnet as invariants
import test_resnet_parity as parity
import torch
from mutants import assert_caught
from resnet_cases import BLOCKS, SMALL, SMALL_IMAGE, WIDTHS, images, randomised
from torch import Tensor, nn
from torch.nn import functional as F

from implementations import resnet
from implementations.resnet import (
    BasicBlock,
    Bottleneck,
    PreActivationBlock,
    PreActivationResNet,
    Projection,
    ResNet,
)


def norm_of_the_batch_in_evaluation(patch: pytest.MonkeyPatch) -> None:
    """The statistics are not frozen: an image is judged by the company it keeps."""

    def wrong(self, x):
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)

    patch.setattr(nn.BatchNorm2d, "forward", wrong)


def momentum_the_other_way_round(patch: pytest.MonkeyPatch) -> None:
    """In other libraries momentum is the share of the old average: 0.9 taken from there keeps a tenth."""
    right = nn.BatchNorm2d.__init__
    patch.setattr(nn.BatchNorm2d, "__init__", lambda self, size: right(self, size, momentum=0.9))


def zeros_before_the_old_channels(patch: pytest.MonkeyPatch) -> None:
    """Option A pads on the other side."""

    def wrong(x: Tensor, stride: int, channels: int) -> Tensor:
        return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, channels - x.shape[1], 0))

    patch.setattr(resnet, "pad_channels", wrong)


def relu_before_the_addition(patch: pytest.MonkeyPatch) -> None:
    """The residual can only add, and nothing rectifies the sum."""
    patch.setattr(BasicBlock, "forward", lambda self, x: self.branch(x).relu() + self.shortcut(x))


def relu_before_and_after_the_addition(patch: pytest.MonkeyPatch) -> None:
    """One ReLU more than in the paper: the sum looks as it should, but never falls."""

    def wrong(self, x):
        return (self.branch(x).relu() + self.shortcut(x)).relu()

    patch.setattr(BasicBlock, "forward", wrong)


def stride_in_the_wrong_convolution(patch: pytest.MonkeyPatch) -> None:
    """The bottleneck of the one version with the weights of the other: every shape fits."""
    right = Bottleneck.__init__

    def wrong(self, in_channels, width, stride, config):
        other = replace(config, stride_in_first=not config.stride_in_first)
        right(self, in_channels, width, stride, other)

    patch.setattr(Bottleneck, "__init__", wrong)


def shortcut_without_gradient(patch: pytest.MonkeyPatch) -> None:
    """The input is added as a constant: all outputs are right."""

    def wrong(self, x):
        return (self.branch(x) + self.shortcut(x.detach())).relu()

    patch.setattr(BasicBlock, "forward", wrong)


def projection_without_its_norm(patch: pytest.MonkeyPatch) -> None:
    """The 1x1 convolution alone."""
    patch.setattr(Projection, "forward", lambda self, x: self.conv(x))


def relu_after_the_pre_activated_addition(patch: pytest.MonkeyPatch) -> None:
    """The original's ReLU is left where it was when the others moved."""

    def wrong(self, x):
        return (self.branch(x) + self.shortcut(x)).relu()

    patch.setattr(PreActivationBlock, "forward", wrong)


def last_sum_without_norm(patch: pytest.MonkeyPatch) -> None:
    """Pre-activation without the norm and the ReLU after its last block."""

    def wrong(self, images):
        x = self.stem(images)
        for stage in self.stages:
            x = stage(x)
        return x

    patch.setattr(PreActivationResNet, "features", wrong)


def against_hugging_face(bottleneck: bool, training: bool) -> tuple[Callable, dict]:
    """The parity test with one of its cases."""
    case = {"bottleneck": bottleneck, "stride_in_first": False, "training": training}
    return parity.test_resnet_equals_hugging_face, case


# How it is broken -> the test that sees it, and what pytest would give to that test.
CAUGHT_BY: dict[Callable, tuple[Callable, dict]] = {
    norm_of_the_batch_in_evaluation: (
        invariants.test_in_evaluation_an_image_is_judged_alone,
        {"kind": ResNet},
    ),
    momentum_the_other_way_round: (
        invariants.test_training_moves_the_running_statistics_by_a_tenth,
        {},
    ),
    zeros_before_the_old_channels: (
        invariants.test_option_a_keeps_the_old_channels_first_and_fills_the_new_with_zeros,
        {},
    ),
    relu_before_the_addition: against_hugging_face(bottleneck=False, training=False),
    relu_before_and_after_the_addition: against_hugging_face(bottleneck=False, training=False),
    stride_in_the_wrong_convolution: against_hugging_face(bottleneck=True, training=True),
    shortcut_without_gradient: against_hugging_face(bottleneck=False, training=True),
    projection_without_its_norm: (
        parity.test_a_network_equals_the_printed_equations,
        {"block": BasicBlock, "option": "B"},
    ),
    relu_after_the_pre_activated_addition: (
        invariants.test_pre_activation_is_a_sum_of_residuals,
        {},
    ),
    last_sum_without_norm: (
        parity.test_a_network_equals_the_printed_equations,
        {"block": PreActivationBlock, "option": "A"},
    ),
}


@pytest.mark.parametrize("bug", CAUGHT_BY, ids=lambda bug: bug.__name__)
def test_each_bug_is_caught_by_a_test_with_a_name(bug, exact, monkeypatch):
    catching, given = CAUGHT_BY[bug]
    assert_caught(lambda: catching(**given, exact=exact), bug, monkeypatch)


def test_a_shortcut_without_gradient_changes_no_output(exact, monkeypatch):
    model, x = randomised(ResNet(SMALL)).eval(), images(SMALL_IMAGE)
    right = model(x)
    shortcut_without_gradient(monkeypatch)
    assert torch.equal(model(x), right)


def test_zeros_on_the_other_side_are_the_same_network_with_its_channels_renumbered(
    exact, monkeypatch
):
    """No training can tell the two sides of option A apart: each network of the one is one of the other."""
    model, x = randomised(ResNet(SMALL)).eval(), images(SMALL_IMAGE)
    right = model(x)
    zeros_before_the_old_channels(monkeypatch)
    assert (model(x) - right).abs().max() > 0.01
    order = torch.arange(WIDTHS[0])  # which channel of the right network each one now is
    for stage, width in enumerate(WIDTHS):
        for index in range(BLOCKS[stage]):
            block = model.stages[stage][index]
            block.conv1.weight.data = block.conv1.weight.data[:, order]
            order = torch.cat([torch.arange(len(order), width), order])
            block.conv2.weight.data = block.conv2.weight.data[order]
            for values in (*block.norm2.parameters(), *block.norm2.buffers()):
                if values.ndim:  # all but the count of batches
                    values.data = values.data[order]
    model.classifier.weight.data = model.classifier.weight.data[:, order]
    assert (model(x) - right).abs().max() < 1e-12
