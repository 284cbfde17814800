"""What needs no training and no other code to trust: an identity of the positional code."""

from typing import Any

import torch

from generators.experiment import FAILS, HOLDS, Claim, Experiment, Rule
from generators.parity import worst_error
from generators.record import Record
from implementations.transformer import positions


def position_shift(d_model: int, length: int, shifts: list[int]) -> dict[str, Any]:
    r"""Largest error of $PE_{pos + k} = M_k PE_{pos}$; $M_k$ rotates each pair of features by $k \omega_i$."""
    torch.set_default_dtype(torch.float64)
    try:
        code = positions(length + max(shifts), d_model)
        frequency = 10_000 ** -(torch.arange(0, d_model, 2) / d_model)
        errors = {}
        for shift in shifts:
            sine, cosine = (shift * frequency).sin(), (shift * frequency).cos()
            rotated = torch.stack(
                [
                    code[:length, 0::2] * cosine + code[:length, 1::2] * sine,
                    code[:length, 1::2] * cosine - code[:length, 0::2] * sine,
                ],
                dim=-1,
            ).flatten(1)
            errors[str(shift)] = worst_error([rotated], [code[shift : shift + length]])
    finally:
        torch.set_default_dtype(torch.float32)
    return {"worst": max(errors.values()), "by_shift": errors}


EXPERIMENTS = {
    "position_shift": Experiment(
        question="Is a shift by k positions one fixed linear map of the positional code?",
        run=position_shift,
        settings=dict(d_model=512, length=512, shifts=[1, 2, 10, 100, 1000]),
        smoke=dict(d_model=8, length=4, shifts=[1, 2]),
        seeds=(),
        kind="exact",
        tolerance=dict(worst=1e-10, by_shift=1e-10),
    ),
}


def is_exact(record: Record) -> str:
    """Holds if the identity is met to 1e-10 in float64."""
    return HOLDS if record["worst"].max <= 1e-10 else FAILS


CLAIMS = [
    Claim(
        id="A4",
        text="A shift by k positions is one fixed linear map of the sinusoidal code.",
        where="Section 3.5",
        experiment="transformer.position_shift",
        did="Built the rotation and compared in float64, for shifts from 1 to 1,000.",
        rule=Rule(is_exact, forecast=0.99),
        measured="worst:sci",
    ),
]
