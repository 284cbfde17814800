"""How answers to the exercises for "Attention Is All You Need" are graded.

For each exercise: what is right, and what people write instead. A mistake's docstring is what its
author is told.
"""

import functools
import math
import random

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from exercises import WrongAnswer, compare

# Look-up ----------------------------------------------------------------------------------------


def check_look_up(answer) -> None:
    """Grade an answer to `look_up`."""

    def softmax(scores):
        raised = [math.exp(score) for score in scores]
        return [one / sum(raised) for one in raised]

    def mix(weights, values):
        return sum(weight * value for weight, value in zip(weights, values, strict=True))

    def right(scores, values):
        return mix(softmax(scores), values)

    def mean(scores, values):
        """This is the plain mean: the scores make no difference."""
        return sum(values) / len(values)

    def best(scores, values):
        """It returns the value of the best score alone, like a dictionary. The others have a share
        in it too, the smaller their score the smaller."""
        return values[scores.index(max(scores))]

    def no_exponential(scores, values):
        """The scores themselves were made into weights. A score may be negative, a weight may not:
        raise e to each score first."""
        return mix(scores, values) / sum(scores)

    def neither(scores, values):
        """The values are multiplied by the scores themselves. Weights must be positive and sum to
        1: raise e to each score, then divide by the sum."""
        return mix(scores, values)

    def no_sum(scores, values):
        """The weights do not sum to 1: divide each by the sum of all."""
        return mix(map(math.exp, scores), values)

    def count(scores, values):
        """It divides by how many there are; divide by the sum of what `exp` gave, or else the
        weights do not sum to 1."""
        return mix(map(math.exp, scores), values) / len(scores)

    def negative(scores, values):
        """A larger score gets a smaller weight: there is a minus too many in the exponent."""
        return mix(softmax([-score for score in scores]), values)

    def weights(scores, values):
        """These are the weights. One step is missing: mix the values with them."""
        return softmax(scores)

    mistakes = [mean, best, no_exponential, neither, no_sum, count, negative, weights]
    cases = [([0.0, 1.0, -1.5], [10.0, 20.0, 40.0]), ([2.0, 0.5], [-3.0, 5.0])]
    compare(answer, right, mistakes, *cases)


# Attention --------------------------------------------------------------------------------------


def mixed(q, k, v, scale: float, dim: int = -1) -> Tensor:
    """Attention with scores multiplied by `scale` and a softmax along `dim`."""
    return (q @ k.transpose(-2, -1) * scale).softmax(dim) @ v


def check_attention(answer) -> None:
    """Grade an answer to `attention`."""
    torch.manual_seed(0)
    q, k, v = 2 * torch.randn(3, 16), 2 * torch.randn(5, 16), torch.randn(5, 16)

    def right(q, k, v):
        return mixed(q, k, v, q.shape[-1] ** -0.5)

    def unscaled(q, k, v):
        """The scores are not scaled. Dot products grow with the number of features, and the softmax
        then gives nearly everything to one key: divide by the square root of K."""
        return mixed(q, k, v, 1.0)

    def multiplied(q, k, v):
        """The scores are multiplied by the square root of K; they must be divided by it."""
        return mixed(q, k, v, q.shape[-1] ** 0.5)

    def no_root(q, k, v):
        """The scores are divided by K; it should be its square root. The scores are sums of K
        products, and the spread of such a sum grows like the square root."""
        return mixed(q, k, v, 1 / q.shape[-1])

    def wrong_axis(q, k, v):
        """The softmax runs over the wrong axis: here the queries compete for each key. Each query
        must share out a weight of 1 among the keys, along the last axis."""
        return mixed(q, k, v, q.shape[-1] ** -0.5, dim=0)

    def no_softmax(q, k, v):
        """There is no softmax: the scores themselves mix the values. Weights must be positive and
        sum to 1 for each query."""
        return q @ k.T / q.shape[-1] ** 0.5 @ v

    def weights(q, k, v):
        """These are the weights. One step is missing: mix the values with them."""
        return mixed(q, k, torch.eye(len(k)), q.shape[-1] ** -0.5)

    def fixed(q, k, v):
        """It divides by 4 whatever K is: take K from the shape of `q`."""
        return mixed(q, k, v, 1 / 4)

    mistakes = [unscaled, multiplied, no_root, wrong_axis, no_softmax, weights]
    compare(answer, right, mistakes, (q, k, v))
    compare(answer, right, [fixed], (q[:, :4], k[:4, :4], v[:4, :4]))


