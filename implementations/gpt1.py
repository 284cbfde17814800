r"""Improving Language Understanding by Generative Pre-Training (Radford et al., 2018, OpenAI technical report).

A decoder learns to predict the next token of raw text; then the whole network is tuned for one task after another.
Each task is written as a sequence of tokens, so that almost nothing has to be built for it.

The block is the Transformer's, with its attention turned on itself and masked. New are the training in two stages,
the input transforms, learned positions and GELU; the vocabulary comes from Sennrich et al. (2016).
Shapes: B batch, T tokens, S keys, D d_model, H heads, K d_head, V vocabulary, C classes, A answers, N sequences.

Departs from the paper:
    Words are cut at white space and punctuation by one pattern; the paper cleans with ftfy and tokenises with spaCy.
    Weights start with standard deviation $0.02$ at the paper's width of 768, and with $0.02 \sqrt{768 / D}$ at
    another: the constant belongs to the width.
    The losses are means over tokens or examples, as in the authors' code; the paper prints sums.
    Position embeddings are a table of their own; the authors' code keeps them in the token matrix, so that its
    softmax runs over them too.
"""

import heapq
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from implementations import transformer
from implementations.transformer import (
    KeysValues,
    MultiHeadAttention,
    Residual,
    TransformerConfig,
    causal,
)

PAPER = TransformerConfig(
    40_478, d_model=768, n_heads=12, d_ff=3072, n_layers=12, dropout=0.1, context=512
)
TINY = TransformerConfig(640, d_model=64, n_heads=4, d_ff=256, n_layers=3, dropout=0.0, context=64)

# Byte pair encoding (Sennrich et al., 2016) -----------------------------------------------------------------

Symbol = str | bytes  # what merges join: characters here, bytes in GPT-2
Pair = tuple[Symbol, Symbol]


def merge(symbols: Sequence[Symbol], pair: Pair) -> list[Symbol]:
    """Join a pair wherever it stands, from left to right.

    Example:
        >>> merge("banana", ("a", "n"))
        ['b', 'an', 'an', 'a']
    """
    joined: list[Symbol] = []
    place = 0
    while place < len(symbols):
        if (*symbols[place : place + 2],) == pair:
            joined.append(pair[0] + pair[1])  # type: ignore[operator]
            place += 2
        else:
            joined.append(symbols[place])
            place += 1
    return joined


def learn_merges(words: Mapping[tuple[Symbol, ...], int], n_merges: int) -> list[Pair]:
    """Make the most frequent pair of neighbours one symbol, again and again (Sennrich et al., Algorithm 1).

    Pairs are counted once. A merge changes only the words that the pair stands in, so only their pairs are counted
    anew, and a heap keeps the most frequent one on top.

    Args:
        words: Each word as its symbols, and how often it occurs. No merge crosses a word's end.
        n_merges: How many to learn; fewer come back if no pair is left that occurs twice.

    Returns:
        The merges in the order in which they were learnt. Of pairs equally frequent the smaller comes first.

    Example:
        >>> learn_merges({tuple("low"): 5, tuple("lower"): 2, tuple("newer"): 6}, 3)
        [('e', 'r'), ('w', 'er'), ('l', 'o')]
    """
    if n_merges < 0:
        raise ValueError(f"{n_merges} merges cannot be learnt")
    spelt = [list(word) for word in words]
    counts = list(words.values())
    total: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)  # the words that a pair (once) stood in
    for number, symbols in enumerate(spelt):
        for pair in pairwise(symbols):
            total[pair] += counts[number]
            where[pair].add(number)
    heap = [(-count, pair) for pair, count in total.items()]
    heapq.heapify(heap)
    merges: list[Pair] = []
    while heap and len(merges) < n_merges:
        count, best = heapq.heappop(heap)
        if -count != total[best] or -count < 2:
            continue  # the count has changed since, and stands in the heap again; or it is too small
        merges.append(best)
        change: Counter[Pair] = Counter()
        for number in where.pop(best):
            before, after = spelt[number], merge(spelt[number], best)
            for pair in pairwise(before):
                change[pair] -= counts[number]
            for pair in pairwise(after):
                change[pair] += counts[number]
                where[pair].add(number)
            spelt[number] = after
        for pair, by in change.items():
            total[pair] += by
            if by:
                heapq.heappush(heap, (-total[pair], pair))
    return merges


