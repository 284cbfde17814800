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
# # Layers that may do nothing
#
# A network of 56 layers should be at least as good as one of 8: it could do the same in its first
# layers and nothing in the others. We train both and see that it is not so. Then we add a single plus
# sign, as "Deep Residual Learning for Image Recognition" (He et al., 2015) does, and take apart what it
# changes. Some cells ask you to predict what they will print. Do, and write it down before you run
# them. You need some Python and an idea of what a convolution is; the whole notebook runs in less than
# a minute on one core.

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
import inspect
import os

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy, pad

from implementations.resnet import PreActivationBlock, ResNet, cifar

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
        "svg.hashsalt": "resnet",
    }
)

# %% [markdown]
# ## 1. Deeper, and worse
#
# The task is small: handwritten digits of 8 by 8 pixels, which come with scikit-learn. Every fifth is
# held out.

# %%
digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16  # 1 colour, ink from 0 to 1
labels = torch.tensor(digits.target)
held_out = torch.arange(len(images)) % 5 == 4
train_images, train_labels = images[~held_out], labels[~held_out]
test_images, test_labels = images[held_out], labels[held_out]
print(f"{len(train_images)} pictures to learn from, {len(test_images)} held out")

# %% [markdown]
# A *block* is two convolutions, each followed by a batch norm; a ReLU stands between them and one at the
# end. A network is one convolution (the *stem*), three stages of n blocks, the mean over all pixels, and
# one linear layer. The second and the third stage halve the picture and double the channels. That makes
# 6n + 2 layers: n = 1 for 8 of them, n = 9 for 56.


# %%
def conv(c_in, c_out, stride=1):
    """Three by three; so started, gradients keep their size on their way back through it and its ReLU."""
    layer = nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


class Plain(nn.Module):
    def __init__(self, c_in, c_out, stride=1):
        super().__init__()
        first = conv(c_in, c_out, stride), nn.BatchNorm2d(c_out), nn.ReLU()
        self.layers = nn.Sequential(*first, conv(c_out, c_out), nn.BatchNorm2d(c_out))

    def forward(self, x):
        return self.layers(x).relu()


