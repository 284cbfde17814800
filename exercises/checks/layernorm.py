"""How answers to the exercises for "Layer Normalization" are graded.

For each exercise: what is right, and what people write instead. A mistake's docstring is what its
author is told.
"""

import functools
import math

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from exercises import WrongAnswer, compare


def centred(x: Tensor, dim=-1) -> Tensor:
    """Without its mean."""
    return x - x.mean(dim, keepdim=True)


def root(x: Tensor, epsilon: float, dim=-1, correction: int = 0) -> Tensor:
    """The deviation, with epsilon inside the root."""
    return (x.var(dim, correction=correction, keepdim=True) + epsilon).sqrt()


# A list -----------------------------------------------------------------------------------------


def check_standardise(answer) -> None:
    """Grade an answer to `standardise`."""

    def distances(numbers):
        return [number - sum(numbers) / len(numbers) for number in numbers]

    def squares(numbers):
        return sum(number**2 for number in numbers)

    def divided(numbers, by):
        return [number / by(distances(numbers)) for number in distances(numbers)]

    def deviation(left):
        return math.sqrt(squares(left) / len(left))

    def right(numbers):
        return divided(numbers, deviation)

    def sample(numbers):
        """The squares are divided by H - 1, which is for a sample of something larger. The units
        of a layer are all there is."""
        return divided(numbers, lambda left: math.sqrt(squares(left) / (len(left) - 1)))

    def only_mean(numbers):
        """The mean is 0, but the spread is what it was: a division is missing."""
        return distances(numbers)

    def only_spread(numbers):
        """The spread is 1, but the mean is not 0: the numbers themselves were divided, not what
        is left of them without their mean."""
        return [number / deviation(distances(numbers)) for number in numbers]

    def no_root(numbers):
        """It divides by the variance. The variance is made of squares; what has the same unit as
        the numbers is its root."""
        return divided(numbers, lambda left: deviation(left) ** 2)

    def length(numbers):
        """The squares are added up under the root, but no mean was made of the sum: as it is, the
        spread of the result depends on how many numbers there are."""
        return divided(numbers, lambda left: math.sqrt(squares(left)))

    def no_squares(numbers):
        """It divides by the mean distance. The deviation is the root of the mean *square* of the
        distances."""
        return divided(numbers, lambda left: sum(map(abs, left)) / len(left))

    def size(numbers):
        """The squares are those of the numbers. They should be those of what is left when the mean
        is taken away."""
        return divided(numbers, lambda left: deviation(numbers))

    def span(numbers):
        """It divides by the distance from the smallest to the largest. A single stray number would
        then decide for all."""
        return divided(numbers, lambda left: max(left) - min(left))

    mistakes = [sample, only_mean, only_spread, no_root, length, no_squares, size, span]
    compare(answer, right, mistakes, ([1.0, 3.0, 8.0],), ([0.5, -1.5, 0.25, 2.0],), ([7.0, 4.0],))


# Layer norm and RMS norm ------------------------------------------------------------------------


