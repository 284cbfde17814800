r"""Language Models are Unsupervised Multitask Learners (Radford et al., 2019, OpenAI report).

A larger GPT-1 on more varied text does tasks that nobody trained it for, if the text before them says which. In the
network the norms move to the entrance of each sub-layer, one more follows the last block, and residual layers start
smaller; text is read as bytes, so that no character is unknown.

Only what changed stands here. The cache of keys and values and the sampling are those of the released code.
Shapes: B batch, T tokens, S keys, P past tokens, D d_model, H heads, K d_head, V vocabulary.

Departs from the paper:
    Weights start as GPT-1's do here, in proportion to $D^{-1/2}$, positions as all others; released code has 0.02 at
    every width, and 0.01 for positions.
    $N$, the number of residual layers, is two for each block, as people read it since; the paper does not say.
    Bytes have their own value as token; the authors' code puts the printable ones first.
"""

import copy
import math
from collections import Counter
from collections.abc import Iterable, Sequence

import regex
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from implementations.gpt1 import (
    GPT1,
    FeedForward,
    MaskedSelfAttention,
    Pair,
    apply_merges,
    learn_merges,
)
from implementations.layernorm import LayerNorm
from implementations.transformer import KeysValues, TransformerConfig

# Table 2, smallest first; its parameter counts are wrong, as the authors say themselves.
SIZES = {
    "117M": TransformerConfig(50_257, 768, 12, 3072, 12, dropout=0.1, context=1024),
    "345M": TransformerConfig(50_257, 1024, 16, 4096, 24, dropout=0.1, context=1024),
    "762M": TransformerConfig(50_257, 1280, 20, 5120, 36, dropout=0.1, context=1024),
    "1542M": TransformerConfig(50_257, 1600, 25, 6400, 48, dropout=0.1, context=1024),
}
PAPER = SIZES["1542M"]
TINY = TransformerConfig(512, d_model=64, n_heads=4, d_ff=256, n_layers=3, dropout=0.0, context=64)

# Byte-level byte pair encoding (Section 2.2) ------------------------------------------------------------------

# The released pattern: a merge stays within letters, within digits or within the rest, but for one space before it.
SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
END_OF_TEXT = "<|endoftext|>"


