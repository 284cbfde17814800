"""What the test files of `implementations/transformer.py` share: sizes, inputs, the input's printed formula."""

import functools
import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from generators.experiments.transformer import parity
from implementations.transformer import Transformer, TransformerConfig

# Every axis has a size of its own, so that two axes that change places are seen at once.
B, T, S, H, K, D, F_, V, CONTEXT = 2, 5, 7, 3, 4, 12, 18, 23, 11
LAYERS = 2
PADDING = 3  # not 0, so that a 0 written in the code by hand is seen
CONFIG = TransformerConfig(
    V, d_model=D, n_heads=H, d_ff=F_, n_layers=LAYERS, dropout=0.0, context=CONTEXT, padding=PADDING
)


def small_model() -> Transformer:
    """A small model with random weights, in evaluation mode."""
    return Transformer(CONFIG).eval()


def tokens(rows: int, length: int) -> Tensor:
    """Random tokens without padding."""
    drawn = torch.randint(V - 1, (rows, length))
    return drawn + (drawn >= PADDING)


def source_with_padding() -> Tensor:
    """A batch of sources, the second of which is two tokens shorter."""
    source = tokens(B, S)
    source[1, -2:] = PADDING
    return source


def printed_embedding(embedding: Tensor, ids: Tensor) -> Tensor:
    """Scaled embeddings plus positions, each written out from the paper's formula."""
    code = torch.empty(ids.shape[1], D)
    for position in range(ids.shape[1]):
        for i in range(D // 2):
            angle = position / 10_000 ** (2 * i / D)
            code[position, 2 * i] = math.sin(angle)
            code[position, 2 * i + 1] = math.cos(angle)
    return F.embedding(ids, embedding) * D**0.5 + code


LONGEST = 14
WRITER = replace(CONFIG, padding=parity.PADDING, context=LONGEST)
ROWS = 5


@functools.cache
def writers() -> list[tuple[Transformer, Tensor, Tensor]]:
    """Three models that have half learned to write, each with its sources, padded differently, and start tokens.

    Made once, in the precision of the first test that asks: all who ask compute in float64.
    """
    found = []
    for seed in (0, 1, 2):
        torch.manual_seed(seed)
        source = parity.sentences(WRITER, ROWS, S)
        model = parity.half_learned(WRITER, source, lr=1e-2)
        found.append((model, source, torch.full((ROWS,), parity.START)))
    return found


def lists(written: Tensor) -> list[list[int]]:
    """What each row says, without its padding."""
    return [[token for token in row if token != parity.PADDING] for row in written.tolist()]
