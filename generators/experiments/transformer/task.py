"""The task: numbers in words, from any of four languages into any other."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from generators.data import LANGUAGES, byte_pairs, held_out, in_words
from implementations.transformer import Transformer, greedy

PADDING, END = 0, 1
FIRST_LANGUAGE = 2  # the start token of a translation is the language to write
SPECIAL = ["<pad>", "<end>", *(f"<{language}>" for language in LANGUAGES)]
DIRECTIONS = list(itertools.permutations(range(len(LANGUAGES)), 2))  # (source, target)

Loss = Callable[[Tensor, Tensor], Tensor]  # logits N V, target N
Write = Callable[[Transformer, Tensor, Tensor, int, int], Tensor]  # called like `greedy`


@dataclass(frozen=True)
class Corpus:
    """All numbers below a limit, written and cut into tokens in every language."""

    tokenizer: Tokenizer
    tokens: Tensor  # language, number, position: ids, closed by END, filled with PADDING
    trained: Tensor  # the numbers to learn from
    tested: Tensor  # the numbers that are never shown

    @property
    def width(self) -> int:
        """Longest sequence, END included."""
        return self.tokens.shape[2]


@functools.cache
def corpus(limit: int, merges: int) -> Corpus:
    """The numbers below `limit`; one in ten is held out, and the vocabulary has not seen it either."""
    trained = [number for number in range(limit) if not held_out(number)]
    tested = [number for number in range(limit) if held_out(number)]
    written = {
        language: [in_words(number, language) for number in range(limit)] for language in LANGUAGES
    }
    tokenizer = byte_pairs(
        [texts[n] for texts in written.values() for n in trained], merges, SPECIAL
    )
    ids = [
        [[*tokenizer.encode(text).ids, END] for text in written[language]] for language in LANGUAGES
    ]
    width = max(len(row) for rows in ids for row in rows)
    padded = [[row + [PADDING] * (width - len(row)) for row in rows] for rows in ids]
    return Corpus(tokenizer, torch.tensor(padded), torch.tensor(trained), torch.tensor(tested))


def batches(
    data: Corpus,
    batch: int,
    directions: Sequence[tuple[int, int]] = tuple(DIRECTIONS),
    chances: Tensor | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Random numbers in random directions, endlessly: source, and target from its start token on.

    `chances` weighs the trained numbers; without it each is as likely as any other.
    Sixteen batches are drawn at once and cut by length, so that little of a batch is padding.
    """
    pairs = torch.tensor(directions)
    lengths = (data.tokens != PADDING).sum(dim=2)  # language, number
    while True:
        if chances is None:
            drawn = torch.randint(len(data.trained), (16 * batch,))
        else:
            drawn = torch.multinomial(chances, 16 * batch, replacement=True)
        numbers = data.trained[drawn]
        source, target = pairs[torch.randint(len(pairs), (16 * batch,))].T
        by_length = (lengths[source, numbers] * data.width + lengths[target, numbers]).argsort()
        for part in by_length.view(16, batch)[torch.randperm(16)]:
            yield (
                trimmed(data.tokens[source[part], numbers[part]]),
                started(target[part], trimmed(data.tokens[target[part], numbers[part]])),
            )


def trimmed(tokens: Tensor) -> Tensor:
    """A batch without the columns that are padding in every row."""
    return tokens[:, : int((tokens != PADDING).sum(dim=1).max())]


def started(language: Tensor, tokens: Tensor) -> Tensor:
    """A batch of targets behind their start tokens."""
    return torch.cat([FIRST_LANGUAGE + language[:, None], tokens], dim=1)


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Mean loss of a token; padding is no target."""
    return F.cross_entropy(logits, target, ignore_index=PADDING)


def loss_on(
    model: nn.Module, loss: Loss = cross_entropy
) -> Callable[[tuple[Tensor, Tensor]], Tensor]:
    """The loss of a model as a function of a batch: each next token, given the right ones before it."""

    def loss_of(pair: tuple[Tensor, Tensor]) -> Tensor:
        source, target = pair
        logits = model(source, target[:, :-1])
        return loss(logits.flatten(0, 1), target[:, 1:].flatten())

    return loss_of


def written_in(
    model: Transformer,
    data: Corpus,
    numbers: Tensor,
    source: int,
    target: int,
    write: Write = greedy,
) -> Tensor:
    """Each number as the model translates it, filled up with padding to the width of the corpus."""
    start = torch.full_like(numbers, FIRST_LANGUAGE + target)
    written = write(model, data.tokens[source, numbers], start, END, data.width)
    return F.pad(written, (0, data.width - written.shape[1]), value=PADDING)


def exact_matches(
    model: Transformer,
    data: Corpus,
    numbers: Tensor,
    source: int,
    target: int,
    write: Write = greedy,
) -> Tensor:
    """For each number, whether its translation is right to the last letter."""
    written = written_in(model.eval(), data, numbers, source, target, write)
    return (written == data.tokens[target, numbers]).all(dim=1)


def accuracy(
    model: Transformer,
    data: Corpus,
    numbers: Tensor,
    directions: Sequence[tuple[int, int]] = tuple(DIRECTIONS),
) -> float:
    """Share of exact matches over some directions, or all."""
    hits = [exact_matches(model, data, numbers, *direction) for direction in directions]
    return torch.stack(hits).double().mean().item()
