"""How answers to the exercises for GPT-2 are graded.

For each exercise: what is right, and what people write instead. A mistake's docstring is what its
author is told.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor

from exercises import WrongAnswer, compare

# Counting ---------------------------------------------------------------------------------------


def check_count_parameters(answer) -> None:
    """Grade an answer to `count_parameters`."""

    def right(v, c, layers, d, weights=12, biases=9, norms=4, last=2):
        return (v + c) * d + layers * (weights * d * d + (biases + norms) * d) + last * d

    def untied(v, c, layers, d):
        """The output has a matrix of its own. It uses the vectors of the tokens once more, so they
        count once."""
        return right(v, c, layers, d) + v * d

    def no_positions(v, c, layers, d):
        """The positions are missing: they are learned, a vector for each."""
        return right(v, 0, layers, d)

    def no_biases(v, c, layers, d):
        """The biases of the matrices are missing."""
        return right(v, c, layers, d, biases=0)

    def narrow_biases(v, c, layers, d):
        """One bias is too narrow: that of the first matrix of the feed-forward network has 4 D
        numbers."""
        return right(v, c, layers, d, biases=6)

    def no_norms(v, c, layers, d):
        """The layer norms are missing: gain and bias of each are learned."""
        return right(v, c, layers, d, norms=0, last=0)

    def no_last_norm(v, c, layers, d):
        """The norm behind the last block is missing."""
        return right(v, c, layers, d, last=0)

    def only_gains(v, c, layers, d):
        """Each layer norm has a gain only; it has a bias too."""
        return right(v, c, layers, d, norms=2, last=1)

    def one_norm(v, c, layers, d):
        """A block has one layer norm here. It has two, one for each sub-layer."""
        return right(v, c, layers, d, norms=2)

    def no_output(v, c, layers, d):
        """Attention has three matrices here: the fourth one, for its output, is missing."""
        return right(v, c, layers, d, weights=11, biases=8)

    def square(v, c, layers, d):
        """The feed-forward network is as narrow as the stream here. Inside it is 4 D wide."""
        return right(v, c, layers, d, weights=6, biases=6)

    mistakes = [untied, no_positions, no_biases, narrow_biases, no_norms, no_last_norm]
    mistakes += [only_gains, one_norm, no_output, square]
    compare(answer, right, mistakes, (7, 5, 2, 4), (11, 3, 3, 2), (50_257, 1024, 12, 768))


LOG_2 = math.log(2)


def check_fair_measures(answer) -> None:
    """Grade an answer to `fair_measures`."""

    def shares(nats, n, text, size=lambda text: len(text.encode()), unit=LOG_2):
        total = nats * n
        return [total / unit / size(text), math.exp(total / len(text.split()))]

    def right(nats, n, text):
        return shares(nats, n, text)

    def in_nats(nats, n, text):
        """The first number is in nats per byte. A bit is log 2 nats."""
        return shares(nats, n, text, unit=1.0)

    def times(nats, n, text):
        """The first number was multiplied by log 2. A nat is more than a bit, so there are more
        bits than nats."""
        return shares(nats, n, text, unit=1 / LOG_2)

    def by_character(nats, n, text):
        """The first number is per character. Some characters have more than one byte in UTF-8."""
        return shares(nats, n, text, size=len)

    def by_token(nats, n, text):
        """The first number is still per token: the number of tokens and the bytes are not used."""
        return [nats / math.log(2), right(nats, n, text)[1]]

    def upside_down(nats, n, text):
        """Tokens and bytes changed places in the first number: a token has several bytes, so a
        byte costs less than a token."""
        return [nats / math.log(2) * len(text.encode()) / n, right(nats, n, text)[1]]

    def token_perplexity(nats, n, text):
        """The second number is the perplexity per token. A word has several tokens, and its
        probability is their product."""
        return [right(nats, n, text)[0], math.exp(nats)]

    def mean_of_perplexities(nats, n, text):
        """The perplexity per token was multiplied by the tokens of a word. The logarithms add up,
        not the perplexities: share out first, then take the exponential."""
        return [right(nats, n, text)[0], math.exp(nats) * n / len(text.split())]

    def two_to_the(nats, n, text):
        """The second number is a power of 2, but its exponent is in nats: they belong to e."""
        return [right(nats, n, text)[0], 2 ** (nats * n / len(text.split()))]

    def no_exponential(nats, n, text):
        """The second number is the loss per word; perplexity is its exponential."""
        return [right(nats, n, text)[0], nats * n / len(text.split())]

    def spaces(nats, n, text):
        """The words were counted by single spaces. Between two spaces there is no word, and a new
        line ends one: `text.split()`."""
        return [right(nats, n, text)[0], math.exp(nats * n / len(text.split(" ")))]

    mistakes = [in_nats, times, by_character, by_token, upside_down, token_perplexity]
    mistakes += [mean_of_perplexities, two_to_the, no_exponential, spaces]
    compare(
        answer,
        right,
        mistakes,
        (1.5, 11, "Über den  Wolken, naïve café"),
        (0.7, 8, "one two\nthree\n– vier  fünf"),
    )


def check_causal_mask(answer) -> None:
    """Grade an answer to `causal_mask`."""

    def everything(new, past):
        """Every token sees everything, the new ones after it included."""
        return torch.ones(new, past + new, dtype=torch.bool)

    def right(new, past):
        return everything(new, past).tril(past)

    def corner(new, past):
        """The diagonal begins in the corner, as it does when nothing stands before. The first new
        token is at place P of the text, not at 0."""
        return everything(new, past).tril()

    def square(new, past):
        """There is no column for the old tokens. The new ones look at them too."""
        return everything(new, 0).tril()

    def strict(new, past):
        """A token does not see itself here. It may: what it predicts is the one after it."""
        return everything(new, past).tril(past - 1)

    def only_new(new, past):
        """The old tokens are hidden."""
        return right(new, past) & (torch.arange(past + new) >= past)

    def old_last(new, past):
        """The columns of the old tokens stand on the right. The old tokens come first."""
        return right(new, past).roll(-past, dims=1)

    def future(new, past):
        """It looks into the future: a token sees itself and what comes after it."""
        return everything(new, past).triu(past)

    def inverted(new, past):
        """It is the other way round: True where a token may *not* look."""
        return ~right(new, past)

    mistakes = [everything, corner, square, strict, only_new, old_last, future, inverted]
    compare(answer, right, mistakes, (3, 2), (1, 4), (4, 0))


# The network --------------------------------------------------------------------------------------


def check_pre_norm_block(answer) -> None:
    """Grade an answer to `pre_norm_block`."""

    def right(x, ln_1, attention, ln_2, feed_forward):
        x = x + attention(ln_1(x))
        return x + feed_forward(ln_2(x))

    def post_norm(x, ln_1, attention, ln_2, feed_forward):
        """This is post-norm, as in the Transformer and in GPT-1: the sums are normalised."""
        x = ln_1(x + attention(x))
        return ln_2(x + feed_forward(x))

    def norm_of_sum(x, ln_1, attention, ln_2, feed_forward):
        """The sub-layers read normed inputs, but the sum is taken of the normed x too. On the left
        of each plus sign stands x as it was."""
        x = ln_1(x)
        x = ln_2(x + attention(x))
        return x + feed_forward(x)

    def behind(x, ln_1, attention, ln_2, feed_forward):
        """The norms stand behind the sub-layers: what is added is normalised, not what is read."""
        x = x + ln_1(attention(x))
        return x + ln_2(feed_forward(x))

    def one_norm(x, ln_1, attention, ln_2, feed_forward):
        """Both sub-layers have the first norm. Each has one of its own."""
        return right(x, ln_1, attention, ln_1, feed_forward)

    def exchanged(x, ln_1, attention, ln_2, feed_forward):
        """The two norms have changed places."""
        return right(x, ln_2, attention, ln_1, feed_forward)

    def parallel(x, ln_1, attention, ln_2, feed_forward):
        """Both sub-layers read the x from the start. The feed-forward network reads what attention
        has added to."""
        return x + attention(ln_1(x)) + feed_forward(ln_2(x))

    def feed_forward_first(x, ln_1, attention, ln_2, feed_forward):
        """The feed-forward network comes first. Attention does."""
        return right(x, ln_2, feed_forward, ln_1, attention)

    def no_norm(x, ln_1, attention, ln_2, feed_forward):
        """There is no norm."""
        return right(x, lambda x: x, attention, lambda x: x, feed_forward)

    def first_norm_only(x, ln_1, attention, ln_2, feed_forward):
        """The second norm is missing."""
        return right(x, ln_1, attention, lambda x: x, feed_forward)

    def no_sum(x, ln_1, attention, ln_2, feed_forward):
        """Nothing is added to x: each sub-layer replaces the stream."""
        return feed_forward(ln_2(attention(ln_1(x))))

    def no_first_sum(x, ln_1, attention, ln_2, feed_forward):
        """The first sum is missing: behind attention, x is lost."""
        x = attention(ln_1(x))
        return x + feed_forward(ln_2(x))

    def no_second_sum(x, ln_1, attention, ln_2, feed_forward):
        """The second sum is missing: behind the feed-forward network, x is lost."""
        return feed_forward(ln_2(x + attention(ln_1(x))))

    torch.manual_seed(0)
    gains = 1 + 0.5 * torch.rand(2, 4)
    mistakes = [post_norm, norm_of_sum, behind, one_norm, exchanged, parallel, feed_forward_first]
    mistakes += [no_norm, first_norm_only, no_sum, no_first_sum, no_second_sum]
    compare(
        answer,
        right,
        mistakes,
        (
            3 * torch.randn(2, 3, 4) + 1,
            lambda x: gains[0] * torch.layer_norm(x, (4,)),
            lambda x: 0.4 * x.cumsum(dim=1),
            lambda x: gains[1] * torch.layer_norm(x, (4,)) - 0.3,
            lambda x: x.square() / 2,
        ),
    )


def matrices(block: int) -> list[str]:
    """The names of a block's matrices."""
    attention = [f"attention.{name}" for name in ("query", "key", "value", "output")]
    feed_forward = [f"feed_forward.{name}" for name in ("expand", "contract")]
    return [f"blocks.{block}.{name}.weight" for name in (*attention, *feed_forward)]


