r"""Exercises for "Layer Normalization".

Nine parts, from the mean of a list in plain Python to a gradient by hand. Write your answers into
`my/layernorm.py`, which the first `python -m exercises layernorm` makes, and run the same command
again: it says what is right, what is wrong with the rest, and what is new since the last time.
Python, PyTorch and this project are all that it takes; `--hint layer_norm` shows a hint, and one
more each time. You may solve the exercises in any order: each is checked by itself. One of them is
no program but a proof, of which you hand in the result. The last problem is open and has no
published answer.

Letters for sizes: B examples of a batch, I inputs, H units of the layer, O outputs of the layer
after it.
"""

from collections.abc import Callable

from torch import Tensor

EXERCISES = [  # in rising difficulty
    "standardise",
    "layer_norm",
    "rms_norm",
    "weight_norm",
    "batch_norm",
    "lstm_step",
    "fold",
    "growing_weights",
    "layer_norm_backward",
]

HINTS = {
    "standardise": [
        "Two passes over the list: one for the mean, then one for the squares of what is left when "
        "the mean is taken away. Only then can you divide.",
        "The list 1, 3 has the deviation 1, and becomes -1, 1. If you get 0.707 instead of 1, look "
        "at what you divide the sum of the squares by.",
        "`mean = sum(numbers) / len(numbers)`, then the list of `number - mean`, then "
        "`math.sqrt(...)` of the mean of their squares.",
    ],
    "layer_norm": [
        "Which numbers share a mean: those of one example, or those of one unit? The shape of the "
        "mean tells you whether you took the right ones.",
        "`x.mean(-1, keepdim=True)` keeps an axis of length 1, so that it can be subtracted from x. "
        "Without `keepdim` it can't, or worse, it can where B happens to be H.",
        "With `centred` for x without its mean: `variance = centred.square().mean(-1, "
        "keepdim=True)`. Then divide by `(variance + epsilon).sqrt()`, and only at the end come "
        "gain and bias.",
    ],
    "rms_norm": [
        "Start from your layer norm and cross out every line that has to do with the mean, the one "
        "inside the variance included.",
        "The name says it from right to left: square, then mean, then root. Where does epsilon "
        "stand?",
        "`size = x.square().mean(-1, keepdim=True)`: one number for each example. It goes under "
        "the root together with epsilon.",
    ],
    "weight_norm": [
        "Nothing here depends on the inputs. How many lengths are there in a matrix with one row "
        "for each unit?",
        "The length of a row is the root of the sum of its squares. Both the lengths and the gains "
        "are H numbers; they have to meet the *rows* of (H, I).",
        "`v.norm(dim=1, keepdim=True)` has shape (H, 1). Give `g` the same shape: `g[:, None]`.",
    ],
    "batch_norm": [
        "Write the two cases apart from each other, and in each say first which mean and which "
        "variance it divides by. Only one of the cases changes what is kept.",
        "In training there are two variances of the batch: one that divides by B, to normalise "
        "with, and one that divides by B - 1, to keep. `x.var(0, correction=...)` gives either.",
        "`kept = (1 - momentum) * kept + momentum * new`, for the mean and for the variance. Then "
        "`gain * (x - used_mean) / (used_variance + epsilon).sqrt() + bias` in both cases.",
    ],
    "lstm_step": [
        "Begin with the plain LSTM: one sum of four times H numbers for each example, cut into "
        "four. Then see at which three places the equations say LN.",
        "`f, i, o, g = sums.chunk(4, dim=-1)`. Three of them go through `sigmoid`, one through "
        "`tanh`. The bias is added once, after both norms.",
        "`sums = norm_h(h @ w_h) + norm_x(x @ w_x) + bias`. In the last line, `norm_c` is applied "
        "to a copy of the cell, as it were: the cell that you return has not been through it.",
    ],
    "fold": [
        "There are two jobs, one on each side of the norm. Before it: make the mean of the summed "
        "inputs 0 for every x. After it: gain and bias are a linear map, followed by another.",
        "The mean over the units of `x @ w_1 + b_1` is linear in x. Write it as `x @ m + n`; what "
        "are m and n? For the second job, write out `(gain * z + bias) @ w_2 + b_2`.",
        "`m = w_1.mean(dim=1, keepdim=True)`, to be taken from every column of `w_1`, and `b_1` "
        "needs the same. Behind the norm, `gain[:, None] * w_2` has taken the gain in; what the "
        "bias adds is the same for every x, so it belongs to `b_2`.",
    ],
    "growing_weights": [
        "Do the output first: what do mean and deviation of `a` do when every `a` is three times as "
        "large? If the output is the same, the loss is the same. Its slopes need not be.",
        "Call the loss as a function of the weights $L(W)$. You know how $L(\\delta W)$ compares "
        "with $L(W)$, for every W. Take the derivative of both sides by W.",
        "The chain rule puts a factor in front of the left side: "
        "$\\delta \\, \\nabla L(\\delta W) = \\nabla L(W)$. For x, write out $W^T$ times the "
        "gradient by $a$; for the turn, do not forget that W itself has grown.",
    ],
    "layer_norm_backward": [
        "Gain and bias first: they are easy, and each has one gradient for *all* examples. Then x: "
        "changing one input of an example changes its mean and its deviation too, and so every "
        "output of that example.",
        "With $\\delta$ for the gradient that reaches the normalised input, the answer has three "
        "terms. A shift of x changes nothing, so the gradient must sum to 0 over the units; nor does "
        "a stretch, so it must be at right angles to $\\hat a$. What has to be taken away "
        "from $\\delta$ for that?",
        "`delta = grad * gain`, then take away its mean over the units, and `a_hat` times the mean "
        "of `delta * a_hat`; divide by sigma, the root that the forward pass divided by.",
    ],
}

