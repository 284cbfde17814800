"""A small convolutional net without a norm, with layer norm in two forms, and with batch norm (Section 6.7)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.layernorm.digit_nets import error, means, train
from generators.record import Record
from generators.training import rate_of
from implementations.layernorm import BatchNorm, LayerNorm


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel by itself, as later nets have it."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.norm = LayerNorm(n_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Channels to the end and back."""
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


# How a norm is made for so many channels of pictures of so many pixels each way.
ARMS: dict[str, Callable[[int, int], nn.Module]] = {
    "none": lambda n_channels, side: nn.Identity(),
    "layer_norm": lambda n_channels, side: LayerNorm((n_channels, side, side)),
    "channel_norm": lambda n_channels, side: ChannelNorm(n_channels),
    "batch_norm": lambda n_channels, side: BatchNorm(n_channels),
}


def conv_net(n_channels: int, norm: Callable[[int, int], nn.Module]) -> nn.Sequential:
    """Three convolutions, the second of which halves the sides, each with a norm before its ReLU."""
    layers: list[nn.Module] = []
    for n_inputs, stride, side in ((1, 1, 8), (n_channels, 2, 4), (n_channels, 1, 4)):
        convolution = nn.Conv2d(n_inputs, n_channels, 3, stride, padding=1)
        layers += [convolution, norm(n_channels, side), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * n_channels, 10))


def convolutions(
    seed: int,
    n_channels: int,
    batch: int,
    steps: int,
    points: int,
    levels: dict[str, float],
    lr: float | dict[str, float],
) -> dict[str, Any]:
    """How fast each net learns, and what it gets right in the end."""
    losses, accuracy = {}, {}
    for arm, norm in ARMS.items():
        torch.manual_seed(seed)
        model = conv_net(n_channels, norm)
        torch.manual_seed(seed)
        losses[arm] = [*train(model, batch, steps, rate_of(arm, lr))]
        accuracy[arm] = 1 - error(model.eval())
    mean = {arm: sum(values) / len(values) for arm, values in losses.items()}
    return {
        "accuracy": accuracy,
        "speed": {arm: -value for arm, value in mean.items()},
        "mean_loss": mean,
        "gain": {
            "layer_norm_on_none": mean["none"] - mean["layer_norm"],
            "batch_norm_on_layer_norm": mean["layer_norm"] - mean["batch_norm"],
            "channel_norm_on_layer_norm": mean["layer_norm"] - mean["channel_norm"],
        },
        "more_right": {
            "layer_norm_on_none": accuracy["layer_norm"] - accuracy["none"],
            "batch_norm_on_layer_norm": accuracy["batch_norm"] - accuracy["layer_norm"],
            "channel_norm_on_layer_norm": accuracy["channel_norm"] - accuracy["layer_norm"],
        },
        "steps_to": {
            name: {arm: first_below(values, level) for arm, values in losses.items()}
            for name, level in levels.items()
        },
        "curves": {arm: means(values, points) for arm, values in losses.items()},
    }


def first_below(losses: list[float], level: float, window: int = 5) -> int:
    """The step at which the mean of the last few losses is first below a level; all steps where it never is."""
    for step in range(window, len(losses) + 1):
        if sum(losses[step - window : step]) / window < level:
            return step
    return len(losses)


EXPERIMENTS = {
    "convolutions": Experiment(
        question="Which norm helps a convolutional net?",
        run=convolutions,
        settings=dict(
            n_channels=12,
            batch=64,
            steps=100,
            points=20,
            levels=dict(half=0.5, tenth=0.1),
            lr=dict(none=2e-2, layer_norm=1e-2, channel_norm=1e-2, batch_norm=2e-2),
        ),
        smoke=dict(n_channels=2, batch=8, steps=6, points=3),
        seeds=(0, 1, 2, 3, 4),
        tune={"lr": [3e-3, 1e-2, 2e-2, 4e-2]},
        score="speed",
        tolerance=dict(
            **dict(accuracy=0.3, speed=1.0, mean_loss=1.0, gain=1.0, more_right=0.3),
            **dict(steps_to=None, curves=None),
        ),
    ),
}


def each_norm_learns_faster(record: Record) -> str:
    """Holds if the mean training loss falls from none to layer norm to batch norm, both intervals lying above 0.

    In part if one of the two does. The mean is over all steps: it is low for a net that learns early and far.
    """
    steps = ("layer_norm_on_none", "batch_norm_on_layer_norm")
    faster = [record[f"gain.{step}"].low > 0 for step in steps]
    return HOLDS if all(faster) else IN_PART if any(faster) else FAILS


def channels_are_better(record: Record) -> str:
    """Holds if the mean training loss over the channels is the lower one, the interval lying above 0."""
    return HOLDS if record["gain.channel_norm_on_layer_norm"].low > 0 else FAILS


CLAIMS = [
    Claim(
        id="C6",
        text="In convolutional nets layer norm learns faster than no norm, and batch norm faster still.",
        where="Section 6.7",
        experiment="layernorm.convolutions",
        did="Trained a net of three convolutions on digits with each, equal steps, each with its own rate; compared "
        "the mean training loss. The number is what batch norm gains on layer norm.",
        rule=Rule(each_norm_learns_faster, forecast=0.8),
        measured="gain.batch_norm_on_layer_norm:f3",
    ),
    Claim(
        id="N3",
        text="In convolutional nets layer norm should run over the channels only, not over the picture.",
        where="said since nets like ConvNeXt; the paper normalises over all of a layer's units",
        experiment="layernorm.convolutions",
        did="Replaced the norm over channels and pixels by one over the channels of each pixel. "
        "The number is what that gains in mean training loss.",
        rule=Rule(channels_are_better, forecast=0.1),
        measured="gain.channel_norm_on_layer_norm:f3",
        said=True,
    ),
]
