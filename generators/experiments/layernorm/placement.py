"""The Transformer with its norms moved, replaced, frozen or taken away, at two depths."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.experiment import FAILS, HOLDS, IN_PART, TOO_SMALL, Claim, Experiment, Rule
from generators.experiments.transformer.pairs import config_for, exact, smoothed_curve, train
from generators.experiments.transformer.task import PADDING, Corpus, corpus, started, trimmed
from generators.experiments.transformer.warmup import PreNormTransformer
from generators.record import Record
from generators.training import rate_of
from implementations.layernorm import EPSILON, LayerNorm
from implementations.transformer import Residual, Transformer, TransformerConfig


class RMSNorm(nn.Module):
    """Layer norm without the mean and without the bias (Zhang and Sennrich, 2019)."""

    def __init__(self, n_units: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(n_units))

    def forward(self, x: Tensor) -> Tensor:
        """Divide by the root of the mean square."""
        return F.rms_norm(x, self.gain.shape, self.gain, EPSILON)


def frozen(n_units: int) -> nn.Module:
    """Layer norm whose gain stays 1 and whose bias stays 0."""
    return LayerNorm(n_units).requires_grad_(False)


def with_norms(make: Callable[[int], nn.Module]) -> Callable[[TransformerConfig], Transformer]:
    """A post-norm model whose norms are of another kind; with the same seed, the same weights."""

    def build(config: TransformerConfig) -> Transformer:
        model = Transformer(config)
        for part in model.modules():
            if isinstance(part, Residual):
                part.norm = make(config.d_model)
        return model

    return build


def he_start(make: Callable[[TransformerConfig], Transformer]) -> Callable[..., Transformer]:
    """Matrices drawn as ResNets start (He et al., 2015): six times the variance of PyTorch's own."""

    def build(config: TransformerConfig) -> Transformer:
        model = make(config)
        for part in model.modules():
            if isinstance(part, nn.Linear):
                nn.init.kaiming_normal_(part.weight)
        return model

    return build


NORMS: dict[str, Callable[[TransformerConfig], Transformer]] = {
    "post": Transformer,
    "pre": PreNormTransformer,
    "none": with_norms(nn.Identity),
    "rms": with_norms(RMSNorm),
    "frozen": with_norms(frozen),
}
MODELS = {**NORMS, **{f"{name}_he": he_start(make) for name, make in NORMS.items()}}


