"""`implementations/resnet.py` computes what code that many people trust computes: values, gradients, statistics.

The convolution and `torch.nn.BatchNorm2d` are PyTorch's in both; `test_resnet.py` holds the norm against arithmetic.
"""

import re

import pytest
import torch
from parity_cases import worst_error
from resnet_cases import LARGE, LARGE_IMAGE, SMALL_IMAGE, B, K, P, images, randomised
from torch import Tensor, nn
from torch.nn import functional as F

from implementations.resnet import (
    BasicBlock,
    Bottleneck,
    PreActivationBlock,
    PreActivationResNet,
    ResNet,
    ResNetConfig,
)

# Parity with Hugging Face's network ------------------------------------------------------------

THEIR_NAMES = [
    (r"^stem\.0\.", "resnet.embedder.embedder.convolution."),
    (r"^stem\.1\.", "resnet.embedder.embedder.normalization."),
    (r"^stages\.(\d+)\.(\d+)\.", r"resnet.encoder.stages.\1.layers.\2."),
    (r"\.shortcut\.conv\.", ".shortcut.convolution."),
    (r"\.shortcut\.norm\.", ".shortcut.normalization."),
    (r"^classifier\.", "classifier.1."),
]


def their_name(name: str) -> str:
    """A name of ours as Hugging Face has it."""
    for ours, theirs in THEIR_NAMES:
        name = re.sub(ours, theirs, name)
    name = re.sub(r"\.conv(\d)\.", lambda hit: f".layer.{int(hit[1]) - 1}.convolution.", name)
    return re.sub(r"\.norm(\d)\.", lambda hit: f".layer.{int(hit[1]) - 1}.normalization.", name)


def hugging_face(ours: ResNet) -> nn.Module:
    """Their network with our weights and running statistics."""
    from transformers import ResNetConfig as TheirConfig
    from transformers import ResNetForImageClassification

    config = ours.config
    expansion = 4 if config.bottleneck else 1
    theirs = ResNetForImageClassification(
        TheirConfig(
            num_channels=config.in_channels,
            embedding_size=config.widths[0],
            hidden_sizes=[expansion * width for width in config.widths],
            depths=list(config.blocks),
            layer_type="bottleneck" if config.bottleneck else "basic",
            downsample_in_bottleneck=config.stride_in_first,
            num_labels=config.n_classes,
        )
    )
    state = {their_name(name): value.detach() for name, value in ours.state_dict().items()}
    theirs.load_state_dict(state)  # strict: a weight that is missing or left over is an error
    return theirs.to(torch.get_default_dtype())


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize(
    ("bottleneck", "stride_in_first"),
    [(False, False), (True, False), (True, True)],
    ids=["basic", "bottleneck", "bottleneck strided in its first"],
)
def test_resnet_equals_hugging_face(bottleneck, stride_in_first, training, exact):
    config = ResNetConfig(
        LARGE.blocks,
        LARGE.widths,
        n_classes=K,
        large_stem=True,
        bottleneck=bottleneck,
        in_channels=P,
        stride_in_first=stride_in_first,
    )
    ours = randomised(ResNet(config)).train(training)
    theirs = hugging_face(ours).train(training)
    x, labels = images(LARGE_IMAGE), torch.randint(K, (B,))
    first, second = x.clone().requires_grad_(), x.clone().requires_grad_()
    logits = ours(first)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    answer = theirs(second, labels=labels)
    answer.loss.backward()
    our_gradients = {their_name(name): w.grad for name, w in ours.named_parameters()}
    found = {"logits": logits, "loss": loss, "images": first.grad, **our_gradients}
    right = {
        "logits": answer.logits,
        "loss": answer.loss,
        "images": second.grad,
        **{name: weight.grad for name, weight in theirs.named_parameters()},
    }
    worst = worst_error(found, right)
    statistics = worst_error(
        {their_name(name): value.double() for name, value in ours.named_buffers()},
        {name: value.double() for name, value in theirs.named_buffers()},
    )
    print(f"worst error {worst:.1e}, of running statistics {statistics:.1e}")  # pytest -rP shows it
    assert max(worst, statistics) <= 1e-10


