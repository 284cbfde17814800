r"""Worked answers to the exercises for "Attention Is All You Need"."""

import math

import torch
from torch import Tensor


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
