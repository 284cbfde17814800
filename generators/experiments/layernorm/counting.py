"""Somebody counts, letter by letter, and recurrent cells with and without layer norm learn to go on."""

import functools
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.data import in_words
from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.layernorm.cells import (
    ARMS,
    CELLS,
    N_STATES,
    State,
    cell_of,
    decades,
    gradients_back,
    walk,
)
from generators.record import Record
from generators.training import rate_of, training


@functools.cache
def counting(limit: int) -> tuple[Tensor, int]:
    """Somebody who counts, "... forty-one forty-two ...": letters as numbers, and how many letters there are."""
    text = " ".join(in_words(number, "en") for number in range(1, limit))
    letters = {letter: index for index, letter in enumerate(sorted(set(text)))}
    return torch.tensor([letters[letter] for letter in text]), len(letters)


def windows(text: Tensor, batch: int, length: int) -> Iterator[Tensor]:
    """Pieces of the text that begin anywhere, B T."""
    while True:
        first = torch.randint(len(text) - length, (batch, 1))
        yield text[first + torch.arange(length)]


class Reader(nn.Module):
    """A cell that reads letters and says after each what comes next."""

    def __init__(self, cell: nn.Module, n_letters: int, n_hidden: int, n_states: int) -> None:
        super().__init__()
        self.cell, self.n_letters, self.n_hidden, self.n_states = (
            cell,
            n_letters,
            n_hidden,
            n_states,
        )
        self.head = nn.Linear(n_hidden, n_letters)

    def states(self, letters: Tensor) -> list[State]:
        """The states after every letter, from zeros."""
        start = letters.new_zeros(len(letters), self.n_hidden, dtype=torch.float32)
        inputs = F.one_hot(letters, self.n_letters).float()
        return walk(self.cell, inputs, (start,) * self.n_states)

    def loss(self, letters: Tensor) -> Tensor:
        """Mean loss of the next letter, in nats."""
        h = torch.stack([state[0] for state in self.states(letters[:, :-1])], dim=1)
        return F.cross_entropy(self.head(h).flatten(0, 1), letters[:, 1:].flatten())


def learn(
    model: Reader, text: Tensor, batch: int, length: int, steps: int, lr: float, warmup: int
) -> Iterator[tuple[int, float]]:
    """Train on windows of the text."""
    yield from training(model, model.loss, windows(text, batch, length + 1), steps, lr, warmup)


def means(losses: list[float], points: int) -> list[float]:
    """Means of equal pieces of a curve."""
    pieces = torch.tensor(losses, dtype=torch.float64).tensor_split(points)
    return [round(piece.mean().item(), 4) for piece in pieces]


def look(model: Reader, letters: Tensor, kept: list[int]) -> dict[str, Any]:
    """Along one batch: norm of h, size of what the recurrent sum hands on, gradient of the last letter's loss.

    `reach` is the gradient a hundred steps before the end over that at the end, in decades (fewer where the sequence
    is shorter).
    """
    handed: list[float] = []
    norm = [child for name, child in model.cell.named_children() if name in ("norm", "norm_hidden")]
    hook = norm[0].register_forward_hook(
        lambda module, given, out: handed.append(out.detach().square().mean().sqrt().item())
    )
    states = model.states(letters[:, :-1])
    hook.remove()
    loss = F.cross_entropy(model.head(states[-1][0]), letters[:, -1])
    gradient = gradients_back(loss, states)
    back = min(100, len(states) - 2)
    return {
        "hidden": [round(states[step][0].norm(dim=-1).mean().item(), 4) for step in kept],
        "handed": [round(handed[step], 4) for step in kept],
        "gradient": [decades(gradient[step]) for step in kept],
        "reach": decades(gradient[-1 - back]) - decades(gradient[-1]),
        "last_handed": handed[-1],
    }


