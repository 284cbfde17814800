"""The data sets: each is made from a rule, carried by a pinned package, or downloaded once and checked."""

import functools
import gzip
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pooch
import torch
from num2words import num2words
from sklearn.datasets import load_digits
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor

from generators.files import ROOT, digest

# Number words (made by num2words) ---------------------------------------------------------------------------

LANGUAGES = ("de", "en", "fr", "da")
NAMES = {"de": "German", "en": "English", "fr": "French", "da": "Danish"}

# Forms that num2words writes inside longer words, beside those that it gives for single numbers.
# None marks a word that only joins ("and"): it stands for no part of the number.
FORMS: dict[str, dict[str, int | None]] = {
    "de": {"ein": 1, "hundert": 100, "tausend": 1000, "und": None},
    "en": {"hundred": 100, "thousand": 1000, "and": None},
    "fr": {"vingts": 20, "cent": 100, "cents": 100, "mille": 1000, "et": None},
    "da": {"en": 1, "hundrede": 100, "tusind": 1000, "tusinde": 1000, "og": None},
}


@dataclass(frozen=True)
class Word:
    """A piece of a written number, and what it says."""

    text: str
    start: int  # offset of its first character in the whole text
    says: frozenset[str]  # which decimal places; empty for a joining word

    @property
    def end(self) -> int:
        """Offset behind its last character."""
        return self.start + len(self.text)


@functools.cache
def in_words(number: int, language: str) -> str:
    """A number as people write it: `in_words(21, "de")` is "einundzwanzig"."""
    return num2words(number, lang=language)


def words(number: int, language: str) -> list[Word]:
    """The pieces of a number up to 9,999, each with the decimal places that it speaks of.

    The same places in two languages are the true alignment: "ein" of "einundzwanzig" and "one" of "twenty-one"
    both say `units`. "elf" says `tens` and `units` at once, "soixante" and "onze" share the tens of 71.
    """
    text = in_words(number, language)
    lexicon = _lexicon(language)
    pattern = "|".join(sorted(map(re.escape, lexicon), key=len, reverse=True))
    found = [(match[0], match.start()) for match in re.finditer(pattern, text)]
    if "".join(piece for piece, _ in found) != re.sub(r"[ ,-]", "", text):
        raise ValueError(f'cannot take "{text}" ({number} in {language}) apart')
    values = [lexicon[piece] for piece, _ in found]
    return [
        Word(piece, start, says)
        for (piece, start), says in zip(found, _places(values), strict=True)
    ]


@functools.cache
def _lexicon(language: str) -> dict[str, int | None]:
    single = {in_words(n, language): n for n in [*range(20), *range(20, 100, 10)]}
    return {text: n for text, n in single.items() if text.isalpha()} | FORMS[language]


def _places(values: list[int | None]) -> list[frozenset[str]]:
    """What each word of a number says, from the value of every word."""
    says: list[frozenset[str]] = [frozenset()] * len(values)
    group: list[int] = []  # words since the last multiplier
    for index, value in enumerate(values):
        if value in (100, 1000):
            count, place = ("hundred", "hundreds") if value == 100 else ("thousand", "thousands")
            for earlier in group:
                says[earlier] = frozenset({place})
            says[index] = (
                frozenset({count}) if group else frozenset({count, place})
            )  # "cent" is "one hundred"
            group = []
        elif value is not None:
            group.append(index)
    for index in group:
        says[index] = _places_below_100(values[index], values[index + 1 : index + 2])
    return says


def _places_below_100(value: int | None, following: list[int | None]) -> frozenset[str]:
    if value == 4 and following == [20]:  # quatre-vingt
        return frozenset({"tens"})
    if value is not None and value < 10:
        return frozenset({"units"})
    if (
        value is not None and value < 20 and not (value == 10 and following)
    ):  # but dix-sept: 10 and 7
        return frozenset({"tens", "units"})
    return frozenset({"tens"})


def held_out(number: int) -> bool:
    """Whether a number is kept for testing: one in ten, the same ones for ever."""
    return int(digest(f"number {number}")[:8], 16) % 10 == 0


def byte_pairs(texts: list[str], merges: int, special: list[str]) -> Tokenizer:
    """A byte-pair vocabulary: the characters of `texts`, the `special` tokens (ids from 0) and `merges` merges.

    From the `tokenizers` package until our own comes with GPT-1.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    characters = sorted({character for text in texts for character in text})
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_next")
    trainer = trainers.BpeTrainer(
        vocab_size=len(special) + len(characters) + merges,
        special_tokens=special,
        initial_alphabet=characters,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


# Handwritten digits (carried by scikit-learn) --------------------------------------------------------------


@functools.cache
def digits(split: str) -> tuple[Tensor, Tensor]:
    """Handwritten digits of 13 people, 8 by 8 pixels (Alpaydin and Kaynak, 1998; the test part of their set).

    Args:
        split: `train` (1,438 pictures) or `test` (359, every fifth). Neighbours in the set are often of one writer,
            so a writer may be in both.

    Returns:
        Pictures B 1 8 8 with ink from 0 to 1, and the digits they show, B. Not to be changed in place.
    """
    if split not in ("train", "test"):
        raise ValueError(f'digits have no split "{split}", only train, test')
    bunch = load_digits()
    images = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16  # 17 shades
    labels = torch.tensor(bunch.target, dtype=torch.int64)
    chosen = (torch.arange(len(labels)) % 5 == 4) == (split == "test")
    return images[chosen], labels[chosen]


# Multi30k (downloaded; benchmark tier) ----------------------------------------------------------------------

MULTI30K = "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw/"
MULTI30K_FILES = {
    "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
}


class NoData(RuntimeError):
    """A data set that is neither in the cache nor to be had."""


def data_folder() -> Path:
    """Where downloads are kept; the environment variable DEEP_LEARNING_PAPERS_DATA moves it."""
    return Path(os.environ.get("DEEP_LEARNING_PAPERS_DATA") or ROOT / ".cache" / "data")


def multi30k(split: str, files: dict[str, str] = MULTI30K_FILES) -> list[tuple[str, str]]:
    """German and English captions of Flickr pictures (Elliott et al., 2016), for research use.

    Args:
        split: `train` (29,000 pairs), `val` (1,014) or `test_2016_flickr` (1,000).
        files: The files' SHA-256; a download or a cached copy with another one is refused.

    Raises:
        NoData: no network and no cached copy, or a copy that is not the published one.
    """
    known = sorted({name.removesuffix(".de.gz").removesuffix(".en.gz") for name in files})
    if split not in known:
        raise ValueError(f'multi30k has no split "{split}", only {", ".join(known)}')
    german, english = (_lines(f"{split}.{language}.gz", files) for language in ("de", "en"))
    return list(zip(german, english, strict=True))


def _lines(name: str, files: dict[str, str]) -> list[str]:
    folder = data_folder() / "multi30k"
    try:
        path = pooch.retrieve(
            MULTI30K + name, known_hash=f"sha256:{files[name]}", fname=name, path=folder
        )
    except (OSError, ValueError) as error:  # no network; a checksum that does not fit
        raise NoData(
            f"{folder / name}: {error}\nPut the published file there (from {MULTI30K}{name}), or set "
            "DEEP_LEARNING_PAPERS_DATA to a folder that has multi30k/, or run this with a network."
        ) from error
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.read().splitlines()
