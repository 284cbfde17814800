"""A translator is trained once per seed, and then examined: what it gets right, and what its errors are."""

from typing import Any

import torch
from torch import Tensor

from generators.data import LANGUAGES, in_words
from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule, Stage
from generators.experiments.transformer.architecture import weights
from generators.experiments.transformer.pairs import config_for
from generators.experiments.transformer.task import (
    DIRECTIONS,
    END,
    PADDING,
    Corpus,
    accuracy,
    batches,
    corpus,
    exact_matches,
    loss_on,
    written_in,
)
from generators.record import Record
from generators.training import training
from implementations.transformer import Transformer


def make_translator(
    seed: int,
    limit: int,
    merges: int,
    batch: int,
    steps: int,
    lr: float,
    warmup: int,
    looks: int,
    **sizes: int,
) -> dict[str, Tensor]:
    """Train one model for all twelve directions; return its weights and its learning curve."""
    data = corpus(limit, merges)
    model = Transformer(config_for(data, **sizes))
    some = data.tested[::8]  # every eighth, not the first: small numbers are the hard ones
    curve: list[list[float]] = []
    losses: list[float] = []
    for step, loss in training(model, loss_on(model), batches(data, batch), steps, lr, warmup):
        losses.append(loss)
        if step % (steps // looks) == 0:
            curve.append([step, sum(losses) / len(losses), accuracy(model, data, some)])
            losses = []
    step, loss, right = torch.tensor(curve, dtype=torch.float64).T
    learnt = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    return {**learnt, "curve.step": step, "curve.loss": loss, "curve.accuracy": right}


def trained_translator(translator: dict[str, Tensor], data: Corpus, **sizes: int) -> Transformer:
    """The model of a stage."""
    model = Transformer(config_for(data, **sizes))
    start = "model."
    model.load_state_dict(
        {name.removeprefix(start): t for name, t in translator.items() if name.startswith(start)}
    )
    return model.eval()


def translation(
    seed: int, translator: dict[str, Tensor], limit: int, merges: int, shown: int, **sizes: int
) -> dict[str, Any]:
    """Exact match on every held-out number in all directions; by language and by length; what the errors are."""
    data = corpus(limit, merges)
    model = trained_translator(translator, data, **sizes)
    right = answers(model, data)
    curve = {name: translator[f"curve.{name}"].tolist() for name in ("step", "loss", "accuracy")}
    return {
        "accuracy": right.mean().item(),
        "tested": right.numel(),
        "wrong": int((1 - right).sum().item()),
        "accuracy_by_target": _by_language(right, side=1),
        "accuracy_by_source": _by_language(right, side=0),
        "accuracy_by_length": by_length(right, data),
        "parameters": weights(model),
        "vocabulary": data.tokenizer.get_vocab_size(),
        "curve": {
            "step": curve["step"],
            **{k: [round(v, 5) for v in curve[k]] for k in ("loss", "accuracy")},
        },
        "errors": _errors(model, data, right, shown),
    }


def answers(model: Transformer, data: Corpus) -> Tensor:
    """1.0 where a held-out number is translated to the last letter: direction, number."""
    hits = [exact_matches(model, data, data.tested, *direction) for direction in DIRECTIONS]
    return torch.stack(hits).double()


def by_length(right: Tensor, data: Corpus) -> dict[str, float]:
    """Accuracy by the number of tokens of the right answer, its end counted."""
    lengths = torch.stack(
        [(data.tokens[target, data.tested] != PADDING).sum(dim=1) for _, target in DIRECTIONS]
    )
    return {
        str(length): right[lengths == length].mean().item()
        for length in sorted(set(lengths.flatten().tolist()))
    }


def _by_language(right: Tensor, side: int) -> dict[str, float]:
    """Accuracy by the language on one side of the direction: 0 the source, 1 the target."""
    sides = torch.tensor([direction[side] for direction in DIRECTIONS])
    return {
        language: right[sides == index].mean().item() for index, language in enumerate(LANGUAGES)
    }


def _errors(model: Transformer, data: Corpus, right: Tensor, shown: int) -> list[dict[str, Any]]:
    """The first wrong translations, in words."""
    found = []
    for direction, index in (right == 0).nonzero().tolist()[:shown]:
        source, target = DIRECTIONS[direction]
        number = int(data.tested[index])
        written = written_in(model, data, data.tested[index, None], source, target)[0].tolist()
        text = "".join(
            data.tokenizer.id_to_token(token) for token in written if token not in (PADDING, END)
        )
        found.append(
            {
                "number": number,
                "source": in_words(number, LANGUAGES[source]),
                "expected": in_words(number, LANGUAGES[target]),
                "written": text,
            }
        )
    return found


TASK: dict[str, Any] = dict(limit=10_000, merges=300)
SMALL_TASK: dict[str, Any] = dict(limit=100, merges=30)
SIZES: dict[str, Any] = dict(d_model=64, n_heads=4, d_ff=256, n_layers=2)
SMALL_SIZES: dict[str, Any] = dict(d_model=16, n_heads=2, d_ff=32, n_layers=1)

STAGES = {
    "translator": Stage(
        make=make_translator,
        settings={**TASK, **SIZES, **dict(batch=96, steps=1600, lr=4e-3, warmup=150, looks=8)},
        smoke={**SMALL_TASK, **SMALL_SIZES, **dict(batch=8, steps=16, warmup=4, looks=2)},
    ),
}

EXPERIMENTS = {
    "translation": Experiment(
        question="How well does one small model translate numbers that it has never seen, between four languages?",
        run=translation,
        settings={**TASK, **SIZES, "shown": 12},
        smoke={**SMALL_TASK, **SMALL_SIZES},
        stages=("translator",),
        tune={"lr": [1e-3, 2e-3, 4e-3, 8e-3]},
        score="accuracy",
        # Training on another processor rounds differently, and after thousands of steps the weights differ.
        tolerance=dict(
            accuracy=0.01,
            wrong=112,
            accuracy_by_target=0.02,
            accuracy_by_source=0.02,
            accuracy_by_length=1.0,
            curve=1.0,
            errors=None,
        ),
    ),
}


def translates(record: Record) -> str:
    """Holds from 95 % exact matches on (lower end of the interval), in part from 50 %."""
    low = record["accuracy"].low
    return HOLDS if low >= 0.95 else IN_PART if low >= 0.5 else FAILS


CLAIMS = [
    Claim(
        id="A0",
        text="Attention alone, without recurrence or convolution, is enough to translate.",
        where="Abstract",
        experiment="transformer.translation",
        did="One model of two plus two layers, numbers below 10,000 in four languages, one in ten held out.",
        rule=Rule(translates, forecast=0.95),
        measured="accuracy:pct2",
    ),
]
