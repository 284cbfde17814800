"""Medium at its worst: of each fact about its editor that reports leave in doubt, the bad case.

A bundle must survive all of them at once: what is left is compared with the post again. Two points are
beyond any bundle, and the page's paste-back finds them: that pictures are fetched at all, and that
code with a mode keeps its lines.
"""

import re
from collections.abc import Callable

from bs4 import BeautifulSoup, Comment, Tag

from generators.site.medium.emit import with_captions_as_text

_KNOWN = {"h1", "h2", "h3", "h4", "p", "blockquote", "ul", "ol", "li", "pre", "figure", "img"}
_KNOWN |= {"figcaption", "strong", "em", "a", "br", "hr"}
_SWALLOWED = ["table", "svg", "script", "style", "iframe", "video"]  # with what they hold


def _unknown_tags_go(body: Tag) -> None:
    """Tables and drawings vanish; of other elements only the text is left (`sub`, `sup`, h5, code)."""
    for node in body.find_all(_SWALLOWED):
        node.decompose()
    for node in body.find_all(lambda tag: tag.name not in _KNOWN):
        node.unwrap()
    for comment in body.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()


def _pictures_go(body: Tag) -> None:
    """Only a PNG with a public address, in a figure of its own, is fetched."""
    for node in body.find_all("img"):
        fetched = re.fullmatch(r"https://[^\s?]+\.png", str(node.get("src") or ""))
        if not fetched or node.parent.name != "figure":
            node.decompose()


def _picture_texts_go(body: Tag) -> None:
    """Alternative texts are not taken, and captions are dropped."""
    for node in body.find_all("img"):
        del node["alt"]
    for node in body.find_all("figcaption"):
        node.decompose()


def _code_breaks(body: Tag) -> None:
    """Without a mode the lines are joined; an empty line ends the block."""
    for block in body.find_all("pre"):
        text = block.get_text()
        if block.get("data-code-block-mode") not in ("0", "2"):
            text = text.replace("\n", " ")
        first, *rest = re.split(r"\n(?=\n)", text)
        block.string = first
        for part in reversed(rest):
            new = BeautifulSoup("", "html5lib").new_tag("pre", attrs=block.attrs)
            new.string = part
            block.insert_after(new)


def _lists_break(body: Tag) -> None:
    """A list inside a list, and a block inside an item, are dropped."""
    for node in body.select("li ul, li ol, li pre, li figure, li blockquote"):
        if not node.decomposed:
            node.decompose()


def _relative_links_go(body: Tag) -> None:
    """A link without a scheme points nowhere."""
    for node in body.find_all("a"):
        if not re.match(r"https?://|mailto:", str(node.get("href") or "")):
            node.unwrap()


def _text_is_polished(body: Tag) -> None:
    """Straight quotes become curly, some spaces no-break; code stays."""
    for text in body.find_all(string=True):
        if not text.find_parent("pre"):
            curly = re.sub(r"(?<=\w)'", "\u2019", text)
            text.replace_with(re.sub(r"(?<=\b\w) (?=\w)", "\u00a0", curly))


def _limits_cut(body: Tag) -> None:
    """A title ends after 100 characters, a subtitle after 140, and is a paragraph; no rule is left."""
    for node, limit in zip(body.find_all(["h1", "h4"], limit=2), (100, 140), strict=False):
        if len(node.get_text()) > limit:
            node.string = node.get_text()[:limit]
        node.name = "p" if node.name == "h4" else node.name
    for rule in body.find_all("hr"):
        rule.decompose()


DOUBTS: tuple[Callable[[Tag], None], ...] = (
    _unknown_tags_go,
    _lists_break,
    _pictures_go,
    _picture_texts_go,
    _code_breaks,
    _relative_links_go,
    _text_is_polished,
    _limits_cut,
)


def worst(payload: str) -> str:
    """What the worst Medium leaves of a paste, made with the page's switch for captions on."""
    body = BeautifulSoup(with_captions_as_text(payload), "html5lib").body
    for doubt in DOUBTS:
        doubt(body)
    return "".join(str(node) for node in body.contents)
