r"""Exercises for "Attention Is All You Need".

Nine parts of the Transformer, from a gentle start in plain Python to the search for the best
translation. Write your answers into `my/transformer.py`, which the first
`python -m exercises transformer` makes, and run the same command again: it says what is right, what
is wrong with the rest, and what is new since the last time. Python, PyTorch and this project are all
that it takes; `--hint attention` shows a hint, and one more each time. You may solve the exercises
in any order: each is checked by itself. The last problem is open and has no published answer.

Letters for sizes: B sentences, T queries or positions, S keys, K features of a query or key, D
features of a position, F features inside the feed-forward network, H heads, N tokens, V words of the
vocabulary.
"""

from collections.abc import Callable

from torch import Tensor

EXERCISES = [  # in rising difficulty
    "look_up",
    "attention",
    "mask",
    "learning_rate",
    "positions",
    "multi_head",
    "encoder_layer",
    "label_smoothing",
    "beam_search",
]

HINTS = {
    "look_up": [
        "Do it in two steps: first one weight for each score, then one product of weight and value "
        "for each pair. What must the weights sum to?",
        "`math.exp` makes every score positive, also a negative one. Add up what it gives, and "
        "divide each by that sum.",
        "`raised = [math.exp(score) for score in scores]`, then add up `r / sum(raised) * value` "
        "for each pair of `zip(raised, values)`.",
    ],
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
    "learning_rate": [
        "Work out the two curves by hand for d_model = 1, warmup = 4 and the steps 1, 4 and 16. "
        "Which of the two is smaller before step 4, which after it?",
        "One of them rises in a straight line, the other falls with the square root of the step; "
        "they meet at `step == warmup`. Python has `min`, and `x**-0.5` is one over the root.",
        "`d_model**-0.5 * min(step**-0.5, ...)`; in the place of the dots stands the line "
        "through zero that meets the other curve at `warmup`: `step * warmup**-1.5`.",
    ],
    "positions": [
        "First the frequencies: there are D / 2 of them, one for each *pair* of features, so a sine "
        "and the cosine beside it share one. Then the angles: a table of T rows and D / 2 columns.",
        "`torch.arange(0, d_model, 2)` already counts 0, 2, 4 ...: it is the $2i$ of the equation. "
        "Sines go to the even features, cosines to the odd ones: `table[:, 0::2] = ...`.",
        "`angle = torch.arange(length)[:, None] / 10_000 ** (torch.arange(0, d_model, 2) / d_model)`, "
        "then fill `torch.empty(length, d_model)` with `angle.sin()` and `angle.cos()`.",
    ],
    "multi_head": [
        "Take it slowly for one head: head 0 sees features 0 to D/H - 1 of every position, of `q`, "
        "of `k` and of `v`. A loop over the heads is a fine answer.",
        "Without a loop: first cut the last axis in two, (T, D) into (T, H, K), and only then swap "
        "axes to (H, T, K). A `view` straight to (H, T, K) has the right shape and mixes up the "
        "positions.",
        "`def heads(x): return x.unflatten(-1, (n_heads, -1)).transpose(0, 1)`. Attention as in "
        "the second exercise, with `transpose(-2, -1)` for the keys; at the end "
        "`.transpose(0, 1).flatten(1)` undoes the cut. Each head divides by the square root of "
        "*its* width.",
    ],
    "encoder_layer": [
        "Write one line for each of the two sub-layers. The second starts from what the first "
        "returned, and never looks at the old `x` again.",
        "Each line has the same form, from the inside out: the sub-layer, the addition of its own "
        "input, the norm of the sum. The ReLU is `.relu()`, between the two matrices.",
        "`x = norm_1(x + attend(x))`. The second line has the same form, with `norm_2` and "
        "`(x @ w_1 + b_1).relu() @ w_2 + b_2` as its sub-layer.",
    ],
    "label_smoothing": [
        "Work with log-probabilities: `logits.log_softmax(dim=-1)` has N rows and V columns. Each "
        "row needs two numbers from it: the one at the right token, and the mean of all.",
        "`log_p.gather(1, target[:, None])[:, 0]` takes the right token's entry of each row. "
        "Compute the loss of every row first, padding too, and choose the rows only then.",
        "`loss = -(1 - epsilon) * right - epsilon * log_p.mean(dim=-1)`, then the mean of "
        "`loss[target != padding]`.",
    ],
    "beam_search": [
        "Keep a list of pairs: the tokens so far, and the sum of their log-probabilities. One step "
        "makes a longer list of candidates out of it, sorts it, and cuts it.",
        "A finished beginning goes into the candidates once and unchanged; any other V times, each "
        "time one token longer. Sort by the sum divided by the penalty, best first, and keep "
        "`beam` of *all* candidates, not of each beginning.",
        "`candidates += [(tokens + [t], total + p) for t, p in enumerate(log_probs(tokens))]` for "
        "a beginning that goes on. Then `sorted(candidates, key=score, reverse=True)[:beam]`, with "
        "`n = len(tokens) - 1` in `total / ((5 + n) / 6) ** alpha`.",
    ],
}

