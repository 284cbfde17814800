"""What a story is made of: runs of marked text, blocks of runs, and the story itself."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin

from bs4 import Comment, NavigableString, Tag

from generators.site.medium.inline_math import Refused, linear

_MARKS = {"strong": "strong", "b": "strong", "em": "em", "i": "em", "cite": "em", "code": "code"}
_MARKS |= {"kbd": "code", "samp": "code", "var": "em"}
_PLAIN = {"span", "time", "abbr", "small", "bdi", "label"}
INLINE = {*_MARKS, *_PLAIN, "a", "br", "sup"}
_SUPERSCRIPT = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")


class NoRule(ValueError):
    """Something in a post that Medium has no form for, or that breaks one of its limits."""


@dataclass(frozen=True)
class Run:
    """Text with the same marks throughout."""

    text: str
    marks: frozenset[str] = frozenset()
    href: str = ""


Runs = tuple[Run, ...]


@dataclass(frozen=True)
class Block:
    """One block of a story."""

    kind: str  # heading, small, text, quote, bullets, numbers, code, picture, rule
    runs: Runs = ()  # its text; a picture's caption
    items: tuple[Runs, ...] = ()  # of a list
    text: str = ""  # code, or a picture's alternative text
    language: str = ""  # of code, empty for output and tables
    source: tuple[str, str] = ("", "")  # of a picture: ("figure", address) or ("formula", LaTeX)


@dataclass
class Story:
    """A post on its way to Medium."""

    name: str  # the slug, for messages
    url: str  # where it is published
    title: str = ""
    subtitle: str = ""
    published: str = ""
    topics: tuple[str, ...] = ()
    blocks: list[Block] = field(default_factory=list)
    added: list[str] = field(default_factory=list)  # words that the post does not have


# --- Inside a block ------------------------------------------------------------------------------


def runs_of(story: Story, nodes: Iterable[object]) -> Runs:
    """Inline content as runs, with white space as a browser shows it."""
    found = list(_inline(story, nodes, frozenset(), ""))
    tidy: list[Run] = []
    for run in found:
        text = run.text
        if not tidy or tidy[-1].text.endswith((" ", "\n")):
            text = text.lstrip(" ")
        if text == "\n" and tidy:
            tidy[-1] = Run(tidy[-1].text.rstrip(" "), tidy[-1].marks, tidy[-1].href)
        if text and tidy and (tidy[-1].marks, tidy[-1].href) == (run.marks, run.href):
            tidy[-1] = Run(tidy[-1].text + text, run.marks, run.href)
        elif text:
            tidy.append(Run(text, run.marks, run.href))
    while tidy and not tidy[-1].text.strip():
        tidy.pop()
    if tidy:
        tidy[-1] = Run(tidy[-1].text.rstrip(), tidy[-1].marks, tidy[-1].href)
    return tuple(tidy)


def _inline(
    story: Story, nodes: Iterable[object], marks: frozenset[str], href: str
) -> Iterator[Run]:
    for node in nodes:
        if isinstance(node, Comment):
            continue
        if isinstance(node, NavigableString):
            yield Run(re.sub(r"[ \t\n\r\f]+", " ", node), marks, href)
        elif not isinstance(node, Tag):
            raise NoRule(f"{story.name}: {node!r} has no rule")
        elif "katex" in node.get("class", []):
            yield from _formula(story, node, marks, href)
        elif node.name in _MARKS:
            yield from _inline(story, node.children, marks | {_MARKS[node.name]}, href)
        elif node.name == "a":
            yield from _inline(story, node.children, marks, address(story, node))
        elif node.name == "br":
            yield Run("\n", marks, href)
        elif node.name == "sup" and node.find("a", class_="footnote-ref"):
            mark = node.get_text(strip=True).translate(_SUPERSCRIPT)
            yield Run(mark, marks, address(story, node.a))
        elif node.name == "sup" and re.fullmatch(r"[-+−\d]+", node.get_text()):
            yield Run(node.get_text().translate(_SUPERSCRIPT), marks, href)  # 3×10⁻⁷
        elif node.name in _PLAIN:
            yield from _inline(story, node.children, marks, href)
        else:
            raise NoRule(f"{story.name}: {shown(node)} has no form inside a line of a Medium story")


def _formula(story: Story, node: Tag, marks: frozenset[str], href: str) -> Iterator[Run]:
    styles = {"i": {"em"}, "b": {"strong"}, "n": set()}
    try:
        for text, style in linear(latex_of(node)):
            yield Run(text, marks | styles[style], href)
    except Refused as error:
        hint = "say it in words, or set it as a display formula (it becomes a picture)"
        raise NoRule(f"{story.name}: inline formula {error}; {hint}") from None


def latex_of(node: Tag) -> str:
    """The LaTeX that KaTeX drew."""
    source = node.find("annotation", attrs={"encoding": "application/x-tex"})
    if source is None:
        raise NoRule(f"{shown(node)} has no LaTeX source beside it")
    return source.get_text().strip()


def address(story: Story, link: Tag) -> str:
    """The absolute address of a link."""
    target = str(link.get("href") or "")
    if not target:
        raise NoRule(f"{story.name}: a link without an address: {shown(link)}")
    return urljoin(story.url, target)


def shown(node: Tag) -> str:
    """An element in short, for messages."""
    text = " ".join(node.get_text().split())
    classes = "".join("." + name for name in node.get("class", []))
    return f"<{node.name}{classes}>" + (f' "{text[:60]}"' if text else "")


def plain(runs: Runs) -> str:
    """Runs without their marks."""
    return "".join(run.text for run in runs)
