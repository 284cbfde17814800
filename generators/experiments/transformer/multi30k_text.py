"""Multi30k as tokens: one byte-pair vocabulary for both languages, and batches of about equally many tokens."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from generators.data import byte_pairs, multi30k

PADDING, START, END = 0, 1, 2
SPECIAL = ["<pad>", "<start>", "<end>"]
JOINER = "￭"  # stands before a piece that no blank came before; no caption has it
SPLITS = ("train", "val", "test_2016_flickr")

Pair = tuple[list[int], list[int]]  # German, English; both closed by END

# Our own sentences, for a run that needs neither network nor data.
SAMPLE = [
    ("Ein Hund läuft über die Wiese.", "A dog runs across the meadow."),
    ("Zwei Kinder spielen mit einem Ball.", "Two children play with a ball."),
    ("Die Frau liest ein Buch.", "The woman reads a book."),
    ("Ein alter Mann sitzt auf der Bank.", "An old man sits on the bench."),
    ("Der Junge wirft einen roten Ball.", "The boy throws a red ball."),
    ("Ein Mädchen malt ein großes Haus.", "A girl paints a big house."),
    ("Der Koch schneidet das Brot.", "The cook cuts the bread."),
    ("Eine Katze schläft auf dem warmen Dach.", "A cat sleeps on the warm roof."),
    ("Der Mann liest auf der Bank.", "The man reads on the bench."),
    ("Ein Kind wirft den Ball.", "A child throws the ball."),
    ("Die Katze sitzt auf der Wiese.", "The cat sits on the meadow."),
    ("Ein Mädchen liest ein rotes Buch.", "A girl reads a red book."),
]


@dataclass(frozen=True)
class Corpus:
    """The three splits, as text and as tokens."""

    tokenizer: Tokenizer
    text: dict[str, list[tuple[str, str]]]
    pairs: dict[str, list[Pair]]


def separated(text: str) -> str:
    """Put blanks around punctuation, marked so that `together` can take them away again.

    Example:
        >>> separated("Ein T-Shirt, rot.")
        'Ein T ￭- ￭Shirt ￭, rot ￭.'
    """
    plain = " ".join(text.split())
    return re.sub(r"(?<=\w)(?=[^\w\s])|(?<=[^\w\s])(?=\S)", f" {JOINER}", plain)


def together(text: str) -> str:
    """Undo `separated`."""
    return text.replace(f" {JOINER}", "").replace(JOINER, "").strip()


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """Token ids of a sentence, END included."""
    return [*tokenizer.encode(" " + separated(text)).ids, END]


def decode(tokenizer: Tokenizer, ids: list[int]) -> str:
    """The sentence that token ids spell, up to END, as people write it."""
    kept = ids[: ids.index(END)] if END in ids else ids
    return together("".join(tokenizer.id_to_token(id_) for id_ in kept if id_ >= len(SPECIAL)))


def corpus(sample: bool, merges: int) -> Corpus:
    """Multi30k, or our few sentences; the vocabulary has seen the training split only."""
    if sample:
        text = dict(zip(SPLITS, (SAMPLE[:8], SAMPLE[8:10], SAMPLE[10:]), strict=True))
    else:
        text = {split: multi30k(split) for split in SPLITS}
    seen = [" " + separated(sentence) for pair in text["train"] for sentence in pair]
    tokenizer = byte_pairs(seen, merges, SPECIAL)
    pairs = {
        split: [(encode(tokenizer, german), encode(tokenizer, english)) for german, english in both]
        for split, both in text.items()
    }
    return Corpus(tokenizer, text, pairs)


def padded(rows: list[list[int]]) -> Tensor:
    """Rows of ids as a tensor, filled with PADDING at their ends."""
    width = max(len(row) for row in rows)
    return torch.tensor([row + [PADDING] * (width - len(row)) for row in rows])


def bucketed(pairs: list[Pair], tokens: int) -> list[list[int]]:
    """Cut all pairs into batches of similar lengths, in random order; each pair is in one batch.

    Args:
        pairs: Sources and targets.
        tokens: The most that a batch may have on both sides together, padding included (one pair may have more).
    """
    shuffled = torch.randperm(len(pairs)).tolist()
    by_length = sorted(shuffled, key=lambda i: (len(pairs[i][1]), len(pairs[i][0])))
    batches: list[list[int]] = [[]]
    widest = [0, 0]
    for index in by_length:
        widest = [max(width, len(side)) for width, side in zip(widest, pairs[index], strict=True)]
        if batches[-1] and sum(widest) * (len(batches[-1]) + 1) > tokens:
            batches.append([])
            widest = [len(side) for side in pairs[index]]
        batches[-1].append(index)
    return [batches[i] for i in torch.randperm(len(batches)).tolist()]


def endless(pairs: list[Pair], tokens: int, seen: Counter[str]) -> Iterator[tuple[Tensor, Tensor]]:
    """Epoch after epoch of batches: sources, and targets from START on. `seen` counts what was handed out."""
    while True:
        for batch in bucketed(pairs, tokens):
            sources, targets = zip(*(pairs[index] for index in batch), strict=True)
            seen["sentences"] += len(batch)
            seen["tokens"] += sum(map(len, sources)) + sum(map(len, targets))
            yield padded(list(sources)), padded([[START, *target] for target in targets])
