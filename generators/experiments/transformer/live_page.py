"""What the number translator needs beside its weights: configuration, vocabulary, and how to write every number."""

import json
from typing import Any

from generators.data import LANGUAGES, NAMES, in_words, words
from generators.experiments.transformer.pairs import config_for
from generators.experiments.transformer.task import END, FIRST_LANGUAGE, Corpus, corpus


def spelling(language: str) -> dict[str, Any]:
    """How to write every number from 0 to 9,999 in a language: pieces and the decimal places that each speaks of.

    The part below 100 is written alike wherever it stands; what comes before it depends on its own digit and on
    what follows: nothing, or something (hundreds); nothing, something below 100, or more (thousands).
    """
    below = [pieces(number, language) for number in range(100)]
    hundreds = [[before(h * 100 + rest, rest, language) for rest in (0, 1)] for h in range(1, 10)]
    thousands = [
        [before(t * 1000 + rest, rest, language) for rest in (0, 1, 100)] for t in range(1, 10)
    ]
    return {"below_100": below, "hundreds": hundreds, "thousands": thousands}


def pieces(number: int, language: str) -> list[list[Any]]:
    """A number as [text, places]; blanks, commas and hyphens between its words have no places, as "and" has none."""
    text, found, end = in_words(number, language), [], 0
    for word in words(number, language):
        if word.start > end:
            found.append([text[end : word.start], []])
        found.append([word.text, sorted(word.says)])
        end = word.end
    return found


def before(number: int, rest: int, language: str) -> list[list[Any]]:
    """The pieces of a number that come before those of its rest; with rest 0, all."""
    whole = pieces(number, language)
    return whole[: len(whole) - len(pieces(rest, language))] if rest else whole


def spelt(number: int, table: dict[str, Any]) -> list[list[Any]]:
    """A number by such a table: what the page does, written down here to be held against all 40,000 numbers."""
    thousand, hundred, rest = number // 1000, number // 100 % 10, number % 100
    found: list[list[Any]] = []
    if thousand:
        follows = 2 if hundred else 1 if rest else 0
        found += table["thousands"][thousand - 1][follows]
    if hundred:
        found += table["hundreds"][hundred - 1][1 if rest else 0]
    return found + (table["below_100"][rest] if rest or not number else [])


EXAMPLES = [(281, "de", "en"), (77, "fr", "de"), (3538, "da", "fr"), (7434, "de", "en")]


def page_of(measured: dict[str, Any], limit: int, merges: int, **settings: Any) -> dict[str, Any]:
    """What the file says beside its weights."""
    data = corpus(limit, merges)
    sizes = {name: settings[name] for name in ("d_model", "n_heads", "d_ff", "n_layers")}
    config = config_for(data, **sizes)
    return {
        "kind": "transformer",
        "config": {
            "vocab_size": config.vocab_size,
            **sizes,
            "context": config.context,
            "epsilon": 1e-5,
        },
        "tokenizer": {"kind": "characters", **byte_pairs_of(data)},
        "page": {
            "languages": NAMES,
            "start": {name: FIRST_LANGUAGE + index for index, name in enumerate(LANGUAGES)},
            "end": END,
            "longest": data.width,
            "limit": limit,
            "words": {language: spelling(language) for language in LANGUAGES},
            "accuracy": measured["accuracy"],
            "tested": measured["tested"],
            "numbers": "The model never saw one number in ten.",
            "held_out": data.tested.tolist(),
            "agreement": measured["agreement"],
            "lost": measured["lost"],
            "layer_lost": measured["layer_lost"],
            "best": measured["best"],
            "costliest": measured["costliest"],
            "examples": [
                {"number": number, "source": source, "target": target}
                for number, source, target in EXAMPLES
            ],
        },
    }


def byte_pairs_of(data: Corpus) -> dict[str, Any]:
    """The vocabulary in full: each token's text by its number, and the merges, first learnt first."""
    size = data.tokenizer.get_vocab_size()
    return {
        "symbols": [data.tokenizer.id_to_token(number) for number in range(size)],
        "merges": json.loads(data.tokenizer.to_str())["model"]["merges"],
    }