def check_layer_norm(answer) -> None:
    """Grade an answer to `layer_norm`."""
    torch.manual_seed(0)
    gain, bias = torch.randn(2, 7)
    x = 3 + 2 * torch.randn(4, 7)

    def right(x, gain, bias, epsilon):
        return gain * centred(x) / root(x, epsilon) + bias

    def batch(x, gain, bias, epsilon):
        """It takes mean and variance over the first axis: every unit over the batch. That is batch
        norm; here the units of one example share a mean."""
        return gain * centred(x, 0) / root(x, epsilon, 0) + bias

    def everything(x, gain, bias, epsilon):
        """There is one mean for the whole tensor. Each example should have its own: name the axis
        to average over."""
        axes = tuple(range(x.ndim))
        return gain * centred(x, axes) / root(x, epsilon, axes) + bias

    def sample(x, gain, bias, epsilon):
        """The variance divides by H - 1, as `std` and `var` do unless they are told otherwise. It
        should divide by H: `correction=0`."""
        return gain * centred(x) / root(x, epsilon, correction=1) + bias

    def outside(x, gain, bias, epsilon):
        """Epsilon is added after the root. It belongs beside the variance, under the root."""
        return gain * centred(x) / (root(x, 0.0) + epsilon) + bias

    def sample_outside(x, gain, bias, epsilon):
        """Two things about the deviation are wrong: the variance should divide by H, not by H - 1,
        and epsilon should be added to it before the root is taken."""
        return gain * centred(x) / (root(x, 0.0, correction=1) + epsilon) + bias

    def no_epsilon(x, gain, bias, epsilon):
        """Epsilon makes no difference. Add it to the variance, or else equal inputs give NaN."""
        return gain * centred(x) / root(x, 0.0) + bias

    def no_root(x, gain, bias, epsilon):
        """It divides by the variance; its root is missing."""
        return gain * centred(x) / root(x, epsilon).square() + bias

    def mean_left(x, gain, bias, epsilon):
        """The mean is taken away inside the variance only. The input has to lose it too, before it
        is divided."""
        return gain * x / root(x, epsilon) + bias

    def rms(x, gain, bias, epsilon):
        """The mean is nowhere taken away. That is RMS norm, which is the next exercise."""
        return gain * x / (x.square().mean(-1, keepdim=True) + epsilon).sqrt() + bias

    def bare(x, gain, bias, epsilon):
        """It is normalised, but gain and bias are missing."""
        return centred(x) / root(x, epsilon)

    def no_gain(x, gain, bias, epsilon):
        """The gain is missing: each unit has a scale of its own."""
        return centred(x) / root(x, epsilon) + bias

    def no_bias(x, gain, bias, epsilon):
        """The bias is missing: each unit has a shift of its own."""
        return gain * centred(x) / root(x, epsilon)

    def before(x, gain, bias, epsilon):
        """Gain and bias come before the division, and the norm takes them out again. They belong
        after it."""
        return centred(gain * x + bias) / root(gain * x + bias, epsilon)

    def second_axis(x, gain, bias, epsilon):
        """It always averages over axis 1. That is the last one only if x has two axes: count from
        the end."""
        return gain * centred(x, 1) / root(x, epsilon, 1) + bias

    def behind_the_first(x, gain, bias, epsilon):
        """It averages over all axes but the first. Only the last one holds the units of the layer:
        what stands before it are examples and steps, each with a mean of its own."""
        axes = tuple(range(1, x.ndim))
        return gain * centred(x, axes) / root(x, epsilon, axes) + bias

    mistakes = [batch, everything, sample, outside, sample_outside, no_epsilon, no_root, mean_left]
    mistakes += [rms, bare, no_gain, no_bias, before]
    compare(answer, right, mistakes, (x, gain, bias, 0.5))
    compare(answer, right, [second_axis, behind_the_first], (torch.randn(2, 3, 7), gain, bias, 0.5))
    # With equal inputs, and with another epsilon, lest one was written by hand.
    compare(answer, right, [], (torch.full((2, 7), 3.0), gain, bias, 1e-5), (x, gain, bias, 2.0))


def check_rms_norm(answer) -> None:
    """Grade an answer to `rms_norm`."""
    torch.manual_seed(0)
    x, gain = 1 + 2 * torch.randn(4, 7), torch.randn(7)

    def size(x, dim=-1):
        return x.square().mean(dim, keepdim=True)

    def right(x, gain, epsilon):
        return gain * x / (size(x) + epsilon).sqrt()

    def whole(x, gain, epsilon):
        """This is layer norm: it takes the mean away. Here the mean stays."""
        return gain * centred(x) / root(x, epsilon)

    def deviation(x, gain, epsilon):
        """The mean stays in the numbers, but not in what they are divided by: that is still their
        deviation."""
        return gain * x / root(x, epsilon)

    def total(x, gain, epsilon):
        """It divides by the root of the *sum* of the squares; make a mean of it."""
        return gain * x / (x.square().sum(-1, keepdim=True) + epsilon).sqrt()

    def outside(x, gain, epsilon):
        """Epsilon is added after the root. It belongs under it."""
        return gain * x / (size(x).sqrt() + epsilon)

    def no_epsilon(x, gain, epsilon):
        """Epsilon makes no difference: add it to the mean of the squares."""
        return gain * x / size(x).sqrt()

    def no_root(x, gain, epsilon):
        """It divides by the mean square: the R of RMS is missing."""
        return gain * x / (size(x) + epsilon)

    def no_gain(x, gain, epsilon):
        """The gain is missing: each unit has a scale of its own."""
        return x / (size(x) + epsilon).sqrt()

    def batch(x, gain, epsilon):
        """It averages over the examples. One example shares a divisor among its own units."""
        return gain * x / (size(x, 0) + epsilon).sqrt()

    mistakes = [whole, deviation, total, outside, no_epsilon, no_root, no_gain, batch]
    compare(answer, right, mistakes, (x, gain, 0.5))
    compare(answer, right, [], (torch.randn(2, 3, 7), gain, 1e-5))


