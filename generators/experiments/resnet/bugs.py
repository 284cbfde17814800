"""The bug gallery: mistakes in residual networks of 20 layers, and what each looks like from outside."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.resnet.trained import (
    LEARNING,
    RATES,
    SMALL_LEARNING,
    all_of,
    curve,
    fitted,
    judged,
    network,
    restored,
    steps_to,
)
from generators.record import Record
from implementations.resnet import BasicBlock, ResNet, ResNetConfig


class PaddedBefore(nn.Module):
    """Option A with its zeros before the channels that are there, not after them."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels = channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Pad on the wrong side."""
        new = self.channels - x.shape[1]
        return F.pad(F.avg_pool2d(x, 1, self.stride), (0, 0, 0, 0, new, 0))


class PaddingBefore(BasicBlock):
    """Uses `PaddedBefore` where the shape changes."""

    def __init__(self, in_channels: int, width: int, stride: int, config: ResNetConfig) -> None:
        super().__init__(in_channels, width, stride, config)
        if not isinstance(self.shortcut, nn.Identity):
            self.shortcut = PaddedBefore(width, stride)


class RectifiedBefore(BasicBlock):
    """ReLU before the addition: a block can add to its input, and never take away."""

    def forward(self, x: Tensor) -> Tensor:
        """Rectify too early."""
        return self.branch(x).relu() + self.shortcut(x)


class Detached(BasicBlock):
    """The shortcut carries its input, and no gradient back."""

    def forward(self, x: Tensor) -> Tensor:
        """Cut the way back."""
        return (self.branch(x) + self.shortcut(x).detach()).relu()


class GradientOnly(BasicBlock):
    """The opposite of `Detached`: the shortcut carries the gradient back, and nothing forward.

    No mistake that anybody makes, but it says which of the two ways the shortcut is for.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Add zeros whose gradient is that of the shortcut."""
        carried = self.shortcut(x)
        return (self.branch(x) + carried - carried.detach()).relu()


class NoNorm(BasicBlock):
    """Batch norm is forgotten in the blocks."""

    def __init__(self, in_channels: int, width: int, stride: int, config: ResNetConfig) -> None:
        super().__init__(in_channels, width, stride, config)
        self.norm1 = self.norm2 = nn.Identity()


def bottlenecks(blocks: int, width: int, stride_in_first: bool) -> ResNet:
    """Three stages of bottlenecks for the digits, each with the stride in the 3x3 convolution or in the first 1x1."""
    config = ResNetConfig(
        (blocks, blocks, blocks),
        (width, 2 * width, 4 * width),
        n_classes=10,
        large_stem=False,
        bottleneck=True,
        in_channels=1,
        stride_in_first=stride_in_first,
    )
    return ResNet(config).to(memory_format=torch.channels_last)


# Bugs of the model, which can be trained: how a network of a given depth and width is made.
IN_TRAINING: dict[str, Callable[[int, int], nn.Module]] = {
    "padding_before": partial(network, PaddingBefore),
    "relu_before_addition": partial(network, RectifiedBefore),
    "shortcut_detached": partial(network, Detached),
    "norm_forgotten": partial(network, NoNorm),
}
BOTTLENECKS = {"right_bottleneck": False, "stride_in_first": True}
RIGHT_OF = {"stride_in_first": "right_bottleneck"}  # the others are held against "right"
BUGS = (*IN_TRAINING, "stride_in_first")
WAYS = {
    "neither": "neither",
    "forward": "shortcut_detached",
    "backward": "backward",
    "both": "right",
}


@torch.no_grad()
def in_batches(model: nn.Module, order: Tensor, batch: int) -> float:
    """Accuracy on the test pictures with the statistics of each batch of theirs: the norms are not frozen."""
    images, labels = all_of("test")
    moving = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    found = [(model(images[chosen]).argmax(1) == labels[chosen]) for chosen in order.split(batch)]
    model.load_state_dict(moving)  # looking has moved the averages
    model.eval()
    return torch.cat(found).double().mean().item()


def used_wrongly(right: nn.Module, wrong: nn.Module) -> float:
    """Test accuracy of a network with a bug that gets the weights of the right one; they fit without an error."""
    wrong.load_state_dict(right.state_dict())
    return judged(wrong, "test")[1]