# Parity with the printed equations, for what nobody's library has --------------------------------


def printed_norm(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """Every channel less its mean over the batch and all pixels, over its standard deviation."""
    mean = x.mean(dim=(0, 2, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
    whitened = (x - mean) / (variance + 1e-5).sqrt()
    return whitened * norm.weight[:, None, None] + norm.bias[:, None, None]


def printed_convolution(x: Tensor, conv: nn.Conv2d, stride: int) -> Tensor:
    """Each output pixel: the products of the weights with the patch around it, summed."""
    size = conv.weight.shape[-1]
    padded = F.pad(x, [size // 2] * 4)
    height, width = ((n + stride - 1) // stride for n in x.shape[2:])
    made = torch.zeros(len(x), len(conv.weight), height, width)
    for row in range(size):
        for column in range(size):
            seen = padded[:, :, row::stride, column::stride][:, :, :height, :width]
            made += torch.einsum("bchw, nc -> bnhw", seen, conv.weight[:, :, row, column])
    return made


def printed_shortcut(
    x: Tensor, block: nn.Module, option: str, channels: int, stride: int
) -> Tensor:
    """Section 3.3: the input where it fits, or zeros in the new channels (A), or a projection (B; C: always)."""
    fits = x.shape[1] == channels and stride == 1
    if option == "C" or (option == "B" and not fits):
        return printed_norm(
            printed_convolution(x, block.shortcut.conv, stride), block.shortcut.norm
        )
    kept = x[:, :, ::stride, ::stride]
    zeros = torch.zeros(len(x), channels - x.shape[1], *kept.shape[2:])
    return torch.cat([kept, zeros], dim=1)


def printed_block(x: Tensor, block: nn.Module, option: str, stride: int) -> Tensor:
    """The equation in each block's docstring, term by term."""
    if isinstance(block, PreActivationBlock):
        branch = printed_convolution(printed_norm(x, block.norm1).relu(), block.conv1, stride)
        branch = printed_convolution(printed_norm(branch, block.norm2).relu(), block.conv2, 1)
        return branch + printed_shortcut(x, block, option, branch.shape[1], stride)
    if isinstance(block, Bottleneck):
        branch = printed_norm(printed_convolution(x, block.conv1, 1), block.norm1).relu()
        branch = printed_norm(printed_convolution(branch, block.conv2, stride), block.norm2).relu()
        branch = printed_norm(printed_convolution(branch, block.conv3, 1), block.norm3)
    else:
        branch = printed_norm(printed_convolution(x, block.conv1, stride), block.norm1).relu()
        branch = printed_norm(printed_convolution(branch, block.conv2, 1), block.norm2)
    return (branch + printed_shortcut(x, block, option, branch.shape[1], stride)).relu()


@pytest.mark.parametrize("option", ["A", "B", "C"])
@pytest.mark.parametrize("block", [BasicBlock, Bottleneck, PreActivationBlock])
def test_a_network_equals_the_printed_equations(block, option, exact):
    config = ResNetConfig(
        (2, 3),
        (3, 4),
        n_classes=K,
        large_stem=False,
        bottleneck=block is Bottleneck,
        shortcut=option,
        in_channels=P,
    )
    kind = PreActivationResNet if block is PreActivationBlock else ResNet
    model = randomised(kind(config)).train()
    x = images(SMALL_IMAGE)
    right = printed_convolution(x, model.stem[0], 1)
    if kind is ResNet:
        right = printed_norm(right, model.stem[1]).relu()
    for stage, stride in zip(model.stages, (1, 2), strict=True):
        for index, layer in enumerate(stage):
            assert type(layer) is block
            right = printed_block(right, layer, option, stride if index == 0 else 1)
    if kind is PreActivationResNet:
        right = printed_norm(right, model.final[0]).relu()
    found = {"features": model.features(x), "logits": model(x)}
    pooled = right.flatten(2).sum(dim=2) / (7 * 5)
    right = {
        "features": right,
        "logits": pooled @ model.classifier.weight.T + model.classifier.bias,
    }
    worst = worst_error(found, right)
    print(f"worst error {worst:.1e}")
    assert worst <= 1e-10
