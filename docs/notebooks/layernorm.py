# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Layer norm by hand
#
# We normalise three examples with numbers that you can check in your head, and then find out what
# "Layer Normalization" (Ba, Kiros and Hinton, 2016) does to a network: what it cannot see, which
# way its gradient never points, and why its weights grow while they learn. Some cells ask you to
# predict what they will print. Do, and write it down before you run them. You need some Python, the
# mean and the variance; the whole notebook runs in less than a minute on one core.

# %%
import sys

if "google.colab" in sys.modules:
    import subprocess

    project = "git+https://github.com/your-username/deep-learning-papers"
    wanted = f"deep-learning-papers[notebooks] @ {project}"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", wanted], check=True)

# %%
# %config InlineBackend.figure_formats = ["svg"]
# %config InlineBackend.print_figure_kwargs = {"bbox_inches": "tight", "metadata": {"Date": None}}
import math
import os
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

from implementations.layernorm import BatchNorm, LayerNorm, RecurrentCell, layer_norm

torch.set_num_threads(1)
torch.manual_seed(0)
SMOKE = os.environ.get("DLP_SMOKE") == "1"  # a short run, to see whether everything still works

# Greys and hues of middle brightness: they can be read on white and on black.
INK, BLUE, RUST = "#7c7c7c", "#5b78d6", "#cf6a35"
plt.rcParams.update(
    {
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
        **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor"), INK),
        **dict.fromkeys(("xtick.color", "ytick.color", "axes.titlecolor"), INK),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "font.size": 12,
        "legend.frameon": False,
        "svg.hashsalt": "layernorm",
    }
)


def show(name, numbers):
    """Print one row of numbers."""
    rounded = [round(number, 3) + 0.0 for number in torch.as_tensor(numbers).flatten().tolist()]
    print(f"{name:<30}" + "".join(f"{number:8.3f}" for number in rounded))


# %% [markdown]
# ## 1. One layer, three examples
#
# A layer of four units has two inputs. Each unit adds up its inputs, by its own weights; what it
# gets is its *summed input*. Three examples come in.

# %%
weights = torch.tensor([[1.0, 3.0], [3.0, 1.0], [5.0, 3.0], [7.0, 1.0]])  # a row is a unit
examples = torch.tensor([[1.0, 0.0], [10.0, 0.0], [0.0, 1.0]])
sums = examples @ weights.T
for number, row in enumerate(sums):
    show(f"sums of example {number + 1}", row)

# %% [markdown]
# The second example is the first one, ten times as bright. Now each example by itself, and over its
# four units: subtract the mean, then divide by the root of the mean square of what is left.

# %%
mean = sums.mean(dim=1, keepdim=True)
deviation = sums - mean
variance = deviation.square().mean(dim=1, keepdim=True)
normalised = deviation / variance.sqrt()
show("means", mean)
show("deviations of the first", deviation[0])
show("variances", variance)
for number, row in enumerate(normalised):
    show(f"example {number + 1}, normalised", row)

# %% [markdown]
# Check the first by hand: its mean is 4, its deviations are −3, −1, 1 and 3, their squares are 9, 1,
# 1 and 9, and the mean of these is 5. The second example now equals the first. This is Eq. 3 of the
# paper:
#
# $$\mu = \frac{1}{H} \sum_i a_i \qquad \sigma = \sqrt{\frac{1}{H} \sum_i (a_i - \mu)^2} \qquad
#   \hat a = \frac{a - \mu}{\sigma}$$
#
# The layer then gives each unit a gain and a bias that are learned, $y = g \odot \hat a + b$. They
# start as 1 and 0.
#
# ## 2. How much is left?
#
# Predict before you run: what does a layer norm make of the two sums 3 and 4? Of 3 and 400? And of a
# layer that has one unit only?


# %%
def normalise(sums):
    """Mean 0 and variance 1 along the last axis."""
    deviation = sums - sums.mean(dim=-1, keepdim=True)
    return deviation / deviation.square().mean(dim=-1, keepdim=True).sqrt()


for pair in ([3.0, 4.0], [3.0, 400.0], [0.2, -0.1]):
    show(str(pair), normalise(torch.tensor(pair)))
show("one unit", normalise(torch.tensor([3.0])))

