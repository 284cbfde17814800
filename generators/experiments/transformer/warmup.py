"""Warm-up: training with and without it, norm after and norm before each sub-layer; and the gradients at the start.

The twin whose norms come first follows Xiong et al. (2020), "On Layer Normalization in the Transformer Architecture".
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.transformer.pairs import (
    ENGLISH,
    GERMAN,
    config_for,
    smoothed_curve,
    until_overflow,
)
from generators.experiments.transformer.task import (
    Corpus,
    accuracy,
    batches,
    corpus,
    loss_on,
    started,
)
from generators.record import Record
from generators.training import training
from implementations.layernorm import LayerNorm
from implementations.transformer import (
    KeysValues,
    Transformer,
    TransformerConfig,
    learning_rate,
)

GERMAN_TO_ENGLISH = [(GERMAN, ENGLISH)]


# Norm before the sub-layer ---------------------------------------------------------------------------------


class NormFirst(nn.Module):
    """A sub-layer that reads its input normalised."""

    def __init__(self, sublayer: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.sublayer = sublayer
        self.norm = norm

    def forward(self, x: Tensor, *rest: Any) -> Tensor:
        """Normalise, then do as before."""
        return self.sublayer(self.norm(x), *rest)


class SelfNormFirst(NormFirst):
    """Self-attention: what is asked and what is offered are the same positions, normalised alike."""

    def keys_values(self, source: Tensor) -> KeysValues:
        """Keys and values of normalised positions."""
        return self.sublayer.keys_values(self.norm(source))


class CrossNormFirst(NormFirst):
    """Attention over the source: the encoder's output has been normalised already."""

    def keys_values(self, source: Tensor) -> KeysValues:
        """Keys and values of the memory as it is."""
        return self.sublayer.keys_values(source)


class PreNormTransformer(Transformer):
    """Every sub-layer is $x + f(LN(x))$, and each stack ends with a norm; with the same seed, the same weights."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        for layer in self.encoder:
            layer.self_attention = SelfNormFirst(layer.self_attention, layer.add_attention.norm)
            layer.add_attention.norm = nn.Identity()
        for layer in self.decoder:
            layer.self_attention = SelfNormFirst(layer.self_attention, layer.add_self.norm)
            layer.cross_attention = CrossNormFirst(layer.cross_attention, layer.add_cross.norm)
            layer.add_self.norm = layer.add_cross.norm = nn.Identity()
        for layer in [*self.encoder, *self.decoder]:
            layer.feed_forward = NormFirst(layer.feed_forward, layer.add_feed_forward.norm)
            layer.add_feed_forward.norm = nn.Identity()
        self.encoder_norm = LayerNorm(config.d_model)
        self.decoder_norm = LayerNorm(config.d_model)

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Read the source; normalise what comes out."""
        memory, visible = super().encode(source)
        return self.encoder_norm(memory), visible

    def logits(self, x: Tensor) -> Tensor:
        """Normalise the decoder's output, then score."""
        return super().logits(self.decoder_norm(x))


NORMS: dict[str, type[Transformer]] = {"post": Transformer, "pre": PreNormTransformer}
STARTS = ("warm", "cold")


# Training --------------------------------------------------------------------------------------------------


def paced(peak: float, d_model: int, ramp: int, warm: bool) -> Callable[[int], float]:
    """The paper's schedule, scaled to a peak; cold, the peak is held for as long as the ramp would last."""
    top = learning_rate(ramp, d_model, ramp)

    def rate(step: int) -> float:
        return peak / top * learning_rate(step if warm else max(step, ramp), d_model, ramp)

    return rate


def held_out_loss(model: Transformer, data: Corpus) -> float:
    """Loss on the numbers that are never shown."""
    language = torch.full_like(data.tested, ENGLISH)
    source, target = data.tokens[GERMAN, data.tested], data.tokens[ENGLISH, data.tested]
    with torch.no_grad():
        return loss_on(model.eval())((source, started(language, target))).item()


