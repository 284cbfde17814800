"""Questions about a line."""

import itertools
import os
import time

import torch

from generators.experiment import FAILS, HOLDS, Claim, Experiment, Rule, Stage
from generators.training import training
from implementations.toy import Line


def make_fitted(seed: int, steps: int, pause: float) -> dict:
    """Fit a line; slowly enough to be killed on the way."""
    line = Line()
    x = torch.randn(16, 1)
    target = torch.full_like(x, 0.5) * x

    def loss_of(batch: object) -> torch.Tensor:
        return ((line(x) - target) ** 2).mean()

    last = 0.0
    for _, loss in training(line, loss_of, itertools.repeat(None), steps, lr=0.1):
        time.sleep(pause)
        last = loss
    return {"weight": line.weight, "loss": torch.tensor([last])}


def fitted_loss(seed: int, fitted: dict, digits: int) -> dict:
    """Look at the stage."""
    return {
        "loss": round(fitted["loss"].item(), digits),
        "weight": fitted["weight"].flatten().tolist(),
    }


def draws(seed: int, count: int, pause: float) -> dict:
    """Random numbers from the seed."""
    time.sleep(pause)
    if os.environ.get("TOY_FAILS") == str(seed):
        raise OSError("a failure on purpose")
    return {"mean": torch.randn(count).mean().item(), "nested": {"list": [1, 2, seed]}}


def constant() -> dict:
    """The same each time."""
    return {"worst": 0.0}


STAGES = {"fitted": Stage(make_fitted, dict(steps=6, pause=0.05), smoke=dict(steps=2, pause=0.0))}

EXPERIMENTS = {
    "fit": Experiment(
        "Does it fit?", fitted_loss, dict(digits=6), stages=("fitted",), tolerance=dict(loss=0.1)
    ),
    "draw": Experiment(
        "What is drawn?",
        draws,
        dict(count=8, pause=0.1),
        smoke=dict(pause=0.0),
        tune=dict(count=[4, 8]),
        score="mean",
    ),
    "fixed": Experiment("Is it exact?", constant, {}, seeds=(), kind="exact"),
    "alone": Experiment("Is it alone?", constant, {}, seeds=(), kind="timing", exclusive=True),
}


def small(record) -> str:
    """Holds below one."""
    return HOLDS if record["loss"].mean < 1 else FAILS


CLAIMS = [
    Claim("T1", "A line fits.", "Section 1", "toy.fit", "Fitted it.", Rule(small, 0.9), "loss:f3"),
    Claim("T2", "Nobody tried this.", "Section 2"),
]
