"""Does Medium take this HTML? Its rules, as far as they are documented; each broken one is a sentence."""

import re
from collections.abc import Iterator

from bs4 import BeautifulSoup, Comment, Tag

_TOP = {"h1", "h3", "h4", "p", "blockquote", "ul", "ol", "hr", "figure", "pre"}
_INSIDE = {"strong", "em", "code", "a", "br"}
_ATTRIBUTES = {
    "a": {"href"},
    "img": {"src", "alt"},
    "pre": {"data-code-block-mode", "data-code-block-lang"},
}
_ALLOWED = _TOP | _INSIDE | {"li", "img", "figcaption"}
_CHILDREN = {
    "ul": {"li"},
    "ol": {"li"},
    "figure": {"img", "figcaption"},
    "pre": set(),
    "code": set(),
}
_LEFTOVER = {
    r"\\[A-Za-z]+": "raw LaTeX",
    r"\$[^$\s][^$\n]*\$": "raw LaTeX",
    r"\]\(\w+:": "raw Markdown",
    r"\*\*\w": "raw Markdown",
}


def lint(payload: str) -> list[str]:
    """What Medium would drop or spoil, one sentence each; empty when nothing."""
    body = BeautifulSoup(payload, "html5lib").body
    return [*_tags(body), *_pictures_and_links(body), *_code(body), *_texts(body)]


def _tags(body: Tag) -> Iterator[str]:
    for node in body.find_all():
        if node.name not in _ALLOWED:
            yield f"<{node.name}> is no part of a Medium story"
            continue
        extra = set(node.attrs) - _ATTRIBUTES.get(node.name, set())
        if extra:
            yield f"<{node.name}> has the attribute {sorted(extra)[0]}"
        parent = node.parent
        allowed = _TOP if parent is body else _CHILDREN.get(parent.name, _INSIDE)
        if node.name not in allowed:
            where = "the top level" if parent is body else f"<{parent.name}>"
            yield f"<{node.name}> inside {where}: Medium's blocks are flat"
    for comment in body.find_all(string=lambda text: isinstance(text, Comment)):
        yield f'a comment is left: "{comment.strip()[:40]}"'
    for text in body.find_all(string=True, recursive=False):
        if text.strip():
            yield f'text outside of every block: "{text.strip()[:40]}"'


def _pictures_and_links(body: Tag) -> Iterator[str]:
    for picture in body.find_all("img"):
        source = str(picture.get("src") or "")
        if not re.fullmatch(r"https://\S+\.png", source):
            yield f"the picture {source[:60]} is no PNG with an absolute address"
        if picture.parent.name != "figure":
            yield f"the picture {source[:60]} is not in a figure"
        if not str(picture.get("alt") or "").strip():
            yield f"the picture {source[:60]} has no alternative text"
    for link in body.find_all("a"):
        if not re.match(r"(https://|mailto:)\S+$", str(link.get("href") or "")):
            yield f"the link {link.get('href')} has no absolute address"
        if not link.get_text().strip():
            yield f"the link {link.get('href')} has no text"


def _code(body: Tag) -> Iterator[str]:
    for block in body.find_all("pre"):
        first = block.get_text().strip()[:40]
        mode = block.get("data-code-block-mode")
        if mode not in ("0", "2") or (mode == "2") != bool(block.get("data-code-block-lang")):
            yield f'the code "{first}" has no mode and language: Medium would join its lines'
        if any(not line for line in block.get_text().split("\n")):
            yield f'the code "{first}" has an empty line: Medium would split it there'


def _texts(body: Tag) -> Iterator[str]:
    titles = body.find_all("h1")
    if len(titles) != 1 or not 0 < len(titles[0].get_text()) <= 100:
        yield "a story needs one title of at most 100 characters"
    elif (subtitle := titles[0].find_next_sibling()) is None or subtitle.name != "h4":
        yield "the subtitle (h4) follows the title"
    elif not 0 < len(subtitle.get_text()) <= 140:
        yield "the subtitle has at most 140 characters"
    for node in body.find_all(string=True):
        if node.find_parent(["pre", "code"]) is None:
            for pattern, what in _LEFTOVER.items():
                if found := re.search(pattern, str(node)):
                    yield f'{what} is left in the text: "{found[0][:40]}"'
