"""What people write into the exercises on GPT-1, and a part of the message that should answer it.

Written once more and differently, so that the grader's own idea of a mistake is checked against somebody's code.
"""

import collections
import itertools
import math
import re

import torch
from torch.nn import functional as F


def pairs_of(words, weigh=lambda n: n, cut=lambda found: found):
    """A counter of neighbours."""
    found = collections.Counter()
    for symbols, n in words.items():
        for place in cut(range(len(symbols) - 1)):
            found[symbols[place], symbols[place + 1]] += weigh(n)
    return dict(found)


def unordered(words):
    """Pairs without a direction."""
    found = collections.Counter()
    for pair, n in pairs_of(words).items():
        found[min(pair), max(pair)] += n
    return dict(found)


def set_in_each_word(words):
    """A pair counts once a word."""
    found = collections.Counter()
    for symbols, n in words.items():
        for pair in {(symbols[i], symbols[i + 1]) for i in range(len(symbols) - 1)}:
            found[pair] += n
    return dict(found)


def replaced(symbols, pair):
    """A pair joined by a regular expression over a joined string."""
    text = " ".join(symbols)
    pattern = r"(?<!\S)" + re.escape(" ".join(pair)) + r"(?!\S)"
    return tuple(re.sub(pattern, "".join(pair), text).split(" "))


def merging(choose, least=2):
    """The printed algorithm with another choice, or another end."""

    def answer(words, n):
        merges = []
        while len(merges) < n:
            counts = pairs_of(words)
            if not counts:
                break
            best = choose(counts)
            if counts[best] < least:
                break
            merges.append(best)
            words = {replaced(symbols, best): often for symbols, often in words.items()}
        return merges

    return answer


def counted_once(words, n):
    """The best pairs of one count."""
    counts = pairs_of(words)
    return [p for p in sorted(counts, key=lambda p: (-counts[p], p)) if counts[p] > 1][:n]


def leftmost(symbols, merges):
    """The first pair from the left that is known."""
    symbols = list(symbols)
    place = 0
    while place + 1 < len(symbols):
        if (symbols[place], symbols[place + 1]) in merges:
            symbols[place] += symbols.pop(place + 1)
            place = 0
        else:
            place += 1
    return symbols


def latest(symbols, merges):
    """All merges, the last one learnt first, until nothing changes."""
    symbols = tuple(symbols)
    while True:
        for pair in reversed(merges):
            new = replaced(symbols, pair)
            if new != symbols:
                symbols = new
                break
        else:
            return list(symbols)


def in_turn(symbols, merges):
    """Only pairs of the letters themselves."""
    letters = [*itertools.pairwise(symbols)]
    for pair in merges:
        if pair in letters:
            symbols = replaced(symbols, pair)
    return list(symbols)


def curve(x, inside, factor=0.5):
    """GELU with something else under the tanh."""
    return factor * x * (1 + inside.tanh())


ROOT = math.sqrt(2 / math.pi)


def losses(logits, tokens, shift=1):
    """Log-probabilities of the tokens, B T, with the guesses moved by so many places."""
    log_p = F.log_softmax(logits, dim=-1)
    length = tokens.shape[1] - abs(shift)
    first = max(0, -shift)
    seen, asked = log_p[:, first : first + length], tokens[:, max(0, shift) :][:, :length]
    return -torch.stack(
        [torch.stack([seen[b, t, asked[b, t]] for t in range(length)]) for b in range(len(tokens))]
    )


def language(logits, tokens, real):
    """The loss of the next token."""
    kept = real[:, 1:].double()
    return (losses(logits, tokens).double() * kept).sum() / kept.sum()


def ends(real):
    """The last real place of each row."""
    return [int(row.nonzero()[-1]) for row in real]


def picked(features, places):
    """One position of each row."""
    return torch.stack([row[place] for row, place in zip(features, places, strict=True)])


def read(combine, places=ends):
    """Similarity with another combination, or read elsewhere."""

    def answer(a, b, real, weight):
        return combine(picked(a, places(real)), picked(b, places(real))) @ weight

    return answer


def nll(scores, labels):
    """Cross-entropy by hand."""
    return (torch.logsumexp(scores, dim=1) - scores[torch.arange(len(labels)), labels]).mean()


def frames(make):
    """Sequences of another form."""
    return lambda context, answers, s, d, e: [make(context, one, s, d, e) for one in answers]


