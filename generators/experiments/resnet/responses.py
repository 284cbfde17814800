"""How strongly each layer responds: what a norm puts out, before the ReLU and the addition (He et al., Figure 7)."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.resnet.trained import all_of, named, restored
from generators.record import Record
from implementations.resnet import ResNet


def responses(seed: int, trained: dict[str, Tensor], depths: list[int]) -> dict[str, Any]:
    """Standard deviations of all 3x3 layers after training, plain and residual, over all training pictures.

    `gain` is the mean size of the norms' gains: they begin at 1, and what a norm puts out varies as much as its gains
    say. `largest` is the strongest response of a layer. `added` is how large the residual of each block is, in units
    of what its shortcut carries.
    """
    by_layer: dict[str, list[float]] = {}
    mean, largest, gain = {}, {}, {}
    residuals: dict[str, list[float]] = {}
    for depth in depths:
        for arm in ("plain", "residual"):
            name = named(arm, depth)
            model = restored(trained, arm, depth)
            found = spreads(model)
            by_layer[name] = [round(std, 4) for std in found]
            mean[name], largest[name] = sum(found) / len(found), max(found)
            gain[name] = mean_gain(model)
        residuals[named("residual", depth)] = [round(share, 4) for share in added(model)]
    ratio = {str(d): mean[named("plain", d)] / mean[named("residual", d)] for d in depths}
    shallow, deep = (mean[named("residual", depth)] for depth in depths[:2])
    return {
        "by_layer": by_layer,
        "mean": mean,
        "largest": largest,
        "gain": gain,
        "added": residuals,
        "added_mean": {name: sum(shares) / len(shares) for name, shares in residuals.items()},
        "plain_over_residual": ratio,
        "doublings": {depth: math.log2(number) for depth, number in ratio.items()},
        "shallow_minus_deep": shallow - deep,
    }


def convolutional_norms(model: ResNet) -> list[nn.BatchNorm2d]:
    """The norms after the 3x3 convolutions of all blocks, from the first to the last."""
    blocks = [block for stage in model.stages for block in stage]
    return [norm for block in blocks for norm in (block.norm1, block.norm2)]


@torch.no_grad()
def spreads(model: ResNet) -> list[float]:
    """The standard deviation of each norm's output over pictures, channels and pixels."""
    seen: list[float] = []
    hooks = [
        norm.register_forward_hook(lambda module, inputs, output: seen.append(output.std().item()))
        for norm in convolutional_norms(model)
    ]
    model(all_of("train")[0])
    for hook in hooks:
        hook.remove()
    return seen


@torch.no_grad()
def added(model: ResNet) -> list[float]:
    """For each block: how large its residual is, in units of what the shortcut carries (root mean squares)."""
    found = []
    x = model.stem(all_of("train")[0])
    for stage in model.stages:
        for block in stage:
            residual, carried = block.branch(x), block.shortcut(x)
            found.append((residual.square().mean() / carried.square().mean()).sqrt().item())
            x = block(x)
    return found


def mean_gain(model: ResNet) -> float:
    """Mean size of the gains of the norms in the blocks."""
    gains = torch.cat([norm.weight.detach() for norm in convolutional_norms(model)])
    return gains.abs().mean().item()


EXPERIMENTS = {
    "responses": Experiment(
        question="Do the layers of a residual network respond more weakly than those of a plain one?",
        run=responses,
        settings=dict(depths=[20, 56, 110]),
        smoke=dict(depths=[20, 56]),
        stages=("trained",),
        # The gains of a deep plain network explode in its first steps, and then by how much is chance.
        tolerance=dict(
            by_layer=None,
            mean=None,
            largest=None,
            gain=None,
            added=1.0,
            added_mean=0.2,
            plain_over_residual=None,
            doublings=20.0,
            shallow_minus_deep=0.1,
        ),
    ),
}


def residual_responds_weakly(record: Record) -> str:
    """Holds if residual layers respond more weakly than plain ones at every depth, and those of 56 more than of 20.

    Mean standard deviation over layers; both differences, paired by seed, must lie above zero with their intervals
    (the first one in doublings, for ratios are skewed). In part if it is so for 56 layers against plain, or for 56
    against 20.
    """
    weaker = {depth: record[f"doublings.{depth}"].low > 0 for depth in ("20", "56", "110")}
    deeper = record["shallow_minus_deep"].low > 0
    if all(weaker.values()) and deeper:
        return HOLDS
    return IN_PART if weaker["56"] or deeper else FAILS


CLAIMS = [
    Claim(
        id="B4",
        text="Layers of residual networks respond more weakly than those of plain ones, and the more weakly the "
        "deeper the network is.",
        where="Section 4.2, Figure 7",
        experiment="resnet.responses",
        did="Took the standard deviation of what each norm after a 3x3 convolution puts out, over all training "
        "pictures, after training; the number is the mean over the layers of the residual network of 56.",
        rule=Rule(residual_responds_weakly, forecast=0.5),
        measured="mean.residual_56:f3",
    ),
]