OPEN_PROBLEM = {
    "title": "What is the mean for?",
    "text": (
        "RMS norm leaves the mean where it is, and the largest models of today use it. So either "
        "the re-centring half of layer norm does nothing, or it does something that these models "
        "get in another way. Find a case, as small as you can, in which the two differ by more "
        "than chance: a task, a start, an activation function or a depth for which one of them "
        "learns and the other does not, or learns more slowly at every learning rate. Then explain "
        "the case so well that you can say in advance how to make the difference larger, how to "
        "make it vanish, and what a model does to need no mean. If you find no such case, show "
        "where you looked. One page, with the code that makes every number on it."
    ),
    "rubric": [
        [
            "Both norms had learning rates of their own, equal steps and the same starts, and the "
            "difference is larger than its spread over at least five seeds.",
            2,
        ],
        [
            "The mean of the summed inputs was measured, in the case and elsewhere, before and "
            "after training: the page shows that there was something to remove.",
            2,
        ],
        [
            "The explanation predicted, in writing and before the run, one change that makes the "
            "difference larger and one that makes it vanish; the page says what came of both.",
            2,
        ],
        [
            "A third arm takes the mean away in another way (from the weights, or by a bias), and "
            "the page says what follows from it.",
            2,
        ],
        ["A rival explanation is named and tried, for instance the missing bias.", 1],
        ["The page says what remains unknown, and its code runs from an empty folder.", 1],
    ],
}


def standardise(numbers: list[float]) -> list[float]:
    r"""Bring the mean of a list to 0 and its deviation to 1. Plain Python is enough.

    A network's units work in ranges of their own, and the ranges move while it learns. The cure is
    old: measure every number by how far it is from the mean, in units of the usual distance. This
    is the heart of every norm below.

    $$\mu = \frac{1}{H} \sum_i a_i \qquad \sigma = \sqrt{\frac{1}{H} \sum_i (a_i - \mu)^2}
    \qquad \hat a_i = \frac{a_i - \mu}{\sigma}$$

    Given a list of H numbers that are not all equal, return the list of the H new ones, in the
    same order.
    """
    raise NotImplementedError


