"""Twenty-four layers at a rate fixed from the first step: norm before or after, residual layers small or not."""

import contextlib
import itertools
import math
from collections.abc import Callable
from typing import Any

import torch

from generators.experiment import FAILS, HOLDS, IN_PART, TOO_SMALL, Claim, Experiment, Rule
from generators.experiments.gpt2.corpus import (
    frequency_bits,
    means,
    training_tokens,
    vocabulary,
    windows,
)
from generators.record import Record
from generators.training import rate_of, training
from implementations.gpt1 import GPT1, next_token_loss
from implementations.gpt2 import GPT2
from implementations.transformer import TransformerConfig


@torch.no_grad()
def last_layers_times(model: GPT1, factor: float) -> GPT1:
    """A model whose last matrix in each branch, the one that adds to the stream, is so many times as large."""
    for block in model.blocks:
        for last in (block.attention.output, block.feed_forward.contract):
            last.weight *= factor
    return model


def scaled_post(config: TransformerConfig) -> GPT1:
    """GPT-1 with GPT-2's residual initialisation: its norms stay behind the sums."""
    return last_layers_times(GPT1(config), 1 / math.sqrt(2 * config.n_layers))


def unscaled_pre(config: TransformerConfig) -> GPT1:
    """GPT-2 without its residual initialisation: all matrices start alike."""
    return last_layers_times(GPT2(config), math.sqrt(2 * config.n_layers))


MODELS: dict[str, Callable[[TransformerConfig], GPT1]] = {
    "post": GPT1,
    "post_scaled": scaled_post,
    "post_warm": GPT1,
    "pre_unscaled": unscaled_pre,
    "pre": GPT2,
}


def course(
    model: GPT1, context: int, batch: int, steps: int, rate: Callable[[int], float]
) -> list[float]:
    """The loss at every step, in bits a token, on text that was not read before; a loss that overflows ends it."""
    rows = windows(training_tokens(), batch, context)
    found: list[float] = []
    with contextlib.suppress(FloatingPointError):
        for _, nats in training(
            model, lambda text: next_token_loss(model(text), text), rows, steps, rate
        ):
            found.append(nats / math.log(2))
    return found


def fixed(peak: float, warmup: int) -> Callable[[int], float]:
    """A rate that climbs during the warm-up, if there is one, and then stays."""
    return lambda step: peak * min(1.0, step / warmup) if warmup else peak