# %% [markdown]
# Two units: plus one and minus one, whatever the numbers were. All that is left is which of them was
# larger. One unit: its own mean is all it has, so 0 is divided by 0. With the small epsilon of
# section 6 the answer becomes a plain 0, and nothing is left at all.
#
# So the norm takes something from each example, and from a narrow layer it takes nearly all. Of H
# numbers it leaves H − 2: they sum to 0, and their squares sum to H. Three units leave one number.
# Here are many random examples of three sums, before and after, seen along the direction in which
# all sums grow alike.

# %% alt="Two clouds of points: random triples of sums fill a disc before the norm, and lie on one circle after it."
triples = 1.4 * torch.randn(150, 3) + 1
across = torch.tensor([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]])
across = across / across.norm(dim=1, keepdim=True)  # two directions at right angles to (1, 1, 1)
figure, pair_of_axes = plt.subplots(1, 2, figsize=(5.4, 2.7), sharex=True, sharey=True)
for axes, points, title, colour in zip(
    pair_of_axes, (triples, normalise(triples)), ("sums", "normalised"), (RUST, BLUE), strict=True
):
    axes.scatter(*(points @ across.T).T, s=5, color=colour)
    axes.set_aspect("equal")
    axes.set_title(title, fontsize=12)
plt.show()

# %% [markdown]
# After the norm, an example of three sums is an angle.
#
# The variance here divides by H, not by H − 1. Statisticians take H − 1 to judge a whole population
# from a sample of it. But a layer is no sample: these are all the units there are. PyTorch's `std`
# divides by H − 1 unless you say otherwise. What would that give for two units, and for 1,000?

# %%
for width in (2, 4, 1000):
    sums_of_width = torch.randn(width)
    by_fewer = (sums_of_width - sums_of_width.mean()) / sums_of_width.std()
    ratio = (by_fewer / normalise(sums_of_width))[0].item()
    print(f"{width:>5} units: by H - 1 all outputs are {ratio:.3f} of what they should be")

# %% [markdown]
# A wide layer hides the mistake, a test of width two finds it.
#
# ## 3. What it cannot see
#
# Below are nine changes to a layer with random weights W and random inputs x. The output without the
# change is kept. Predict before you run: which changes leave it the same? Three of them are about one
# example's sums, two about the input, four about the weights.

# %%
torch.set_default_dtype(torch.float64)  # so that "the same" can be told from "nearly"
w, x = torch.randn(6, 4), torch.randn(5, 4)
one_unit = torch.ones(6, 1)
one_unit[2] = 10.0
changes = {
    "sums times 10": normalise(10 * (x @ w.T)),
    "sums plus 10": normalise(x @ w.T + 10),
    "sums times -1": normalise(-(x @ w.T)),
    "input times 10": normalise(10 * x @ w.T),
    "input plus 10": normalise((x + 10) @ w.T),
    "all weights times 10": normalise(x @ (10 * w).T),
    "all weights plus 10": normalise(x @ (w + 10).T),
    "one vector to all units": normalise(x @ (w + torch.randn(4)).T),
    "one unit's weights by 10": normalise(x @ (one_unit * w).T),
}
before = normalise(x @ w.T)
for name, after in changes.items():
    apart = (after - before).abs().max().item()
    print(f"{name:<26}{'the same' if apart < 1e-10 else f'differs by up to {apart:.1f}'}")

# %% [markdown]
# Two rows are easily mistaken for one another. Adding 10 to the *sums* shifts all units alike, and
# the mean takes it away. Adding 10 to the *input* shifts each unit by ten times the sum of its own
# weights, and these differ. When a text says that layer norm ignores a shift, ask: of what? And a
# re-scale must be positive; times −1 turns the answer round.
#
# ## 4. The gradient by hand
#
# During training a gradient comes back to the normalised sums and has to be carried on to the sums
# themselves. With $\delta$ for what comes back and a bar for the mean over the units:
#
# $$\frac{\partial L}{\partial a} = \frac{1}{\sigma} \left(\delta - \overline{\delta}
#   - \hat a \, \overline{\delta \odot \hat a}\right)$$
#
# In words: remove from $\delta$ its mean, remove from it what points along $\hat a$, divide by
# $\sigma$. Our first example again, with a $\delta$ that speaks of the first unit alone.