def long_sequences(
    seed: int,
    limit: int,
    length: int,
    batch: int,
    steps: int,
    warmup: int,
    n_hidden: int,
    points: int,
    kept: list[int],
    lr: float | dict[str, float],
) -> dict[str, Any]:
    """Learn to count, letter by letter, with each cell with and without its norm.

    Every batch is scored before it is learnt from. `area` is the mean of all those losses, `loss` that of the last
    tenth. `faster` is by how much the norm lowers the area.
    """
    text, n_letters = counting(limit)
    areas, losses, curves = {}, {}, {}
    looks: dict[str, dict[str, Any]] = {}
    for arm in ARMS:
        torch.manual_seed(seed)
        sample = next(windows(text, 16, length + 1))
        torch.manual_seed(seed)
        cell = cell_of(arm, n_letters, n_hidden)
        model = Reader(cell, n_letters, n_hidden, N_STATES[arm.split("_")[0]])
        torch.manual_seed(seed)
        looks[arm] = {"start": look(model, sample, kept)}
        curve = []
        for step, loss in learn(model, text, batch, length, steps, rate_of(arm, lr), warmup):
            curve.append(loss)
            if step == steps // 2:
                looks[arm]["half"] = look(model, sample, kept)
        looks[arm]["end"] = look(model, sample, kept)
        areas[arm] = sum(curve) / steps
        tail = curve[-max(1, steps // 10) :]
        losses[arm] = sum(tail) / len(tail)
        curves[arm] = means(curve, points)
    reach = {arm: looks[arm]["end"]["reach"] for arm in ARMS}
    grown = {
        arm: math.log10(looks[arm]["end"]["last_handed"] / looks[arm]["start"]["last_handed"])
        for arm in ARMS
    }
    return {
        "loss": losses,
        "area": areas,
        "score": {arm: -loss for arm, loss in losses.items()},
        "faster": {kind: areas[f"{kind}_none"] - areas[f"{kind}_norm"] for kind in CELLS},
        "reach": reach,
        "evener": {kind: abs(reach[f"{kind}_none"]) - abs(reach[f"{kind}_norm"]) for kind in CELLS},
        "grown": grown,
        "steadier": {
            kind: abs(grown[f"{kind}_none"]) - abs(grown[f"{kind}_norm"]) for kind in CELLS
        },
        "looks": looks,
        "curves": curves,
        "kept": [step + 1 for step in kept],
        "log_letters": math.log(n_letters),
    }


EXPERIMENTS = {
    "long_sequences": Experiment(
        question="Does layer norm steady a recurrent layer on 104 steps, and does it learn them faster?",
        run=long_sequences,
        settings=dict(
            limit=1000,
            length=104,
            batch=32,
            steps=60,
            warmup=10,
            n_hidden=48,
            points=20,
            kept=[0, 1, 2, 4, 7, 11, 19, 31, 43, 55, 67, 79, 91, 97, 100, 102, 103],
            lr={"plain_norm": 1e-1, "plain_none": 1e-1, "lstm_norm": 1e-1, "lstm_none": 1e-1},
        ),
        smoke=dict(
            limit=30, length=6, batch=2, steps=4, warmup=1, n_hidden=4, points=2, kept=[0, 5]
        ),
        tune={"lr": [1e-2, 3e-2, 1e-1, 3e-1]},
        score="score",
        tolerance=dict(
            loss=0.3,
            area=0.3,
            score=0.3,
            faster=0.3,
            reach=15.0,
            evener=15.0,
            grown=0.5,
            steadier=0.5,
            looks=None,
            curves=None,
            log_letters=1e-10,
        ),
    ),
}


def steady_and_faster(record: Record) -> str:
    """Holds if three things are so of both cells, each by a paired interval above 0.

    In part if one is so of one cell.

    The norm of h says little: a tanh bounds it with layer norm and without. What can drift is what the recurrent sum
    hands to the non-linearity, so the first thing is that training changes its size by less, in decades (`steadier`;
    with layer norm only the gain can change it). The second is that after training the gradient changes by fewer
    decades over a hundred steps (`evener`), the third that the mean loss of all steps is lower (`faster`).
    """
    above = [
        record[f"{what}.{kind}"].low > 0
        for what in ("steadier", "evener", "faster")
        for kind in CELLS
    ]
    return HOLDS if all(above) else IN_PART if any(above) else FAILS


CLAIMS = [
    Claim(
        id="C3",
        text="Layer norm steadies the hidden dynamics of recurrent networks on long sequences, and they learn "
        "faster.",
        where="Sections 3.1 and 6.5",
        experiment="layernorm.long_sequences",
        did="Predicted each next letter of somebody who counts, 104 letters at a time, with a simple recurrent layer "
        "and an LSTM, each with its norm and without, each at its own rate. The number is by how much the norm "
        "lowers the LSTM's mean loss.",
        rule=Rule(steady_and_faster, forecast=0.1),
        measured="faster.lstm:f2",
    ),
]
