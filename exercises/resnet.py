r"""Exercises for "Deep Residual Learning for Image Recognition" and its sequel, "Identity Mappings".

Nine parts of residual networks, from an addition in plain Python to the many short networks that
hide in a deep one. Write your answers into `my/resnet.py`, which the first
`python -m exercises resnet` makes, and run the same command again: it says what is right, what is
wrong with the rest, and what is new since the last time. Python, PyTorch and this project are all
that it takes; `--hint residual_block` shows a hint, and one more each time. You may solve the
exercises in any order: each is checked by itself. The last problem is open and has no published
answer.

Letters for sizes: B images, C channels, N channels after a layer, M channels inside a bottleneck, H
height, W width, h and w height and width after a stride, k height and width of a convolution's
window, L blocks, D features.
"""

from collections.abc import Callable

from torch import Tensor

EXERCISES = [  # in rising difficulty
    "stack",
    "gradients",
    "shortcut",
    "residual_block",
    "parameters",
    "bottleneck",
    "pre_activation",
    "fold",
    "paths",
]

HINTS = {
    "stack": [
        "Work it out on paper for x = 1 and two branches that double: 1 becomes 3, and 3 becomes "
        "9. Where does the 9 come from?",
        "One loop over the branches is enough. A branch sees what the blocks before it made of x, "
        "and its answer is added to that.",
        "Start with `x` itself and write over it: in the loop stands a line that begins with "
        "`x = x +`.",
    ],
    "gradients": [
        "Begin with a single block. By how much does its output change when its input changes by "
        "a little? Two terms, one for each way through the block.",
        "That number is `scale + slope`. A change passes through all blocks that follow, one after "
        "another: chain rule. It is easiest to begin at the end, where the derivative is 1.",
        "Walk through the blocks backwards, and put `found[0] * (scale + slope)` in front of the "
        "list `found = [1.0]` each time.",
    ],
    "shortcut": [
        "Two steps: first fewer pixels, then more channels. Neither computes anything; numbers are "
        "kept, left out, or zero.",
        "Python's slices take a step: `numbers[::3]` keeps the first of every three. How many "
        "channels are missing? Not `channels`.",
        "`kept = x[:, :, ::stride, ::stride]`. Then `torch.cat` along axis 1 with zeros of shape "
        "`(len(x), channels - x.shape[1], *kept.shape[2:])`; `x.new_zeros` makes them.",
    ],
    "residual_block": [
        "Write down the branch first, as one line from the inside out. The shortcut does not see "
        "anything of it.",
        "There are two ReLUs. One stands between the two convolutions, after the norm. The other "
        "is the last thing of all. Keep `x` as it is until the shortcut has had it.",
        "`branch = norm_1(conv_1(x)).relu()`, then `branch = norm_2(conv_2(branch))`, without a "
        "ReLU. What is left to do: add, then rectify.",
    ],
    "parameters": [
        "Make a list of all convolutions with channels in and out. A 3x3 convolution from C to N "
        "channels has 9 C N weights; the norm after it has two numbers for each of the N channels.",
        "The depth counts the stem, 6n convolutions, and the classifier, so `n = (depth - 2) // "
        "6`. In each stage one convolution has the channels of the stage before as its input, and "
        "2n - 1 have the stage's own.",
        "Begin with `total = 27 * width + 2 * width` and `before = width`. For each `own` of "
        "width, 2 width and 4 width: `9 * before * own + (2 * n - 1) * 9 * own * own`, and the "
        "norms of 2n convolutions. The classifier has a weight for each pair, and biases.",
    ],
    "bottleneck": [
        "Three calls of `torch.nn.functional.conv2d` for the branch, one for the shortcut. Write "
        "down the shape after each of them before you run anything.",
        "A 3x3 window without padding loses a row at either end: which `padding` makes up for it? "
        "Two of the four calls need `stride=stride`: one in the branch, and the shortcut, which "
        "must arrive with the same height and width.",
        "`h = conv2d(x, w_1).relu()`, `h = conv2d(h, w_2, stride=stride, padding=1).relu()`. The "
        "third has no ReLU of its own: that waits for the sum.",
    ],
    "pre_activation": [
        "Write the branch of one block first, in the order in which things happen: norm, ReLU, "
        "convolution, and the same once more. Then the loop around it.",
        "Give the branch a name of its own, so that `x` is still what came in when you add. "
        "Nothing happens to the sum before the next block gets it.",
        "In the loop: `h = conv_1(norm_1(x).relu())`, `h = conv_2(norm_2(h).relu())`, `x = x + "
        "h`. After the loop the last sum has not been normalised or rectified by anybody.",
    ],
    "fold": [
        "Look at one channel. The norm does no more than multiply it by a number and add another. "
        "Which two numbers? They don't depend on the image.",
        "The factor is `gain / (variance + epsilon).sqrt()`. To multiply what a convolution puts "
        "out, multiply its weights: each output channel has its own C k k of them. And what "
        "becomes of the mean under that factor?",
        "`scale[:, None, None, None]` lies along the axis of the output channels. Then put x = 0 "
        "into the equation: what comes out is the bias.",
    ],
    "paths": [
        "Take two blocks and multiply out (1 + W1)(1 + W2) with x in front. Four terms: which of "
        "them passes through no branch, through one, through both?",
        "You could list all subsets with `itertools.combinations`. Faster: add one block after the "
        "other. Those who have passed through k branches either take the shortcut of the new block "
        "and stay at k, or take its branch. Where do they arrive?",
        "Start from a table of zeros with L + 1 rows, x in the first. Per block: the new row k is "
        "the old row k plus the *old* row k - 1 times the matrix. Keep the old table until the new "
        "one is complete.",
    ],
}

