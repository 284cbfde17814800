"""A task for short runs: read random letters, write the same letters."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

PADDING, END, START = 0, 1, 2
FIRST_LETTER = 3


def copies(length: int, batch: int, letters: int) -> tuple[Tensor, Tensor]:
    """Random letters closed by END; and the same from START on."""
    text = torch.randint(FIRST_LETTER, FIRST_LETTER + letters, (batch, length))
    start, end = torch.full((batch, 1), START), torch.full((batch, 1), END)
    return torch.cat([text, end], dim=1), torch.cat([start, text, end], dim=1)


def mixed_lengths(
    shortest: int, longest: int, batch: int, letters: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of copies, endlessly; the length of each is drawn evenly."""
    while True:
        yield copies(int(torch.randint(shortest, longest + 1, ())), batch, letters)


@torch.no_grad()
def write(model: nn.Module, source: Tensor) -> Tensor:
    """Write as much as was read, the likeliest token each time; for any model of source and target."""
    written = torch.full_like(source[:, :1], START)
    for _ in range(source.shape[1]):
        newest = model(source, written)[:, -1:].argmax(dim=-1)
        written = torch.cat([written, newest], dim=1)
    return written[:, 1:]


def quality_by_length(
    model: nn.Module, lengths: list[int], rows: int, letters: int
) -> dict[str, dict[str, float]]:
    """For each length, the share of texts copied without a mistake, and of letters that stand in their places."""
    model.eval()
    exact, right = {}, {}
    for length in lengths:
        source, _ = copies(length, rows, letters)
        same = write(model, source) == source  # both end with END
        exact[str(length)] = same.all(dim=1).double().mean().item()
        right[str(length)] = same[:, :-1].double().mean().item()
    return {"exact": exact, "letters": right}
