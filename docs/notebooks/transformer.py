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
# # Attention from nothing
#
# We build the attention of "Attention Is All You Need" (Vaswani et al., 2017) in seven small steps,
# look at each, and end with a translator of number words that we train on the spot: from
# *three hundred and forty-five* to *dreihundertfünfundvierzig*. Then we switch off its heads, one at
# a time, to see what each of them is good for. You need some Python and an idea of what a matrix
# product is; the whole notebook runs in less than a minute on one core.

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
import re
from contextlib import contextmanager

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import LinearSegmentedColormap
from num2words import num2words
from torch.nn.functional import cross_entropy

from implementations.transformer import (
    Transformer,
    TransformerConfig,
    attention,
    causal,
    greedy,
    positions,
)

torch.set_num_threads(1)
torch.manual_seed(0)
SMOKE = os.environ.get("DLP_SMOKE") == "1"  # a short run, to see whether everything still works

# Greys and hues of middle brightness: they can be read on white and on black.
INK, BLUE, RUST = "#7c7c7c", "#5b78d6", "#cf6a35"
WEIGHT = LinearSegmentedColormap.from_list("weight", [BLUE + "00", BLUE])
plt.rcParams.update(
    {
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
        **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor"), INK),
        **dict.fromkeys(("xtick.color", "ytick.color", "axes.titlecolor"), INK),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "font.size": 12,
        "legend.frameon": False,
        "svg.hashsalt": "attention",
    }
)


def show_weights(axes, weights, rows, columns, title):
    """Draw weights as a table: the fuller the blue, the larger the weight."""
    axes.imshow(weights, cmap=WEIGHT, vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=12)


# %% [markdown]
# ## 1. A look-up that mixes
#
# A dictionary finds the one key that equals the query, and returns its value. That is all or
# nothing, so nothing about it can be learned by small steps. Let us soften it. Keys and queries
# become vectors, and how well they fit becomes a number: their dot product.

# %%
names = ["one", "two", "twenty", "thirty"]
keys = torch.tensor([[1.0, 0.2], [0.9, -0.3], [-0.2, 1.0], [0.3, 0.9]])  # (unit-like, tens-like)
query = torch.tensor([0.0, 4.0])  # "is there a word for the tens?"

scores = keys @ query
for name, score in zip(names, scores.tolist(), strict=True):
    print(f"{name:>7}  {score:5.1f}")

# %% [markdown]
# The softmax turns scores into weights: all positive, with sum 1. The answer is the mean of the
# values under these weights. If one key fits much better than the others, this is the old look-up
# again; if several fit, their values are mixed.

# %%
values = torch.tensor([1.0, 2.0, 20.0, 30.0])
weights = scores.softmax(dim=0)
for name, weight in zip(names, weights.tolist(), strict=True):
    print(f"{name:>7}  {weight:.2f}  " + "#" * round(40 * weight))
print(f"answer: {(weights @ values).item():.1f}")

# %% [markdown]
# ## 2. All queries at once
#
# A sentence asks many questions at once. Stack the queries as rows of $Q$, the keys as rows of $K$
# and the values as rows of $V$; then $QK^\top$ holds the score of each query for each key, and the
# softmax goes along each row.
#
# Where do they come from? From the words themselves: each word is a vector of features, and three
# matrices make of it what it looks for, what it can be found by, and what it hands over. Nobody
# writes these matrices; they are what training finds. Here they are random.


# %%
def first_attention(q, k, v):
    """Attention as we have it so far."""
    weights = (q @ k.T).softmax(dim=-1)
    return weights @ v, weights


asking, asked = torch.randn(3, 8), torch.randn(5, 8)  # 3 words that ask 5 others, 8 features each
w_q, w_k, w_v = torch.randn(3, 8, 8) / math.sqrt(8)
mixed, weights = first_attention(asking @ w_q, asked @ w_k, asked @ w_v)
print("mixed", tuple(mixed.shape), " weights", tuple(weights.shape))
print("each row of weights sums to", [round(total, 4) for total in weights.sum(dim=-1).tolist()])

# %% [markdown]
# ## 3. Why the scores are divided by $\sqrt{d_k}$
#
# A dot product of $d_k$ random numbers with mean 0 and variance 1 has variance $d_k$. Wide vectors
# therefore have large scores, and a softmax of large scores gives nearly everything to one key. It
# has made up its mind before it has learned anything, and hardly any gradient flows through it. Let
# us look at the largest of 16 weights, for random queries and keys.

# %% alt="Largest of 16 softmax weights against the width of the queries: without the root it rises to nearly one, with it it stays low."
widths = [1, 4, 16, 64, 256, 1024]
largest = {"as they are": [], "divided by $\\sqrt{d_k}$": []}
for d_k in widths:
    scores = torch.randn(500, 1, d_k) @ torch.randn(500, d_k, 16)
    for label, divisor in zip(largest, (1.0, math.sqrt(d_k)), strict=True):
        largest[label].append((scores / divisor).softmax(dim=-1).amax(dim=-1).mean().item())