# Mask -------------------------------------------------------------------------------------------


def check_mask(answer) -> None:
    """Grade an answer to `mask`."""

    def triangle(tokens, diagonal=0):
        length = tokens.shape[1]
        return torch.ones(len(tokens), length, length, dtype=torch.bool).tril(diagonal)

    def real(tokens, padding):
        return (tokens != padding)[:, None, :]

    def right(tokens, padding):
        return triangle(tokens) & real(tokens, padding)

    def inverted(tokens, padding):
        """The mask is inverted: it is True where a position must not look."""
        return ~right(tokens, padding)

    def upper(tokens, padding):
        """It lets every position see itself and the future, and hides the past. The triangle is on
        the wrong side: rows are queries, columns are keys."""
        return triangle(tokens).transpose(1, 2) & real(tokens, padding)

    def not_itself(tokens, padding):
        """A position does not see itself. Position t predicts the word after it, so word t is
        known: s = t is allowed."""
        return triangle(tokens, -1) & real(tokens, padding)

    def one_more(tokens, padding):
        """Each position sees one word too many: position t sees t + 1, the very word that it should
        predict. In training the loss would look excellent."""
        return triangle(tokens, 1) & real(tokens, padding)

    def padding_visible(tokens, padding):
        """Padding is still visible: only the future is hidden."""
        return triangle(tokens)

    def future_visible(tokens, padding):
        """The future is still visible: only padding is hidden."""
        return real(tokens, padding).expand(-1, tokens.shape[1], -1)

    def queries(tokens, padding):
        """Padding is hidden along the wrong axis: the rows of padded queries are empty, but other
        queries still see padded keys. Put the new axis before the keys."""
        return triangle(tokens) & (tokens != padding)[:, :, None]

    mistakes = [inverted, upper, not_itself, one_more, padding_visible, future_visible, queries]
    tokens = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 7, 7], [7, 8, 2, 8, 7]])
    compare(answer, right, mistakes, (tokens, 7))
    compare(answer, right, [], (tokens[:, :4] - 7, 0))


# Learning rate ----------------------------------------------------------------------------------


def check_learning_rate(answer) -> None:
    """Grade an answer to `learning_rate`."""

    def rate(step, d_model, warmup):
        return d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)

    def largest(step, d_model, warmup):
        """It takes the larger of the two: the rate starts huge and then grows without end. Take the
        smaller, `min`."""
        return d_model**-0.5 * max(step**-0.5, step * warmup**-1.5)

    def no_warmup(step, d_model, warmup):
        """There is no warm-up: the first step has the largest rate of all."""
        return d_model**-0.5 * step**-0.5

    def no_end(step, d_model, warmup):
        """The rate grows and never falls: after the warm-up, the other of the two is smaller."""
        return d_model**-0.5 * step * warmup**-1.5

    def constant(step, d_model, warmup):
        """After the warm-up the rate stays where it is; it should fall with the root of the
        step."""
        return d_model**-0.5 * min(warmup**-0.5, step * warmup**-1.5)

    def no_root(step, d_model, warmup):
        """After the warm-up the rate falls with the step itself; it should be its square root,
        `step**-0.5`."""
        return d_model**-0.5 * min(1 / step, step * warmup**-1.5)

    def no_width(step, d_model, warmup):
        """The width is missing: divide by the square root of d_model."""
        return min(step**-0.5, step * warmup**-1.5)

    def wide_is_fast(step, d_model, warmup):
        """It multiplies by the square root of d_model; wide models get smaller rates, so divide."""
        return d_model**0.5 * min(step**-0.5, step * warmup**-1.5)

    def from_zero(step, d_model, warmup):
        """It counts one step too many: `step` is 1 for the first, nothing has to be added."""
        return rate(step + 1, d_model, warmup)

    def steep(step, d_model, warmup):
        """The line of the warm-up has the wrong slope, so the two curves do not meet at `warmup`:
        it is step times warmup**-1.5."""
        return d_model**-0.5 * min(step**-0.5, step / warmup)

    mistakes = [largest, no_warmup, no_end, constant, no_root, no_width, wide_is_fast, from_zero]
    cases = [(step, 16, 10) for step in (1, 2, 5, 10, 11, 40)] + [(100, 512, 4000)]
    try:
        compare(answer, rate, [*mistakes, steep], *cases)
    except ZeroDivisionError as error:
        raise WrongAnswer(
            "It divides by zero at the first step. Steps are counted from 1, so `step` itself is "
            "never 0: do not subtract anything from it."
        ) from error


