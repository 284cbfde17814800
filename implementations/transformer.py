r"""Attention Is All You Need (Vaswani et al., 2017, arXiv:1706.03762).

A sequence is read without recurrence: every position looks at all others at once and takes a mixture of what they
offer, weighted by how well its query fits their keys. An encoder reads the source so; a decoder writes the target
token by token, looking at what it has written and at the encoder's output.

Builds on: resnet (the residual connection around every sub-layer), layernorm (the norm after it).
Shapes: B batch, T queries, S keys, D d_model, H heads, K d_head, F d_ff, V vocabulary, W written positions.

Departs from the paper:
    Attention has no biases, as its equations are printed; released code and PyTorch have them.
    Positions are computed up to a fixed `context`, beyond which the model refuses its input.
    What the paper leaves open: embeddings start with standard deviation $d_{model}^{-1/2}$, all else as in PyTorch;
    the epsilon of the norm is PyTorch's 1e-5.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from implementations.layernorm import LayerNorm


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of a Transformer; both stacks have `n_layers` layers."""

    vocab_size: int  # V, one vocabulary for source and target
    d_model: int  # D
    n_heads: int  # H
    d_ff: int  # F
    n_layers: int  # N in the paper, for the encoder and again for the decoder
    dropout: float
    context: int  # longest sequence, in tokens
    padding: int = 0  # the token that fills short rows of a batch; nobody sees it

    def __post_init__(self) -> None:
        """Refuse sizes that do not fit together."""
        if self.n_heads < 1 or self.d_model % self.n_heads:
            raise ValueError(f"d_model {self.d_model} is not divisible by n_heads {self.n_heads}")
        if self.d_model % 2:
            raise ValueError(
                f"d_model {self.d_model} is odd; positions come in pairs of sine and cosine"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout {self.dropout} is no probability below 1")
        if not 0 <= self.padding < self.vocab_size:
            raise ValueError(f"padding {self.padding} is no token of {self.vocab_size}")


PAPER = TransformerConfig(
    37_000, d_model=512, n_heads=8, d_ff=2048, n_layers=6, dropout=0.1, context=1024
)
PAPER_BIG = TransformerConfig(
    37_000, d_model=1024, n_heads=16, d_ff=4096, n_layers=6, dropout=0.3, context=1024
)
TINY = TransformerConfig(339, d_model=64, n_heads=4, d_ff=256, n_layers=2, dropout=0.0, context=64)


def attention(
    q: Float[Tensor, "B H T K"],
    k: Float[Tensor, "B H S K"],
    v: Float[Tensor, "B H S K"],
    visible: Bool[Tensor, "#B #H #T S"] | None = None,
) -> tuple[Float[Tensor, "B H T K"], Float[Tensor, "B H T S"]]:
    r"""Mix the values by how well each query fits each key (Section 3.2.1, Eq. 1).

    $$\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{QK^\top}{\sqrt{d_k}}\right) V$$

    Args:
        q: What each of the T positions looks for.
        k: What each of the S positions can be found by.
        v: What each of the S positions hands over.
        visible: False where a query may not look; None lets every query look everywhere.

    Returns:
        The mixed values, and the weights that mixed them. A query that may look nowhere gets zeros.

    Example:
        >>> q = torch.zeros(1, 1, 2, 4)  # all scores equal, so only the mask decides
        >>> attention(q, q, q, causal(2))[1][0, 0].tolist()
        [[1.0, 0.0], [0.5, 0.5]]
    """
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # B H T S
    if visible is None:
        weights = scores.softmax(dim=-1)
    else:
        # The least finite number instead of -inf: a row with nothing visible would otherwise be 0/0.
        scores = scores.masked_fill(~visible, torch.finfo(scores.dtype).min)
        weights = scores.softmax(dim=-1).masked_fill(~visible, 0.0)
    return weights @ v, weights


def attend(
    q: Float[Tensor, "B H T K"],
    k: Float[Tensor, "B H S K"],
    v: Float[Tensor, "B H S K"],
    visible: Bool[Tensor, "#B #H #T S"] | None = None,
) -> Float[Tensor, "B H T K"]:
    """Mix the values as `attention` does, and faster, for whoever does not ask for the weights.

    PyTorch's fused kernel never holds all T S weights at once, and is faster almost everywhere. Not so on a CPU
    with `torch.set_float32_matmul_precision("medium")`: up to 512 keys two plain products win there.
    """
    plain = torch.get_float32_matmul_precision() != "highest" and q.device.type == "cpu"
    if not plain or k.shape[2] > 512:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=visible)
    batch, n_heads = q.shape[:2]
    scale = 1 / math.sqrt(q.shape[-1])
    q, k, v = (part.flatten(0, 1) for part in (q * scale, k, v))  # B H . K -> BH . K
    if visible is None:
        weights = (q @ k.mT).softmax(dim=-1)  # BH T S
        return (weights @ v).unflatten(0, (batch, n_heads))
    # The mask enters the product as its first summand, which spares passes over the T S scores.
    hidden = torch.zeros_like(visible, dtype=q.dtype)
    hidden = hidden.masked_fill(~visible, torch.finfo(q.dtype).min)
    hidden = hidden.expand(batch, n_heads, -1, -1).flatten(0, 1)
    weights = torch.baddbmm(hidden, q, k.mT).softmax(dim=-1)  # BH T S
    mixed = (weights @ v).unflatten(0, (batch, n_heads))
    return mixed.masked_fill(~visible.any(dim=-1, keepdim=True), 0.0)


