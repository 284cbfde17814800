r"""Worked answers to the exercises for "Deep Residual Learning" and "Identity Mappings"."""

from collections.abc import Callable

import torch
from torch import Tensor


def stack(x: float, branches: list[Callable[[float], float]]) -> float:
    r"""One addition in a loop.

    Each branch sees what all blocks before it have made of the number, and adds its own
    correction. If you write the loop out, the input is still there at the end:
    $x_L = x_0 + \sum_l F_l(x_l)$. No branch can take it away without saying so, by returning the
    negative of it.

    Compare `x = branch(x)`, the plain stack. There a branch that returns zero destroys everything;
    here it does nothing. Weights start small and are pulled towards zero, so a network whose layers
    do nothing by default can have too many of them without harm.
    """
    for branch in branches:
        x = x + branch(x)
    return x


def gradients(scales: list[float], slopes: list[float]) -> list[float]:
    r"""One factor for each block, multiplied from the end.

    A change at the input of a block reaches its output in two ways: $\lambda_l$ times through the
    shortcut, and $F'_l$ times through the branch. The two ways are added; blocks in a row multiply:

    $$\frac{\partial x_L}{\partial x_l} = \prod_{i=l}^{L-1} (\lambda_i + F'_i)$$

    Multiply this out, and one of the terms is the product of all $\lambda$: the part of the
    gradient that depends on no weight. With 50 blocks and $\lambda = 0.5$ it is about $10^{-15}$,
    with $\lambda = 1.5$ about $10^{9}$, and only with 1 it is 1. A plain network has $\lambda = 0$.
    """
    found = [1.0]
    for scale, slope in zip(reversed(scales), reversed(slopes), strict=True):
        found.insert(0, found[0] * (scale + slope))
    return found


def shortcut(x: Tensor, stride: int, channels: int) -> Tensor:
    r"""A slice and some zeros.

    The slice `::stride` keeps the first of every `stride` rows, as a 1x1 convolution with that
    stride would, and rounds up as convolutions with padding do: 7 rows become 4. So it always
    fits the branch. Pooling instead would be a fine shortcut too, but a different one, and with
    odd sizes it rounds down.

    The new channels get zeros, so at first only the branch speaks there. Which side the zeros are
    on does not matter to the network, whose weights can be renumbered; it matters to you when
    you load somebody else's weights.

    This costs no parameters. That is why the paper uses it where plain and residual networks
    are compared: nobody can say that the shortcut won by its weights.
    """
    kept = x[:, :, ::stride, ::stride]
    new = x.new_zeros(len(x), channels - x.shape[1], *kept.shape[2:])
    return torch.cat([kept, new], dim=1)


def residual_block(
    x: Tensor,
    conv_1: Callable[[Tensor], Tensor],
    norm_1: Callable[[Tensor], Tensor],
    conv_2: Callable[[Tensor], Tensor],
    norm_2: Callable[[Tensor], Tensor],
    shortcut: Callable[[Tensor], Tensor],
) -> Tensor:
    r"""The branch in two lines, then add, then rectify.

    Why is the second ReLU outside? A branch that ends in a ReLU can only add, never take away:
    channels grow from block to block. In the sequel's comparison that network is clearly worse.
    Outside, the ReLU lets the branch have both signs, but it makes the sum positive, so
    not quite everything passes the block unchanged. `pre_activation` below does without it.

    The branch has a name of its own here. Whoever writes over `x` hands the shortcut the branch's
    output, and the program runs, and the loss falls, a little slower.
    """
    branch = norm_1(conv_1(x)).relu()
    branch = norm_2(conv_2(branch))
    return (branch + shortcut(x)).relu()


def parameters(depth: int, width: int, n_classes: int) -> int:
    r"""Convolutions, norms, classifier.

    Nearly everything is in $9 \cdot \mathrm{in} \cdot \mathrm{out}$. Each stage has twice the
    channels of the one before, so four times the weights in each convolution: three quarters of
    the whole network is in the last stage. The work is another matter. A stage has a quarter of
    the pixels of the one before, so all three need nearly the same number of multiplications.

    A network's size grows with the square of its width but only linearly with its depth. Layers
    are cheap; that they did not help was the problem that the paper solved.

    With width 16 and 10 classes: 269,722 for 20 layers, 1,727,962 for 110, 19,421,274 for 1202.
    """
    n = (depth - 2) // 6
    total = 9 * 3 * width + 2 * width
    before = width
    for own in (width, 2 * width, 4 * width):
        total += 9 * before * own + (2 * n - 1) * 9 * own * own
        total += 2 * n * 2 * own
        before = own
    return total + before * n_classes + n_classes