def apply_merges(symbols: Sequence[Symbol], rank: Mapping[Pair, int]) -> list[Symbol]:
    """Join the pairs of a word, the merge that was learnt first going first (its rank is the smallest).

    Example:
        >>> apply_merges("lower", {("e", "r"): 0, ("w", "er"): 1, ("l", "o"): 2})
        ['lo', 'wer']
    """
    joined = list(symbols)
    while len(joined) > 1:
        best = min(pairwise(joined), key=lambda pair: rank.get(pair, math.inf))
        if best not in rank:
            break
        joined = merge(joined, best)
    return joined


END_OF_WORD = "</w>"
WORD = re.compile(r"\w+|[^\w\s]+")  # letters and digits, or punctuation


def spell(text: str) -> list[tuple[str, ...]]:
    """Cut a text into words of characters; the last one before white space, or at the end, carries `</w>`.

    Example:
        >>> spell("a no. 2")
        [('a</w>',), ('n', 'o'), ('.</w>',), ('2</w>',)]
    """
    words = []
    for found in WORD.finditer(text):
        follows = text[found.end() : found.end() + 1]
        mark = END_OF_WORD if not follows or follows.isspace() else ""
        words.append((*found[0][:-1], found[0][-1] + mark))
    return words


class BytePairs:
    """A vocabulary of characters and merges, after the special tokens.

    Any text over its characters can be written in it, and read back but for the kind of its white space. Another
    character becomes `<unk>`, which is token 0.

    Args:
        characters: The symbols that merges start from, with and without `</w>`.
        merges: As `learn_merges` returns them.
        special: Tokens that stand for no text; they follow `<unk>`.
    """

    def __init__(
        self, characters: Iterable[str], merges: Sequence[Pair], special: Sequence[str] = ()
    ) -> None:
        joined = (first + second for first, second in merges)  # type: ignore[operator]
        self.symbols = [*dict.fromkeys(["<unk>", *special, *sorted(set(characters)), *joined])]
        self.number = {symbol: number for number, symbol in enumerate(self.symbols)}
        self.merges = list(merges)
        self._rank = {pair: rank for rank, pair in enumerate(merges)}
        self._special = {"<unk>", *special}
        self._known: dict[tuple[str, ...], list[int]] = {}  # words recur

    @classmethod
    def learn(cls, texts: Iterable[str], n_merges: int, special: Sequence[str] = ()) -> "BytePairs":
        """Learn the merges of some texts."""
        words = Counter(word for text in texts for word in spell(text))
        characters = {character for word in words for character in word}
        # A character may stand at a word's end that never stood there in these texts.
        plain = {character.removesuffix(END_OF_WORD) for character in characters}
        both = plain | {character + END_OF_WORD for character in plain}
        return cls(both, learn_merges(words, n_merges), special)

    def __len__(self) -> int:
        """V, special tokens counted."""
        return len(self.symbols)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text; a special token's name in it is text like any other."""
        tokens = []
        for word in spell(text):
            if word not in self._known:
                parts = apply_merges(word, self._rank)
                self._known[word] = [self.number.get(part, 0) for part in parts]  # type: ignore[arg-type]
            tokens += self._known[word]
        return tokens

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of some tokens, with one space between words; special tokens by their names."""
        names = (self.symbols[token] for token in tokens)
        return "".join(
            f"{name} " if name in self._special else name.replace(END_OF_WORD, " ")
            for name in names
        ).rstrip(" ")


# The network (Section 3.1) ----------------------------------------------------------------------------------


def gelu(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    r"""A rectifier with a soft corner (Hendrycks and Gimpel, 2016), in the form that the authors' code computes.

    $$\mathrm{GELU}(x) = x\,\Phi(x) \approx \frac{x}{2}
      \left(1 + \tanh\!\left[\sqrt{2 / \pi}\,(x + 0.044715\,x^3)\right]\right)$$

    With $\Phi$ itself, through the error function, it would differ by up to 5e-4.

    Example:
        >>> gelu(torch.tensor([-3.0, 0.0, 3.0])).tolist()
        [-0.0036..., 0.0, 2.996...]
    """
    return F.gelu(x, approximate="tanh")


class MaskedSelfAttention(MultiHeadAttention):
    """The Transformer's attention with biases, and with dropout on its weights (Section 4.1)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.query = nn.Linear(config.d_model, config.d_model)
        self.key = nn.Linear(config.d_model, config.d_model)
        self.value = nn.Linear(config.d_model, config.d_model)
        self.output = nn.Linear(config.d_model, config.d_model)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        source: KeysValues,
        visible: Bool[Tensor, "1 1 #T S"] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Let the positions of `x` ask those that they may see; return their answers."""
        if not (self.training and self.dropout.p):
            return super().forward(x, source, visible)
        weights = self.dropout(self.weights(x, source, visible))  # B H T S
        return self.output((weights @ source.v).transpose(1, 2).flatten(2))  # B H T K -> B T D


class FeedForward(transformer.FeedForward):
    r"""The Transformer's feed-forward network with GELU: $\mathrm{GELU}(x W_1 + b_1) W_2 + b_2$ (Section 4.1)."""

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Apply it to each position by itself."""
        return self.contract(gelu(self.expand(x)))


class Block(nn.Module):
    """Attention to oneself and to what came before, then the feed-forward network; sums are normalised (Figure 1)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention = MaskedSelfAttention(config)
        self.feed_forward = FeedForward(config)
        self.add_attention = Residual(config)
        self.add_feed_forward = Residual(config)

    def forward(
        self, x: Float[Tensor, "B T D"], visible: Bool[Tensor, "1 1 T T"]
    ) -> Float[Tensor, "B T D"]:
        """Update every position; `visible` says which ones each may look at."""
        x = self.add_attention(x, self.attention(x, self.attention.keys_values(x), visible))
        return self.add_feed_forward(x, self.feed_forward(x))