# %%
def gradient_by_hand(delta, sums):
    """Carry a gradient back through `normalise`."""
    deviation = sums - sums.mean(dim=-1, keepdim=True)
    sigma = deviation.square().mean(dim=-1, keepdim=True).sqrt()
    hat = deviation / sigma
    along = (delta * hat).mean(dim=-1, keepdim=True)
    return (delta - delta.mean(dim=-1, keepdim=True) - hat * along) / sigma


a = torch.tensor([1.0, 3.0, 5.0, 7.0], requires_grad=True)
delta = torch.tensor([1.0, 0.0, 0.0, 0.0])
(by_autograd,) = torch.autograd.grad((delta * normalise(a)).sum(), a)
by_hand = gradient_by_hand(delta, a.detach())
show("autograd", by_autograd)
show("by hand", by_hand)
show("by hand, times sigma", by_hand * math.sqrt(5))
assert torch.allclose(by_autograd, by_hand)

# %% [markdown]
# With paper and pencil, the last row: $\delta - \overline\delta$ is 0.75, −0.25, −0.25, −0.25. And
# $\hat a$ is −3, −1, 1, 3, each over $\sqrt 5$; its first number times 1, over four units, gives
# the mean $-3 / (4 \sqrt 5)$. So from the first unit goes $(-3)(-3) / (4 \cdot 5) = 0.45$, and 0.3
# remain.
#
# A loss of the first unit alone has a gradient by all four sums: the units of a layer now depend on
# each other. Predict before you run: a random $\delta$ for a layer of eight units. What is the dot
# product of the gradient with the vector of ones? With $\hat a$? With a random vector?

# %%
wide = torch.randn(8)
gradient = gradient_by_hand(torch.randn(8), wide)
show("with ones", gradient @ torch.ones(8))
show("with the normalised sums", gradient @ normalise(wide))
show("with the sums themselves", gradient @ wide)
show("with a random vector", gradient @ torch.randn(8))

# %% [markdown]
# The norm has removed the mean and the scale from the sums, so the loss does not depend on them, and
# no gradient points there. Section 7 will need this.
#
# ## 5. Batch norm, beside it
#
# Batch norm came first. It does the same, but for each unit over the examples of a batch: columns
# instead of rows. So what becomes of an example depends on its neighbours. Here is our first example
# in three batches: among like ones, among large ones, and alone.

# %%
first = sums[:1].double()
company = {
    "among like ones": torch.cat([first, first + torch.randn(7, 4)]),
    "among large ones": torch.cat([first, 50 * torch.randn(7, 4)]),
}
batch_norm, our_norm = BatchNorm(4), LayerNorm(4)
for name, batch in company.items():
    show(f"batch norm, {name}", batch_norm(batch)[0])
for name, batch in company.items():
    show(f"layer norm, {name}", our_norm(batch)[0])

# %% [markdown]
# Predict before you run: the example alone, a batch of one.

# %%
show("layer norm, alone", our_norm(first))
show("over the batch, by hand", first - first.mean(dim=0))
try:
    batch_norm(first)
except ValueError as error:
    print(error)

# %% [markdown]
# Alone, an example is its own mean: over the batch nothing of it would be left but zeros, so our file
# refuses. In use there may be one example at a time, and batch norm has to do something else than in
# training: it takes averages of means and variances that it kept. That is one more answer for the
# same example. Layer norm has no second mode.

# %%
show("batch norm, in use", batch_norm.eval()(first))
show("layer norm, in use", our_norm.eval()(first))

# %% [markdown]
# How much chance does the company bring in? We let one example meet 60 random batches of each size.

# %% alt="Output of one unit for the same example in 60 random batches: batch norm scatters widely at size 2 and less at 64; layer norm is a flat line."
sizes = [2, 4, 8, 16, 32, 64]
example, unit = torch.randn(1, 4), 0
figure, axes = plt.subplots(figsize=(4.6, 2.7))
for place, size in enumerate(sizes):
    batches = [torch.cat([example, torch.randn(size - 1, 4)]) for _ in range(60)]
    answers = [batch_norm.train()(batch)[0, unit].item() for batch in batches]
    axes.scatter(place + 0.3 * torch.rand(60) - 0.15, answers, s=5, color=RUST, alpha=0.5)
