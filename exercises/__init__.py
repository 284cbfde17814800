"""Exercises, one file per paper: `python -m exercises PAPER` hands out stubs and grades answers.

How an answer is found wrong, and how a wrong answer is told apart from another, is written here.
"""

import copy
import inspect
import math
import warnings
from collections.abc import Callable, Sequence

with warnings.catch_warnings():
    # PyTorch does without NumPy, as the exercises do, but complains when it is imported.
    warnings.filterwarnings("ignore", "Failed to initialize NumPy")
    import torch
    from torch import Tensor


class WrongAnswer(Exception):
    """An answer is wrong; the message says how."""


Function = Callable[..., object]


def compare(answer: Function, right: Function, mistakes: Sequence[Function], *cases: tuple) -> None:
    """Let an answer and the right function work on the same inputs.

    Args:
        answer: What is to be graded.
        right: What it should do. It returns a tensor, a number, a dict, or a list of these, of strings or of tuples.
        mistakes: What people write instead: functions that err so, and say in their docstring what
            is wrong with them.
        cases: The inputs. Everybody gets copies, so that nobody can spoil them for the others.

    Raises:
        WrongAnswer: With the docstring of the mistake that gives the same output in all cases, or
            else with what differs in the first case that differs.
    """
    expected = [right(*copy.deepcopy(case)) for case in cases]
    found = [answer(*copy.deepcopy(case)) for case in cases]
    if all(map(same, found, expected)):
        return
    for mistake in mistakes:
        outputs = [mistake(*copy.deepcopy(case)) for case in cases]
        if all(map(same, found, outputs)):
            raise WrongAnswer(" ".join(inspect.getdoc(mistake).split()))
    for case, output, wanted in zip(cases, found, expected, strict=True):
        if not same(output, wanted):
            raise WrongAnswer(given(case) + difference(output, wanted))


def same(found: object, expected: object) -> bool:
    """Say whether two outputs agree, up to rounding; NaN in the same places counts as agreement."""
    if isinstance(expected, str | dict):
        return found == expected
    if isinstance(expected, list | tuple):
        alike = isinstance(found, list | tuple) and len(found) == len(expected)
        return alike and all(map(same, found, expected))
    if not isinstance(expected, Tensor):
        return is_number(found) and math.isclose(found, expected, rel_tol=1e-5, abs_tol=1e-9)
    if not isinstance(found, Tensor) or found.shape != expected.shape:
        return False
    if (found.dtype == torch.bool) != (expected.dtype == torch.bool):
        return False
    return torch.allclose(found.double(), expected.double(), rtol=1e-5, atol=1e-6, equal_nan=True)


def is_number(found: object) -> bool:
    """Say whether this is one number: Python's, or a tensor without axes."""
    return isinstance(found, int | float) or (isinstance(found, Tensor) and found.ndim == 0)


def given(case: tuple) -> str:
    """The input in words, where it is short enough to be printed."""
    if any(isinstance(item, Tensor) or callable(item) for item in case):
        return ""
    return f"Given {' and '.join(map(str, case))}: "


def difference(found: object, expected: object) -> str:
    """What differs first between two outputs, in words."""
    if found is None:
        return "It returns nothing. Is the `return` missing?"
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return f"It returns something of type {type(found).__name__}; it should return a dict."
        wrong = next(key for key in [*expected, *found] if found.get(key) != expected.get(key))
        return f"For {wrong} it has {found.get(wrong)}; it should have {expected.get(wrong)}."
    if isinstance(expected, list):
        tensors = any(isinstance(part, Tensor) for part in expected)
        if not isinstance(found, list | tuple):
            several = f"{len(expected)} tensors" if tensors else "a list"
            return (
                f"It returns something of type {type(found).__name__}; it should return {several}."
            )
        if tensors:
            return first_wrong(found, expected)
        return f"It returns {list(found)}; it should return {expected}."
    if not isinstance(expected, Tensor):
        if not is_number(found):
            return (
                f"It returns something of type {type(found).__name__}; it should return one number."
            )
        return f"It returns {found:.4g}; it should return {expected:.4g}."
    if not isinstance(found, Tensor):
        return f"It returns something of type {type(found).__name__}; it should return one tensor."
    if found.shape != expected.shape:
        return f"Its shape is {tuple(found.shape)}; it should be {tuple(expected.shape)}."
    if (found.dtype == torch.bool) != (expected.dtype == torch.bool):
        return f"It returns numbers of type {found.dtype}; it should return {expected.dtype}."
    if found.isnan().any():
        return "Some of its numbers are NaN: somewhere it divides 0 by 0, or subtracts infinities."
    distance = (found.double() - expected.double()).abs()
    # Not `unravel_index`, which imports hundreds of modules the first time.
    place = tuple((distance == distance.max()).nonzero()[0].tolist())
    where = f"at {list(place)} there is" if place else "there is"
    return (
        f"The shape is right, the numbers are not: {where} "
        f"{found[place].item():.4g}, and it should be {expected[place].item():.4g}."
    )


def first_wrong(found: Sequence, expected: list) -> str:
    """What differs first in an output of several tensors, which are too long to be printed."""
    if len(found) != len(expected):
        return f"It returns {len(found)} tensors; it should return {len(expected)}."
    wrong = next(n for n, wanted in enumerate(expected) if not same(found[n], wanted))
    return f"Of its {len(expected)} tensors, number {wrong + 1} is wrong. " + difference(
        found[wrong], expected[wrong]
    )
