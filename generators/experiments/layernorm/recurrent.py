"""Recurrent layers over hundreds of steps: what layer norm does to their states and gradients, and what it hides."""

import functools
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.data import in_words
from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.record import Record
from generators.training import rate_of, training
from implementations.layernorm import LayerNorm, LSTMCell, RecurrentCell

State = tuple[Tensor, ...]  # h; or h and c


class Affine(LayerNorm):
    """Gain and bias stay, the normalisation goes."""

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift."""
        return self.gain * x + self.bias


CELLS = {"plain": RecurrentCell, "lstm": LSTMCell}
N_STATES = {"plain": 1, "lstm": 2}
ARMS = [f"{cell}_{norm}" for cell in CELLS for norm in ("norm", "none")]


def cell_of(arm: str, n_inputs: int, n_hidden: int) -> nn.Module:
    """A cell as it is, or with every layer norm of it replaced; with the same seed, the same weights."""
    kind, norm = arm.split("_")
    cell = CELLS[kind](n_inputs, n_hidden)
    if norm == "none":
        for name, child in list(cell.named_children()):
            if isinstance(child, LayerNorm):
                cell.register_module(name, Affine(tuple(child.gain.shape)))
    return cell


def walk(cell: nn.Module, inputs: Tensor, state: State) -> list[State]:
    """The states after every step of inputs B T I."""
    states = []
    for x in inputs.unbind(1):
        after = cell(x, *state)
        state = after if isinstance(after, tuple) else (after,)
        states.append(state)
    return states


def gradients_back(loss: Tensor, states: list[State]) -> list[float]:
    """Norm of the gradient of a loss by the state at every step."""
    flat = torch.autograd.grad(loss, [part for state in states for part in state])
    width = len(states[0])
    return [
        math.sqrt(sum(part.square().sum().item() for part in flat[first : first + width]))
        for first in range(0, len(flat), width)
    ]


def decades(x: float) -> float:
    """The logarithm to base 10; what has vanished altogether counts as 1e-300."""
    return round(math.log10(max(x, 1e-300)), 3)


# Before any training ----------------------------------------------------------------------------------------


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


# Training on long sequences ---------------------------------------------------------------------------------


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
