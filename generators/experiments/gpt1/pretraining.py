"""Pre-training: a Transformer and an LSTM of its size read the same library prose, and are kept on the way."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from generators.experiment import Claim, Experiment, Stage
from generators.experiments.gpt1.task import Texts, config_for, texts, windows
from generators.training import training
from implementations.gpt1 import GPT1, TransformerConfig, next_token_loss

TEXTS: dict[str, Any] = dict(merges=512, sample=40, every=4)
SMALL_TEXTS: dict[str, Any] = dict(merges=40, sample=2000, every=400)


class Recurrent(nn.Module):
    """A language model with one LSTM; its states are brought to the embeddings' width, so that these can score.

    It has the interface that `FineTuned` asks for.
    """

    def __init__(self, config: TransformerConfig, n_hidden: int) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.d_model)
        self.lstm = nn.LSTM(config.d_model, n_hidden, batch_first=True)
        self.narrow = nn.Linear(n_hidden, config.d_model)
        nn.init.normal_(self.tokens.weight, std=0.02 * math.sqrt(768 / config.d_model))

    def features(self, tokens: Tensor) -> Tensor:
        """What is known after each token: B T D."""
        return self.narrow(self.lstm(self.tokens(tokens))[0])

    def logits(self, features: Tensor) -> Tensor:
        """Scores of the next token, from the embeddings themselves."""
        return features @ self.tokens.weight.T

    def forward(self, tokens: Tensor) -> Tensor:
        """Score each next token."""
        return self.logits(self.features(tokens))


LanguageModel = GPT1 | Recurrent


def new_model(known: Any, context: int, n_hidden: int, **sizes: int) -> LanguageModel:
    """An untrained model: an LSTM where it has a hidden width, else a Transformer."""
    config = config_for(known, context, **sizes)
    return Recurrent(config, n_hidden) if n_hidden else GPT1(config)


def pretrain(
    seed: int,
    merges: int,
    sample: int,
    every: int,
    context: int,
    batch: int,
    steps: int,
    pretraining_lr: float,
    warmup: int,
    looks: list[int],
    n_hidden: int,
    **sizes: int,
) -> dict[str, Tensor]:
    """Train on random stretches; return the weights, those at some steps before, and the learning curve.

    `kept.2.NAME` is a weight after `looks[2]` steps; the last look is the end, and is `model.NAME` too.
    """
    data = texts(merges, sample, every)
    model = new_model(data.vocabulary, context, n_hidden, **sizes)
    kept = {f"kept.0.{name}": tensor.clone() for name, tensor in model.state_dict().items()}
    curve = [[0.0, math.log(len(data.vocabulary)), bits_per_byte(model, data)]]
    losses: list[float] = []
    stretches = windows(data.trained, batch, context)
    loss_of = lambda tokens: next_token_loss(model(tokens), tokens)  # noqa: E731
    for step, loss in training(model, loss_of, stretches, steps, pretraining_lr, warmup, 1e-2):
        losses.append(loss)
        if step in looks:
            curve.append([step, sum(losses) / len(losses), bits_per_byte(model, data)])
            losses = []
            number = 1 + looks.index(step)
            kept |= {
                f"kept.{number}.{name}": tensor.clone()
                for name, tensor in model.state_dict().items()
            }
    learnt = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    step, loss, bits = torch.tensor(curve, dtype=torch.float64).T
    return {**learnt, **kept, "curve.step": step, "curve.loss": loss, "curve.bits": bits}


@torch.no_grad()
def bits_per_byte(model: LanguageModel, data: Texts) -> float:
    """What a byte of held-out files costs, read in stretches as long as the context."""
    context = model.config.context
    rows = data.held_out[: len(data.held_out) // context * context].view(-1, context)
    model.eval()
    losses = [next_token_loss(model(part), part).item() * len(part) for part in rows.split(64)]
    return sum(losses) / len(rows) * data.bits_per_byte


def weights_of(stage: dict[str, Tensor], start: str = "model.") -> dict[str, Tensor]:
    """A stage's weights under the names that the model has for them."""
    return {
        name.removeprefix(start): tensor for name, tensor in stage.items() if name.startswith(start)
    }


def pretraining(
    seed: int, language_model: dict[str, Tensor], recurrent: dict[str, Tensor]
) -> dict[str, Any]:
    """How well both predict files that they never read, and the way there; an even guess stands at step 0."""
    arms = {"language_model": language_model, "recurrent": recurrent}
    ends = {arm: stage["curve.bits"][-1].item() for arm, stage in arms.items()}
    return {
        "bits_per_byte": ends,
        "ahead": ends["recurrent"] - ends["language_model"],
        "score": {arm: -end for arm, end in ends.items()},
        "parameters": {
            arm: sum(tensor.numel() for tensor in weights_of(stage).values())
            for arm, stage in arms.items()
        },
        "step": [int(step) for step in language_model["curve.step"]],
        "curves": {
            arm: {
                what: [round(value, 4) for value in stage[f"curve.{what}"].tolist()]
                for what in ("loss", "bits")
            }
            for arm, stage in arms.items()
        },
    }


SIZES: dict[str, Any] = dict(context=64, d_model=64, n_heads=4, d_ff=256, n_layers=3)
SMALL_SIZES: dict[str, Any] = dict(context=16, d_model=8, n_heads=2, d_ff=16, n_layers=2)
COURSE: dict[str, Any] = dict(batch=16, steps=1200, warmup=100, looks=[75, 150, 300, 600, 1200])
SMALL_COURSE: dict[str, Any] = dict(batch=2, steps=4, warmup=1, looks=[1, 2, 4])

STAGES = {
    "language_model": Stage(
        make=pretrain,
        settings={**TEXTS, **SIZES, **COURSE, "pretraining_lr": 8e-3, "n_hidden": 0},
        smoke={**SMALL_TEXTS, **SMALL_SIZES, **SMALL_COURSE},
    ),
    # As many weights, one layer: 160 is the width that comes nearest.
    "recurrent": Stage(
        make=pretrain,
        settings={**TEXTS, **SIZES, **COURSE, "pretraining_lr": 3.2e-2, "n_hidden": 160},
        smoke={**SMALL_TEXTS, **SMALL_SIZES, **SMALL_COURSE, "n_hidden": 8},
    ),
}

EXPERIMENTS = {
    "pretraining": Experiment(
        question="How well do a Transformer and an LSTM of its size predict prose that they have never read?",
        run=pretraining,
        settings={},
        stages=("language_model", "recurrent"),
        tune={"pretraining_lr": [2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2]},
        score="score",
        tolerance=dict(bits_per_byte=0.3, ahead=0.4, score=0.3, curves=3.0),
    ),
}

CLAIMS: list[Claim] = []
