"""Where the translator looks while it writes, held against the true alignment of the words."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from generators.data import LANGUAGES, in_words, words
from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.transformer.maps import kept_maps
from generators.experiments.transformer.task import DIRECTIONS, END, FIRST_LANGUAGE, Corpus, corpus
from generators.experiments.transformer.translator import (
    SIZES,
    SMALL_SIZES,
    SMALL_TASK,
    TASK,
    trained_translator,
)
from generators.record import Record
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
    written = [FIRST_LANGUAGE + language, *target.ids[:-1]]
    with kept_maps(layer.cross_attention for layer in model.decoder) as maps:
        model(torch.tensor([source.ids]), torch.tensor([written]))
    return torch.cat(maps)


def agreements(weights: Tensor, source: Sentence, target: Sentence) -> Tensor:
    """For each target token with a counterpart, whether the strongest source token is one: ..., tokens."""
    strongest = weights.argmax(dim=-1)  # ..., T
    true = torch.tensor([[bool(s & t) for s in source.says] for t in target.says])  # T S
    rows = true.any(dim=1)
    return true[torch.arange(len(rows)), strongest][..., rows]


def coincidences(weights: Tensor) -> Tensor:
    """For each target token, whether two heads of a layer look hardest at the same source token: L H H T."""
    strongest = weights.argmax(dim=-1)  # L H T
    return (strongest[:, :, None] == strongest[:, None]).double()


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
    by_head, by_mean, by_diagonal, by_chance, crossing, together = [], [], [], [], [], []
    for number in evenly(data.tested, compared):
        sentences = [sentence(data, number, language) for language in LANGUAGES]
        for source, target in DIRECTIONS:
            pair = sentences[source], sentences[target]
            maps = cross_attention_maps(model, *pair, target)  # L H T S
            last = maps[-1].mean(dim=0)
            together.append(coincidences(maps))
            by_head.append(agreements(maps, *pair).double())
            by_mean.append(agreements(last, *pair).double())
            by_diagonal.append(agreements(diagonal(last), *pair).double())
            by_chance.append(torch.tensor(chances(*pair), dtype=torch.float64))
            if (LANGUAGES[source] in UNITS_FIRST) != (LANGUAGES[target] in UNITS_FIRST):
                crossing.append(by_mean[-1])
    heads = torch.cat(by_head, dim=-1).mean(dim=-1)
    twins = torch.cat(together, dim=-1).mean(dim=-1)  # L H H
    return {
        "agreement": torch.cat(by_mean).mean().item(),
        "agreement_crossing": torch.cat(crossing).mean().item(),
        "agreement_best_head": heads.max().item(),
        "agreement_by_head": [[round(head, 4) for head in layer] for layer in heads.tolist()],
        "diagonal": torch.cat(by_diagonal).mean().item(),
        "chance": torch.cat(by_chance).mean().item(),
        "tokens": sum(len(row) for row in by_mean),
        "coincidence": [
            [[round(share, 4) for share in row] for row in layer] for layer in twins.tolist()
        ],
        "closest_pair": (twins - 2 * torch.eye(len(twins[0]))).max().item(),
        "closest_pair_by_layer": (twins - 2 * torch.eye(len(twins[0]))).amax(dim=(1, 2)).tolist(),
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


EXPERIMENTS = {
    "alignment": Experiment(
        question="Does the word that gets the largest weight mean what is being written?",
        run=alignment,
        settings={
            **TASK,
            **SIZES,
            "compared": 60,
            "examples": [
                [281, "de", "en"],
                [7434, "de", "en"],
                [77, "fr", "de"],
                [3538, "da", "fr"],
            ],
        },
        smoke={**SMALL_TASK, **SMALL_SIZES, "compared": 2, "examples": [[21, "de", "en"]]},
        stages=("translator",),
        tolerance=dict(
            agreement=0.25,
            agreement_crossing=0.3,
            agreement_best_head=0.25,
            agreement_by_head=1.0,
            coincidence=1.0,
            closest_pair=0.5,
            closest_pair_by_layer=0.5,
            examples=None,
        ),
    ),
}


def follows_the_alignment(record: Record) -> str:
    """Holds if the mean of the last layer's heads points right in 80 % of all words and beats an even pace.

    In part if only the best single head does.
    """
    pace = record["diagonal"].high
    if record["agreement"].low >= max(0.8, pace):
        return HOLDS
    return IN_PART if record["agreement_best_head"].low >= max(0.8, pace) else FAILS


def heads_differ(record: Record) -> str:
    """Holds if no seed has two heads in one layer whose strongest source token is the same for half of all words.

    In part if only some seeds have such twins.
    """
    twins = [value > 0.5 for value in record["closest_pair"].values]
    return FAILS if all(twins) else IN_PART if any(twins) else HOLDS


CLAIMS = [
    Claim(
        id="S13",
        text="The weights of attention over the source follow the true alignment of the words.",
        where="Bahdanau et al. 2015, Figure 3; here for the Transformer's cross-attention",
        experiment="transformer.alignment",
        did="Compared the strongest source token with the true one; last layer, mean of heads.",
        rule=Rule(follows_the_alignment, forecast=0.6),
        measured="agreement:pct",
    ),
    Claim(
        id="P1",
        text="Each head learns a different relation.",
        where="said of multi-head attention; from Section 4, where heads clearly learn different tasks",
        experiment="transformer.alignment",
        did="For every two heads of a layer, counted the words for which both look hardest at the same source token; "
        "the number is the closest pair's share.",
        rule=Rule(heads_differ, forecast=0.15),
        measured="closest_pair:pct",
        said=True,
    ),
]
