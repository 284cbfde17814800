"""What a story is made of: runs of marked text, blocks of runs, and the story itself."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urljoin

from bs4 import Comment, NavigableString, Tag

from generators.site.medium.inline_math import Refused, linear

_MARKS = {"strong": "strong", "b": "strong", "em": "em", "i": "em", "cite": "em", "code": "code"}
_MARKS |= {"kbd": "code", "samp": "code", "var": "em"}
_PLAIN = {"span", "time", "abbr", "small", "bdi", "label"}
INLINE = {*_MARKS, *_PLAIN, "a", "br", "sup"}
INLINE |= {"mark", "sub", "u", "s", "del", "ins", "q"}  # no form on Medium: the author has to say
_SUPERSCRIPT = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")


OVERRIDE = "data-medium"  # what `{: medium="..."}` of the Markdown becomes on the page


class NoRule(ValueError):
    """Something in a post that Medium has no form for, or that breaks one of its limits.

    Attributes:
        near: what stands near it in the Markdown: words of the paragraph, then pieces to the letter.
        each: the single faults of a post that has several.
    """

    def __init__(self, message: str, *near: str) -> None:
        super().__init__(message)
        self.near = near
        self.each: tuple[NoRule, ...] = (self,)


def together(faults: Sequence[NoRule]) -> NoRule:
    """Several faults as one error, a line each."""
    whole = NoRule("\n".join(map(str, faults)))
    whole.each = tuple(faults)
    return whole


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
    commit: str = ""  # that the page was built from, and where it can be read
    source: str = ""
    added: list[str] = field(default_factory=list)  # words that the post does not have
    added_links: list[tuple[str, str]] = field(default_factory=list)  # words, address
    left_out: list[str] = field(default_factory=list)  # what the author shows in the original only
    proven: int = 0  # formulas as text that reads back as the same formula
    refused: list[str] = field(default_factory=list)  # formulas that the author says in words
    faults: list[NoRule] = field(default_factory=list)
    letters: set[str] = field(default_factory=set)  # of formulas, and not in every font


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
        elif node.get(OVERRIDE):
            yield from _in_words(story, node, marks, href)
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
            hint = f'say it otherwise, or give its words: <{node.name} medium="...">'
            what = f"{shown(node)} has no form inside a line of a Medium story; {hint}"
            story.faults.append(refusal(story, node, what))


def _in_words(story: Story, node: Tag, marks: frozenset[str], href: str) -> Iterator[Run]:
    """The author's own words for something that a line of Medium cannot hold."""
    words = " ".join(str(node[OVERRIDE]).split())
    if node.find(class_="katex"):
        story.refused.append(latex_of(node))
    else:
        story.left_out.append(shown(node))
    yield Run(words, marks, href)


def _formula(story: Story, node: Tag, marks: frozenset[str], href: str) -> Iterator[Run]:
    styles = {"i": {"em"}, "b": {"strong"}, "n": set()}
    latex = latex_of(node)
    try:
        for text, style in linear(latex):
            story.letters |= {letter for letter in text if ord(letter) > 0xFFFF}
            yield Run(text, marks | styles[style], href)
    except Refused as error:
        hint = (
            "say it in words, set it as a display formula (it becomes a picture), "
            f'or write <span medium="your words">${latex}$</span>'
        )
        story.faults.append(refusal(story, node, f"inline formula {error}; {hint}"))
    else:
        story.proven += 1


def latex_of(node: Tag) -> str:
    """The LaTeX that KaTeX drew."""
    source = node.find("annotation", attrs={"encoding": "application/x-tex"})
    if source is None:
        raise NoRule(f"{shown(node)} has no LaTeX source beside it", *near(node))
    return source.get_text().strip()


def address(story: Story, link: Tag) -> str:
    """The absolute address of a link."""
    target = str(link.get("href") or "")
    if not target:
        raise refusal(story, link, f"a link without an address: {shown(link)}")
    return urljoin(story.url, target)


_BLOCKS = [
    "p",
    "li",
    "td",
    "th",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "pre",
    "figcaption",
    "summary",
]


def near(node: Tag) -> tuple[str, ...]:
    """What stands in the Markdown where an element came from: words of its block, then exact pieces."""
    block = node if node.name in _BLOCKS else node.find_parent(_BLOCKS) or node
    words = _words(block)
    if not words.strip():  # nothing to read in it: the end of what stands before it
        words = next((text for text in map(_words, node.find_all_previous(_BLOCKS)) if text), "")
    formula = node.find("annotation") if "katex" in str(node.get("class")) else None
    picture = node if node.get("src") else node.find(src=True)
    pieces = (
        formula.get_text().strip() if formula else "",
        str(picture["src"]).rpartition("/")[2] if picture else "",
        f"<{node.name}",
        node.get_text(" ", strip=True)[:40],
    )
    return (words, *(piece for piece in pieces if piece))


def _words(node: Tag) -> str:
    """Text as the Markdown has it too: formulas stand there otherwise."""
    parts = [
        text
        for text in node.find_all(string=True)
        if not isinstance(text, Comment) and not text.find_parent(class_=["katex", "headerlink"])
    ]
    return " ".join("".join(parts).split())


def refusal(story: Story, node: Tag, message: str) -> NoRule:
    """The error about an element of a post."""
    return NoRule(f"{story.name}: {message}", *near(node))


def shown(node: Tag) -> str:
    """An element in short, for messages."""
    text = " ".join(node.get_text().split())
    classes = "".join("." + name for name in node.get("class", []))
    return f"<{node.name}{classes}>" + (f' "{text[:60]}"' if text else "")


def plain(runs: Runs) -> str:
    """Runs without their marks."""
    return "".join(run.text for run in runs)
