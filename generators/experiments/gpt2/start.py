"""The residual stream before training: how long it gets with depth, and what the smaller start changes."""

import math
from typing import Any

import torch
from torch import Tensor

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.transformer.warmup import exponent
from generators.record import Record
from implementations.gpt1 import GPT1, next_token_loss
from implementations.gpt2 import GPT2
from implementations.transformer import TransformerConfig


def drawn(arm: str, config: TransformerConfig) -> GPT1:
    """A new model: as ours starts, without the scaling, by the root of L alone, or with the norm after each sum."""
    if arm == "post_norm":
        return GPT1(config)
    model = GPT2(config)
    by = {"scaled": 1.0, "plain": math.sqrt(2 * config.n_layers), "root_of_l": math.sqrt(2)}[arm]
    with torch.no_grad():
        for block in model.blocks:
            block.attention.output.weight *= by
            block.feed_forward.contract.weight *= by
    return model


def look(model: GPT1, tokens: Tensor) -> dict[str, float]:
    """Mean square of the stream behind the last block, and what follows from it: logits, loss, gradient.

    `from_embeddings` is the share of the stream's square that points along the embeddings of its own position;
    `first_gradient` is the length of the first block's gradient.
    """
    kept: list[Tensor] = []
    hook = model.blocks[-1].register_forward_hook(lambda module, given, x: kept.append(x.detach()))
    logits = model(tokens)
    hook.remove()
    loss = next_token_loss(logits, tokens)
    loss.backward()
    (x,) = kept
    with torch.no_grad():
        along = torch.cosine_similarity(x, model.embed(tokens), dim=-1)
    first = sum(p.grad.square().sum().item() for p in model.blocks[0].parameters())
    measured = {
        "stream": x.square().mean().item(),
        "from_embeddings": along.square().mean().item(),
        "logits": logits.std().item(),
        "loss": loss.item(),
        "first_gradient": math.sqrt(first),
    }
    return {name: float(f"{value:.5g}") for name, value in measured.items()}


def residual_start(
    seed: int,
    depths: list[int],
    vocabulary: int,
    d_model: int,
    context: int,
    batch: int,
    released_width: int,
    released_depth: int,
) -> dict[str, Any]:
    """New models of several depths on random tokens, and one of GPT-2's smallest size with its code's constants.

    `exponent` is the power of the depth with which the mean square grows, `growth` its ratio between the two ends.
    """
    sizes = dict(n_heads=4, dropout=0.0, context=context)
    tokens = torch.randint(vocabulary, (batch, context))
    found: dict[str, list[dict[str, float]]] = {}
    for arm in ("plain", "scaled", "root_of_l", "post_norm"):
        found[arm] = []
        for depth in depths:
            torch.manual_seed(seed)
            config = TransformerConfig(
                vocabulary, d_model, d_ff=4 * d_model, n_layers=depth, **sizes
            )
            found[arm].append(look(drawn(arm, config), tokens))
    torch.manual_seed(seed)
    released = GPT2(
        TransformerConfig(
            vocabulary,
            released_width,
            n_heads=released_width // 64,
            d_ff=4 * released_width,
            n_layers=released_depth,
            dropout=0.0,
            context=context,
        )
    )
    with torch.no_grad():
        released.positions.weight /= 2  # 0.01; all else is 0.02 at the width of 768
    every = {
        arm: {name: [each[name] for each in looks] for name in looks[0]}
        for arm, looks in found.items()
    }
    return {
        "depths": depths,
        **every,
        "exponent": {arm: exponent(depths, each["stream"]) for arm, each in every.items()},
        "growth": {arm: each["stream"][-1] / each["stream"][0] for arm, each in every.items()},
        "logits_without": every["plain"]["logits"][-1] / every["scaled"]["logits"][-1],
        "gradient_without": every["plain"]["first_gradient"][-1]
        / every["scaled"]["first_gradient"][-1],
        "released": look(released, tokens),
    }


EXPERIMENTS = {
    "residual_start": Experiment(
        question="How long is a new model's residual stream by depth, if residual layers start smaller or not?",
        run=residual_start,
        settings=dict(
            depths=[2, 4, 8, 16, 32, 64],
            vocabulary=512,
            d_model=64,
            context=32,
            batch=8,
            released_width=768,
            released_depth=12,
        ),
        smoke=dict(
            depths=[1, 2],
            vocabulary=20,
            d_model=8,
            context=8,
            batch=2,
            released_width=64,
            released_depth=1,
        ),
        seeds=(0, 1, 2, 3, 4),
        tolerance=dict(
            **dict.fromkeys(("plain", "scaled", "root_of_l", "post_norm", "released"), 0.02),
            **dict.fromkeys(("exponent", "growth"), 0.02),
            **dict.fromkeys(("logits_without", "gradient_without"), 0.01),
        ),
    ),
}


def linear_and_flat(record: Record) -> str:
    """Holds if the stream's mean square grows about linearly with depth without the scaling and hardly with it.

    By the fitted power of the depth, the whole interval: from 0.75 to 1.25 without, from -0.25 to 0.25 with it. In
    part if the power without it is larger by 0.5 at least, interval against interval.
    """
    without, scaled = record["exponent.plain"], record["exponent.scaled"]
    linear = without.low >= 0.75 and without.high <= 1.25
    if linear and scaled.low >= -0.25 and scaled.high <= 0.25:
        return HOLDS
    return IN_PART if without.low - scaled.high >= 0.5 else FAILS


def output_explodes(record: Record) -> str:
    """Holds if at the largest depth the logits without the scaling spread twice as far as with it, by the interval.

    In part if the first block's gradient is twice as long.
    """
    if record["logits_without"].low >= 2:
        return HOLDS
    return IN_PART if record["gradient_without"].low >= 2 else FAILS


def mostly_branches(record: Record) -> str:
    """Holds if in the smallest released size less than a tenth of the stream's square comes from its embeddings."""
    return HOLDS if record["released.from_embeddings"].high < 0.1 else FAILS


CLAIMS = [
    Claim(
        id="F3",
        text="Smaller residual layers keep the residual stream from growing with depth.",
        where="Section 2.3",
        experiment="gpt2.residual_start",
        did="New models of 2 to 64 blocks of width 64, with the two matrices that write to the stream divided by the "
        "root of 2 L and not. The number is the power of the depth with which the mean square grows without it.",
        rule=Rule(linear_and_flat, forecast=0.85),
        measured="exponent.plain:f2",
    ),
    Claim(
        id="L18",
        text="In a new GPT-2 next to nothing of the embeddings is left behind the last block: what blocks add is "
        "much longer.",
        where="our own",
        experiment="gpt2.residual_start",
        did="The smallest size with the released constants, random tokens: the share of the stream's square, behind "
        "the last block, along the embeddings of the same position.",
        rule=Rule(mostly_branches, forecast=0.9),
        measured="released.from_embeddings:pct",
    ),
    Claim(
        id="N18",
        text="Without smaller residual layers the outputs of a new deep model explode.",
        where="said when the scaling is explained",
        experiment="gpt2.residual_start",
        did="Compared new models of 64 blocks with the scaling and without. The number is how much further the "
        "logits spread without it.",
        rule=Rule(output_explodes, forecast=0.03),
        measured="logits_without:f2",
        said=True,
    ),
]
