"""Recurrent cells over hundreds of steps before any training: states, gradients, and a ceiling for these."""

import math
from typing import Any

import torch
from torch import nn

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.layernorm.cells import (
    ARMS,
    CELLS,
    N_STATES,
    cell_of,
    decades,
    gradients_back,
    walk,
)
from generators.record import Record


def ceiling(gain: float) -> float:
    r"""By how much a gradient grows in a step where the recurrent sum drowns the input; mean-field theory.

    With layer norm the summed inputs are $g z$, z normal, whatever the weights: the growth is the root of
    $E[g^2 \tanh'(g z)^2] / E[\tanh(g z)^2]$, and no scale of the weights can lift it.
    """
    z = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    density = (-z.square() / 2).exp()
    h = (gain * z).tanh()
    slope = gain * (1 - h.square())
    return math.sqrt((density @ slope.square() / (density @ h.square())).item())


def dynamics(
    seed: int, scales: list[float], steps: int, rows: int, n_inputs: int, n_hidden: int, points: int
) -> dict[str, Any]:
    """Each cell, with and without norm, walks along random inputs; its recurrent weights have several scales.

    A scale of 1 is a standard deviation of one over the root of the width: a spectral radius of about 1. Measured:
    the norm of h; the gradient of the last h along a random direction by the state t steps before; how far two
    starts that lie 1e-6 apart have drifted. `growth` is the gradient's, in decades a step, over the half nearest
    the end; `span` its range over the scales; `hidden_span` that of the decades of h's last norm.
    """
    kept = [round(step * (steps - 1) / (points - 1)) for step in range(points)]
    found: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    for arm in ARMS:
        for scale in scales:
            torch.manual_seed(seed)
            cell = cell_of(arm, n_inputs, n_hidden).double()
            nn.init.normal_(cell.from_hidden.weight, std=scale / math.sqrt(n_hidden))
            inputs = torch.randn(rows, steps, n_inputs, dtype=torch.float64)
            h = torch.randn(N_STATES[arm.split("_")[0]], rows, n_hidden, dtype=torch.float64)
            nudge = torch.randn_like(h)
            nudge = 1e-6 * nudge / nudge.norm(dim=-1, keepdim=True)
            # The two neighbours are rows of one batch, which never mix.
            start = tuple(torch.cat([h, h + nudge], dim=1).requires_grad_().unbind(0))
            states = walk(cell, inputs.repeat(2, 1, 1), start)
            norms = [state[0][:rows].norm(dim=-1).mean().item() for state in states]
            apart = [
                (state[0][:rows] - state[0][rows:]).norm(dim=-1).mean().item() for state in states
            ]
            direction = torch.randn(n_hidden, dtype=torch.float64) / math.sqrt(n_hidden)
            gradient = gradients_back((states[-1][0][:rows] @ direction).sum(), states)[::-1]
            half = steps // 2
            one = {
                "scale": scale,
                "hidden": [round(norms[step], 4) for step in kept],
                "gradient": [decades(gradient[step]) for step in kept],
                "apart": [decades(apart[step]) for step in kept],
                "growth": (decades(gradient[half]) - decades(gradient[1])) / (half - 1),
            }
            found[arm].append(one)
    growth = {arm: [one["growth"] for one in found[arm]] for arm in ARMS}
    last = {arm: [math.log10(one["hidden"][-1]) for one in found[arm]] for arm in ARMS}
    span = {arm: max(growth[arm]) - min(growth[arm]) for arm in ARMS}
    hidden_span = {arm: max(last[arm]) - min(last[arm]) for arm in ARMS}
    return {
        "scales": found,
        "span": span,
        "hidden_span": hidden_span,
        "narrower": {kind: span[f"{kind}_none"] - span[f"{kind}_norm"] for kind in CELLS},
        "hidden_narrower": {
            kind: hidden_span[f"{kind}_none"] - hidden_span[f"{kind}_norm"] for kind in CELLS
        },
        "largest": {arm: 10 ** max(growth[arm]) for arm in ARMS},
        "smallest": {arm: 10 ** min(growth[arm]) for arm in ARMS},
        "ceiling": ceiling(1.0),
        "kept": [step + 1 for step in kept],
    }