def token_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean loss of a token, padding aside."""
    return F.cross_entropy(logits, target, ignore_index=PADDING)


def look(model: Transformer, data: Corpus, rows: int) -> dict[str, list[float]]:
    """On numbers of the training set: length of the residual stream after each layer, and each layer's gradient.

    Both go from the encoder's first layer to the decoder's last. `stream` is a mean over positions, padding
    included; `gradient` is the norm over all parameters of a layer.
    """
    numbers = data.trained[:rows]
    source, english = trimmed(data.tokens[0, numbers]), trimmed(data.tokens[1, numbers])
    target = started(torch.ones_like(numbers), english)
    layers = [*model.encoder, *model.decoder]
    stream: list[float] = []
    model.train()

    def keep(module: nn.Module, given: tuple[Tensor, ...], x: Tensor) -> None:
        stream.append(round(x.detach().norm(dim=-1).mean().item(), 4))

    hooks = [layer.register_forward_hook(keep) for layer in layers]
    model.zero_grad()
    logits = model(source, target[:, :-1])
    token_loss(logits.flatten(0, 1), target[:, 1:].flatten()).backward()
    for hook in hooks:
        hook.remove()
    squares = [
        sum(p.grad.square().sum().item() for p in layer.parameters() if p.grad is not None)
        for layer in layers
    ]
    model.zero_grad()
    return {
        "stream": stream,
        "gradient": [float(f"{math.sqrt(square):.4g}") for square in squares],
    }


def placement(
    seed: int,
    arms: list[str],
    limit: int,
    merges: int,
    batch: int,
    steps: int,
    warmup: int,
    points: int,
    lr: float | dict[str, float],
    **sizes: int,
) -> dict[str, Any]:
    """Exact match on unseen numbers and the course of training, German to English, of each arm and of each pair.

    Every batch is scored before it is learnt from. A loss above that of an even guess, log V, counts as log V, and so
    do the steps after one that overflowed; such a model translates nothing. `area` is the mean of all losses, `loss`
    that of the last tenth. `a_over_b` is the first one's number less the second's.
    """
    data = corpus(limit, merges)
    config = config_for(data, **sizes)
    even = math.log(data.tokenizer.get_vocab_size())
    accuracy, areas, losses, curves, done = {}, {}, {}, {}, {}
    start: dict[str, dict[str, list[float]]] = {}
    end: dict[str, dict[str, list[float]]] = {}
    for arm in arms:
        torch.manual_seed(seed)
        model = MODELS[arm](config)
        start[arm] = look(model, data, batch)
        torch.manual_seed(seed)
        curve = train(model, data, token_loss, batch, steps, rate_of(arm, lr), warmup)
        done[arm] = len(curve)
        if done[arm] == steps:
            end[arm] = look(model, data, batch)
        accuracy[arm] = exact(model.eval(), data) if done[arm] == steps else 0.0
        curve = [min(loss, even) for loss in curve] + [even] * (steps - done[arm])
        curves[arm] = smoothed_curve(curve, points)
        areas[arm] = sum(curve) / steps
        tail = curve[-max(1, steps // 10) :]
        losses[arm] = sum(tail) / len(tail)
    pairs = list(itertools.combinations(arms, 2))
    return {
        "accuracy": accuracy,
        "loss": losses,
        "area": areas,
        "score": {arm: -loss for arm, loss in losses.items()},
        "accuracy_of": {f"{a}_over_{b}": accuracy[a] - accuracy[b] for a, b in pairs},
        "loss_of": {f"{a}_over_{b}": losses[a] - losses[b] for a, b in pairs},
        "area_of": {f"{a}_over_{b}": areas[a] - areas[b] for a, b in pairs},
        "steps_done": done,
        "start": start,
        "end": end,
        "curves": curves,
        "log_vocabulary": even,
        "tested": len(data.tested),
    }


SHARED: dict[str, Any] = dict(
    limit=1000, merges=100, batch=32, points=20, d_model=32, n_heads=4, d_ff=64
)
SMOKE: dict[str, Any] = dict(
    limit=100, merges=30, batch=8, steps=4, warmup=2, points=2, d_model=8, d_ff=16, n_layers=1
)
TOLERANCE: dict[str, float | None] = dict(
    accuracy=0.5,
    loss=2.0,
    area=1.0,
    score=2.0,
    accuracy_of=1.0,
    loss_of=3.0,
    area_of=2.0,
    steps_done=100,
    start=None,
    end=None,
    curves=None,
    log_vocabulary=1e-10,
)

EXPERIMENTS = {
    "placement": Experiment(
        question="What if the Transformer's norm stands first, is RMSNorm, is frozen, or is missing?",
        run=placement,
        settings=dict(
            arms=["post", "pre", "none", "rms", "frozen"],
            **SHARED,
            steps=100,
            warmup=20,
            lr={"post": 2e-2, "pre": 2e-2, "none": 2e-2, "rms": 2e-2, "frozen": 2e-2},
            n_layers=2,
        ),
        smoke=SMOKE,
        tune={"lr": [1e-2, 2e-2, 4e-2]},
        score="score",
        tolerance=TOLERANCE,
    ),
    "placement_deep": Experiment(
        question="And in ten layers, from PyTorch's start and from one with six times the variance?",
        run=placement,
        settings=dict(
            arms=["post", "pre", "none", "post_he", "pre_he", "none_he"],
            **SHARED,
            steps=90,
            warmup=20,
            lr={
                "post": 1e-2,
                "pre": 1e-2,
                "none": 1e-2,
                "post_he": 5e-3,
                "pre_he": 2e-2,
                "none_he": 5e-3,
            },
            n_layers=5,
        ),
        smoke=SMOKE,
        tune={"lr": [5e-3, 1e-2, 2e-2]},
        score="score",
        tolerance=TOLERANCE,
    ),
}


def not_without(record: Record) -> str:
    """Holds if the deep model without norms gets less than 10 % right (its interval) and one with norms half.

    From PyTorch's start. In part if post-norm or pre-norm gets more right, the paired interval above 0. Too small if
    neither gets half right.
    """
    norms = ("post", "pre")
    if max(record[f"accuracy.{norm}"].mean for norm in norms) < 0.5:
        return TOO_SMALL
    if record["accuracy.none"].high < 0.1:
        return HOLDS
    ahead = [record[f"accuracy_of.{norm}_over_none"].low > 0 for norm in norms]
    return IN_PART if any(ahead) else FAILS


def freedom_of_start(record: Record) -> str:
    """Holds if without norms the model learns from PyTorch's start and not from He's, and with norm first from both.

    Learns: the interval of the final loss lies below half of log V; not: above it. In part if only the first two, or
    only the last.
    """
    half = record["log_vocabulary"].mean / 2
    fragile = record["loss.none"].high < half < record["loss.none_he"].low
    free = record["loss.pre"].high < half and record["loss.pre_he"].high < half
    return HOLDS if fragile and free else IN_PART if fragile or free else FAILS


def pre_is_easier(record: Record) -> str:
    """Holds if pre-norm ends with a lower loss than post-norm, by a paired interval, from both starts.

    In part if from one.
    """
    lower = [record[f"loss_of.{pair}"].low > 0 for pair in ("post_over_pre", "post_he_over_pre_he")]
    return HOLDS if all(lower) else IN_PART if any(lower) else FAILS


def rms_does_as_well(record: Record) -> str:
    """Holds if layer norm is ahead of RMSNorm by less than 5 points of accuracy.

    The upper end of the paired interval counts. In part if the interval reaches further but contains 0 or less.
    """
    ahead = record["accuracy_of.post_over_rms"]
    return HOLDS if ahead.high < 0.05 else IN_PART if ahead.low <= 0 else FAILS


def gain_and_bias_matter(record: Record) -> str:
    """Holds if freezing them costs accuracy, paired interval above 0; in part if only the final loss is higher."""
    if record["accuracy_of.post_over_frozen"].low > 0:
        return HOLDS
    return IN_PART if record["loss_of.post_over_frozen"].high < 0 else FAILS


CLAIMS = [
    Claim(
        id="N6",
        text="A deep Transformer cannot be trained without normalisation.",
        where="said in courses and posts",
        experiment="layernorm.placement_deep",
        did="Five plus five layers, German to English below 1,000, without any norm, from PyTorch's usual start, at "
        "its own learning rate. The number is what it gets right.",
        rule=Rule(not_without, forecast=0.1),
        measured="accuracy.none:pct",
        said=True,
    ),
    Claim(
        id="N7",
        text="RMSNorm does as well as layer norm.",
        where="Zhang and Sennrich 2019; said of most language models since",
        experiment="layernorm.placement",
        did="Two plus two layers, norm after each sub-layer, with the mean taken off and without. The number is how "
        "far layer norm is ahead.",
        rule=Rule(rms_does_as_well, forecast=0.35),
        measured="accuracy_of.post_over_rms:pct",
        said=True,
    ),
    Claim(
        id="N8",
        text="Pre-norm is easier to train than post-norm.",
        where="said in courses and posts",
        experiment="layernorm.placement_deep",
        did="Five plus five layers, both with warm-up and each at its own learning rate, from PyTorch's start and "
        "from He's. The number is post-norm's final loss less pre-norm's, PyTorch's start.",
        rule=Rule(pre_is_easier, forecast=0.6),
        measured="loss_of.post_over_pre:f2",
        said=True,
    ),
    Claim(
        id="N9",
        text="Layer norm needs its learnt gain and bias.",
        where="said of the layer in tutorials",
        experiment="layernorm.placement",
        did="Two plus two layers with gain 1 and bias 0 for ever. The number is the accuracy that it costs.",
        rule=Rule(gain_and_bias_matter, forecast=0.1),
        measured="accuracy_of.post_over_frozen:pct",
        said=True,
    ),
    Claim(
        id="L4",
        text="What norms give a deep Transformer is freedom in how it starts: without them it learns from small "
        "weights only.",
        where="our own",
        experiment="layernorm.placement_deep",
        did="The same ten layers from PyTorch's start and from He's, which has six times the variance. The number "
        "is the final loss without norms from He's start.",
        rule=Rule(freedom_of_start, forecast=0.75),
        measured="loss.none_he:f2",
    ),
]