def warmup(
    seed: int,
    limit: int,
    merges: int,
    batch: int,
    steps: int,
    ramp: int,
    lr: float,
    points: int,
    **sizes: int,
) -> dict[str, Any]:
    """Post-norm and pre-norm, each with and without warm-up, all at one peak rate.

    A run that overflows, or whose held-out loss ends above that of an even guess, log V, counts as diverged: it
    gets the loss log V and no exact match. `ratio` is the held-out loss without warm-up over that with it, `gain`
    its logarithm.
    """
    data = corpus(limit, merges)
    config = config_for(data, **sizes)
    even_guess = math.log(config.vocab_size)
    exact, losses, diverged, curves = {}, {}, {}, {}
    for norm, make in NORMS.items():
        for start in STARTS:
            torch.manual_seed(seed)
            model = make(config)
            torch.manual_seed(seed)
            rate = paced(lr, config.d_model, ramp, warm=start == "warm")
            pairs = batches(data, batch, GERMAN_TO_ENGLISH)
            # The paper clips no gradients, and clipping would do some of what warm-up is for.
            curve = until_overflow(
                training(model, loss_on(model), pairs, steps, rate, clip=math.inf)
            )
            loss = held_out_loss(model, data) if len(curve) == steps else math.inf
            arm = f"{norm}_{start}"
            diverged[arm] = int(not loss < even_guess)
            losses[arm] = even_guess if diverged[arm] else loss
            exact[arm] = (
                0.0 if diverged[arm] else accuracy(model, data, data.tested, GERMAN_TO_ENGLISH)
            )
            curves[arm] = smoothed_curve(curve, points, steps, digits=4)
    ratio = {norm: losses[f"{norm}_cold"] / losses[f"{norm}_warm"] for norm in NORMS}
    gain = {norm: math.log(ratio[norm]) for norm in NORMS}
    return {
        "exact": exact,
        "loss": losses,
        "diverged": diverged,
        "ratio": ratio,
        "gain": {**gain, "post_over_pre": gain["post"] - gain["pre"]},
        "score": {arm: -loss for arm, loss in losses.items()},
        "curves": curves,
        "log_vocabulary": even_guess,
        "tested": len(data.tested),
    }


# Gradients at the start -------------------------------------------------------------------------------------


def glorot(model: nn.Module) -> None:
    """Start every matrix but the embedding as the theory does (variance one over the width), biases at zero."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def gradients_at_start(
    seed: int,
    depths: list[int],
    inits: int,
    limit: int,
    merges: int,
    batch: int,
    **sizes: int,
) -> dict[str, Any]:
    r"""Norm of the loss's gradient for the last layer's second matrix ($W^{2,L}$ of Xiong et al.), untrained.

    Measured for matrices that start as in the theory and as in PyTorch; mean over `inits` starts, each on a batch
    of its own, the same ones for every arm. `exponent` is the slope of its logarithm over that of the depth,
    `ratio` the mean of the deepest over that of the shallowest.
    """
    data = corpus(limit, merges)
    norms: dict[str, list[float]] = {
        f"{norm}_{start}": [] for norm in NORMS for start in ("theory", "torch")
    }
    for depth in depths:
        config = config_for(data, n_layers=depth, **sizes)
        for arm, means in norms.items():
            norm, start = arm.split("_")
            torch.manual_seed(seed)
            found = []
            for _ in range(inits):
                pair = next(batches(data, batch, GERMAN_TO_ENGLISH))
                model = NORMS[norm](config).requires_grad_(False)
                if start == "theory":
                    glorot(model)
                found.append(last_gradient(model, pair))
            means.append(sum(found) / inits)
    return {
        "exponent": {arm: exponent(depths, means) for arm, means in norms.items()},
        "ratio": {arm: means[-1] / means[0] for arm, means in norms.items()},
        "norms": {arm: [float(f"{mean:.5g}") for mean in means] for arm, means in norms.items()},
        "depths": depths,
    }


def last_gradient(model: Transformer, pair: tuple[Tensor, Tensor]) -> float:
    """Norm of the gradient at the second matrix of the decoder's last feed-forward network."""
    weights = [
        parameter
        for name, parameter in model.decoder[-1].named_parameters()
        if name.endswith("contract.weight")
    ]
    weights[0].requires_grad_(True)
    (gradient,) = torch.autograd.grad(loss_on(model)(pair), weights)
    return gradient.norm().item()


def exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """The power with which y grows with x: the slope of a line through the logarithms."""
    across, up = (torch.tensor(v, dtype=torch.float64).log() for v in (x, y))
    across, up = across - across.mean(), up - up.mean()
    return (across @ up / (across @ across)).item()


