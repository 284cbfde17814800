"""How answers to the exercises for GPT-1 are graded.

For each exercise: what is right, and what people write instead. A mistake's docstring is what its
author is told.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from exercises import compare

Word = tuple[str, ...]
Pair = tuple[str, str]


# Byte pairs -------------------------------------------------------------------------------------


def word(text: str) -> Word:
    """A word as its letters, the last with the mark."""
    return (*text[:-1], text[-1] + "</w>")


WORDS = {
    word(text): count
    for text, count in {"low": 5, "lower": 2, "newest": 6, "widest": 3, "ababa": 4}.items()
}
TIED = {word("ba"): 3, word("dc"): 3, word("abc"): 1}  # nothing decides but the alphabet


def neighbours(symbols: Word) -> list[Pair]:
    """The pairs of a word."""
    return list(pairwise(symbols))


def counted(words: dict[Word, int], pairs=neighbours, often=lambda count: count) -> dict:
    """How often each pair occurs."""
    counts: dict[Pair, int] = {}
    for symbols, count in words.items():
        for pair in pairs(symbols):
            counts[pair] = counts.get(pair, 0) + often(count)
    return counts


def check_count_pairs(answer) -> None:
    """Grade an answer to `count_pairs`."""

    def right(words):
        return counted(words)

    def once(words):
        """Each word counts once, however often it occurs: the counts of the words are not used."""
        return counted(words, often=lambda count: 1)

    def only_once_in_a_word(words):
        """A pair that stands twice in a word is counted once there. It should count each time."""
        return counted(words, pairs=lambda symbols: list(dict.fromkeys(neighbours(symbols))))

    def sorted_pairs(words):
        """(a, b) and (b, a) are counted as one pair. They are two: a merge has an order."""
        return counted(words, pairs=lambda symbols: [tuple(sorted(p)) for p in neighbours(symbols)])

    def without_last(words):
        """The last pair of each word, the one with the mark of its end, is left out."""
        return counted(words, pairs=lambda symbols: neighbours(symbols)[:-1])

    def across(words):
        """Pairs are counted across the ends of words. Words have no order here: only neighbours
        inside a word count."""
        return counted(words) | {("w</w>", "l"): 1}

    mistakes = [once, only_once_in_a_word, sorted_pairs, without_last, across]
    compare(answer, right, mistakes, (WORDS,), (TIED,))


def joined(symbols: Word, pair: Pair) -> list[str]:
    """A pair made one symbol, from left to right."""
    found: list[str] = []
    for symbol in symbols:
        # What was joined is no longer the pair's first half, so "aaa" becomes "aa a".
        if found and found[-1] == pair[0] and symbol == pair[1] and not just_joined(found, pair):
            found[-1] = pair[0] + pair[1]
        else:
            found.append(symbol)
    return found


def just_joined(found: list[str], pair: Pair) -> bool:
    """Whether the last symbol is the pair itself: then it is not its first half."""
    return found[-1] == pair[0] + pair[1]


def learnt(words: dict[Word, int], n_merges: int, best_of, again: bool = True, least: int = 2):
    """Merges by a rule for which pair is the best."""
    merges: list[Pair] = []
    counts = counted(words)
    while len(merges) < n_merges:
        counts = counted(words) if again else {p: n for p, n in counts.items() if p not in merges}
        if not counts or counts[best_of(counts)] < least:
            break
        merges.append(best_of(counts))
        words = {tuple(joined(symbols, merges[-1])): n for symbols, n in words.items()}
    return merges


def check_learn_merges(answer) -> None:
    """Grade an answer to `learn_merges`."""

    def first(counts):
        return min(counts, key=lambda pair: (-counts[pair], pair))

    def right(words, n_merges):
        return learnt(words, n_merges, first)

    def last(words, n_merges):
        """Of pairs equally frequent it takes the last in the alphabet, as `max` of (count, pair)
        does. The first is wanted."""
        return learnt(words, n_merges, lambda counts: max(counts, key=lambda p: (counts[p], p)))

    def met_first(words, n_merges):
        """Of pairs equally frequent it takes the one that it met first. The answer then depends
        on the order of the words; take the first in the alphabet."""
        return learnt(words, n_merges, lambda counts: max(counts, key=counts.get))

    def not_again(words, n_merges):
        """The pairs are counted once, and the most frequent of them returned. After each merge the
        words have changed: count again."""
        return learnt(words, n_merges, first, again=False)

    def rarest(words, n_merges):
        """It merges the rarest pair instead of the most frequent one."""
        return learnt(words, n_merges, lambda counts: min(counts, key=lambda p: (counts[p], p)))

    def to_the_end(words, n_merges):
        """It goes on when no pair occurs twice. A pair that occurs once teaches nothing; stop."""
        return learnt(words, n_merges, first, least=1)

    mistakes = [last, met_first, not_again, rarest, to_the_end]
    compare(answer, right, mistakes, (WORDS, 4), (WORDS, 100), (TIED, 3))


MERGES = [("b", "c"), ("a", "b"), ("a", "bc"), ("l", "o"), ("lo", "w"), ("a", "a"), ("c", "d")]


def check_merge_by_rank(answer) -> None:
    """Grade an answer to `merge_by_rank`."""

    def right(symbols, merges):
        rank = {pair: number for number, pair in enumerate(merges)}
        found = list(symbols)
        while known := [pair for pair in neighbours(found) if pair in rank]:
            found = joined(found, min(known, key=rank.get))
        return found

    def from_the_left(symbols, merges):
        """It joins from left to right. The merge that was learnt first goes first, wherever in the
        word it stands."""
        found = list(symbols)
        while known := [pair for pair in neighbours(found) if pair in merges]:
            place = neighbours(found).index(known[0])
            found[place : place + 2] = ["".join(known[0])]
        return found

    def highest(symbols, merges):
        """It takes the merge with the highest rank, the one learnt last. The lowest goes first."""
        rank = {pair: number for number, pair in enumerate(merges)}
        found = list(symbols)
        while known := [pair for pair in neighbours(found) if pair in rank]:
            found = joined(found, max(known, key=rank.get))
        return found

    def one_round(symbols, merges):
        """Each merge is tried once at the letters that the word began with, so what was joined is
        never joined again. Look at the new neighbours after each merge."""
        rank = {pair: number for number, pair in enumerate(merges)}
        known = [pair for pair in neighbours(list(symbols)) if pair in rank]
        found = list(symbols)
        for pair in sorted(set(known), key=rank.get):
            found = joined(found, pair)
        return found

    def only_first_place(symbols, merges):
        """A merge is applied at one place of the word only. Join the pair wherever it stands, and
        go on until nothing is left to join."""
        rank = {pair: number for number, pair in enumerate(merges)}
        found = list(symbols)
        for _ in range(2):
            known = [pair for pair in neighbours(found) if pair in rank]
            if known:
                place = neighbours(found).index(min(known, key=rank.get))
                found[place : place + 2] = ["".join(found[place : place + 2])]
        return found

    def letters(symbols, merges):
        """Nothing was joined."""
        return list(symbols)

    mistakes = [from_the_left, highest, one_round, only_first_place, letters]
    words = ("abc", "abcabcbclow", "aaaab", "bcd", "xyz")
    compare(answer, right, mistakes, *((tuple(one), MERGES) for one in words))


# The network and its inputs -----------------------------------------------------------------------


def check_gelu(answer) -> None:
    """Grade an answer to `gelu`."""

    def bent(x, inner=2 / math.pi, power=0.5, cubic=0.044715, half=0.5):
        return half * x * (1 + torch.tanh(inner**power * (x + cubic * x**3)))

    def right(x):
        return bent(x)

    def exact(x):
        """This is the exact GELU, with the error function. The released weights were trained with
        the approximation, which differs by up to 5e-4."""
        return F.gelu(x)

    def no_root(x):
        """2 / pi stands under a root."""
        return bent(x, power=1.0)

    def no_cube(x):
        """The cubic term is missing."""
        return bent(x, cubic=0.0)

    def squared(x):
        """The power is 3, not 2: the correction has the sign of x."""
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**2)))

    def double(x):
        """The factor one half is missing: far to the right it should become x, and it becomes
        2 x."""
        return bent(x, half=1.0)

    def sigmoid(x):
        """This is x times a sigmoid of 1.702 x, the other approximation of that paper."""
        return x * torch.sigmoid(1.702 * x)

    def relu(x):
        """This is ReLU: it bends sharply."""
        return x.clamp(min=0)

    mistakes = [exact, no_root, no_cube, squared, double, sigmoid, relu]
    compare(answer, right, mistakes, (torch.linspace(-4, 4, 33),), (torch.tensor([[0.5, -2.0]]),))


def check_multiple_choice(answer) -> None:
    """Grade an answer to `multiple_choice`."""

    def right(context, answers, start, delimiter, extract):
        return [[start, *context, delimiter, *one, extract] for one in answers]

    def all_in_one(context, answers, start, delimiter, extract):
        """All answers stand in one sequence. Each is read by itself: one list for each."""
        return [[start, *context, *(t for one in answers for t in (delimiter, *one)), extract]]

    def no_start(context, answers, start, delimiter, extract):
        """The start token is missing."""
        return [[*context, delimiter, *one, extract] for one in answers]

    def no_delimiter(context, answers, start, delimiter, extract):
        """Context and answer touch: the delimiter is missing between them."""
        return [[start, *context, *one, extract] for one in answers]

    def no_extract(context, answers, start, delimiter, extract):
        """The extract token is missing; at which token should the score be read?"""
        return [[start, *context, delimiter, *one] for one in answers]

    def turned(context, answers, start, delimiter, extract):
        """The answer stands before the context. At the delimiter the model has not yet read the
        question; in the paper the context comes first."""
        return [[start, *one, delimiter, *context, extract] for one in answers]

    def only_answers(context, answers, start, delimiter, extract):
        """The context stands in the first sequence only. Each sequence is read by itself, so each
        needs it."""
        rest = [[start, delimiter, *one, extract] for one in answers[1:]]
        return [[start, *context, delimiter, *answers[0], extract], *rest]

    compare(
        answer,
        right,
        [all_in_one, no_start, no_delimiter, no_extract, turned, only_answers],
        ([5, 6, 7], [[8], [9, 10]], 1, 2, 3),
        ([5], [[8, 9], [10], [11, 12, 13]], 20, 21, 22),
    )


# Losses -------------------------------------------------------------------------------------------


def some_batch() -> tuple[Tensor, Tensor, Tensor]:
    """Logits, tokens and what is real: rows of 6, 4 and 3 tokens."""
    torch.manual_seed(0)
    real = torch.arange(6) < torch.tensor([6, 4, 3])[:, None]
    tokens = torch.randint(1, 9, (3, 6)).masked_fill(~real, 0)
    return 2 * torch.randn(3, 6, 9), tokens, real


def predicted(logits: Tensor, tokens: Tensor, real: Tensor) -> Tensor:
    """The loss at each token that is predicted."""
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")


def check_next_token_loss(answer) -> None:
    """Grade an answer to `next_token_loss`."""

    def right(logits, tokens, real):
        return predicted(logits, tokens, real)[real[:, 1:].flatten()].mean()

    def not_shifted(logits, tokens, real):
        """There is no shift: the logits at t are compared with the token at t, which the model has
        just read."""
        losses = F.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none")
        return losses[real.flatten()].mean()

    def other_way(logits, tokens, real):
        """It is shifted the other way: the logits at t are compared with the token at t - 1."""
        losses = F.cross_entropy(
            logits[:, 1:].flatten(0, 1), tokens[:, :-1].flatten(), reduction="none"
        )
        return losses[real[:, 1:].flatten()].mean()

    def filling(logits, tokens, real):
        """The filling counts too. It is no text; leave it out of the sum and out of n."""
        return predicted(logits, tokens, real).mean()

    def filling_in_n(logits, tokens, real):
        """The filling is left out of the sum but counted in n, so short rows make the loss too
        small."""
        kept = predicted(logits, tokens, real) * real[:, 1:].flatten()
        return kept.mean()

    def wrong_mask(logits, tokens, real):
        """The mask is cut at the wrong end. Real is asked of the token that is predicted, at
        t + 1: `real[:, 1:]`."""
        return predicted(logits, tokens, real)[real[:, :-1].flatten()].mean()

    def by_row(logits, tokens, real):
        """It is a mean over rows of means within rows: a token of a short row weighs more than one
        of a long row."""
        losses = predicted(logits, tokens, real).view(len(tokens), -1)
        kept = real[:, 1:]
        return ((losses * kept).sum(1) / kept.sum(1)).mean()

    def total(logits, tokens, real):
        """It is the sum; the mean is wanted."""
        return predicted(logits, tokens, real)[real[:, 1:].flatten()].sum()

    def sign(logits, tokens, real):
        """The sign is wrong: a logarithm of a probability is negative, a loss is not."""
        return -right(logits, tokens, real)

    def no_softmax(logits, tokens, real):
        """The logits themselves are taken for log-probabilities. They need `log_softmax`."""
        raw = -logits[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
        return raw[real[:, 1:]].mean()

    mistakes = [not_shifted, other_way, filling, filling_in_n, wrong_mask, by_row, total, sign]
    logits, tokens, real = some_batch()
    compare(
        answer,
        right,
        [*mistakes, no_softmax],
        (logits, tokens, real),
        (logits[1:], tokens[1:], real[1:]),
    )


def check_similarity_score(answer) -> None:
    """Grade an answer to `similarity_score`."""

    def at(features, last):
        return features[torch.arange(len(last)), last]

    def score(one, other, real, weight, where=lambda real: real.sum(1) - 1):
        return (at(one, where(real)) + at(other, where(real))) @ weight

    def right(one, other, real, weight):
        return score(one, other, real, weight)

    def last_column(one, other, real, weight):
        """It reads the last column, which in a short row is filling. Look for the last *real*
        token of each row."""
        return (one[:, -1] + other[:, -1]) @ weight

    def one_too_far(one, other, real, weight):
        """It reads one token too far: a row of n real tokens has its last one at n - 1."""
        return score(one, other, real, weight, lambda real: real.sum(1).clamp(max=5))

    def first_token(one, other, real, weight):
        """It reads the first token, as BERT does. Here the first token has seen nothing but
        itself."""
        return (one[:, 0] + other[:, 0]) @ weight

    def one_order(one, other, real, weight):
        """Only one of the two orders is read."""
        return at(one, real.sum(1) - 1) @ weight

    def other_order(one, other, real, weight):
        """Only the second of the two orders is read."""
        return at(other, real.sum(1) - 1) @ weight

    def mean(one, other, real, weight):
        """It is the mean of the two. The paper adds them; the weights would have to be twice as
        large."""
        return score(one, other, real, weight) / 2

    def difference(one, other, real, weight):
        """It is the difference: that changes its sign when the texts change places."""
        return (at(one, real.sum(1) - 1) - at(other, real.sum(1) - 1)) @ weight

    def product(one, other, real, weight):
        """It multiplies the features. They are added."""
        return (at(one, real.sum(1) - 1) * at(other, real.sum(1) - 1)) @ weight

    def averaged(one, other, real, weight):
        """It averages over all real tokens. The extract token alone is read."""
        kept = real[..., None]
        both = ((one + other) * kept).sum(1) / kept.sum(1)
        return both @ weight

    mistakes = [last_column, one_too_far, first_token, one_order, other_order, mean, difference]
    torch.manual_seed(0)
    real = torch.arange(6) < torch.tensor([6, 4, 3])[:, None]
    features = torch.randn(2, 3, 6, 5)
    compare(answer, right, [*mistakes, product, averaged], (*features, real, torch.randn(5, 2)))


def check_fine_tuning_loss(answer) -> None:
    """Grade an answer to `fine_tuning_loss`."""

    def language(logits, tokens, real):
        return predicted(logits, tokens, real)[real[:, 1:].flatten()].mean()

    def right(scores, labels, logits, tokens, real, weight):
        return F.cross_entropy(scores, labels) + weight * language(logits, tokens, real)

    def no_weight(scores, labels, logits, tokens, real, weight):
        """Lambda is not used: the auxiliary loss counts in full."""
        return right(scores, labels, logits, tokens, real, 1.0)

    def other_weighted(scores, labels, logits, tokens, real, weight):
        """Lambda weighs the task's loss. It belongs to the auxiliary one."""
        return weight * F.cross_entropy(scores, labels) + language(logits, tokens, real)

    def between(scores, labels, logits, tokens, real, weight):
        """The task's loss is weighted by 1 - lambda. The equation has no such factor; the task
        counts in full."""
        return (1 - weight) * F.cross_entropy(scores, labels) + weight * language(
            logits, tokens, real
        )

    def task_alone(scores, labels, logits, tokens, real, weight):
        """The auxiliary loss is missing."""
        return F.cross_entropy(scores, labels)

    def filling(scores, labels, logits, tokens, real, weight):
        """The filling counts in the auxiliary loss."""
        everything = torch.ones_like(real)
        return right(scores, labels, logits, tokens, everything, weight)

    def not_shifted(scores, labels, logits, tokens, real, weight):
        """The auxiliary loss is not shifted: it asks for the token that was just read."""
        losses = F.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none")
        return F.cross_entropy(scores, labels) + weight * losses[real.flatten()].mean()

    def summed(scores, labels, logits, tokens, real, weight):
        """The auxiliary loss is a sum over tokens; it should be a mean, like the task's."""
        total = predicted(logits, tokens, real)[real[:, 1:].flatten()].sum()
        return F.cross_entropy(scores, labels) + weight * total

    mistakes = [no_weight, other_weighted, between, task_alone, filling, not_shifted, summed]
    batch = some_batch()
    scores, labels = torch.randn(3, 4), torch.tensor([2, 0, 3])
    compare(answer, right, mistakes, (scores, labels, *batch, 0.5), (scores, labels, *batch, 0.1))
