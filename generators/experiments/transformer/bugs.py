"""The bug gallery: mistakes of real projects, put into one translator, and what each looks like from outside."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.transformer.components import Mask, OtherMasks, Unscaled, without
from generators.experiments.transformer.pairs import (
    ENGLISH,
    GERMAN,
    config_for,
    exact,
    smoothed_curve,
    train,
    translations,
)
from generators.experiments.transformer.task import (
    END,
    FIRST_LANGUAGE,
    PADDING,
    Corpus,
    Loss,
    Write,
    corpus,
)
from generators.record import Record
from implementations.transformer import (
    DecoderLayer,
    Decoding,
    MultiHeadAttention,
    Transformer,
    TransformerConfig,
    beam_search,
    label_smoothing,
)

EPSILON = 0.1


class MaskShifted(OtherMasks):
    """`tril(diagonal=1)`: in training, position t sees position t + 1, which is the answer."""

    def masks(self, written: Mask, memory: Mask) -> tuple[Mask, Mask]:
        """Let each position see one too many."""
        return None if written is None else torch.ones_like(written).tril(1), memory


class PaddingSeen(OtherMasks):
    """The source's padding is hidden in the encoder and forgotten in the attention over its output."""

    def masks(self, written: Mask, memory: Mask) -> tuple[Mask, Mask]:
        """Drop the second mask."""
        return written, None


class EmbeddingNotScaled(Transformer):
    """The shared matrix is used as it is, small beside the positions."""

    def embed(self, tokens: Tensor, first: int = 0) -> Tensor:
        """Leave out the root of the width."""
        here = self.positions[first : first + tokens.shape[1]]
        return self.dropout(self.embedding(tokens) + here)


class OneTooFar(Transformer):
    """Positions are counted from 1 when translating, and from 0 in training."""

    def embed(self, tokens: Tensor, first: int = 0) -> Tensor:
        """Begin one too late."""
        return super().embed(tokens, first + 1)


class NoOffset(Transformer):
    """With the cache, every new token is told that it stands at the beginning."""

    def embed(self, tokens: Tensor, first: int = 0) -> Tensor:
        """Forget how many there were before."""
        return super().embed(tokens, 0)


smoothed = partial(label_smoothing, epsilon=EPSILON, padding=PADDING)  # the right loss


def smoothed_over_padding(logits: Tensor, target: Tensor) -> Tensor:
    """The doubt is spread at padded positions too; only the term of the right token leaves them out."""
    log_p = logits.log_softmax(dim=-1)
    real = target != PADDING
    right = log_p.gather(1, target[:, None])[:, 0].masked_fill(~real, 0.0)
    return (-(1 - EPSILON) * right - EPSILON * log_p.mean(dim=-1)).sum() / real.sum()


# Trained with the bug: how the model is made, and by which loss it learns.
IN_TRAINING: dict[str, tuple[Callable[[TransformerConfig], Transformer], Loss]] = {
    "scaling_removed": (without(MultiHeadAttention, Unscaled), smoothed),
    "mask_shifted": (without(DecoderLayer, MaskShifted), smoothed),
    "padding_seen": (without(DecoderLayer, PaddingSeen), smoothed),
    "embedding_not_scaled": (EmbeddingNotScaled, smoothed),
    "smoothing_on_padding": (Transformer, smoothed_over_padding),
}
MASKS = ("mask_shifted", "padding_seen")
# Trained rightly, used wrongly.
IN_USE = ("positions_off_by_one", "cache_without_offset", "dropout_left_on", "beam_not_normalised")

beam = partial(beam_search, beam=4, alpha=0.6)
beam_without_penalty = partial(beam_search, beam=4, alpha=0.0)


def again(kind: type[Transformer], model: Transformer) -> Transformer:
    """A model of another kind with the same weights, in evaluation mode."""
    twin = kind(model.config)
    twin.load_state_dict(model.state_dict())
    return twin.eval()


