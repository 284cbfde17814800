"""The texts: library prose to pre-train on, and "which library wrote this?" as byte pairs of the paper's kind."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from generators.data import LIBRARIES, masked, prose, which_library
from implementations.gpt1 import BytePairs, Special, Tokens, TransformerConfig, classification

SPECIAL = Special(start=1, delimiter=2, extract=3)  # `<unk>` is 0
CHARACTERS = 200  # of a labelled text; more does not fit the context
CLASSES = len(LIBRARIES)
Example = tuple[Tokens, int]


class Texts(NamedTuple):
    """What a language model reads."""

    vocabulary: BytePairs
    trained: Tensor  # masked docstrings of `prose("train")`, one behind the other
    held_out: Tensor  # the same of files that are never trained on
    bits_per_byte: float  # what a nat for each token of `held_out` is


@functools.cache
def vocabulary(merges: int, sample: int) -> BytePairs:
    """Byte pairs learnt from every `sample`-th docstring; library names are masked as everywhere."""
    texts = [masked(text) for text in prose("train")[::sample]]
    return BytePairs.learn(texts, merges, ["<start>", "<delimiter>", "<extract>"])


@functools.cache
def texts(merges: int, sample: int, every: int) -> Texts:
    """Every so many docstrings, as tokens."""
    known = vocabulary(merges, sample)
    trained, held_out = (
        [masked(text) for text in prose(split)[::step]]
        for split, step in (("train", every), ("held_out", 4 * every))
    )
    tokens = [
        torch.tensor([token for text in part for token in known.encode(text)])
        for part in (trained, held_out)
    ]
    # White space is written as one space between words, so it is counted as that.
    n_bytes = len(" ".join(" ".join(held_out).split()).encode())
    nat = 1 / torch.tensor(2.0).log().item()
    return Texts(known, *tokens, nat * len(tokens[1]) / n_bytes)


@functools.cache
def labelled(split: str, merges: int, sample: int) -> list[tuple[Tokens, int]]:
    """Masked beginnings of docstrings as tokens without a frame, and their libraries; each five have one of each."""
    known = vocabulary(merges, sample)
    return [
        (known.encode(text), label)
        for text, label in zip(*which_library(split, CHARACTERS), strict=True)
    ]


def some(examples: list[Example], count: int) -> list[Example]:
    """As many examples that follow each other, beginning at a random five; each class is in them equally often."""
    first = CLASSES * int(torch.randint((len(examples) - count) // CLASSES + 1, ()))
    return examples[first : first + count]


def framed(text: Tokens, context: int) -> Tokens:
    """A text's beginning as a classification input that fits."""
    return classification(text[: context - 2], SPECIAL)


def windows(tokens: Tensor, batch: int, context: int) -> Iterator[Tensor]:
    """Endless random stretches of the text: B T."""
    within = torch.arange(context)
    while True:
        first = torch.randint(len(tokens) - context + 1, (batch, 1))
        yield tokens[first + within]


def shuffled_batches(examples: list[Example], batch: int) -> Iterator[list[Example]]:
    """Endless batches; every example is in one before any comes again."""
    waiting: list[int] = []
    while True:
        while len(waiting) < batch:
            waiting += torch.randperm(len(examples)).tolist()
        yield [examples[index] for index in waiting[:batch]]
        waiting = waiting[batch:]


def config_for(known: BytePairs, context: int, **sizes: int) -> TransformerConfig:
    """A model over these tokens, without dropout."""
    return TransformerConfig(len(known), dropout=0.0, context=context, **sizes)
