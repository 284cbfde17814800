"""Library prose for the ladder, in the vocabularies of both papers, of equal size.

White space is one blank everywhere, for GPT-1's vocabulary cannot tell one kind from another: so both write the same
text, and a loss in bits per byte means the same.
"""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from generators.data import prose
from implementations.gpt1 import BytePairs
from implementations.gpt2 import ByteTokenizer


@dataclass(frozen=True)
class Corpus:
    """Tokens of the texts to learn from and of those to be tested on."""

    train: Tensor
    test: Tensor
    vocab_size: int
    bytes_per_token: float  # of the test text
    unknown: float  # share of its tokens that stand for a character that the vocabulary lacks


def text_of(split: str, every: int) -> str:
    """Every so-manieth docstring of a split, all white space one blank."""
    return " ".join(" ".join(prose(split)[::every]).split())


@functools.cache
def corpus(tokens: str, vocab_size: int, train_every: int, test_every: int) -> Corpus:
    """The texts in a vocabulary learnt from the training text: "words" (GPT-1's) or "bytes" (GPT-2's)."""
    train, test = text_of("train", train_every), text_of("held_out", test_every)
    vocabulary: BytePairs | ByteTokenizer
    if tokens == "words":
        first = len(BytePairs.learn([train], 0))
        vocabulary = BytePairs.learn([train], vocab_size - first)
    else:
        vocabulary = ByteTokenizer.learn([train], vocab_size - 257)  # the bytes, the end of a text
    encoded = torch.tensor(vocabulary.encode(test))
    return Corpus(
        torch.tensor(vocabulary.encode(train)),
        encoded,
        len(vocabulary),
        len(test.encode()) / len(encoded),
        (encoded == 0).float().mean().item() if tokens == "words" else 0.0,
    )
