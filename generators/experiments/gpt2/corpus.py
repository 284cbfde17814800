"""Text for small language models: library prose in 512 tokens, corpora that they never see, and surprises."""

import ast
import functools
import importlib.metadata
import importlib.util
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from generators.data import PROSE_UNSEEN, in_words, prose
from implementations.gpt1 import GPT1
from implementations.gpt2 import ByteTokenizer

EVERY = 10  # which of the training texts are read; more than a small model gets through
N_MERGES = 255  # 512 tokens with the bytes and the end of a text


@functools.cache
def vocabulary() -> ByteTokenizer:
    """Byte pairs learnt from the training texts."""
    return ByteTokenizer.learn(prose("train")[::EVERY], N_MERGES)


def joined(texts: Iterable[str]) -> Tensor:
    """Texts as one row of tokens, each followed by the end of a text."""
    known = vocabulary()
    tokens: list[int] = []
    for text in texts:
        tokens += [*known.encode(text), known.end_of_text]
    return torch.tensor(tokens)


@functools.cache
def training_tokens() -> Tensor:
    """The training texts. Not to be changed in place."""
    return joined(prose("train")[::EVERY])


def windows(tokens: Tensor, batch: int, context: int) -> Iterator[Tensor]:
    """Batches of rows from random places, for ever: B T."""
    places = torch.arange(context)
    while True:
        starts = torch.randint(len(tokens) - context + 1, (batch, 1))
        yield tokens[starts + places]


# Corpora to be tested on -----------------------------------------------------------------------------------


def source_code() -> list[str]:
    """Every tenth Python file of the package whose docstrings are unseen, without its docstrings."""
    folder = Path(importlib.util.find_spec(PROSE_UNSEEN).origin).parent
    paths = sorted(folder.rglob("*.py"), key=lambda path: path.as_posix())
    return [without_docstrings(path.read_text(encoding="utf-8")) for path in paths[::10]]


def without_docstrings(source: str) -> str:
    """Source code without the lines that its docstrings stand on."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    gone: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            gone.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = source.splitlines(keepends=True)
    return "".join(line for number, line in enumerate(lines, start=1) if number not in gone)


def licence() -> list[str]:
    """The Lesser General Public License, as num2words comes with it."""
    return [importlib.metadata.distribution("num2words").read_text("COPYING")]


def numbers(language: str) -> list[str]:
    """Numbers from 0 to 9,999 in words, one of 37, twenty to a text."""
    written = [in_words(number, language) for number in range(0, 10_000, 37)]
    return ["\n".join(written[start : start + 20]) for start in range(0, len(written), 20)]


# The first is at home: other files of the packages that were read. The others were never near them.
CORPORA: dict[str, Callable[[], list[str]]] = {
    "held_out": lambda: prose("held_out")[::EVERY],
    "unseen": lambda: prose("unseen")[::EVERY],
    "licence": licence,
    "code": source_code,
    "english": lambda: numbers("en"),
    "german": lambda: numbers("de"),
}


@functools.cache
def test_rows(corpus: str, context: int, most: int) -> Tensor:
    """A corpus in rows that overlap by one token, at most so many, evenly spread: R T. Not to be changed in place.

    The first token of a row is only read; so no token is predicted twice.
    """
    rows = joined(CORPORA[corpus]()).unfold(0, context, context - 1)  # a rest is left out
    return rows[torch.linspace(0, len(rows) - 1, min(most, len(rows))).long()]


# Scores ----------------------------------------------------------------------------------------------------


@functools.cache
def byte_counts() -> Tensor:
    """How many bytes each token stands for: V. The end of a text stands for none."""
    known = vocabulary()
    return torch.tensor([len(symbol) for symbol in known.symbols[:-1]] + [0])


@torch.no_grad()
def surprises(model: GPT1, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The surprise at each token of some rows but their first, in bits, and its bytes; ends of texts are left out."""
    logits = torch.cat([model.eval()(part)[:, :-1] for part in rows.split(64)])
    targets = rows[:, 1:].flatten()
    bits = F.cross_entropy(logits.flatten(0, 1), targets, reduction="none") / math.log(2)
    counts = byte_counts()[targets]
    return bits[counts > 0], counts[counts > 0]


@functools.cache
def frequency_bits() -> Tensor:
    """The surprise at each token, in bits, of who only knows how often each occurs in the training texts: V."""
    counts = torch.bincount(training_tokens(), minlength=len(vocabulary())) + 1
    return -(counts / counts.sum()).log2()


def means(losses: list[float], points: int) -> list[float]:
    """A curve of so many points, each the mean of as many losses; what is left over at the end is dropped."""
    length = len(losses) // points
    parts = (losses[start : start + length] for start in range(0, points * length, length))
    return [round(sum(part) / length, 4) for part in parts]
