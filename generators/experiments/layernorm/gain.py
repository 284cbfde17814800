"""With what gain a normalised LSTM starts: layer norm beside batch norm at every step."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.layernorm.counting import Reader, counting, learn, means
from generators.record import Record
from generators.training import rate_of
from implementations.layernorm import LayerNorm, LSTMCell

GAINS = {"tenth": 0.1, "one": 1.0, "three": 3.0}
ARMS = ["layer_tenth", "layer_one", "layer_three", "batch_tenth", "batch_one"]


class OverBatch(LayerNorm):
    """The same gain and bias behind batch norm; each step has the statistics of its own batch."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each unit over the rows."""
        return F.batch_norm(x, None, None, self.gain, self.bias, training=True, eps=self.epsilon)


def normalised_cell(arm: str, n_inputs: int, n_hidden: int) -> nn.Module:
    """An LSTM of which all three norms are of one kind and start with one gain."""
    kind, gain = arm.split("_")
    cell = LSTMCell(n_inputs, n_hidden)
    for name, child in list(cell.named_children()):
        if isinstance(child, LayerNorm):
            norm = OverBatch(tuple(child.gain.shape)) if kind == "batch" else child
            nn.init.constant_(norm.gain, GAINS[gain])
            cell.register_module(name, norm)
    return cell


def gain_at_start(
    seed: int,
    limit: int,
    length: int,
    batch: int,
    steps: int,
    warmup: int,
    n_hidden: int,
    points: int,
    lr: float | dict[str, float],
) -> dict[str, Any]:
    """Learn to count, letter by letter, from several gains.

    Every batch is scored before it is learnt from; batch norm is scored with the batch's own statistics, as it is
    trained. `area` is the mean of all losses, `loss` that of the last tenth. `one_better` is by how much a gain of 1
    lowers the area below that of 0.1; `spread` the largest area less the smallest. `gain_end` is the mean size of the
    gains after training, of each norm.
    """
    text, n_letters = counting(limit)
    areas, losses, curves, ends = {}, {}, {}, {}
    for arm in ARMS:
        torch.manual_seed(seed)
        cell = normalised_cell(arm, n_letters, n_hidden)
        model = Reader(cell, n_letters, n_hidden, n_states=2)
        torch.manual_seed(seed)
        curve = [
            loss for _, loss in learn(model, text, batch, length, steps, rate_of(arm, lr), warmup)
        ]
        areas[arm] = sum(curve) / steps
        tail = curve[-max(1, steps // 10) :]
        losses[arm] = sum(tail) / len(tail)
        curves[arm] = means(curve, points)
        ends[arm] = {
            name: child.gain.abs().mean().item()
            for name, child in cell.named_children()
            if isinstance(child, LayerNorm)
        }
    layer = [areas[arm] for arm in ARMS if arm.startswith("layer")]
    return {
        "loss": losses,
        "area": areas,
        "score": {arm: -loss for arm, loss in losses.items()},
        "one_better": {
            kind: areas[f"{kind}_tenth"] - areas[f"{kind}_one"] for kind in ("layer", "batch")
        },
        "one_ends_better": {
            kind: losses[f"{kind}_tenth"] - losses[f"{kind}_one"] for kind in ("layer", "batch")
        },
        "spread": max(layer) - min(layer),
        "gain_end": ends,
        "curves": curves,
        "log_letters": math.log(n_letters),
    }


EXPERIMENTS = {
    "gain_at_start": Experiment(
        question="How much does the gain matter that a normalised LSTM starts with?",
        run=gain_at_start,
        settings=dict(
            limit=1000,
            length=48,
            batch=32,
            steps=60,
            warmup=10,
            n_hidden=48,
            points=20,
            lr={
                "layer_tenth": 1e-1,
                "layer_one": 1e-1,
                "layer_three": 3e-1,
                "batch_tenth": 1e-1,
                "batch_one": 1e-1,
            },
        ),
        smoke=dict(limit=30, length=5, batch=3, steps=4, warmup=1, n_hidden=4, points=2),
        tune={"lr": [1e-2, 3e-2, 1e-1, 3e-1]},
        score="score",
        tolerance=dict(
            loss=0.3,
            area=0.3,
            score=0.3,
            one_better=0.3,
            one_ends_better=0.3,
            spread=0.5,
            gain_end=None,
            curves=None,
            log_letters=1e-10,
        ),
    ),
}


def insensitive_and_one_better(record: Record) -> str:
    """Holds if gains of 0.1 and of 1 both learn with layer norm, end alike, and 1 has the lower mean loss.

    Learn: the final loss is below a third of an even guess, log of the letters, mean of the runs. Alike: the paired
    difference of the final losses lies within 0.05 nats, its whole interval. Lower: the paired interval of the gain
    of 1's lead in mean loss lies above 0. In part if both learn and one of the other two is so.
    """
    third = record["log_letters"].mean / 3
    learn = all(record[f"loss.layer_{gain}"].mean < third for gain in ("tenth", "one"))
    ends = record["one_ends_better.layer"]
    alike = ends.low > -0.05 and ends.high < 0.05
    lower = record["one_better.layer"].low > 0
    if learn and alike and lower:
        return HOLDS
    return IN_PART if learn and (alike or lower) else FAILS


def batch_norm_wants_less(record: Record) -> str:
    """Holds if with batch norm a gain of 0.1 has the lower mean loss; in part if the lower final loss.

    The paired interval of the lead of a gain of 1 lies below 0.
    """
    if record["one_better.batch"].high < 0:
        return HOLDS
    return IN_PART if record["one_ends_better.batch"].high < 0 else FAILS


CLAIMS = [
    Claim(
        id="C7",
        text="Layer norm in an LSTM does not depend much on the gain that it starts with, and 1 is better than 0.1.",
        where="Section 6.2",
        experiment="layernorm.gain_at_start",
        did="Predicted each next letter of somebody who counts, from gains of 0.1, 1 and 3 in all three norms, each "
        "at its own rate. The number is by how much a gain of 1 lowers the mean loss below that of 0.1.",
        rule=Rule(insensitive_and_one_better, forecast=0.6),
        measured="one_better.layer:f3",
    ),
    Claim(
        id="C7x",
        text="Recurrent batch norm wants to start from a small gain, 0.1 and not 1.",
        where="Section 6.2, of Cooijmans et al. 2016",
        experiment="layernorm.gain_at_start",
        did="The same with batch norm in the place of layer norm, each step with its own batch's statistics. The "
        "number is by how much a gain of 1 lowers the mean loss below that of 0.1.",
        rule=Rule(batch_norm_wants_less, forecast=0.3),
        measured="one_better.batch:f3",
    ),
]
