"""Plain and residual networks of four depths, trained once per seed on the handwritten digits; others examine them.

A plain network is its residual twin without the shortcuts: the same layers, the same parameters, the same start.
"""

import copy
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.data import digits
from generators.experiment import Stage
from generators.training import rate_of, sgd, training
from implementations.resnet import BasicBlock, ResNet, cifar

DEPTHS = (8, 20, 56, 110)
HALF_WAY = (20, 56)  # depths whose state half-way through training is kept too


class PlainBlock(BasicBlock):
    """The same two convolutions in line, with nothing added."""

    def forward(self, x: Tensor) -> Tensor:
        """Rectify the branch alone."""
        return self.branch(x).relu_()


BLOCKS: dict[str, type[nn.Module]] = {"plain": PlainBlock, "residual": BasicBlock}


def named(arm: str, depth: int) -> str:
    """A network by its kind and depth: `plain_56`."""
    return f"{arm}_{depth}"


def build(arm: str, depth: int, width: int = 8) -> ResNet:
    """An untrained network, plain or residual."""
    return network(BLOCKS[arm], depth, width)


def network(block: type[nn.Module], depth: int, width: int = 8, shortcut: str = "A") -> ResNet:
    """An untrained network for the digits; channels last, which is faster at this size by a seventh.

    Args:
        block: What its stages are made of.
        depth: 6n + 2.
        width: Channels of the first stage, on 8x8 pixels; the others have 4x4 and 2x2.
        shortcut: Option A, B or C.
    """
    config = cifar(depth, width, shortcut=shortcut, in_channels=1)
    return ResNet(config, block).to(memory_format=torch.channels_last)