OPEN_PROBLEM = {
    "title": "What does this head do?",
    "text": (
        "The notebook trains a translator of number words and switches its heads off, one at a "
        "time. Some can be spared, others can't. Choose one head of a translator that you have "
        "trained yourself, and find out what it does. A picture of its weights is where you "
        "start, not the answer: a head may look at a word and make nothing of it. Say in one "
        "sentence what the head is for, so exactly that somebody else could tell from it which "
        "numbers will go wrong without it. Then try to prove yourself wrong. One page, with the "
        "code that makes every number on it."
    ),
    "rubric": [
        [
            "The sentence about the head says which numbers will break and which won't, and was "
            "written down before the test.",
            2,
        ],
        [
            "The test uses numbers that the translator was not trained on, counts whole translations, "
            "and gives the count for each kind of number, not only the total.",
            2,
        ],
        [
            "There is something to compare with: another head switched off, or the same head "
            "replaced by its mean output.",
            2,
        ],
        [
            "At least three translators from different seeds were trained, and the page says whether "
            "each of them has such a head.",
            2,
        ],
        [
            "A rival explanation is named, with an input on which the two disagree, and it was "
            "tried.",
            1,
        ],
        ["The page says what remains unknown, and its code runs from an empty folder.", 1],
    ],
}


def look_up(scores: list[float], values: list[float]) -> float:
    r"""Look something up softly. No tensors yet: plain Python is enough.

    A dictionary finds the one key that equals what you ask for. Attention is less strict: every key
    fits more or less well, and says so by a score. Each score becomes a weight; weights are
    positive and sum to 1. The answer is the mean of the values under these weights. This is the
    softmax, and the heart of the Transformer.

    $$w_i = \frac{e^{s_i}}{\sum_j e^{s_j}} \qquad \mathrm{answer} = \sum_i w_i v_i$$

    Given two lists of numbers of the same length, return one number. `math.exp(s)` is $e^s$. With
    scores `[0, 0]` and values `[10, 20]` the answer is 15; with scores `[9, 0]` it is nearly 10.
    """
    raise NotImplementedError


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    r"""Let T queries read a memory of S keys and values.

    The look-up of the first exercise, for many queries at once. A query is compared with every key;
    the better they fit, the more of that key's value goes into the answer.

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


def learning_rate(step: int, d_model: int, warmup: int) -> float:
    r"""Say how far the weights may move at each step of the training.

    The paper starts carefully: the rate grows in a straight line during the first `warmup` steps.
    Then it falls with the square root of the step (Eq. 3). Plain Python is enough here too.

    $$\mathrm{rate} = d_{model}^{-0.5} \cdot
    \min\left(\mathrm{step}^{-0.5},\ \mathrm{step} \cdot \mathrm{warmup}^{-1.5}\right)$$

    Given the number of the step, which is 1 for the first, the width of the model and the length of
    the warm-up, return one number. With the paper's 512 and 4000, the peak is 0.0007.
    """
    raise NotImplementedError


def positions(length: int, d_model: int) -> Tensor:
    r"""Give every position a pattern of its own.

    Attention does not know which word comes first. So each position gets a code, which is added to
    the word's vector: sines and cosines, from fast ones in the first features to slow ones in the
    last. Feature $2i$ holds a sine, feature $2i + 1$ beside it the cosine of the same angle.

    $$PE_{pos,\,2i} = \sin\!\left(\frac{pos}{10000^{2i / d_{model}}}\right) \qquad
    PE_{pos,\,2i+1} = \cos\!\left(\frac{pos}{10000^{2i / d_{model}}}\right)$$

    Given the number of positions T, counted from 0, and an even number of features D, return the
    table of shape (T, D).
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
    r"""Put the parts of an encoder layer together.

    A layer has two sub-layers: first attention, in which the positions talk to each other, then a
    feed-forward network, in which each thinks for itself. Around each of the two stands a residual
    connection, and the norm comes last (Section 3.1 of the paper):

    $$\mathrm{LayerNorm}(x + \mathrm{Sublayer}(x)) \qquad
    \mathrm{FFN}(x) = \max(0,\ x W_1 + b_1)\, W_2 + b_2$$

    Given `x` of shape (T, D), the functions `attend`, `norm_1` (for the first sub-layer) and
    `norm_2` (for the second), which take and return (T, D), and the feed-forward network's `w_1` of
    shape (D, F), `b_1` (F), `w_2` (F, D) and `b_2` (D), return (T, D). Dropout is left out.
    """
    raise NotImplementedError