# Positions --------------------------------------------------------------------------------------


def check_positions(answer) -> None:
    """Grade an answer to `positions`."""

    def angles(length, d_model, exponent=lambda pair, d: 2 * pair / d, first=0):
        place = torch.arange(first, first + length, dtype=torch.float64)[:, None]
        pair = torch.arange(d_model // 2, dtype=torch.float64)
        return place / 10_000 ** exponent(pair, d_model)

    def table(angle):
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)

    def each_feature(length, d_model, factor):
        place = torch.arange(length, dtype=torch.float64)[:, None]
        feature = torch.arange(d_model, dtype=torch.float64)
        angle = place / 10_000 ** (factor * feature / d_model)
        return torch.where(feature % 2 == 0, angle.sin(), angle.cos())

    def right(length, d_model):
        return table(angles(length, d_model))

    def halves(length, d_model):
        """All sines come first, then all cosines. Widely used code does so too, but the paper
        interleaves them: sines in the even features, cosines in the odd ones."""
        angle = angles(length, d_model)
        return torch.cat([angle.sin(), angle.cos()], dim=1)

    def single(length, d_model):
        """The exponent is i / D, where i counts the pairs; it should be 2i / D. As it is, the
        slowest wave is a hundred times too fast."""
        return table(angles(length, d_model, lambda pair, d: pair / d))

    def unpaired(length, d_model):
        """Each feature has a frequency of its own. A sine and the cosine beside it share one: in
        both, the exponent is that of the even feature, 2i / D."""
        return each_feature(length, d_model, 1)

    def doubled(length, d_model):
        """The exponent is twice the number of the feature. In the equation, i counts the pairs: the
        2i is already the number of the even feature."""
        return each_feature(length, d_model, 2)

    def from_one(length, d_model):
        """Positions are counted from 1; the first is 0, and its code is 0, 1, 0, 1 ..."""
        return table(angles(length, d_model, first=1))

    def swapped(length, d_model):
        """Sines and cosines have changed places: the even features are sines."""
        return right(length, d_model).unflatten(1, (-1, 2)).flip(-1).flatten(1)

    def only_sines(length, d_model):
        """All features are sines; the odd ones should be cosines."""
        return angles(length, d_model).sin().repeat_interleave(2, dim=1)

    def degrees(length, d_model):
        """The angles were taken as degrees. They are in radians, as `sin` expects them: nothing to
        convert."""
        return table(angles(length, d_model) * math.pi / 180)

    def faster(length, d_model):
        """The frequencies grow with the feature: the position must be divided by the power of
        10000, not multiplied by it."""
        return table(angles(length, d_model, lambda pair, d: -2 * pair / d))

    mistakes = [halves, single, unpaired, doubled, from_one, swapped, only_sines, degrees, faster]
    compare(answer, right, mistakes, (5, 8), (9, 6))


# Heads ------------------------------------------------------------------------------------------