def bugs(
    seed: int,
    limit: int,
    merges: int,
    batch: int,
    steps: int,
    warmup: int,
    points: int,
    lr: float,
    dropout: float,
    **sizes: int,
) -> dict[str, Any]:
    """Training loss and exact match on unseen numbers, of the right translator and of each broken one."""
    data = corpus(limit, merges)
    config = config_for(data, dropout, **sizes)
    learn = partial(train, data=data, batch=batch, steps=steps, lr=lr, warmup=warmup)
    torch.manual_seed(seed)
    right = Transformer(config)
    torch.manual_seed(seed)
    curves = {"right": smoothed_curve(learn(right, loss=smoothed), points, steps)}
    right.eval()
    accuracy = {"right": exact(right, data), "right_beam": exact(right, data, beam)}
    nats = {"right": surprise(right, data)}
    for bug, (make, loss) in IN_TRAINING.items():
        torch.manual_seed(seed)
        model = make(config)
        torch.manual_seed(seed)
        curves[bug] = smoothed_curve(learn(model, loss=loss), points, steps)
        accuracy[bug], nats[bug] = exact(model.eval(), data), surprise(model, data)
    used_wrongly = {
        "positions_off_by_one": again(OneTooFar, right),
        "cache_without_offset": again(NoOffset, right),
        "dropout_left_on": again(Transformer, right).train(),
    }
    for bug, model in used_wrongly.items():
        accuracy[bug], nats[bug] = exact(model, data), surprise(model, data)
    accuracy["beam_not_normalised"] = exact(right, data, beam_without_penalty)
    return {
        "accuracy": accuracy,
        "lost": {
            bug: accuracy["right_beam" if bug == "beam_not_normalised" else "right"] - accuracy[bug]
            for bug in (*IN_TRAINING, *IN_USE)
        },
        "loss": {arm: curve[-1] for arm, curve in curves.items()},
        "loss_above": {
            bug: curve[-1] - curves["right"][-1] for bug, curve in curves.items() if bug != "right"
        },
        "nats": nats,
        "curves": curves,
        "least_loss": least_loss(config.vocab_size),
        "length": {
            "right_beam": mean_length(right, data, beam),
            "beam_not_normalised": mean_length(right, data, beam_without_penalty),
        },
        "tested": len(data.tested),
    }


def least_loss(vocabulary: int) -> float:
    """What label smoothing leaves of the loss when every prediction is perfect: the entropy of its target."""
    right, wrong = 1 - EPSILON + EPSILON / vocabulary, EPSILON / vocabulary
    return -right * math.log(right) - (vocabulary - 1) * wrong * math.log(wrong)


@torch.no_grad()
def surprise(model: Transformer, data: Corpus) -> float:
    """Nats for each right token of the held-out numbers, read one by one with the cache as in translating."""
    wanted = data.tokens[ENGLISH, data.tested]
    decoding = Decoding(model, data.tokens[GERMAN, data.tested])
    token, costs = torch.full_like(wanted[:, :1], FIRST_LANGUAGE + ENGLISH), []
    for t in range(wanted.shape[1]):
        log_p = decoding.step(token).log_softmax(dim=-1)
        token = wanted[:, t : t + 1]
        costs.append(-log_p.gather(1, token)[token != PADDING])
    return torch.cat(costs).mean().item()


def mean_length(model: Transformer, data: Corpus, write: Write) -> float:
    """Tokens of a translation, its end not counted."""
    written = translations(model, data, write)
    return ((written != PADDING) & (written != END)).sum(dim=1).double().mean().item()


EXPERIMENTS = {
    "bugs": Experiment(
        question="What do well-known bugs look like from outside: in the loss, and in the translations?",
        run=bugs,
        settings=dict(
            limit=2000,
            merges=150,
            batch=64,
            steps=200,
            warmup=50,
            points=25,
            lr=1e-2,
            dropout=0.1,
            d_model=32,
            n_heads=4,
            d_ff=64,
            n_layers=2,
        ),
        smoke=dict(limit=100, merges=30, batch=8, steps=4, warmup=2, points=2, d_model=8, d_ff=16),
        tolerance=dict(
            accuracy=0.4,
            lost=0.4,
            loss=0.5,
            loss_above=0.5,
            curves=2.0,
            least_loss=1e-6,
            length=1.0,
        ),
    ),
}


def wrong_masks_show(record: Record) -> str:
    """Holds if the training loss with either wrong mask ends above the right one's, the interval above 0.

    In part if that is so for one of the two. A loss that is too good does not count as showing: nobody stops for it.
    """
    seen = [record[f"loss_above.{bug}"].low > 0 for bug in MASKS]
    return HOLDS if all(seen) else IN_PART if any(seen) else FAILS


CLAIMS = [
    Claim(
        id="P7",
        text="A wrong mask shows in the loss.",
        where="said when somebody asks whether their masks are right",
        experiment="transformer.bugs",
        did="Trained with the causal mask shifted by one, and with the padding mask dropped in cross-attention; "
        "compared the training loss at the end with that of the right model. The number is how far the shifted "
        "mask's loss lies above it.",
        rule=Rule(wrong_masks_show, forecast=0.05),
        measured="loss_above.mask_shifted:f3",
        said=True,
    ),
]