figure, axes = plt.subplots(figsize=(4.4, 2.7))
for (label, heights), colour, marker in zip(largest.items(), (RUST, BLUE), "so", strict=True):
    axes.plot(widths, heights, color=colour, marker=marker)
    axes.text(widths[-1] * 1.25, heights[-1], label, color=colour, va="center")
axes.set_xscale("log", base=2)
axes.set_ylim(0, 1)
axes.set_xlabel("width $d_k$")
axes.set_title("Largest of 16 weights", fontsize=12, loc="left")
plt.show()

# %% [markdown]
# Divided by $\sqrt{d_k}$, the scores keep their variance at every width, and the softmax stays
# undecided until training decides. This is Eq. 1 of the paper:
#
# $$\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{QK^\top}{\sqrt{d_k}}\right) V$$
#
# ## 4. Not looking at the answer
#
# A translator writes one word after the other. In training we have the whole sentence and want to
# learn from all its words at once; so each position must be kept from looking at later ones. Where
# a query may not look, the score becomes hugely negative *before* the softmax, and the weight 0.


# %% alt="Two heat maps of weights over four words: without a mask every cell has some, with the causal mask the upper right triangle is empty."
def masked_attention(q, k, v, visible):
    """Attention with scaling and a mask; True where a query may look."""
    scores = q @ k.T / math.sqrt(q.shape[-1])
    weights = scores.masked_fill(~visible, -math.inf).softmax(dim=-1)
    return weights @ v, weights


words = ["<start>", "ein", "und", "zwanzig"]
q, k, v = torch.randn(4, 8), torch.randn(4, 8), torch.randn(4, 8)
everything = torch.ones(4, 4, dtype=torch.bool)
figure, pair_of_axes = plt.subplots(1, 2, figsize=(5.2, 2.5), sharey=True)
for axes, visible, title in zip(
    pair_of_axes, (everything, everything.tril()), ("no mask", "causal mask"), strict=True
):
    show_weights(axes, masked_attention(q, k, v, visible)[1], words, words, title)
plt.show()

# %% [markdown]
# A row is a query, a column a key. With the mask, the first word sees only itself, and each later
# one sees one more.
#
# ## 5. Several heads
#
# A softmax has one weight per key, so a query that needs two words gets a blend of both, in which
# it can no longer tell which was which. The way out: cut the features into pieces, the *heads*, and
# let each piece attend for itself.


# %% alt="Heat maps of two heads over the same four words: different weights, both empty above the diagonal."
def multi_head(q, k, v, visible, n_heads):
    """Attention in each of `n_heads` slices of the features, put side by side again."""
    slices = [x.chunk(n_heads, dim=-1) for x in (q, k, v)]
    heads = [masked_attention(*parts, visible) for parts in zip(*slices, strict=True)]
    return torch.cat([mixed for mixed, _ in heads], dim=-1), [weights for _, weights in heads]


mixed, weights = multi_head(q, k, v, everything.tril(), n_heads=2)
figure, pair_of_axes = plt.subplots(1, 2, figsize=(5.2, 2.5), sharey=True)
for number, axes in enumerate(pair_of_axes):
    show_weights(axes, weights[number], words, words, f"head {number + 1}")
plt.show()

# %% [markdown]
# This is what `implementations/transformer.py` computes; there all heads of all sentences of a
# batch go through one matrix product. The two agree:

# %%
heads = [x.view(4, 2, 4).transpose(0, 1)[None] for x in (q, k, v)]  # 1 sentence, 2 heads, 4 words
theirs, _ = attention(*heads, causal(4))
difference = (theirs[0].transpose(0, 1).flatten(1) - mixed).abs().max().item()
print(f"largest difference: {difference:.0e}")
assert difference < 1e-6

# %% [markdown]
# ## 6. Where is a word?
#
# Nothing so far knows about order. Shuffle the words, and the answers are shuffled in the same way:

# %%
order = torch.tensor([2, 0, 3, 1])
before, _ = multi_head(q, k, v, everything, n_heads=2)
after, _ = multi_head(q[order], k[order], v[order], everything, n_heads=2)
print("the same answers, shuffled:", torch.allclose(before[order], after, atol=1e-6))

# %% [markdown]
# But *one hundred and two* is not *two hundred and one*. So each position gets a pattern of its
# own, sines and cosines from fast to slow, which is added to the word's vector. It works like the
# digits of a number: the first features change with every step, the last ones hardly at all.