def to_bytes(text: str) -> bytes:
    r"""A text in UTF-8; half of a surrogate pair is no character, and becomes U+FFFD as in a browser.

    Example:
        >>> to_bytes("é").hex(), to_bytes("\ud800").hex()
        ('c3a9', 'efbfbd')
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


class ByteTokenizer:
    """Byte pair encoding over the 256 bytes: every text can be written, none is unknown, all can be read back.

    Tokens are the bytes by their value, then the merges in their order, then the end of a text.

    Args:
        merges: As `learn_merges` returns them, over bytes.
        pattern: What cuts a text into pieces that no merge crosses.
    """

    def __init__(self, merges: Sequence[Pair], pattern: str = SPLIT) -> None:
        singles = [bytes([value]) for value in range(256)]
        joined = [first + second for first, second in merges]  # type: ignore[operator]
        self.merges = list(merges)
        self.symbols: list[bytes] = [*singles, *joined, END_OF_TEXT.encode()]
        self.end_of_text = len(self.symbols) - 1
        # Two merges may spell the same bytes; then the first is the token.
        self.number = {
            symbol: number for number, symbol in reversed([*enumerate([*singles, *joined])])
        }
        self._pattern = regex.compile(pattern)
        self._rank = {pair: rank for rank, pair in enumerate(merges)}
        self._known: dict[str, list[int]] = {}  # pieces recur

    @classmethod
    def learn(cls, texts: Iterable[str], n_merges: int, pattern: str = SPLIT) -> "ByteTokenizer":
        """Learn the merges of some texts."""
        cut = regex.compile(pattern)
        pieces = Counter(piece for text in texts for piece in cut.findall(text))
        words: Counter[tuple[bytes, ...]] = Counter()
        for piece, count in pieces.items():
            words[tuple(bytes([value]) for value in to_bytes(piece))] += count
        return cls(learn_merges(words, n_merges), pattern)

    def __len__(self) -> int:
        """V: 256, the merges and the end of a text."""
        return len(self.symbols)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text; the name of the end of a text in it is text like any other."""
        tokens: list[int] = []
        for piece in self._pattern.findall(text):
            if piece not in self._known:
                symbols = [bytes([value]) for value in to_bytes(piece)]
                parts = apply_merges(symbols, self._rank)
                self._known[piece] = [self.number[part] for part in parts]  # type: ignore[index]
            tokens += self._known[piece]
        return tokens

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of some tokens; bytes that are no UTF-8 become U+FFFD, for a token may be part of a character."""
        return b"".join(self.symbols[token] for token in tokens).decode(errors="replace")


# The network (Section 2.3) ------------------------------------------------------------------------------------


class Cache:
    """The keys and values of a text under way: new ones are written behind those that are there.

    The room doubles when it is full; so what is there is seldom copied.
    """

    def __init__(self) -> None:
        self.length = 0  # P, how many positions it holds
        self._room: KeysValues | None = None  # B H R K each, with R >= P

    def followed_by(self, newer: KeysValues) -> KeysValues:
        """Append the newer positions; return all of them, without copying the older ones."""
        first, last = self.length, self.length + newer.k.shape[2]
        if self._room is None or last > self._room.k.shape[2]:
            rows, heads, _, width = newer.k.shape
            older = self._room
            self._room = KeysValues(
                *(newer.k.new_empty(rows, heads, max(64, 2 * last), width) for _ in "kv")
            )
            if older is not None:
                self._room.k[:, :, :first], self._room.v[:, :, :first] = (
                    part[:, :, :first] for part in older
                )
        self._room.k[:, :, first:last], self._room.v[:, :, first:last] = newer
        self.length = last
        return KeysValues(*(part[:, :, :last] for part in self._room))


class Block(nn.Module):
    r"""Both sub-layers with the norm at their entrance: $x + f(\mathrm{LN}(x))$; the sum is never normalised."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.norm_attention = LayerNorm(config.d_model)
        self.attention = MaskedSelfAttention(config)
        self.norm_feed_forward = LayerNorm(config.d_model)
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        visible: Bool[Tensor, "1 1 T S"] | None,
        cache: Cache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Update T positions.

        Args:
            x: The positions to update.
            visible: Which of the S positions, past ones first, each of the T may see; None for all.
            cache: Keys and values of the positions before; those of `x` are added to it.
        """
        normed = self.norm_attention(x)
        source = self.attention.keys_values(normed)
        if cache is not None:
            source = cache.followed_by(source)
        x = x + self.dropout(self.attention(normed, source, visible))
        return x + self.dropout(self.feed_forward(self.norm_feed_forward(x)))


class GPT2(GPT1):
    """GPT-1 with the norms inside the branches, one more at the end, and branches that start smaller."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.norm = LayerNorm(config.d_model)
        # Each block adds to the stream twice; so the sum of all 2 L branches starts as large as one.
        with torch.no_grad():
            for block in self.blocks:
                for last in (block.attention.output, block.feed_forward.contract):
                    last.weight /= math.sqrt(2 * config.n_layers)

    def block(self) -> nn.Module:
        """One layer."""
        return Block(self.config)

    def embed(self, tokens: Int[Tensor, "B T"], first: int = 0) -> Float[Tensor, "B T D"]:
        """Token embeddings, and those of the positions from `first` on."""
        last = first + tokens.shape[1]
        if last > self.config.context:
            raise ValueError(f"{last} tokens exceed the context of {self.config.context}")
        return self.dropout(self.tokens(tokens) + self.positions.weight[first:last])

    def features(
        self, tokens: Int[Tensor, "B T"], caches: Sequence[Cache] | None = None
    ) -> Float[Tensor, "B T D"]:
        """What the final norm hands to the embeddings, at each of T positions.

        Args:
            tokens: A text; with `caches`, what follows the text that they hold.
            caches: One for each block, empty at the start of a text; they grow by these tokens.
        """
        first = caches[0].length if caches else 0
        last = first + tokens.shape[1]
        x = self.embed(tokens, first)
        # A single token may look at everything that is there.
        visible = self.visible[:, :, first:last, :last] if tokens.shape[1] > 1 else None
        for depth, block in enumerate(self.blocks):
            x = block(x, visible, caches[depth] if caches else None)
        return self.norm(x)


# Sampling -----------------------------------------------------------------------------------------------------