def by_frequency(seed: int, context: int, batch: int, steps: int) -> float:
    """The loss of who knows the frequencies of tokens only, on the texts of the last fifth of a course."""
    torch.manual_seed(seed)
    rows = list(itertools.islice(windows(training_tokens(), batch, context), steps))
    return frequency_bits()[torch.cat(rows[-max(1, steps // 5) :])[:, 1:]].mean().item()


def depth(
    seed: int,
    context: int,
    batch: int,
    steps: int,
    warmup: int,
    points: int,
    lr: float | dict[str, float],
    **sizes: int,
) -> dict[str, Any]:
    """The loss of each arm over the last fifth of training, in bits a token; every text is scored before it is read.

    `learnt` is how far it lies below that of who knows the frequencies of tokens only, `norm_first` what
    the place of the norms makes of it, `scaled` what small residual layers do. A loss above that of an even guess
    counts as that, and so do steps after an overflow.
    """
    config = TransformerConfig(len(vocabulary()), dropout=0.0, context=context, **sizes)
    even = math.log2(config.vocab_size)
    loss, curves = {}, {}
    for arm, make in MODELS.items():
        torch.manual_seed(seed)
        model = make(config)
        torch.manual_seed(seed)
        rate = fixed(rate_of(arm, lr), warmup if arm == "post_warm" else 0)
        found = [min(bits, even) for bits in course(model, context, batch, steps, rate)]
        found += [even] * (steps - len(found))
        curves[arm] = means(found, points)
        tail = found[-max(1, steps // 5) :]
        loss[arm] = sum(tail) / len(tail)
    baseline = by_frequency(seed, context, batch, steps)
    return {
        "loss": loss,
        "learnt": {arm: baseline - bits for arm, bits in loss.items()},
        "norm_first": {
            "unscaled": loss["post"] - loss["pre_unscaled"],
            "scaled": loss["post_scaled"] - loss["pre"],
            "papers": loss["post"] - loss["pre"],  # each as its paper has it
        },
        "scaled": {
            "post": loss["post"] - loss["post_scaled"],
            "pre": loss["pre_unscaled"] - loss["pre"],
        },
        "warmed": loss["post"] - loss["post_warm"],
        "scaled_over_warmed": loss["post_warm"] - loss["post_scaled"],
        "frequencies": baseline,
        "curves": curves,
        "score": {arm: -bits for arm, bits in loss.items()},
    }


EXPERIMENTS = {
    "depth": Experiment(
        question="Do 24 layers train at a fixed rate with the norm first, and with the norm last?",
        run=depth,
        settings=dict(
            context=32,
            batch=8,
            steps=200,
            warmup=50,
            points=20,
            lr={
                "post": 1e-3,
                "post_scaled": 1e-3,
                "post_warm": 1e-3,
                "pre_unscaled": 4e-3,
                "pre": 4e-3,
            },
            d_model=32,
            n_heads=2,
            d_ff=128,
            n_layers=24,
        ),
        smoke=dict(context=8, batch=2, steps=5, warmup=2, points=2, d_model=8, d_ff=16, n_layers=2),
        tune={"lr": [5e-4, 1e-3, 2e-3, 4e-3, 8e-3]},
        score="score",
        tolerance=dict(
            **dict.fromkeys(("loss", "learnt", "norm_first", "scaled", "score"), 0.5),
            **dict.fromkeys(("warmed", "scaled_over_warmed"), 0.5),
            frequencies=1e-3,
            curves=1.0,
        ),
    ),
}


def pre_trains_deep(record: Record) -> str:
    """Holds if pre-norm learns more than frequencies, and more than post-norm from the same start, scaled and not.

    By intervals above 0, paired for the comparisons. In part if GPT-2's block is ahead of GPT-1's, each with its own
    start, but not from both starts. Too small if pre-norm does not get below the frequencies either.
    """
    if record["learnt.pre"].low <= 0:
        return TOO_SMALL
    if all(record[f"norm_first.{start}"].low > 0 for start in ("unscaled", "scaled")):
        return HOLDS
    return IN_PART if record["norm_first.papers"].low > 0 else FAILS


def scaling_is_necessary(record: Record) -> str:
    """Holds if pre-norm without small residual layers does not get below the frequencies (its interval reaches 0).

    In part if it does, but ends above pre-norm with them, paired interval above 0.
    """
    if record["learnt.pre_unscaled"].low <= 0:
        return HOLDS
    return IN_PART if record["scaled.pre"].low > 0 else FAILS


def small_start_not_warmup(record: Record) -> str:
    """Holds if small residual layers lower the loss of post-norm, and by more than warm-up, paired intervals above 0.

    In part if only the first.
    """
    if record["scaled.post"].low <= 0:
        return FAILS
    return HOLDS if record["scaled_over_warmed"].low > 0 else IN_PART


CLAIMS = [
    Claim(
        id="F6",
        text="With the norm first deep stacks train without warm-up.",
        where="Section 2.3 moves the norms and gives no reason; the reason is from Xiong et al. 2020",
        experiment="gpt2.depth",
        did="24 layers, 32 wide, at a fixed rate, each arm its own: GPT-1's blocks and GPT-2's, with small residual "
        "layers at the start and without. The number is GPT-1's loss less GPT-2's, in bits a token.",
        rule=Rule(pre_trains_deep, forecast=0.7),
        measured="norm_first.papers:f2",
    ),
    Claim(
        id="L13",
        text="What a deep post-norm model lacks at the start is not warm-up but small residual layers.",
        where="our own",
        experiment="gpt2.depth",
        did="Gave GPT-1's blocks GPT-2's residual initialisation, or warm-up over a quarter of the steps. The number "
        "is how far the first gets below the second, in bits a token.",
        rule=Rule(small_start_not_warmup, forecast=0.65),
        measured="scaled_over_warmed:pm",
    ),
    Claim(
        id="N11",
        text="Without small residual layers at the start a deep pre-norm model does not train.",
        where="said of the 1/sqrt(N) in Section 2.3",
        experiment="gpt2.depth",
        did="The same 24 layers with all matrices drawn alike. The number is what that costs, in bits a token.",
        rule=Rule(scaling_is_necessary, forecast=0.07),
        measured="scaled.pre:pm",
        said=True,
    ),
]