def causal(length: int, device: torch.device | None = None) -> Bool[Tensor, "1 1 T T"]:
    """Let position t see positions 0 to t only (Section 3.2.3).

    Example:
        >>> causal(3)[0, 0].int().tolist()
        [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    """
    return torch.ones(1, 1, length, length, dtype=torch.bool, device=device).tril()


def positions(length: int, d_model: int) -> Float[Tensor, "T D"]:
    r"""Sines and cosines of falling frequency, interleaved (Section 3.5).

    $$PE_{(pos, 2i)} = \sin\!\left(pos / 10000^{2i / d_{model}}\right) \qquad
      PE_{(pos, 2i+1)} = \cos\!\left(pos / 10000^{2i / d_{model}}\right)$$

    Example:
        >>> positions(1, 4).tolist()
        [[0.0, 1.0, 0.0, 1.0]]
    """
    frequency = 10_000 ** -(torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)  # D/2
    angle = torch.arange(length, dtype=torch.float64)[:, None] * frequency  # T D/2
    pairs = torch.stack([angle.sin(), angle.cos()], dim=-1)  # T D/2 2
    return pairs.flatten(1).to(torch.get_default_dtype())  # T D


class KeysValues(NamedTuple):
    """The keys and values of S positions, split into heads."""

    k: Float[Tensor, "B H S K"]
    v: Float[Tensor, "B H S K"]

    def followed_by(self, newer: "KeysValues") -> "KeysValues":
        """These positions and then the newer ones."""
        return KeysValues(torch.cat([self.k, newer.k], dim=2), torch.cat([self.v, newer.v], dim=2))


