r"""Worked answers to the exercises for "Attention Is All You Need"."""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def look_up(scores: list[float], values: list[float]) -> float:
    r"""Raise, share, mix.

    The exponential makes every score positive and keeps their order; a difference of 1 between two
    scores always means a factor of $e$ between their weights, wherever they stand. So it does not
    matter if all scores grow by the same amount, and that is useful: `math.exp(1000)` is too large
    for a computer, but with the largest score subtracted from all, nothing is larger than
    `math.exp(0)`. Libraries do that for you.

    If one score is far above the others, its weight is nearly 1, and this is a dictionary again.
    But it has a slope everywhere: a little change of a score changes the answer a little. That is
    what lets a network learn where to look.
    """
    raised = [math.exp(score) for score in scores]
    total = sum(raised)
    return sum(one / total * value for one, value in zip(raised, values, strict=True))


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    r"""Three steps: compare, share out, mix.

    *Compare.* `q @ k.T` holds the dot product of every query with every key: row $t$, column $s$.
    If the entries of queries and keys are independent with variance 1, a dot product of K of them
    has variance K; dividing by $\sqrt{K}$ brings it back to 1. Without that, wide heads start with
    a softmax that has already made up its mind, and through such a softmax hardly any gradient
    flows.

    *Share out.* The softmax along the last axis makes each row positive with sum 1. Along the first
    axis the shapes would fit as well, and the keys would be shared out among the queries instead.

    *Mix.* Each row of weights takes its mean of the values. (T, S) times (S, K) is (T, K).
    """
    scores = q @ k.T / math.sqrt(q.shape[-1])
    weights = scores.softmax(dim=-1)
    return weights @ v


def mask(tokens: Tensor, padding: int) -> Tensor:
    r"""Two rules that broadcast against each other.

    `tril` keeps the lower triangle with its diagonal: row $t$ is True up to column $t$. It is the
    same for all sentences, (T, T). Whether a key is padding depends on the sentence and on the key,
    not on the query: (B, 1, T). The `&` of the two has shape (B, T, T).

    A sentence that *begins* with padding has rows without a single True. That is correct here; what
    attention does with such a row is the business of attention (a plain softmax would give NaN).
    """
    length = tokens.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
    real = (tokens != padding)[:, None, :]
    return causal & real


def learning_rate(step: int, d_model: int, warmup: int) -> float:
    r"""The smaller of a line and a curve.

    The two are equal where $\mathrm{step}^{-0.5} = \mathrm{step} \cdot \mathrm{warmup}^{-1.5}$, that
    is at $\mathrm{step} = \mathrm{warmup}$. Before it the line is smaller, after it the curve, so
    `min` needs no `if`. The peak is $(d_{model} \cdot \mathrm{warmup})^{-0.5}$: a wider model and a
    longer warm-up both lower it.

    At step 0 the curve would divide by zero. PyTorch's schedulers count from 0, and many a training
    has begun with that error, or with a first update of size 0.
    """
    return d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)


def positions(length: int, d_model: int) -> Tensor:
    r"""A table of angles, then sines and cosines in turn.

    One angle for each position and each *pair* of features: `torch.arange(0, d_model, 2)` is the
    $2i$ of the equation, not $i$. The slices `0::2` and `1::2` are the even and the odd features.

    A pair is a hand on a clock, and each pair is a slower clock than the one before it. Moving on
    by some steps turns each hand by a fixed angle, whatever the time. So the code of a later
    position is a rotation of the code of an earlier one, which is why the authors hoped that
    relative positions would be easy to learn from it.
    """
    frequency = 10_000 ** -(torch.arange(0, d_model, 2) / d_model)
    angle = torch.arange(length)[:, None] * frequency
    table = torch.empty(length, d_model)
    table[:, 0::2] = angle.sin()
    table[:, 1::2] = angle.cos()
    return table