calm = our_norm(example)[0, unit].item()
axes.plot([-0.3, len(sizes) - 0.7], [calm, calm], color=BLUE)
axes.text(len(sizes) - 0.55, calm, "layer norm", color=BLUE, va="center")
axes.set_xticks(range(len(sizes)), sizes)
axes.set_xlabel("examples in the batch")
axes.set_title("One unit's answer to one example (dots: batch norm)", fontsize=12, loc="left")
plt.show()

# %% [markdown]
# In a batch of two, batch norm does to each unit what section 2 did to two sums: plus one or minus
# one (where two sums nearly meet, the epsilon of the next section has a say). Larger batches are
# calmer, but never quite still.
#
# ## 6. Epsilon
#
# Equal sums have variance 0. So that nobody divides by 0, every implementation adds a small epsilon
# to the variance, inside the root: $\sigma = \sqrt{\text{variance} + \epsilon}$. The paper's equations
# have none. PyTorch takes $10^{-5}$, which sounds like nothing. From what size of sums on does it
# matter? Inside a root, mind. Predict, then look where the curve bends.

# %% alt="Standard deviation of the output against that of the sums, both on logarithmic scales: flat at one for large sums, falling in proportion below 0.003."
pattern = normalise(torch.randn(64))
spreads = torch.logspace(-6, 1, 50)
ones, zeros = torch.ones(64), torch.zeros(64)
left = [layer_norm(spread * pattern, ones, zeros, 1e-5).std(correction=0) for spread in spreads]
figure, axes = plt.subplots(figsize=(4.4, 2.7))
axes.loglog(spreads, left, color=BLUE)
axes.axvline(math.sqrt(1e-5), color=INK, linestyle=":")
axes.text(math.sqrt(1e-5) * 1.4, 1e-3, r"$\sqrt{\epsilon}$", va="center")
axes.set_xlabel("that of the sums")
axes.set_title("Standard deviation of the output", fontsize=12, loc="left")
plt.show()
at_root = layer_norm(math.sqrt(1e-5) * pattern, ones, zeros, 1e-5).std(correction=0).item()
print(
    f"root of epsilon: {math.sqrt(1e-5):.4f}; output there: {at_root:.3f}, which squared is one half"
)
show("equal sums", layer_norm(torch.full((4,), 7.0), ones[:4], zeros[:4], 1e-5))

# %% [markdown]
# Below $\sqrt{\epsilon}$, sums are no longer brought to one size: there the norm only multiplies by a
# constant, and all that section 3 found about scale is lost. Equal sums give zeros, not an error.
#
# ## 7. Weights that grow, steps that shrink
#
# Take a layer of weights W with the norm right behind it. Doubling W changes no output. Predict before
# you run: what does doubling W do to the gradient by W? And what is the dot product of that gradient
# with W?

# %%
x, w, target = torch.randn(32, 10), torch.randn(8, 10), torch.randn(32, 8)


def gradient_at(w):
    """Loss and gradient by the weights of one layer with layer norm, without epsilon."""
    w = w.clone().requires_grad_()
    loss = (normalise(x @ w.T).tanh() - target).square().mean()
    return loss.item(), torch.autograd.grad(loss, w)[0]


for factor in (1, 2, 10):
    loss, gradient = gradient_at(factor * w)
    print(
        f"W times {factor:>2}: loss {loss:.4f}, length of the gradient {gradient.norm():.5f}, "
        f"with W {abs((gradient * w).sum()):.0e}"
    )

# %% [markdown]
# The output cannot see the length of W, so no gradient points along W; we knew it from section 4. Then
# by Pythagoras a step at a right angle makes W *longer*, every time. And for weights twice as long the
# gradient is half as long, while it takes twice as long a step to turn them by the same angle: the
# same learning rate turns them a quarter as far. Growing weights are a falling learning rate that
# nobody has set (Section 5.2 of the paper).
#
# Let us watch it. A small network learns the handwritten digits that come with scikit-learn: 8 by 8
# pixels, plain gradient descent, one constant rate. One copy is left alone. In the other one we put
# the weights back to their first length after each step, which changes no output.

# %%
torch.set_default_dtype(torch.float32)
digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).flatten(1) / 16
labels = torch.tensor(digits.target)


def digit_net(factor=1.0):
    """Two hidden layers with layer norm; `factor` makes the weights before the norms longer."""
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Linear(64, 64, bias=False), LayerNorm(64), nn.ReLU()),
        *(nn.Linear(64, 64, bias=False), LayerNorm(64), nn.ReLU()),
        nn.Linear(64, 10),
    )
    for layer in (net[0], net[3]):
        layer.weight.data *= factor
    return net