OPEN_PROBLEM = {
    "title": "How much of the identity is needed?",
    "text": (
        "The sequel to the paper says that the shortcut should carry its input unchanged, and "
        "gives a reason: a factor of 0.5 in every block is a factor of 0.5 to the power of the "
        "depth. Yet many networks that people train do something to the sum: a ReLU, a norm, a "
        "dropped branch. Choose one way to spoil a shortcut that has a strength: multiply by "
        "lambda, carry only a share of the channels, add noise, drop it now and then. Find the "
        "strength at which a residual network of some depth loses what it has over a plain one. "
        "Then write down a formula that says how this strength depends on the depth, before you "
        "train any other depth, and test it at two more. Handwritten digits and networks of a "
        "few thousand weights are enough. One page, with the code that makes every number on it."
    ),
    "rubric": [
        [
            "The formula has a reason, names the strength for each new depth with a margin, and "
            "was written down before these were trained.",
            2,
        ],
        [
            "Plain and untouched residual networks of each depth are trained beside the spoilt ones, "
            "with as many steps and a learning rate of their own.",
            2,
        ],
        [
            "The loss on the training images is reported, not only the accuracy on new ones, and "
            "from at least three seeds each.",
            2,
        ],
        [
            "The page says what the norms in the branches do to the argument: a signal that fades "
            "in the shortcut meets branches that always speak at the same volume.",
            2,
        ],
        [
            "A rival explanation is named (such as gradients that fade, against a signal that "
            "drowns), and something was measured that would tell the two apart.",
            1,
        ],
        ["The page says what remains unknown, and its code runs from an empty folder.", 1],
    ],
}


def stack(x: float, branches: list[Callable[[float], float]]) -> float:
    r"""Send a number through a stack of residual blocks. No tensors yet: plain Python is enough.

    A plain layer says what its input should become. A residual block only says what should be added
    to it. So a block that has nothing to say returns zero, and the number passes unchanged; a
    plain layer would have to learn to repeat it.

    $$x_{l+1} = x_l + F_l(x_l)$$

    Given a number and the branches $F_0, F_1, \dots$ as functions from a number to a number, return
    what comes out of the last block. With x = 1 and two branches that double, it is 9. Without
    branches it is x.
    """
    raise NotImplementedError


def gradients(scales: list[float], slopes: list[float]) -> list[float]:
    r"""Follow the gradient back through the stack. Plain Python is enough here too.

    Now the shortcut of each block multiplies by a number of its own, $\lambda_l$. In the paper all
    of them are 1; its sequel asks what happens otherwise (Section 3 there).

    $$x_{l+1} = \lambda_l x_l + F_l(x_l)$$

    Given $\lambda_0, \dots, \lambda_{L-1}$ and the slopes of the branches, $F'_l(x_l)$, return the
    derivatives of the end $x_L$ by $x_0, x_1, \dots, x_L$, in this order: a list of L + 1 numbers,
    the last of which is 1. With `scales` `[1, 1]` and `slopes` `[0, 2]` it is `[3, 3, 1]`.
    """
    raise NotImplementedError


def shortcut(x: Tensor, stride: int, channels: int) -> Tensor:
    r"""Carry an image around a block that changes its shape, without a single weight.

    Where a stage begins, height and width shrink and there are more channels. What is to be added
    must have the new shape too. Option A of the paper keeps the first of every `stride` rows and
    columns as it is, and gives the new channels nothing but zeros. Here they stand after the old
    ones.

    Given `x` of shape (B, C, H, W), the stride and the number of channels N that there shall be,
    which is at least C, return (B, N, h, w). With a stride of 2, the rows that stay are 0, 2, 4 ...
    """
    raise NotImplementedError


def residual_block(
    x: Tensor,
    conv_1: Callable[[Tensor], Tensor],
    norm_1: Callable[[Tensor], Tensor],
    conv_2: Callable[[Tensor], Tensor],
    norm_2: Callable[[Tensor], Tensor],
    shortcut: Callable[[Tensor], Tensor],
) -> Tensor:
    r"""Put the parts of a block together as the paper does (Section 3 and Figure 2).

    The branch has two convolutions, each with a norm right after it, and a ReLU $\sigma$ between
    the two. The second ReLU does not belong to the branch: it comes after the addition.

    $$y = \sigma(F(x) + s(x)) \qquad
    F(x) = \mathrm{BN}_2(W_2 * \sigma(\mathrm{BN}_1(W_1 * x)))$$

    Given `x` of shape (B, C, H, W) and the five parts as functions, each from a tensor to a tensor,
    return (B, N, h, w). Whatever the parts do to the shape, what `norm_2` returns and what
    `shortcut` returns fit together.
    """
    raise NotImplementedError


