"""A small GPT-2: how it is trained, and what it knows in bits per byte."""

import math
import random
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from generators.data import in_words, prose
from generators.training import training
from implementations.gpt1 import batch_of, next_token_loss
from implementations.gpt2 import GPT2, ByteTokenizer, to_bytes

Read = Callable[[GPT2, Tensor], Tensor]  # from tokens, B T, to logits, B T V


def documents(source: str, split: str, characters: int, seed: int) -> list[str]:
    """Whole texts in random order, so many that they have about this many characters together.

    Args:
        source: `prose`, the docstrings of `data.prose`; or `numbers`, English number words, which cost no reading.
        split: As in `data.prose`.
        characters: Reached by the last text.
        seed: Of the order. Numbers have none in two splits.
    """
    chance = random.Random(f"{seed} {split}")
    if source == "prose":
        texts = list(prose(split))
        chance.shuffle(texts)
    else:
        third = ("train", "held_out", "unseen").index(split)
        numbers = list(range(third, 3000, 3))
        chance.shuffle(numbers)
        texts = [
            "\n".join(in_words(number, "en") for number in numbers[at : at + 5]) + "."
            for at in range(0, len(numbers), 5)
        ]
    chosen: list[str] = []
    for text in texts:
        chosen.append(text)
        characters -= len(text)
        if characters <= 0:
            break
    return chosen


def stream(texts: Iterable[Sequence[int]], end_of_text: int) -> Tensor:
    """Texts as tokens, one behind the other; before each stands the end of a text."""
    return torch.tensor([token for text in texts for token in (end_of_text, *text)])


def train(
    model: GPT2, tokens: Tensor, batch: int, steps: int, lr: float, warmup: int
) -> list[float]:
    """The loss of every step, in nats; batches are pieces of the stream as long as the context, drawn at random."""
    length = model.config.context

    def batches() -> Iterable[Tensor]:
        while True:
            starts = torch.randint(len(tokens) - length + 1, (batch, 1))
            yield tokens[starts + torch.arange(length)]

    steps_done = training(
        model,
        lambda rows: next_token_loss(model(rows), rows),
        iter(batches()),
        steps,
        lr,
        warmup,
        weight_decay=0.1,
    )
    return [loss for _, loss in steps_done]


def at_once(model: GPT2, tokens: Tensor) -> Tensor:
    """The logits as in training."""
    return model(tokens)


def bits_per_byte(
    model: GPT2, tokenizer: ByteTokenizer, texts: Sequence[str], length: int, read: Read = at_once
) -> float:
    """What each byte of some texts costs.

    Texts are cut into pieces of `length - 1` tokens, each read behind the end of a text and for itself: so every
    token counts, and the first of a piece is guessed from nothing.
    """
    pieces = []
    for text in texts:
        tokens = tokenizer.encode(text)
        pieces += [
            [tokenizer.end_of_text, *tokens[at : at + length - 1]]
            for at in range(0, len(tokens), length - 1)
        ]
    rows, real = batch_of(pieces, length)
    nats = 0.0
    with torch.no_grad():
        for row, kept in zip(rows.split(64), real.split(64), strict=True):
            log_p = read(model.eval(), row)[:, :-1].log_softmax(dim=-1)
            costs = -log_p.gather(-1, row[:, 1:, None])[..., 0]
            nats += costs[kept[:, 1:]].double().sum().item()
    return nats / math.log(2) / sum(len(to_bytes(text)) for text in texts)
