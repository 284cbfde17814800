r"""Exercises for "Attention Is All You Need".

Three parts of the Transformer, from the gentlest to the one that most people get wrong once.
Write your answers into `my/transformer.py`, which the first `python -m exercises transformer`
makes, and run the same command again: it says what is right, and what is wrong with the rest.
Letters for sizes: T queries, S keys, K features of a query or key, D features of a position, H
heads.
"""

import math

import torch
from torch import Tensor

from exercises import compare

EXERCISES = ["attention", "mask", "multi_head"]  # in rising difficulty

HINTS = {
    "attention": [
        "Start with the scores: one number for each pair of a query and a key. Which product of "
        "two matrices gives a table of T rows and S columns?",
        "Divide the scores by the square root of K before anything else. Then each *query* "
        "shares out a weight of 1 among the keys: which axis of the (T, S) table is that?",
        "`scores = q @ k.T / math.sqrt(q.shape[-1])`, then `scores.softmax(dim=-1)`, then one "
        "more matrix product, with `v`.",
    ],
    "mask": [
        "Two rules, one table each; a key may be seen where both say so. Write them down "
        "separately and join them with `&`.",
        "For the first rule, compare the number of the query with the number of the key: "
        "`torch.arange(T)[:, None]` against `torch.arange(T)[None, :]`. For the second, it is the "
        "*key* that must not be padding: along which axis of (B, T, T) does it lie?",
        "`causal = torch.ones(T, T, dtype=torch.bool).tril()` and "
        "`real = (tokens != padding)[:, None, :]`.",
    ],
    "multi_head": [
        "Take it slowly for one head: head 0 sees features 0 to D/H - 1 of every position, of `q`, "
        "of `k` and of `v`. A loop over the heads is a fine answer.",
        "Without a loop: first cut the last axis in two, (T, D) into (T, H, K), and only then swap "
        "axes to (H, T, K). A `view` straight to (H, T, K) has the right shape and mixes up the "
        "positions.",
        "`def heads(x): return x.unflatten(-1, (n_heads, -1)).transpose(0, 1)`. Attention as in "
        "the first exercise, with `transpose(-2, -1)` for the keys; at the end "
        "`.transpose(0, 1).flatten(1)` undoes the cut. Each head divides by the square root of "
        "*its* width.",
    ],
}


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    r"""Let T queries read a memory of S keys and values.

    A query is compared with every key; the better they fit, the more of that key's value goes
    into the answer. It is a dictionary look-up that mixes all entries instead of picking one.

    $$\mathrm{attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{QK^\top}{\sqrt{d_k}}\right) V$$

    Given `q` of shape (T, K), `k` of shape (S, K) and `v` of shape (S, K), return the mixed values,
    of shape (T, K). The $d_k$ of the equation is K.
    """
    raise NotImplementedError


def mask(tokens: Tensor, padding: int) -> Tensor:
    r"""Say who may see whom in the decoder's self-attention.

    Position $t$ predicts the word that follows it, so it may look at positions $0$ to $t$ (itself
    included) and at nothing later. Short sentences of a batch are filled up with a padding token,
    and nobody may look at that.

    $$\mathrm{mask}_{b,t,s} = (s \le t) \wedge (\mathrm{tokens}_{b,s} \ne \mathrm{padding})$$

    Given `tokens` of shape (B, T), return booleans of shape (B, T, T): row $t$ and column $s$ of
    sentence $b$ hold True where query $t$ may see key $s$.
    """
    raise NotImplementedError


def multi_head(q: Tensor, k: Tensor, v: Tensor, n_heads: int) -> Tensor:
    r"""Attend several times at once, each time with a part of the features.

    One softmax can hardly look at two places at once. So the D features of every position are cut
    into H pieces of K = D / H features, one after the other. Each piece attends by itself, and the
    answers are put side by side again.

    $$\mathrm{MultiHead}(Q, K, V) = \mathrm{Concat}(\mathrm{head}_1, \dots, \mathrm{head}_h)
    \qquad \mathrm{head}_i = \mathrm{attention}(Q_i, K_i, V_i)$$

    Given `q` of shape (T, D), `k` and `v` of shape (S, D), and H, return (T, D). The projections
    $W^Q, W^K, W^V$ and $W^O$ of the paper are left out here.
    """
    raise NotImplementedError


# Below: how the answers are checked. Reading on will not spoil the pleasure much.