# Norms of other things --------------------------------------------------------------------------


def check_weight_norm(answer) -> None:
    """Grade an answer to `weight_norm`."""
    torch.manual_seed(0)

    def right(v, g):
        return g[:, None] * v / v.norm(dim=1, keepdim=True)

    def columns(v, g):
        """It takes the length of each column, which belongs to an input. A unit's weights are a
        row."""
        return g[:, None] * v / v.norm(dim=0, keepdim=True)

    def matrix(v, g):
        """There is one length for the whole matrix; each row has its own."""
        return g[:, None] * v / v.norm()

    def no_root(v, g):
        """It divides by the squared length: the root is missing, and the rows do not get the
        length g."""
        return g[:, None] * v / v.square().sum(dim=1, keepdim=True)

    def mean(v, g):
        """It divides by the root of the *mean* square of a row. A length is the root of the
        sum."""
        return g[:, None] * v / v.square().mean(dim=1, keepdim=True).sqrt()

    def no_length(v, g):
        """All rows have length 1: `g` is missing."""
        return right(v, torch.ones_like(g))

    def no_division(v, g):
        """The rows are multiplied by `g`, but not divided by their length, so a longer `v` still
        makes larger weights."""
        return g[:, None] * v

    def shifted(v, g):
        """The rows lose their mean. Weight norm changes their length only."""
        return right(centred(v), g)

    mistakes = [columns, matrix, no_root, mean, no_length, no_division, shifted]
    compare(answer, right, mistakes, (torch.randn(5, 3), torch.randn(5)))
    compare(answer, right, [], (torch.randn(2, 6), torch.randn(2)))