def batches(seed: int, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pictures and labels without end, shuffled anew in every epoch; the same for every network of a seed."""
    images, labels = digits("train")
    shuffle = torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(images), generator=shuffle).split(batch):
            if len(chosen) == batch:  # a small last batch would have noisy statistics
                yield images[chosen].to(memory_format=torch.channels_last), labels[chosen]


def learning(
    model: nn.Module,
    seed: int,
    batch: int,
    steps: int,
    lr: float,
    warmup: int,
    weight_decay: float,
) -> Iterator[tuple[int, float]]:
    """Train as the paper does but for its schedule: SGD with momentum, nothing clipped, no augmentation.

    Yields:
        The step, from 1, and its loss before the update.
    """

    def loss_of(pair: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = pair
        return F.cross_entropy(model(images), labels)

    yield from training(
        model,
        loss_of,
        batches(seed, batch),
        steps,
        lr,
        warmup,
        weight_decay,
        clip=math.inf,
        optimizer=sgd,
    )


def fitted(
    make: Callable[[], nn.Module], seed: int, lr: float, **rest: Any
) -> tuple[nn.Module, list[float]]:
    """A network made and trained from a seed, its norms settled; and the loss of every step."""
    torch.manual_seed(seed)
    model = make()
    losses = [loss for _, loss in learning(model, seed, lr=lr, **rest)]
    settle(model)
    return model, losses


@torch.no_grad()
def settle(model: nn.Module) -> None:
    """Give each batch norm the mean and variance over all training pictures, as the authors did after training.

    What the moving averages hold is from some steps ago, and in a deep plain network every layer's statistics move
    with all layers before it.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    was_training = model.training
    for norm in norms:
        norm.momentum = 1.0  # what is seen now replaces what was remembered
    model.train()
    model(all_of("train")[0])
    model.train(was_training)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


@functools.cache
def all_of(split: str) -> tuple[Tensor, Tensor]:
    """All pictures and labels of a split, channels last."""
    images, labels = digits(split)
    return images.to(memory_format=torch.channels_last), labels


@torch.no_grad()
def judged(model: nn.Module, split: str) -> tuple[float, float]:
    """Mean loss and accuracy over a split, in evaluation mode."""
    was_training = model.training
    images, labels = all_of(split)
    logits = model.eval()(images)
    model.train(was_training)
    right = (logits.argmax(dim=1) == labels).double().mean().item()
    return F.cross_entropy(logits, labels).item(), right


def mean_loss(model: nn.Module, split: str) -> float:
    """Mean loss over a split, in evaluation mode."""
    return judged(model, split)[0]


def accuracy(model: nn.Module, split: str) -> float:
    """Share of a split that is classified rightly, in evaluation mode."""
    return judged(model, split)[1]


def make_trained(
    seed: int,
    depths: list[int],
    width: int,
    batch: int,
    steps: int,
    warmup: int,
    weight_decay: float,
    lr: float | Mapping[str, float],
) -> dict[str, Tensor]:
    """Train every network from the same seed on the same batches, each with its own learning rate.

    Returns:
        `residual_56.end.<name>`: state at the end, its norms' statistics over the whole training set (`settle`);
        `residual_56.half.<name>`: the same half-way, for two depths; `residual_56.losses`: the loss of every step's
        batch; `residual_56.train` and `.test`: loss and accuracy at the end; `residual_56.moving`: the same two of
        the training set with the moving averages instead.
    """
    kept: dict[str, Tensor] = {}
    for depth in depths:
        for arm in BLOCKS:
            name = named(arm, depth)
            torch.manual_seed(seed)
            model = build(arm, depth, width)
            losses = []
            rate = rate_of(name, lr)
            for step, loss in learning(model, seed, batch, steps, rate, warmup, weight_decay):
                losses.append(loss)
                if step == steps // 2 and depth in HALF_WAY:
                    twin = copy.deepcopy(model)
                    settle(twin)
                    kept |= state(f"{name}.half", twin)
            moving = judged(model, "train")
            settle(model)
            kept |= state(f"{name}.end", model)
            numbers = {
                "losses": losses,
                "moving": moving,
                "train": judged(model, "train"),
                "test": judged(model, "test"),
            }
            for what, values in numbers.items():
                kept[f"{name}.{what}"] = torch.tensor(values, dtype=torch.float64)
    return kept


def state(start: str, model: nn.Module) -> dict[str, Tensor]:
    """A copy of a model's state under names that begin with `start`."""
    return {f"{start}.{name}": tensor.clone() for name, tensor in model.state_dict().items()}


def restored(
    trained: dict[str, Tensor], arm: str, depth: int, moment: str = "end", width: int = 8
) -> ResNet:
    """A network of the stage, in evaluation mode: at the end of training, or half-way (`moment="half"`)."""
    model = build(arm, depth, width)
    start = f"{named(arm, depth)}.{moment}."
    model.load_state_dict(
        {name.removeprefix(start): t for name, t in trained.items() if name.startswith(start)}
    )
    return model.eval()


def curve(losses: list[float], points: int) -> list[float]:
    """Losses averaged over equal stretches of training, the last of them up to the end."""
    edges = [len(losses) * point // points for point in range(points + 1)]
    stretches = [losses[start:end] for start, end in itertools.pairwise(edges)]
    return [round(sum(part) / len(part), 5) for part in stretches if part]


def steps_to(losses: list[float], level: float, window: int = 5) -> int:
    """The first step by which the mean of the last few losses is below a level; one past the end if it never is."""
    for step in range(window, len(losses) + 1):
        if sum(losses[step - window : step]) / window < level:
            return step
    return len(losses) + 1


# The best of a sweep on the seed that is never reported: `depth` declares it.
RATES = dict(
    plain_8=0.1,
    residual_8=0.3,
    plain_20=0.1,
    residual_20=0.1,
    plain_56=0.03,
    residual_56=0.03,
    plain_110=0.01,
    residual_110=0.01,
)
LEARNING: dict[str, Any] = dict(width=8, batch=64, steps=110, warmup=10, weight_decay=1e-4)
SMALL_LEARNING: dict[str, Any] = dict(steps=2, warmup=1)

STAGES = {
    "trained": Stage(
        make=make_trained,
        settings={**LEARNING, "depths": list(DEPTHS), "lr": RATES},
        smoke={**SMALL_LEARNING, "depths": [8, 20, 56]},
    ),
}
