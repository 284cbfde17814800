r"""Worked answers to the exercises for GPT-2."""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor


def count_parameters(vocabulary: int, context: int, n_layers: int, d_model: int) -> int:
    r"""$(V + C) D + L (12 D^2 + 13 D) + 2 D$.

    Four matrices of $D^2$ in the attention and two of $4 D^2$ in the feed-forward network are
    $12 D^2$. Their biases are $4 D + 4 D + D = 9 D$, and two norms have $4 D$.

    The smallest model has 124,439,808 parameters, where the paper's table says 117 million; the
    largest has 1,557,611,200, where it says 1,542 million. In the smallest nearly a third are the
    two tables, in the largest one in twenty: the tables grow with D, the blocks with its square and
    with L. That is why people who compare sizes leave the tables out.
    """
    tables = (vocabulary + context) * d_model
    weights = 12 * d_model**2
    biases = 9 * d_model
    norms = 2 * 2 * d_model
    return tables + n_layers * (weights + biases + norms) + 2 * d_model


def fair_measures(nats_per_token: float, n_tokens: int, text: str) -> list[float]:
    r"""The same total, shared out in two ways.

    The total is what matters: it is minus the logarithm of the probability of the whole text. A
    vocabulary with longer tokens lowers `n_tokens` and raises the loss of each, and only their
    product can be compared.

    The paper's perplexities are per word of the *original* text, so they do not fit beside the
    perplexity per token that a training curve shows. Nor does bits per character fit beside bits
    per byte, except where every character is one byte, as in plain English letters.
    """
    total = nats_per_token * n_tokens
    return [total / math.log(2) / len(text.encode()), math.exp(total / len(text.split()))]


def causal_mask(n_new: int, n_past: int) -> Tensor:
    r"""A triangle behind a rectangle.

    The P columns on the left are True throughout; the T columns on the right are the square that
    training uses. For a single new token everything is True, so programs leave the mask out then,
    and for the first prompt P is 0, so the square is right. A diagonal that is left in the corner
    is therefore wrong only where several tokens come behind others: when somebody adds a sentence.
    """
    return torch.ones(n_new, n_past + n_new, dtype=torch.bool).tril(n_past)


def pre_norm_block(
    x: Tensor,
    ln_1: Callable[[Tensor], Tensor],
    attention: Callable[[Tensor], Tensor],
    ln_2: Callable[[Tensor], Tensor],
    feed_forward: Callable[[Tensor], Tensor],
) -> Tensor:
    r"""Two lines, and the sum is never normalised.

    A gradient comes from the last block to the first through the plus signs alone, unchanged. In
    post-norm it goes through two norms a block, each of which rescales it.

    The price is that nothing keeps the stream itself in its range: it grows from block to block.
    Hence the norm behind the last block, without which the logits would depend on how deep the
    model is, and hence the smaller start of the next exercise.
    """
    x = x + attention(ln_1(x))
    return x + feed_forward(ln_2(x))


def initial_deviations(names: list[str], n_layers: int, deviation: float) -> list[float]:
    r"""Two endings, one factor.

    Only `output` and `contract` write into the stream. To make the other matrices smaller too would
    do no harm to the sum, but to what is computed inside a branch: a smaller `query` makes attention
    more even, a smaller `expand` keeps GELU in its straight part.

    With $\sqrt L$, the other reading of the paper, the branches together have twice the variance of
    a single one instead of the same. The published code has no factor at all: it was written to run
    the model, not to train it.
    """
    smaller = deviation / math.sqrt(2 * n_layers)
    endings = ("attention.output.weight", "feed_forward.contract.weight")
    return [smaller if name.endswith(endings) else deviation for name in names]