def bottleneck(
    x: Tensor, w_1: Tensor, w_2: Tensor, w_3: Tensor, w_s: Tensor, stride: int
) -> Tensor:
    r"""Squeeze, work, widen, add, rectify.

    With 256 channels outside and 64 inside, the three convolutions have 69,632 weights; two 3x3
    convolutions among 256 channels would have 1,179,648. So the paper can afford 152 layers.

    Where does the stride go? In the first 1x1, as in the authors' own model, it throws away three
    of four pixels before any window has seen them. In the 3x3 every pixel lies in some window,
    which costs a little time and makes the network a little better; so it is done today. In the
    last 1x1 it would give exactly the same numbers as in the 3x3, and compute four times as many
    of them only to throw most away.

    The shortcut must shrink in the same way, and the stride there is in a 1x1: it does throw pixels
    away, but the branch has seen them.
    """
    conv2d = torch.nn.functional.conv2d
    h = conv2d(x, w_1).relu()  # B M H W
    h = conv2d(h, w_2, stride=stride, padding=1).relu()  # B M h w
    h = conv2d(h, w_3)  # B N h w
    return (h + conv2d(x, w_s, stride=stride)).relu()


def pre_activation(
    x: Tensor,
    blocks: list[tuple[Callable[[Tensor], Tensor], ...]],
    last_norm: Callable[[Tensor], Tensor],
) -> Tensor:
    r"""The same four parts, in another order.

    Follow `x` through the loop: all that ever happens to it is `x + h`. So the last sum is the
    first input plus what all branches said, and on the way back the gradient at the end arrives at
    every block undiminished, plus what comes through the branches.

    The norm and the ReLU prepare the input of a convolution instead of its output. It is tempting
    to write `x = norm_1(x).relu()` and to add to that; then the shortcut is no identity any more,
    and information is lost in each block. (Where the shape changes, and in the first block, the
    authors do just this, on purpose.)

    The sums are never normalised, so they grow from block to block. Whoever comes last, here the
    classifier, needs `last_norm`. Transformers took the same step and got the same final norm.
    """
    for norm_1, conv_1, norm_2, conv_2 in blocks:
        h = conv_1(norm_1(x).relu())
        h = conv_2(norm_2(h).relu())
        x = x + h
    return last_norm(x).relu()


def fold(
    weight: Tensor, gain: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, epsilon: float
) -> tuple[Tensor, Tensor]:
    r"""A factor and a shift for each channel.

    With $s = \gamma / \sqrt{v + \epsilon}$ the norm is $s z + (\beta - s \mu)$: a straight line. A
    convolution is linear, so $s (W * x) = (s W) * x$, with one factor for each *output* channel,
    which is the first axis of the weight. The rest is the bias.

    That is also why the convolutions of a residual network have none: the norm subtracts the
    mean, and a bias before it would go away with it.

    Folding saves the norm's pass over memory, and tools that prepare a model for use do it. It
    is only right after the training, and only if the norm comes straight after the convolution: in
    a pre-activation block, `norm_1` comes after a sum and stays.
    """
    scale = gain / (variance + epsilon).sqrt()
    return weight * scale[:, None, None, None], bias - mean * scale


def paths(x: Tensor, weights: list[Tensor]) -> Tensor:
    r"""One block more, one row further.

    Before the first block there is one path, through no branch: x. With each block every path
    continues twice: around the branch, and stays in its row, or through it, and moves down one.
    That is $2^L$ paths with L products of a table and a matrix. (It must be the *old* table:
    whoever writes over it row by row lets a path take the same branch again and again.)

    How many paths are in row k? $\binom{L}{k}$: most of them pass through about half of the
    branches. But if a branch multiplies a signal by 0.1, row k weighs $\binom{L}{k}\, 0.1^k$, and
    with L = 54, as in the network of 110 layers, most of that weight is in paths through two to
    eight branches. Such a network is deep, and what it says is a sum of shallow ones. Take one
    block out, and half of the paths are gone; the short ones, which matter most, nearly all remain.

    With a ReLU in the branches the output can't be multiplied out so. The gradient still can: each
    block's derivative is $1 + F'$, whatever F is.
    """
    rows = x.new_zeros(len(weights) + 1, len(x))
    rows[0] = x
    for weight in weights:
        around, through = rows, rows @ weight
        rows = around.clone()
        rows[1:] += through[:-1]
    return rows