def block_of(name: str) -> int:
    """The block that a matrix belongs to."""
    return int(name.split(".")[1])


def check_initial_deviations(answer) -> None:
    """Grade an answer to `initial_deviations`."""
    writes = ("output.weight", "contract.weight")
    reads = ("query.weight", "key.weight", "value.weight", "expand.weight")

    def scaled(names, n, deviation, chosen=writes, factor=lambda n, name: (2 * n) ** -0.5):
        return [deviation * (factor(n, x) if x.endswith(chosen) else 1) for x in names]

    def right(names, n_layers, deviation):
        return scaled(names, n_layers, deviation)

    def one_a_block(names, n_layers, deviation):
        """The right matrices, but the factor counts one residual layer for each block. A block
        adds to the stream twice."""
        return scaled(names, n_layers, deviation, factor=lambda n, _: n**-0.5)

    def no_root(names, n_layers, deviation):
        """The root is missing: divided by 2 L, the branches together would be nearly nothing."""
        return scaled(names, n_layers, deviation, factor=lambda n, _: 1 / (2 * n))

    def larger(names, n_layers, deviation):
        """It multiplies by the root instead of dividing: the matrices start larger."""
        return scaled(names, n_layers, deviation, factor=lambda n, _: (2 * n) ** 0.5)

    def by_depth(names, n_layers, deviation):
        """Each block is divided by a number of its own, by its place. The factor is the same in
        all of them."""
        return scaled(names, n_layers, deviation, factor=lambda _, x: (2 * block_of(x) + 2) ** -0.5)

    def everything(names, n_layers, deviation):
        """All weights are divided, the embeddings too. Only what is added to the stream by a block
        is meant."""
        return scaled(names, n_layers, deviation, chosen="weight")

    def whole_blocks(names, n_layers, deviation):
        """All matrices of the blocks are divided. Only those are meant whose output is added to
        the stream: two in each block."""
        return scaled(names, n_layers, deviation, chosen=(*reads, *writes))

    def attention_only(names, n_layers, deviation):
        """The feed-forward network adds to the stream too, and its last matrix is not divided."""
        return scaled(names, n_layers, deviation, chosen="output.weight")

    def feed_forward_only(names, n_layers, deviation):
        """Attention adds to the stream too, and its last matrix is not divided."""
        return scaled(names, n_layers, deviation, chosen="contract.weight")

    def entrances(names, n_layers, deviation):
        """The matrices at the entrance of the sub-layers are divided. Those at the exit write into
        the stream."""
        return scaled(names, n_layers, deviation, chosen=reads)

    def nothing(names, n_layers, deviation):
        """No matrix is divided, as in the published code, which was not the one for training."""
        return [deviation for _ in names]

    mistakes = [one_a_block, no_root, larger, by_depth, everything, whole_blocks, attention_only]
    mistakes += [feed_forward_only, entrances, nothing]
    tables = ["tokens.weight", "positions.weight"]
    some = [*tables, *matrices(0), *matrices(1)]
    compare(answer, right, mistakes, (some, 2, 0.5), ([*matrices(7), *tables], 12, 0.02))


