"""The loss around a trained network on a square of two random directions (Li et al., 2018), plain and residual.

A direction has for each filter random numbers, scaled to the length of that filter; norms and the classifier's bias
stay as they are. Norms take their statistics from the pictures at hand, as in training: this is the surface that
training walks on. With frozen statistics the same square looks entirely different, so that is measured too.
"""

import copy
import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.resnet.lesions import network
from generators.experiments.resnet.trained import all_of, build
from generators.record import Record
from implementations.resnet import ResNet

Direction = dict[str, Tensor]  # by the name of a parameter


def direction(model: ResNet) -> Direction:
    """A random step for each kernel and for the classifier's matrix, as long as the weights filter by filter."""
    found = {}
    for name, weight in model.named_parameters():
        if weight.ndim > 1:
            step = torch.randn_like(weight).flatten(1)
            scale = weight.detach().flatten(1).norm(dim=1) / step.norm(dim=1)
            found[name] = (step * scale[:, None]).view_as(weight)
    return found


@torch.no_grad()
def surface(
    model: ResNet, directions: tuple[Direction, Direction], ticks: list[float], count: int
) -> list[list[float]]:
    """The loss on some training pictures at every point of a square; rows go along the first direction."""
    images, labels = (part[:count] for part in all_of("train"))
    moved = copy.deepcopy(model)
    ways = [
        (weight, moved.get_parameter(name), *(way[name] for way in directions))
        for name, weight in model.named_parameters()
        if name in directions[0]
    ]
    rows = []
    for x in ticks:
        row = []
        for y in ticks:
            for weight, target, first, second in ways:
                target.copy_(weight + x * first + y * second)
            row.append(F.cross_entropy(moved(images), labels).item())
        rows.append(row)
    return rows


def bends_down(rows: list[list[float]]) -> float:
    """The share of places, along rows and along columns, where the surface is not convex."""
    grid = torch.tensor(rows, dtype=torch.float64)
    bends = [grid.diff(n=2, dim=dim).flatten() for dim in (0, 1)]
    return (torch.cat(bends) < 0).double().mean().item()


def dips(rows: list[list[float]]) -> int:
    """How many points inside the square are lower than all eight around them."""
    grid = torch.tensor(rows, dtype=torch.float64)[None, None]
    lowest_around = -F.max_pool2d(-grid, 3, stride=1)
    return int((grid[:, :, 1:-1, 1:-1] == lowest_around).sum())


def uphill(rows: list[list[float]]) -> float:
    """The share of steps away from the middle, along rows and columns, on which the loss rises."""
    grid = torch.tensor(rows, dtype=torch.float64)
    middle = len(rows) // 2
    rises = []
    for side in (grid, grid.flip(0), grid.T, grid.T.flip(0)):
        rises.append((side[middle:].diff(dim=0) > 0).flatten())
    return torch.cat(rises).double().mean().item()


