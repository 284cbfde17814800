"""The theme's style sheets without the rules that no page of ours can match: they become half as large."""

import re
from collections.abc import Set
from pathlib import Path
from typing import Any

import tinycss2

_CLASSES = re.compile(r'\bclass="([^"]*)"')
_WORD = re.compile(r"[\w-]+")
_CLASS = re.compile(r"\.((?:\\.|[\w-])+)")
_COLOUR = re.compile(
    r"data-md-(color-(?:primary|accent)=)[\"']?([\w-]+)"
)  # one of the theme's twenty
_INSIDE = re.compile(r"\([^()]*\)")  # what :not(), :is() and :has() ask is left alone
_NESTED = ("media", "supports", "layer", "container")


def purge(site: Path) -> None:
    """Rewrite the theme's style sheets for the pages and scripts of a finished site."""
    names = used_names(site)
    for sheet in sorted(site.glob("assets/stylesheets/*.css")):
        sheet.write_text(purged(sheet.read_text(encoding="utf-8"), names), encoding="utf-8")


def used_names(site: Path) -> Set[str]:
    """Every class and theme colour that a page carries, and every word of a script, for scripts add classes."""
    names: set[str] = set()
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for classes in _CLASSES.findall(text):
            names.update(classes.split())
        names.update("".join(colour) for colour in _COLOUR.findall(text))
    for script in site.rglob("*.js"):
        names.update(_WORD.findall(script.read_text(encoding="utf-8")))
    return names


def purged(css: str, names: Set[str]) -> str:
    """A style sheet without the selectors that need a class or a theme colour which is not among `names`."""
    kept = _rules(tinycss2.parse_stylesheet(css, skip_comments=True), names)
    return _without_pictures(kept)


def _rules(rules: list[Any], names: Set[str]) -> str:
    return "".join(_rule(rule, names) for rule in rules)


def _rule(rule: Any, names: Set[str]) -> str:
    if rule.type == "qualified-rule":
        selectors = _selectors(tinycss2.serialize(rule.prelude))
        kept = [selector for selector in selectors if matches(selector, names)]
        body = tinycss2.serialize(rule.content)
        return f"{','.join(kept)}{{{body}}}" if kept else ""
    if rule.type == "at-rule" and rule.content and rule.lower_at_keyword in _NESTED:
        inside = _rules(
            tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True), names
        )
        head = tinycss2.serialize(rule.prelude)
        return f"@{rule.at_keyword}{head}{{{inside}}}" if inside else ""
    return rule.serialize() if rule.type != "whitespace" else ""


def _selectors(prelude: str) -> list[str]:
    """A list of selectors cut at its commas, those in brackets aside."""
    depth, parts = 0, [""]
    for letter in prelude:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def matches(selector: str, names: Set[str]) -> bool:
    """Whether some element could match: every class and theme colour that the selector asks for is in use."""
    bare = selector
    while (shorter := _INSIDE.sub("", bare)) != bare:
        bare = shorter
    wanted = [name.replace("\\", "") for name in _CLASS.findall(bare)]
    return all(name in names for name in [*wanted, *map("".join, _COLOUR.findall(bare))])


_PICTURE = re.compile(r"(--[\w-]+):url\((\"[^\"]*\"|'[^']*'|[^)]*)\);?")


def _without_pictures(css: str) -> str:
    """Icons that the style sheet defines and nothing of it shows any more."""
    shown = set(re.findall(r"var\((--[\w-]+)", css))
    css = _PICTURE.sub(lambda icon: icon[0] if icon[1] in shown else "", css)
    return re.sub(r":root\{\s*\}", "", css)
