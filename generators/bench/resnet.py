"""Contestants and workloads of the residual network: a training step and an evaluation of its form for small images.

Everybody has the paper's 20 layers and widths, the same batch of images, the same loss, and SGD with momentum. The
images lie in memory as data sets give them, one colour plane after another; whoever works in `channels_last` (all
channels of a pixel side by side), as ours does, turns them first, and that is timed. The libraries know no shortcut
without weights, so theirs project: 1 % more parameters than ours, 0.6 % more multiplications.
"""

import copy
import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.bench import (
    OURS,
    SETTINGS,
    Contestant,
    Goal,
    Ready,
    compete,
    count,
    fast_precision,
    judged,
    learned,
    limits,
    table,
    training,
    versions,
)
from implementations.resnet import ResNet, ResNetConfig, cifar

QUESTION = "How fast is our residual network beside libraries that people use, and what does the memory layout give?"
SETTINGS_OF_RUN = {
    "depth": 20,
    "width": 16,
    "n_classes": 10,
    "side": 32,  # height and width of an image
    "batch": 128,
    "lr": 0.1,
    "checked_steps": 10,
}
LAYOUTS = {"plain": torch.contiguous_format, "channels_last": torch.channels_last}
TOLERANCE = 1e-3  # how far, relatively, a loss in fast precision may be from the default's
GOALS = [
    *(Goal(f"step.{setting}.plain_layout.ratio", 1.15) for setting in SETTINGS),
    *(
        Goal(f"{work}.{setting}.ratio_fastest", 1.0)
        for work in ("step", "evaluation")
        for setting in SETTINGS
    ),
]


def config_of(settings: dict[str, Any]) -> ResNetConfig:
    """The paper's network for small images."""
    return cifar(settings["depth"], settings["width"], n_classes=settings["n_classes"])


# The models: each called with images, each in a layout ---------------------------------------------------


class HuggingFace(nn.Module):
    """The ResNet of `transformers`; its stem is for large images, so one of its own layers takes the stem's place."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        import transformers
        from transformers.models.resnet.modeling_resnet import ResNetConvLayer

        self.model = transformers.ResNetForImageClassification(
            transformers.ResNetConfig(
                num_channels=config.in_channels,
                embedding_size=config.widths[0],
                hidden_sizes=list(config.widths),
                depths=list(config.blocks),
                layer_type="basic",
                num_labels=config.n_classes,
            )
        )
        self.model.resnet.embedder = ResNetConvLayer(
            config.in_channels, config.widths[0], kernel_size=3
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        return self.model(images).logits


def pytorchcv(config: ResNetConfig) -> nn.Module:
    """The network of the same name in `pytorchcv`, which is for images of 32x32 pixels."""
    from pytorchcv.models.resnet_cifar import CIFARResNet

    channels = [[width] * n for n, width in zip(config.blocks, config.widths, strict=True)]
    return CIFARResNet(
        channels,
        init_block_channels=config.widths[0],
        bottleneck=False,
        in_channels=config.in_channels,
        num_classes=config.n_classes,
    )


class InLayout(nn.Module):
    """A model whose weights and images have a memory layout."""

    def __init__(self, model: nn.Module, layout: torch.memory_format) -> None:
        super().__init__()
        self.model = model.to(memory_format=layout)
        self.layout = layout

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        return self.model(images.contiguous(memory_format=self.layout))


def models(config: ResNetConfig) -> dict[str, dict[str, Callable[[], nn.Module]]]:
    """Contestant -> form -> how to build it."""

    def form(make: Callable[[ResNetConfig], nn.Module], layout: str) -> Callable[[], nn.Module]:
        return lambda: InLayout(make(config), LAYOUTS[layout])

    return {
        OURS: {"": form(ResNet, "channels_last")},
        "plain_layout": {"": form(ResNet, "plain")},
        "transformers": {layout: form(HuggingFace, layout) for layout in LAYOUTS},
        "pytorchcv": {layout: form(pytorchcv, layout) for layout in LAYOUTS},
    }


# The workloads ----------------------------------------------------------------------------------------------


def batch_of(settings: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Random images and labels."""
    generator = torch.Generator().manual_seed(0)
    rows, side = settings["batch"], settings["side"]
    images = torch.randn(rows, 3, side, side, generator=generator)
    return images, torch.randint(settings["n_classes"], (rows,), generator=generator)