def multi_head(q: Tensor, k: Tensor, v: Tensor, n_heads: int) -> Tensor:
    r"""Cut the features, attend, and put the answers side by side.

    In memory the D features of position 0 come first, then those of position 1. `unflatten` cuts
    each position's features into H pieces and moves nothing, (T, H, K); `transpose` brings the
    heads to the front. A `view` to (H, T, K) has the same shape, but fills head 0 with the *first
    positions* instead of the first features of all positions. Training still works after a
    fashion, which is why this mistake survives in so much code.

    The matrix products treat the first axis as a batch, so all heads attend at once. The end
    undoes the beginning: heads back beside their features, then flatten.
    """

    def heads(x: Tensor) -> Tensor:
        return x.unflatten(-1, (n_heads, -1)).transpose(0, 1)

    scores = heads(q) @ heads(k).transpose(-2, -1) / math.sqrt(q.shape[-1] // n_heads)
    mixed = scores.softmax(dim=-1) @ heads(v)
    return mixed.transpose(0, 1).flatten(1)


def encoder_layer(
    x: Tensor,
    attend: Callable[[Tensor], Tensor],
    norm_1: Callable[[Tensor], Tensor],
    norm_2: Callable[[Tensor], Tensor],
    w_1: Tensor,
    b_1: Tensor,
    w_2: Tensor,
    b_2: Tensor,
) -> Tensor:
    r"""Two lines of the same form.

    The sum inside is the residual connection: a sub-layer does not replace what came in, it adds a
    correction to it. The second line starts from the result of the first, so each of the two
    connections spans one sub-layer.

    The norm around the sum is what the paper prints, called post-norm today. Its price: on the way
    back from the loss, every gradient passes through every norm, and deep stacks need the warm-up of
    the learning rate to begin at all. Most later models have moved the norm to the sub-layer's
    input, `x + attend(norm(x))`, where the sums form an unbroken path from end to end.
    """
    x = norm_1(x + attend(x))
    return norm_2(x + (x @ w_1 + b_1).relu() @ w_2 + b_2)


def label_smoothing(logits: Tensor, target: Tensor, epsilon: float, padding: int) -> Tensor:
    r"""One loss for each row, then the mean over the rows that count.

    `log_softmax` is a softmax and a logarithm in one, without the small numbers in between that
    would be rounded to zero. `gather` takes from each row the entry of its right word; the mean of
    the row is the second sum of the equation divided by V.

    Selecting the rows at the very end is the safe way: then padding is in neither term and not in
    N. A program that masks only the first term trains all the same, but teaches the model to
    be undecided at places that do not exist.

    The loss can no longer reach 0. It is smallest when the model gives the right word
    $1 - \epsilon + \epsilon / V$, so certainty beyond that is punished.
    """
    log_p = logits.log_softmax(dim=-1)
    right = log_p.gather(1, target[:, None])[:, 0]
    loss = -(1 - epsilon) * right - epsilon * log_p.mean(dim=-1)
    return loss[target != padding].mean()


def beam_search(
    log_probs: Callable[[list[int]], list[float]],
    start: int,
    end: int,
    beam: int,
    alpha: float,
    max_length: int,
) -> list[int]:
    r"""Extend, sort, cut.

    A beginning is a pair: its tokens, and the sum of its log-probabilities. Each step makes the
    list of candidates, sorts it by score, and keeps the first `beam`. Ended beginnings pass through
    unchanged and must defend their place against those that grow. With `beam=1` this is greedy.

    The sum only falls as a sentence grows, but it is divided by something that grows too. Forgetting
    the division, or multiplying instead, looks harmless in a few examples and makes translations
    too short in many.

    Our `implementations/transformer.py` differs in three ways that cost lines, not ideas: it
    searches for a whole batch at once, it keeps keys and values instead of asking about the whole
    beginning again, and it sets ended sentences aside, so that they take no place in the beam.
    """

    def score(beginning: tuple[list[int], float]) -> float:
        tokens, total = beginning
        return total / ((5 + len(tokens) - 1) / 6) ** alpha

    kept = [([start], 0.0)]
    for _ in range(max_length):
        candidates = []
        for tokens, total in kept:
            if tokens[-1] == end:
                candidates.append((tokens, total))
            else:
                for token, log_p in enumerate(log_probs(tokens)):
                    candidates.append(([*tokens, token], total + log_p))
        kept = sorted(candidates, key=score, reverse=True)[:beam]
        if all(tokens[-1] == end for tokens, _ in kept):
            break
    best, _ = kept[0]
    return best[1:]
