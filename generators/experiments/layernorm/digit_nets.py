"""The small net on the handwritten digits that several experiments of this paper train, with one norm or another."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.data import digits
from generators.training import Groups, adamw, training
from implementations.layernorm import BatchNorm, LayerNorm

Batch = tuple[Tensor, Tensor]
Norm = Callable[[int], nn.Module]  # from the number of units

NORMS: dict[str, Norm] = {
    "none": lambda n_units: nn.Identity(),
    "layer_norm": LayerNorm,
    "batch_norm": BatchNorm,
}


def mlp(n_hidden: int, norm: Norm) -> nn.Sequential:
    """64-H-H-10, a norm after each hidden linear map and before its ReLU; none on the logits (Section 6.6)."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, n_hidden),
        norm(n_hidden),
        nn.ReLU(),
        nn.Linear(n_hidden, n_hidden),
        norm(n_hidden),
        nn.ReLU(),
        nn.Linear(n_hidden, 10),
    )


def shuffled(batch: int) -> Iterator[Batch]:
    """Batches without end: every picture once an epoch, but for those that do not fill a last batch."""
    images, labels = digits("train")
    while True:
        order = torch.randperm(len(images))
        for chosen in order[: len(order) // batch * batch].split(batch):
            yield images[chosen], labels[chosen]


def train(
    model: nn.Module,
    batch: int,
    steps: int,
    lr: float | Callable[[int], float],
    optimizer: Callable[[Groups], torch.optim.Optimizer] = adamw,
    clip: float = 1.0,
) -> Iterator[float]:
    """Train on shuffled digits; the loss of every step."""

    def loss_of(pictures: Batch) -> Tensor:
        return F.cross_entropy(model(pictures[0]), pictures[1])

    steps_and_losses = training(
        model, loss_of, shuffled(batch), steps, lr, clip=clip, optimizer=optimizer
    )
    for _, loss in steps_and_losses:
        yield loss


@torch.no_grad()
def error(model: nn.Module, batch: int = 0, order: Tensor | None = None) -> float:
    """The share of test pictures that a model, in the mode it is in, takes for another digit.

    Args:
        model: From pictures to logits.
        batch: How many pictures it is shown at a time; 0 for all.
        order: In which order.
    """
    images, labels = digits("test")
    if order is not None:
        images, labels = images[order], labels[order]
    guesses = [model(some).argmax(dim=1) for some in images.split(batch or len(images))]
    return (torch.cat(guesses) != labels).double().mean().item()


def means(values: list[float], points: int) -> list[float]:
    """A curve of about so many points, each the mean of a stretch; what fills no stretch at the end is left out."""
    length = max(1, len(values) // points)
    return [
        round(sum(stretch) / length, 5)
        for stretch in (values[i : i + length] for i in range(0, len(values), length))
        if len(stretch) == length
    ]
