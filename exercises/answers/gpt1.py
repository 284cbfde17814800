r"""Worked answers to the exercises for GPT-1."""

import math
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F


def count_pairs(words: dict[tuple[str, ...], int]) -> dict[tuple[str, str], int]:
    r"""Two loops and a sum.

    Nothing is counted across the end of a word, so no token will ever join two words. That keeps
    the number of different pairs small, and it is why the algorithm can work on a table of words
    with their counts instead of on the text: a text of millions of words has some ten thousand
    different ones.
    """
    counts: dict[tuple[str, str], int] = {}
    for word, count in words.items():
        for pair in pairwise(word):
            counts[pair] = counts.get(pair, 0) + count
    return counts


def learn_merges(words: dict[tuple[str, ...], int], n_merges: int) -> list[tuple[str, str]]:
    r"""The printed algorithm, slow and plain.

    Counting everything anew for each merge is what makes it slow. The model's own learner counts
    once: a merge changes only the words that its pair stands in. Both give the same list, which is
    how the fast one is tested.

    The rule for ties is no detail. Two programs that break them differently learn different
    vocabularies from the same text, and a model trained with one cannot read the other's tokens.
    """
    merges: list[tuple[str, str]] = []
    for _ in range(n_merges):
        counts = count_pairs(words)
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < 2:
            break
        merges.append(best)
        words = {tuple(join(word, best)): count for word, count in words.items()}
    return merges


def join(word, pair):
    """Make a pair one symbol, from left to right."""
    joined: list[str] = []
    place = 0
    while place < len(word):
        if tuple(word[place : place + 2]) == pair:
            joined.append(pair[0] + pair[1])
            place += 2
        else:
            joined.append(word[place])
            place += 1
    return joined


def merge_by_rank(word: tuple[str, ...], merges: list[tuple[str, str]]) -> list[str]:
    r"""The lowest rank first, everywhere, and again.

    Going through all merges in their order and applying each where it fits gives the same result,
    and takes thousands of steps for a word of five letters. Looking only at the pairs that the word
    has is what programs do.

    From left to right would be quicker still, and wrong: the result would consist of tokens that
    the model knows, in combinations that it has hardly ever seen.
    """
    rank = {pair: number for number, pair in enumerate(merges)}
    symbols = list(word)
    while len(symbols) > 1:
        pairs = list(pairwise(symbols))
        best = min(pairs, key=lambda pair: rank.get(pair, math.inf))
        if best not in rank:
            break
        symbols = join(symbols, best)
    return symbols


def gelu(x: Tensor) -> Tensor:
    r"""One line.

    The exact form has the error function instead of tanh, and differs by up to 5e-4. That is too
    little to be seen in any curve of a training from scratch, and enough to be seen when weights of
    others are loaded: compare the logits, not the quality.
    """
    return x / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def multiple_choice(
    context: list[int], answers: list[list[int]], start: int, delimiter: int, extract: int
) -> list[list[int]]:
    r"""One sequence for each answer.

    The context is read as often as there are answers, which is wasteful and simple: no answer can
    see another, so a score means the same whatever else is offered. A softmax over the scores then
    makes probabilities of them.
    """
    return [[start, *context, delimiter, *answer, extract] for answer in answers]


def next_token_loss(logits: Tensor, tokens: Tensor, real: Tensor) -> Tensor:
    r"""Shift by one, take the right log-probabilities, leave the filling out.

    Forget the shift, and the model is asked for the token that it has just read: the loss falls to
    zero in no time, and what has been learnt is to copy the input. A loss that falls
    unusually well is a reason to look at the shift and at the mask.

    Counting the filling does less harm than one sees: it is always the same token, quickly
    learnt, and it makes the mean smaller than it is.
    """
    log_p = logits[:, :-1].log_softmax(dim=-1)
    right = log_p.gather(-1, tokens[:, 1:, None])[..., 0]
    return -right[real[:, 1:]].mean()


def similarity_score(
    one_first: Tensor, other_first: Tensor, real: Tensor, weight: Tensor
) -> Tensor:
    r"""The last real token of each order, added, times the matrix.

    `features[:, -1]` would be the filling in every row but the longest. It even works a little,
    for the filling stands behind the text and sees it, which is why this bug is so hard to find.

    The symmetry is exact: a + b and b + a are the same number, bit for bit.
    """
    last = real.sum(dim=1) - 1
    rows = torch.arange(len(last))
    return (one_first[rows, last] + other_first[rows, last]) @ weight


def fine_tuning_loss(
    scores: Tensor, labels: Tensor, logits: Tensor, tokens: Tensor, real: Tensor, weight: float
) -> Tensor:
    r"""A sum of two means.

    The two terms have different sizes: with two classes the first begins at log 2, with 40,000
    tokens the second begins at log 40,000 and is still several nats after pre-training. So with
    a lambda of 0.5 the auxiliary loss is often the larger part of the sum, and of the gradient.
    """
    return F.cross_entropy(scores, labels) + weight * next_token_loss(logits, tokens, real)