EXPERIMENTS = {
    "dynamics": Experiment(
        question="How do states and gradients run over 400 steps before training, for weights of several sizes?",
        run=dynamics,
        settings=dict(
            scales=[0.5, 1.0, 2.0, 4.0], steps=400, rows=4, n_inputs=8, n_hidden=128, points=17
        ),
        smoke=dict(scales=[0.5, 2.0], steps=8, rows=1, n_inputs=2, n_hidden=4, points=3),
        tolerance=dict(
            scales=None,
            span=0.05,
            hidden_span=0.2,
            narrower=0.05,
            hidden_narrower=0.2,
            largest=0.05,
            smallest=0.05,
            ceiling=1e-6,
        ),
    ),
}


def steady_at_every_scale(record: Record) -> str:
    """Holds if states and gradients depend less on the scale with layer norm, and gradients last.

    The first two, of both cells: the paired intervals of how much narrower the span over the scales is lie above 0
    (decades of the last norm of h; growth of the gradient a step). The third, of both cells and all scales: over a
    hundred steps the gradient changes by less than a thousandfold, so its factor a step stays between 0.933 and 1.072
    (means). In part if at least one of the three is so.
    """
    narrower = [
        all(record[f"{what}.{kind}"].low > 0 for kind in CELLS)
        for what in ("hidden_narrower", "narrower")
    ]
    steady = all(
        record[f"smallest.{kind}_norm"].mean > 10**-0.03
        and record[f"largest.{kind}_norm"].mean < 10**0.03
        for kind in CELLS
    )
    parts = [*narrower, steady]
    return HOLDS if all(parts) else IN_PART if any(parts) else FAILS


def capped(record: Record) -> str:
    """Holds if the plain cell's gradient stays below the ceiling with layer norm and not without.

    The intervals of its largest growth over the scales lie below and above. In part if only the first.
    """
    ceiling_is = record["ceiling"].mean
    below = record["largest.plain_norm"].high < ceiling_is
    above = record["largest.plain_none"].low > ceiling_is
    return HOLDS if below and above else IN_PART if below else FAILS


def starts_chaotic(record: Record) -> str:
    """Holds if the normalised LSTM's gradient grows at every scale and that of the LSTM without norm shrinks at some.

    Intervals of the smallest growth over the scales, above 1 and below 1. In part if only the first.
    """
    grows = record["smallest.lstm_norm"].low > 1
    shrinks = record["smallest.lstm_none"].high < 1
    return HOLDS if grows and shrinks else IN_PART if grows else FAILS


CLAIMS = [
    Claim(
        id="C3x",
        text="With layer norm, hidden states and gradients are stable whatever the size of the weights.",
        where="Section 3.1",
        experiment="layernorm.dynamics",
        did="Let both cells walk 400 steps before training, recurrent weights with spectral radii of 0.5 to 4. The "
        "number is the smallest factor by which a gradient changes in a step of the simple layer.",
        rule=Rule(steady_at_every_scale, forecast=0.1),
        measured="smallest.plain_norm:f2",
    ),
    Claim(
        id="L2",
        text="With layer norm, no recurrent weights, however large, make the gradient of a simple recurrent layer "
        "grow by more than 8.5 % a step at its start.",
        where="our own, from mean-field theory",
        experiment="layernorm.dynamics",
        did="The same walks. The number is the largest factor over the scales; without norm it exceeds the bound.",
        rule=Rule(capped, forecast=0.8),
        measured="largest.plain_norm:f3",
    ),
    Claim(
        id="L3",
        text="Before training, a layer-normalised LSTM is slightly chaotic at every scale of its recurrent weights; "
        "one without norm forgets its start unless they are large.",
        where="our own",
        experiment="layernorm.dynamics",
        did="The same walks. The number is the smallest factor by which the normalised LSTM's gradient grows in a "
        "step.",
        rule=Rule(starts_chaotic, forecast=0.5),
        measured="smallest.lstm_norm:f3",
    ),
]