def check_batch_norm(answer) -> None:
    """Grade an answer to `batch_norm`."""
    torch.manual_seed(0)
    x, gain, bias, mean = 3 + 2 * torch.randn(4, 3), *torch.randn(3, 3)
    given = x, gain, bias, mean, 0.5 + torch.rand(3)
    training, use = (*given, True, 0.1, 0.5), (*given, False, 0.1, 0.5)

    def applied(x, gain, bias, mean, variance, epsilon):
        return gain * (x - mean) / (variance + epsilon).sqrt() + bias

    def norm(x, gain, bias, mean, variance, training, momentum, epsilon, divide=0, keep=1, axis=0):
        now = x.mean(axis), x.var(axis, correction=divide)
        if not training:
            return [applied(x, gain, bias, mean, variance, epsilon), mean, variance]
        kept = mean.lerp(now[0], momentum), variance.lerp(x.var(0, correction=keep), momentum)
        return [applied(x, gain, bias, *now, epsilon), *kept]

    def never_used(*given):
        """What was kept is never used: in use, too, it normalises by the batch. One example alone
        would then be its own mean."""
        return [norm(*given[:5], True, *given[6:])[0], *norm(*given)[1:]]

    def always_training(x, gain, bias, mean, variance, training, *rest):
        """`training` makes no difference: in use it should normalise by what was kept, and keep
        nothing new."""
        return norm(x, gain, bias, mean, variance, True, *rest)

    def always_use(x, gain, bias, mean, variance, training, *rest):
        """`training` makes no difference: in training it should normalise by the batch, and update
        what is kept."""
        return norm(x, gain, bias, mean, variance, False, *rest)

    def kept_in_training(*given):
        """In training it normalises by what was kept. That is for use; training takes the batch
        at hand."""
        return [norm(*given[:5], False, *given[6:])[0], *norm(*given)[1:]]

    def updated_in_use(*given):
        """In use the output is right, but the averages are updated. Use should leave no trace."""
        return [norm(*given)[0], *norm(*given[:5], True, *given[6:])[1:]]

    def not_updated(*given):
        """The averages are never updated, so what use goes by is not what the network has come
        to compute."""
        return [norm(*given)[0], *given[3:5]]

    def exchanged(*given):
        """The two shares have changed places: `momentum` is that of the newest batch."""
        return norm(*given[:6], 1 - given[6], given[7])

    def both_sample(*given):
        """It normalises with the variance that divides by B - 1. That one is only for keeping."""
        return norm(*given, divide=1)

    def both_biased(*given):
        """It keeps the variance that divides by B, which is too small on average. The one to keep
        divides by B - 1."""
        return norm(*given, keep=0)

    def outside(*given):
        """Epsilon is added after the root. It belongs under it, in both cases."""
        kept = norm(*given)[1:]
        used = (given[0].mean(0), given[0].var(0, correction=0)) if given[5] else given[3:5]
        return [given[1] * (given[0] - used[0]) / (used[1].sqrt() + given[7]) + given[2], *kept]

    mistakes = [never_used, always_training, always_use, kept_in_training]
    mistakes += [updated_in_use, not_updated, exchanged, both_sample, both_biased]
    compare(answer, norm, [*mistakes, outside], training, use)


# A recurrent layer ------------------------------------------------------------------------------


