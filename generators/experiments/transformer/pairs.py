"""One small translator, German to English: what is taken out of it or broken in it is compared on this task."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from generators.experiments.transformer.task import (
    END,
    FIRST_LANGUAGE,
    PADDING,
    Corpus,
    started,
    trimmed,
)
from generators.training import training
from implementations.transformer import Transformer, TransformerConfig, greedy

GERMAN, ENGLISH = 0, 1
Loss = Callable[[Tensor, Tensor], Tensor]  # logits N V, target N


def config_for(data: Corpus, dropout: float = 0.0, **sizes: int) -> TransformerConfig:
    """A configuration that fits a corpus, with some positions to spare."""
    vocabulary = data.tokenizer.get_vocab_size()
    return TransformerConfig(
        vocabulary, dropout=dropout, context=data.width + 4, padding=PADDING, **sizes
    )


def mixed(data: Corpus, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Random numbers, short and long in one batch as they come: source, and target from its start token on."""
    language = torch.full((batch,), ENGLISH)
    while True:
        numbers = data.trained[torch.randint(len(data.trained), (batch,))]
        yield (
            trimmed(data.tokens[GERMAN, numbers]),
            started(language, trimmed(data.tokens[ENGLISH, numbers])),
        )


def train(
    model: Transformer,
    data: Corpus,
    loss: Loss,
    batch: int,
    steps: int,
    lr: float,
    warmup: int,
) -> list[float]:
    """Train on German to English; the loss of every step. Divergence ends the list early."""

    def loss_of(pair: tuple[Tensor, Tensor]) -> Tensor:
        source, target = pair
        logits = model(source, target[:, :-1])
        return loss(logits.flatten(0, 1), target[:, 1:].flatten())

    losses: list[float] = []
    try:
        for _, value in training(model, loss_of, mixed(data, batch), steps, lr, warmup):
            losses.append(value)
    except FloatingPointError:
        pass
    return losses


Write = Callable[[Transformer, Tensor, Tensor, int, int], Tensor]


def exact(model: Transformer, data: Corpus, write: Write = greedy) -> float:
    """Share of the held-out numbers that are written right to the last letter, in whatever mode the model is."""
    written = translations(model, data, write)
    wanted = data.tokens[ENGLISH, data.tested]
    return (written == wanted).all(dim=1).double().mean().item()


def translations(model: Transformer, data: Corpus, write: Write = greedy) -> Tensor:
    """The held-out numbers in English, filled up with padding to the width of the corpus."""
    start = torch.full_like(data.tested, FIRST_LANGUAGE + ENGLISH)
    written = write(model, data.tokens[GERMAN, data.tested], start, END, data.width)
    return nn.functional.pad(written, (0, data.width - written.shape[1]), value=PADDING)


def smoothed_curve(losses: list[float], points: int) -> list[float]:
    """Means of equal pieces of a curve, for a figure."""
    pieces = torch.tensor(losses, dtype=torch.float64).tensor_split(points)
    return [round(piece.mean().item(), 5) for piece in pieces]


def swapped(model: Transformer, old: type[nn.Module], new: Callable[[Any], nn.Module]) -> None:
    """Replace every part of one kind by a twin of another kind that takes over its weights."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is old:
                twin = new(model.config)
                twin.load_state_dict(child.state_dict())
                parent.register_module(name, twin)
