"""An input that is a single number: what a normalised LSTM can still see of it."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.layernorm.cells import cell_of, walk
from generators.record import Record
from generators.training import rate_of, training

ARMS = {"none": "lstm_none", "norm": "lstm_norm", "norm_and_constant": "lstm_norm"}


class Scale(nn.Module):
    """Reads numbers one by one and says one at the end."""

    def __init__(self, arm: str, n_hidden: int) -> None:
        super().__init__()
        self.constant = arm.endswith("constant")
        self.n_hidden = n_hidden
        self.cell = cell_of(ARMS[arm], 2 if self.constant else 1, n_hidden)
        self.head = nn.Linear(n_hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """An answer for each row of numbers B T."""
        inputs = x[..., None]
        if self.constant:
            inputs = torch.cat([inputs, torch.ones_like(inputs)], dim=-1)
        start = x.new_zeros(len(x), self.n_hidden)
        return self.head(walk(self.cell, inputs, (start, start))[-1][0])[:, 0]


def numbers(batch: int, length: int) -> Iterator[Tensor]:
    """Rows of numbers between 0.5 and 1.5."""
    while True:
        yield 0.5 + torch.rand(batch, length)


def one_number(
    seed: int,
    length: int,
    batch: int,
    steps: int,
    warmup: int,
    n_hidden: int,
    tested: int,
    lr: float | dict[str, float],
) -> dict[str, Any]:
    r"""Learn the mean, less 1, of numbers that come one by one: without norm, with it, with a constant 1 beside each.

    The norm of $w x$ over the units is that of $w$ for every positive x, but for epsilon, which shows where x is near
    0: these are not. `explained` is the share of the variance of new rows that the answer explains. `moved` is the
    mean distance between the answers to a row and to one with other numbers, before training.
    """
    explained, moved = {}, {}
    for arm in ARMS:
        torch.manual_seed(seed)
        model = Scale(arm, n_hidden)
        rows, others = 0.5 + torch.rand(2, tested, length)
        with torch.no_grad():
            moved[arm] = (model(rows) - model(others)).abs().mean().item()

        def loss_of(x: Tensor, model: nn.Module = model) -> Tensor:
            return F.mse_loss(model(x), x.mean(dim=1) - 1) * 12 * length  # 1 for the best constant

        torch.manual_seed(seed)
        for _ in training(model, loss_of, numbers(batch, length), steps, rate_of(arm, lr), warmup):
            pass
        with torch.no_grad():
            wanted = rows.mean(dim=1) - 1
            explained[arm] = 1 - (F.mse_loss(model(rows), wanted) / wanted.var()).item()
    return {
        "explained": explained,
        "hidden_by_norm": explained["none"] - explained["norm"],
        "moved": moved,
        "moved_share": moved["norm"] / moved["norm_and_constant"],
    }


EXPERIMENTS = {
    "one_number": Experiment(
        question="Can a normalised LSTM see how large its input is, when the input is one number?",
        run=one_number,
        settings=dict(
            length=16,
            batch=64,
            steps=150,
            warmup=10,
            n_hidden=24,
            tested=500,
            lr={"none": 1e-2, "norm": 1e-2, "norm_and_constant": 3e-2},
        ),
        smoke=dict(length=3, batch=4, steps=3, warmup=1, n_hidden=4, tested=5),
        tune={"lr": [3e-3, 1e-2, 3e-2]},
        score="explained",
        tolerance=dict(explained=0.5, hidden_by_norm=1.0, moved=0.05, moved_share=1.0),
    ),
}


def blind_to_size(record: Record) -> str:
    """Holds if the LSTM explains 90 % of the variance without norm, under 20 % with it, and 90 % with a constant.

    Means of the runs; for the second the upper end of the interval. In part if the norm costs anything at all, the
    paired interval above 0.
    """
    sees = min(record["explained.none"].mean, record["explained.norm_and_constant"].mean) >= 0.9
    if sees and record["explained.norm"].high < 0.2:
        return HOLDS
    return IN_PART if record["hidden_by_norm"].low > 0 else FAILS


CLAIMS = [
    Claim(
        id="L1",
        text="A layer-normalised LSTM that reads one number at a time cannot see how large it is; a constant beside "
        "the number mends it.",
        where="our own; it follows from the last column of Table 1 and the equations of the supplementary material",
        experiment="layernorm.one_number",
        did="Had it learn the mean of 16 numbers between 0.5 and 1.5. The number is the share of the variance that "
        "it explains.",
        rule=Rule(blind_to_size, forecast=0.9),
        measured="explained.norm:pct",
    ),
]
