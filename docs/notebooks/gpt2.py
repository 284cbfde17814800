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
# # A GPT in sixty lines, then our file
#
# We write a GPT-2 in sixty lines, let it read what PyTorch says about itself, and make it write. Then we
# take it apart: how text becomes bytes and bytes become tokens, what the cache keeps, what temperature,
# top-k and nucleus do to a distribution, and why branches start small. At the end your sixty lines and
# `implementations/gpt2.py` get the same weights and must say the same. Some cells ask you to predict what
# they print; write it down first. It takes about a minute on one core.

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
import math
import os
import time

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F

from implementations.gpt2 import (
    GPT2,
    ByteTokenizer,
    Generation,
    generate,
    next_token,
)
from implementations.transformer import TransformerConfig

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
        "svg.hashsalt": "gpt2",
    }
)

# %% [markdown]
# ## 1. Something to read
#
# A language model needs text. PyTorch is installed, and its functions describe themselves.

# %%
told = {
    inspect.cleandoc(thing.__doc__)
    for module in (torch, torch.Tensor, torch.nn, torch.nn.functional, torch.optim, torch.linalg)
    for thing in vars(module).values()
    if isinstance(getattr(thing, "__doc__", None), str) and len(thing.__doc__) > 300
}
texts = sorted(told)
print(
    f"{len(texts)} texts, {sum(map(len, texts)) / 1e6:.1f} million characters; one of them begins:"
)
print(next(text for text in texts if text.startswith("Applies the element-wise"))[:150])

# %% [markdown]
# A model reads numbers. The simplest way: every text is a sequence of **bytes**, and a byte is a number
# below 256. No character of any language is unknown.

