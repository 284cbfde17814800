"""A few steps of training, for tests that a model learns."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def learns(
    model: nn.Module,
    batch: Callable[[], Tensor],
    loss_of: Callable[[nn.Module, Tensor], Tensor],
    steps: int,
    lr: float = 5e-3,
) -> float:
    """Train in place; the last loss."""
    updates = torch.optim.Adam(model.parameters(), lr=lr)
    model.train()
    for _ in range(steps):
        loss = loss_of(model, batch())
        updates.zero_grad()
        loss.backward()
        updates.step()
    return loss.item()
