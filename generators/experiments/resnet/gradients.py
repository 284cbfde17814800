"""Sizes of gradients over depth: at the start and half-way, plain and residual, with norms and without.

He et al. (Section 4.1) say that plain networks with batch norm do not suffer from vanishing gradients. Yang et al.
(2019) say what they may suffer from instead: batch norm makes gradients grow on their way back through an untrained
network. Whether that is what keeps plain networks from learning is tried out: one is trained with gradients whose
sizes are made equal in all layers.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.resnet.trained import (
    LEARNING,
    SMALL_LEARNING,
    all_of,
    build,
    learning,
    mean_loss,
    named,
    restored,
    settle,
)
from generators.record import Record
from generators.training import rate_of
from implementations.resnet import ResNet

# Networks ---------------------------------------------------------------------------------------------------


def without_norms(model: ResNet) -> ResNet:
    """The same network, every norm replaced by nothing."""
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            model.set_submodule(name, nn.Identity())
    return model


def without_borders(model: ResNet) -> ResNet:
    """The same network, what lies beyond a border taken from the other side instead of zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.padding_mode = "circular"
    return model


def untrained(arm: str, depth: int, width: int) -> ResNet:
    """A network of one of the four arms at its start."""
    if arm in ("plain", "residual"):
        return build(arm, depth, width)
    model = without_norms(build("plain", depth, width))
    return without_borders(model) if arm == "plain_borderless" else model


ARMS = ("plain", "residual", "plain_normless", "plain_borderless")  # the last has no norms either


# Gradients --------------------------------------------------------------------------------------------------


def sizes(model: ResNet, count: int) -> dict[str, list[float]]:
    """Of each 3x3 convolution in the blocks: norm of its kernel's gradient, of its output's, and its output's spread.

    In powers of ten; on some training pictures, which give the norms their statistics.
    """
    images, labels = (part[:count] for part in all_of("train"))
    convolutions = [c for stage in model.stages for b in stage for c in (b.conv1, b.conv2)]
    outputs: list[Tensor] = []
    for convolution in convolutions:
        convolution.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    loss = F.cross_entropy(model.train()(images), labels)
    kernels = [convolution.weight for convolution in convolutions]
    gradients = torch.autograd.grad(loss, [*kernels, *outputs])
    return {
        "kernel": [decades(gradient.norm()) for gradient in gradients[: len(kernels)]],
        "output": [decades(gradient.norm()) for gradient in gradients[len(kernels) :]],
        "spread": [decades(output.detach().std()) for output in outputs],
    }


def decades(size: Tensor) -> float:
    """A size as a power of ten; nothing is taken for 1e-30."""
    return math.log10(max(size.item(), 1e-30))


def growth(curve: list[float]) -> float:
    """By how much a size is multiplied from each layer to the one before it: least squares over all layers."""
    layers = torch.arange(len(curve), dtype=torch.float64)
    layers = layers - layers.mean()
    slope = (layers @ torch.tensor(curve, dtype=torch.float64)) / (layers @ layers)
    return 10 ** -slope.item()


def thinned(curve: list[float], points: int) -> list[float]:
    """At most so many points of a curve at equal distances, both ends among them."""
    kept = min(points, len(curve))
    return [round(curve[round(i * (len(curve) - 1) / (kept - 1))], 3) for i in range(kept)]


# An intervention --------------------------------------------------------------------------------------------


def equalise(model: ResNet) -> None:
    """From now on, scale each gradient to the length of what it belongs to, so that all layers move equally far.

    Gains and biases, of which the latter begin at zero, are taken to have entries of 1.
    """

    def scale(weight: Tensor) -> None:
        length = weight.detach().norm() if weight.ndim > 1 else math.sqrt(weight.numel())
        weight.grad.mul_(length / weight.grad.norm().clamp_min(1e-30))

    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(scale)


def equalised_loss(depth: int, width: int, seed: int, lr: float, **learned: Any) -> float:
    """Training loss of a plain network whose layers all moved equally far; a run that diverges ends at chance."""
    torch.manual_seed(seed)
    model = build("plain", depth, width)
    equalise(model)
    try:
        for _ in learning(model, seed, lr=lr, **learned):
            pass
    except FloatingPointError:
        return math.log(10)
    settle(model)
    return mean_loss(model, "train")


# The experiment ---------------------------------------------------------------------------------------------


def gradients(
    seed: int,
    trained: dict[str, Tensor],
    depths: list[int],
    half_way: list[int],
    count: int,
    points: int,
    equal_lr: float | Mapping[str, float],
    width: int,
    **learned: Any,
) -> dict[str, Any]:
    """Sizes of gradients before training and half-way; and what plain networks learn when all are made equal.

    Args:
        seed: Of the networks and the batches.
        trained: The stage.
        depths: Depths that are looked at before training.
        half_way: Depths that are looked at half-way; the same two learn with equal gradients.
        count: Pictures for a gradient.
        points: Layers kept for the figure.
        equal_lr: Learning rate with equal gradients, by network.
        width: Of the networks of the stage.
        learned: How the networks of the stage have learned.

    Returns:
        Under `start` and `half` for each network: the curves; `first_over_last`, the ratio of the first kernel's
        gradient to the last one's, in decades, and the same for the layers' outputs; `growth` per layer on the way
        back; `middle`, the median size of a kernel's gradient, and `first_spread`, the spread of the first kernel's
        output, in decades: what a norm hides when a kernel has grown.
    """
    start: dict[str, dict[str, Any]] = {}
    for depth in depths:
        for arm in ARMS:
            torch.manual_seed(seed)
            start[named(arm, depth)] = told(sizes(untrained(arm, depth, width), count), points)
    half = {
        named(arm, depth): told(sizes(restored(trained, arm, depth, "half", width), count), points)
        for depth in half_way
        for arm in ("plain", "residual")
    }
    usual = {
        named(arm, depth): trained[f"{named(arm, depth)}.train"][0].item()
        for depth in half_way
        for arm in ("plain", "residual")
    }
    equal = {}
    for depth in half_way:
        name = named("plain", depth)
        equal[name] = equalised_loss(depth, width, seed, rate_of(name, equal_lr), **learned)
    shallow, deep = (named("plain", depth) for depth in half_way)
    gap = usual[deep] - usual[named("residual", half_way[1])]
    return {
        "start": start,
        "half": half,
        "loss": usual,
        "equal_loss": equal,
        "minus_equal_loss": {name: -loss for name, loss in equal.items()},
        "degradation": usual[deep] - usual[shallow],
        "equal_degradation": equal[deep] - equal[shallow],
        "closed": (usual[deep] - equal[deep]) / max(gap, 0.01),
    }