def check_lstm_step(answer) -> None:
    """Grade an answer to `lstm_step`."""
    torch.manual_seed(0)
    n_inputs, n_hidden = 3, 5
    norms = [
        functools.partial(layer_norm, normalized_shape=(n,), weight=1 + g, bias=b)
        for n in (4 * n_hidden, 4 * n_hidden, n_hidden)
        for g, b in [0.5 * torch.randn(2, n)]
    ]
    case = (
        *(torch.randn(4, n) for n in (n_inputs, n_hidden, n_hidden)),
        *(torch.randn(n, 4 * n_hidden) for n in (n_inputs, n_hidden)),
        *(torch.randn(4 * n_hidden), *norms),
    )

    def summed(x, h, w_x, w_h, bias, norm_x, norm_h):
        return norm_h(h @ w_h) + norm_x(x @ w_x) + bias

    def out(c, norm_c):
        return norm_c(c).tanh()

    def step(x, h, c, *rest, sums=summed, order="fiog", new=torch.tanh, out=out):
        parts = sums(x, h, *rest[:5]).chunk(4, dim=-1)
        f, i, o, g = (parts[order.index(gate)] for gate in "fiog")
        c = f.sigmoid() * c + i.sigmoid() * new(g)
        return [o.sigmoid() * out(c, rest[5]), c]

    def plain(x, h, c, w_x, w_h, bias, *norms):
        """There is no norm: this is a plain LSTM."""
        return step(x, h, c, w_x, w_h, bias, *[lambda a: a] * 3)

    def one_sum(*given):
        """The sums of state and input are added first and normalised together. Each is normalised
        by itself, so that neither drowns the other."""
        return step(*given, sums=lambda x, h, u, w, b, n, m: m(h @ w + x @ u) + b)

    def one_sum_by_x(*given):
        return step(*given, sums=lambda x, h, u, w, b, n, m: n(h @ w + x @ u) + b)

    one_sum_by_x.__doc__ = one_sum.__doc__

    def exchanged(*given):
        """`norm_x` and `norm_h` have changed places. They have learned gains of their own."""
        return step(*given, sums=lambda x, h, u, w, b, n, m: n(h @ w) + m(x @ u) + b)

    def no_bias(*given):
        """The bias is missing."""
        return step(*given, sums=lambda x, h, u, w, b, n, m: m(h @ w) + n(x @ u))

    def bias_inside(*given):
        """The bias was added before a norm, where it counts among the numbers to be normalised. It
        comes after both."""
        return step(*given, sums=lambda x, h, u, w, b, n, m: m(h @ w + b) + n(x @ u))

    def bias_beside_x(*given):
        return step(*given, sums=lambda x, h, u, w, b, n, m: m(h @ w) + n(x @ u + b))

    bias_beside_x.__doc__ = bias_inside.__doc__

    def no_norm_h(*given):
        """What comes from the state is not normalised."""
        return step(*given, sums=lambda x, h, u, w, b, n, m: h @ w + n(x @ u) + b)

    def no_norm_x(*given):
        """What comes from the input is not normalised."""
        return step(*given, sums=lambda x, h, u, w, b, n, m: m(h @ w) + x @ u + b)

    def no_norm_c(*given):
        """The norm of the cell is missing, between the cell and the last tanh."""
        return step(*given[:8], lambda c: c)

    def carried_on(*given):
        """The cell that goes on to the next step has been normalised. Only what leaves it for the
        state is; the memory itself stays as it is."""
        h, c = step(*given)
        return [h, given[8](c)]

    def normed_last(*given):
        """The norm of the cell comes after the tanh. It should come before, lest the tanh is
        already flat."""
        return step(*given, out=lambda c, norm_c: norm_c(c.tanh()))

    def torchs_order(*given):
        """The gates are taken in PyTorch's order. In the equation they are f, i, o, g."""
        return step(*given, order="ifgo")

    def input_first(*given):
        """The input gate and the forget gate have changed places: the first quarter is the forget
        gate."""
        return step(*given, order="ifog")

    def no_tanh(*given):
        """The new values go into the cell without a tanh."""
        return step(*given, new=lambda g: g)

    def outer_tanh_missing(*given):
        """The last tanh is missing, between the norm of the cell and the output gate."""
        return step(*given, out=lambda c, norm_c: norm_c(c))

    def turned_round(*given):
        """Both are right, but in the wrong order: first the state, then the cell."""
        return step(*given)[::-1]

    mistakes = [plain, one_sum, one_sum_by_x, exchanged, no_bias, bias_inside, bias_beside_x]
    mistakes += [no_norm_h, no_norm_x, no_norm_c, carried_on, normed_last, torchs_order]
    mistakes += [input_first, no_tanh, outer_tanh_missing, turned_round]
    compare(answer, step, mistakes, case)


# Folding ----------------------------------------------------------------------------------------


