"""Notes and posts as plain Markdown, and llms.txt, which lists them: for programs, and for people who like text.

The Markdown is that of notes/, with the markers taken off its numbers and every address whole.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from generators.site import links
from generators.site.structured import Article

_FRONT = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_SUMMARY = re.compile(r"<summary>(.*?)</summary>", re.DOTALL)
_BOX = re.compile(r"^</?(?:details|aside|div)\b[^>]*>[ \t]*$", re.MULTILINE)
_WISH = re.compile(r"^\{:[^}\n]*\}[ \t]*$", re.MULTILINE)  # what Markdown here makes attributes
_GAP = re.compile(r"\n{3,}")
_TITLE = re.compile(r"^(# .+)$", re.MULTILINE)
_TARGET = re.compile(r"(\]\()([^)\s]+)")
_WHOLE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


class Entry(NamedTuple):
    """One line of llms.txt."""

    title: str
    address: str
    description: str


def markdown(article: Article, source: str, author: str, whole: Callable[[str], str]) -> str:
    """The words of a note or post, with a line that says where they come from.

    Args:
        article: the note or post.
        source: its Markdown, with links as `links.for_site` writes them on a page at the root of docs/.
        author: their author's name.
        whole: such a link as a whole address.
    """
    words = links.outside_code(_FRONT.sub("", source), _unmarked)

    def settled(part: str) -> str:
        return _TARGET.sub(lambda link: link[1] + _settled(link[2], article.address, whole), part)

    words = links.outside_code(words, settled)
    day = f"{article.published:%d %B %Y}".lstrip("0")
    summary = f"> {article.description}\n\n" if article.description else ""
    origin = (
        f"{summary}By {author}, {day}. With figures, and the record behind each number, at "
        f"<{article.address}>. Words and figures are under CC BY 4.0."
    )
    words = _TITLE.sub(lambda title: f"{title[1]}\n\n{origin}", words, count=1)
    return _GAP.sub("\n\n", words).strip() + "\n"


def _unmarked(part: str) -> str:
    """Without comments and attributes, and without the boxes that only a browser can fold."""
    part = _WISH.sub("", _COMMENT.sub("", part))
    return _BOX.sub("", _SUMMARY.sub(r"**\1**", part))


def _settled(target: str, page: str, whole: Callable[[str], str]) -> str:
    if target.startswith("#"):
        return page + target
    return target if _WHOLE.match(target) else whole(target)


ABOUT = (
    "Notes analyse one paper each: its equations, the code that follows from them, and what we measured. Posts tell "
    "one measured result as a story. All are listed as Markdown. A number in them that is ours comes from a record, "
    "which the page of the text links."
)


def llms(title: str, summary: str, sections: Mapping[str, Sequence[Entry]]) -> str:
    """The index that llmstxt.org describes: title, summary, a few words, and sections of links."""
    parts = [f"# {title}", f"> {summary}", ABOUT]
    for name, entries in sections.items():
        lines = [
            f"- [{entry.title}]({entry.address}){': ' * bool(entry.description)}{entry.description}"
            for entry in entries
        ]
        parts += [f"## {name}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"