class MultiHeadAttention(nn.Module):
    r"""Attention in H subspaces at once (Section 3.2.2).

    $$\mathrm{MultiHead}(Q, K, V) = \mathrm{Concat}(\mathrm{head}_1, \dots, \mathrm{head}_h) W^O \qquad
      \mathrm{head}_i = \mathrm{Attention}(Q W_i^Q, K W_i^K, V W_i^V)$$

    The $W_i$ of all heads are rows of one matrix: head i owns rows $i K$ to $(i + 1) K$.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.query = nn.Linear(config.d_model, config.d_model, bias=False)
        self.key = nn.Linear(config.d_model, config.d_model, bias=False)
        self.value = nn.Linear(config.d_model, config.d_model, bias=False)
        self.output = nn.Linear(config.d_model, config.d_model, bias=False)

    def heads(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B H T K"]:
        """Cut the features of each position into H pieces."""
        # The view keeps a position's features together; a view to B H T K would mix positions.
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)  # B T H K -> B H T K

    def keys_values(self, source: Float[Tensor, "B S D"]) -> KeysValues:
        """What the positions of `source` offer to any query: computed once, asked often."""
        return KeysValues(self.heads(self.key(source)), self.heads(self.value(source)))

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        source: KeysValues,
        visible: Bool[Tensor, "#B 1 #T S"] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Let the positions of `x` ask; return their answers."""
        mixed = attend(self.heads(self.query(x)), source.k, source.v, visible)
        return self.output(mixed.transpose(1, 2).flatten(2))  # B H T K -> B T D

    def weights(
        self,
        x: Float[Tensor, "B T D"],
        source: KeysValues,
        visible: Bool[Tensor, "#B 1 #T S"] | None = None,
    ) -> Float[Tensor, "B H T S"]:
        """Where every head looks, for whoever wants to see: the call takes the same arguments as the module."""
        return attention(self.heads(self.query(x)), source.k, source.v, visible)[1]


class FeedForward(nn.Module):
    r"""The same two-layer network at every position: $\max(0, x W_1 + b_1) W_2 + b_2$ (Eq. 2)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.d_model, config.d_ff)
        self.contract = nn.Linear(config.d_ff, config.d_model)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Apply Eq. 2 to each position by itself."""
        return self.contract(self.expand(x).relu())


class Residual(nn.Module):
    r"""Around every sub-layer: $\mathrm{LayerNorm}(x + \mathrm{Dropout}(\mathrm{Sublayer}(x)))$ (Section 5.4)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.norm = LayerNorm(config.d_model)

    def forward(
        self, x: Float[Tensor, "B T D"], change: Float[Tensor, "B T D"]
    ) -> Float[Tensor, "B T D"]:
        """Add a sub-layer's output to its input and normalise the sum."""
        return self.norm(x + self.dropout(change))


