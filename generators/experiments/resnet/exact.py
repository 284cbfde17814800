"""What needs no training: weights and multiply-adds against printed numbers.

torchvision has no build for this environment, so its parameter counts stand here as constants.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.record import Record
from implementations.resnet import (
    RESNET_18,
    RESNET_34,
    RESNET_50,
    RESNET_101,
    RESNET_152,
    ResNet,
    ResNetConfig,
    cifar,
)

if TYPE_CHECKING:
    pass

IMAGENET = {"18": RESNET_18, "34": RESNET_34, "50": RESNET_50, "101": RESNET_101, "152": RESNET_152}

# Weights of torchvision.models.resnet18 to resnet152, 1,000 classes. The paper prints none of these.
TORCHVISION = {
    "18": 11_689_512,
    "34": 21_797_672,
    "50": 25_557_032,
    "101": 44_549_160,
    "152": 60_192_808,
}
# Multiply-adds as the paper's Table 1 prints them, in units of 1e9.
PRINTED_MULTIPLY_ADDS = {"18": 1.8, "34": 3.6, "50": 3.8, "101": 7.6, "152": 11.3}
# Weights of the networks for CIFAR-10 as the paper's Table 6 prints them, in millions.
PRINTED_CIFAR = {
    "20": "0.27",
    "32": "0.46",
    "44": "0.66",
    "56": "0.85",
    "110": "1.7",
    "1202": "19.4",
}
VGG_16 = 15.3e9  # multiply-adds, Section 4.1


# Counts -----------------------------------------------------------------------------------------------------


def architecture(depths: list[int]) -> dict[str, Any]:
    """Weights and multiply-adds of the networks that the paper names, counted on models without memory.

    ImageNet, two ways. `today`: projections where the shape changes, and the stride in the 3x3 convolution. `paper`:
    padded shortcuts in the two shallow networks, and the stride in the first 1x1 convolution in the three deep ones.

    Args:
        depths: Of the networks for CIFAR-10.
    """
    imagenet = {}
    for name, config in IMAGENET.items():
        total, in_shortcuts = weights(config)
        paper, today = multiply_adds(as_printed(config)), multiply_adds(config)
        imagenet[name] = {
            "depth": config.depth,
            "weights": total,
            "weights_torchvision": TORCHVISION[name],
            "weights_in_shortcuts": in_shortcuts,
            "multiply_adds": {
                "paper": paper,
                "today": today,
                "printed": PRINTED_MULTIPLY_ADDS[name],
                "dearer_today": today / paper - 1,
            },
        }
    small = {}
    for depth in depths:
        total, in_shortcuts = weights(cifar(depth))
        small[str(depth)] = {
            "weights": total,
            "weights_in_shortcuts": in_shortcuts,
            "weights_printed": float(PRINTED_CIFAR[str(depth)]),
        }
    counted = {name: net["multiply_adds"] for name, net in imagenet.items()}
    return {
        "imagenet": imagenet,
        "cifar": small,
        "in_padded_shortcuts": max(net["weights_in_shortcuts"] for net in small.values()),
        "share_of_vgg_16": counted["152"]["paper"] / VGG_16,
        "as_printed": {
            "multiply_adds": sum(
                round(net["paper"] / 1e9, 1) == net["printed"] for net in counted.values()
            ),
            "multiply_adds_today": sum(
                round(net["today"] / 1e9, 1) == net["printed"] for net in counted.values()
            ),
            "cifar": sum(
                rounds_to(net["weights"] / 1e6, PRINTED_CIFAR[name]) for name, net in small.items()
            ),
            "torchvision": sum(
                net["weights"] == net["weights_torchvision"] for net in imagenet.values()
            ),
        },
    }


def rounds_to(number: float, printed: str) -> bool:
    """Whether a number is what is printed, to as many decimals as are printed."""
    decimals = len(printed.partition(".")[2])
    return f"{number:.{decimals}f}" == printed


def as_printed(config: ResNetConfig) -> ResNetConfig:
    """The network that Table 1 counts."""
    if config.bottleneck:
        return replace(config, stride_in_first=True)
    return replace(config, shortcut="A")


def weights(config: ResNetConfig) -> tuple[int, int]:
    """How many numbers training may change, and how many of these the shortcuts hold."""
    with torch.device("meta"):
        model = ResNet(config)
    shortcuts = [block.shortcut for stage in model.stages for block in stage]
    return numbers_in([model]), numbers_in(shortcuts)


def numbers_in(modules: Iterable[nn.Module]) -> int:
    """How many numbers are in the parameters of these modules."""
    return sum(weight.numel() for module in modules for weight in module.parameters())


def multiply_adds(config: ResNetConfig, size: int = 224) -> int:
    """Multiplications of one picture with the kernels and the classifier; norms, ReLUs and sums are not counted."""
    counts: list[int] = []
    with torch.device("meta"), torch.no_grad():
        model = ResNet(config).eval()
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(
                    lambda module, inputs, output: counts.append(
                        output.numel() * module.weight[0].numel()
                    )
                )
        model(torch.empty(1, config.in_channels, size, size))
    return sum(counts)


# What is recorded -------------------------------------------------------------------------------------------

EXPERIMENTS = {
    "architecture": Experiment(
        question="Have our networks the weights and the multiply-adds that are printed?",
        run=architecture,
        settings=dict(depths=[20, 32, 44, 56, 110, 1202]),
        smoke=dict(depths=[20]),
        seeds=(),
        kind="exact",
    ),
}


def free_and_cheap(record: Record) -> str:
    """Holds if option A's shortcuts have no weight at all and 152 layers need fewer multiply-adds than VGG-16.

    In part if one of the two is so.
    """
    free = record["in_padded_shortcuts"].max == 0
    cheap = record["share_of_vgg_16"].max < 1
    return HOLDS if free and cheap else IN_PART if free or cheap else FAILS


def rounds_to_what_is_printed(record: Record) -> str:
    """Holds if all five multiply-adds round to Table 1, and all six numbers of weights to Table 6.

    In part if at least nine of the eleven do.
    """
    equal = record["as_printed.multiply_adds"].min + record["as_printed.cifar"].min
    return HOLDS if equal == 11 else IN_PART if equal >= 9 else FAILS


CLAIMS = [
    Claim(
        id="B9",
        text="Shortcuts cost no weights, and 152 layers need fewer multiply-adds than the 16 of VGG.",
        where="Sections 3.3 and 4.1",
        experiment="resnet.architecture",
        did="Counted the weights of all padded shortcuts of the networks for CIFAR-10, and the multiply-adds of "
        "ResNet-152; the number is its share of what the paper prints for VGG-16.",
        rule=Rule(free_and_cheap, forecast=0.99),
        measured="share_of_vgg_16:pct0",
    ),
    Claim(
        id="B10",
        text="The networks need as many multiply-adds, and have as many weights, as the tables say.",
        where="Tables 1 and 6",
        experiment="resnet.architecture",
        did="Counted both on models without memory, the stride of a bottleneck in its first 1x1 convolution. Printed "
        "for ResNet-50 is 3.8 billion multiply-adds; the number is what we count.",
        rule=Rule(rounds_to_what_is_printed, forecast=0.9),
        measured="imagenet.50.multiply_adds.paper:int",
    ),
]