# %%
corpus = torch.tensor(list("\n\n".join(texts).encode()))
train, valid = corpus[: len(corpus) * 9 // 10], corpus[len(corpus) * 9 // 10 :]
print(f"{len(train):,} bytes to learn from; é is {list('é'.encode())}, 京 is {list('京'.encode())}")

# %% [markdown]
# ## 2. Sixty lines
#
# Token and position embeddings; blocks of attention and a small network, each behind a norm, each *added*
# to what was there; one last norm; and the embeddings once more, to score the next token. Read the
# `forward` methods; everything else is bookkeeping.


# %%
class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # B T D -> B H T K

    def forward(self, x):
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(-1)
        return self.output((weights @ v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.attention(self.norm_1(x))
        return x + self.contract(F.gelu(self.expand(self.norm_2(x)), approximate="tanh"))


class SmallGPT(nn.Module):
    def __init__(self, vocabulary, context, layers, heads, width):
        super().__init__()
        self.context = context
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                last = name.endswith(("output.weight", "contract.weight"))
                small = math.sqrt(2 * layers) if last else 1
                nn.init.normal_(weight, std=0.02 * math.sqrt(768 / width) / small)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.tokens.weight.T

    @torch.no_grad()
    def write(self, tokens, count):
        for _ in range(count):
            logits = self(tokens[:, -self.context :])[:, -1]
            tokens = torch.cat([tokens, logits.softmax(-1).multinomial(1)], dim=1)
        return tokens


# %% [markdown]
# ## 3. Reading
#
# Each position is asked for the byte that follows. **Predict**: before training, what is the loss about?
# (There are 256 bytes.)


# %%
def batch(data, rows=12, length=64):
    first = torch.randint(len(data) - length, (rows, 1))
    return data[first + torch.arange(length + 1)]


def loss_of(model, tokens):
    return F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())


model = SmallGPT(vocabulary=256, context=64, layers=3, heads=4, width=64)
updates = torch.optim.AdamW(model.parameters(), lr=4e-3)
steps, curve, begun = 5 if SMOKE else 500, [], time.time()
print(f"log 256 = {math.log(256):.2f}; before training {loss_of(model, batch(train)).item():.2f}")
for step in range(steps):
    for group in updates.param_groups:
        group["lr"] = 4e-3 * min((step + 1) / 40, 0.5 + 0.5 * math.cos(math.pi * step / steps))
    loss = loss_of(model, batch(train))
    updates.zero_grad()
    loss.backward()
    updates.step()
    curve.append(loss.item())

with torch.no_grad():
    unseen = sum(loss_of(model, batch(valid)).item() for _ in range(20)) / 20
print(f"{steps} steps: {unseen:.2f} nats on unseen text, {unseen / math.log(2):.2f} bits per byte")

# %% alt="Training loss against steps: it starts at an even guess and falls, steeply at first."
figure, axes = plt.subplots(figsize=(6, 2.8))
every = max(1, steps // 50)
means = [sum(curve[i : i + every]) / every for i in range(0, steps, every)]
axes.plot([every * (i + 0.5) for i in range(len(means))], means, color=BLUE)
axes.axhline(math.log(256), color=INK, linewidth=1)
axes.text(steps, math.log(256) - 0.35, "an even guess", color=INK, ha="right")
axes.set(xlabel="step", ylabel="loss, nats a byte", ylim=(1, 6))
plt.show()

# %%
prompt = torch.tensor([list(b"Returns a tensor")])
print(bytes(model.write(prompt, 20 if SMOKE else 250)[0].tolist()).decode(errors="replace"))

# %% [markdown]
# It spells, and it has seen how such a text looks. It has no idea what a tensor is.
#
# ## 4. Bytes become tokens
#
# A byte is little to look at. GPT-2 joins bytes that often stand together. Two rules: the most frequent
# pair is joined first, and no merge crosses the cuts of a pattern that keeps letters, digits and the rest
# apart.

# %%
tokenizer = ByteTokenizer.learn(texts[:: 20 if SMOKE else 3], 100 if SMOKE else 400)
print("first merges:", [(a + b).decode() for a, b in tokenizer.merges[:12]])
for text in ("Returns a tensor with the same shape.", "naïve café, 北京, 👍"):
    tokens = tokenizer.encode(text)
    pieces = [tokenizer.symbols[token].decode(errors="backslashreplace") for token in tokens]
    print(f"{len(text.encode())} bytes, {len(tokens)} tokens: {pieces}")
    assert tokenizer.decode(tokens) == text

# %% [markdown]
# The second text was never seen, and still every byte of it is there. **Predict**: without the pattern,
# what would the merges look like?

# %%
free = ByteTokenizer.learn(
    [line for text in texts[::20] for line in text.split("\n")], 60, "(?s).+"
)
print([(a + b).decode() for a, b in free.merges if not (a + b).decode().strip().isalpha()][:15])

# %% [markdown]
# Words with a full stop, a comma, a bracket: places in the vocabulary that say nothing new.
#
# ## 5. The cache
#
# `model.write` computes all positions again for each new byte. But nothing looks ahead, so what an old
# position computed stays true. Ours keeps keys and values of the past. **Predict**: by how much may the
# logits differ?

# %%
config = TransformerConfig(
    vocab_size=256, d_model=64, n_heads=4, d_ff=256, n_layers=3, dropout=0.0, context=64
)
ours = GPT2(config)
text = batch(valid, rows=1)[:, :60]
whole = ours(text)
under_way = Generation(ours)
worst = 0.0
for place in range(60):
    logits = under_way.step(text[:, place : place + 1])
    worst = max(worst, (logits - whole[:, place]).abs().max().item())
print(f"largest difference over 60 positions: {worst:.0e}")
assert worst < 1e-4

# %% [markdown]
# What if the new token is told that it stands at position 0?

# %%
wrong = Generation(ours)
right_embed = wrong.model.embed
wrong.model.embed = lambda tokens, first=0: right_embed(tokens)
for place in range(60):
    logits = wrong.step(text[:, place : place + 1])
print(f"with positions that are not moved along: {(logits - whole[:, -1]).abs().max().item():.2f}")

# %% [markdown]
# Training never shows this bug: it feeds whole texts, without a cache.
#
# ## 6. From a distribution to a text
#
# The model says how likely each byte is. What we do with that is our choice.


# %% alt="Probabilities of the likeliest next bytes: as they are, at half the temperature, and cut by top-k and by nucleus."
with torch.no_grad():
    logits = model(prompt)[:, -1]
choices = {
    "as it is": {},
    "temperature 0.5": {"temperature": 0.5},
    "top-k, k = 5": {"k": 5},
    "nucleus, p = 0.9": {"p": 0.9},
}
order = logits[0].argsort(descending=True)[:14]
figure, rows = plt.subplots(4, 1, figsize=(6, 6), sharex=True, sharey=True)
for axes, (name, choice) in zip(rows, choices.items(), strict=True):
    chances = next_token(logits, **choice)[0]
    print(f"{name:<18}{(chances > 0).sum():4d} bytes possible, together {chances.sum():.4f}")
    axes.bar(range(14), chances[order], color=BLUE, width=0.7)
    axes.set_title(name, loc="left", fontsize=12)
rows[-1].set_xticks(range(14), [repr(chr(token))[1:-1] for token in order.tolist()])
rows[-1].set(xlabel="next byte, the likeliest first", ylabel="probability")
figure.tight_layout()
plt.show()

# %% [markdown]
# What is left always adds up to one: what is ruled out gets minus infinity *before* the softmax.
#
# ## 7. Why branches start smaller
#
# Each of the 2 L branches adds to the stream. **Predict**: with 32 blocks, how much larger is the stream's
# variance behind the last block than at the embeddings, with the factor 1 / √(2L) and without?

# %%
depths = [2, 4] if SMOKE else [2, 4, 8, 16, 32, 64]
growth = {"with": [], "without": []}
for depth in depths:
    for name, found in growth.items():
        torch.manual_seed(0)
        deep = GPT2(TransformerConfig(256, 64, 4, 256, depth, dropout=0.0, context=64))
        if name == "without":
            for block in deep.blocks:
                block.attention.output.weight.data *= math.sqrt(2 * depth)
                block.feed_forward.contract.weight.data *= math.sqrt(2 * depth)
        with torch.no_grad():
            x = deep.embed(text)
            start = x.var().item()
            for block in deep.blocks:
                x = block(x, deep.visible[:, :, :60, :60])
        found.append(x.var().item() / start)
    print(f"{depth:3d} blocks: with {growth['with'][-1]:.2f}, without {growth['without'][-1]:.1f}")

# %% alt="Variance of the stream, end over start, against blocks: flat with the smaller start, growing without."
figure, axes = plt.subplots(figsize=(6, 2.8))
for (name, found), colour in zip(growth.items(), (BLUE, RUST), strict=True):
    axes.loglog(depths, found, "o-", color=colour)
    axes.text(depths[-1] * 1.15, found[-1], name, color=colour, va="center")
axes.set(xlabel="blocks", ylabel="variance, end over start")
axes.set_xticks(depths, [str(depth) for depth in depths])
axes.minorticks_off()
plt.show()

# %% [markdown]
# ## 8. Your sixty lines and our file
#
# Both get the same weights. If you have changed a line above, this is where you see it.


# %%
def ours_named(name):
    """Our name of a weight of `SmallGPT`."""
    for old, new in (
        ("norm_1.", "norm_attention."),
        ("norm_2.", "norm_feed_forward."),
        ("expand", "feed_forward.expand"),
        ("contract", "feed_forward.contract"),
    ):
        name = name.replace(old, new)
    if "norm" in name:
        name = name.replace(".weight", ".gain")
    return name


ours.load_state_dict({ours_named(name): weight for name, weight in model.state_dict().items()})
difference = (model(text) - ours(text)).abs().max().item()
print(f"largest difference between the logits: {difference:.0e}")
assert difference < 1e-3, "the two models are not the same"

# %% [markdown]
# Our file has the cache, so it writes faster, and more so the longer the text.

# %%
count = 10 if SMOKE else 48
for name, write in (
    ("without a cache", lambda: model.write(prompt, count)),
    ("with one", lambda: generate(ours, prompt, count)),
):
    begun = time.perf_counter()
    write()
    print(f"{name:<17}{1e3 * (time.perf_counter() - begun) / count:6.2f} ms a byte")

# %% [markdown]
# ## 9. A head switched off
#
# What a head adds leaves it through its own columns of the output matrix. Set them to zero, and the head
# is off; the rest of the model goes on. Which head costs most here?

# %%
with torch.no_grad():
    probe = batch(valid, rows=16)
    before = loss_of(ours, probe).item()
    for layer, block in enumerate(ours.blocks):
        costs = []
        for head in range(4):
            columns = slice(16 * head, 16 * (head + 1))
            kept = block.attention.output.weight[:, columns].clone()
            block.attention.output.weight[:, columns] = 0
            costs.append((loss_of(ours, probe).item() - before) / math.log(2))
            block.attention.output.weight[:, columns] = kept
        print(f"layer {layer + 1}:" + "".join(f"{cost:8.3f}" for cost in costs), " bits per byte")

# %% [markdown]
# The live model on the site's page does the same in your browser, on a model that has learnt more.
#
# ## Go on
#
# - Leave the factor out of `SmallGPT` and train again. Does the loss notice, at three layers? At 24?
# - Put the norms behind the sums (GPT-1). What does the learning rate have to do with it?
# - Train on tokens instead of bytes: `tokenizer.encode`. The loss a token goes up. Has the model become
#   worse? Divide by the bytes.
# - Write a cache for `SmallGPT`: the exercises of this project tell you what is wrong.
