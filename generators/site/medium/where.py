"""Where in the Markdown the fault of a built post stands: a page does not say which line it came from."""

import re
from pathlib import Path

from generators.site.medium.runs import NoRule

# What Markdown has and a page's text has not; newlines stay, so that lines can be counted.
_UNREAD = re.compile(r"<!--.*?-->|<[^<>]*>|\]\([^)\n]*\)|\{:[^}\n]*\}|\$[^$]*\$", re.DOTALL)
_FRONT = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_ENOUGH = 40  # letters that tell a paragraph from all others


def line_of(markdown: str, near: tuple[str, ...]) -> int:
    """The line (from 1) that words and pieces point at, 0 when nothing does.

    Args:
        markdown: the post's source.
        near: words of the block (may be empty), then pieces of source, the best first.
    """
    words, *pieces = near or ("",)
    start = _where(markdown, words)
    for piece in (piece.splitlines()[0] for piece in pieces if piece.strip()):
        places = [match.start() for match in re.finditer(re.escape(piece), markdown)]
        after = [place for place in places if place >= start]
        if places:
            return _line(markdown, (after or places)[0])
    return _line(markdown, start) if start else 0


def _where(markdown: str, words: str) -> int:
    """Where a block with these words begins; markup between letters does not count."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match[0])

    text = _UNREAD.sub(blank, _FRONT.sub(blank, markdown))
    places = [place for place, letter in enumerate(text) if letter.isalnum()]
    letters = "".join(text[place] for place in places)
    sought = "".join(letter for letter in words if letter.isalnum())
    while len(sought) >= 2:
        sought = sought[: min(_ENOUGH, len(sought))]
        if (found := letters.find(sought)) >= 0:
            return places[found]
        sought = sought[: len(sought) // 2]  # a formula or a marked number stands in between
    return 0


def _line(markdown: str, place: int) -> int:
    return markdown.count("\n", 0, place) + 1


def told(fault: NoRule, source: Path | None, shown: str) -> NoRule:
    """A fault with file and line before it.

    Args:
        fault: names the post.
        source: the Markdown, where there is one.
        shown: the name of that file in the message.
    """
    if source is None or not source.is_file():
        return fault
    line = line_of(source.read_text(encoding="utf-8"), fault.near)
    return NoRule(f"{shown}:{line}: {fault}" if line else f"{shown}: {fault}", *fault.near)