def check_multi_head(answer) -> None:
    """Grade an answer to `multi_head`."""
    torch.manual_seed(0)
    q, k, v = 2 * torch.randn(6, 12), 2 * torch.randn(4, 12), torch.randn(4, 12)

    def cut(x, n_heads):  # T D -> H T K
        return x.unflatten(-1, (n_heads, -1)).transpose(0, 1)

    def view(x, n_heads):
        return x.reshape(n_heads, len(x), -1)

    def heads(q, k, v, n_heads, cut=cut, width=None):
        width = width or q.shape[-1] // n_heads
        return mixed(cut(q, n_heads), cut(k, n_heads), cut(v, n_heads), width**-0.5)

    def join(x):  # H T K -> T D
        return x.transpose(0, 1).flatten(1)

    def right(q, k, v, n_heads):
        return join(heads(q, k, v, n_heads))

    def by_view(q, k, v, n_heads):
        """The cut into heads mixes up the positions. A `view` to (H, T, K) takes the numbers in the
        order in which they lie in memory, position after position: cut the last axis first, then
        swap axes."""
        return heads(q, k, v, n_heads, view).reshape(len(q), -1)

    def cut_by_view(q, k, v, n_heads):
        """The cut into heads is wrong, though joining them is right: a `view` straight to (H, T, K)
        mixes up the positions."""
        return join(heads(q, k, v, n_heads, view))

    def joined_by_view(q, k, v, n_heads):
        """The heads are right, but they are joined wrongly: put the axis of the heads beside their
        features (T, H, K) before flattening."""
        return heads(q, k, v, n_heads).reshape(len(q), -1)

    def interleaved(q, k, v, n_heads):
        """The heads take turns: feature j went to head j mod H. Head 0 should own the first K
        features, head 1 the next K, and so on."""
        return join(heads(q, k, v, n_heads, lambda x, h: x.unflatten(-1, (-1, h)).permute(2, 0, 1)))

    def whole_width(q, k, v, n_heads):
        """The scores are divided by the square root of D. Each head sums over its own K = D / H
        features only, so divide by the square root of K."""
        return join(heads(q, k, v, n_heads, width=q.shape[-1]))

    def one_head(q, k, v, n_heads):
        """This is attention with one head over all features: `n_heads` makes no difference."""
        return mixed(q, k, v, q.shape[-1] ** -0.5)

    mistakes = [by_view, cut_by_view, joined_by_view, interleaved, whole_width, one_head]
    compare(answer, right, mistakes, (q, k, v, 3), (q, k, v, 4))


# Encoder layer ----------------------------------------------------------------------------------


