"""Exercises, one file per paper: `python -m exercises PAPER` hands out stubs and grades answers.

What a file of exercises says about itself lives here: how an answer is found wrong, and how a
wrong answer is told apart from another.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


class WrongAnswer(Exception):
    """An answer is wrong; the message says how."""


Function = Callable[..., Tensor]


def compare(answer: Function, right: Function, mistakes: Mapping[str, Function], *given) -> None:
    """Let an answer and the right function work on the same input.

    Args:
        answer: What is to be graded.
        right: What it should do.
        mistakes: What people write instead: the message for each, and a function that errs so.
        given: The input. Everybody gets a copy, so that nobody can spoil it for the others.

    Raises:
        WrongAnswer: With the message of the mistake that gives the same output, or else with the
            first thing that differs: type, shape, kind of number, or the worst entry.
    """
    expected = right(*copies(given))
    found = answer(*copies(given))
    if same(found, expected):
        return
    for message, mistake in mistakes.items():
        if same(found, mistake(*copies(given))):
            raise WrongAnswer(message)
    raise WrongAnswer(difference(found, expected))


def copies(given: tuple) -> tuple:
    """The same input again, in memory of its own."""
    return tuple(item.clone() if isinstance(item, Tensor) else item for item in given)


def same(found: object, expected: Tensor) -> bool:
    """Say whether two outputs agree, up to rounding; NaN in the same places counts as agreement."""
    if not isinstance(found, Tensor) or found.shape != expected.shape:
        return False
    if (found.dtype == torch.bool) != (expected.dtype == torch.bool):
        return False
    return torch.allclose(found.double(), expected.double(), rtol=1e-5, atol=1e-6, equal_nan=True)


def difference(found: object, expected: Tensor) -> str:
    """What differs first between two outputs, in words."""
    if found is None:
        return "It returns nothing. Is the `return` missing?"
    if not isinstance(found, Tensor):
        return f"It returns a {type(found).__name__}; it should return one tensor."
    if found.shape != expected.shape:
        return f"Its shape is {tuple(found.shape)}; it should be {tuple(expected.shape)}."
    if (found.dtype == torch.bool) != (expected.dtype == torch.bool):
        return f"It returns numbers of type {found.dtype}; it should return {expected.dtype}."
    if found.isnan().any():
        return "Some of its numbers are NaN: somewhere it divides 0 by 0, or subtracts infinities."
    distance = (found.double() - expected.double()).abs()
    place = tuple(int(i) for i in torch.unravel_index(distance.argmax(), distance.shape))
    return (
        f"The shape is right, the numbers are not: at {list(place)} there is "
        f"{found[place].item():.4g}, and it should be {expected[place].item():.4g}."
    )