# Texts --------------------------------------------------------------------------------------------


MERGES = [(b"b", b"c"), (b"a", b"b"), (b"a", b"a"), (b"\xc3", b"\xa9"), (b"l", b"o")]
MERGES += [(b"lo", b"w"), (b"a", b"bc"), (b"f", b"\xc3\xa9"), (b"\xe2", b"\x86"), (b"c", b"d")]


def merged(symbols: list[int], merges: list, choose=min, first: int = 256) -> list[int]:
    """Numbers joined by rank, the chosen one first; merge r makes the number `first` + r."""
    number = {bytes([value]): value for value in range(256)}
    for rank, (left, right) in enumerate(merges):
        number[left + right] = 256 + rank
    made = {(number[a], number[b]): 256 + rank for rank, (a, b) in enumerate(merges)}
    while known := [made[pair] for pair in pairwise(symbols) if pair in made]:
        chosen, joined = choose(known), []
        for symbol in symbols:
            if joined and made.get((joined[-1], symbol)) == chosen:
                joined[-1] = chosen
            else:
                joined.append(symbol)
        symbols = joined
    return [symbol if symbol < 256 else symbol - 256 + first for symbol in symbols]


def check_to_tokens(answer) -> None:
    """Grade an answer to `to_tokens`."""

    def right(text, merges):
        return merged(list(text.encode()), merges)

    def characters(text, merges):
        """It begins with characters, by their number in Unicode, instead of bytes. Then there are
        a million symbols, and numbers above 255 are taken twice: `text.encode()`."""
        return merged([ord(character) for character in text], merges)

    def question_marks(text, merges):
        """Characters that are not ASCII became question marks. No text is unknown in bytes."""
        return merged(list(text.encode("ascii", "replace")), merges)

    def other_bytes(text, merges):
        """These are the bytes of UTF-16. The tokens are those of UTF-8."""
        return merged(list(text.encode("utf-16-le")), merges)

    def bytes_alone(text, merges):
        """The bytes are right, but nothing was joined."""
        return list(text.encode())

    def from_the_left(text, merges):
        """It joins from left to right. The merge that was learnt first goes first, wherever it
        stands."""
        return merged(list(text.encode()), merges, choose=lambda known: known[0])

    def last_learnt(text, merges):
        """It takes the merge that was learnt last. The lowest rank goes first."""
        return merged(list(text.encode()), merges, choose=max)

    def rank_alone(text, merges):
        """The numbers of the merges begin at 0, where the bytes are already. They begin at 256."""
        return merged(list(text.encode()), merges, first=0)

    def one_too_many(text, merges):
        """The numbers of the merges are one too large. The bytes are 0 to 255, so the first merge
        is 256."""
        return merged(list(text.encode()), merges, first=257)

    mistakes = [characters, question_marks, other_bytes, bytes_alone, from_the_left]
    mistakes += [last_learnt, rank_alone, one_too_many]
    texts = ("abc low", "café → où", "aaaabcbcd", "", "\x00 日本")
    compare(answer, right, mistakes, *((text, MERGES) for text in texts))