def to_tokens(text: str, merges: list[tuple[bytes, bytes]]) -> list[int]:
    r"""Bytes, then merges by rank, then numbers.

    There is no branch for an unknown character, because there are no characters: whatever UTF-8 can
    write has tokens, if need be one for each byte. The price is that a character outside the
    training text takes two, three or four tokens, and that a token may be half a character. Text
    that is written token by token can therefore end in the middle of one, and a program that shows
    it has to wait.
    """
    rank = {pair: number for number, pair in enumerate(merges)}
    symbols = [bytes([value]) for value in text.encode()]
    while known := [pair for pair in pairwise(symbols) if pair in rank]:
        symbols = join(symbols, min(known, key=rank.__getitem__))
    made = {first + second: 256 + number for (first, second), number in rank.items()}
    return [symbol[0] if len(symbol) == 1 else made[symbol] for symbol in symbols]


def join(symbols, pair):
    """Make a pair one symbol, from left to right."""
    joined: list[bytes] = []
    place = 0
    while place < len(symbols):
        if tuple(symbols[place : place + 2]) == pair:
            joined.append(pair[0] + pair[1])
            place += 2
        else:
            joined.append(symbols[place])
            place += 1
    return joined


def sampling_distribution(logits: Tensor, temperature: float, k: int, p: float) -> Tensor:
    r"""Minus infinity for what is out, and a softmax at the end.

    The softmax inside the nucleus is over what top-k has left, so p is a share of that. The order
    of temperature and top-k does not matter, for dividing changes no order among the tokens; that
    of temperature and nucleus does: a low temperature makes the nucleus smaller.

    The comparison is with what stands *before* a token. With the sum up to the token itself, the
    one that reaches p would fall out, and a likeliest token with more than p would leave nothing:
    a row of NaN, but only now and then.
    """
    logits = logits / temperature
    least = logits.topk(k, dim=-1).values[:, -1:]
    logits = logits.masked_fill(logits < least, -math.inf)
    ordered, order = logits.softmax(dim=-1).sort(dim=-1, descending=True)
    out = ordered.cumsum(dim=-1) - ordered >= p
    return logits.masked_fill(out.gather(-1, order.argsort(dim=-1)), -math.inf).softmax(dim=-1)


def stream_variance(n_layers: int, start: float, branch: float) -> list[float]:
    r"""Adding, and multiplying.

    *With norms.* Every branch reads a variance of 1, wherever it stands, so each adds $v$. There
    are $2 L$ of them, and independent variances add: $s + 2 L v$. Growth is linear, which is mild,
    but the last branch is only a small part of the sum.

    *Divided.* A matrix divided by $\sqrt{2 L}$ divides the variance of its output by $2 L$. Hence
    $s + 2 L \cdot v / 2 L = s + v$, at every depth.

    *Without norms.* A stream of variance $c$ becomes one of $c + c v = c (1 + v)$, and that
    $2 L$ times: $s (1 + v)^{2 L}$. This is what makes deep networks without norms explode.

    *Divided.* $s (1 + v / 2 L)^{2 L}$, which stays below $s\,e^v$ however deep the network is. So
    the factor alone keeps a network without norms in its range at the start; what training then
    does to it is another matter.
    """
    n = 2 * n_layers
    return [
        start + n * branch,
        start + branch,
        start * (1 + branch) ** n,
        start * (1 + branch / n) ** n,
    ]


def cached_attention(
    tokens: Tensor,
    keys: Tensor,
    values: Tensor,
    embedding: Tensor,
    positions: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    w_v: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""P three times: in the positions, in the mask, in what is kept.

    Queries are not kept: an old token has asked already. The test of such code is always the same:
    read a text at once, read it in pieces of different lengths, and compare the numbers. A wrong
    position is seen in no shape and in no error, only there.

    With learned positions the text ends where the table ends. Throwing the oldest keys away does
    not help, since all others were computed with positions that would then be wrong.
    """
    past = len(keys)
    x = embedding[tokens] + positions[past : past + len(tokens)]
    keys = torch.cat([keys, x @ w_k])
    values = torch.cat([values, x @ w_v])
    scores = x @ w_q @ keys.T / math.sqrt(keys.shape[1])  # T P+T
    scores = scores.masked_fill(~causal_mask(len(tokens), past), -math.inf)
    return scores.softmax(dim=-1) @ values, keys, values