def check_attention(answer) -> None:
    """Grade an answer to `attention`."""
    torch.manual_seed(0)
    q, k, v = 2 * torch.randn(3, 16), 2 * torch.randn(5, 16), torch.randn(5, 16)

    def variant(scale: float = 1 / math.sqrt(16), dim: int = -1, only_weights: bool = False):
        def mix(q, k, v):
            weights = (q @ k.T * scale).softmax(dim)
            return weights if only_weights else weights @ v

        return mix

    mistakes = {
        "The scores are not scaled. Dot products grow with the number of features, and the softmax "
        "then gives nearly everything to one key: divide by the square root of K.": variant(1.0),
        "The scores are multiplied by the square root of K; they must be divided by it.": variant(
            math.sqrt(16)
        ),
        "The scores are divided by K; it should be its square root. The scores are sums of K "
        "products, and the spread of such a sum grows like the square root.": variant(1 / 16),
        "The softmax runs over the wrong axis: here the queries compete for each key. Each query "
        "must share out a weight of 1 among the keys, along the last axis.": variant(dim=0),
        "There is no softmax: the scores themselves mix the values. Weights must be positive and "
        "sum to 1 for each query.": lambda q, k, v: q @ k.T / math.sqrt(16) @ v,
        "These are the weights. One step is missing: mix the values with them.": variant(
            only_weights=True
        ),
    }
    compare(answer, variant(), mistakes, q, k, v)
    fixed = {"It divides by 4 whatever K is: take K from the shape of `q`.": variant(1 / 4)}
    compare(answer, variant(1 / 2), fixed, q[:, :4], k[:4, :4], v[:4, :4])


def check_mask(answer) -> None:
    """Grade an answer to `mask`."""
    padding = 7
    tokens = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 7, 7], [7, 8, 2, 8, 7]])

    def variant(causal=lambda query, key: key <= query, hide: str = "keys"):
        def table(tokens, padding):
            number = torch.arange(tokens.shape[1])
            allowed = causal(number[:, None], number[None, :]).expand(len(tokens), -1, -1)
            real = tokens != padding
            if hide == "keys":
                return allowed & real[:, None, :]
            if hide == "queries":
                return allowed & real[:, :, None]
            return allowed.clone()

        return table

    mistakes = {
        "The mask is inverted: it is True where a position must not look.": (
            lambda tokens, padding: ~variant()(tokens, padding)
        ),
        "It lets every position see itself and the future, and hides the past. The triangle is on "
        "the wrong side: rows are queries, columns are keys.": variant(
            lambda query, key: key >= query
        ),
        "A position does not see itself. Position t predicts the word after it, so word t is "
        "known: s = t is allowed.": variant(lambda query, key: key < query),
        "Each position sees one word too many: position t sees t + 1, the very word that it should "
        "predict. In training the loss would look excellent.": variant(
            lambda query, key: key <= query + 1
        ),
        "Padding is still visible: only the future is hidden.": variant(hide="nothing"),
        "The future is still visible: only padding is hidden.": variant(
            lambda query, key: (key >= 0) & (query >= 0)
        ),
        "Padding is hidden along the wrong axis: the rows of padded queries are empty, but other "
        "queries still see padded keys. Put the new axis before the keys.": variant(hide="queries"),
    }
    compare(answer, variant(), mistakes, tokens, padding)
    compare(answer, variant(), {}, tokens[:, :4] - padding, 0)


def check_multi_head(answer) -> None:
    """Grade an answer to `multi_head`."""
    torch.manual_seed(0)
    q, k, v = 2 * torch.randn(6, 12), 2 * torch.randn(4, 12), torch.randn(4, 12)

    def cut(x, n_heads):  # T D -> H T K
        return x.unflatten(-1, (n_heads, -1)).transpose(0, 1)

    def view(x, n_heads):
        return x.reshape(n_heads, len(x), -1)

    def interleaved(x, n_heads):
        return x.unflatten(-1, (-1, n_heads)).permute(2, 0, 1)

    def join(x):  # H T K -> T D
        return x.transpose(0, 1).flatten(1)

    def variant(cut=cut, join=join, whole_width: bool = False, heads: int | None = None):
        def mix(q, k, v, n_heads):
            n_heads = heads or n_heads
            qs, ks, vs = cut(q, n_heads), cut(k, n_heads), cut(v, n_heads)
            width = q.shape[-1] if whole_width else qs.shape[-1]
            weights = (qs @ ks.transpose(-2, -1) / math.sqrt(width)).softmax(dim=-1)
            return join(weights @ vs)

        return mix

    mistakes = {
        "The cut into heads mixes up the positions. A `view` to (H, T, K) takes the numbers in the "
        "order in which they lie in memory, position after position: cut the last axis first, "
        "then swap axes.": variant(view, lambda x: x.reshape(x.shape[1], -1)),
        "The cut into heads is wrong, though joining them is right: a `view` straight to (H, T, K) "
        "mixes up the positions.": variant(view),
        "The heads are right, but they are joined wrongly: put the axis of the heads beside their "
        "features (T, H, K) before flattening.": variant(join=lambda x: x.reshape(x.shape[1], -1)),
        "The heads take turns: feature j went to head j mod H. Head 0 should own the first K "
        "features, head 1 the next K, and so on.": variant(interleaved),
        "The scores are divided by the square root of D. Each head sums over its own K = D / H "
        "features only, so divide by the square root of K.": variant(whole_width=True),
        "This is attention with one head over all features: `n_heads` makes no difference.": (
            variant(heads=1)
        ),
    }
    compare(answer, variant(), mistakes, q, k, v, 3)
    compare(answer, variant(), {}, q, k, v, 4)