def check_encoder_layer(answer) -> None:
    """Grade an answer to `encoder_layer`."""
    torch.manual_seed(0)
    looks, turn = torch.randn(5, 5).softmax(dim=-1), torch.randn(6, 6)
    norms = [
        functools.partial(layer_norm, normalized_shape=(6,), weight=g, bias=b)
        for g, b in (2 * torch.randn(2, 2, 6)).unbind()
    ]
    case = (
        *(torch.randn(5, 6), lambda x: looks @ x @ turn, *norms),
        *(torch.randn(6, 9), torch.randn(9), torch.randn(9, 6), torch.randn(6)),
    )

    def network(x, w_1, b_1, w_2, b_2):
        return (x @ w_1 + b_1).relu() @ w_2 + b_2

    def layer(x, attend, norm_1, norm_2, *weights, network=network):
        x = norm_1(x + attend(x))
        return norm_2(x + network(x, *weights))

    def pre_norm(x, attend, norm_1, norm_2, *weights):
        """This is pre-norm: the norm stands before each sub-layer, as most models have it today.
        The paper puts it last, around the sum."""
        x = x + attend(norm_1(x))
        return x + network(norm_2(x), *weights)

    def norm_before_sum(x, attend, norm_1, norm_2, *weights):
        """The norm comes before the addition: x + norm(sub-layer). It belongs around the sum,
        norm(x + sub-layer)."""
        x = x + norm_1(attend(x))
        return x + norm_2(network(x, *weights))

    def no_residual(x, attend, norm_1, norm_2, *weights):
        """Both residual connections are missing: each sub-layer's input must be added to its
        output."""
        return norm_2(network(norm_1(attend(x)), *weights))

    def first_missing(x, attend, norm_1, norm_2, *weights):
        """The residual connection around attention is missing: add `x` to what `attend` returns."""
        x = norm_1(attend(x))
        return norm_2(x + network(x, *weights))

    def second_missing(x, attend, norm_1, norm_2, *weights):
        """The residual connection around the feed-forward network is missing: add its input to its
        output."""
        return norm_2(network(norm_1(x + attend(x)), *weights))

    def around_both(x, attend, norm_1, norm_2, *weights):
        """One residual connection spans the whole layer. There are two, one around each
        sub-layer."""
        return norm_2(x + network(norm_1(attend(x)), *weights))

    def old_input(x, attend, norm_1, norm_2, *weights):
        """The second residual connection adds the input of the whole layer. It should add the input
        of its own sub-layer, which is what the first half returned."""
        return norm_2(x + network(norm_1(x + attend(x)), *weights))

    def no_norm(x, attend, norm_1, norm_2, *weights):
        """There is no norm: the sums are right, but nothing keeps them from growing from layer to
        layer."""
        x = x + attend(x)
        return x + network(x, *weights)

    def last_norm_only(x, attend, norm_1, norm_2, *weights):
        """The norm after attention is missing; each sub-layer has its own."""
        x = x + attend(x)
        return norm_2(x + network(x, *weights))

    def same_norm(x, attend, norm_1, norm_2, *weights):
        """`norm_1` is used twice. The norms have learned weights of their own: the second sub-layer
        takes `norm_2`."""
        return layer(x, attend, norm_1, norm_1, *weights)

    def no_relu(*given):
        """The ReLU is missing. Without it, two matrices in a row are no more than one."""
        return layer(*given, network=lambda x, w_1, b_1, w_2, b_2: (x @ w_1 + b_1) @ w_2 + b_2)

    def relu_last(*given):
        """There is a ReLU after the second matrix; it stands between the two only."""
        return layer(*given, network=lambda *inner: network(*inner).relu())

    mistakes = [pre_norm, norm_before_sum, no_residual, first_missing, second_missing, around_both]
    mistakes += [old_input, no_norm, last_norm_only, same_norm, no_relu, relu_last]
    compare(answer, layer, mistakes, case)


# Label smoothing --------------------------------------------------------------------------------


def check_label_smoothing(answer) -> None:
    """Grade an answer to `label_smoothing`."""
    torch.manual_seed(0)
    logits, target = 2 * torch.randn(6, 5), torch.tensor([3, 1, 0, 4, 0, 2])

    def rows(log_p, target, epsilon):
        chosen = log_p.gather(1, target[:, None])[:, 0]
        return -(1 - epsilon) * chosen - epsilon * log_p.mean(dim=-1)

    def right(logits, target, epsilon, padding):
        return rows(logits.log_softmax(dim=-1), target, epsilon)[target != padding].mean()

    def certain(logits, target, epsilon, padding):
        """Nothing is smoothed: this is the usual loss of the right word alone."""
        return right(logits, target, 0.0, padding)

    def padding_counts(logits, target, epsilon, padding):
        """Padding counts as if it were a word: leave out the rows whose target is padding."""
        return rows(logits.log_softmax(dim=-1), target, epsilon).mean()

    def padding_in_n(logits, target, epsilon, padding):
        """Padding adds nothing to the sum, but it is counted in N: divide by the number of rows
        that are no padding."""
        return right(logits, target, epsilon, padding) * (target != padding).double().mean()

    def padding_smoothed(logits, target, epsilon, padding):
        """Padding is left out of the first term, but its rows still count in the second, which is
        spread over the vocabulary. A row of padding counts in neither."""
        even = rows(logits.log_softmax(dim=-1), target, 1.0) * (target == padding)
        return (
            right(logits, target, epsilon, padding)
            + epsilon * even.sum() / (target != padding).sum()
        )

    def only_wrong(logits, target, epsilon, padding):
        """The share is spread over the V - 1 wrong words only. The authors' program does so too,
        but here the right word gets its part of it, as in the equation and in PyTorch."""
        share = epsilon * logits.shape[1] / (logits.shape[1] - 1)
        return right(logits, target, share, padding)

    def no_v(logits, target, epsilon, padding):
        """The second term is a sum over the vocabulary; it is still to be divided by V."""
        even = right(logits, target, 1.0, padding) * logits.shape[1]
        return (1 - epsilon) * right(logits, target, 0.0, padding) + epsilon * even

    def total(logits, target, epsilon, padding):
        """This is the sum over the rows; divide by their number."""
        return right(logits, target, epsilon, padding) * (target != padding).sum()

    def negative(logits, target, epsilon, padding):
        """The sign is wrong: log-probabilities are negative, a loss is positive."""
        return -right(logits, target, epsilon, padding)

    def exchanged(logits, target, epsilon, padding):
        """The two shares have changed places: the right word keeps 1 - epsilon."""
        return right(logits, target, 1 - epsilon, padding)

    def no_log(logits, target, epsilon, padding):
        """The logarithm is missing: these are probabilities, and the equation wants their logs."""
        return rows(logits.softmax(dim=-1), target, epsilon)[target != padding].mean()

    def raw(logits, target, epsilon, padding):
        """The logits were taken for log-probabilities. They are scores before the softmax: use
        `log_softmax` first."""
        return rows(logits, target, epsilon)[target != padding].mean()

    mistakes = [certain, padding_counts, padding_in_n, padding_smoothed, only_wrong, no_v, total]
    mistakes += [negative, exchanged, no_log, raw]
    compare(answer, right, mistakes, (logits, target, 0.1, 0), (logits, target, 0.3, 4))


