"""The data sets: each is made from a rule, carried by a pinned package, or downloaded once and checked."""

import ast
import contextlib
import functools
import gzip
import importlib.metadata
import importlib.util
import inspect
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pooch
import torch
from num2words import num2words
from sklearn.datasets import load_digits
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor

from generators.files import ROOT, Damaged, canonical, digest, read_sealed, write_sealed


class NoData(RuntimeError):
    """A data set that is neither in the cache nor to be had."""


def data_folder() -> Path:
    """Where downloads and what takes long to read are kept; DEEP_LEARNING_PAPERS_DATA moves it."""
    return Path(os.environ.get("DEEP_LEARNING_PAPERS_DATA") or ROOT / ".cache" / "data")


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

    From the `tokenizers` package: shared code knows no paper, so it cannot take a paper's own.
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


# Library prose (the docstrings of pinned packages) ----------------------------------------------------------

# Equal to requirements.txt. Written here so that records of these texts go stale with the pins: their code
# reads the packages without importing them.
PROSE_PACKAGES = {
    "networkx": "3.6.1",
    "numpy": "2.4.6",
    "scikit-learn": "1.9.1",
    "scipy": "1.17.1",
    "sympy": "1.14.0",
    "torch": "2.13.0",
}
PROSE_RULE = 1  # one more whenever `read_prose` or what it calls reads differently
PROSE_UNSEEN = "networkx"
SHORTEST = 100  # characters; below, a docstring is a label


@dataclass(frozen=True)
class Docstring:
    """A docstring, the package it documents and the file it is from."""

    package: str
    file: str  # as in `networkx/classes/graph.py`
    text: str


@functools.cache
def library_prose() -> list[Docstring]:
    """The English in the docstrings of six pinned packages, 21 MB. Not to be changed in place.

    Read once, which takes half a minute, then cached by the pins.

    Raises:
        NoData: a package is missing or installed in another version than the pinned one.
    """
    folders = {package: _installed(package) for package in PROSE_PACKAGES}
    pinned = digest(canonical([PROSE_PACKAGES, PROSE_RULE]))
    path = data_folder() / f"library_prose-{pinned[:16]}.json"
    with contextlib.suppress(OSError, Damaged):  # not there, or not whole
        return [Docstring(**kept) for kept in read_sealed(path)["docstrings"]]
    found = read_prose(folders)
    with contextlib.suppress(OSError):  # a folder that is not ours to write: read again next time
        write_sealed(path, {"docstrings": [asdict(docstring) for docstring in found]})
    return found


def _installed(package: str) -> Path:
    """The folder of a package in its pinned version, whatever the build (`2.13.0+cpu`)."""
    pinned = PROSE_PACKAGES[package]
    try:
        version = importlib.metadata.version(package).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        version = "no version"
    if version != pinned:
        raise NoData(f"library prose is that of {package} {pinned}, but {version} is installed")
    spec = importlib.util.find_spec({"scikit-learn": "sklearn"}.get(package, package))
    return Path(spec.origin).parent


def read_prose(folders: dict[str, Path]) -> list[Docstring]:
    """Every docstring in folders of Python source that is prose and says something new.

    Left out: tests, files that are not UTF-8, docstrings below 100 characters, and any that says what an earlier
    one said but for names, numbers and layout (copies between numpy and scipy, families of functions): of 23,936
    in the pinned packages 561 are exact copies and 299 more are copies but for these. Nothing is imported.

    Args:
        folders: Package -> its folder.

    Returns:
        Docstrings in the order of `folders`, then of their paths, then of the text.
    """
    found, said = [], set()
    for package, folder in folders.items():
        for path in sorted(folder.rglob("*.py"), key=lambda path: path.as_posix()):
            inside = path.relative_to(folder)
            if _is_test(inside):
                continue
            own, texts = _docstrings(path)
            for text in texts:
                gist = _gist(text, own)
                if len(text) >= SHORTEST and gist not in said:
                    said.add(gist)
                    found.append(Docstring(package, f"{folder.name}/{inside.as_posix()}", text))
    return found


def _is_test(path: Path) -> bool:
    return bool({"test", "tests", "testing"} & set(path.parts)) or path.name.startswith("test_")


def _docstrings(path: Path) -> tuple[set[str], list[str]]:
    """The names that a file defines, in lower case, and its docstrings without their indentation."""
    try:
        source = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return set(), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # others' invalid escapes
        nodes = list(_definitions(ast.parse(source, str(path))))
    own = {node.name.lower() for node in nodes if not isinstance(node, ast.Module)}
    told = (ast.get_docstring(node, clean=False) for node in nodes)
    return own, [inspect.cleandoc(text) for text in told if text]


def _definitions(node: ast.AST) -> Iterator[ast.AST]:
    """A tree's module, classes and functions from top to bottom; expressions, which hold none, are not entered."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from _definitions(child)


def _gist(text: str, own: set[str]) -> str:
    """A text's plain words: no case, no layout, nothing in backticks, no numbers, identifiers or `own` names."""
    words = re.findall(r"\w+", re.sub(r"`[^`]*`", " ", text.lower()))
    return " ".join(word for word in words if word.isalpha() and word not in own)


