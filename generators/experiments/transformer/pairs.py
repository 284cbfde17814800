"""One small translator, German to English: what is taken out of it or broken in it is compared on this task."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from generators.experiments.transformer.task import (
    PADDING,
    Corpus,
    Loss,
    Write,
    cross_entropy,
    loss_on,
    started,
    trimmed,
    written_in,
)
from generators.training import rate_of, training
from implementations.transformer import Transformer, TransformerConfig, greedy

GERMAN, ENGLISH = 0, 1


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
    pairs = mixed(data, batch)
    return until_overflow(training(model, loss_on(model, loss), pairs, steps, lr, warmup))


def until_overflow(steps: Iterator[tuple[int, float]]) -> list[float]:
    """The loss of every step of a training; one that overflows ends the list early."""
    losses: list[float] = []
    try:
        for _, loss in steps:
            losses.append(loss)
    except FloatingPointError:
        pass
    return losses


def compared(
    arms: Mapping[str, Callable[[TransformerConfig], Transformer]],
    seed: int,
    data: Corpus,
    config: TransformerConfig,
    batch: int,
    steps: int,
    lr: float | Mapping[str, float],
    warmup: int,
    points: int,
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Train every arm, each at its own rate; the share of held-out numbers that it gets right, and its curve."""
    accuracy, curves = {}, {}
    for arm, make in arms.items():
        torch.manual_seed(seed)
        model = make(config)
        torch.manual_seed(seed)
        losses = train(model, data, cross_entropy, batch, steps, rate_of(arm, lr), warmup)
        curves[arm] = smoothed_curve(losses, points, steps)
        accuracy[arm] = exact(model.eval(), data)
    return accuracy, curves


def exact(model: Transformer, data: Corpus, write: Write = greedy) -> float:
    """Share of the held-out numbers that are written right to the last letter, in whatever mode the model is."""
    written = translations(model, data, write)
    wanted = data.tokens[ENGLISH, data.tested]
    return (written == wanted).all(dim=1).double().mean().item()


def translations(model: Transformer, data: Corpus, write: Write = greedy) -> Tensor:
    """The held-out numbers in English, filled up with padding to the width of the corpus."""
    return written_in(model, data, data.tested, GERMAN, ENGLISH, write)


def smoothed_curve(
    losses: list[float], points: int, steps: int | None = None, digits: int = 5
) -> list[float]:
    """Means of equal pieces of a curve, for a figure; fewer pieces where it ended before all its steps."""
    pieces = torch.arange(steps or len(losses)).tensor_split(points)
    reached = [losses[piece[0] : piece[-1] + 1] for piece in pieces if len(piece)]
    means = [torch.tensor(piece, dtype=torch.float64).mean().item() for piece in reached if piece]
    return [round(mean, digits) for mean in means]


def swapped(model: Transformer, old: type[nn.Module], new: Callable[[Any], nn.Module]) -> None:
    """Replace every part of one kind by a twin of another kind that takes over its weights."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is old:
                twin = new(model.config)
                twin.load_state_dict(child.state_dict())
                parent.register_module(name, twin)