def kept_k(logits: Tensor, k: int) -> Tensor:
    """Top-k: what is out is minus infinity."""
    return logits.masked_fill(logits.argsort(-1, descending=True).argsort(-1) >= k, -math.inf)


def kept_p(logits: Tensor, p: float, own: float = 0.0) -> Tensor:
    """Nucleus; with `own` 1, what a token has itself counts too, so the one that reaches p is out."""
    ordered, order = logits.softmax(-1).sort(-1, descending=True)
    reached = ordered.cumsum(-1) - (1 - own) * ordered
    return logits.masked_fill((reached >= p).gather(-1, order.argsort(-1)), -math.inf)


def check_sampling_distribution(answer) -> None:
    """Grade an answer to `sampling_distribution`."""

    def right(logits, temperature, k, p):
        return kept_p(kept_k(logits / temperature, k), p).softmax(-1)

    def no_temperature(logits, temperature, k, p):
        """The temperature is not used."""
        return right(logits, 1.0, k, p)

    def times(logits, temperature, k, p):
        """The logits are multiplied by the temperature. A low one should make the likely tokens
        likelier."""
        return right(logits, 1 / temperature, k, p)

    def temperature_last(logits, temperature, k, p):
        """The temperature comes last. The nucleus depends on it, so it comes first."""
        return (kept_p(kept_k(logits, k), p) / temperature).softmax(-1)

    def nucleus_first(logits, temperature, k, p):
        """The nucleus is taken of the whole distribution. Top-k comes first, and what it leaves has
        to sum to 1 before p is compared with anything."""
        return kept_k(kept_p(logits / temperature, p), k).softmax(-1)

    def no_nucleus(logits, temperature, k, p):
        """The nucleus is missing: p is not used."""
        return right(logits, temperature, k, 1.0)

    def no_top_k(logits, temperature, k, p):
        """Top-k is missing: k is not used."""
        return right(logits, temperature, logits.shape[-1], p)

    def short(logits, temperature, k, p):
        """The token that reaches p is out. It stays: without it the others have less than p."""
        return kept_p(kept_k(logits / temperature, k), p, own=1.0).softmax(-1)

    def not_one(logits, temperature, k, p):
        """The rows do not sum to 1: what was ruled out has gone, but the rest was not made larger
        in turn."""
        before = kept_k(logits / temperature, k).softmax(-1)
        return before * (right(logits, temperature, k, p) > 0)

    def zeros(logits, temperature, k, p):
        """What top-k rules out got the logit 0. That is a logit like any other; what is out gets
        minus infinity."""
        left = kept_k(logits / temperature, k)
        return kept_p(left.masked_fill(left == -math.inf, 0.0), p).softmax(-1)

    def in_order(logits, temperature, k, p):
        """The probabilities are sorted. They belong to the tokens: bring them back to their
        places."""
        return right(logits, temperature, k, p).sort(-1, descending=True).values

    def still_logits(logits, temperature, k, p):
        """These are logits; the last softmax is missing."""
        return kept_p(kept_k(logits / temperature, k), p)

    mistakes = [no_temperature, times, temperature_last, nucleus_first, no_nucleus]
    mistakes += [no_top_k, short, not_one, zeros, in_order, still_logits]
    logits = torch.tensor(
        [[0.3, 1.1, -0.4, 0.9, -1.2, 0.6, 0.1, -0.8], [-2.0, 0.5, 1.7, 1.5, 0.2, -0.6, 0.8, 1.2]]
    )
    compare(answer, right, mistakes, (logits, 0.6, 5, 0.75), (logits, 1.5, 4, 0.7))