def bugs(
    seed: int,
    trained: dict[str, Tensor],
    depth: int,
    blocks: int,
    width: int,
    batch: int,
    steps: int,
    warmup: int,
    weight_decay: float,
    lr: float,
    level: float,
    points: int,
) -> dict[str, Any]:
    """Every bug trained at the right network's rate, and some used with the right network's weights.

    `loss_above` is how far a bug's training loss lies above the right network's, `lost` what it costs in test
    accuracy. `weights_of_right` is the accuracy of a wrong network that was given the right one's weights;
    `not_frozen` that of the right network whose norms use the test batch: shuffled, sorted by digit, or one by one.
    `ways` are the training losses of shortcuts that go neither way (the plain twin of the stage), only forward
    (detached), only backward, and both; `ways_accuracy` the test accuracies; `below_plain` how much lower than the
    plain twin's loss each is.
    """
    learn = partial(
        fitted,
        seed=seed,
        lr=lr,
        batch=batch,
        steps=steps,
        warmup=warmup,
        weight_decay=weight_decay,
    )
    right = restored(trained, "residual", depth, width=width)
    models: dict[str, nn.Module] = {"right": right}
    losses = {"right": trained[f"residual_{depth}.losses"].tolist()}
    for bug, make in IN_TRAINING.items():
        models[bug], losses[bug] = learn(partial(make, depth, width))
    for arm, in_first in BOTTLENECKS.items():
        models[arm], losses[arm] = learn(partial(bottlenecks, blocks, width, in_first))
    models["neither"] = restored(trained, "plain", depth, width=width)
    models["backward"], _ = learn(partial(network, GradientOnly, depth, width))
    loss, accuracy = {}, {}
    for arm, model in models.items():
        loss[arm] = judged(model, "train")[0]
        accuracy[arm] = judged(model, "test")[1]
    labels = all_of("test")[1]
    by_digit, at_random = labels.argsort(stable=True), torch.randperm(len(labels))
    not_frozen = {
        "shuffled": in_batches(right, at_random, batch),
        "sorted": in_batches(right, by_digit, batch),
        "single": in_batches(right, at_random, 1),
    }
    return {
        "loss": loss,
        "accuracy": accuracy,
        "loss_above": {bug: loss[bug] - loss[RIGHT_OF.get(bug, "right")] for bug in BUGS},
        "lost": {
            **{bug: accuracy[RIGHT_OF.get(bug, "right")] - accuracy[bug] for bug in BUGS},
            **{
                f"not_frozen_{order}": accuracy["right"] - found
                for order, found in not_frozen.items()
            },
        },
        "weights_of_right": {
            "padding_before": used_wrongly(right, network(PaddingBefore, depth, width)),
            "relu_before_addition": used_wrongly(right, network(RectifiedBefore, depth, width)),
            "stride_in_first": used_wrongly(
                models["right_bottleneck"], bottlenecks(blocks, width, True)
            ),
        },
        "not_frozen": not_frozen,
        "ways": {way: loss[arm] for way, arm in WAYS.items()},
        "ways_accuracy": {way: accuracy[arm] for way, arm in WAYS.items()},
        "below_plain": {way: loss["neither"] - loss[arm] for way, arm in WAYS.items()},
        "forward_below_backward": loss["backward"] - loss["shortcut_detached"],
        "steps": {arm: steps_to(values, level) for arm, values in losses.items()},
        "curves": {arm: curve(values, points) for arm, values in losses.items()},
    }


EXPERIMENTS = {
    "bugs": Experiment(
        question="What do well-known bugs of residual networks look like from outside?",
        run=bugs,
        settings={
            **LEARNING,
            **dict(depth=20, blocks=2, lr=RATES["residual_20"], level=0.5, points=22),
        },
        smoke={**SMALL_LEARNING, **dict(depth=8, blocks=1, points=2)},
        stages=("trained",),
        tolerance=dict(
            loss=1.0,
            accuracy=0.4,
            loss_above=1.0,
            lost=0.5,
            weights_of_right=0.6,
            not_frozen=0.4,
            ways=1.0,
            ways_accuracy=0.4,
            below_plain=1.0,
            forward_below_backward=1.0,
            steps=60,
            curves=3.0,
        ),
    ),
}


def bugs_show_in_the_loss(record: Record) -> str:
    """Holds if every bug ends with a training loss above the right network's, the interval above 0.

    In part if that is so for some of them.
    """
    seen = [record[f"loss_above.{bug}"].low > 0 for bug in BUGS]
    return HOLDS if all(seen) else IN_PART if any(seen) else FAILS


def unfrozen_norm_ruins_it(record: Record) -> str:
    """Holds if test accuracy falls by over 5 points in shuffled batches too, by the lower end of the interval.

    In part if it does only in batches sorted by class or of one picture.
    """
    ruined = {
        order: record[f"lost.not_frozen_{order}"].low > 0.05
        for order in ("shuffled", "sorted", "single")
    }
    return HOLDS if ruined["shuffled"] else IN_PART if any(ruined.values()) else FAILS


def gradient_is_what_counts(record: Record) -> str:
    """Holds if a shortcut for the gradient alone ends below the plain twin's training loss and below forward alone.

    The interval of both differences does not touch 0. In part if it ends below the plain twin's only.
    """
    if record["below_plain.backward"].low <= 0:
        return FAILS
    return HOLDS if record["forward_below_backward"].high < 0 else IN_PART


CLAIMS = [
    Claim(
        id="R1",
        text="A wrong residual block shows in the training loss.",
        where="said when a loss curve looks healthy",
        experiment="resnet.bugs",
        did="Padding on the wrong side, ReLU before the addition, a shortcut without gradient, no norm, and the "
        "bottleneck's stride in its first convolution, each trained as the right network is. The number is how far "
        "the training loss lies above the right one's for the wrong padding.",
        rule=Rule(bugs_show_in_the_loss, forecast=0.03),
        measured="loss_above.padding_before:f3",
        said=True,
    ),
    Claim(
        id="R2",
        text="Forgetting to freeze batch norm at test time ruins the accuracy.",
        where="said of every forgotten model.eval()",
        experiment="resnet.bugs",
        did="The right network tested with the statistics of the test batch: shuffled, sorted by digit, and one "
        "picture at a time. The number is what shuffled batches cost in accuracy.",
        rule=Rule(unfrozen_norm_ruins_it, forecast=0.1),
        measured="lost.not_frozen_shuffled:pct",
        said=True,
    ),
    Claim(
        id="R5",
        text="Shortcuts help because they give the gradient a way back.",
        where="said to explain residual networks; the paper itself doubts it (Section 4.1)",
        experiment="resnet.bugs",
        did="Shortcuts that carry only the gradient, only the signal, both or neither, at 20 layers. The number is "
        "how far the training loss with the gradient alone lies below the plain twin's.",
        rule=Rule(gradient_is_what_counts, forecast=0.04),
        measured="below_plain.backward:f2",
        said=True,
    ),
]