def held_out_file(file: str) -> bool:
    """Whether a file's docstrings are kept for testing: one file in ten, the same ones for ever."""
    return int(digest(f"file {file}")[:8], 16) % 10 == 0


def prose(split: str) -> list[str]:
    """Library prose for language models. No file is in two splits, and no text twice.

    Set phrases are shared: of the runs of 13 words in `held_out` 9.8 % also stand in `train`, of those in
    `unseen` 0.1 %.

    Args:
        split: `train`; `held_out`, one file in ten of the same packages; or `unseen`, all of networkx: graphs are
            a subject of their own, where numpy, scipy, torch and scikit-learn share one.
    """
    if split not in ("train", "held_out", "unseen"):
        raise ValueError(f'prose has no split "{split}", only train, held_out, unseen')
    return [kept.text for kept in library_prose() if prose_split(kept) == split]


def prose_split(docstring: Docstring) -> str:
    """The split that a docstring belongs to."""
    if docstring.package == PROSE_UNSEEN:
        return "unseen"
    return "held_out" if held_out_file(docstring.file) else "train"


# Which library wrote this? (library prose, labelled) --------------------------------------------------------

# Not networkx: language models never see it, so its texts would be told by their strangeness to a pre-trained
# model, and a class would measure something else than the other five.
LIBRARIES = tuple(package for package in PROSE_PACKAGES if package != PROSE_UNSEEN)
MASK = "LIBRARY"
_LIBRARY_NAME = re.compile(
    r"\b(?:\w*(?:networkx|numpy|scikit(?:-\w+)?|scipy|sklearn|sympy|torch)\w*|np|nx|sp)\b(?:\.\w+)*",
    re.IGNORECASE,
)


def which_library(split: str, characters: int = 400) -> tuple[list[str], list[int]]:
    """Beginnings of docstrings, and which library each is from; the library's own name is masked.

    Every five texts in a row have one of each library, in a fixed random order: the first n are a balanced sample
    for each n that five divides.

    Args:
        split: `train` or `test`. The first is from the files of `prose("train")`, the second from those of
            `prose("held_out")`: a language model that was trained on the first has never read a text of the test.
        characters: How much of each text is kept.

    Returns:
        Texts and labels, the latter as indices in `LIBRARIES`.
    """
    if split not in ("train", "test"):
        raise ValueError(f'which_library has no split "{split}", only train, test')
    return balanced(library_prose(), {"train": "train", "test": "held_out"}[split], characters)


def balanced(
    docstrings: list[Docstring], split: str, characters: int
) -> tuple[list[str], list[int]]:
    """Masked beginnings from a split of `prose`, equally many of each library, in turns, and their labels.

    Of equal beginnings one is kept, a training text's before a held-out one's.
    """
    beginnings: dict[str, Docstring] = {}
    for docstring in sorted(docstrings, key=lambda each: prose_split(each) != "train"):
        beginnings.setdefault(masked(docstring.text)[:characters], docstring)
    chosen = {text: each for text, each in beginnings.items() if prose_split(each) == split}
    shuffled = sorted(chosen, key=digest)
    piles = [[text for text in shuffled if chosen[text].package == name] for name in LIBRARIES]
    turns = list(zip(*piles, strict=False))  # until the smallest pile is used up
    return [text for turn in turns for text in turn], list(range(len(LIBRARIES))) * len(turns)


def masked(text: str) -> str:
    """A text in which each library's name, its aliases (`np`) and the paths behind them (`torch.nn`) read LIBRARY."""
    return _LIBRARY_NAME.sub(MASK, text)


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
    # `_download` in full: the record of transformer.multi30k stands on these very lines.
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


# Tiny Shakespeare (downloaded; benchmark tier) ---------------------------------------------------------------

SHAKESPEARE = "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt"
SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


def tiny_shakespeare(split: str, sha256: str = SHAKESPEARE_SHA256) -> str:
    """Forty thousand lines of Shakespeare's plays (Karpathy, 2015), in the public domain.

    Args:
        split: `train`, the first 90 % of the 1,115,394 characters, or `val`, the rest.
        sha256: The file's SHA-256; a download or a cached copy with another one is refused.

    Raises:
        NoData: no network and no cached copy, or a copy that is not the published one.
    """
    if split not in ("train", "val"):
        raise ValueError(f'tiny_shakespeare has no split "{split}", only train, val')
    text = _download(SHAKESPEARE, sha256, "tinyshakespeare").read_text(encoding="utf-8")
    cut = len(text) * 9 // 10
    return text[:cut] if split == "train" else text[cut:]


def _download(url: str, sha256: str, folder: str) -> Path:
    """The published file at `url`, from the cache or the network."""
    path = data_folder() / folder / url.rpartition("/")[2]
    try:
        pooch.retrieve(url, known_hash=f"sha256:{sha256}", fname=path.name, path=path.parent)
    except (OSError, ValueError) as error:  # no network; a checksum that does not fit
        raise NoData(
            f"{path}: {error}\nPut the published file there (from {url}), or set DEEP_LEARNING_PAPERS_DATA "
            f"to a folder that has {folder}/, or run this with a network."
        ) from error
    return path