# Beam search ------------------------------------------------------------------------------------


def language(seed: int, start: int, end: int, vocabulary: int = 5):
    """A made-up model: for every list of tokens its own log-probabilities, always the same."""

    def log_probs(tokens):
        tokens = [int(token) for token in tokens]
        if tokens[:1] != [start]:
            raise WrongAnswer(f"It asks about {tokens}; the start token, {start}, comes first.")
        if end in tokens:
            raise WrongAnswer(
                f"It goes on after the end: it asks what follows {tokens}, where {end} is the end "
                "token. A beginning that has ended stays as it is."
            )
        chance = random.Random(f"{seed} {tokens}")
        scores = [chance.gauss(0, 1) for _ in range(vocabulary)]
        return torch.tensor(scores).log_softmax(dim=0).tolist()

    return log_probs


def penalised(total, n, alpha):
    """The score of the exercise."""
    return total / ((5 + n) / 6) ** alpha


def search(log_probs, start, end, beam, alpha, max_length, score=penalised, gain=float):
    """Beam search with another score of (total, n, alpha), or another gain from a log-probability."""
    kept = [([start], 0.0)]
    for _ in range(max_length):
        kept = ranked(extended(kept, log_probs, end, gain), alpha, score)[:beam]
    return kept[0][0][1:]


def extended(kept, log_probs, end, gain=float):
    """All candidates of the next step."""
    candidates = [(tokens, total) for tokens, total in kept if tokens[-1] == end]
    for tokens, total in kept:
        if tokens[-1] != end:
            for token, log_p in enumerate(log_probs(tokens)):
                candidates.append(([*tokens, token], total + gain(log_p)))
    return candidates


def ranked(candidates, alpha, score=penalised):
    """The candidates, best first."""
    return sorted(candidates, key=lambda one: -score(one[1], len(one[0]) - 1, alpha))