def told(found: dict[str, list[float]], points: int) -> dict[str, Any]:
    """The curves of a network and what they come to."""
    kernel, output = found["kernel"], found["output"]
    return {
        "curve": {name: thinned(curve, points) for name, curve in found.items()},
        "first_over_last": kernel[0] - kernel[-1],
        "outputs_first_over_last": output[0] - output[-1],
        "growth": growth(kernel),
        "middle": sorted(kernel)[len(kernel) // 2],
        "first_spread": found["spread"][0],
    }


EXPERIMENTS = {
    "gradients": Experiment(
        question="Do gradients of deep plain networks vanish, and is it their sizes that keep these from learning?",
        run=gradients,
        settings=dict(
            depths=[20, 56, 110],
            half_way=[20, 56],
            count=256,
            points=20,
            equal_lr=dict(plain_20=0.01, plain_56=0.01),
            **LEARNING,
        ),
        smoke=dict(depths=[20, 56], count=32, points=4, **SMALL_LEARNING),
        stages=("trained",),
        tune={"equal_lr": [0.001, 0.003, 0.01, 0.03]},
        score="minus_equal_loss",
        tolerance=dict(
            start=0.5,
            half=6.0,
            loss=1.5,
            equal_loss=1.0,
            minus_equal_loss=1.0,
            degradation=1.5,
            equal_degradation=1.0,
            closed=None,
        ),
    ),
}


def healthy(record: Record) -> str:
    """Holds if the first and last kernels' gradients of deep plain networks are within a factor of 10, by intervals.

    For 56 and 110 layers at the start and 56 half-way, while the plain network of 56 learns worse than that of 20. In
    part if they do not vanish: no first one is below a tenth of the last one, but some are above ten times of it.
    """
    ratios = [
        record["start.plain_56.first_over_last"],
        record["start.plain_110.first_over_last"],
        record["half.plain_56.first_over_last"],
    ]
    if record["degradation"].low <= 0 or any(ratio.low < -1 for ratio in ratios):
        return FAILS
    return HOLDS if all(ratio.high <= 1 for ratio in ratios) else IN_PART


def sizes_are_not_the_reason(record: Record) -> str:
    """Holds if with equal gradients 56 plain layers still learn worse than 20, and less than half of the gap closes.

    The gap is that between the training losses of the plain and the residual network of 56; by intervals. In part if
    only the first is so.
    """
    if record["equal_degradation"].low <= 0:
        return FAILS
    return HOLDS if record["closed"].high < 0.5 else IN_PART


def early_layers_starve(record: Record) -> str:
    """Holds if, without norms, the first kernel's gradient is below a tenth of the last one's, by the interval.

    In 110 plain layers before training. In part if it is so only for the gradients of the layers' outputs.
    """
    start = "start.plain_normless_110"
    if record[f"{start}.first_over_last"].high < -1:
        return HOLDS
    return IN_PART if record[f"{start}.outputs_first_over_last"].high < -1 else FAILS


CLAIMS = [
    Claim(
        id="B5",
        text="With batch norm the gradients of deep plain networks have healthy sizes, so it is not for vanishing "
        "gradients that these learn worse.",
        where="Section 4.1",
        experiment="resnet.gradients",
        did="Compared the gradients of the first and the last kernel, before training and half-way. The number is "
        "the factor from each of 110 plain layers to the one before it, at the start.",
        rule=Rule(healthy, forecast=0.1),
        measured="start.plain_110.growth:f2",
    ),
    Claim(
        id="B12",
        text="It is not the sizes of the gradients that keep deep plain networks from learning.",
        where="Section 4.1, which leaves the reason open and guesses at slow convergence",
        experiment="resnet.gradients",
        did="Scaled all gradients so that each layer moves equally far, each network at its own rate. The number is "
        "the share of the gap between the plain and the residual network of 56 layers that this closes.",
        rule=Rule(sizes_are_not_the_reason, forecast=0.75),
        measured="closed:pct0",
    ),
    Claim(
        id="R4",
        text="Without batch norm, gradients vanish in the first layers of a deep plain network, not in the last.",
        where="said of deep networks before batch norm; He et al., Section 1, name vanishing gradients",
        experiment="resnet.gradients",
        did="Took the norms out of 110 untrained layers. The number is the median size of a kernel's gradient, as a "
        "power of ten.",
        rule=Rule(early_layers_starve, forecast=0.15),
        measured="start.plain_normless_110.middle:f1",
        said=True,
    ),
]
