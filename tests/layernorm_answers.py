"""What people write into the exercises on layer norm, and a part of the message that should answer it.

Written once more and differently, so that the grader's own idea of a mistake is checked against somebody's code.
"""

import statistics

import torch
from torch.nn import functional as F


def z_scores(deviation, centre=statistics.fmean):
    """Numbers minus their centre, over some deviation of theirs."""
    return lambda a: [(one - centre(a)) / deviation(a) for one in a]


def normed(x, gain, bias, epsilon):
    """Layer norm by PyTorch."""
    return F.layer_norm(x, gain.shape, gain, bias, epsilon)


def by_batch(x, gain, bias, mean, variance, training, momentum, epsilon):
    """Batch norm by PyTorch, which changes mean and variance where they are."""
    y = F.batch_norm(x, mean, variance, gain, bias, training, momentum, epsilon)
    return y, mean, variance


def batch_wrongly(output, kept):
    """Batch norm with one set of arguments changed for the output, and another for what is kept."""

    def answer(*given):
        first, second = ([one.clone() for one in given[:5]] + list(given[5:]) for _ in range(2))
        return by_batch(*output(first))[0], *by_batch(*kept(second))[1:]

    return answer


def with_training(value):
    """The same arguments with `training` set."""
    return lambda given: [*given[:5], value, *given[6:]]


def same(given):
    """The same arguments."""
    return given


def by_unbiased_batch(x, gain, bias, mean, variance, training, momentum, epsilon):
    """Batch norm that divides by B - 1 everywhere."""
    std, centre = variance, mean
    if training:
        std, centre = torch.var(x, 0), torch.mean(x, 0)
        mean += momentum * (centre - mean)
        variance += momentum * (std - variance)
    return (x - centre) * gain / torch.sqrt(std + epsilon) + bias, mean, variance


def biased_kept(x, gain, bias, mean, variance, training, momentum, epsilon):
    """Batch norm that keeps the variance that divides by B."""
    kept = variance + momentum * (torch.var(x, 0, correction=0) - variance) * training
    y, mean, _ = by_batch(x, gain, bias, mean, variance, training, momentum, epsilon)
    return y, mean, kept


def epsilon_after(x, gain, bias, mean, variance, training, momentum, epsilon):
    """Batch norm with epsilon outside the root."""
    old = mean.clone(), variance.clone()
    _, *new = by_batch(x, gain, bias, mean, variance, training, momentum, epsilon)
    centre, spread = (x.mean(0), x.std(0, correction=0)) if training else (old[0], old[1].sqrt())
    return gain * (x - centre) / (spread + epsilon) + bias, *new


def lstm(summed, gates="fiog", squash=torch.tanh, carried=None, leaves=None):
    """A step of the LSTM with another sum, order of the gates, inner function, memory or output."""

    def answer(x, h, c, u, w, b, n, m, k):
        quarters = dict(zip(gates, summed(x @ u, h @ w, b, n, m).split(c.shape[1], 1), strict=True))
        memory = torch.sigmoid(quarters["f"]) * c
        memory = memory + torch.sigmoid(quarters["i"]) * squash(quarters["g"])
        seen = leaves(memory, k) if leaves else torch.tanh(k(memory))
        return torch.sigmoid(quarters["o"]) * seen, carried(memory, k) if carried else memory

    return answer


def both(a, s, b, n, m):
    """The right sum: from the input, from the state, and the bias."""
    return n(a) + m(s) + b


def folded(left=True, shift=True, gain=True, bias=True, axis=1, scaled=False):
    """A fold with parts left out."""

    def answer(w, b, g, c, u, d):
        new_w = w - w.mean(axis, keepdim=True) if left else w
        new_b = b - b.mean() if shift else b
        new_u = torch.diag(g) @ u if gain else u
        return new_w, new_b, new_u, d + (c @ (new_u if scaled else u) if bias else 0)

    return answer


def backwards(spoil=None, rest=None, mean=1, along=1):
    """A layer norm's gradient, with something done to its parts."""

    def answer(grad, x, gain, epsilon):
        n, s = x - x.mean(1, keepdim=True), torch.sqrt(x.var(1, False, keepdim=True) + epsilon)
        d, a = gain * grad, n / s
        first = d - mean * d.mean(1, keepdim=True) - along * a * (d * a).mean(1, keepdim=True)
        first = spoil(grad, gain, first, a, s) if spoil else first / s
        return first, *(rest(grad, x, a) if rest else ((grad * a).sum(0), grad.sum(0)))

    return answer