def label_smoothing(logits: Tensor, target: Tensor, epsilon: float, padding: int) -> Tensor:
    r"""Measure how wrong the model is, and do not ask it to be certain.

    The usual loss is the negative log-probability of the right word. It is never content: it falls
    as long as the model grows surer. Label smoothing takes a share $\epsilon$ of the target away
    and spreads it evenly over the whole vocabulary, the right word included.

    $$\mathrm{loss} = -\frac{1}{N} \sum_n \left[(1 - \epsilon) \log p_n(y_n)
    + \frac{\epsilon}{V} \sum_v \log p_n(v)\right]$$

    Given `logits` of shape (N, V), scores before the softmax, `target` of shape (N), the numbers of
    the right words, $\epsilon$ and the padding token, return one number as a tensor without axes.
    Rows whose target is padding count nowhere, not in the $N$ either.
    """
    raise NotImplementedError


def beam_search(
    log_probs: Callable[[list[int]], list[float]],
    start: int,
    end: int,
    beam: int,
    alpha: float,
    max_length: int,
) -> list[int]:
    r"""Find a likely sentence by following several beginnings at once.

    `log_probs(tokens)` asks the model: from the list of all tokens so far, `start` first, to a list
    with one log-probability for every token that could come next. Whoever takes the likeliest each
    time (greedy) may end where nothing good follows. So keep up to `beam` beginnings. In each step,
    every beginning is followed by every token; a beginning that has ended stays as it is, and is
    still one of the candidates. Of all candidates, the `beam` with the best scores are kept.

    $$\mathrm{score}(y) = \frac{\log p(y)}{lp(y)} \qquad
    lp(y) = \left(\frac{5 + |y|}{6}\right)^{\alpha}$$

    Here $\log p(y)$ is the sum of the log-probabilities of what was written, and $|y|$ the number
    of tokens written, `end` included and `start` not. The penalty $lp$ is needed because each
    further token makes the sum smaller, so that without it short sentences would win.

    Begin with `[start]`. Stop when all that were kept have ended, and after `max_length` steps at
    the latest. Return the tokens of the best, without `start`; with `end`, if it has ended.
    """
    raise NotImplementedError
