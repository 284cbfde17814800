"""What all tests of parity share: how near is equal, how far two answers are apart."""

import torch
from torch import Tensor

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


def worst_error(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """The largest difference between tensors, in units of each one's largest entry (at least 1)."""
    assert ours.keys() == theirs.keys()
    worst = 0.0
    for name, right in theirs.items():
        assert ours[name].shape == right.shape, name
        size = max(1.0, right.abs().max().item())
        worst = max(worst, (ours[name] - right).abs().max().item() / size)
    return worst


def pull_back(outputs: list[Tensor]) -> None:
    """Send the same random gradient into the outputs of either implementation."""
    generator = torch.Generator().manual_seed(1)
    for output in outputs:
        direction = torch.randn(output.shape, generator=generator, dtype=output.dtype)
        (output * direction).sum().backward(retain_graph=True)
