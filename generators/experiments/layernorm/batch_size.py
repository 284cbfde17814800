"""Does the size of the batch matter (Section 6.6)? The same epochs with batches of 128, 32, 4 and 1."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from generators.data import digits
from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.layernorm.digit_nets import NORMS, error, mlp, train
from generators.record import Record
from generators.training import rate_of
from implementations.layernorm import BatchNorm

# Batch norm has no arm with a batch of 1: each value would be its own mean, and our module refuses.
BATCHES = {"none": (128, 32, 4), "layer_norm": (128, 32, 4, 1), "batch_norm": (128, 32, 4)}
ARMS = {f"{norm}_{batch}": (norm, batch) for norm, sizes in BATCHES.items() for batch in sizes}


def batch_size(
    seed: int, n_hidden: int, epochs: int, pictures: int, lr: float | dict[str, float]
) -> dict[str, Any]:
    """Training loss and test error after each epoch; how much the error rises from 128 to a smaller batch."""
    losses, errors, likelihood, fitted, recomputed = {}, {}, {}, {}, {}
    for arm, (norm, batch) in ARMS.items():
        torch.manual_seed(seed)
        model = mlp(n_hidden, NORMS[norm])
        torch.manual_seed(seed)
        losses[arm], errors[arm] = by_epoch(
            model, batch, epochs, pictures // batch, rate_of(arm, lr)
        )
        likelihood[arm], fitted[arm] = -nats(model.eval(), "test"), nats(model, "train")
        if norm == "batch_norm":
            recomputed[arm] = error(with_exact_statistics(model))
    final = {arm: curve[-1] for arm, curve in errors.items()}
    rise = {
        arm: final[arm] - final[f"{norm}_128"] for arm, (norm, batch) in ARMS.items() if batch < 128
    }
    return {
        "error": final,
        "rise": rise,
        "rises_more": {
            str(batch): rise[f"batch_norm_{batch}"] - rise[f"layer_norm_{batch}"]
            for batch in (32, 4)
        },
        "likelihood": likelihood,
        "fitted": fitted,  # the loss on the training pictures, but in use
        # Batch norm with the mean and variance of all training pictures, in place of those that it kept.
        "recomputed": recomputed,
        "rise_recomputed": {
            arm: recomputed[arm] - recomputed["batch_norm_128"]
            for arm in ("batch_norm_32", "batch_norm_4")
        },
        "losses": losses,
        "errors": errors,
    }


def by_epoch(
    model: nn.Module, batch: int, epochs: int, length: int, lr: float
) -> tuple[list[float], list[float]]:
    """Mean training loss of each epoch of so many steps, and the test error after it, in evaluation mode."""
    losses, errors, total = [], [], 0.0
    for step, loss in enumerate(train(model, batch, epochs * length, lr), start=1):
        total += loss
        if step % length == 0:
            losses.append(round(total / length, 5))
            errors.append(error(model.eval()))
            total = 0.0
    return losses, errors


@torch.no_grad()
def nats(model: nn.Module, split: str) -> float:
    """The mean loss on the pictures of a split."""
    images, labels = digits(split)
    return F.cross_entropy(model(images), labels).item()


@torch.no_grad()
def with_exact_statistics(model: nn.Module) -> nn.Module:
    """Let batch norm keep the statistics of all training pictures at once, and nothing of what it had."""
    images, _ = digits("train")
    for layer in model.modules():
        if isinstance(layer, BatchNorm):
            layer.momentum = 1.0
    model.train()(images)
    return model.eval()


EXPERIMENTS = {
    "batch_size": Experiment(
        question="What becomes of the norms when the batch gets small?",
        run=batch_size,
        settings=dict(
            n_hidden=64,
            epochs=5,
            pictures=1438,  # all
            lr=dict(
                none_128=3e-2,
                none_32=3e-2,
                none_4=1e-2,
                layer_norm_128=1e-2,
                layer_norm_32=3e-3,
                layer_norm_4=1e-3,
                layer_norm_1=1e-3,
                batch_norm_128=3e-2,
                batch_norm_32=1e-2,
                batch_norm_4=1e-2,
            ),
        ),
        smoke=dict(n_hidden=8, epochs=1, pictures=128),
        seeds=(0, 1, 2, 3, 4),
        tune={"lr": [1e-3, 3e-3, 1e-2, 3e-2]},
        score="likelihood",
        tolerance=dict(
            **dict.fromkeys(("error", "rise", "rises_more", "recomputed", "rise_recomputed"), 0.1),
            **dict(likelihood=0.5, fitted=0.5, losses=1.0, errors=0.5),
        ),
    ),
}


def layer_norm_hardly_depends(record: Record) -> str:
    """Holds if the test error of layer norm changes by less than a point from a batch of 128 to 32, 4 and 1.

    Less means that the whole interval lies between -0.01 and 0.01. In part if that is so for 4, the paper's small
    batch.
    """
    rises = {size: record[f"rise.layer_norm_{size}"] for size in (32, 4, 1)}
    small = {size: rise.low > -0.01 and rise.high < 0.01 for size, rise in rises.items()}
    return HOLDS if all(small.values()) else IN_PART if small[4] else FAILS


def batch_norm_gets_worse(record: Record) -> str:
    """Holds if batch norm's test error rises from 128 to 4, and by more than layer norm's, both intervals above 0.

    In part if one of the two is so.
    """
    parts = (record["rise.batch_norm_4"].low > 0, record["rises_more.4"].low > 0)
    return HOLDS if all(parts) else IN_PART if any(parts) else FAILS


def damage_is_in_training(record: Record) -> str:
    """Holds if the error is higher at 4 than at 128 with recomputed statistics too, the interval lying above 0."""
    return HOLDS if record["rise_recomputed.batch_norm_4"].low > 0 else FAILS


CLAIMS = [
    Claim(
        id="C2",
        text="With layer norm the result hardly depends on the size of the batch.",
        where="Section 6.6, Figure 6",
        experiment="layernorm.batch_size",
        did="Trained a net on digits with batches of 128, 32, 4 and 1, equal epochs, each with its own rate. "
        "The number is the rise of the test error from 128 to 4.",
        rule=Rule(layer_norm_hardly_depends, forecast=0.45),
        measured="rise.layer_norm_4:pmpct",
    ),
    Claim(
        id="C2x",
        text="Batch norm gets worse when the batch is small.",
        where="Section 6.6, Figure 6",
        experiment="layernorm.batch_size",
        did="The same with batch norm. The number is the rise of its test error from 128 to 4.",
        rule=Rule(batch_norm_gets_worse, forecast=0.75),
        measured="rise.batch_norm_4:pmpct",
    ),
    Claim(
        id="N2",
        text="Batch norm cannot train with small batches.",
        where="said wherever memory allows only a few examples",
        experiment="layernorm.batch_size",
        did="Gave the nets of both batches the statistics of all training pictures after training, weights as they "
        "were. The number is what is left of the rise from 128 to 4.",
        rule=Rule(damage_is_in_training, forecast=0.5),
        measured="rise_recomputed.batch_norm_4:pmpct",
        said=True,
    ),
]
