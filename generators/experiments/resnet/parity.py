"""Equality with Hugging Face's ResNet, with the same weights."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.experiment import Claim, Experiment
from generators.parity import worst_error
from implementations.resnet import (
    ResNet,
    ResNetConfig,
)

if TYPE_CHECKING:
    from transformers import ResNetForImageClassification


def parity(
    seed: int, batch: int, size: int, classes: int, width: int, blocks: list[int]
) -> dict[str, Any]:
    """Largest differences to Hugging Face's ResNet with the same weights, in float32.

    Basic blocks, bottlenecks, and bottlenecks with the stride in the first 1x1; each in evaluation and in training.
    A difference is divided by the largest entry of what it is compared with, if that is above 1.
    """
    widths = tuple(width * 2**stage for stage in range(len(blocks)))
    basic = ResNetConfig(tuple(blocks), widths, classes, large_stem=True)
    bottleneck = replace(basic, bottleneck=True)
    configs = {
        "basic": basic,
        "bottleneck": bottleneck,
        "stride_in_first": replace(bottleneck, stride_in_first=True),
    }
    images, labels = torch.randn(batch, 3, size, size), torch.randint(classes, (batch,))
    groups = {
        f"{name}_{mode}": compared(config, images, labels, mode == "train")
        for name, config in configs.items()
        for mode in ("eval", "train")
    }
    worst = max(error for group in groups.values() for error in group.values())
    return {"worst": worst, **groups}


def compared(
    config: ResNetConfig, images: Tensor, labels: Tensor, training: bool
) -> dict[str, float]:
    """Worst errors of the logits, of the gradients of all weights and of the images, and of the norms' statistics."""
    ours = ResNet(config).train(training)
    unlike_new(ours)
    theirs = hugging_face(config).train(training)
    theirs.load_state_dict(under_their_names(ours.state_dict()))
    gradients, logits = [], []
    for model in (ours, theirs):
        seen = images.clone().requires_grad_()
        answer = model(seen)
        logits.append(answer if isinstance(answer, Tensor) else answer.logits)
        F.cross_entropy(logits[-1], labels).backward()
        found = {name: weight.grad for name, weight in model.named_parameters()}
        gradients.append({**(under_their_names(found) if model is ours else found), "": seen.grad})
    statistics = [
        {name: x for name, x in state.items() if "running" in name}
        for state in (under_their_names(ours.state_dict()), theirs.state_dict())
    ]
    return {
        "logits": worst_error(logits[:1], logits[1:]),
        "gradient": worst_error(gradients[0].values(), (gradients[1][n] for n in gradients[0])),
        "statistics": worst_error(
            statistics[0].values(), (statistics[1][n] for n in statistics[0])
        ),
    }


@torch.no_grad()
def unlike_new(model: ResNet) -> None:
    """Norms that have something to do: gains around 1, biases and means around 0, variances that differ."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(std=0.2)
            module.running_mean.normal_(std=0.2)
            module.running_var.uniform_(0.5, 2.0)


def hugging_face(config: ResNetConfig) -> "ResNetForImageClassification":
    """Hugging Face's network of the same sizes, nothing downloaded."""
    from transformers import ResNetConfig as TheirConfig
    from transformers import ResNetForImageClassification

    return ResNetForImageClassification(
        TheirConfig(
            num_channels=config.in_channels,
            embedding_size=config.widths[0],
            hidden_sizes=[(4 if config.bottleneck else 1) * width for width in config.widths],
            depths=list(config.blocks),
            layer_type="bottleneck" if config.bottleneck else "basic",
            hidden_act="relu",
            downsample_in_bottleneck=config.stride_in_first,
            num_labels=config.n_classes,
        )
    )


def under_their_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our weights, gradients or statistics under Hugging Face's names: `stages.0.1.conv2` is `layers.1.layer.1`."""
    return {their_name(name): tensor for name, tensor in tensors.items()}


def their_name(name: str) -> str:
    """One name of ours as theirs.

    Example:
        >>> their_name("stages.0.1.norm2.weight")
        'resnet.encoder.stages.0.layers.1.layer.1.normalization.weight'
    """
    place, *rest = name.split(".")
    if place == "classifier":
        return f"classifier.1.{rest[0]}"
    if place == "stem":
        part = {"0": "convolution", "1": "normalization"}[rest[0]]
        return f"resnet.embedder.embedder.{part}.{rest[1]}"
    stage, block, *inner, kind = rest
    if inner[0] == "shortcut":
        inside = f"shortcut.{'convolution' if inner[1] == 'conv' else 'normalization'}"
    else:
        part = "convolution" if inner[0].startswith("conv") else "normalization"
        inside = f"layer.{int(inner[0][-1]) - 1}.{part}"
    return f"resnet.encoder.stages.{stage}.layers.{block}.{inside}.{kind}"


EXPERIMENTS = {
    "parity": Experiment(
        question="How far are outputs, gradients and running statistics from Hugging Face's with the same weights?",
        run=parity,
        settings=dict(batch=5, size=48, classes=7, width=8, blocks=[2, 3, 1]),
        smoke=dict(batch=3, size=32, width=4),
        kind="parity",
        tolerance=dict(
            worst=1e-5,
            basic_eval=1e-5,
            basic_train=1e-5,
            bottleneck_eval=1e-5,
            bottleneck_train=1e-5,
            stride_in_first_eval=1e-5,
            stride_in_first_train=1e-5,
        ),
    ),
}


CLAIMS: list[Claim] = []