# A proof ------------------------------------------------------------------------------------------


def check_stream_variance(answer) -> None:
    """Grade an answer to `stream_variance`, without a number that would give it away."""
    places = ["norms", "norms, divided", "no norms", "no norms, divided"]
    right = [  # n is 2 L, s the start, v what a branch adds
        lambda n, s, v: s + n * v,
        lambda n, s, v: s + v,
        lambda n, s, v: s * (1 + v) ** n,
        lambda n, s, v: s * (1 + v / n) ** n,
    ]
    twice = "How often does a block add to the stream?"
    begun = "The stream has a variance before the first block too."
    factor = "The factor is not in it."
    root = "The weights are divided by a root. What happens to a variance then?"
    deeper = "Now a branch reads more, the deeper it stands."
    second = "The second branch does not read the variance of the start."
    mistakes = [
        (0, lambda n, s, v: s + n / 2 * v, twice),
        (0, lambda n, s, v: n * v, begun),
        (0, right[2], "Does a branch read the stream as it is?"),
        (0, lambda n, s, v: (s**0.5 + n * v**0.5) ** 2, "Deviations of independent things do not add up."),
        (1, right[0], factor),
        (1, lambda n, s, v: s + v * n**0.5, root),
        (1, lambda n, s, v: s + v / n, "That is the stream after a single branch."),
        (1, lambda n, s, v: s + v / 2, twice),
        (1, lambda n, s, v: s / n + v, "The factor is not applied to what the blocks read."),
        (1, lambda n, s, v: v, begun),
        (2, right[0], deeper),
        (2, lambda n, s, v: s + n * s * v, second),
        (2, lambda n, s, v: s * (1 + v) ** (n / 2), twice),
        (2, lambda n, s, v: s * v**n, "A branch is added; it does not replace the stream."),
        (3, right[1], deeper),
        (3, lambda n, s, v: s * (1 + v), second),
        (3, right[2], factor),
        (3, lambda n, s, v: s * (1 + v / n**0.5) ** n, root),
        (3, lambda n, s, v: s * (1 + v / n) ** (n / 2), twice),
        (3, lambda n, s, v: s * math.exp(v), "That is the limit for many blocks; here there are L."),
    ]  # fmt: skip
    cases = [(3, 0.7, 0.4), (8, 1.5, 0.1)]
    found = [answer(*case) for case in cases]
    for one in found:
        if not isinstance(one, list | tuple) or len(one) != len(places):
            raise WrongAnswer("It should return a list of four numbers.")

    def follows(place, formula):
        pairs = zip(found, cases, strict=True)
        return all(close(one[place], formula(2 * n, s, v)) for one, (n, s, v) in pairs)

    for place, name in enumerate(places):
        if not follows(place, right[place]):
            told = [words for at, f, words in mistakes if at == place and follows(place, f)]
            raise WrongAnswer(" ".join([f"Number {place + 1} ({name}) is wrong.", *told]))


