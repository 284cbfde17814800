"""The colours of the house, as data: each role has a value on light paper and one in the dark.

Figures are drawn in sentinel colours, which then become `var(--role)`; so one file follows the reader's scheme.
The smallest contrasts and distances (colour-blind readers included) are held by tests/test_figure.py.
"""

import re

from generators.papers import UnknownName

INKS = {
    "paper": ("#fdfdfb", "#14161a"),
    "ink": ("#16181c", "#e7e5df"),
    "dim": ("#555a63", "#a5a9b1"),  # ticks, names of axes
    "rule": ("#dcdbd5", "#33373e"),  # grid lines
    "mute": ("#c3c6cb", "#4b515b"),  # bars that are only there to be compared with
    "edge": ("#858a92", "#777d87"),  # and lines
    "glow": (
        "#16181c",
        "#ffffff",
    ),  # a number on sequential step 5, too far from neither ink nor paper in the dark
}
CATEGORIES = (
    ("#3033b8", "#8397e6"),  # blue
    ("#a02904", "#ee6a3b"),  # rust
    ("#028376", "#5ad9b6"),  # teal
    ("#4d3254", "#dcc4f3"),  # plum
    ("#8f6d45", "#eab23a"),  # ochre
    ("#740d2d", "#c4798e"),  # wine
)
SEQUENTIAL = tuple(
    zip(
        "#f6f5f1 #dfe4f0 #c5cfe9 #a9b8e1 #8c9fd8 #7086cd #566dbf #4055ae #2c3f97 #1a2a75".split(),
        "#1b1e24 #232b40 #2b395b #354a79 #425d97 #5473b3 #6e8ccb #8ba4e0 #abbeee #cdd9f7".split(),
        strict=True,
    )
)
DIVERGING = tuple(
    zip(
        "#8a3208 #c06a3c #e2ab8a #f3ddd0 #f4f3ee #d3dcf0 #98aade #5a73c6 #2f45b8".split(),
        "#f39a70 #c76a3e #87492c #4a2f25 #22252b #27314f #3c5096 #6780cf #a3b6f2".split(),
        strict=True,
    )
)
ROLES: dict[str, tuple[str, str]] = {
    **INKS,
    **{f"c{number}": pair for number, pair in enumerate(CATEGORIES, start=1)},
    **{f"s{step}": pair for step, pair in enumerate(SEQUENTIAL)},
    **{f"d{step}": pair for step, pair in enumerate(DIVERGING)},
}
_SENTINELS = {f"#0102{number:02x}": role for number, role in enumerate(ROLES)}
_BY_ROLE = {role: sentinel for sentinel, role in _SENTINELS.items()}

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_USE = re.compile(r"var\(--(\w+)\)")
_SCHEMES = re.compile(r":root\{[^}]*\}@media\(prefers-color-scheme:dark\)\{:root\{[^}]*\}\}")


class ForeignColour(ValueError):
    """A figure holds a colour that is no role of the house."""


def colour(role: str) -> str:
    """The sentinel to draw with: `colour("ink")`, `colour("c1")`."""
    if role not in _BY_ROLE:
        raise UnknownName("colour", role, ROLES)
    return _BY_ROLE[role]


def with_variables(svg: str) -> str:
    """Replace each sentinel by its role's variable; any other colour is refused."""
    foreign = sorted(set(_COLOUR.findall(svg)) - _SENTINELS.keys())
    if foreign:
        raise ForeignColour(
            f"the colours {', '.join(foreign)} are not of the house; use colour(role)"
        )
    return _COLOUR.sub(lambda found: f"var(--{_SENTINELS[found[0]]})", svg)


def schemes(svg: str) -> str:
    """CSS that gives the variables used in `svg` their values, light and dark."""
    used = [role for role in ROLES if f"var(--{role})" in svg]
    light, dark = (";".join(f"--{role}:{ROLES[role][which]}" for role in used) for which in (0, 1))
    return f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"


def light(svg: str) -> str:
    """A figure with its light colours put in place, for what knows no CSS variables (resvg, Medium)."""
    return _fixed(svg, 0)


def dark(svg: str) -> str:
    """A figure with its dark colours put in place."""
    return _fixed(svg, 1)


def _fixed(svg: str, which: int) -> str:
    return _USE.sub(lambda use: ROLES[use[1]][which], _SCHEMES.sub("", svg))