class Net(nn.Module):
    def __init__(self, block, n, width=8):
        super().__init__()
        self.stem = nn.Sequential(conv(1, width), nn.BatchNorm2d(width), nn.ReLU())
        stages = []
        for c_in, c_out in ((width, width), (width, 2 * width), (2 * width, 4 * width)):
            stages.append(block(c_in, c_out, c_out // c_in))  # twice the channels: half the picture
            stages += [block(c_out, c_out) for _ in range(n - 1)]
        self.blocks = nn.Sequential(*stages)
        self.classifier = nn.Linear(4 * width, 10)

    def forward(self, x):
        return self.classifier(self.blocks(self.stem(x)).mean(dim=(2, 3)))


# %% [markdown]
# Training: gradient descent with momentum, the same seed, batches and rate for every network. Batch norm
# keeps averages of its statistics for later use. Our training is so short that these lag behind, so at
# its end each norm looks once more at all training pictures.


# %%
def train(net, epochs=1 if SMOKE else 5, rate=0.1, batch=64):
    """Train in place; return the loss at every step."""
    torch.manual_seed(0)
    optimiser = torch.optim.SGD(net.parameters(), rate, momentum=0.9, weight_decay=1e-4)
    losses = []
    for _ in range(epochs):
        for rows in torch.randperm(len(train_images)).split(batch)[: 2 if SMOKE else 22]:
            loss = cross_entropy(net(train_images[rows]), train_labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    settle(net)
    return losses


@torch.no_grad()
def settle(net):
    """Give every norm the statistics of all training pictures."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # what is seen now replaces what was kept
    net.train()(train_images)
    net.eval()


@torch.no_grad()
def right(net, pictures=test_images, answers=test_labels):
    """The share of pictures that a network names."""
    return (net.eval()(pictures).argmax(dim=1) == answers).float().mean().item()


def made(block, n):
    """A new network; the same kind starts from the same weights."""
    torch.manual_seed(0)
    return Net(block, n)


# %% [markdown]
# Predict before you run: the network of 8 layers reaches some loss on its *training* pictures. Will that
# of 56 layers end lower, at the same height, or higher?

# %% alt="Training loss against step for plain networks of 8 and 56 layers: the shallow one falls towards zero, the deep one stays high."
plain = {8: made(Plain, 1), 56: made(Plain, 9)}
curves = {("plain", depth): train(net) for depth, net in plain.items()}


def smooth(losses, window=5):
    """The mean over `window` steps, to see the trend."""
    return torch.tensor(losses).unfold(0, window, 1).mean(dim=1) if len(losses) > window else losses


def draw(axes, kind, colour):
    """Loss curves of both depths."""
    for depth, style in ((8, "--"), (56, "-")):
        curve = smooth(curves[kind, depth])
        axes.plot(curve, color=colour, linestyle=style, label=f"{depth} layers")
    axes.set_title(f"Training loss, {kind}", fontsize=12, loc="left")
    axes.set_xlabel("step")
    axes.legend(fontsize=10)


figure, axes = plt.subplots(figsize=(4.2, 2.6))
draw(axes, "plain", RUST)
plt.show()
lines = [
    f"{depth:>2} layers: right on {right(net, train_images, train_labels):.1%} of the training "
    f"pictures, {right(net):.1%} of the held-out ones"
    for depth, net in plain.items()
]
print(*lines, sep="\n")

# %% [markdown]
# This is the finding that the paper begins with. It is no over-fitting: the deep network is worse on
# the pictures that it was trained on. And it has the room to be as good. Proof: we take the trained
# network of 8 layers and stretch it to 56 by 24 blocks that we write by hand, so that each hands on what
# it gets. A kernel with a single 1 in its middle copies a picture, and a ReLU leaves alone what is not
# negative. Predict: what will it get right?


# %%
def copier(channels):
    """A plain block of which nothing but copying is left."""
    block = Plain(channels, channels)
    for layer in (block.layers[0], block.layers[3]):
        nn.init.dirac_(layer.weight)
    return block.eval()  # its norms have seen nothing: mean 0, variance 1


stretched = made(Plain, 1)
stretched.load_state_dict(plain[8].state_dict())
stages = [
    [block, *(copier(width) for _ in range(8))]
    for block, width in zip(stretched.blocks, (8, 16, 32), strict=True)
]
stretched.blocks = nn.Sequential(*(block for stage in stages for block in stage))
n_convolutions = sum(isinstance(module, nn.Conv2d) for module in stretched.modules())
print(f"{n_convolutions} convolutions and a linear layer: right on {right(stretched):.1%}")
print(f"the network of 8 layers it was made from: {right(plain[8]):.1%}")

# %% [markdown]
# So good weights exist, and training did not find them. To do nothing, a plain block must learn two
# kernels of exactly the right numbers. What if doing nothing were the easy thing?
#
# ## 2. A block by hand
#
# Let the block compute a *change*, and add its input back: $y = F(x) + x$. In place of pictures we
# take two numbers, and matrices in place of convolutions: $F(x) = W_2 \, \mathrm{relu}(W_1 x)$.

# %%
x = torch.tensor([1.0, 2.0])
w1 = torch.tensor([[1.0, -1.0], [0.0, 1.0]])
w2 = torch.tensor([[1.0, 0.0], [0.5, 1.0]])


def change(x, w1, w2):
    return w2 @ (w1 @ x).relu()


for name, factor in (
    ("the weights above", 1.0),
    ("a tenth of both", 0.1),
    ("all weights zero", 0.0),
):
    f = change(x, factor * w1, factor * w2)
    rounded = [[round(number, 2) for number in row.tolist()] for row in (f, f + x)]
    print(f"{name:<19} F(x) = {rounded[0]}   F(x) + x = {rounded[1]}")

# %% [markdown]
# Check the first line: $W_1 x$ is $(-1, 2)$, the ReLU makes it $(0, 2)$, and $W_2$ leaves that as it is.
# The smaller the weights, the nearer the block is to doing nothing. A plain block with small weights is
# near to forgetting everything.
#
# ## 3. When the shape changes
#
# Where a stage begins, F(x) has half the height and width, and twice the channels. $F(x) + x$ does not
# fit. The paper's option A needs no parameters: take every second pixel of every second row, and fill the
# new channels with zeros. A picture with one channel and 4 by 4 pixels becomes:


# %%
def shortcut(x, like):
    """Carry x to the shape of `like`: every second pixel where needed, new channels of zeros."""
    stride = x.shape[-1] // like.shape[-1]
    return pad(x[..., ::stride, ::stride], (0, 0, 0, 0, 0, like.shape[1] - x.shape[1]))


picture = torch.arange(16.0).view(1, 1, 4, 4)
carried = shortcut(picture, torch.zeros(1, 2, 2, 2))
print(picture[0, 0].int().tolist())
print("first channel ", carried[0, 0].int().tolist())
print("second channel", carried[0, 1].int().tolist())

# %% [markdown]
# Three of four pixels are not carried; the convolutions of the branch have to see to these.
#
# ## 4. One plus sign


# %%
class Residual(Plain):
    def forward(self, x):
        change = self.layers(x)
        return (change + shortcut(x, change)).relu()


# %% [markdown]
# Predict before you run: how many parameters more does the network of 56 layers have now? And its
# training loss?

# %% alt="Training loss against step, two panels: plain networks, where 56 layers stay high; residual networks, where 56 layers start high and fall nearly as low as 8."
residual = {8: made(Residual, 1), 56: made(Residual, 9)}
curves |= {("residual", depth): train(net) for depth, net in residual.items()}
figure, pair_of_axes = plt.subplots(1, 2, figsize=(7.2, 2.6), sharey=True)
for axes, kind, colour in zip(pair_of_axes, ("plain", "residual"), (RUST, BLUE), strict=True):
    draw(axes, kind, colour)
plt.show()


def count(net):
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in net.parameters())


lines = [
    f"{depth:>2} layers: plain {count(plain[depth]):,} parameters, residual {count(residual[depth]):,}; "
    f"right on {right(plain[depth]):.1%} and {right(residual[depth]):.1%} of the held-out pictures"
    for depth in (8, 56)
]
print(*lines, sep="\n")

# %% [markdown]
# The same parameters, the same start, the same batches, and now the 56 layers learn. On a task this
# small there is nothing for so many layers to win; that more layers make it *better*, as on ImageNet, is
# not to be seen here. What is gone is most of the harm.
#
# A block's parameters by hand: two convolutions of 3 · 3 · C · C weights and two norms of 2 C. The other
# two options of the paper do have parameters: B puts a 1×1 convolution and a norm where the shape
# changes, C in every block. How many will that be, for widths of 8, 16 and 32 and 9 blocks a stage?

# %%
block = residual[56].blocks[0]
print(f"one block of 8 channels: {count(block)} = {2 * 9 * 8 * 8} + {2 * 2 * 8}")
for option in "ABC":
    theirs = ResNet(cifar(56, width=8, shortcut=option, in_channels=1))
    print(
        f"option {option}: {count(theirs):,}, that is {count(theirs) - count(residual[56]):,} more than A"
    )
by_hand = (8 * 16 + 2 * 16) + (16 * 32 + 2 * 32)
print(f"B by hand: {by_hand}")

# %% [markdown]
# ## 5. The direct path
#
# Take the first stage of a new residual network, 9 blocks, and switch all its branches off: the gain of
# the last norm of each becomes 0. Do the same to a plain one. Predict: what comes out of each? And if we
# send a gradient back from the end, what arrives at the beginning?


# %%
def silenced(block):
    """One stage of which every branch gives zeros."""
    stage = made(block, 9).blocks[:9]
    for part in stage:
        nn.init.zeros_(part.layers[-1].weight)
    return stage


x = torch.rand(
    16, 8, 8, 8, requires_grad=True
)  # 16 pictures, 8 channels; not negative, as after a ReLU
sent = torch.randn(16, 8, 8, 8)
for block in (Plain, Residual):
    out = silenced(block)(x)
    (arrived,) = torch.autograd.grad(out, x, sent)
    print(
        f"{block.__name__:<9} output equals input: {torch.equal(out, x)!s:<6} "
        f"gradient arrives as it was sent: {torch.equal(arrived, sent)!s:<6} "
        f"its length {arrived.norm():.1f}, sent {sent.norm():.1f}"
    )

# %% [markdown]
# The residual stage is the identity, forwards and backwards, to the last bit. A gradient that finds no way
# through the branches still finds this one. (Where a branch says something, the ReLU after the sum may
# yet cut it off at some pixels; section 6 mends that.)
#
# But it must be the identity. Suppose that each shortcut carried 0.9 x, or 1.1 x. Predict what is left of
# a gradient after 27 blocks of which the branches are silent.

# %%
for scale in (0.9, 1.0, 1.1):
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(27):
        y = scale * y
    print(f"shortcuts of {scale} x: the gradient times {torch.autograd.grad(y, x)[0].item():.2f}")

# %% [markdown]
# ## 6. Nothing but sums
#
# One thing still stands in the direct path: the ReLU after each addition. The next year the authors moved
# it into the branch, and the norm with it, both *before* the convolutions ("Identity Mappings in Deep
# Residual Networks", 2016). Between two blocks there is nothing but an addition then, so
#
# $$x_L = x_l + \sum_{i=l}^{L-1} F(x_i)$$
#
# We walk through a stack of 20 blocks of either kind, write down every change, and add them up. Predict:
# for which kind is the sum right, and how nearly?


# %%
class PreActivation(nn.Module):
    """For blocks that keep their shape."""

    def __init__(self, channels):
        super().__init__()
        first = nn.BatchNorm2d(channels), nn.ReLU(), conv(channels, channels)
        second = nn.BatchNorm2d(channels), nn.ReLU(), conv(channels, channels)
        self.layers = nn.Sequential(*first, *second)

    def forward(self, x):
        return x + self.layers(x)


torch.manual_seed(0)
stacks = {
    "ReLU after the sum": [Residual(8, 8).double() for _ in range(20)],
    "pre-activation": [PreActivation(8).double() for _ in range(20)],
}
start = torch.rand(16, 8, 8, 8, dtype=torch.float64)
lines = []
for name, blocks in stacks.items():
    x, changes = start, []
    with torch.no_grad():
        for block in blocks:
            changes.append(block.layers(x))
            x = block(x)
    apart = (x - (start + sum(changes))).abs().max().item()
    lines.append(f"{name:<20} the last x and the sum differ by up to {apart:.0e}")
print(*lines, sep="\n")

# %% [markdown]
# What holds for the numbers holds for their gradients. A loss E reaches $x_l$ directly, as it was at
# $x_L$, and once more through every branch:
#
# $$\frac{\partial E}{\partial x_l} = \frac{\partial E}{\partial x_L}
#   + \sum_{i=l}^{L-1} \left(\frac{\partial F(x_i)}{\partial x_i}\right)^{\!\top}
#   \frac{\partial E}{\partial x_{i+1}}$$

# %%
xs, changes = [start.clone().requires_grad_()], []
for block in stacks["pre-activation"]:
    changes.append(block.layers(xs[-1]))
    xs.append(xs[-1] + changes[-1])
gradients = torch.autograd.grad((xs[-1].tanh() ** 2).mean(), xs, retain_graph=True)
total = gradients[-1]
for x, f, after in zip(xs, changes, gradients[1:], strict=False):
    total = total + torch.autograd.grad(f, x, after, retain_graph=True)[0]
difference = (gradients[0] - total).abs().max() / gradients[0].abs().max()
print(f"gradient at the first block: autograd and the sum differ by {difference.item():.0e} of it")
assert difference < 1e-10

# %% [markdown]
# ## 7. Take a block out
#
# In a plain network each block works on what the one before has made. In a residual one, it adds
# something to a sum. What happens if we remove a block from a *trained* network, and train no more? A
# plain network of 56 layers has learned too little to lose anything; we train both kinds with 20.
# Predict: without one of its blocks, how much will each kind still get right? Blocks that change the
# shape stay.


# %% alt="Share of held-out digits named right without one block, for each block: the residual network stays close to its line for most, the plain one falls far below its own."
def without(net, index):
    """What a network gets right while one block hands on its input."""
    block, net.blocks[index] = net.blocks[index], nn.Identity()
    share = right(net)
    net.blocks[index] = block
    return share


pair = {"plain": made(Plain, 3), "residual": made(Residual, 3)}
removable = [0, 1, 2, 4, 5, 7, 8]
figure, axes = plt.subplots(figsize=(5.2, 2.8))
lines = []
for (name, net), colour, marker in zip(pair.items(), (RUST, BLUE), "so", strict=True):
    train(net)
    left = [without(net, index) for index in removable]
    axes.plot([index + 1 for index in removable], left, marker, color=colour)
    axes.axhline(right(net), color=colour, linestyle="--", linewidth=1)
    axes.text(9.4, left[-1], name, color=colour, va="center")
    lines.append(
        f"{name:<9} whole {right(net):.1%}; without one block {min(left):.1%} to {max(left):.1%}"
    )
axes.set_xticks(range(1, 10))
axes.set_ylim(0, 1.02)
axes.set_xlabel("block removed (lines: none)")
axes.set_title("Right on held-out pictures", fontsize=12, loc="left")
plt.show()
print(*lines, sep="\n")

# %% [markdown]
# A plain network is a chain, and breaks at any link. The residual one mostly goes on, for the rest of its
# sum is still there (Veit et al., 2016, count its paths: without a block, half of them are left). Which
# blocks does it miss most, and is it those that you expected? Is it a matter of how large a block's change
# is, beside what the shortcut carries?

# %%
x = pair["residual"].stem(test_images)
with torch.no_grad():
    for number, block in enumerate(pair["residual"].blocks):
        f = block.layers(x)
        carried = shortcut(x, f)
        size = (f.norm() / carried.norm()).item()
        print(f"block {number + 1}: |F(x)| is {size:.2f} of |x|  " + "#" * round(10 * size))
        x = (f + carried).relu()

# %% [markdown]
# Compare it with the figure. Is the block that is missed most the one that changes most? A large change
# need not be one that matters to the answer.
#
# ## 8. A ResNet in less than forty lines, then our file
#
# You have seen all of it. These are the parts:

# %%
functions = (
    conv,
    Plain.__init__,
    Plain.forward,
    Net.__init__,
    Net.forward,
    shortcut,
    Residual.forward,
)
total = 3 + sum(len(inspect.getsource(function).splitlines()) for function in functions)
print(f"conv, Plain, Net, shortcut and Residual: {total} lines")

# %% [markdown]
# Change a line if you like. This cell gives the weights of your trained network of 56 layers to
# `implementations/resnet.py`, one after the other, and compares what the two say. It does the same with
# a block of section 6.

# %%
theirs = ResNet(cifar(56, width=8, in_channels=1))
names, values = theirs.state_dict().keys(), residual[56].state_dict().values()
theirs.load_state_dict(dict(zip(names, values, strict=True)))
their_block = PreActivationBlock(8, 8, 1, theirs.config).double()
my_block = stacks["pre-activation"][0]
names, values = their_block.state_dict().keys(), my_block.state_dict().values()
their_block.load_state_dict(dict(zip(names, values, strict=True)))
with torch.no_grad():
    network = (theirs.eval()(test_images) - residual[56].eval()(test_images)).abs().max().item()
    block = (their_block.train()(start) - my_block.train()(start)).abs().max().item()
print(f"56 layers: logits differ by up to {network:.0e}; pre-activation: by up to {block:.0e}")
assert network < 1e-4
assert block < 1e-10

# %% [markdown]
# ## Go on
#
# - Is it only the learning rate? Train the plain network of 56 layers with `rate=0.01` and `rate=0.3`, or
#   for more epochs. Does it ever catch up with its residual twin?
# - In section 7, call `settle` while a block is out, and again when it is back. How much of the plain
#   network's loss was only that its norms expected other statistics?
# - Remove two blocks, three, all but the ones that change the shape. Swap two neighbours.
# - Start every residual block as in section 5, with the last gain at 0, and train. Does the loss of the
#   first steps change?
# - Write all this yourself, bottlenecks and options B and C included: the exercises of this project tell
#   you what is wrong.
