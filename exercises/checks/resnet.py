"""How answers to the exercises for "Deep Residual Learning" and "Identity Mappings" are graded.

For each exercise: what is right, and what people write instead. A mistake's docstring is what its
author is told.
"""

import functools
import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, batch_norm, conv2d

from exercises import WrongAnswer, compare

# Stack ------------------------------------------------------------------------------------------


class Line(NamedTuple):
    """A branch that can be printed."""

    slope: float
    shift: float

    def __call__(self, x):
        """The branch."""
        return self.slope * x + self.shift

    def __repr__(self) -> str:
        return f"{self.slope:g}x{self.shift:+g}"


def check_stack(answer) -> None:
    """Grade an answer to `stack`."""

    def right(x, branches):
        for branch in branches:
            x = x + branch(x)
        return x

    def plain(x, branches):
        """This is a plain stack: each branch replaces what came in. A residual block adds its
        branch's answer to it."""
        for branch in branches:
            x = branch(x)
        return x

    def first_input(x, branches):
        """It always adds the very first number. Each block adds what came into *this* block."""
        first = x
        for branch in branches:
            x = first + branch(x)
        return x

    def side_by_side(x, branches):
        """Every branch sees the very first number, so they stand side by side. In a stack, each
        sees what the blocks before it have made."""
        return x + sum(branch(x) for branch in branches)

    def only_last(x, branches):
        """Only the last branch counts: the loop forgets what the blocks before it have added."""
        return x + branches[-1](x) if branches else x

    def changes(x, branches):
        """This is what the branches have added. The number that came in belongs to the answer
        too."""
        return right(x, branches) - x

    mistakes = [plain, first_input, side_by_side, only_last, changes]
    several = [Line(0.5, 1), Line(-1, 2), Line(2, -1)]
    compare(answer, right, mistakes, (1.0, [Line(2, 0), Line(2, 0)]), (3.0, several))
    compare(answer, right, [], (5.0, []))


# Gradients --------------------------------------------------------------------------------------


def check_gradients(answer) -> None:
    """Grade an answer to `gradients`."""

    def products(factors):
        return [math.prod(factors[start:]) for start in range(len(factors) + 1)]

    def blocks(scales, slopes):
        return [scale + slope for scale, slope in zip(scales, slopes, strict=True)]

    def right(scales, slopes):
        return products(blocks(scales, slopes))

    def no_branches(scales, slopes):
        """The branches are missing: a change passes through them too, not only through the
        shortcuts."""
        return products(scales)

    def no_shortcuts(scales, slopes):
        """The shortcuts are missing: these are the gradients of a plain network."""
        return products(slopes)

    def unscaled(scales, slopes):
        """The scales make no difference: it takes every shortcut for an identity."""
        return products([1 + slope for slope in slopes])

    def multiplied(scales, slopes):
        """Within a block, scale and slope are multiplied. The two ways through a block are
        alternatives: what comes through them is added."""
        return products([scale * slope for scale, slope in zip(scales, slopes, strict=True)])

    def two_products(scales, slopes):
        """It multiplies the scales by themselves and the slopes by themselves, and adds in the end.
        But a change may take the shortcut here and the branch there: add within each block, then
        multiply."""
        return [*blocks(products(scales), products(slopes))[:-1], 1.0]

    def added(scales, slopes):
        """It adds up the blocks. They come one after another, so their factors are multiplied."""
        return [*(sum(blocks(scales, slopes)[start:]) for start in range(len(scales))), 1.0]

    def from_the_start(scales, slopes):
        """It multiplies from the first block on. Between x_l and the end lie the blocks l and
        later, so begin at the other end."""
        return products(blocks(scales, slopes)[::-1])[::-1]

    def backwards(scales, slopes):
        """The numbers are right and in the wrong order: the derivative by the first x comes
        first, and the 1 last."""
        return right(scales, slopes)[::-1]

    def no_end(scales, slopes):
        """The last number is missing: the derivative of the end by itself, which is 1."""
        return right(scales, slopes)[:-1]

    def first_only(scales, slopes):
        """This is the derivative by the first x alone; the answer is a list, one for each x."""
        return right(scales, slopes)[0]

    mistakes = [no_branches, no_shortcuts, unscaled, multiplied, two_products, added]
    mistakes += [from_the_start, backwards, no_end, first_only]
    compare(
        answer, right, mistakes, ([0.5, 1.0, 2.0], [0.25, -0.5, 1.0]), ([1.5, 0.5], [0.5, 0.25])
    )


