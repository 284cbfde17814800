"""How every unit's bugs on purpose are judged."""

from collections.abc import Callable

import pytest
import torch


def assert_caught(
    test: Callable[[], None], bug: Callable[[pytest.MonkeyPatch], None], patch: pytest.MonkeyPatch
) -> None:
    """A test passes with the right code and fails with the bug, on the same random numbers."""
    torch.manual_seed(0)
    test()
    bug(patch)
    torch.manual_seed(0)
    with pytest.raises(AssertionError):
        test()
