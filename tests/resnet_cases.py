"""What the test files of `implementations/resnet.py` share: sizes, random networks, what passes through them."""

import torch
from torch import Tensor, nn

from implementations.resnet import BasicBlock, ResNet, ResNetConfig

# Every axis has a size of its own, so that two axes that change places are seen at once.
B, P, K = 5, 2, 7
WIDTHS = (3, 4, 6)
BLOCKS = (2, 1, 3)
SMALL = ResNetConfig(BLOCKS, WIDTHS, n_classes=K, large_stem=False, shortcut="A", in_channels=P)
SMALL_IMAGE = (13, 10)  # 13x10, 7x5, 4x3 in the three stages
LARGE = ResNetConfig((1, 2, 2, 1), (3, 4, 6, 8), n_classes=K, large_stem=True, in_channels=P)
LARGE_IMAGE = (45, 36)  # 23x18 and 12x9 in the stem, then 12x9, 6x5, 3x3, 2x2


class PlainBlock(BasicBlock):
    """The same layers and nobody who adds the input."""

    def forward(self, x: Tensor) -> Tensor:
        """Rectify what the branch says."""
        return self.branch(x).relu()


def images(size: tuple[int, int], rows: int = B) -> Tensor:
    """Random images with a mean and a spread of their own."""
    return 0.3 + 1.7 * torch.randn(rows, P, *size)


def randomised(model: nn.Module) -> nn.Module:
    """The same module with nothing at its default, norms and their running statistics included."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model


def outputs(model: ResNet, kinds: type | tuple[type, ...], x: Tensor) -> list[Tensor]:
    """What each submodule of these kinds puts out, in the order in which they work: the tensors themselves."""
    seen: list[Tensor] = []
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
        for module in model.modules()
        if isinstance(module, kinds)
    ]
    model(x)
    for hook in hooks:
        hook.remove()
    return seen