# %% alt="The positional code as a picture: fast waves in the first features, slow ones in the last."
figure, axes = plt.subplots(figsize=(4.6, 2.6))
SIGNED = LinearSegmentedColormap.from_list("signed", [RUST, RUST + "00", BLUE + "00", BLUE])
axes.imshow(positions(24, 32), cmap=SIGNED, vmin=-1, vmax=1, aspect="auto")
axes.set_xlabel("feature")
axes.set_ylabel("position")
axes.set_title("Positions: blue +1, rust \N{MINUS SIGN}1", fontsize=12, loc="left")
plt.show()

# %% [markdown]
# ## 7. A translator
#
# The Transformer stacks these parts. An encoder reads the English words, each looking at all
# others. A decoder writes the German ones: it looks at what it has written (with the causal mask)
# and, by a second attention, at the English words. Between attentions, every position passes a
# small network of its own. No part replaces what came in: each adds its answer to it, and a norm
# keeps the sum at the same size.
#
# The task: number words up to 999. German says units before tens, *ein-und-zwanzig*, so it will not
# do to go from left to right. A German number is one long word; we cut it into its parts.

# %%
atoms = {num2words(n, lang="de") for n in [*range(21), *range(30, 100, 10)]}
atoms |= {"ein", "und", "hundert"}
ATOM = re.compile("|".join(sorted(atoms, key=len, reverse=True)))  # the longest part first


def translation(n):
    """One number in English and in German, as lists of words."""
    return num2words(n).replace("-", " ").split(), ATOM.findall(num2words(n, lang="de"))


pairs = [translation(n) for n in range(1000)]
print(pairs[21], pairs[345], sep="\n")
assert all("".join(german) == num2words(n, lang="de") for n, (_, german) in enumerate(pairs))

# %%
PAD, START, END = 0, 1, 2
vocabulary = ["<pad>", "<start>", "<end>"]
vocabulary += sorted({word for pair in pairs for side in pair for word in side})
token = {word: number for number, word in enumerate(vocabulary)}


def batch(rows):
    """Lists of words as one table of token numbers, short rows filled up with padding."""
    tokens = [torch.tensor([token[word] for word in row]) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=PAD)


shuffled = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0)).tolist()
held_out, train = shuffled[:200], shuffled[200:]  # no held-out number is trained on
english = batch([pairs[n][0] for n in train])
german = batch([["<start>", *pairs[n][1], "<end>"] for n in train])
print(f"{len(vocabulary)} words, {len(train)} pairs to learn from, {len(held_out)} held out")

# %% [markdown]
# Training: at every position, guess the next word; all positions of all sentences at once. The loss
# is the surprise at the right word.

# %% alt="Training loss against step on a logarithmic scale: it falls by orders of magnitude."
config = TransformerConfig(
    len(vocabulary), d_model=64, n_heads=4, d_ff=128, n_layers=1, dropout=0.0, context=16
)
model = Transformer(config)
steps = 20 if SMOKE else 300
optimiser = torch.optim.Adam(model.parameters(), betas=(0.9, 0.98))
schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=5e-3, total_steps=steps)
losses = []
for _ in range(steps):
    rows = torch.randint(len(english), (64,))
    logits = model(english[rows], german[rows, :-1])
    loss = cross_entropy(logits.flatten(0, 1), german[rows, 1:].flatten(), ignore_index=PAD)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    schedule.step()
    losses.append(loss.item())

figure, axes = plt.subplots(figsize=(4.4, 2.4))
axes.semilogy(losses, color=BLUE)
axes.set_xlabel("step")
axes.set_title("Loss", fontsize=12, loc="left")
plt.show()


# %%
def translate(rows):
    """Translate lists of English words; return lists of German words."""
    start = torch.full((len(rows),), START)
    written = greedy(model.eval(), batch(rows), start, END, max_length=10)
    return [[vocabulary[t] for t in row if t not in (PAD, END)] for row in written.tolist()]


found = translate([pairs[n][0] for n in held_out])
right = [words == pairs[n][1] for n, words in zip(held_out, found, strict=True)]
for n, words in list(zip(held_out, found, strict=True))[:6]:
    print(f"{n:>4}  {' '.join(pairs[n][0]):<32}  {''.join(words)}")
print(f"\nright to the last letter: {sum(right)} of {len(right)} numbers that it has never seen")

# %% [markdown]
# And the others? Nine tenths of the numbers below 1,000 have three digits, so the translator has seen
# few short ones.

# %%
for n, words, fine in zip(held_out, found, right, strict=True):
    if not fine:
        print(f"{n:>4}  {' '.join(pairs[n][0]):<32}  {''.join(words)}")

# %% [markdown]
# ## Where does it look?
#
# When the decoder writes a German word, its second attention gives every English word a weight. We
# listen to that module, and draw the mean over its four heads. A row is the German word about to be
# written.


