"""Whether a head of the encoder goes from a German article to its noun, which German marks with a capital letter.

This is one relation of syntax that can be judged without a parser. It stands for no other.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from generators.experiments.transformer.maps import kept_maps
from generators.experiments.transformer.multi30k_text import JOINER, Corpus, separated
from implementations.transformer import Transformer

ARTICLES = frozenset("der die das den dem des ein eine einen einem einer eines".split())
FURTHEST = 4  # words from the article to its noun, at most
OFFSETS = range(1, 9)  # the fixed distances, in tokens, that a head has to beat


@dataclass(frozen=True)
class Hits:
    """For each article: who finds its noun, and whether words stand between the two."""

    heads: Tensor  # article, layer, head
    offsets: Tensor  # article, offset
    apart: Tensor  # article


def articles_with_nouns(words: list[str]) -> list[tuple[int, int]]:
    """Each article with the next capitalised word: (place of the article, place of the noun).

    Nothing but small words may stand between them, and not another article. After a comma "der" is most often a
    pronoun ("der Hut, der rot ist"), so those do not count.

    Example:
        >>> articles_with_nouns("Ein alter Mann mit dem Hut ￭, der lacht".split())
        [(0, 2), (4, 5)]
    """
    found = []
    for start, word in enumerate(words):
        if word.lower() not in ARTICLES or (start and words[start - 1] == f"{JOINER},"):
            continue
        for place in range(start + 1, min(start + 1 + FURTHEST, len(words))):
            if words[place][0].isupper():
                found.append((start, place))
                break
            if not words[place].isalpha() or words[place].lower() in ARTICLES:
                break
    return found


def words_of(tokens: list[str]) -> list[int]:
    """For each token the word that it belongs to; a word begins with a blank."""
    word, found = -1, []
    for token in tokens:
        word += token.startswith(" ")
        found.append(word)
    return found


def self_attention_maps(model: Transformer, source: list[int]) -> Tensor:
    """Weights of every encoder layer and head for one sentence: layer, head, query, key."""
    with kept_maps(layer.self_attention for layer in model.encoder) as maps:
        model.encode(torch.tensor([source]))
    return torch.cat(maps)


def hits(model: Transformer, data: Corpus, split: str) -> Hits:
    """Who finds the nouns of a split: the key with the largest weight, or a fixed step to the right."""
    heads, offsets, apart = [], [], []
    for (german, _), (ids, _) in zip(data.text[split], data.pairs[split], strict=True):
        pairs = articles_with_nouns(separated(german).split(" "))
        if not pairs:
            continue
        belongs = torch.tensor(words_of([data.tokenizer.id_to_token(id_) for id_ in ids[:-1]]))
        strongest = self_attention_maps(model, ids).argmax(dim=-1)  # L H T
        for article, noun in pairs:
            query = int((belongs == article).nonzero()[-1])
            wanted = {*(belongs == noun).nonzero().flatten().tolist()}
            heads.append([[key in wanted for key in row] for row in strongest[..., query].tolist()])
            offsets.append([query + offset in wanted for offset in OFFSETS])
            apart.append(noun - article > 1)
    return Hits(
        torch.tensor(heads).double(), torch.tensor(offsets).double(), torch.tensor(apart).bool()
    )


def compared(chosen_on: Hits, judged_on: Hits) -> dict[str, Any]:
    """The best head against the best fixed offset, both chosen on one split and judged on another."""
    shares = chosen_on.heads.mean(dim=0)  # L H
    layer, head = divmod(int(shares.argmax()), shares.shape[1])
    offset = int(chosen_on.offsets.mean(dim=0).argmax())
    found = judged_on.heads[:, layer, head].mean().item()
    by_offset = judged_on.offsets[:, offset].mean().item()
    return {
        "head": found,
        "offset": by_offset,
        "gain": found - by_offset,
        "which": {"layer": layer + 1, "head": head + 1, "offset": OFFSETS[offset]},
        "articles": len(judged_on.heads),
    }


def only_apart(found: Hits) -> Hits:
    """Only articles with words between them and their nouns; all of them where there are none."""
    keep = found.apart if found.apart.any() else torch.ones_like(found.apart)
    return Hits(found.heads[keep], found.offsets[keep], found.apart[keep])


def article_to_noun(model: Transformer, data: Corpus) -> dict[str, Any]:
    """Chosen on the validation split, judged on the test split; once more for articles that are not next to it."""
    chosen_on, judged_on = hits(model, data, "val"), hits(model, data, "test_2016_flickr")
    return {
        **compared(chosen_on, judged_on),
        "by_head": [
            [round(share, 4) for share in layer] for layer in judged_on.heads.mean(dim=0).tolist()
        ],
        "apart": compared(only_apart(chosen_on), only_apart(judged_on)),
    }