def learn(net, rate=0.7, steps=20 if SMOKE else 300, keep_length=False):
    """Gradient descent; return loss, length of the second W, and its turn in degrees, step by step."""
    normed = [net[0].weight, net[3].weight]
    first_lengths = [w.norm().item() for w in normed]
    optimiser = torch.optim.SGD(net.parameters(), rate)
    history = []
    for _ in range(steps):
        rows = torch.randint(len(images), (128,))
        loss = cross_entropy(net(images[rows]), labels[rows])
        optimiser.zero_grad()
        loss.backward()
        before = normed[1].detach().clone()
        optimiser.step()
        after = normed[1].detach()
        # The step is at a right angle to W, so the tangent of the turn is step over length.
        turn = math.degrees(math.atan2((after - before).norm().item(), before.norm().item()))
        if keep_length:
            for w, length in zip(normed, first_lengths, strict=True):
                w.data *= length / w.data.norm()
        history.append((loss.item(), normed[1].norm().item(), turn))
    return list(zip(*history, strict=True))


# %% alt="Three curves against step for two networks: when weights may grow they do, each step turns them less, and the loss falls; with their length kept they go on turning."
runs = {"left alone": learn(digit_net()), "length kept": learn(digit_net(), keep_length=True)}
figure, three_axes = plt.subplots(1, 3, figsize=(8.2, 2.5), layout="constrained")


def smooth(values, window=10):
    """The mean over `window` steps, to see the trend."""
    return torch.tensor(values).unfold(0, window, 1).mean(dim=1)


for (name, curves), colour in zip(runs.items(), (BLUE, RUST), strict=True):
    for axes, curve, title in zip(
        three_axes, curves, ("loss", "length of W", "degrees a step"), strict=True
    ):
        axes.plot(smooth(curve), color=colour, label=name)
        axes.set_title(title, fontsize=12, loc="left")
        axes.set_xlabel("step")
three_axes[1].legend(fontsize=10, loc="center right")
plt.show()
for name, (losses, lengths, turns) in runs.items():
    print(
        f"{name:<12} length of W {lengths[0]:.2f} to {lengths[-1]:.2f}; in the last 20 steps "
        f"loss {sum(losses[-20:]) / 20:.3f}, {sum(turns[-20:]) / 20:.2f} degrees a step"
    )
longer = [late > early for early, late in pairwise(runs["left alone"][1])]
print(f"left alone, W became longer in {sum(longer)} of {len(longer)} steps")

# %% [markdown]
# The same rate, the same outputs at the start. Where the weights may grow, they do, and they turn less
# and less. Where they may not, this rate stays too high: the weights go on turning, and the network does
# not settle.
#
# Predict before you run: we start the same network with these weights three times and ten times as
# long. By how many degrees does the first step turn them? And which one has learned most after all
# steps, at this rate? The first question has an exact answer.

# %%
lines = []
for factor in (1, 3, 10):
    losses, lengths, turns = learn(digit_net(factor))
    lines.append(
        f"times {factor:>2}: first loss {losses[0]:.4f}, first turn {turns[0]:.4f} degrees, "
        f"last loss {sum(losses[-20:]) / 20:.3f}"
    )
print(*lines, sep="\n")

# %% [markdown]
# The same loss, but a first turn smaller by (nearly) the square of the factor. Under a norm, the length
# of the weights is a part of the learning rate.
#
# ## 8. Two hundred steps
#
# A recurrent layer uses the same weights again at every step. If they enlarge what passes through them
# by a little, two hundred steps enlarge it by a lot; and the same holds for the gradient on its way
# back. Batch norm would need statistics of its own for each step, and a sequence that is longer than all
# before would have none. Layer norm takes each step as it comes. We run a random recurrent layer, with
# recurrent weights of four scales, and follow the gradient from the last state back.

# %% alt="Gradient norm against steps back for four weight scales, on a logarithmic scale: without the norm two lines rise and two fall, by many powers of ten; with it the two that rose stay near where they began, the other two still fall."
SCALES = (0.5, 1, 2, 4)