# %% alt="Heat map of cross-attention while the German number 345 is written from the English one, mean over the heads."
def looks(module, n):
    """Where the heads of one attention look while n is translated: heads, queries, keys."""
    heard = []
    handle = module.register_forward_hook(
        lambda module, inputs, output: heard.append(module.weights(*inputs))
    )
    source, target = pairs[n]
    with torch.no_grad():
        model(batch([source]), batch([["<start>", *target]]))
    handle.remove()
    return heard[0][0]


source, target = pairs[345]
cross = model.decoder[-1].cross_attention
figure, axes = plt.subplots(figsize=(3.8, 3.2))
show_weights(axes, looks(cross, 345).mean(dim=0), [*target, "<end>"], source, "")
plt.show()

# %% [markdown]
# Follow the blue from row to row: the look that goes with *fünf* and the one that goes with
# *vierzig* have changed places. Nobody told the model which word belongs to which. Mind that a
# weight says where a head looked, not what it did with what it saw; and the encoder has already
# mixed the words before the decoder looks at them.
#
# ## What is a head good for?
#
# To find out, switch it off: its part of the answer becomes zero, everything else stays. The
# translator has three attentions with four heads each. Guess before you look: how many of the twelve
# can it do without, one at a time?


# %% alt="Numbers translated right with one head switched off, for twelve heads in three attentions, beside a line for all heads on."
@contextmanager
def without(module, head):
    """Let one head say nothing: inside the block, its columns of the output matrix are zero."""
    columns = module.output.weight.data.unflatten(1, (module.n_heads, -1))[:, head]
    kept = columns.clone()
    columns.zero_()
    try:
        yield
    finally:
        columns.copy_(kept)


attentions = {
    "English looks at English": model.encoder[-1].self_attention,
    "German looks at German": model.decoder[-1].self_attention,
    "German looks at English": cross,
}
left = {}
for name, module in attentions.items():
    for head in range(module.n_heads):
        with without(module, head):
            written = translate([pairs[n][0] for n in held_out])
        left[name, head] = sum(
            words == pairs[n][1] for n, words in zip(held_out, written, strict=True)
        )

figure, axes = plt.subplots(figsize=(4.4, 3.4))
places = [5.5 * (number // 4) + number % 4 for number in range(len(left))]
axes.barh(places, list(left.values()), color=BLUE)
axes.axvline(sum(right), color=RUST, linestyle="--")
for name, place in zip(attentions, (0, 5.5, 11), strict=True):
    axes.text(0, place - 0.55, name, va="bottom")
axes.set_yticks(places, [str(head + 1) for _, head in left])
axes.set_ylim(14.7, -1.6)
axes.set_xlabel(f"right without this head, of {len(held_out)} (line: all heads on)")
axes.set_ylabel("head switched off")
plt.show()

# %% [markdown]
# Some heads can be spared, be it that others do the same, be it that they do nothing; one head off at
# a time can't tell. Without others, much goes wrong. Train again with another seed, and it may be
# other heads. This is what the translator writes without the one that it misses most:

# %%
name, head = min(left, key=left.get)
with without(attentions[name], head):
    written = translate([pairs[n][0] for n in held_out])
print(f"without head {head + 1} of the four by which {name}:")
broken = [
    (n, words)
    for n, words, fine in zip(held_out, written, right, strict=True)
    if fine and words != pairs[n][1]
]
for n, words in broken[:8]:
    print(f"{n:>4}  {' '.join(words)}")

# %% [markdown]
# What has gone wrong: is a word missing, in the wrong place, written twice? From that you learn what
# the head was for. Its map tells you less. Here it is, beside that of the head in the same attention
# that is missed least. Would you have known which is which?

# %% alt="Two heat maps for the number 345: the head that the translator misses most, and the one of the same attention that it misses least."
kinds = {
    "English looks at English": (source, source),
    "German looks at German": ([*target, "<end>"], ["<start>", *target]),
    "German looks at English": ([*target, "<end>"], source),
}
spare = max(range(4), key=lambda other: left[name, other])
figure, pair_of_axes = plt.subplots(1, 2, figsize=(5.6, 2.8), sharey=True)
for axes, number, title in zip(
    pair_of_axes, (head, spare), ("missed most", "missed least"), strict=True
):
    show_weights(axes, looks(attentions[name], 345)[number], *kinds[name], title)
plt.show()

# %% [markdown]
# ## Go on
#
# - Set `n_heads=1`, or take out the positions with `model.positions.zero_()` before training. What
#   is lost, and in which numbers?
# - Let the decoder see the future: `import implementations.transformer as t` and
#   `t.causal = lambda length, device=None: torch.ones(1, 1, length, length, dtype=torch.bool)`, then
#   train again. The loss becomes excellent. And the translations?
# - Write all this yourself, from the look-up to the search for the best translation: the exercises of
#   this project tell you what is wrong. Their last problem is open: find out what one head does.