def check_fold(answer) -> None:
    """Grade an answer to `fold`: by what the folded network computes, not by its weights."""
    torch.manual_seed(0)
    i, h, o, epsilon = 3, 7, 4, 0.1
    x = torch.randn(6, i)
    shapes = [(i, h), (h,), (h,), (h,), (h, o), (o,)]
    case = tuple(torch.randn(shape) for shape in shapes)

    def computed(folded):
        """What the network computes after it was folded so."""
        expected = [shapes[n] for n in (0, 1, 4, 5)]
        if not isinstance(folded, list | tuple) or len(folded) != 4:
            raise WrongAnswer("It should return four tensors: w_1, b_1, w_2 and b_2, changed.")
        for name, part, shape in zip(("w_1", "b_1", "w_2", "b_2"), folded, expected, strict=True):
            if not isinstance(part, Tensor) or part.shape != shape:
                what = tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__
                raise WrongAnswer(f"The new {name} is {what}; its shape should stay {shape}.")
        w_1, b_1, w_2, b_2 = folded
        a = x @ w_1 + b_1
        return a / (a.square().mean(-1, keepdim=True) + epsilon).sqrt() @ w_2 + b_2

    def fold(w_1, b_1, gain, bias, w_2, b_2, at=1, shift=1.0):
        shifted = b_1 - shift * b_1.mean()
        left = w_1 if at is None else centred(w_1, at)
        return [left, shifted, gain[:, None] * w_2, bias @ w_2 + b_2]

    def nothing(w_1, b_1, gain, bias, w_2, b_2):
        """Nothing was folded: the weights are as they were."""
        return [w_1, b_1, w_2, b_2]

    def mean_left(*given):
        """The right half is done, but not the left one: the summed inputs still have a mean, which
        layer norm would take away and RMS norm does not."""
        return fold(*given, at=None, shift=0.0)

    def bias_left(*given):
        """`w_1` no longer makes a mean, but `b_1` does."""
        return fold(*given, shift=0.0)

    def inputs(*given):
        """The mean was taken from `w_1` along the wrong axis. It is the mean over the units that has
        to vanish."""
        return fold(*given, at=0)

    def only_left(w_1, b_1, gain, bias, w_2, b_2):
        """The left half is done; what is still missing is gain and bias."""
        return [*fold(w_1, b_1, gain, bias, w_2, b_2)[:2], w_2, b_2]

    def no_gain(w_1, b_1, gain, bias, w_2, b_2):
        """The gain is missing."""
        return fold(w_1, b_1, torch.ones_like(gain), bias, w_2, b_2)

    def no_bias(w_1, b_1, gain, bias, w_2, b_2):
        """The bias of the norm is missing. It is the same for every x, but only after it has gone
        through the second map."""
        return fold(w_1, b_1, gain, torch.zeros_like(bias), w_2, b_2)

    def scaled_bias(w_1, b_1, gain, bias, w_2, b_2):
        """The bias has been multiplied by the gain. In a norm it is added after the gain, so it
        meets `w_2` as that was."""
        return fold(w_1, b_1, gain, gain * bias, w_2, b_2)

    def gain_first(w_1, b_1, gain, bias, w_2, b_2):
        """The gain was put in front of the norm, which takes a part of it out again. It has to
        come behind."""
        return [gain * centred(w_1), gain * centred(b_1), w_2, bias @ w_2 + b_2]

    def after(function):
        @functools.wraps(function)
        def network(*given):
            return computed(function(*given))

        return network

    mistakes = [nothing, mean_left, bias_left, inputs, only_left, no_gain]
    mistakes += [no_bias, scaled_bias, gain_first]
    compare(after(answer), after(fold), [after(mistake) for mistake in mistakes], case)


# A proof ----------------------------------------------------------------------------------------


def check_growing_weights(answer) -> None:
    """Grade an answer to `growing_weights`, without a number that would give it away."""
    names = ["output", "gradient by W", "gradient by x", "turn"]
    powers = [0, -1, 0, -2]
    mistakes = {
        (0, 1): "The norm divides by the deviation, and what has become of that?",
        (1, 0): "The loss is the same, but its slope need not be.",
        (1, 1): "The gradient that comes back through the norm changes too.",
        (1, -2): "Is the length of W itself in it? That belongs to the turn.",
        (2, 1): "The matrix is larger, but the gradient that it multiplies has changed as well.",
        (2, -1): "That is the gradient by a; on the way to x it meets W.",
        (3, -1): "The step was compared with the old length of W; W has grown as well.",
        (3, 0): "Both have changed: the step, and the length of what it turns.",
        (3, 2): "It is upside down: does a longer W turn more easily?",
    }
    for factor in (3.0, 0.5):
        found = answer(factor)
        if not isinstance(found, list | tuple) or len(found) != len(powers):
            raise WrongAnswer("It should return a list of four numbers.")
        for place, power in enumerate(powers):
            if close(found[place], factor**power):
                continue
            told = f"Number {place + 1}, the {names[place]}, is wrong."
            for guess in (-2, -1, 0, 1, 2):
                if all(close(answer(f)[place], f**guess) for f in (3.0, 0.5)):
                    told += f" {mistakes.get((place, guess), '')}"
            raise WrongAnswer(told.strip())


def close(found, expected: float) -> bool:
    """Say whether this is the number, whatever kind of number it is."""
    return isinstance(found, int | float | Tensor) and math.isclose(found, expected, rel_tol=1e-6)