class EncoderLayer(nn.Module):
    """Self-attention, then the feed-forward network (Section 3.1)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(config)
        self.feed_forward = FeedForward(config)
        self.add_attention = Residual(config)
        self.add_feed_forward = Residual(config)

    def forward(
        self, x: Float[Tensor, "B S D"], visible: Bool[Tensor, "#B 1 1 S"] | None = None
    ) -> Float[Tensor, "B S D"]:
        """Read the source once more, each position knowing what the layer below made of all others."""
        x = self.add_attention(
            x, self.self_attention(x, self.self_attention.keys_values(x), visible)
        )
        return self.add_feed_forward(x, self.feed_forward(x))


class DecoderLayer(nn.Module):
    """Self-attention over what is written, attention over the source, then the feed-forward network (Section 3.1)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(config)
        self.cross_attention = MultiHeadAttention(config)
        self.feed_forward = FeedForward(config)
        self.add_self = Residual(config)
        self.add_cross = Residual(config)
        self.add_feed_forward = Residual(config)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        written: KeysValues,
        memory: KeysValues,
        written_visible: Bool[Tensor, "1 1 T W"] | None = None,
        memory_visible: Bool[Tensor, "#B 1 1 S"] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Update T target positions.

        Args:
            x: The positions to update.
            written: Keys and values of all target positions so far, those of `x` included (W of them).
            memory: Keys and values of the encoder's output.
            written_visible: Which of the written positions each of the T may see; None for all.
            memory_visible: False at the source's padding.
        """
        x = self.add_self(x, self.self_attention(x, written, written_visible))
        x = self.add_cross(x, self.cross_attention(x, memory, memory_visible))
        return self.add_feed_forward(x, self.feed_forward(x))


class Transformer(nn.Module):
    """Encoder and decoder (Figure 1), with one matrix for both embeddings and the output projection (Section 3.4)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.n_layers))
        self.decoder = nn.ModuleList(DecoderLayer(config) for _ in range(config.n_layers))
        self.register_buffer(
            "positions", positions(config.context, config.d_model), persistent=False
        )
        # The shared matrix is also the output layer: with entries this small, logits start near 1, not near D.
        nn.init.normal_(self.embedding.weight, std=config.d_model**-0.5)

    def embed(self, tokens: Int[Tensor, "B T"], first: int = 0) -> Float[Tensor, "B T D"]:
        r"""Embeddings times $\sqrt{d_{model}}$, plus the positions from `first` on (Sections 3.4 and 3.5)."""
        last = first + tokens.shape[1]
        if last > self.config.context:
            raise ValueError(
                f"a sequence of {last} tokens exceeds the context of {self.config.context}"
            )
        scaled = self.embedding(tokens) * math.sqrt(self.config.d_model)
        return self.dropout(scaled + self.positions[first:last])

    def encode(
        self, source: Int[Tensor, "B S"]
    ) -> tuple[Float[Tensor, "B S D"], Bool[Tensor, "B 1 1 S"]]:
        """Read the source; return the memory, and where it is no padding."""
        visible = (source != self.config.padding)[:, None, None, :]
        x = self.embed(source)
        for layer in self.encoder:
            x = layer(x, visible)
        return x, visible

    def logits(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T V"]:
        """Scores of every token of the vocabulary, from the embeddings themselves (Section 3.4)."""
        return x @ self.embedding.weight.T

    def forward(
        self, source: Int[Tensor, "B S"], target: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B T V"]:
        """Score each next target token, all positions at once (teacher forcing).

        Args:
            source: Token ids, filled with `config.padding` at the end.
            target: Token ids from the start token on; position t is scored from tokens 0 to t.

        Returns:
            Logits; those at position t are for token t + 1.
        """
        memory, memory_visible = self.encode(source)
        written_visible = causal(target.shape[1], target.device)
        x = self.embed(target)
        for layer in self.decoder:
            written = layer.self_attention.keys_values(x)
            offered = layer.cross_attention.keys_values(memory)
            x = layer(x, written, offered, written_visible, memory_visible)
        return self.logits(x)


class Decoding:
    """A translation under way: it keeps every key and value, so that a new token costs one position, not all.

    Without the cache, step t would compute t positions again to use only the last.
    """

    def __init__(self, model: Transformer, source: Int[Tensor, "B S"]) -> None:
        self.model = model
        memory, visible = model.encode(source)
        self.memory_visible = None if visible.all() else visible  # no padding: no mask
        self.offered = [layer.cross_attention.keys_values(memory) for layer in model.decoder]
        self.written: list[KeysValues] = []
        self.length = 0

    def step(self, tokens: Int[Tensor, "B 1"]) -> Float[Tensor, "B V"]:
        """Append one token to each row; return the logits of the next."""
        x = self.model.embed(tokens, first=self.length)
        for depth, layer in enumerate(self.model.decoder):
            newest = layer.self_attention.keys_values(x)
            if self.length == 0:
                self.written.append(newest)
            else:
                self.written[depth] = self.written[depth].followed_by(newest)
            x = layer(x, self.written[depth], self.offered[depth], None, self.memory_visible)
        self.length += 1
        return self.model.logits(x)[:, 0]  # B 1 V -> B V

    def keep(self, rows: Int[Tensor, " N"]) -> None:
        """Go on from these rows, in this order, some of them perhaps twice: a beam's survivors.

        Each must continue a row of the same source, for what was read of it stays where it is.
        """
        self.written = [KeysValues(past.k[rows], past.v[rows]) for past in self.written]


def greedy(
    model: Transformer,
    source: Int[Tensor, "B S"],
    start: Int[Tensor, " B"],
    end: int,
    max_length: int,
) -> Int[Tensor, "B T"]:
    """Translate by taking the likeliest token each time.

    Args:
        model: In evaluation mode, or its dropout makes the answer a matter of chance.
        source: Token ids, padded.
        start: The first token of each row; it may say which language to write.
        end: The token that closes a translation.
        max_length: How many tokens to write at most.

    Returns:
        What was written after `start`, up to and with `end`, then padding.
    """
    if max_length < 1:
        raise ValueError(f"max_length is {max_length}; a translation has at least one token")
    written = []
    with torch.inference_mode():  # a step is mostly bookkeeping; here there is least of it
        decoding = Decoding(model, source)
        token = start[:, None]
        finished = torch.zeros_like(token, dtype=torch.bool)
        for _ in range(max_length):
            token = decoding.step(token).argmax(dim=-1, keepdim=True)
            token = token.masked_fill(finished, model.config.padding)
            written.append(token)
            finished |= token == end
            if finished.all():
                break
    return torch.cat(written, dim=1)  # outside, so that training may use it


def length_penalty(length: int, alpha: float) -> float:
    r"""What a translation's log-probability is divided by, so that short ones do not always win (Section 6.1).

    $$lp(Y) = \frac{(5 + |Y|)^\alpha}{(5 + 1)^\alpha}$$

    The paper takes it from Wu et al. (2016, Eq. 14), with $\alpha = 0.6$; 0 is no penalty.

    Example:
        >>> length_penalty(1, 0.6), round(length_penalty(25, 0.6), 3)
        (1.0, 2.627)
    """
    return ((5 + length) / 6) ** alpha


@torch.no_grad()
def beam_search(
    model: Transformer,
    source: Int[Tensor, "B S"],
    start: Int[Tensor, " B"],
    end: int,
    max_length: int,
    beam: int = 4,
    alpha: float = 0.6,
) -> Int[Tensor, "B T"]:
    """Translate by keeping the `beam` likeliest beginnings at every step (Section 6.1).

    Args:
        model: In evaluation mode.
        source: Token ids, padded.
        start: The first token of each row.
        end: The token that closes a translation.
        max_length: How many tokens to write at most.
        beam: How many beginnings survive a step; 1 is greedy.
        alpha: Strength of the length penalty.

    Returns:
        For each row the finished translation with the best penalised log-probability (an unfinished one if
        none ended in time), up to and with `end`, then padding.
    """
    if max_length < 1:
        raise ValueError(f"max_length is {max_length}; a translation has at least one token")
    if not 1 <= beam < model.config.vocab_size:
        raise ValueError(f"a beam of {beam} is not between 1 and the vocabulary less one")
    if alpha < 0:
        raise ValueError(
            f"alpha is {alpha}; a penalty that favours short translations is not meant"
        )
    rows, width, device = len(source), model.config.vocab_size, source.device
    decoding = Decoding(model, source.repeat_interleave(beam, dim=0))
    token = start.repeat_interleave(beam)[:, None]
    first = torch.arange(rows, device=device)[:, None] * beam  # where each source's beam begins
    written = torch.empty(rows, beam, 0, dtype=torch.long, device=device)
    # At the start all beams are the same beginning; only the first of them may go on.
    total = torch.full((rows, beam), -math.inf, device=device)
    total[:, 0] = 0.0
    best = torch.full((rows,), -math.inf, device=device)
    answer = torch.full((rows, max_length), model.config.padding, device=device)
    found = torch.zeros(rows, dtype=torch.long, device=device)
    closed = torch.zeros(rows, dtype=torch.bool, device=device)
    lengths = torch.zeros(rows, dtype=torch.long, device=device)
    for length in range(1, max_length + 1):
        steps = decoding.step(token).log_softmax(dim=-1).view(rows, beam, width)
        candidates = (total[:, :, None] + steps).flatten(1)  # rows, beam * V
        # Of twice as many as survive at most half end (one for each beginning): enough are left to go on.
        score, index = candidates.topk(min(2 * beam, candidates.shape[1]), dim=1)
        origin, symbol = index // width, index % width
        longer = torch.cat([_taken(written, origin), symbol[:, :, None]], dim=2)
        ends = symbol == end
        # A translation counts as finished only if it is among the `beam` best of its step.
        ended = score.masked_fill(~ends | closed[:, None], -math.inf)[:, :beam]
        score_of_best, which = (ended / length_penalty(length, alpha)).max(dim=1)
        wins = score_of_best > best
        answer[wins, :length] = _taken(longer, which[:, None])[wins, 0]
        answer[wins, length:] = model.config.padding
        best = torch.where(wins, score_of_best, best)
        lengths = lengths.masked_fill(wins | (found == 0), length)
        found += ended.isfinite().sum(dim=1)
        survivors = score.masked_fill(ends, -math.inf).topk(beam, dim=1)
        total, written = survivors.values, _taken(longer, survivors.indices)
        # The most that a beginning can still reach: no further loss, and the mildest penalty.
        hope = total[:, 0] / length_penalty(max_length, alpha)
        closed |= (found >= beam) | (best >= hope)
        if closed.all():
            break
        decoding.keep((first + origin.gather(1, survivors.indices)).flatten())
        token = written[:, :, -1].reshape(-1, 1)
    unfinished = found == 0
    answer[unfinished, : written.shape[2]] = written[unfinished, 0]
    return answer[:, : int(lengths.max())]


def _taken(beams: Int[Tensor, "B M T"], which: Int[Tensor, "B N"]) -> Int[Tensor, "B N T"]:
    """For each row, the beams with these numbers."""
    return beams.gather(1, which[:, :, None].expand(-1, -1, beams.shape[2]))


def learning_rate(step: int, d_model: int, warmup: int = 4000) -> float:
    r"""Up in a line, then down with the inverse root of the step (Section 5.3, Eq. 3).

    $$lrate = d_{model}^{-0.5} \cdot \min(step^{-0.5},\ step \cdot warmup^{-1.5})$$

    Args:
        step: Number of the update, from 1.
        d_model: D; wider models get smaller rates.
        warmup: At which step the peak $(d_{model} \cdot warmup)^{-0.5}$ is reached.

    Example:
        >>> f"{learning_rate(4000, 512):.1e} {learning_rate(16000, 512):.1e}"
        '7.0e-04 3.5e-04'
    """
    if step < 1:
        raise ValueError(f"step is {step}; updates are counted from 1")
    return d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)


def label_smoothing(
    logits: Float[Tensor, "N V"], target: Int[Tensor, " N"], epsilon: float, padding: int
) -> Float[Tensor, ""]:
    r"""Cross-entropy against a target that keeps a little doubt (Section 5.4; Szegedy et al., 2016, Section 7).

    $$\mathcal{L} = -\frac{1}{N} \sum_n \left[(1 - \epsilon) \log p_n(y_n)
      + \frac{\epsilon}{V} \sum_{v} \log p_n(v)\right]$$

    Args:
        logits: Scores of N tokens.
        target: The right ones.
        epsilon: How much of the target is spread over the whole vocabulary; the paper's is 0.1.
        padding: Tokens that are no targets: they count in neither term, nor in N.

    Departs from the paper:
        It does not say whether the right token gets a share of $\epsilon$ too. Here it does, as in
        PyTorch; the authors' released code spreads $\epsilon$ over the V - 1 wrong ones.

    Example:
        >>> even = torch.zeros(2, 8)  # no opinion costs log V, whatever epsilon is
        >>> round(label_smoothing(even, torch.tensor([3, 0]), 0.1, padding=0).exp().item(), 4)
        8.0
    """
    if not 0 <= epsilon < 1:
        raise ValueError(f"epsilon {epsilon} is no probability below 1")
    log_p = logits.log_softmax(dim=-1)  # N V
    right = log_p.gather(1, target[:, None])[:, 0]
    loss = -(1 - epsilon) * right - epsilon * log_p.mean(dim=-1)
    return loss[target != padding].mean()
