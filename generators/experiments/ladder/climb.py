"""What each change of GPT-1 and GPT-2 buys in bits per byte, rung by rung, at two depths."""

import math
import statistics
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.ladder.models import RUNGS
from generators.experiments.ladder.text import Corpus, corpus
from generators.record import Record
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


RATES = {
    "decoder_of_2017_2": 0.012,
    "learnt_positions_2": 0.012,
    "GELU_2": 0.012,
    "attention_biases_2": 0.012,
    "start_by_width_2": 0.012,
    "norms_first_2": 0.012,
    "smaller_branches_2": 0.012,
    "byte_tokens_2": 0.005,
    "start_at_any_width_2": 0.005,
    "decoder_of_2017_12": 0.0008,
    "learnt_positions_12": 0.0008,
    "GELU_12": 0.002,
    "attention_biases_12": 0.0008,
    "start_by_width_12": 0.002,
    "norms_first_12": 0.012,
    "smaller_branches_12": 0.005,
    "byte_tokens_12": 0.005,
    "start_at_any_width_12": 0.002,
}

EXPERIMENTS = {
    "climb": Experiment(
        question="From a decoder of 2017 to GPT-2, change by change: what does each buy, and what does it cost?",
        run=climb,
        settings=dict(
            depths=[2, 12],
            vocab_size=512,
            train_every=30,
            test_every=60,
            batch=4,
            steps=350,
            warmup=35,
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
        tune={"lr": [8e-4, 2e-3, 5e-3, 1.2e-2]},
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

LADDER = [name for name, rung in RUNGS.items() if rung.below and name != ANY_WIDTH]


def each_lowers_the_loss(record: Record) -> str:
    """Holds if in twelve layers every change lowers the loss by its paired interval; in part if at least half do."""
    lower = [record[f"bought.{name}_12"].low > 0 for name in LADDER]
    return HOLDS if all(lower) else IN_PART if sum(lower) >= len(lower) / 2 else FAILS


def place_matters_in_depth(record: Record) -> str:
    """Holds if norms first lower the loss in twelve layers, and by more than in two, both by paired intervals.

    In part if they lower it in twelve, but not surely by more.
    """
    deep, more = record["bought.norms_first_12"].low > 0, record["deeper_buys.norms_first"].low > 0
    return HOLDS if deep and more else IN_PART if deep else FAILS


def constant_belongs_to_width(record: Record) -> str:
    """Holds if 0.02 in proportion to the width ends lower than 0.02 itself, at both depths; in part: at one."""
    lower = [record[f"width_buys.{depth}"].low > 0 for depth in (2, 12)]
    return HOLDS if all(lower) else IN_PART if any(lower) else FAILS


def gelu_beats_relu(record: Record) -> str:
    """Holds if GELU lowers the loss at both depths, by paired intervals; in part: at one."""
    lower = [record[f"bought.GELU_{depth}"].low > 0 for depth in (2, 12)]
    return HOLDS if all(lower) else IN_PART if any(lower) else FAILS


def learnt_are_nearly_identical(record: Record) -> str:
    """Holds if the interval of what learnt positions buy lies within 0.03 bits at both depths; in part: at one."""
    found = [record[f"bought.learnt_positions_{depth}"] for depth in (2, 12)]
    same = [each.low > -0.03 and each.high < 0.03 for each in found]
    return HOLDS if all(same) else IN_PART if any(same) else FAILS


def smaller_branches_help(record: Record) -> str:
    """Holds if residual layers that start smaller lower the loss in twelve layers, by the paired interval."""
    return HOLDS if record["bought.smaller_branches_12"].low > 0 else FAILS


def bytes_cost_nothing(record: Record) -> str:
    """Holds if tokens over bytes cost at most 0.02 bits per byte at both depths, by the interval; in part: at one."""
    cheap = [record[f"bought.byte_tokens_{depth}"].low > -0.02 for depth in (2, 12)]
    return HOLDS if all(cheap) else IN_PART if any(cheap) else FAILS


def gpt2_beats_2017(record: Record) -> str:
    """Holds if GPT-2's network ends lower than the decoder of 2017 at both depths, on its tokens; in part: at one."""
    lower = [record[f"altogether.{depth}"].low > 0 for depth in (2, 12)]
    return HOLDS if all(lower) else IN_PART if any(lower) else FAILS


DID = "A decoder of 2017, then one change at a time, each rung at its own rate, {} layers."

CLAIMS = [
    Claim(
        id="K1",
        text="Each change from the decoder of 2017 to GPT-2 lowers the loss.",
        where="what a list of changes suggests",
        experiment="ladder.climb",
        did=f"{DID.format('two and twelve')} The number is what all of them buy together in twelve layers, in bits "
        "per byte.",
        rule=Rule(each_lowers_the_loss, forecast=0.01),
        measured="altogether.12:f3",
        said=True,
    ),
    Claim(
        id="K2",
        text="Where the norm stands matters in depth.",
        where="GPT-2, Section 2.3; Xiong et al. 2020",
        experiment="ladder.climb",
        did=f"{DID.format('two and twelve')} The number is what norms first buy in twelve layers more than in two.",
        rule=Rule(place_matters_in_depth, forecast=0.9),
        measured="deeper_buys.norms_first:f3",
    ),
    Claim(
        id="K3",
        text="0.02 is a constant of width 768: in proportion to the width it does better in a narrow model.",
        where="our own",
        experiment="ladder.climb",
        did=f"{DID.format('two and twelve')} Beside the rung of GPT-1's start: 0.02 as printed, at width 32. The "
        "number is what the proportion buys in two layers.",
        rule=Rule(constant_belongs_to_width, forecast=0.05),
        measured="width_buys.2:f3",
    ),
    Claim(
        id="K4",
        text="GELU is better than ReLU.",
        where="GPT-1, Section 4.1; said of both",
        experiment="ladder.climb",
        did=f"{DID.format('two and twelve')} The number is what it buys in twelve.",
        rule=Rule(gelu_beats_relu, forecast=0.07),
        measured="bought.GELU_12:f3",
        said=True,
    ),
    Claim(
        id="K5",
        text="Learnt positions do nearly as sinusoids do.",
        where="Attention Is All You Need, Section 3.5; GPT-1, Section 4.1",
        experiment="ladder.climb",
        did=f"{DID.format('two and twelve')} The number is what they buy in two.",
        rule=Rule(learnt_are_nearly_identical, forecast=0.03),
        measured="bought.learnt_positions_2:f3",
    ),
    Claim(
        id="K6",
        text="Residual layers that start smaller lower the loss of a deep model.",
        where="GPT-2, Section 2.3",
        experiment="ladder.climb",
        did=f"{DID.format('twelve')} The number is what they buy.",
        rule=Rule(smaller_branches_help, forecast=0.85),
        measured="bought.smaller_branches_12:f3",
    ),
    Claim(
        id="K7",
        text="Tokens over bytes, which know every character, cost nothing.",
        where="GPT-2, Section 2.2",
        experiment="ladder.climb",
        did=f"{DID.format('twelve')} GPT-1's vocabulary and GPT-2's of the same size, on the same text with single "
        "blanks. The number is what bytes buy.",
        rule=Rule(bytes_cost_nothing, forecast=0.03),
        measured="bought.byte_tokens_12:f3",
    ),
    Claim(
        id="K8",
        text="GPT-2's network learns better than the decoder of 2017 at the same budget.",
        where="what the order of the papers suggests",
        experiment="ladder.climb",
        did=f"{DID.format('two and twelve')} The number is how far the sixth change is from none, two layers.",
        rule=Rule(gpt2_beats_2017, forecast=0.95),
        measured="altogether.2:f3",
        said=True,
    ),
]
