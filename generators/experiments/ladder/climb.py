"""What each change of GPT-1 and GPT-2 buys in bits per byte, rung by rung, at two depths."""

import math
import statistics
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.experiment import Claim, Experiment
from generators.experiments.ladder.models import RUNGS
from generators.experiments.ladder.text import Corpus, corpus
from generators.training import rate_of, training
from implementations.transformer import TransformerConfig

FIRST, GPT_1, GPT_2, ANY_WIDTH = (
    "decoder_of_2017",
    "start_by_width",
    "smaller_branches",
    "start_at_any_width",
)


def loss_of(model: nn.Module, rows: Tensor) -> Tensor:
    """Nats for each token but the first, from those before it."""
    return F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())


def windows(text: Tensor, context: int, batch: int, seed: int) -> Iterator[Tensor]:
    """Batches from anywhere in a text, endless; the same seed, the same places."""
    draw = torch.Generator().manual_seed(seed)
    span = torch.arange(context + 1)
    while True:
        yield text[torch.randint(len(text) - context, (batch, 1), generator=draw) + span]


@torch.no_grad()
def bits_per_byte(model: nn.Module, data: Corpus, context: int) -> float:
    """On the whole test text, in windows that follow each other; tokens that fill no window are left out."""
    model.eval()
    parts = data.test.unfold(0, context + 1, context).split(32)
    nats = math.fsum(len(part) * loss_of(model, part).item() for part in parts)
    return nats / sum(map(len, parts)) / math.log(2) / data.bytes_per_token


def climb(
    seed: int,
    depths: list[int],
    vocab_size: int,
    train_every: int,
    test_every: int,
    batch: int,
    steps: int,
    warmup: int,
    lr: float | dict[str, float],
    **sizes: Any,
) -> dict[str, Any]:
    """Train every rung at every depth on equally many tokens; an arm is a rung and its depth, `GELU_12`.

    `bits` are per byte of unseen text; `bought` is the rung below's less its own, `deeper_buys` what it buys at the
    last depth more than at the first. `altogether` is what GPT-2 buys on the tokens of the first rung, `width_buys`
    what drawing GPT-1's weights by the width does, against 0.02 at any width. `score` is the training loss of the
    last fifth, whose texts are as good as unseen too: rates are not tuned on the test text. A loss that overflows
    counts as an even guess.
    """
    context = sizes["context"]
    bits, score = {}, {}
    data = {kind: corpus(kind, vocab_size, train_every, test_every) for kind in ("words", "bytes")}
    for depth in depths:
        config = TransformerConfig(vocab_size, n_layers=depth, dropout=0.0, **sizes)
        for name, rung in RUNGS.items():
            arm, text = f"{name}_{depth}", data[rung.tokens]
            torch.manual_seed(seed)
            model = rung.model(config)
            batches = windows(text.train, context, batch, seed)
            losses = []
            try:
                for _, loss in training(
                    model,
                    lambda rows, at=model: loss_of(at, rows),
                    batches,
                    steps,
                    rate_of(arm, lr),
                    warmup,
                ):
                    losses.append(loss)
                bits[arm] = bits_per_byte(model, text, context)
                score[arm] = -statistics.fmean(losses[-max(1, steps // 5) :])
            except FloatingPointError:
                bits[arm] = math.log2(vocab_size) / text.bytes_per_token
                score[arm] = -math.log(vocab_size)
    bought = {
        f"{name}_{depth}": bits[f"{rung.below}_{depth}"] - bits[f"{name}_{depth}"]
        for depth in depths
        for name, rung in RUNGS.items()
        if rung.below
    }
    shallow, deep = depths[0], depths[-1]
    return {
        "bits": bits,
        "bought": bought,
        "deeper_buys": {
            name: bought[f"{name}_{deep}"] - bought[f"{name}_{shallow}"]
            for name, rung in RUNGS.items()
            if rung.below
        },
        "altogether": {
            str(depth): bits[f"{FIRST}_{depth}"] - bits[f"{GPT_2}_{depth}"] for depth in depths
        },
        "width_buys": {
            str(depth): bits[f"{ANY_WIDTH}_{depth}"] - bits[f"{GPT_1}_{depth}"] for depth in depths
        },
        "score": score,
        "bytes_per_token": {kind: text.bytes_per_token for kind, text in data.items()},
        "unknown": data["words"].unknown,
        "even_guess": math.log2(vocab_size) / data["words"].bytes_per_token,
    }


RATES = {f"{name}_{depth}": 5e-3 for name in RUNGS for depth in (4, 12)}

EXPERIMENTS = {
    "climb": Experiment(
        question="From a decoder of 2017 to GPT-2, change by change: what does each buy, and what does it cost?",
        run=climb,
        settings=dict(
            depths=[4, 12],
            vocab_size=512,
            train_every=20,
            test_every=30,
            batch=8,
            steps=200,
            warmup=20,
            lr=RATES,
            d_model=32,
            n_heads=4,
            d_ff=128,
            context=64,
        ),
        smoke=dict(
            depths=[1],
            train_every=1000,
            test_every=1000,
            batch=2,
            steps=3,
            warmup=1,
            lr=1e-3,
            d_model=8,
            d_ff=16,
            context=8,
        ),
        seeds=(0, 1, 2, 3, 4),
        tier="benchmark",
        tune={"lr": [2e-3, 5e-3, 1.2e-2]},
        score="score",
        tolerance=dict(
            bits=0.3,
            bought=0.3,
            score=1.0,
            bytes_per_token=1e-10,
            unknown=1e-6,
            even_guess=1e-10,
        ),
    )
}

CLAIMS: list[Claim] = []