def parameters(depth: int, width: int, n_classes: int) -> int:
    r"""Count the weights of the paper's networks for small images (Section 4.2).

    They have a stem, three stages of n blocks, and a classifier, and the depth is 6n + 2. The
    stem is a 3x3 convolution from the 3 colours to `width` channels. Each block has two 3x3
    convolutions. In the first stage they have `width` channels, in the second twice, in the third
    four times as many; the first convolution of a stage goes from the old number to the new one.
    After every convolution, the stem's too, stands a norm with a gain and a bias for each channel.
    The convolutions have no bias. Shortcuts are option A. In the end each channel becomes its
    mean over all pixels, and one linear layer with a bias turns these means into `n_classes` scores.

    Given the depth, the width of the first stage and the number of classes, return one whole
    number: everything that is trained. With 20, 16 and 10 it is 269722; the paper prints 0.27M.
    """
    raise NotImplementedError


def bottleneck(
    x: Tensor, w_1: Tensor, w_2: Tensor, w_3: Tensor, w_s: Tensor, stride: int
) -> Tensor:
    r"""Do the expensive work among few channels (Figure 5).

    A 1x1 convolution squeezes C channels into M, a 3x3 one works among these, and another 1x1
    brings them to N. After the first and the second stands a ReLU; after the addition another one.
    The stride is that of the 3x3 convolution, so that every pixel is looked at; the 3x3 also has
    zeros around the image, so that only the stride makes it smaller. The shortcut is a 1x1
    convolution with the same stride.

    $$y = \sigma\left(W_3 * \sigma(W_2 * \sigma(W_1 * x)) + W_s * x\right)$$

    Given `x` of shape (B, C, H, W), `w_1` (M, C, 1, 1), `w_2` (M, M, 3, 3), `w_3` (N, M, 1, 1),
    `w_s` (N, C, 1, 1) and the stride, return (B, N, h, w). Norms and biases are left out. Use
    `torch.nn.functional.conv2d(x, weight, stride=..., padding=...)`.
    """
    raise NotImplementedError


def pre_activation(
    x: Tensor,
    blocks: list[tuple[Callable[[Tensor], Tensor], ...]],
    last_norm: Callable[[Tensor], Tensor],
) -> Tensor:
    r"""Free the way from the first block to the last (the sequel, Section 4).

    In the paper every sum is rectified before the next block gets it. The sequel moves norm and
    ReLU to the beginning of the branch, before the convolution that they prepare. Then nothing
    but additions lies between the blocks.

    $$x_{l+1} = x_l + F_l(x_l) \qquad
    F(x) = W_2 * \sigma(\mathrm{BN}_2(W_1 * \sigma(\mathrm{BN}_1(x))))$$

    The last sum needs a norm and a ReLU of its own, $\sigma(\mathrm{BN}(x_L))$, because no block
    comes after it.

    Given `x` of shape (B, C, H, W), for each block its `(norm_1, conv_1, norm_2, conv_2)`, and
    `last_norm`, all of them functions that take and return (B, C, H, W), return what the
    classifier gets, of the same shape. All shortcuts are the identity.
    """
    raise NotImplementedError


def fold(
    weight: Tensor, gain: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, epsilon: float
) -> tuple[Tensor, Tensor]:
    r"""Make a norm disappear once the training is over.

    In training, batch norm uses the mean and the variance of the images at hand. Afterwards it uses
    fixed ones, and then it does the same to every image: a convolution with a bias can do it alone.

    $$\mathrm{BN}(z) = \gamma \frac{z - \mu}{\sqrt{v + \epsilon}} + \beta \qquad
    \mathrm{BN}(W * x) = W' * x + b'$$

    Given a convolution's `weight` of shape (N, C, k, k), which has no bias, and the norm's gain
    $\gamma$, bias $\beta$, mean $\mu$ and variance $v$, each of shape (N), and $\epsilon$, return
    the pair of $W'$ (N, C, k, k) and $b'$ (N).
    """
    raise NotImplementedError


def paths(x: Tensor, weights: list[Tensor]) -> Tensor:
    r"""Take a deep network apart into the shallow ones that it is the sum of.

    In every block a signal can take the branch or the shortcut. So L blocks have $2^L$ paths from
    one end to the other, short ones and long ones. Let the branches be matrices,
    $F_l(x) = x W_l$, so that it can be seen exactly: multiply everything out, and each path is one
    term. With two blocks:

    $$x (1 + W_0)(1 + W_1) = x + (x W_0 + x W_1) + x W_0 W_1$$

    Given `x` of shape (D) and the L matrices, each (D, D), in the order in which x meets them,
    return a table of shape (L + 1, D). Row k is the sum of all paths that pass through exactly k
    branches, so the sum of the rows is what the network puts out.
    """
    raise NotImplementedError
