"""How far two implementations are from one another."""

from collections.abc import Iterable

from torch import Tensor


def worst_error(ours: Iterable[Tensor], theirs: Iterable[Tensor]) -> float:
    """The largest difference between tensors, in units of each one's largest entry (at least 1)."""
    return max(
        (mine - other).abs().max().item() / max(1.0, other.abs().max().item())
        for mine, other in zip(ours, theirs, strict=True)
    )