def top_k(logits: Float[Tensor, "B V"], k: int) -> Float[Tensor, "B V"]:
    """Rule out all but the k likeliest tokens (Fan et al., 2018); with ties at the border, all of them stay.

    Example:
        >>> top_k(torch.tensor([[1.0, 3.0, 2.0]]), 2).tolist()
        [[-inf, 3.0, 2.0]]
    """
    if k < 1:
        raise ValueError(f"of the {k} likeliest tokens none could be drawn")
    kept = logits.topk(min(k, logits.shape[-1]), dim=-1).values[:, -1:]
    return logits.masked_fill(logits < kept, -math.inf)


def nucleus(logits: Float[Tensor, "B V"], p: float) -> Float[Tensor, "B V"]:
    """Keep the fewest tokens, the likeliest first, whose probabilities reach p together (Holtzman et al., 2019).

    Example:
        >>> nucleus(torch.tensor([[0.5, 0.3, 0.2]]).log(), 0.7).exp().round(decimals=1).tolist()
        [[0.5, 0.30..., 0.0]]
    """
    if not 0 < p <= 1:
        raise ValueError(f"p is {p}, not above 0 and at most 1")
    ordered, order = logits.softmax(dim=-1).sort(dim=-1, descending=True)
    before = ordered.cumsum(dim=-1) - ordered  # what the likelier ones have together
    out = (before >= p).gather(-1, order.argsort(dim=-1))
    return logits.masked_fill(out, -math.inf)


def next_token(
    logits: Float[Tensor, "B V"],
    temperature: float = 1.0,
    k: int | None = None,
    p: float | None = None,
) -> Float[Tensor, "B V"]:
    """The distribution that the next token is drawn from: temperature, then top-k, then nucleus, then the softmax.

    Args:
        logits: The model's.
        temperature: Below 1 the likely tokens get likelier; 0 leaves only the likeliest.
        k: As in `top_k`.
        p: As in `nucleus`.
    """
    if temperature < 0:
        raise ValueError(f"temperature is {temperature}; it cannot be below 0")
    if temperature == 0:
        return torch.zeros_like(logits).scatter(-1, logits.argmax(dim=-1, keepdim=True), 1.0)
    logits = logits / temperature
    if k is not None:
        logits = top_k(logits, k)
    if p is not None:
        logits = nucleus(logits, p)
    return logits.softmax(dim=-1)


class Generation:
    """A text under way: it keeps every key and value, so that a token costs one position, not all.

    It works on a copy of the model whose matrices lie in memory as a product with one row reads them, column by
    column. The numbers are the same; without it most of the time would go into waiting for memory.
    """

    def __init__(self, model: GPT2) -> None:
        self.model = copy.deepcopy(model).eval()
        for part in self.model.modules():
            if isinstance(part, nn.Linear):
                part.weight.data = part.weight.data.T.contiguous().T
        self.caches = [Cache() for _ in self.model.blocks]

    @torch.no_grad()
    def step(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B V"]:
        """Append tokens to each row, one or several; return the logits of the one that follows."""
        features = self.model.features(tokens, self.caches)
        return self.model.logits(features[:, -1:])[:, 0]  # B 1 V -> B V


def generate(
    model: GPT2,
    tokens: Int[Tensor, "B T"],
    length: int,
    temperature: float = 1.0,
    k: int | None = None,
    p: float | None = None,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "B S"]:
    """Write on, token by token.

    Args:
        model: Its dropout is off here, whatever mode it is in.
        tokens: What stands there already, at least one token; all rows equally long.
        length: How many tokens to add.
        temperature: See `next_token`; 0 is greedy.
        k: See `top_k`.
        p: See `nucleus`.
        generator: Where chance comes from.

    Returns:
        The tokens with those that were added.

    Raises:
        ValueError: no token to go on from, or a text longer than the context.
    """
    total = tokens.shape[1] + length
    if not tokens.shape[1] or length < 0:
        raise ValueError(f"cannot add {length} tokens to {tokens.shape[1]}")
    if total > model.config.context:
        raise ValueError(f"{total} tokens exceed the context of {model.config.context}")
    written = [tokens]
    with torch.inference_mode():  # a step is mostly bookkeeping; here there is least of it
        under_way = Generation(model)
        newest = tokens
        for _ in range(length):
            logits = under_way.step(newest)
            if temperature == 0:
                newest = logits.argmax(dim=-1, keepdim=True)
            else:
                newest = next_token(logits, temperature, k, p).multinomial(1, generator=generator)
            written.append(newest)
    return torch.cat(written, dim=1)