EXPERIMENTS = {
    "warmup": Experiment(
        question="Does the model need warm-up, and does it still where each norm stands before its sub-layer?",
        run=warmup,
        settings=dict(
            limit=1000,
            merges=60,
            batch=32,
            steps=220,
            ramp=50,
            lr=3e-3,
            points=20,
            d_model=48,
            n_heads=4,
            d_ff=96,
            n_layers=5,
        ),
        smoke=dict(
            limit=100, merges=30, batch=8, steps=4, ramp=2, points=2, d_model=8, d_ff=16, n_layers=1
        ),
        # One rate for all arms: the best of post-norm with warm-up, the arm that the paper trained.
        tune={"lr": [2e-3, 3e-3, 4e-3, 6e-3]},
        score="score",
        tolerance=dict(
            exact=0.5,
            score=1.0,
            loss=1.0,
            diverged=1.0,
            ratio=20.0,
            gain=2.0,
            curves=3.0,
            log_vocabulary=1e-10,
        ),
    ),
    "gradients_at_start": Experiment(
        question="How large is the last layer's gradient before training, and what has the depth to do with it?",
        run=gradients_at_start,
        settings=dict(
            depths=[2, 4, 8, 16, 32],
            inits=5,
            limit=1000,
            merges=60,
            batch=16,
            d_model=64,
            n_heads=4,
            d_ff=64,
        ),
        smoke=dict(depths=[1, 2], inits=1, limit=100, merges=30, batch=4, d_model=8, d_ff=8),
        tolerance=dict(exponent=0.05, ratio=0.1, norms=0.1),
    ),
}


def trains_with_warmup(record: Record) -> str:
    """Holds if the post-norm model with warm-up gets 90 % right, and without it ends with a higher loss.

    With: mean exact match on unseen numbers of at least 90 %. Without: the interval of the logarithm of the ratio
    of the held-out losses lies above 0. In part if only one of the two is so.
    """
    trains = record["exact.post_warm"].mean >= 0.9
    worse = record["gain.post"].low > 0
    return HOLDS if trains and worse else IN_PART if trains or worse else FAILS


def only_post_norm_needs_it(record: Record) -> str:
    """Holds if warm-up lowers the loss of post-norm, lowers that of pre-norm less, and not beyond noise.

    The first two: the intervals of the gain of post-norm, and of that gain over pre-norm's, lie above 0. The third:
    the interval of pre-norm's gain does not lie above 0. In part if pre-norm gains too, but less.
    """
    needs = record["gain.post"].low > 0 and record["gain.post_over_pre"].low > 0
    without_use = record["gain.pre"].low <= 0
    return HOLDS if needs and without_use else IN_PART if needs else FAILS


def flat_and_falling(record: Record) -> str:
    """Holds if the gradient of post-norm is flat in depth, and that of pre-norm falls like one over its root.

    Both with the theory's start. Flat: from the shallowest to the deepest it changes by a factor of 1.5 at most,
    mean of the runs. Falling: their mean exponent lies between -0.7 and -0.3. In part if one of the two is so.
    """
    flat = 1 / 1.5 <= record["ratio.post_theory"].mean <= 1.5
    falling = -0.7 <= record["exponent.pre_theory"].mean <= -0.3
    return HOLDS if flat and falling else IN_PART if flat or falling else FAILS


CLAIMS = [
    Claim(
        id="A8",
        text="Warm-up, then decay with the inverse root of the step, trains the post-norm model; "
        "without warm-up it ends worse.",
        where="Section 5.3",
        experiment="transformer.warmup",
        did="Five plus five layers, German to English below 1,000, the paper's schedule with its ramp and with the "
        "peak held in its place. The number is the held-out loss without the ramp over that with it.",
        rule=Rule(trains_with_warmup, forecast=0.5),
        measured="ratio.post:f2",
    ),
    Claim(
        id="S1",
        text="Post-norm needs warm-up, pre-norm does not.",
        where="Xiong et al. 2020, Section 3.2 and Figure 2",
        experiment="transformer.warmup",
        did="The same runs with the norm before each sub-layer and after each stack, at the same peak rate. "
        "The number is pre-norm's held-out loss without the ramp over that with it.",
        rule=Rule(only_post_norm_needs_it, forecast=0.6),
        measured="ratio.pre:f2",
    ),
    Claim(
        id="S2",
        text="Before training, the last layer's gradient does not depend on depth in post-norm and falls like one "
        "over the root of the depth in pre-norm.",
        where="Xiong et al. 2020, Theorem 1",
        experiment="transformer.gradients_at_start",
        did="Gradient of the loss at the last feed-forward network's second matrix, 2 to 32 layers in each stack. "
        "The number is the fitted exponent of pre-norm.",
        rule=Rule(flat_and_falling, forecast=0.85),
        measured="exponent.pre_theory:f2",
    ),
]
