"""What the test files of `implementations/layernorm.py` share: sizes, inputs, modules with nothing at its default."""

import torch
from torch import Tensor, nn

from implementations.layernorm import LayerNorm

# Every axis has a size of its own, so that two axes that change places are seen at once.
B, T, I, H, C, Y, X = 4, 5, 3, 7, 6, 2, 8


def summed_inputs(*shape: int) -> Tensor:
    """Random numbers with a mean and a spread of their own, where gradients are wanted."""
    return (0.4 + 1.7 * torch.randn(*shape)).requires_grad_()


def randomised(module: nn.Module) -> nn.Module:
    """The same module with gains around 1 and biases around 0, but at neither."""
    for name, weight in module.named_parameters():
        if name.endswith("gain"):
            nn.init.uniform_(weight, 0.5, 1.5)
        elif name.endswith("bias"):
            nn.init.normal_(weight, std=0.3)
    return module


def without_norms(module: nn.Module) -> nn.Module:
    """The same recurrent module, its layer norms replaced by nothing."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LayerNorm):
                setattr(parent, name, nn.Identity())
    return module


def gradients(module: nn.Module) -> dict[str, Tensor]:
    """The gradient of every weight, by name."""
    return {name: weight.grad for name, weight in module.named_parameters()}