# Backwards --------------------------------------------------------------------------------------


def check_layer_norm_backward(answer) -> None:
    """Grade an answer to `layer_norm_backward`."""
    torch.manual_seed(0)
    grad, x, gain = torch.randn(4, 7), 3 + 2 * torch.randn(4, 7), torch.randn(7)

    def mean(a):
        return a.mean(-1, keepdim=True)

    def by_x(delta, a, sigma, shift=1.0, stretch=1.0):
        return (delta - shift * mean(delta) - stretch * a * mean(delta * a)) / sigma

    def backward(grad, x, gain, epsilon, by_x=by_x, batch=torch.sum):
        sigma = root(x, epsilon)
        a = centred(x) / sigma
        return [by_x(grad * gain, a, sigma), batch(grad * a, 0), batch(grad, 0)]

    def constants(*given):
        """The gradient by x takes mean and deviation for constants. They depend on x too, and that
        adds two terms."""
        return backward(*given, by_x=functools.partial(by_x, shift=0.0, stretch=0.0))

    def deviation_constant(*given):
        """The gradient by x sees that the mean depends on x, but takes the deviation for a
        constant: one term is missing."""
        return backward(*given, by_x=functools.partial(by_x, stretch=0.0))

    def mean_constant(*given):
        """The gradient by x sees that the deviation depends on x, but takes the mean for a
        constant: one term is missing."""
        return backward(*given, by_x=functools.partial(by_x, shift=0.0))

    def wrong_sign(*given):
        """In the gradient by x, the term of the deviation has the wrong sign: it is taken away,
        like the mean's."""
        return backward(*given, by_x=functools.partial(by_x, stretch=-1.0))

    def sums(*given):
        """In the gradient by x there are sums over the units where means should be: every 1 / H of
        the forward pass comes back."""
        h = given[1].shape[-1]
        return backward(*given, by_x=functools.partial(by_x, shift=h, stretch=h))

    def no_gain(grad, x, gain, epsilon):
        """The gradient by x does not know the gain. As long as all gains are 1, nobody would
        notice."""
        return backward(grad, x, gain, epsilon, by_x=lambda _, a, sigma: by_x(grad, a, sigma))

    def gain_last(grad, x, gain, epsilon):
        """The gradient by x is multiplied by the gain at the very end. Backwards the gain comes
        first: the means have to see it."""
        first, *rest = no_gain(grad, x, gain, epsilon)
        return [gain * first, *rest]

    def not_divided(*given):
        """The gradient by x is not divided by the deviation: the forward pass was."""
        return backward(*given, by_x=lambda delta, a, sigma: by_x(delta, a, 1.0))

    def not_normalised(*given):
        """The term of the deviation uses x without its mean where it should use the normalised
        input, at both places."""
        return backward(*given, by_x=lambda d, a, s: (d - mean(d) - a * s * mean(d * a * s)) / s)

    def no_epsilon(grad, x, gain, epsilon):
        """Epsilon is missing: the deviation to divide by is the one of the forward pass."""
        return backward(grad, x, gain, 0.0)

    def averaged(*given):
        """The gradients by gain and bias are means over the batch. Each example adds its part:
        take sums."""
        return backward(*given, batch=torch.mean)

    def per_example(*given):
        """Gain and bias get one gradient for each example. They are shared by all, so add up over
        the batch."""
        return backward(*given, batch=lambda a, _: a)

    def raw_gain(grad, x, gain, epsilon):
        """The gradient by the gain multiplies with x itself. What the gain met in the forward pass
        is the normalised input."""
        first, _, last = backward(grad, x, gain, epsilon)
        return [first, (grad * x).sum(0), last]

    mistakes = [constants, deviation_constant, mean_constant, wrong_sign, sums, no_gain, gain_last]
    mistakes += [not_divided, not_normalised, no_epsilon, averaged, per_example, raw_gain]
    compare(answer, backward, mistakes, (grad, x, gain, 0.5))
    compare(answer, backward, [], (grad[:2, :3], x[:2, :3], gain[:3], 1e-5))