# Shortcut ---------------------------------------------------------------------------------------


def wider(kept: Tensor, new: int) -> Tensor:
    """Channels of zeros after those that are there."""
    return torch.cat([kept, kept.new_zeros(len(kept), new, *kept.shape[2:])], dim=1)


def check_shortcut(answer) -> None:
    """Grade an answer to `shortcut`."""
    torch.manual_seed(0)
    image, odd = torch.randn(2, 4, 6, 4), torch.randn(2, 3, 7, 5)

    def kept(x, stride):
        return x[:, :, ::stride, ::stride]

    def right(x, stride, channels):
        return wider(kept(x, stride), channels - x.shape[1])

    def whole(x, stride, channels):
        """The channels are right, but height and width are still the old ones: the stride is
        missing."""
        return wider(x, channels - x.shape[1])

    def rows_only(x, stride, channels):
        """It leaves out rows but no columns: both axes shrink."""
        return wider(x[:, :, ::stride], channels - x.shape[1])

    def other_pixel(x, stride, channels):
        """It keeps the last of every `stride` rows and columns; it should be the first: 0, 2, 4."""
        return wider(x[:, :, stride - 1 :: stride, stride - 1 :: stride], channels - x.shape[1])

    def mean(x, stride, channels):
        """It averages neighbouring pixels. That would be a reasonable shortcut, but the paper's
        keeps one pixel as it is and leaves out the others."""
        return wider(avg_pool2d(x, stride), channels - x.shape[1])

    def zeros_first(x, stride, channels):
        """The channels of zeros stand before the old ones; they come after them."""
        return right(x, stride, channels).roll(channels - x.shape[1], dims=1)

    def both_sides(x, stride, channels):
        """The zeros stand on both sides of the old channels. Widely used code does so too, and the
        paper leaves it open; but here all of them come after the old ones."""
        return right(x, stride, channels).roll((channels - x.shape[1]) // 2, dims=1)

    def repeated(x, stride, channels):
        """The new channels repeat the old ones; they should be zero."""
        return torch.cat([kept(x, stride)] * 2, dim=1)[:, :channels]

    def too_many(x, stride, channels):
        """It adds `channels` channels. There shall be so many in all, so fewer are missing."""
        return wider(kept(x, stride), channels)

    def too_few(x, stride, channels):
        """The pixels are right; the new channels are missing."""
        return kept(x, stride)

    def always_two(x, stride, channels):
        """It halves the image whatever the stride is."""
        return right(x, 2, channels)

    mistakes = [whole, rows_only, other_pixel, mean, zeros_first, both_sides, repeated]
    compare(answer, right, [*mistakes, too_many, too_few], (image, 2, 8))
    compare(answer, right, [always_two], (odd, 3, 5), (odd, 1, 3))


# Residual block ---------------------------------------------------------------------------------


def convolution(channels: int, size: int = 3):
    """A convolution that keeps all sizes."""
    weight = torch.randn(channels, channels, size, size) / (size * channels**0.5)
    return functools.partial(conv2d, weight=weight, padding=size // 2)


def norm(channels: int):
    """A batch norm with a gain and a bias of its own."""
    gain, bias = 1 + torch.rand(channels), torch.randn(channels)
    return lambda x: batch_norm(x, None, None, gain, bias, training=True)


def check_residual_block(answer) -> None:
    """Grade an answer to `residual_block`."""
    torch.manual_seed(0)
    layers = (convolution(4), norm(4), convolution(4), norm(4))

    def branch(x, conv_1, norm_1, conv_2, norm_2, shortcut=None):
        return norm_2(conv_2(norm_1(conv_1(x)).relu()))

    def right(x, *parts):
        return (branch(x, *parts) + parts[-1](x)).relu()

    def no_shortcut(x, *parts):
        """The shortcut is missing: this is a plain block."""
        return branch(x, *parts).relu()

    def plain_identity(x, *parts):
        """It adds `x` itself. Here the shortcut is a function, because it may have to change the
        shape: add what it returns."""
        return (branch(x, *parts) + x).relu()

    def relu_in_branch(x, *parts):
        """The second ReLU belongs to the branch here, so that a block can only add and never take
        away. It comes after the addition."""
        return branch(x, *parts).relu() + parts[-1](x)

    def one_too_many(x, *parts):
        """There is a ReLU too many: the branch ends in one, before the addition."""
        return (branch(x, *parts).relu() + parts[-1](x)).relu()

    def no_last(x, *parts):
        """The ReLU after the addition is missing."""
        return branch(x, *parts) + parts[-1](x)

    def no_inner(x, conv_1, norm_1, conv_2, norm_2, shortcut):
        """The ReLU between the two convolutions is missing. Without it they are hardly more than
        one."""
        return (norm_2(conv_2(norm_1(conv_1(x)))) + shortcut(x)).relu()

    def overwritten(x, *parts):
        """The shortcut gets what the branch returned, instead of the block's input. Was `x`
        written over on the way?"""
        return (branch(x, *parts) + parts[-1](branch(x, *parts))).relu()

    def late_start(x, conv_1, norm_1, conv_2, norm_2, shortcut):
        """The shortcut starts after the first convolution; it starts at the block's input."""
        h = norm_1(conv_1(x)).relu()
        return (norm_2(conv_2(h)) + shortcut(h)).relu()

    def norm_after_sum(x, conv_1, norm_1, conv_2, norm_2, shortcut):
        """The second norm stands after the addition, so that it changes the shortcut too. It
        belongs to the branch, right after its convolution."""
        return norm_2(conv_2(norm_1(conv_1(x)).relu()) + shortcut(x)).relu()

    def pre_activation(x, conv_1, norm_1, conv_2, norm_2, shortcut):
        """This is the block of the sequel, with norm and ReLU before each convolution. Here each
        convolution comes first, then its norm."""
        return conv_2(norm_2(conv_1(norm_1(x).relu())).relu()) + shortcut(x)

    def relu_before_norm(x, conv_1, norm_1, conv_2, norm_2, shortcut):
        """The inner ReLU stands before the norm; it comes after it."""
        return (norm_2(conv_2(norm_1(conv_1(x).relu()))) + shortcut(x)).relu()

    def same_norm(x, conv_1, norm_1, conv_2, norm_2, shortcut):
        """`norm_1` is used twice. Each norm has learned its own gain and bias: the second
        convolution is followed by `norm_2`."""
        return right(x, conv_1, norm_1, conv_2, norm_1, shortcut)

    mistakes = [no_shortcut, plain_identity, relu_in_branch, one_too_many, no_last, no_inner]
    mistakes += [overwritten, late_start, norm_after_sum, pre_activation, relu_before_norm]
    case = (torch.randn(3, 4, 5, 6), *layers, convolution(4, size=1))
    compare(answer, right, [*mistakes, same_norm], case)


# Parameters -------------------------------------------------------------------------------------


def counted(
    depth: int,
    width: int,
    n_classes: int,
    per_channel: int = 2,  # numbers that are trained beside the weights of a convolution
    per_block: int = 2,  # convolutions
    adapts: bool = True,  # whether a stage's first convolution has the old number of channels
    projections: bool = False,
) -> int:
    """The parameters of a network that differs from the paper's in one thing."""
    layers = per_block * ((depth - 2) // 6)
    total = (27 + per_channel) * width
    before = width
    for own in (width, 2 * width, 4 * width):
        total += 9 * own * ((before if adapts else own) + (layers - 1) * own)
        total += layers * per_channel * own
        total += projections * (own > before) * own * (before + per_channel)
        before = own
    return total + (before + 1) * n_classes


def check_parameters(answer) -> None:
    """Grade an answer to `parameters`."""

    def no_norms(*given):
        """The norms are missing: each channel has a gain and a bias after every convolution."""
        return counted(*given, per_channel=0)

    def one_each(*given):
        """It counts one number per channel for each norm. There are two: a gain and a bias."""
        return counted(*given, per_channel=1)

    def running(*given):
        """It counts the norms' moving means and variances too. They are stored, but not trained."""
        return counted(*given, per_channel=4)

    def conv_biases(*given):
        """It counts a bias for each channel of every convolution. They have none: the norm would
        subtract it again."""
        return counted(*given, per_channel=3)

    def no_stem(depth, width, n_classes):
        """The stem is missing: a 3x3 convolution from 3 colours, and its norm."""
        return counted(depth, width, n_classes) - 29 * width

    def no_classifier(depth, width, n_classes):
        """The classifier is missing: one linear layer with a bias."""
        return counted(depth, width, 0)

    def no_bias(depth, width, n_classes):
        """The classifier's bias is missing: one number for each class."""
        return counted(depth, width, n_classes) - n_classes

    def every_pixel(depth, width, n_classes):
        """Its classifier has weights for each of 8x8 pixels. Each channel becomes its mean first,
        so only the channels are left."""
        return counted(depth, width, n_classes) + 63 * 4 * width * n_classes

    def layers_as_blocks(*given):
        """It has twice as many blocks as there are: a block has two convolutions, so each stage
        has n = (depth - 2) / 6 blocks."""
        return counted(*given, per_block=4)

    def halves(*given):
        """It has half the convolutions: each of the n blocks has two."""
        return counted(*given, per_block=1)

    def unchanging(*given):
        """The first convolution of a stage is counted with as many channels in as out. It still
        gets the channels of the stage before."""
        return counted(*given, adapts=False)

    def projections(*given):
        """It counts projections in the shortcuts. Option A has none: it pads with zeros."""
        return counted(*given, projections=True)

    mistakes = [no_norms, one_each, running, conv_biases, no_stem, no_classifier]
    mistakes += [no_bias, every_pixel, layers_as_blocks, halves, unchanging, projections]
    compare(answer, counted, mistakes, (8, 2, 5), (14, 2, 3), (8, 3, 4))


# Bottleneck -------------------------------------------------------------------------------------


def check_bottleneck(answer) -> None:
    """Grade an answer to `bottleneck`."""
    torch.manual_seed(0)
    x = torch.randn(2, 6, 7, 9)
    sizes = ((3, 6, 1, 1), (3, 3, 3, 3), (8, 3, 1, 1), (8, 6, 1, 1))
    weights = [torch.randn(size) / math.prod(size[1:]) ** 0.5 for size in sizes]

    def branch(x, w_1, w_2, w_3, second, first=1):
        h = conv2d(x, w_1, stride=first).relu()
        return conv2d(conv2d(h, w_2, stride=second, padding=1).relu(), w_3)

    def right(x, w_1, w_2, w_3, w_s, stride):
        return (branch(x, w_1, w_2, w_3, stride) + conv2d(x, w_s, stride=stride)).relu()

    def stride_in_first(x, w_1, w_2, w_3, w_s, stride):
        """The stride is in the first 1x1, as in the authors' own model: then nothing ever looks at
        the pixels between. Here it is that of the 3x3."""
        return (branch(x, w_1, w_2, w_3, 1, stride) + conv2d(x, w_s, stride=stride)).relu()

    def no_stride(x, w_1, w_2, w_3, w_s, stride):
        """The image keeps its height and width: `stride` makes no difference. It belongs to the 3x3
        convolution and to the shortcut."""
        return right(x, w_1, w_2, w_3, w_s, 1)

    def no_last(x, w_1, w_2, w_3, w_s, stride):
        """The ReLU after the addition is missing."""
        return branch(x, w_1, w_2, w_3, stride) + conv2d(x, w_s, stride=stride)

    def relu_in_branch(x, w_1, w_2, w_3, w_s, stride):
        """The last ReLU belongs to the branch here; it comes after the addition."""
        return branch(x, w_1, w_2, w_3, stride).relu() + conv2d(x, w_s, stride=stride)

    def one_too_many(x, w_1, w_2, w_3, w_s, stride):
        """There is a ReLU too many: the branch ends in one, before the addition."""
        return (branch(x, w_1, w_2, w_3, stride).relu() + conv2d(x, w_s, stride=stride)).relu()

    def no_first(x, w_1, w_2, w_3, w_s, stride):
        """The ReLU after the first convolution is missing."""
        h = conv2d(conv2d(x, w_1), w_2, stride=stride, padding=1).relu()
        return (conv2d(h, w_3) + conv2d(x, w_s, stride=stride)).relu()

    def no_second(x, w_1, w_2, w_3, w_s, stride):
        """The ReLU after the second convolution is missing."""
        h = conv2d(conv2d(x, w_1).relu(), w_2, stride=stride, padding=1)
        return (conv2d(h, w_3) + conv2d(x, w_s, stride=stride)).relu()

    def two(x, w_1, w_2, w_3, w_s, stride):
        """It halves the image whatever the stride is."""
        return right(x, w_1, w_2, w_3, w_s, 2)

    mistakes = [stride_in_first, no_stride, no_last, relu_in_branch, one_too_many]
    try:
        compare(answer, right, [*mistakes, no_first, no_second], (x, *weights, 2))
        compare(answer, right, [two], (x, *weights, 1), (x, *weights, 3))
    except RuntimeError as error:
        if "must match the size" not in str(error):
            raise
        raise WrongAnswer(
            "Branch and shortcut can't be added: they differ in height or width. Both shrink by "
            "the stride, the branch once only, and the 3x3 convolution by nothing else: its window "
            "needs zeros around the image."
        ) from error


# Pre-activation ---------------------------------------------------------------------------------


def check_pre_activation(answer) -> None:
    """Grade an answer to `pre_activation`."""
    torch.manual_seed(0)
    x = torch.randn(3, 4, 5, 6)
    blocks = [(norm(4), convolution(4), norm(4), convolution(4)) for _ in range(3)]

    def residual(x, norm_1, conv_1, norm_2, conv_2):
        return conv_2(norm_2(conv_1(norm_1(x).relu())).relu())

    def added(x, *parts):
        return x + residual(x, *parts)

    def through(x, blocks, block=added):
        return functools.reduce(lambda x, parts: block(x, *parts), blocks, x)

    def right(x, blocks, last_norm, block=added):
        return last_norm(through(x, blocks, block)).relu()

    def original(x, norm_1, conv_1, norm_2, conv_2):
        """These are the blocks of the first paper: convolution, norm, and a ReLU after the
        addition. In the sequel norm and ReLU come before each convolution."""
        return (x + norm_2(conv_2(norm_1(conv_1(x)).relu()))).relu()

    def relu_after_sum(x, *parts):
        """The branches are right, but there is still a ReLU after each addition. Nothing but the
        sum is handed on."""
        return added(x, *parts).relu()

    def normalised_shortcut(x, *parts):
        """The shortcut carries what norm and ReLU made of the input. Was `x` written over? It is
        the sum as it was that must go around the branch."""
        return parts[0](x).relu() + residual(x, *parts)

    def no_shortcut(x, *parts):
        """The shortcuts are missing: each block's input is to be added to its branch."""
        return residual(x, *parts)

    def relu_before_norm(x, norm_1, conv_1, norm_2, conv_2):
        """The ReLUs stand before the norms; it is norm, ReLU, convolution."""
        return x + conv_2(norm_2(conv_1(norm_1(x.relu())).relu()))

    def norm_after(x, norm_1, conv_1, norm_2, conv_2):
        """The ReLUs come before the convolutions, but the norms after them; it is norm, ReLU,
        convolution."""
        return x + norm_2(conv_2(norm_1(conv_1(x.relu())).relu()))

    def first_relu_missing(x, norm_1, conv_1, norm_2, conv_2):
        """The ReLU before the first convolution of each block is missing."""
        return x + conv_2(norm_2(conv_1(norm_1(x))).relu())

    def second_relu_missing(x, norm_1, conv_1, norm_2, conv_2):
        """The ReLU before the second convolution of each block is missing."""
        return x + conv_2(norm_2(conv_1(norm_1(x).relu())))

    def unfinished(x, blocks, last_norm):
        """The blocks are right, but nothing happens to the last sum: it needs its norm and its
        ReLU."""
        return through(x, blocks)

    def last_relu_missing(x, blocks, last_norm):
        """The ReLU after `last_norm` is missing."""
        return last_norm(through(x, blocks))

    def last_norm_missing(x, blocks, last_norm):
        """The last sum is rectified, but not normalised: `last_norm` is missing."""
        return through(x, blocks).relu()

    def in_each(x, blocks, last_norm):
        """`last_norm` and its ReLU stand in the loop. There is one for the whole network, after
        the last block."""
        return through(x, blocks, lambda *given: last_norm(added(*given)).relu())

    def network(block):
        """A whole network of wrong blocks, with the wrong block's docstring."""
        made = functools.partial(right, block=block)
        made.__doc__ = block.__doc__
        return made

    wrong = [original, relu_after_sum, normalised_shortcut, no_shortcut, relu_before_norm]
    wrong += [norm_after, first_relu_missing, second_relu_missing]
    mistakes = [*map(network, wrong), unfinished, last_relu_missing, last_norm_missing, in_each]
    compare(answer, right, mistakes, (x, blocks, norm(4)))


# Folding ----------------------------------------------------------------------------------------


def check_fold(answer) -> None:
    """Grade an answer to `fold`."""
    torch.manual_seed(0)

    def case(channels, before, size):
        """Random weights and norms; epsilon is so large that nobody can overlook it."""
        variance = 0.2 + 2 * torch.rand(channels)
        weight = torch.randn(channels, before, size, size)
        return weight, *torch.randn(3, channels), variance, 0.1

    def line(weight, bias, mean, scale):
        return [weight * scale[:, None, None, None], bias - mean * scale]

    def right(weight, gain, bias, mean, variance, epsilon):
        return line(weight, bias, mean, gain / (variance + epsilon).sqrt())

    def no_root(weight, gain, bias, mean, variance, epsilon):
        """It divides by the variance; it should be its square root."""
        return line(weight, bias, mean, gain / (variance + epsilon))

    def no_epsilon(weight, gain, bias, mean, variance, epsilon):
        """Epsilon is missing: it is added to the variance, under the root."""
        return line(weight, bias, mean, gain / variance.sqrt())

    def epsilon_outside(weight, gain, bias, mean, variance, epsilon):
        """Epsilon is added to the root; it belongs to the variance, under the root."""
        return line(weight, bias, mean, gain / (variance.sqrt() + epsilon))

    def no_gain(weight, gain, bias, mean, variance, epsilon):
        """The gain is missing."""
        return right(weight, torch.ones_like(gain), bias, mean, variance, epsilon)

    def multiplied(weight, gain, bias, mean, variance, epsilon):
        """It multiplies by the root of the variance; the norm divides by it."""
        return line(weight, bias, mean, gain * (variance + epsilon).sqrt())

    def unchanged(weight, *norm):
        """The weight is unchanged. The norm multiplies what the convolution puts out; let the
        weights do that."""
        return [weight, right(weight, *norm)[1]]

    def wrong_axis(weight, *norm):
        """In the weight, the factors lie along the input channels. The norm comes after the
        convolution, so each belongs to an output channel: the first axis."""
        turned, shift = right(weight.transpose(0, 1), *norm)
        return [turned.transpose(0, 1), shift]

    def last_axis(weight, *norm):
        """In the weight, the factors lie along the last axis, which is a side of the window: give
        them axes of length 1 behind."""
        turned, shift = right(weight.transpose(0, 3), *norm)
        return [turned.transpose(0, 3), shift]

    def no_mean(weight, gain, bias, *rest):
        """The weight is right. In the bias, the mean is missing: the norm subtracts it."""
        return [right(weight, gain, bias, *rest)[0], bias]

    def mean_as_it_is(weight, gain, bias, mean, *rest):
        """The weight is right. In the bias, the mean is subtracted as it is. The norm subtracts it
        first and multiplies then, so it is multiplied too."""
        return [right(weight, gain, bias, mean, *rest)[0], bias - mean]

    def mean_added(weight, gain, bias, mean, *rest):
        """The weight is right. In the bias, the mean's part is added; it is subtracted."""
        return right(weight, gain, bias, -mean, *rest)

    def bias_scaled(weight, gain, bias, mean, *rest):
        """The weight is right. In the bias, the norm's own bias is multiplied too; it is added
        last."""
        return right(weight, gain, torch.zeros_like(bias), mean - bias, *rest)

    def no_bias(weight, gain, bias, *rest):
        """The weight is right. In the bias, the norm's own bias is missing."""
        return right(weight, gain, torch.zeros_like(bias), *rest)

    mistakes = [no_root, no_epsilon, epsilon_outside, no_gain, multiplied, unchanged, wrong_axis]
    mistakes += [last_axis, no_mean, mean_as_it_is, mean_added, bias_scaled, no_bias]
    compare(answer, right, mistakes, case(3, 3, 3))
    compare(answer, right, [], case(5, 2, 1))


# Paths ------------------------------------------------------------------------------------------


def along(x: Tensor, weights) -> Tensor:
    """The path through these branches."""
    return functools.reduce(torch.matmul, weights, x)


def listed(x: Tensor, weights: list[Tensor], choose=itertools.combinations) -> Tensor:
    """One row for each number of branches: the sum of all paths that `choose` gives."""
    rows = [sum(along(x, chosen) for chosen in choose(weights, k)) for k in range(len(weights) + 1)]
    return torch.stack(rows)


def check_paths(answer) -> None:
    """Grade an answer to `paths`."""
    torch.manual_seed(0)
    cases = [(torch.randn(3), [0.8 * torch.randn(3, 3) for _ in range(n)]) for n in (3, 4)]

    def again_and_again(x, weights):
        """A path takes the same branch more than once; each block comes once only. If you write the
        new rows over the old ones: is an old row gone before it was used?"""
        return listed(x, weights, itertools.combinations_with_replacement)

    def all_orders(x, weights):
        """The same branches are counted in every order. A signal meets the blocks in one order
        only."""
        return listed(x, weights, itertools.permutations)

    def reversed_order(x, weights):
        """The paths are the right ones, but they meet the branches in the wrong order: the last
        block's matrix comes first."""
        return listed(x, weights[::-1])

    def transposed(x, weights):
        """It multiplies from the wrong side: here x is a row, and the branch is `x @ W`."""
        return listed(x, [weight.T for weight in weights])

    def first_ones(x, weights):
        """Row k has one path only, through the first k branches. There are many: every choice of k
        out of L."""
        return torch.stack([along(x, weights[:k]) for k in range(len(weights) + 1)])

    def states(x, weights):
        """These are the network's outputs after 0, 1, 2 ... blocks. The table sorts by how many
        branches a path takes, whichever they are."""
        rows = [x]
        for weight in weights:
            rows.append(rows[-1] + rows[-1] @ weight)
        return torch.stack(rows)

    def upside_down(x, weights):
        """The rows are upside down: row k should have the paths through k branches, not those
        around k."""
        return listed(x, weights).flip(0)

    def no_first(x, weights):
        """The first row is missing: the path through no branch is x itself."""
        return listed(x, weights)[1:]

    def total(x, weights):
        """This is the network's output, all paths together. Sort them by how many branches they
        take."""
        return listed(x, weights).sum(dim=0)

    mistakes = [again_and_again, all_orders, reversed_order, transposed]
    mistakes += [first_ones, states, upside_down, no_first, total]
    compare(answer, listed, mistakes, *cases)