def whole_matrix(v, g):
    """Weight norm with one length for all rows."""
    return torch.diag(g) @ v / v.square().sum().sqrt()


WRONG_ANSWERS = [
    ("standardise", z_scores(statistics.stdev), "divided by H - 1"),
    ("standardise", z_scores(lambda a: 1.0), "a division is missing"),
    ("standardise", z_scores(statistics.pstdev, lambda a: 0.0), "the mean is not 0"),
    ("standardise", z_scores(statistics.pvariance), "divides by the variance"),
    ("standardise", z_scores(lambda a: statistics.pstdev(a) * len(a) ** 0.5), "no mean was made"),
    (
        "standardise",
        z_scores(lambda a: statistics.fmean(abs(one - statistics.fmean(a)) for one in a)),
        "mean distance",
    ),
    ("standardise", z_scores(lambda a: statistics.fmean(x * x for x in a) ** 0.5), "is taken away"),
    ("standardise", z_scores(lambda a: max(a) - min(a)), "smallest to the largest"),
    ("standardise", lambda a: sum(a), "type float; it should return a list"),
    ("standardise", z_scores(statistics.pstdev, min), "Given [1.0, 3.0, 8.0]: It returns ["),
    ("layer_norm", lambda x, g, b, e: F.batch_norm(x, None, None, g, b, True, 0, e), "batch norm"),
    ("layer_norm", lambda x, g, b, e: g * (x - x.mean()) / (x.var(correction=0) + e).sqrt() + b,
     "one mean for the whole"),
    ("layer_norm", lambda x, g, b, e: g * (x - x.mean(-1, True)) / (x.var(-1, keepdim=True) + e) ** 0.5 + b,
     "correction=0"),
    ("layer_norm", lambda x, g, b, e: g * (x - x.mean(-1, True)) / (x.std(-1, False, keepdim=True) + e) + b,
     "added after the root"),
    ("layer_norm", lambda x, g, b, e: g * (x - x.mean(-1, True)) / (x.std(-1, keepdim=True) + e) + b,
     "Two things about the deviation"),
    ("layer_norm", lambda x, g, b, e: normed(x, g, b, 0.0), "Epsilon makes no difference"),
    ("layer_norm", lambda x, g, b, e: normed(x, g, b, 1e-5), "numbers are not"),
    ("layer_norm", lambda x, g, b, e: g * (x - x.mean(-1, True)) / (x.var(-1, False, keepdim=True) + e) + b,
     "its root is missing"),
    ("layer_norm", lambda x, g, b, e: g * x / (x.var(-1, False, keepdim=True) + e).sqrt() + b,
     "inside the variance only"),
    ("layer_norm", lambda x, g, b, e: F.rms_norm(x, g.shape, g, e) + b, "That is RMS norm"),
    ("layer_norm", lambda x, g, b, e: F.layer_norm(x, g.shape, eps=e), "gain and bias are missing"),
    ("layer_norm", lambda x, g, b, e: F.layer_norm(x, g.shape, bias=b, eps=e), "The gain is missing"),
    ("layer_norm", lambda x, g, b, e: F.layer_norm(x, g.shape, g, eps=e), "The bias is missing"),
    ("layer_norm", lambda x, g, b, e: F.layer_norm(g * x + b, g.shape, eps=e), "before the division"),
    ("layer_norm", lambda x, g, b, e: g * (x - x.mean(1, True)) / (x.var(1, False, keepdim=True) + e) ** 0.5 + b,
     "count from the end"),
    ("layer_norm", lambda x, g, b, e: F.layer_norm(x, x.shape[1:], eps=e) * g + b, "all axes but the first"),
    ("layer_norm", lambda x, g, b, e: g * (x - x.mean(-1)) + b, "stops with an error"),
    ("rms_norm", lambda x, g, e: F.layer_norm(x, g.shape, g, eps=e), "takes the mean away"),
    ("rms_norm", lambda x, g, e: g * x / torch.sqrt(x.var(-1, False, keepdim=True) + e), "still their"),
    ("rms_norm", lambda x, g, e: g * x / torch.sqrt((x * x).sum(-1, True) + e), "make a mean"),
    ("rms_norm", lambda x, g, e: g * x / ((x * x).mean(-1, True) ** 0.5 + e), "after the root"),
    ("rms_norm", lambda x, g, e: F.rms_norm(x, g.shape, g, 0.0), "Epsilon makes no difference"),
    ("rms_norm", lambda x, g, e: g * x / ((x * x).mean(-1, True) + e), "the R of RMS"),
    ("rms_norm", lambda x, g, e: F.rms_norm(x, g.shape, None, e), "gain is missing"),
    ("rms_norm", lambda x, g, e: g * x / torch.sqrt((x * x).mean(0) + e), "averages over the examples"),
    ("weight_norm", lambda v, g: torch.diag(g) @ F.normalize(v, dim=0), "a row"),
    ("weight_norm", whole_matrix, "each row has its own"),
    ("weight_norm", lambda v, g: torch.diag(g / (v * v).sum(1)) @ v, "squared length"),
    ("weight_norm", lambda v, g: F.rms_norm(v, v.shape[1:], eps=0.0) * g[:, None], "the root of the sum"),
    ("weight_norm", lambda v, g: F.normalize(v), "All rows have length 1"),
    ("weight_norm", lambda v, g: torch.diag(g) @ v, "not divided by their length"),
    ("weight_norm", lambda v, g: F.normalize(v - v.mean(1, True)) * g[:, None], "lose their mean"),
    ("batch_norm", batch_wrongly(with_training(True), same), "never used"),
    ("batch_norm", lambda *given: by_batch(*with_training(True)(given)), "and keep"),
    ("batch_norm", lambda *given: by_batch(*with_training(False)(given)), "update what is kept"),
    ("batch_norm", batch_wrongly(with_training(False), same), "In training it normalises by what was kept"),
    ("batch_norm", batch_wrongly(same, with_training(True)), "leave no trace"),
    ("batch_norm", batch_wrongly(same, with_training(False)), "never updated"),
    ("batch_norm", lambda *g: by_batch(*g[:6], 1 - g[6], g[7]), "changed places"),
    ("batch_norm", by_unbiased_batch, "only for keeping"),
    ("batch_norm", biased_kept, "too small on average"),
    ("batch_norm", epsilon_after, "in both cases"),
    ("batch_norm", lambda *g: by_batch(*g)[0], "type Tensor; it should return 3 tensors"),
    ("lstm_step", lambda *g: lstm(both)(*g[:6], *[lambda a: a] * 3), "plain LSTM"),
    ("lstm_step", lstm(lambda a, s, b, n, m: m(a + s) + b), "normalised together"),
    ("lstm_step", lstm(lambda a, s, b, n, m: m(a) + n(s) + b), "`norm_x` and `norm_h`"),
    ("lstm_step", lstm(lambda a, s, b, n, m: n(a) + m(s)), "The bias is missing"),
    ("lstm_step", lstm(lambda a, s, b, n, m: n(a) + m(s + b)), "before a norm"),
    ("lstm_step", lstm(lambda a, s, b, n, m: n(a) + s + b), "from the state is not"),
    ("lstm_step", lstm(lambda a, s, b, n, m: a + m(s) + b), "from the input is not"),
    ("lstm_step", lstm(both, leaves=lambda c, k: c.tanh()), "norm of the cell is missing"),
    ("lstm_step", lstm(both, carried=lambda c, k: k(c)), "stays as it is"),
    ("lstm_step", lstm(both, leaves=lambda c, k: k(c.tanh())), "after the tanh"),
    ("lstm_step", lstm(both, gates="ifgo"), "PyTorch's order"),
    ("lstm_step", lstm(both, gates="ifog"), "changed places: the first quarter"),
    ("lstm_step", lstm(both, squash=lambda g: g), "without a tanh"),
    ("lstm_step", lstm(both, leaves=lambda c, k: k(c)), "last tanh is missing"),
    ("lstm_step", lambda *g: lstm(both)(*g)[::-1], "first the state, then the cell"),
    ("lstm_step", lstm(both, gates="gofi"), "Of its 2 tensors, number 1 is wrong."),
    ("fold", lambda w, b, g, c, u, d: (w, b, u, d), "Nothing was folded"),
    ("fold", folded(left=False, shift=False), "right half is done"),
    ("fold", folded(shift=False), "`b_1` does"),
    ("fold", folded(axis=0), "wrong axis"),
    ("fold", folded(gain=False, bias=False), "left half is done"),
    ("fold", folded(gain=False), "The gain is missing"),
    ("fold", folded(bias=False), "after it has gone"),
    ("fold", folded(scaled=True), "multiplied by the gain"),
    (
        "fold",
        lambda w, b, g, c, u, d: ((w - w.mean(1, True)) * g, (b - b.mean()) * g, u, c @ u + d),
        "in front of the norm",
    ),
    ("fold", lambda w, b, *rest: (w, b), "four tensors"),
    ("fold", lambda w, b, g, c, u, d: (w.T, b, u, d), "new w_1 is (7, 3)"),
    ("fold", lambda w, b, g, c, u, d: (w, 0.0, u, d), "new b_1 is float"),
    ("growing_weights", lambda f: [f, 1 / f, 1, f**-2], "Number 1, the output, is wrong. The norm"),
    ("growing_weights", lambda f: [1, 1, 1, f**-2], "its slope need not be"),
    ("growing_weights", lambda f: [1, f, 1, f**-2], "comes back through the norm"),
    ("growing_weights", lambda f: [1, f**-2, 1, f**-2], "belongs to the turn"),
    ("growing_weights", lambda f: [1, 1 / f, f, f**-2], "The matrix is larger"),
    ("growing_weights", lambda f: [1, 1 / f, 1 / f, f**-2], "on the way to x it meets W"),
    ("growing_weights", lambda f: [1, 1 / f, 1, 1 / f], "W has grown as well"),
    ("growing_weights", lambda f: [1, 1 / f, 1, 1], "Both have changed"),
    ("growing_weights", lambda f: [1, 1 / f, 1, f * f], "upside down"),
    ("growing_weights", lambda f: [1, 1 / f, 1, 7], "Number 4, the turn, is wrong."),
    ("growing_weights", lambda f: [1, 1 / 3, 1, 1 / 9], "Number 2, the gradient by W, is wrong."),
    ("growing_weights", lambda f: f, "a list of four numbers"),
    ("layer_norm_backward", backwards(mean=0, along=0), "adds two terms"),
    ("layer_norm_backward", backwards(along=0), "takes the deviation for a constant"),
    ("layer_norm_backward", backwards(mean=0), "takes the mean for a constant"),
    ("layer_norm_backward", backwards(along=-1), "wrong sign"),
    ("layer_norm_backward", backwards(mean=7, along=7), "sums over the units"),
    (
        "layer_norm_backward",
        lambda d, x, g, e: (backwards()(d, x, g * 0 + 1, e)[0], *backwards()(d, x, g, e)[1:]),
        "does not know the gain",
    ),
    (
        "layer_norm_backward",
        lambda d, x, g, e: (g * backwards()(d, x, g * 0 + 1, e)[0], *backwards()(d, x, g, e)[1:]),
        "Backwards the gain comes first",
    ),
    ("layer_norm_backward", backwards(lambda grad, gain, first, a, s: first), "not divided by"),
    (
        "layer_norm_backward",
        backwards(
            lambda grad, gain, first, a, s: (
                first - (s * s - 1) * a * (gain * grad * a).mean(1, keepdim=True)
            ) / s
        ),
        "uses x without its mean",
    ),
    ("layer_norm_backward", lambda d, x, g, e: backwards()(d, x, g, 0.0), "Epsilon is missing"),
    (
        "layer_norm_backward",
        backwards(rest=lambda d, x, a: ((d * a).mean(0), d.mean(0))),
        "means over the batch",
    ),
    ("layer_norm_backward", backwards(rest=lambda d, x, a: (d * a, d)), "for each example"),
    (
        "layer_norm_backward",
        backwards(rest=lambda d, x, a: ((d * x).sum(0), d.sum(0))),
        "multiplies with x itself",
    ),
    (
        "layer_norm_backward",
        backwards(rest=lambda d, x, a: ((d * a).sum(0), (d * a).sum(0))),
        "Of its 3 tensors, number 3 is wrong.",
    ),
]  # fmt: skip
