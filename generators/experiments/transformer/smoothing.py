"""Label smoothing: what it does to the loss, to what is right, and to how sure the model is of it."""

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.transformer.pairs import ENGLISH, GERMAN, config_for
from generators.experiments.transformer.task import (
    PADDING,
    Corpus,
    batches,
    corpus,
    exact_matches,
    loss_on,
    started,
)
from generators.record import Record
from generators.training import rate_of, training
from implementations.transformer import Transformer, beam_search, greedy, label_smoothing


def with_few(data: Corpus, count: int, seed: int) -> Corpus:
    """The same numbers, but only `count` of them to learn from, drawn by the seed; all others are tested."""
    order = data.trained[
        torch.randperm(len(data.trained), generator=torch.Generator().manual_seed(seed))
    ]
    return replace(
        data, trained=order[:count], tested=torch.cat([order[count:], data.tested]).sort().values
    )


def answers(model: Transformer, data: Corpus, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the vocabulary at each English token, given the right ones before it; and that token."""
    model.eval()
    target = started(torch.full_like(numbers, ENGLISH), data.tokens[ENGLISH, numbers])
    with torch.no_grad():
        logits = model(data.tokens[GERMAN, numbers], target[:, :-1])
    wanted = target[:, 1:]
    there = wanted != PADDING
    return logits[there].log_softmax(dim=-1), wanted[there]  # N V, N


def calibration(confidence: Tensor, right: Tensor, bins: int) -> tuple[float, list[list[float]]]:
    """Expected calibration error over bins of equal width; and each bin's confidence, accuracy and share."""
    which = (confidence * bins).long().clamp(max=bins - 1)
    table = []
    for number in range(bins):
        inside = which == number
        if inside.any():
            table.append(
                [
                    confidence[inside].mean().item(),
                    right[inside].double().mean().item(),
                    inside.double().mean().item(),
                ]
            )
    error = sum(share * abs(sure - correct) for sure, correct, share in table)
    return error, [[round(number, 4) for number in row] for row in table]


def smoothing(
    seed: int,
    limit: int,
    merges: int,
    few: int,
    batch: int,
    steps: int,
    warmup: int,
    lr: float | dict[str, float],
    epsilons: dict[str, float],
    dropout: float,
    bins: int,
    written: int,
    **sizes: int,
) -> dict[str, Any]:
    """Train with and without smoothing on a few numbers; everything is measured, without it, on the others.

    Loss, token accuracy and calibration on all of them, given the right tokens before; `exact`, greedy and with a
    beam of four, on some of every size.
    """
    data = with_few(corpus(limit, merges), few, seed)
    config = config_for(data, dropout, **sizes)
    some = data.tested[:: max(1, len(data.tested) // written)]  # of every size
    kinds = ("nll", "token_accuracy", "exact", "exact_beam", "confidence", "ece", "reliability")
    measured: dict[str, dict[str, Any]] = {kind: {} for kind in kinds}
    for arm, epsilon in epsilons.items():
        torch.manual_seed(seed)
        model = Transformer(config)
        torch.manual_seed(seed)
        pairs = batches(data, batch, [(GERMAN, ENGLISH)])
        loss_of = loss_on(model, partial(label_smoothing, epsilon=epsilon, padding=PADDING))
        for _ in training(model, loss_of, pairs, steps, rate_of(arm, lr), warmup):
            pass
        log_p, wanted = answers(model, data, data.tested)
        sure, guess = log_p.exp().max(dim=-1)
        right = guess == wanted
        exact, exact_beam = (
            exact_matches(model, data, some, GERMAN, ENGLISH, write).double().mean().item()
            for write in (greedy, beam_search)
        )
        error, table = calibration(sure, right, bins)
        for kind, value in {
            "nll": -log_p.gather(1, wanted[:, None]).mean().item(),
            "token_accuracy": right.double().mean().item(),
            "exact": exact,
            "exact_beam": exact_beam,
            "confidence": sure.mean().item(),
            "ece": error,
            "reliability": table,
        }.items():
            measured[kind][arm] = value
    plain, *smooth = epsilons
    return {
        **measured,
        "change": {  # smoothed less plain
            arm: {kind: measured[kind][arm] - measured[kind][plain] for kind in kinds[:-1]}
            for arm in smooth
        },
        "tested": len(data.tested),
        "written": len(some),
    }


EXPERIMENTS = {
    "label_smoothing": Experiment(
        question="What does label smoothing do to loss, accuracy and confidence on numbers that were not learnt?",
        run=smoothing,
        settings=dict(
            limit=1000,
            merges=60,
            few=300,
            batch=64,
            steps=200,
            warmup=40,
            lr=dict(e0=1e-2, e10=1e-2, e20=1e-2),
            epsilons=dict(e0=0.0, e10=0.1, e20=0.2),
            dropout=0.0,
            bins=10,
            written=300,
            d_model=32,
            n_heads=4,
            d_ff=64,
            n_layers=2,
        ),
        smoke=dict(
            limit=100,
            merges=30,
            few=50,
            batch=8,
            steps=4,
            warmup=2,
            written=5,
            d_model=8,
            d_ff=16,
            n_layers=1,
        ),
        seeds=(0, 1, 2, 3, 4),
        tune={"lr": [2.5e-3, 5e-3, 1e-2, 2e-2]},
        score="exact",
        tolerance=dict(
            nll=0.5,
            token_accuracy=0.1,
            exact=0.3,
            exact_beam=0.3,
            confidence=0.1,
            ece=0.1,
            reliability=None,
            change=0.5,
        ),
    ),
}


def worse_loss_better_accuracy(record: Record) -> str:
    """Holds if smoothing by 0.1 raises the unsmoothed loss on unseen numbers and the share of exact translations.

    Both by the interval of the paired difference. In part if the loss rises and the exact matches do not fall
    beyond noise, or if they rise without the loss doing so.
    """
    loss, exact = record["change.e10.nll"], record["change.e10.exact"]
    if loss.low > 0 and exact.low > 0:
        return HOLDS
    return IN_PART if (loss.low > 0 and exact.high >= 0) or exact.low > 0 else FAILS


def better_calibrated(record: Record) -> str:
    """Holds if smoothing by 0.1 lowers the mean confidence and the calibration error, and costs no accuracy.

    The first two by the interval of the paired difference; the accuracy of tokens may not fall beyond noise. In
    part if the confidence falls and the error does not.
    """
    surer, error = record["change.e10.confidence"], record["change.e10.ece"]
    if surer.high >= 0 or record["change.e10.token_accuracy"].high < 0:
        return FAILS
    return HOLDS if error.high < 0 else IN_PART


CLAIMS = [
    Claim(
        id="A5",
        text="Label smoothing makes perplexity worse and accuracy better.",
        where="Section 5.4, Table 3 (D)",
        experiment="transformer.label_smoothing",
        did="German to English below 1,000, a third of the numbers to learn from, the rest to test on; epsilon 0 and "
        "0.1, each with its own learning rate. The number is the change of the unsmoothed loss of a token.",
        rule=Rule(worse_loss_better_accuracy, forecast=0.3),
        measured="change.e10.nll:f3",
    ),
    Claim(
        id="S7",
        text="Label smoothing makes the model less sure and better calibrated, at equal accuracy.",
        where="Müller et al. 2019, Section 3; Szegedy et al. 2016, Section 7",
        experiment="transformer.label_smoothing",
        did="Confidence and expected calibration error of the same models, token by token, ten bins. The number is "
        "the change of the calibration error.",
        rule=Rule(better_calibrated, forecast=0.3),
        measured="change.e10.ece:f3",
    ),
]