def layer_norm(x: Tensor, gain: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    r"""Normalise every example by itself, and let the layer choose its range again.

    The H numbers of one example share a mean and a deviation. After that each unit gets a scale
    and a shift, which are learned. The small $\epsilon$ is in no equation of the paper and in
    every program: without it, equal inputs would give 0 / 0.

    $$y = g \odot \frac{a - \mu}{\sqrt{\sigma^2 + \epsilon}} + b$$

    Given `x`, whose last axis is H and which has one or more axes before it, `gain` and `bias` of
    shape (H), and $\epsilon$, return the shape of `x`. Neither `torch.nn` nor
    `torch.nn.functional`, please.
    """
    raise NotImplementedError


def rms_norm(x: Tensor, gain: Tensor, epsilon: float) -> Tensor:
    r"""Do it without the mean.

    Many of today's language models leave half of layer norm out: they divide each example by the
    size of its numbers and shift nothing, neither before nor after.

    $$y = g \odot \frac{a}{\sqrt{\frac{1}{H} \sum_i a_i^2 + \epsilon}}$$

    Given `x`, whose last axis is H, `gain` of shape (H) and $\epsilon$, return the shape of `x`.
    """
    raise NotImplementedError


def weight_norm(v: Tensor, g: Tensor) -> Tensor:
    r"""Normalise the weights instead of what they compute.

    Weight norm looks at no example at all. Every unit's weights are written as a direction and a
    length, and the two are learned apart: turning the direction can no longer change the length.

    $$w_h = g_h \, \frac{v_h}{\lVert v_h \rVert_2}$$

    Given `v` of shape (H, I), one row for each unit, and the lengths `g` of shape (H), return the
    weights, of shape (H, I).
    """
    raise NotImplementedError


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
    r"""Normalise every unit over the batch, and remember how, for later.

    The older norm, from which layer norm departs. In training, each unit is normalised with mean
    and variance of the batch at hand. In use there may be one example only, so averages are taken
    that were kept on the way:

    $$\mathrm{kept} \leftarrow (1 - m) \, \mathrm{kept} + m \, \mathrm{new}$$

    Training normalises with the variance that divides by B, and keeps the one that divides by
    B - 1, which is right on average. Use normalises with what was kept, and changes nothing.
    $\epsilon$ stands beside the variance, under the root, in both.

    Given `x` of shape (B, H), four tensors of shape (H), whether this is training, the momentum
    $m$ and $\epsilon$, return three tensors: the output (B, H), and the mean and the variance to
    keep from now on, both of shape (H).
    """
    raise NotImplementedError


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
    r"""Let a recurrent layer take one step, with layer norm where the paper has it.

    Batch norm is awkward in a recurrent layer: every step would need statistics of its own. Layer
    norm is not. In an LSTM it stands at three places:

    $$\begin{aligned}
    (f, i, o, g) &= \mathrm{LN}_h(h W_h) + \mathrm{LN}_x(x W_x) + b \\
    c' &= \sigma(f) \odot c + \sigma(i) \odot \tanh(g) \\
    h' &= \sigma(o) \odot \tanh(\mathrm{LN}_c(c'))
    \end{aligned}$$

    Here $\sigma$ is the sigmoid. The four gates lie one after the other along the last axis, in
    the order of the equation.

    Given `x` of shape (B, I), the state `h` and the cell `c` of shape (B, H), `w_x` of shape
    (I, 4H), `w_h` (H, 4H), `bias` (4H), and the three norms as functions, return the new state
    and the new cell.
    """
    raise NotImplementedError


def fold(
    w_1: Tensor, b_1: Tensor, gain: Tensor, bias: Tensor, w_2: Tensor, b_2: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""Make a layer norm disappear into its neighbours.

    A network in which a layer norm stands between two linear maps computes

    $$\mathrm{LN}(x W_1 + b_1) \, W_2 + b_2$$

    All that is linear in the norm can be done by its neighbours once and for all: the mean before
    it, the gain and the bias after it. What remains is a bare RMS norm, without a gain:

    $$\mathrm{RMS}(x W_1' + b_1') \, W_2' + b_2' \qquad
    \mathrm{RMS}(a) = \frac{a}{\sqrt{\frac{1}{H} \sum_i a_i^2 + \epsilon}}$$

    Given `w_1` of shape (I, H), `b_1`, `gain` and `bias` of shape (H), `w_2` of shape (H, O) and
    `b_2` (O), return $W_1'$, $b_1'$, $W_2'$ and $b_2'$ in the same shapes, such that both networks
    compute the same for every $x$. They are graded by that.
    """
    raise NotImplementedError


def growing_weights(factor: float) -> list[float]:
    r"""Prove what happens when the weights grow; no tensors.

    A layer computes $a = W x$ and $y = \mathrm{LN}(a)$ with $\epsilon = 0$, and a loss $L$ depends
    on $y$. Now every entry of $W$ is multiplied by the same positive factor $\delta$, and nothing
    else changes. By what is each of these multiplied?

    1. the output $y$,
    2. the gradient $\partial L / \partial W$,
    3. the gradient $\partial L / \partial x$, which goes on to the layer below,
    4. the angle by which a small step of gradient descent, $W - \eta \, \partial L / \partial W$,
       turns the weights. For a small step it is the length of the step over the length of $W$, for
       the gradient is at right angles to $W$.

    Given $\delta$, return the four numbers as a list. Work them out on paper: the grader says
    which are wrong, but no numbers.
    """
    raise NotImplementedError


def layer_norm_backward(
    grad: Tensor, x: Tensor, gain: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Go backwards through a layer norm by hand.

    You know $\partial L / \partial y$, what the loss wants of the output of

    $$y = g \odot \hat a + b \qquad \hat a = \frac{a - \mu}{\sqrt{\sigma^2 + \epsilon}}$$

    and look for what it wants of the input. Every $a_i$ has a part in $\mu$ and in $\sigma$, and
    through them in all outputs of its example; that is what makes it more than a division. The
    paper does not print the result.

    Given `grad` and `x` of shape (B, H), `gain` of shape (H) and $\epsilon$, return three tensors:
    the gradient by `x` (B, H), by the gain (H) and by the bias (H). Autograd would do it for you;
    the point is to do without.
    """
    raise NotImplementedError
