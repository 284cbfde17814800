"""Where the translator looks while it writes, held against the true alignment of the words."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from generators.data import LANGUAGES, in_words, words
from generators.experiments.transformer.task import DIRECTIONS, END, FIRST_LANGUAGE, Corpus, corpus
from generators.experiments.transformer.translator import trained_translator
from implementations.transformer import Transformer


@dataclass(frozen=True)
class Sentence:
    """A number in one language as tokens, and what each token says."""

    ids: list[int]
    texts: list[str]
    says: list[frozenset[str]]  # decimal places; empty for END and for words that only join


def sentence(data: Corpus, number: int, language: str) -> Sentence:
    """Cut a number into tokens and say which decimal places each speaks of."""
    encoding = data.tokenizer.encode(in_words(number, language))
    pieces = words(number, language)
    says = [
        frozenset().union(
            *(piece.says for piece in pieces if piece.start < end and start < piece.end)
        )
        for start, end in encoding.offsets
    ]
    return Sentence([*encoding.ids, END], [*encoding.tokens, "<end>"], [*says, frozenset()])


def cross_attention_maps(
    model: Transformer, source: Sentence, target: Sentence, language: int
) -> Tensor:
    """Weights of every decoder layer and head while the target is written: layer, head, target, source.

    Row t belongs to the step that writes target token t.
    """
    maps: list[Tensor] = []
    hooks = [
        layer.cross_attention.register_forward_hook(
            lambda module, inputs, output: maps.append(output[1])
        )
        for layer in model.decoder
    ]
    with torch.no_grad():
        model(
            torch.tensor([source.ids]),
            torch.tensor([[FIRST_LANGUAGE + language, *target.ids[:-1]]]),
        )
    for hook in hooks:
        hook.remove()
    return torch.cat(maps)


def agreements(weights: Tensor, source: Sentence, target: Sentence) -> Tensor:
    """For each target token with a counterpart, whether the strongest source token is one: ..., tokens."""
    strongest = weights.argmax(dim=-1)  # ..., T
    true = torch.tensor([[bool(s & t) for s in source.says] for t in target.says])  # T S
    rows = true.any(dim=1)
    return true[torch.arange(len(rows)), strongest][..., rows]


def alignment(
    seed: int,
    translator: dict[str, Tensor],
    limit: int,
    merges: int,
    compared: int,
    examples: list[tuple[int, str, str]],
    **sizes: int,
) -> dict[str, Any]:
    """Whether the source token with the largest weight is the one that the target token translates."""
    data = corpus(limit, merges)
    model = trained_translator(translator, data, **sizes)
    by_head, by_mean, by_diagonal, by_chance, crossing = [], [], [], [], []
    for number in evenly(data.tested, compared):
        sentences = [sentence(data, number, language) for language in LANGUAGES]
        for source, target in DIRECTIONS:
            pair = sentences[source], sentences[target]
            maps = cross_attention_maps(model, *pair, target)  # L H T S
            last = maps[-1].mean(dim=0)
            by_head.append(agreements(maps, *pair).double())
            by_mean.append(agreements(last, *pair).double())
            by_diagonal.append(agreements(diagonal(last), *pair).double())
            by_chance.append(torch.tensor(chances(*pair), dtype=torch.float64))
            if (LANGUAGES[source] in UNITS_FIRST) != (LANGUAGES[target] in UNITS_FIRST):
                crossing.append(by_mean[-1])
    heads = torch.cat(by_head, dim=-1).mean(dim=-1)
    return {
        "agreement": torch.cat(by_mean).mean().item(),
        "agreement_crossing": torch.cat(crossing).mean().item(),
        "agreement_best_head": heads.max().item(),
        "agreement_by_head": [[round(head, 4) for head in layer] for layer in heads.tolist()],
        "diagonal": torch.cat(by_diagonal).mean().item(),
        "chance": torch.cat(by_chance).mean().item(),
        "tokens": sum(len(row) for row in by_mean),
        "examples": [_example(model, data, *example) for example in examples if example[0] < limit],
    }


UNITS_FIRST = ("de", "da")  # einundzwanzig, enogtyve


def evenly(numbers: Tensor, count: int) -> list[int]:
    """Some of the numbers, small and large alike."""
    return numbers[torch.linspace(0, len(numbers) - 1, count).long()].tolist()


def diagonal(weights: Tensor) -> Tensor:
    """The guess of somebody who reads at an even pace: all weight at the same relative position."""
    rows, columns = weights.shape
    places = (torch.arange(rows) * (columns - 1) / max(1, rows - 1)).round().long()
    return F.one_hot(places, columns).to(weights.dtype)


def chances(source: Sentence, target: Sentence) -> list[float]:
    """For each target token with a counterpart, the share of source tokens that are one."""
    counts = [sum(bool(s & t) for s in source.says) for t in target.says]
    return [count / len(source.says) for count in counts if count]


def _example(
    model: Transformer, data: Corpus, number: int, source: str, target: str
) -> dict[str, Any]:
    """One pair in full, for the figure: tokens, weights of all layers and heads, true counterparts."""
    pair = sentence(data, number, source), sentence(data, number, target)
    maps = cross_attention_maps(model, *pair, LANGUAGES.index(target))
    return {
        "number": number,
        "languages": [source, target],
        "source": pair[0].texts,
        "target": pair[1].texts,
        "true": [
            [t, s] for t, a in enumerate(pair[1].says) for s, b in enumerate(pair[0].says) if a & b
        ],
        "weights": [
            [[[round(w, 3) for w in row] for row in head] for head in layer]
            for layer in maps.tolist()
        ],
    }
