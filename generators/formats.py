"""Numbers as text, in the formats that markers and ledgers name: `pct`, `int`, `sci` and so on."""

import math
from collections.abc import Callable

from generators.papers import UnknownName

NARROW = "\u202f"  # a narrow space that does not break: between a number and its unit, and between thousands
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _percent(number: float, decimals: int) -> str:
    """A share in per cent; one that is not whole never looks whole: 0.9996 is 99.96 %, not 100.0 %."""
    if number in (0, 1):
        return f"{100 * number:.0f}{NARROW}%"
    while decimals < 6 and float(f"{100 * number:.{decimals}f}") in (0, 100):
        decimals += 1
    return f"{100 * number:.{decimals}f}{NARROW}%"


def _science(number: float) -> str:
    if number == 0:
        return "0"
    digits, exponent = f"{number:.0e}".split("e")
    return f"{digits}×10{str(int(exponent)).translate(_RAISED)}"


def _coarse(number: float) -> str:
    """Whole numbers from ten on, else two digits."""
    return (
        f"{number:.0f}"
        if abs(number) >= 10
        else f"{number:.1f}"
        if abs(number) >= 1
        else f"{number:.2g}"
    )


FORMATS: dict[str, Callable[[float], str]] = {
    "pct": lambda number: _percent(number, 1),
    "pct0": lambda number: _percent(number, 0),
    "pct2": lambda number: _percent(number, 2),
    "int": lambda number: f"{number:,.0f}".replace(",", NARROW),
    "f1": lambda number: f"{number:.1f}",
    "f2": lambda number: f"{number:.2f}",
    "f3": lambda number: f"{number:.3f}",
    "sci": _science,
    "s": lambda number: f"{_coarse(number)}{NARROW}s",
    "min": lambda number: f"{_coarse(number)}{NARROW}min",
    "x": lambda number: f"{number:.1f}{NARROW}×",
    "text": lambda number: f"{number:g}",
}
SPREADS = ("pm", "pmpct")  # mean ± half of the 95 % interval, plain and in per cent
WITH_SPREAD = (
    *SPREADS,
    "pct",
    "pct0",
    "pct2",
    "f1",
    "f2",
    "f3",
)  # formats that a ledger prints with its spread


def shown(number: float, form: str) -> str:
    """A number in one of the formats: `shown(0.987, "pct")` is "98.7 %"."""
    if form not in FORMATS:
        raise UnknownName("format", form, [*FORMATS, *SPREADS])
    return FORMATS[form](number).replace("-", "−")


def with_spread(mean: float, half_width: float, form: str) -> str:
    """A mean and half of its interval, the interval with one digit (two for a leading 1): "98.7 ± 0.3 %"."""
    percent = form.startswith(("pct", "pmpct"))
    mean, half_width = (100 * mean, 100 * half_width) if percent else (mean, half_width)
    if half_width > 0:
        decimals = max(0, -math.floor(math.log10(half_width)) + (f"{half_width:e}"[0] == "1"))
        text = f"{mean:.{decimals}f} ± {half_width:.{decimals}f}"
    else:
        text = f"{mean:.4g} ± 0"
    return text.replace("-", "−") + (f"{NARROW}%" if percent else "")