def gradient_back(scale, norm, steps=200):
    """Length of the last state's gradient by each state, on the way back."""
    torch.manual_seed(0)
    cell = RecurrentCell(8, 64)
    nn.init.normal_(cell.from_hidden.weight, std=scale / math.sqrt(64))
    cell.norm = cell.norm if norm else nn.Identity()
    cell = cell.double()  # the numbers become too large and too small for less
    h, states = torch.zeros(16, 64, dtype=torch.float64, requires_grad=True), []
    for x in torch.randn(steps, 16, 8, dtype=torch.float64):
        h = cell(x, h)
        states.append(h)
    end = (h @ torch.randn(64, dtype=torch.float64)).sum()
    gradients = torch.autograd.grad(end, states)
    return [g.norm().item() for g in reversed(gradients)]


figure, pair_of_axes = plt.subplots(1, 2, figsize=(6.4, 2.9), sharey=True)
lines = []
for axes, norm, title in zip(
    pair_of_axes, (False, True), ("without", "with layer norm"), strict=True
):
    for scale, style in zip(SCALES, (":", "-.", "--", "-"), strict=True):
        gradients = gradient_back(scale, norm)
        axes.semilogy(gradients, linestyle=style, color=BLUE if norm else RUST, label=f"{scale}")
        factor = (gradients[-1] / gradients[0]) ** (1 / (len(gradients) - 1))
        lines.append(f"{title:<15}  scale {scale:<3}  each step back: gradient times {factor:.2f}")
    axes.set_title(title, fontsize=12, loc="left")
    axes.set_xlabel("steps back")
pair_of_axes[0].set_ylabel("gradient")
pair_of_axes[1].legend(title="scale", fontsize=10, title_fontsize=10)
plt.show()
print(*lines, sep="\n")

# %% [markdown]
# Without the norm, each step back multiplies the gradient by a factor that grows with the weights, and
# two hundred steps make of it a gradient that bursts or one that vanishes. With the norm, doubling the
# weights from 2 to 4 changes little: it cannot see the scale of a sum. Not quite nothing, for the input
# is added before the norm, and small recurrent weights are drowned by it. So look also at what the norm
# does not do: it holds the bursting down, but with small weights the gradient still vanishes.
#
# ## 9. A layer norm in ten lines, then our file


# %%
class TenLines(nn.Module):
    """All of it, for the last axis."""

    def __init__(self, width):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, sums):
        deviation = sums - sums.mean(dim=-1, keepdim=True)
        variance = deviation.square().mean(dim=-1, keepdim=True)
        return self.gain * deviation / (variance + 1e-5).sqrt() + self.bias


# %% [markdown]
# Now change a line if you like: write your own. This cell compares it with
# `implementations/layernorm.py`, whose gradient is the one of section 4, written by hand, and with
# PyTorch.

# %%
x, back = torch.randn(32, 16).double(), torch.randn(32, 16).double()
gain, bias = torch.randn(16).double(), torch.randn(16).double()


def answers(norm):
    """Output, and gradients by input, gain and bias, with the same numbers for each norm."""
    norm = norm.double()
    inputs = x.clone().requires_grad_()
    parameters = list(norm.parameters())
    for parameter, values in zip(parameters, (gain, bias), strict=True):
        parameter.data.copy_(values)
    output = norm(inputs)
    return output, *torch.autograd.grad((output * back).sum(), [inputs, *parameters])


yours = answers(TenLines(16))
for name, norm in (("our file", LayerNorm(16)), ("PyTorch", nn.LayerNorm(16))):
    for what, one, other in zip(
        ("output", "by input", "by gain", "by bias"), yours, answers(norm), strict=True
    ):
        difference = (one - other).abs().max().item()
        print(f"{name:<10}{what:<10}largest difference {difference:.0e}")
        assert difference < 1e-10, f"{what} is not that of {name}"

# %% [markdown]
# ## Go on
#
# - Take a fault and see what finds it: `std()` for the root of the variance; epsilon outside of the root;
#   the mean over `dim=0`. Which of them would an input of width 1,000 have shown?
# - Leave the mean in and divide by the root of the mean square: RMSNorm, which many language models use
#   today. Which rows of section 3 change?
# - In section 7, replace `SGD` by `Adam`, or give the optimiser `weight_decay=0.01`. Do the weights
#   still grow? What does weight decay decay, if the output cannot see it?
# - Write the forward and the backward pass yourself, without autograd: the exercises of this project tell
#   you what is wrong.
