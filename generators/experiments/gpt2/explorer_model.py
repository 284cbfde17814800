"""The small GPT-2 that runs in the page: trained on sentences whose next word a rule knows, and on library prose."""

import functools
import itertools
import random
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from generators.data import prose
from generators.experiments.gpt2.explorer_grammar import MAKERS, MARK, to_learn_from
from generators.training import training
from generators.weights import both_of
from implementations.gpt2 import GPT2, ByteTokenizer
from implementations.transformer import TransformerConfig

# What cuts text into words, for the page too: letters, digits and blanks are listed, so that the regular expressions
# of Python and of JavaScript cannot differ.
PAGE_SPLIT = r" ?[A-Za-z]+| ?[0-9]+| ?[^A-Za-z0-9 \n\t\r]+|[ \n\t\r]+"
N_MERGES = 255  # 512 tokens with the bytes and the end of a text
EVERY = 40  # which of the prose texts are read; more than the model gets through
Shares = dict[str, float]  # maker -> how often


@functools.cache
def vocabulary() -> ByteTokenizer:
    """Byte pairs of sentences and of a little prose, so that each word of the grammar is one token."""
    sentences = to_learn_from(random.Random(0), dict.fromkeys(MAKERS, 1.0))
    plain = [text.replace(MARK, "") for text in itertools.islice(sentences, 6000)]
    return ByteTokenizer.learn([*plain, *prose("train")[:: 10 * EVERY]], N_MERGES, PAGE_SPLIT)


@functools.cache
def prose_tokens(split: str) -> Tensor:
    """Library prose as one row of tokens. Not to be changed in place."""
    known = vocabulary()
    texts = ([*known.encode(text), known.end_of_text] for text in prose(split)[::EVERY])
    return torch.tensor([token for text in texts for token in text])


def sentence_row(sentences: Iterator[str], context: int, stress: float) -> Tensor:
    """Sentences, one a line, cut to `context` tokens, and the weight of each token: 2 T."""
    known = vocabulary()
    tokens: list[int] = []
    weights: list[float] = []
    while len(tokens) < context:
        for number, part in enumerate(f"{next(sentences)}\n".split(MARK)):
            more = known.encode(part)
            tokens += more
            weights += [stress if number % 2 else 1.0] * len(more)
    return torch.tensor([tokens[:context], weights[:context]])


def rows(
    seed: int, batch: int, context: int, prose_share: float, stress: float, shares: Shares
) -> Iterator[Tensor]:
    """Batches of tokens and of their weights, endlessly: rows of sentences, and some of prose. B 2 T."""
    draw = random.Random(seed)
    sentences, text = to_learn_from(draw, shares), prose_tokens("train")
    while True:
        chosen = []
        for _ in range(batch):
            if draw.random() < prose_share:
                start = draw.randrange(len(text) - context)
                read = text[start : start + context].float()
                chosen.append(torch.stack([read, torch.ones(context)]))
            else:
                chosen.append(sentence_row(sentences, context, stress))
        yield torch.stack(chosen)


def weighted_loss(model: GPT2, batch: Tensor) -> Tensor:
    """Mean surprise in nats; words that a rule determines count more than those drawn by chance.

    What is likeliest at a place stays the same, for all that can follow there counts alike.
    """
    tokens, weights = batch[:, 0].long(), batch[:, 1, 1:]
    nats = F.cross_entropy(model(tokens)[:, :-1].mT, tokens[:, 1:], reduction="none")
    return (nats * weights).sum() / weights.sum()


def config_of(**sizes: int) -> TransformerConfig:
    """A configuration with our vocabulary."""
    return TransformerConfig(len(vocabulary()), dropout=0.0, **sizes)


def make_explorer(
    seed: int,
    batch: int,
    steps: int,
    lr: float,
    warmup: int,
    prose_share: float,
    stress: float,
    shares: Shares,
    **sizes: int,
) -> dict[str, Tensor]:
    """Train one model; its weights as learnt, and rounded."""
    model = GPT2(config_of(**sizes))
    read = rows(seed, batch, sizes["context"], prose_share, stress, shares)
    for _ in training(model, functools.partial(weighted_loss, model), read, steps, lr, warmup):
        pass
    return both_of(model.state_dict())


def model_of(state: dict[str, Tensor], **sizes: int) -> GPT2:
    """A model with these weights."""
    model = GPT2(config_of(**sizes))
    model.load_state_dict(state)
    return model.eval()