def trainer(model: nn.Module, images: Tensor, labels: Tensor, lr: float) -> Callable[[], float]:
    """A training step of a model on one batch; the same for all contestants."""
    optimizer = torch.optim.SGD(
        model.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4, fused=True
    )

    def step() -> float:
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def trained(make: Callable[[], nn.Module], images: Tensor, labels: Tensor, lr: float) -> Ready:
    """Build a model and make sure that it trains."""
    torch.manual_seed(0)
    model = make().train()
    return training(model, trainer(model, images, labels, lr))


def evaluated(make: Callable[[], nn.Module], images: Tensor, labels: Tensor) -> Ready:
    """Build a model that scores a batch, with fixed statistics in its norms and without gradients."""
    torch.manual_seed(0)
    model = make().eval()

    def work() -> float:
        with torch.inference_mode():
            return F.cross_entropy(model(images), labels).item()

    work()
    return Ready(work, count(model))


def work_of_an_image(side: int, config: ResNetConfig) -> float:
    """Operations that the forward pass of an image needs: two for each weight and each pixel that it makes.

    A training step takes three times as many. Norms, sums and projections are not counted.
    """
    before = config.widths[0]
    weights_and_pixels = 9 * config.in_channels * before * side**2
    for stage, (blocks, width) in enumerate(zip(config.blocks, config.widths, strict=True)):
        pixels = (side >> stage) ** 2
        weights_and_pixels += 9 * (before + (2 * blocks - 1) * width) * width * pixels
        before = width
    return 2 * (weights_and_pixels + before * config.n_classes)


def contestants(
    ready: Callable[[Callable[[], nn.Module]], Ready], config: ResNetConfig
) -> list[Contestant]:
    """Everybody, made ready for a workload."""
    return [
        Contestant(name, {form: functools.partial(ready, make) for form, make in forms.items()})
        for name, forms in models(config).items()
    ]


# Is fast precision right? -----------------------------------------------------------------------------------


def ours_in_fast_precision(settings: dict[str, Any]) -> dict[str, Any]:
    """Our losses in fast precision beside the default's, from the same start on the same batch."""
    images, labels = batch_of(settings)
    torch.manual_seed(0)
    start = models(config_of(settings))[OURS][""]()

    def build_step() -> Callable[[], float]:
        return trainer(copy.deepcopy(start), images, labels, settings["lr"])

    return fast_precision(build_step, settings["checked_steps"], TOLERANCE)


def run(rounds: int, **settings: Any) -> dict[str, Any]:
    """Everything, with the tables printed as they come."""
    config, batch = config_of(settings), batch_of(settings)
    found: dict[str, Any] = {
        "machine": limits(),
        "fast_precision": ours_in_fast_precision(settings),
    }
    print(f"limits: {found['machine']}\nfast precision: {found['fast_precision']}", flush=True)
    peak = 1e9 * max(found["machine"]["products"].values())
    work = work_of_an_image(settings["side"], config)
    race = functools.partial(compete, rounds=rounds, items=len(batch[0]), peak=peak, item="image")

    ready = functools.partial(trained, images=batch[0], labels=batch[1], lr=settings["lr"])
    found["step"] = learned(race(contestants(ready, config), work_per_item=3 * work))
    print(f"\n{table('training step', found['step'], item='image')}", flush=True)

    ready = functools.partial(evaluated, images=batch[0], labels=batch[1])
    found["evaluation"] = race(contestants(ready, config), work_per_item=work)
    print(f"\n{table('evaluation', found['evaluation'], item='image')}\n", flush=True)
    found |= judged(GOALS, found)
    found["versions"] = versions(["torch", "transformers", "pytorchcv"])
    found["gpu"] = "not measured on a GPU"
    return found
