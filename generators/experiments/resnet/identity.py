"""The algebra of Identity Mappings (He et al., 2016, Sections 2 and 3), in float64, on networks never trained.

All blocks have the same width, so that every shortcut is the identity, or the identity times lambda.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.record import Record
from implementations.resnet import PreActivationResNet, ResNet, ResNetConfig


class Scaled(nn.Module):
    """A shortcut that carries its input times a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Scale the input."""
        return self.factor * x


def identity(
    seed: int, blocks: int, width: int, batch: int, size: int, factors: list[float], points: int
) -> dict[str, Any]:
    r"""How exactly a deep output is a sum over blocks, and which way its gradient takes back.

    With shortcuts scaled by $\lambda$, $x_L = \lambda^L x_0 + \sum_i \lambda^{L-1-i} F(x_i)$. So the gradient at
    $x_0$ is $\lambda^L$ times that at $x_L$ (the direct term), plus what comes through the branches (their Eq. 8).
    """
    config = ResNetConfig((blocks,), (width,), n_classes=10, large_stem=False, in_channels=1)
    torch.set_default_dtype(torch.float64)
    try:
        images, labels = torch.randn(batch, 1, size, size), torch.randint(10, (batch,))
        by_factor = {}
        for factor in factors:
            torch.manual_seed(seed)
            model = PreActivationResNet(config)
            for block in model.stages[0]:
                block.shortcut = Scaled(factor)
            by_factor[named(factor)] = taken_apart(model, factor, images, labels, points)
        torch.manual_seed(seed)
        original = taken_apart(ResNet(config), 1.0, images, labels, points)
    finally:
        torch.set_default_dtype(torch.float32)
    errors = ("sum_error", "direct_error", "parts_error")
    return {
        "worst": max(net[error] for net in by_factor.values() for error in errors),
        "by_factor": by_factor,
        "original": original,
        "block": points_of(blocks, points),
    }


def named(factor: float) -> str:
    """A factor as the name of a number in the record: 0.5 is `0_5`."""
    return f"{factor:g}".replace(".", "_")


def points_of(blocks: int, points: int) -> list[int]:
    """Some of 0 ... blocks, at equal distances, both ends among them."""
    return [round(index * blocks / (points - 1)) for index in range(points)]


def taken_apart(
    model: ResNet, factor: float, images: Tensor, labels: Tensor, points: int
) -> dict[str, Any]:
    """Forward and backward through the blocks of one stage, all at once and in parts.

    Returns:
        Relative errors of the sum over blocks, of the direct term, and of the two parts of the gradient together;
        sizes of the gradient at x_0 and of its direct term, in units of the gradient at x_L.
    """
    blocks = model.stages[0]
    start = model.stem(images).detach().requires_grad_()
    xs, branches = [start], []
    for block in blocks:
        xs.append(block(xs[-1]))
        branches.append(block.branch(xs[-2]))
    last = len(blocks)
    total = sum(factor ** (last - 1 - index) * branch for index, branch in enumerate(branches))
    loss = F.cross_entropy(model.classifier(model.final(xs[-1]).mean(dim=(2, 3))), labels)
    gradients = torch.autograd.grad(loss, xs, retain_graph=True)
    through_branches = torch.autograd.grad(total, start, gradients[-1], retain_graph=True)[0]
    x = start
    for block in blocks:
        x = block.branch(x.detach()) + block.shortcut(x)
    direct = torch.autograd.grad(x, start, gradients[-1])[0]
    at_end = gradients[-1].norm()
    return {
        "sum_error": apart(factor**last * start + total, xs[-1]),
        "direct_error": apart(direct, factor**last * gradients[-1]),
        "parts_error": apart(direct + through_branches, gradients[0]),
        "gradient": (gradients[0].norm() / at_end).item(),
        "direct": (direct.norm() / at_end).item(),
        "product": factor**last,
        "by_block": [(gradients[i].norm() / at_end).item() for i in points_of(last, points)],
    }


def apart(a: Tensor, b: Tensor) -> float:
    """The distance of a from b, in units of b's length."""
    return ((a - b).norm() / b.norm()).item()


EXPERIMENTS = {
    "identity": Experiment(
        question="Is a deep output a sum over blocks, and does its gradient come back through the shortcuts alone?",
        run=identity,
        settings=dict(
            blocks=54, width=16, batch=8, size=8, factors=[0.5, 0.9, 1.0, 1.1], points=10
        ),
        smoke=dict(blocks=3, width=4, batch=4, size=4, points=4),
        kind="exact",
        # The sizes of gradients follow from random weights, and float64 keeps them on any processor.
        tolerance=dict(worst=1e-10, by_factor=1e-6, original=1e-6),
    ),
}


def is_exact(record: Record) -> str:
    """Holds if the sum, the direct term and the two parts of the gradient are met to 1e-10 in every seed."""
    return HOLDS if record["worst"].max <= 1e-10 else FAILS


def small_factors_vanish(record: Record) -> str:
    """Holds if both factors below 1 leave the first block at most a tenth of the gradient that factor 1 leaves it.

    Both gradients in units of the one at the last block; every seed. In part if one of the two factors does.
    """
    whole = record["by_factor.1.gradient"].values
    vanish = [
        all(scaled <= 0.1 * kept for scaled, kept in zip(record[path].values, whole, strict=True))
        for path in ("by_factor.0_5.gradient", "by_factor.0_9.gradient")
    ]
    return HOLDS if all(vanish) else IN_PART if any(vanish) else FAILS


CLAIMS = [
    Claim(
        id="B11",
        text="What pre-activation blocks put out is their input plus all residuals. With shortcuts scaled by lambda "
        "the direct way back of the gradient is the product of the lambdas.",
        where="Identity Mappings, Eq. 4 to 8",
        experiment="resnet.identity",
        did="Took the forward and the backward pass through 54 blocks apart, in float64, for lambda 0.5, 0.9, 1 and "
        "1.1; the number is the largest relative error.",
        rule=Rule(is_exact, forecast=0.99),
        measured="worst:sci",
    ),
    Claim(
        id="R3",
        text="Shortcuts scaled by less than one make the gradient vanish.",
        where="said of Identity Mappings, Section 3.1, which says it of the direct term alone",
        experiment="resnet.identity",
        did="Measured the whole gradient at the first of 54 untrained blocks, in units of that at the last; the "
        "number is for shortcuts scaled by 0.5.",
        rule=Rule(small_factors_vanish, forecast=0.1),
        measured="by_factor.0_5.gradient:sci",
        said=True,
    ),
]
