r"""Worked answers to the exercises for "Layer Normalization"."""

import math
from collections.abc import Callable

from torch import Tensor


def standardise(numbers: list[float]) -> list[float]:
    r"""Mean, distances, usual distance.

    The sum of the squares is divided by H, not by H - 1. Statisticians divide by H - 1 when the
    numbers are a sample and the deviation of something larger is wanted. Here the numbers are all
    there is: the H units of a layer. With H - 1 the result would not have deviation 1 either. For
    two numbers the difference is a factor of 1.41, for a thousand nobody sees it, which is how
    that bug survives.

    Whatever is added to all numbers, and whatever positive number all are multiplied by, the
    result is the same. Everything that layer norm is good for follows from that.
    """
    mean = sum(numbers) / len(numbers)
    centred = [number - mean for number in numbers]
    deviation = math.sqrt(sum(one**2 for one in centred) / len(centred))
    return [one / deviation for one in centred]


def layer_norm(x: Tensor, gain: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    r"""The same along the last axis, for all examples at once.

    `keepdim=True` leaves an axis of length 1, so that (B, 1) is subtracted from (B, H) row by row.
    Since only the last axis is named, it does not matter how many stand before it: examples,
    steps, places of a picture.

    The epsilon goes under the root, beside the variance. Outside it would do far less: with equal
    inputs a root of 1e-5 divides by 0.003, not by 0.00001. Models trained with one and run with
    the other go wrong in a way that looks like rounding.

    Gain and bias come last, for anything that comes before the division is taken out again.
    """
    centred = x - x.mean(-1, keepdim=True)
    variance = centred.square().mean(-1, keepdim=True)
    return gain * centred / (variance + epsilon).sqrt() + bias


def rms_norm(x: Tensor, gain: Tensor, epsilon: float) -> Tensor:
    r"""Square, mean, root.

    If the mean of the numbers is 0 already, this *is* layer norm without its bias. If it is not,
    the mean stays, divided by the same number as all the rest. One pass over the numbers is spared,
    and the invariance under a shift is lost; the one under a stretch remains.

    Where no mean can arise it is no loss at all: see the exercise `fold`.
    """
    size = x.square().mean(-1, keepdim=True)
    return gain * x / (size + epsilon).sqrt()


def weight_norm(v: Tensor, g: Tensor) -> Tensor:
    r"""One length for each row.

    Compared with the other norms, nothing is measured here: the statistics of the inputs do not
    enter. In the paper's terms the mean is taken as 0 and the deviation as the length of the unit's
    weights; that would be right for inputs that are independent with mean 0 and variance 1. It
    costs no more than a pass over the weights, and does nothing about what the inputs do.

    The gradient by `v` is at right angles to `v`, so each step makes `v` a little longer, and the
    next step turns it a little less: the exercise `growing_weights` has the same effect.
    """
    return g[:, None] * v / v.norm(dim=1, keepdim=True)


def batch_norm(
    x: Tensor,
    gain: Tensor,
    bias: Tensor,
    kept_mean: Tensor,
    kept_variance: Tensor,
    training: bool,
    momentum: float,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Two functions that share a last line.

    What training divides by comes from the batch, so an example's output depends on who else is in
    it; what use divides by is fixed. The two agree only if the averages have caught up with the
    network, and a batch of four makes poor averages. Layer norm has neither problem, for it has
    only one case.

    The two variances are no mistake. To normalise a batch, its own variance is the right one, and
    that divides by B. What is kept shall estimate the variance of *all* examples, of which the
    batch is a sample, so it divides by B - 1. PyTorch does the same. Its `momentum` is the share of
    the newest batch; other libraries mean the share of what was there before.
    """
    if training:
        mean, variance = x.mean(0), x.var(0, correction=0)
        kept_mean = (1 - momentum) * kept_mean + momentum * mean
        kept_variance = (1 - momentum) * kept_variance + momentum * x.var(0, correction=1)
    else:
        mean, variance = kept_mean, kept_variance
    y = gain * (x - mean) / (variance + epsilon).sqrt() + bias
    return y, kept_mean, kept_variance


def lstm_step(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    w_x: Tensor,
    w_h: Tensor,
    bias: Tensor,
    norm_x: Callable[[Tensor], Tensor],
    norm_h: Callable[[Tensor], Tensor],
    norm_c: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    r"""A plain LSTM with three words more.

    The two sums are normalised apart, each over all four gates at once. So neither can drown the
    other: if the recurrent weights grow, what comes from the input keeps its share.

    The cell itself is left alone. It is the memory, and its path from step to step is only
    multiplied by the forget gate and added to; a norm in it would make every entry depend on all
    others at every step, and what was written once would fade. What *leaves* the cell is
    normalised, so that a cell that has grown over a long sequence does not drive every tanh to 1.
    """
    sums = norm_h(h @ w_h) + norm_x(x @ w_x) + bias
    forget, take, give, new = sums.chunk(4, dim=-1)
    c = forget.sigmoid() * c + take.sigmoid() * new.tanh()
    return give.sigmoid() * norm_c(c).tanh(), c


def fold(
    w_1: Tensor, b_1: Tensor, gain: Tensor, bias: Tensor, w_2: Tensor, b_2: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""The mean goes to the left, gain and bias to the right.

    *Left.* The mean over the units of $x W_1 + b_1$ is $x m + n$, where $m$ holds the mean of each
    row of $W_1$ and $n$ is the mean of $b_1$. Taking $m$ from every column and $n$ from every
    entry removes the mean for every $x$ at once, and the variance becomes the mean of the squares.
    This is the paper's invariance under re-centring of the weight matrix, read backwards.

    *Right.* $(g \odot \hat a + b) W_2 + b_2 = \hat a \, (\mathrm{diag}(g) W_2) + (b W_2 + b_2)$.
    The gain multiplies the *rows* of $W_2$, one for each unit. The bias meets the old $W_2$, not
    the new one.

    The division cannot be folded: it depends on $x$. People do this before they compress a model to
    fewer bits, and before they look at its weights: afterwards every matrix shows all that is done
    with the stream. It is also the simplest reason why RMS norm can be enough. A network whose
    first matrix has learned rows of mean 0 has a layer norm without paying for one.
    """
    return (
        w_1 - w_1.mean(dim=1, keepdim=True),
        b_1 - b_1.mean(),
        gain[:, None] * w_2,
        bias @ w_2 + b_2,
    )


def growing_weights(factor: float) -> list[float]:
    r"""The chain rule, three times.

    *Output.* $\delta a$ has $\delta$ times the mean and $\delta$ times the deviation, so
    $\mathrm{LN}(\delta a) = \mathrm{LN}(a)$: factor 1.

    *Weights.* So $L(\delta W) = L(W)$ for every $W$. Differentiate both sides by $W$; on the left
    the chain rule gives a factor: $\delta \, \nabla L(\delta W) = \nabla L(W)$. The gradient is
    *divided* by $\delta$.

    *Inputs.* The same argument for $a$ gives $\partial L / \partial a$ divided by $\delta$. Then
    $\partial L / \partial x = W^T \, \partial L / \partial a$ has a $\delta$ from the matrix and
    one over it from the gradient: factor 1. The layer below notices nothing.

    *Turn.* The step is divided by $\delta$ and the weights are $\delta$ times as long, so the angle
    is divided by $\delta^2$. Since the gradient is at right angles to $W$, every step of plain
    gradient descent makes $W$ a little longer. Layers under a norm therefore lower their own
    learning rate as they learn; weight decay, which shortens $W$, raises it again. That, more than
    keeping the function simple, is what decay does to them.
    """
    return [1.0, 1 / factor, 1.0, 1 / factor**2]


def layer_norm_backward(
    grad: Tensor, x: Tensor, gain: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Take away what the norm took away.

    Gain and bias serve all examples, so their gradients are sums over the batch:
    $\sum_b \partial L / \partial y \odot \hat a$ and $\sum_b \partial L / \partial y$.

    For x, let $s = \sqrt{\sigma^2 + \epsilon}$ and $\delta = g \odot \partial L / \partial y$, the
    gradient that reaches $\hat a$. With $\partial \mu / \partial a_j = 1 / H$ and
    $\partial s / \partial a_j = \hat a_j / H$,

    $$\frac{\partial \hat a_i}{\partial a_j} = \frac{1}{s}
    \left([i = j] - \frac{1}{H} - \frac{\hat a_i \hat a_j}{H}\right)$$

    Multiplied by $\delta_i$ and summed over $i$, this is

    $$\frac{\partial L}{\partial a_j} = \frac{1}{s}
    \left(\delta_j - \overline{\delta} - \hat a_j \, \overline{\delta \odot \hat a}\right)$$

    In words: the part of $\delta$ along $(1, 1, \dots, 1)$ is removed, since a shift of x changes
    nothing, and (with $\epsilon = 0$ exactly) the part along $\hat a$, since a stretch changes
    nothing. For H = 2 these two directions are all there is, and hardly any gradient is left.
    """
    centred = x - x.mean(-1, keepdim=True)
    sigma = (centred.square().mean(-1, keepdim=True) + epsilon).sqrt()
    normalised = centred / sigma
    delta = grad * gain
    along = (delta * normalised).mean(-1, keepdim=True)
    by_x = (delta - delta.mean(-1, keepdim=True) - normalised * along) / sigma
    return by_x, (grad * normalised).sum(0), grad.sum(0)