def landscape(
    seed: int,
    trained: dict[str, Tensor],
    nets: list[str],
    untrained: list[str],
    points: int,
    pictured: int,
    picture_points: int,
    count: int,
) -> dict[str, Any]:
    """How rough the loss is around each network, by three numbers; and for one seed the surfaces themselves.

    Args:
        seed: For the directions.
        trained: The stage.
        nets: Names of networks: a plain one, its residual twin (equal random numbers for both), a shallow plain one.
        untrained: Names of networks whose surface is measured before training too.
        points: Ticks on each side of the square, whose corners are one filter's length away in both directions.
        pictured: The seed whose surfaces are kept.
        picture_points: Ticks for these; the ticks of all seeds are among them.
        count: Training pictures whose loss is measured.

    Returns:
        By network: `bends_down`, `dips`, `uphill` (see these functions), the loss in the middle, the share of the
        square where it is below half of what guessing costs, and the mean loss at the corners as a power of ten,
        with the batch's statistics and with frozen ones.
    """
    finer = (picture_points - 1) // (points - 1) if seed == pictured else 1
    coarse, fine = ticks_of(points), ticks_of((points - 1) * finer + 1)
    trained_nets, before, pictures = {}, {}, {}
    for name in nets:
        model = network(trained, name)
        torch.manual_seed(seed)
        ways = direction(model), direction(model)
        frozen = surface(model, ways, [-1.0, 1.0], count)
        seen = surface(model.train(), ways, fine, count)
        pictures[name] = [[round(loss, 3) for loss in row] for row in seen]
        trained_nets[name] = {
            **shape([row[::finer] for row in seen[::finer]]),
            "corners_frozen": at_corners(frozen),
        }
    for name in untrained:
        arm, depth = name.split("_")
        torch.manual_seed(seed)
        model = build(arm, int(depth))
        torch.manual_seed(seed)
        before[name] = shape(surface(model, (direction(model), direction(model)), coarse, count))
    plain, residual, shallow = (trained_nets[name] for name in nets)
    return {
        "by_network": trained_nets,
        "untrained": before,
        "smoother_with_shortcuts": residual["uphill"] - plain["uphill"],
        "rougher_with_depth": shallow["uphill"] - plain["uphill"],
        "fewer_dips": plain["dips"] - residual["dips"],
        "pictures": {"ticks": fine, **pictures} if seed == pictured else {},
    }


def ticks_of(points: int) -> list[float]:
    """So many numbers from -1 to 1 at equal distances."""
    return [2 * index / (points - 1) - 1 for index in range(points)]


def shape(rows: list[list[float]]) -> dict[str, float]:
    """What a surface comes to."""
    losses = [loss for row in rows for loss in row]
    return {
        "bends_down": bends_down(rows),
        "dips": dips(rows),
        "uphill": uphill(rows),
        "middle": rows[len(rows) // 2][len(rows) // 2],
        "low": sum(loss < math.log(10) / 2 for loss in losses) / len(losses),
        "corners": at_corners(rows),
    }


def at_corners(rows: list[list[float]]) -> float:
    """The mean of the four corners' losses, each as a power of ten."""
    corners = [rows[x][y] for x in (0, -1) for y in (0, -1)]
    return sum(math.log10(max(loss, 1e-30)) for loss in corners) / 4


EXPERIMENTS = {
    "landscape": Experiment(
        question="How rough is the loss around a trained network, with shortcuts and without?",
        run=landscape,
        settings=dict(
            nets=["plain_56", "residual_56", "plain_20"],
            untrained=["residual_56", "plain_20"],
            points=11,
            pictured=0,
            picture_points=21,
            count=64,
        ),
        smoke=dict(points=3, picture_points=5, count=16),
        stages=("trained",),
        tolerance=dict(
            by_network=None,
            untrained=None,
            smoother_with_shortcuts=0.4,
            rougher_with_depth=0.4,
            fewer_dips=10,
            pictures=None,
        ),
    ),
}


def shortcuts_smooth(record: Record) -> str:
    """Holds if around the plain network of 56 the loss rises less often than around the residual one and plain-20.

    On the way out from the trained weights; both differences of the shares, paired by seed, must lie above 0.1 with
    their intervals. In part if only that to the residual network does.
    """
    smooth = record["smoother_with_shortcuts"].low > 0.1
    deep = record["rougher_with_depth"].low > 0.1
    return HOLDS if smooth and deep else IN_PART if smooth else FAILS


CLAIMS = [
    Claim(
        id="V3",
        text="With depth the loss around a plain network becomes chaotic; shortcuts keep it smooth.",
        where="Li et al. 2018, Sections 5.1 and 5.2",
        experiment="resnet.landscape",
        did="Measured the training loss on a square along two random directions, filter by filter as long as the "
        "weights, and counted on how many steps outwards it rises. The number is for the plain network of 56 layers; "
        "a coin would say 50 %.",
        rule=Rule(shortcuts_smooth, forecast=0.75),
        measured="by_network.plain_56.uphill:pct",
    ),
]
