"""Where attentions look, kept while a model computes."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from implementations.transformer import MultiHeadAttention


@contextmanager
def kept_maps(attentions: Iterable[MultiHeadAttention]) -> Iterator[list[Tensor]]:
    """The weights of these attentions (batch, head, query, key), one more each time that one of them is used."""
    maps: list[Tensor] = []
    hooks = [
        attention.register_forward_hook(
            lambda module, inputs, output: maps.append(module.weights(*inputs))
        )
        for attention in attentions
    ]
    try:
        with torch.no_grad():
            yield maps
    finally:
        for hook in hooks:
            hook.remove()