WRONG_ANSWERS = [
    ("count_pairs", lambda w: pairs_of(w, weigh=lambda n: 1), "counts once, however often"),
    ("count_pairs", set_in_each_word, "counted once there"),
    ("count_pairs", unordered, "as one pair"),
    ("count_pairs", lambda w: pairs_of(w, cut=lambda places: places[:-1]), "is left out"),
    ("count_pairs", lambda w: pairs_of(w) | {("w</w>", "l"): 1}, "across the ends"),
    ("count_pairs", lambda w: list(pairs_of(w)), "should return a dict"),
    ("count_pairs", lambda w: pairs_of(w) | {("l", "o"): 0}, "('l', 'o') it has 0"),
    ("learn_merges", merging(lambda c: max(c, key=lambda p: (c[p], p))), "last in the alphabet"),
    ("learn_merges", merging(lambda c: max(c, key=c.get)), "met first"),
    ("learn_merges", counted_once, "count again"),
    ("learn_merges", merging(lambda c: min(c, key=lambda p: (c[p], p))), "rarest"),
    (
        "learn_merges",
        merging(lambda c: min(c, key=lambda p: (-c[p], p)), least=1),
        "no pair occurs twice",
    ),
    ("learn_merges", lambda w, n: [], "It returns []"),
    ("merge_by_rank", leftmost, "from left to right"),
    ("merge_by_rank", latest, "highest rank"),
    ("merge_by_rank", in_turn, "never joined again"),
    ("merge_by_rank", lambda w, m: list(w), "Nothing was joined"),
    ("merge_by_rank", lambda w, m: ["".join(w)], "It returns ['abcabcbclow']"),
    ("gelu", lambda x: x * 0.5 * (1 + torch.erf(x / math.sqrt(2))), "exact GELU"),
    ("gelu", lambda x: curve(x, 2 / math.pi * (x + 0.044715 * x**3)), "under a root"),
    ("gelu", lambda x: curve(x, ROOT * x), "cubic term is missing"),
    ("gelu", lambda x: curve(x, ROOT * (x + 0.044715 * x * x)), "power is 3"),
    ("gelu", lambda x: curve(x, ROOT * (x + 0.044715 * x**3), 1.0), "one half is missing"),
    ("gelu", lambda x: x / (1 + (-1.702 * x).exp()), "other approximation"),
    ("gelu", lambda x: (x + x.abs()) / 2, "ReLU"),
    ("multiple_choice", lambda c, a, s, d, e: [[s, *c, *[t for o in a for t in [d, *o]], e]], "one sequence"),
    ("multiple_choice", frames(lambda c, o, s, d, e: [*c, d, *o, e]), "start token is missing"),
    ("multiple_choice", frames(lambda c, o, s, d, e: [s, *c, *o, e]), "delimiter is missing"),
    ("multiple_choice", frames(lambda c, o, s, d, e: [s, *c, d, *o]), "extract token is missing"),
    ("multiple_choice", frames(lambda c, o, s, d, e: [s, *o, d, *c, e]), "before the context"),
    (
        "multiple_choice",
        lambda c, a, s, d, e: [[s, *(c if o is a[0] else []), d, *o, e] for o in a],
        "in the first sequence only",
    ),
    (
        "next_token_loss",
        lambda g, t, r: (losses(g, t, 0) * r).sum() / r.sum(),
        "just read",
    ),
    (
        "next_token_loss",
        lambda g, t, r: (losses(g, t, -1) * r[:, 1:]).sum() / r[:, 1:].sum(),
        "the other way",
    ),
    ("next_token_loss", lambda g, t, r: losses(g, t).mean(), "filling counts too"),
    ("next_token_loss", lambda g, t, r: (losses(g, t) * r[:, 1:]).mean(), "counted in n"),
    (
        "next_token_loss",
        lambda g, t, r: (losses(g, t) * r[:, :-1]).sum() / r[:, :-1].sum(),
        "wrong end",
    ),
    (
        "next_token_loss",
        lambda g, t, r: torch.stack(
            [row[keep].mean() for row, keep in zip(losses(g, t), r[:, 1:], strict=True)]
        ).mean(),
        "mean over rows",
    ),
    ("next_token_loss", lambda g, t, r: (losses(g, t) * r[:, 1:]).sum(), "It is the sum"),
    ("next_token_loss", lambda g, t, r: -language(g, t, r), "sign is wrong"),
    (
        "next_token_loss",
        lambda g, t, r: language(g, t, r)
        - (g[:, :-1].logsumexp(-1) * r[:, 1:]).sum() / r[:, 1:].sum(),
        "need `log_softmax`",
    ),
    ("similarity_score", read(lambda a, b: a + b, lambda r: [5] * len(r)), "last column"),
    (
        "similarity_score",
        read(lambda a, b: a + b, lambda r: [min(5, end + 1) for end in ends(r)]),
        "one token too far",
    ),
    ("similarity_score", read(lambda a, b: a + b, lambda r: [0] * len(r)), "as BERT does"),
    ("similarity_score", read(lambda a, b: a), "one of the two orders"),
    ("similarity_score", read(lambda a, b: b), "second of the two"),
    ("similarity_score", read(lambda a, b: (a + b) / 2), "mean of the two"),
    ("similarity_score", read(lambda a, b: a - b), "difference"),
    ("similarity_score", read(lambda a, b: a * b), "multiplies the features"),
    (
        "similarity_score",
        lambda a, b, r, w: torch.stack(
            [(x + y)[keep].mean(0) for x, y, keep in zip(a, b, r, strict=True)]
        )
        @ w,
        "extract token alone",
    ),
    ("fine_tuning_loss", lambda s, y, g, t, r, w: nll(s, y) + language(g, t, r), "in full"),
    ("fine_tuning_loss", lambda s, y, g, t, r, w: w * nll(s, y) + language(g, t, r), "auxiliary one"),
    (
        "fine_tuning_loss",
        lambda s, y, g, t, r, w: (1 - w) * nll(s, y) + w * language(g, t, r),
        "1 - lambda",
    ),
    ("fine_tuning_loss", lambda s, y, g, t, r, w: nll(s, y), "auxiliary loss is missing"),
    ("fine_tuning_loss", lambda s, y, g, t, r, w: nll(s, y) + w * losses(g, t).mean(), "filling counts"),
    (
        "fine_tuning_loss",
        lambda s, y, g, t, r, w: nll(s, y) + w * (losses(g, t, 0) * r).sum() / r.sum(),
        "is not shifted",
    ),
    (
        "fine_tuning_loss",
        lambda s, y, g, t, r, w: nll(s, y) + w * (losses(g, t) * r[:, 1:]).sum(),
        "should be a mean",
    ),
]  # fmt: skip