class GPT1(nn.Module):
    r"""The language model of Eq. 2: $h_0 = U W_e + W_p$, then the blocks, then $\mathrm{softmax}(h_n W_e^\top)$."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.d_model)
        self.positions = nn.Embedding(config.context, config.d_model)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(self.block() for _ in range(config.n_layers))
        self.register_buffer("visible", causal(config.context), persistent=False)
        deviation = 0.02 * math.sqrt(PAPER.d_model / config.d_model)
        for part in self.modules():
            if isinstance(part, nn.Linear | nn.Embedding):
                nn.init.normal_(part.weight, std=deviation)
            if isinstance(part, nn.Linear):
                nn.init.zeros_(part.bias)

    def block(self) -> nn.Module:
        """One layer; it is what GPT-2 changed."""
        return Block(self.config)

    def embed(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Token and position embeddings, added.

        Raises:
            ValueError: more tokens than there are positions.
        """
        length = tokens.shape[1]
        if length > self.config.context:
            raise ValueError(f"{length} tokens exceed the context of {self.config.context}")
        return self.dropout(self.tokens(tokens) + self.positions.weight[:length])

    def features(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """$h_n$: what the last block knows at each position, from the tokens up to it."""
        length = tokens.shape[1]
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, self.visible[:, :, :length, :length])
        return x

    def logits(self, features: Float[Tensor, "B T D"]) -> Float[Tensor, "B T V"]:
        """Scores of the next token, from the embeddings themselves."""
        return features @ self.tokens.weight.T

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Score each next token; those at position t depend on tokens 0 to t only."""
        return self.logits(self.features(tokens))


def next_token_loss(
    logits: Float[Tensor, "B T V"],
    tokens: Int[Tensor, "B T"],
    real: Bool[Tensor, "B T"] | None = None,
) -> Float[Tensor, ""]:
    r"""$-L_1$ of Eq. 1, as a mean: how badly each token is predicted from those before it, in nats.

    Args:
        logits: The model's, at every position.
        tokens: What it read. The first token is predicted by nothing, so it does not count.
        real: False at tokens that only fill up a batch.
    """
    losses = F.cross_entropy(
        logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
    )
    return losses.mean() if real is None else losses[real[:, 1:].flatten()].mean()


# Tasks as sequences (Section 3.3, Figure 1) -----------------------------------------------------------------


class Special(NamedTuple):
    """The tokens that frame a task; they get embeddings in fine-tuning."""

    start: int
    delimiter: int  # printed as a dollar sign
    extract: int  # the last one: what the model knows there is what the task's layer reads


Tokens = list[int]


def classification(text: Tokens, special: Special) -> Tokens:
    """One text between start and end.

    Example:
        >>> classification([7, 8], Special(start=1, delimiter=2, extract=3))
        [1, 7, 8, 3]
    """
    return [special.start, *text, special.extract]


def entailment(premise: Tokens, hypothesis: Tokens, special: Special) -> Tokens:
    """Premise and hypothesis with the delimiter between them.

    Example:
        >>> entailment([7, 8], [9], Special(start=1, delimiter=2, extract=3))
        [1, 7, 8, 2, 9, 3]
    """
    return [special.start, *premise, special.delimiter, *hypothesis, special.extract]


def similarity(one: Tokens, other: Tokens, special: Special) -> list[Tokens]:
    """Both orders, for neither text comes first; `FineTuned.similarity` adds what the model makes of the two."""
    return [entailment(one, other, special), entailment(other, one, special)]


def multiple_choice(context: Tokens, answers: list[Tokens], special: Special) -> list[Tokens]:
    """Document and question before each of the answers; each sequence gets one score, and these a softmax."""
    return [entailment(context, answer, special) for answer in answers]


def batch_of(
    sequences: Sequence[Tokens], context: int
) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """Sequences of unequal length as one batch, and where they are real; what fills them up comes last, unseen.

    Example:
        >>> batch_of([[1, 5, 3], [1, 3]], context=8)[0].tolist()
        [[1, 5, 3], [1, 3, 0]]
    """
    longest = max(map(len, sequences), default=0)
    if not min(map(len, sequences), default=0):
        raise ValueError("a batch needs sequences, and each of them a token")
    if longest > context:
        raise ValueError(f"a sequence of {longest} tokens exceeds the context of {context}; cut it")
    filled = [[*sequence, *[0] * (longest - len(sequence))] for sequence in sequences]
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    return torch.tensor(filled), torch.arange(longest) < lengths[:, None]


# Fine-tuning (Section 3.2) ----------------------------------------------------------------------------------


class FineTuned(nn.Module):
    r"""A pre-trained model with one new layer: $P(y \mid x) = \mathrm{softmax}(h_n^m W_y)$ (Eq. 3).

    Args:
        model: Trained on, all of it; the new layer starts as its matrices do.
        n_outputs: C; 1 for multiple choice, whose answers share one score function.
        dropout: Of the features before the new layer; the paper's is 0.1.
    """

    def __init__(self, model: GPT1, n_outputs: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.model = model
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(model.config.d_model, n_outputs, bias=False)
        nn.init.normal_(
            self.head.weight, std=0.02 * math.sqrt(PAPER.d_model / model.config.d_model)
        )

    def summary(
        self, features: Float[Tensor, "B T D"], real: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B D"]:
        """$h_n^m$: the features at each sequence's last real token, which has seen all others."""
        last = real.sum(dim=1) - 1
        return features[torch.arange(len(last), device=last.device), last]

    def forward(
        self, tokens: Int[Tensor, "B T"], real: Bool[Tensor, "B T"]
    ) -> tuple[Float[Tensor, "B C"], Float[Tensor, "B T V"]]:
        """Scores of the classes, and of each next token for the auxiliary loss; one pass gives both."""
        features = self.model.features(tokens)
        return self.head(self.dropout(self.summary(features, real))), self.model.logits(features)

    def similarity(
        self,
        one_first: Int[Tensor, "B T"],
        other_first: Int[Tensor, "B T"],
        real: Bool[Tensor, "B T"],
    ) -> Float[Tensor, "B C"]:
        """Scores of a pair of texts, the same whichever is called the first (Section 3.3)."""
        both = (self.summary(self.model.features(x), real) for x in (one_first, other_first))
        return self.head(self.dropout(sum(both)))

    def choose(
        self, tokens: Int[Tensor, "B A T"], real: Bool[Tensor, "B A T"]
    ) -> Float[Tensor, "B A"]:
        """Scores of the answers, each read by itself behind the same context."""
        features = self.model.features(tokens.flatten(0, 1))
        scores = self.head(self.dropout(self.summary(features, real.flatten(0, 1))))  # BA 1
        return scores.view(tokens.shape[:2])


def fine_tuning_loss(
    scores: Float[Tensor, "B C"],
    labels: Int[Tensor, " B"],
    logits: Float[Tensor, "N T V"],
    tokens: Int[Tensor, "N T"],
    real: Bool[Tensor, "N T"],
    weight: float = 0.5,
) -> Float[Tensor, ""]:
    r"""$L_3 = L_2 + \lambda L_1$ (Eq. 5): the task's loss, and a share of the language model's on the same inputs.

    Args:
        scores: Of the classes.
        labels: The right ones.
        logits: Of the next tokens, in all N sequences: one an example, or one an answer.
        tokens: The task's inputs.
        real: False where a batch is only filled up.
        weight: $\lambda$; 0 leaves the language model's loss out.
    """
    loss = F.cross_entropy(scores, labels)
    return loss + weight * next_token_loss(logits, tokens, real) if weight else loss
