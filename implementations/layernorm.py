r"""Layer Normalization (Ba, Kiros and Hinton, 2016, arXiv:1607.06450).

A layer's summed inputs are shifted and scaled to mean 0 and variance 1 over the layer's units, for every example by
itself. So nothing depends on the batch: training and use compute the same, one example is enough, and a recurrent
layer can do it at every step.

Shapes: B batch, T steps, I inputs, H hidden units.

Departs from the paper:
    An epsilon inside the root, which the equations do not have and every implementation does; PyTorch's 1e-5.
    Batch norm and weight norm stand here for contrast, not as their own papers have them in every detail.
    What the paper leaves open: weights start as in PyTorch, the forget gate has no bias of its own.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-5


def normalise(
    x: Float[Tensor, "*BH"], axes: tuple[int, ...], epsilon: float = EPSILON
) -> tuple[Float[Tensor, "*BH"], Float[Tensor, "*B1"]]:
    r"""Bring the mean over some axes to 0 and the variance to 1 (Eq. 3).

    $$\mu = \frac{1}{H} \sum_i a_i \qquad \sigma = \sqrt{\frac{1}{H} \sum_i (a_i - \mu)^2} \qquad
      \hat a = \frac{a - \mu}{\sigma}$$

    Layer norm and batch norm differ in the axes alone.

    Args:
        x: The summed inputs $a$.
        axes: What is averaged over: a layer's units, or the examples of a batch.
        epsilon: Added to the variance, so that equal inputs give zeros.

    Returns:
        $\hat a$, and $\sigma$ with axes of length 1 where it was averaged.

    Example:
        >>> normalise(torch.tensor([1.0, 3.0]), (-1,), epsilon=0.0)
        (tensor([-1.,  1.]), tensor([1.]))
    """
    deviation = x - x.mean(axes, keepdim=True)
    variance = deviation.square().mean(axes, keepdim=True)  # divides by H, not by H - 1
    sigma = (variance + epsilon).sqrt()
    return deviation / sigma, sigma


# Layer norm -----------------------------------------------------------------------------------------------


def layer_norm_forward(
    x: Float[Tensor, "*BH"],
    gain: Float[Tensor, "*H"],
    bias: Float[Tensor, "*H"],
    epsilon: float = EPSILON,
) -> Float[Tensor, "*BH"]:
    r"""Normalise each example over its own units, then let the layer choose scale and shift (Eq. 4, Eq. 5).

    $$y = \frac{g}{\sigma} \odot (a - \mu) + b$$

    Args:
        x: Summed inputs; the last axes are those of `gain`.
        gain: $g$, one number for each unit.
        bias: $b$.
        epsilon: See `normalise`.
    """
    normalised, _ = normalise(x, last_axes(gain), epsilon)
    return gain * normalised + bias


def layer_norm_backward(
    grad: Float[Tensor, "*BH"],
    x: Float[Tensor, "*BH"],
    gain: Float[Tensor, "*H"],
    epsilon: float = EPSILON,
) -> tuple[Float[Tensor, "*BH"], Float[Tensor, "*H"], Float[Tensor, "*H"]]:
    r"""Gradients of a loss by x, gain and bias, derived by hand (the paper does not print them).

    With $\delta = g \odot \partial L / \partial y$ and a bar for the mean over the units:

    $$\frac{\partial L}{\partial a} = \frac{1}{\sigma} \left(\delta - \overline{\delta}
      - \hat a \, \overline{\delta \odot \hat a}\right)$$

    What the normalisation has removed gets no gradient: neither the mean nor the scale of x.

    Args:
        grad: $\partial L / \partial y$.
        x: The forward pass's input.
        gain: Its gain.
        epsilon: Its epsilon.
    """
    axes = last_axes(gain)
    normalised, sigma = normalise(x, axes, epsilon)
    delta = grad * gain
    centred = delta - delta.mean(axes, keepdim=True)
    along = (delta * normalised).mean(axes, keepdim=True)
    examples = tuple(range(x.ndim - gain.ndim))
    grad_gain, grad_bias = grad * normalised, grad
    if examples:  # a sum over no axis would be a sum over all
        grad_gain, grad_bias = grad_gain.sum(examples), grad_bias.sum(examples)
    return (centred - normalised * along) / sigma, grad_gain, grad_bias


def last_axes(gain: Float[Tensor, "*H"]) -> tuple[int, ...]:
    """The axes that a gain spans, counted from the end."""
    return tuple(range(-gain.ndim, 0))


class _ByHand(torch.autograd.Function):
    """Joins the two passes, so that autograd uses our gradient instead of its own."""

    @staticmethod
    def forward(ctx, x: Tensor, gain: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        ctx.save_for_backward(x, gain)
        ctx.epsilon = epsilon
        return layer_norm_forward(x, gain, bias, epsilon)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, gain = ctx.saved_tensors
        return (*layer_norm_backward(grad, x, gain, ctx.epsilon), None)


def layer_norm(
    x: Float[Tensor, "*BH"],
    gain: Float[Tensor, "*H"],
    bias: Float[Tensor, "*H"],
    epsilon: float = EPSILON,
) -> Float[Tensor, "*BH"]:
    """`layer_norm_forward`, differentiated by `layer_norm_backward`.

    Example:
        >>> x = torch.tensor([[1.0, 3.0], [10.0, 30.0]])
        >>> layer_norm(x, torch.ones(2), torch.zeros(2), epsilon=0.0).tolist()
        [[-1.0, 1.0], [-1.0, 1.0]]
    """
    return _ByHand.apply(x, gain, bias, epsilon)


class LayerNorm(nn.Module):
    """Layer norm with a gain from 1 and a bias from 0 (Section 6), over the last axes of its input.

    Args:
        shape: The units that are normalised together: H, or (C, H, W) for all of a picture's.
        epsilon: See `normalise`.
    """

    def __init__(self, shape: int | tuple[int, ...], epsilon: float = EPSILON) -> None:
        super().__init__()
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if not shape or min(shape) < 1:
            raise ValueError(f"a layer of shape {shape} has no units to normalise")
        self.epsilon = epsilon
        self.gain = nn.Parameter(torch.ones(shape))
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Float[Tensor, "*BH"]) -> Float[Tensor, "*BH"]:
        """Normalise every example by itself."""
        if x.shape[max(0, x.ndim - self.gain.ndim) :] != self.gain.shape:
            raise ValueError(f"the last axes of {[*x.shape]} are not {[*self.gain.shape]}")
        if x.dtype == torch.float64:  # what proofs are made in: our own lines, backward too
            return layer_norm(x, self.gain, self.bias, self.epsilon)
        # The same in one kernel instead of ten, for speed.
        return F.layer_norm(x, self.gain.shape, self.gain, self.bias, self.epsilon)


# For contrast: batch norm and weight norm -----------------------------------------------------------------


class BatchNorm(nn.Module):
    r"""Normalise each unit over the batch (Ioffe and Szegedy, 2015): training and use differ.

    In training the statistics are the batch's; in use they are averages kept on the way, with the unbiased variance:
    $\text{running} \leftarrow (1 - m)\,\text{running} + m\,\text{batch}$.

    Args:
        n_units: H, or the channels of a picture; they are the second axis of the input.
        epsilon: See `normalise`.
        momentum: $m$, the share of the newest batch.
    """

    def __init__(self, n_units: int, epsilon: float = EPSILON, momentum: float = 0.1) -> None:
        super().__init__()
        self.epsilon, self.momentum = epsilon, momentum
        self.gain = nn.Parameter(torch.ones(n_units))
        self.bias = nn.Parameter(torch.zeros(n_units))
        self.register_buffer("running_mean", torch.zeros(n_units))
        self.register_buffer("running_variance", torch.ones(n_units))

    def forward(self, x: Float[Tensor, "B H *space"]) -> Float[Tensor, "B H *space"]:
        """Normalise by the batch, or by what was kept.

        Raises:
            ValueError: fewer than two values a unit in training: one would be its own mean, and the output 0.
        """
        units = (-1, *[1] * (x.ndim - 2))  # H, or H 1 1
        if self.training:
            axes = (0, *range(2, x.ndim))
            if (n_values := x.numel() // x.shape[1]) < 2:
                raise ValueError(f"batch norm needs more than one value a unit, got {[*x.shape]}")
            normalised, sigma = normalise(x, axes, self.epsilon)
            with torch.no_grad():
                variance = (sigma.flatten().square() - self.epsilon) * n_values / (n_values - 1)
                self.running_mean.lerp_(x.mean(axes), self.momentum)
                self.running_variance.lerp_(variance, self.momentum)
        else:
            sigma = (self.running_variance + self.epsilon).sqrt()
            normalised = (x - self.running_mean.view(units)) / sigma.view(units)
        return self.gain.view(units) * normalised + self.bias.view(units)


def weight_norm(direction: Float[Tensor, "H I"], gain: Float[Tensor, "H"]) -> Float[Tensor, "H I"]:
    r"""Weights of which direction and length are separate (Salimans and Kingma, 2016): $w = g\, v / \lVert v \rVert$.

    In the terms of Eq. 5: $\mu = 0$ and $\sigma = \lVert w \rVert_2$.

    Example:
        >>> weight_norm(torch.tensor([[3.0, 4.0]]), torch.tensor([10.0]))
        tensor([[6., 8.]])
    """
    return gain[:, None] * direction / direction.norm(dim=1, keepdim=True)


# Recurrent layers -----------------------------------------------------------------------------------------


class RecurrentCell(nn.Module):
    r"""A simple recurrent layer with layer norm (Section 3.1, Eq. 4).

    $$a^t = W_{hh} h^{t-1} + W_{xh} x^t \qquad
      h^t = \tanh\!\left[\frac{g}{\sigma^t} \odot (a^t - \mu^t) + b\right]$$

    One gain and one bias serve all steps; mean and deviation are new at every step.
    """

    def __init__(self, n_inputs: int, n_hidden: int) -> None:
        super().__init__()
        self.from_input = nn.Linear(n_inputs, n_hidden, bias=False)
        self.from_hidden = nn.Linear(n_hidden, n_hidden, bias=False)
        self.norm = LayerNorm(n_hidden)

    def forward(self, x: Float[Tensor, "B I"], h: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        """One step."""
        return self.norm(self.from_hidden(h) + self.from_input(x)).tanh()


class LSTMCell(nn.Module):
    r"""The layer-normalised LSTM (supplementary material).

    $$\begin{aligned}
      (f, i, o, g) &= \mathrm{LN}(W_h h^{t-1}) + \mathrm{LN}(W_x x^t) + b \\
      c^t &= \sigma(f) \odot c^{t-1} + \sigma(i) \odot \tanh(g) \\
      h^t &= \sigma(o) \odot \tanh(\mathrm{LN}(c^t))
    \end{aligned}$$

    Both sums are normalised over all four gates at once, each by itself. The cell's own path stays untouched: only
    what leaves it is normalised.
    """

    def __init__(self, n_inputs: int, n_hidden: int) -> None:
        super().__init__()
        self.from_input = nn.Linear(n_inputs, 4 * n_hidden, bias=False)
        self.from_hidden = nn.Linear(n_hidden, 4 * n_hidden, bias=False)
        self.bias = nn.Parameter(torch.zeros(4 * n_hidden))
        self.norm_input = LayerNorm(4 * n_hidden)
        self.norm_hidden = LayerNorm(4 * n_hidden)
        self.norm_cell = LayerNorm(n_hidden)
        bound = 1 / math.sqrt(n_hidden)  # what PyTorch gives an LSTM
        nn.init.uniform_(self.from_input.weight, -bound, bound)
        nn.init.uniform_(self.from_hidden.weight, -bound, bound)

    def forward(
        self, x: Float[Tensor, "B I"], h: Float[Tensor, "B H"], c: Float[Tensor, "B H"]
    ) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]]:
        """One step: the new hidden state and the new cell."""
        sums = self.norm_hidden(self.from_hidden(h)) + self.norm_input(self.from_input(x))
        forget, take, give, new = (sums + self.bias).chunk(4, dim=-1)
        c = forget.sigmoid() * c + take.sigmoid() * new.tanh()
        return give.sigmoid() * self.norm_cell(c).tanh(), c


class LSTM(nn.Module):
    """`LSTMCell` along a sequence, from zeros."""

    def __init__(self, n_inputs: int, n_hidden: int) -> None:
        super().__init__()
        self.n_hidden = n_hidden
        self.cell = LSTMCell(n_inputs, n_hidden)

    def forward(
        self, x: Float[Tensor, "B T I"]
    ) -> tuple[Float[Tensor, "B T H"], tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]]]:
        """The hidden states of all steps, and the last hidden state and cell."""
        h = c = x.new_zeros(x.shape[0], self.n_hidden)
        states = []
        for step in x.unbind(1):
            h, c = self.cell(step, h, c)
            states.append(h)
        return torch.stack(states, dim=1), (h, c)
