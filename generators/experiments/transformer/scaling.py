r"""Why scores are divided by $\sqrt{d_k}$: what random vectors do to the softmax, and training with and without."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.transformer.components import Unscaled, without
from generators.experiments.transformer.pairs import compared, config_for
from generators.experiments.transformer.task import corpus
from generators.record import Record
from implementations.transformer import MultiHeadAttention, Transformer, TransformerConfig

# Random vectors --------------------------------------------------------------------------------------------


def products(queries: int, keys: int, width: int) -> tuple[Tensor, Tensor]:
    """Random keys of unit variance, each query's own, and their products with it: N S K and N S."""
    q = torch.randn(queries, 1, width)
    k = torch.randn(queries, keys, width)
    return k, (q @ k.transpose(1, 2))[:, 0]


def softmax_gradient(weights: Tensor, direction: Tensor) -> Tensor:
    """Gradient of each row of `weights . direction` by what entered the softmax."""
    return weights * (direction - (weights * direction).sum(dim=-1, keepdim=True))


def saturation(queries: int, keys: int, widths: list[int]) -> dict[str, Any]:
    """For each width: variance of the products, largest weight, and gradients behind the softmax and at the query.

    The gradients are of the weights' product with a random direction. `gradient` is the mean norm by the scores that
    enter the softmax, `typical_gradient` the median; `query_gradient` and `typical_query_gradient` are the same by
    the query, which lies behind the division.
    """
    variance: dict[str, float] = {}
    ratio: dict[str, float] = {}
    names = (
        "top_weight",
        "gradient",
        "typical_gradient",
        "query_gradient",
        "typical_query_gradient",
    )
    found: dict[str, dict[str, dict[str, float]]] = {
        name: {"scaled": {}, "unscaled": {}} for name in names
    }
    for width in widths:
        k, scores = products(queries, keys, width)
        direction = torch.randn(queries, keys)
        variance[str(width)] = scores.var().item()
        ratio[str(width)] = scores.var().item() / width
        for arm, factor in (("scaled", 1 / math.sqrt(width)), ("unscaled", 1.0)):
            weights = (scores * factor).softmax(dim=-1)
            by_score = softmax_gradient(weights, direction)
            by_query = factor * (by_score[:, None] @ k)[:, 0]
            norms, query_norms = by_score.norm(dim=-1), by_query.norm(dim=-1)
            for name, value in zip(
                names,
                (
                    weights.amax(dim=-1).mean(),
                    norms.mean(),
                    norms.median(),
                    query_norms.mean(),
                    query_norms.median(),
                ),
                strict=True,
            ):
                found[name][arm][str(width)] = value.item()
    return {
        "variance": variance,
        "variance_ratio": ratio,
        **found,
        **{f"{name}_lost": lost(found[name]) for name in names if "gradient" in name},
    }


def lost(measured: dict[str, dict[str, float]]) -> dict[str, float]:
    """How many times smaller a quantity is without scaling, by width."""
    return {
        width: scaled / measured["unscaled"][width] for width, scaled in measured["scaled"].items()
    }


# Training --------------------------------------------------------------------------------------------------

ARMS: dict[str, Callable[[TransformerConfig], Transformer]] = {
    "scaled": Transformer,
    "unscaled": without(MultiHeadAttention, Unscaled),
}


def scaling(
    seed: int,
    queries: int,
    keys: int,
    widths: list[int],
    limit: int,
    merges: int,
    batch: int,
    steps: int,
    warmup: int,
    points: int,
    lr: float | dict[str, float],
    **sizes: int,
) -> dict[str, Any]:
    """Random vectors of many widths; then German to English with one wide head, its scores divided or not."""
    random_vectors = saturation(queries, keys, widths)
    data = corpus(limit, merges)
    config = config_for(data, **sizes)
    accuracy, curves = compared(ARMS, seed, data, config, batch, steps, lr, warmup, points)
    return {
        **random_vectors,
        "accuracy": accuracy,
        "gain": accuracy["scaled"] - accuracy["unscaled"],
        "curves": curves,
        "steps_per_point": steps / points,
        "tested": len(data.tested),
    }


EXPERIMENTS = {
    "scaling": Experiment(
        question="Does the division by the root of the key width keep the softmax from saturating?",
        run=scaling,
        settings=dict(
            queries=2000,
            keys=32,
            widths=[4, 8, 16, 32, 64, 128, 256, 512],
            limit=1000,
            merges=100,
            batch=32,
            steps=250,
            warmup=50,
            points=25,
            lr=dict(scaled=1e-3, unscaled=2e-3),
            d_model=128,
            n_heads=1,
            d_ff=128,
            n_layers=2,
        ),
        smoke=dict(
            queries=20,
            keys=4,
            widths=[4, 512],
            limit=100,
            merges=30,
            batch=8,
            steps=4,
            warmup=2,
            points=2,
            d_model=8,
            d_ff=16,
            n_layers=1,
        ),
        seeds=(0, 1, 2, 3),
        tune={"lr": [5e-4, 1e-3, 2e-3, 4e-3]},
        score="accuracy",
        tolerance=dict(
            variance=1e-2,
            variance_ratio=1e-4,
            top_weight=1e-4,
            gradient=1e-4,
            typical_gradient=1e-4,
            query_gradient=1e-3,
            typical_query_gradient=1e-3,
            gradient_lost=1e-2,
            typical_gradient_lost=1.0,
            query_gradient_lost=1e-2,
            typical_query_gradient_lost=0.1,
            accuracy=0.3,
            gain=0.4,
            curves=3.0,
        ),
    ),
}


def keeps_the_softmax_alive(record: Record) -> str:
    """Holds if three things are so, each by its interval over seeds.

    The variance of q.k is within 10 % of d_k at every width; without scaling, the mean gradient through the softmax
    at the largest width is at least 10 times smaller; and training without scaling ends with fewer exact matches.
    In part if the variance grows so and either the median gradient is 10 times smaller or training is worse.
    """
    ratios = [record[f"variance_ratio.{width}"] for width in record.runs[0]["variance_ratio"]]
    if not all(ratio.low >= 0.9 and ratio.high <= 1.1 for ratio in ratios):
        return FAILS
    widest = max(record.runs[0]["variance_ratio"], key=int)
    worse = record["gain"].low > 0
    if record[f"gradient_lost.{widest}"].low >= 10 and worse:
        return HOLDS
    return IN_PART if worse or record[f"typical_gradient_lost.{widest}"].low >= 10 else FAILS


CLAIMS = [
    Claim(
        id="A1",
        text="Without the division by the root of d_k, wide vectors leave the softmax hardly any gradient.",
        where="Section 3.2.1",
        experiment="transformer.scaling",
        did="Random vectors of width 4 to 512 against 32 keys, then German to English with one head of width 128. "
        "The number is how many times smaller the mean gradient through the softmax is at width 512 without scaling.",
        rule=Rule(keeps_the_softmax_alive, forecast=0.03),
        measured="gradient_lost.512:x",
    ),
]