def check_beam_search(answer) -> None:
    """Grade an answer to `beam_search`."""

    def greedy(log_probs, start, end, beam, alpha, max_length):
        """This is greedy: only one beginning survives each step, whatever `beam` is."""
        return search(log_probs, start, end, 1, alpha, max_length)

    def no_penalty(log_probs, start, end, beam, alpha, max_length):
        """The scores are not divided by the length penalty: short sentences win."""
        return search(log_probs, start, end, beam, 0.0, max_length)

    def multiplied(*given):
        """The sums are multiplied by the length penalty. They are negative, so that makes long
        sentences worse still: divide."""
        return search(*given, score=lambda total, n, alpha: total * ((5 + n) / 6) ** alpha)

    def by_length(*given):
        """The sums are divided by the number of tokens. The penalty is milder than that:
        ((5 + n) / 6)**alpha."""
        return search(*given, score=lambda total, n, alpha: total / n)

    def start_counts(*given):
        """The start token is counted in the length: |y| is the number of tokens written."""
        return search(*given, score=lambda total, n, alpha: total / ((6 + n) / 6) ** alpha)

    def probabilities(*given):
        """It adds up probabilities. Those of a sentence are multiplied, so it is their logarithms
        that are added: leave out the `exp`."""
        return search(*given, gain=math.exp)

    def penalty_at_the_end(log_probs, start, end, beam, alpha, max_length):
        """The length penalty decides only at the end. It belongs to the score by which beginnings
        are kept in each step, too: those that have ended are shorter than the others."""
        kept = [([start], 0.0)]
        for _ in range(max_length):
            kept = ranked(extended(kept, log_probs, end), 0.0)[:beam]
        return ranked(kept, alpha)[0][0][1:]

    def first_end(log_probs, start, end, beam, alpha, max_length):
        """It stops at the first sentence that ends. A better one may still be under way: go on
        until all that were kept have ended."""
        kept = [([start], 0.0)]
        for _ in range(max_length):
            kept = ranked(extended(kept, log_probs, end), alpha)[:beam]
            if ended := [tokens for tokens, _ in kept if tokens[-1] == end]:
                return ended[0][1:]
        return kept[0][0][1:]

    def ended_lost(log_probs, start, end, beam, alpha, max_length):
        """A beginning that has ended is lost in the next step. It stays among the candidates,
        unchanged."""
        kept = [([start], 0.0)]
        for _ in range(max_length):
            going_on = [(tokens, total) for tokens, total in kept if tokens[-1] != end]
            if not going_on:
                break
            kept = ranked(extended(going_on, log_probs, end), alpha)[:beam]
        return kept[0][0][1:]

    def set_aside(log_probs, start, end, beam, alpha, max_length):
        """Sentences that have ended are set aside, so that `beam` others always go on. Many
        programs search so, ours too; but here they stay among the candidates and take a place."""
        kept, done = [([start], 0.0)], []
        for _ in range(max_length):
            candidates = ranked(extended(kept, log_probs, end), alpha)
            done += [one for one in candidates[:beam] if one[0][-1] == end]
            kept = [one for one in candidates if one[0][-1] != end][:beam]
        return ranked(done or kept, alpha)[0][0][1:]

    def worst(*given):
        """It keeps the worst candidates: the best score is the largest, the least negative."""
        return search(*given, score=lambda *one: -penalised(*one))

    def with_start(log_probs, start, *rest):
        """The tokens are right, but the start token is still in front of them."""
        return [start, *search(log_probs, start, *rest)]

    def without_end(log_probs, start, end, *rest):
        """The tokens are right, but the end token was cut off."""
        return [token for token in search(log_probs, start, end, *rest) if token != end]

    def one_step_short(log_probs, start, end, beam, alpha, max_length):
        """It stops one step too early: `max_length` tokens may be written, `start` not counted."""
        return search(log_probs, start, end, beam, alpha, max_length - 1)

    mistakes = [greedy, no_penalty, multiplied, by_length, start_counts, probabilities]
    mistakes += [penalty_at_the_end, first_end, ended_lost, set_aside, worst]
    mistakes += [with_start, without_end, one_step_short]
    # Chosen so that no two of these functions agree on all.
    chosen = [(337, 3, 1.0, 6), (3, 3, 1.0, 6), (341, 3, 0.6, 5)]
    cases = [(language(seed, 0, 1), 0, 1, *rest) for seed, *rest in chosen]
    compare(answer, search, mistakes, *cases, (language(5, 3, 2), 3, 2, 2, 0.6, 8))