def close(found, expected: float) -> bool:
    """Say whether this is the number, whatever kind of number it is."""
    return isinstance(found, int | float | Tensor) and math.isclose(found, expected, rel_tol=1e-6)


# The cache ----------------------------------------------------------------------------------------


def check_cached_attention(answer) -> None:
    """Grade an answer to `cached_attention`."""

    def step(*given, first=None, diagonal=None, scale=None, join=lambda old, new: [old, new]):
        tokens, keys, values, embedding, positions, w_q, w_k, w_v = given
        past = len(keys)
        x = embedding[tokens] + positions[past if first is None else first :][: len(tokens)]
        keys, values = torch.cat(join(keys, x @ w_k)), torch.cat(join(values, x @ w_v))
        scores = x @ w_q @ keys.T / (scale or math.sqrt(w_k.shape[1]))
        visible = torch.ones_like(scores).tril(past if diagonal is None else diagonal).bool()
        return [scores.masked_fill(~visible, -math.inf).softmax(-1) @ values, keys, values]

    def right(*given):
        return step(*given)

    def from_zero(*given):
        """The positions begin at 0 again. The first new token stands at place P of the text."""
        return step(*given, first=0)

    def one_late(*given):
        """The positions are one too large: counted from 0, the first new token stands at P."""
        return step(*given, first=len(given[1]) + 1)

    def no_positions(tokens, keys, values, embedding, positions, *rest):
        """The positions are missing."""
        return step(tokens, keys, values, embedding, 0 * positions, *rest)

    def corner(*given):
        """The mask begins in the corner, as if nothing stood before. Then the first new token sees
        the oldest one only."""
        return step(*given, diagonal=0)

    def no_mask(*given):
        """There is no mask: of several new tokens, the first ones see those after them."""
        return step(*given, diagonal=99)

    def new_first(*given):
        """The new keys and values were put before the old ones. The oldest come first."""
        return step(*given, join=lambda old, new: [new, old], diagonal=99)

    def forgotten(tokens, keys, values, embedding, positions, *rest):
        """The new tokens see only one another: the keys that were kept are not used."""
        later = positions[len(keys) :]
        return step(tokens, keys[:0], values[:0], embedding, later, *rest)

    def used_not_kept(*given):
        """What is found is right, but only the new keys and values are returned. The next step
        needs the old ones too."""
        found, keys, values = step(*given)
        return [found, keys[len(given[1]) :], values[len(given[1]) :]]

    def not_kept(*given):
        """What is found is right, but the keys and values that are returned are the old ones. The
        next step needs those of the new tokens too."""
        return [step(*given)[0], given[1], given[2]]

    def not_scaled(*given):
        """The scores are not divided by the root of K."""
        return step(*given, scale=1.0)

    def by_width(*given):
        """The scores are divided by the root of D. It is K, the features of a key, that counts."""
        return step(*given, scale=math.sqrt(given[5].shape[0]))

    def by_k(*given):
        """The scores are divided by K; its root is missing."""
        return step(*given, scale=given[5].shape[1])

    torch.manual_seed(0)
    d, k = 6, 3
    tables = torch.randn(9, d), torch.randn(8, d)
    weights = [torch.randn(d, k) / 2 for _ in range(3)]

    def case(past, *tokens):
        kept = torch.randn(2, past, k)
        return (torch.tensor(tokens), *kept, *tables, *weights)

    mistakes = [from_zero, one_late, no_positions, corner, no_mask, new_first, forgotten]
    mistakes += [used_not_kept, not_kept, not_scaled, by_width, by_k]
    compare(answer, right, mistakes, case(3, 7), case(3, 2, 5, 1), case(0, 4, 4, 8))
