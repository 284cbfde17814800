"""The one plain training loop."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Progress = Callable[[float, float], None]
Groups = list[dict[str, Any]]
report: Progress = lambda done, loss: None  # noqa: E731  the pool puts its own here, to move the progress bar


def adamw(groups: Groups) -> Optimizer:
    """AdamW with the betas and epsilon of "Attention Is All You Need"."""
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-9, fused=True)


def sgd(groups: Groups) -> Optimizer:
    """Stochastic gradient descent with momentum 0.9, as image networks are trained (He et al., 2015)."""
    return torch.optim.SGD(groups, momentum=0.9)


def training(
    model: nn.Module,
    loss_of: Callable[[Any], Tensor],
    batches: Iterator[Any],
    steps: int,
    lr: float | Callable[[int], float],
    warmup: int = 0,
    weight_decay: float = 0.0,
    clip: float = 1.0,
    optimizer: Callable[[Groups], Optimizer] = adamw,
) -> Iterator[tuple[int, float]]:
    """Train: linear warm-up, cosine decay to zero, clipped gradients.

    The caller walks through the steps and may look at the model between any two:
    `for step, loss in training(...)`.

    Args:
        model: Trained in place; left in training mode at each step.
        loss_of: From a batch to a scalar loss.
        batches: Endless, or at least `steps` long.
        steps: Number of updates.
        lr: Peak learning rate; or the rate at every step, from 1, where a paper has a schedule of its own.
        warmup: Steps from 0 to the peak.
        weight_decay: On matrices and kernels only; AdamW's is decoupled.
        clip: Largest norm of the gradient; infinity leaves it as it is.
        optimizer: Makes an optimizer for the groups of parameters: `adamw` or `sgd`.

    Yields:
        The step, from 1, and its loss before the update.
    """
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    updates = optimizer(groups)
    for step in range(1, steps + 1):
        for group in updates.param_groups:
            group["lr"] = lr(step) if callable(lr) else lr * schedule(step, steps, warmup)
        model.train()
        loss = loss_of(next(batches))
        updates.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        updates.step()
        value = loss.item()
        if not math.isfinite(value):
            raise FloatingPointError(
                f"the loss is {value} at step {step}; a lower learning rate may help"
            )
        report(step / steps, value)
        yield step, value


def rate_of(arm: str, lr: float | Mapping[str, float]) -> float:
    """The learning rate of an arm: its own, or the one that a sweep tries on all of them."""
    return lr[arm] if isinstance(lr, Mapping) else lr


def schedule(step: int, steps: int, warmup: int) -> float:
    """The share of the peak learning rate at a step: a line up, then half a cosine down to zero."""
    if step <= warmup:
        return step / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
