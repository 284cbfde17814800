"""Links that work twice: in a file on the forge, where they name files, and on the site, where they name pages."""

import posixpath
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from generators.files import ROOT

_CODE = re.compile(
    r"^(?P<fence>[ ]*(?:```+|~~~+)).*?^(?P=fence)[ \t]*$|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)",
    re.M | re.S,
)
_LINK = re.compile(r"(\]\()([^)\s]+)((?:\s+\"[^\"]*\")?\))|^(\s*\[[^\]]+\]:\s+)(\S+)()", re.M)
_SCHEME = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//|/|#)", re.I)
_LATER = re.compile(r'"site:([^"#]*)(#[^"]*)?"')


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Apply `change` to what is neither a fenced block nor inline code."""
    parts, end = [], 0
    for code in _CODE.finditer(text):
        parts += [change(text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, change(text[end:])])


def without_code(text: str) -> str:
    """A text without its fenced blocks and inline code."""
    return _CODE.sub("", text)


def for_site(markdown: str, source: Path, page: str, pages: Mapping[Path, str], forge: str) -> str:
    """Turn links to files of this project into links to their pages, or to the forge where they have none.

    Args:
        markdown: the text of a page.
        source: the file that it was written in; its links are relative to that.
        page: the page's own address below docs/, such as `notes/transformer.md`.
        pages: file -> address below docs/ of the page (with an anchor, perhaps) that shows it.
        forge: address of the repository.
    """

    def target(link: str) -> str:
        path, hash_sign, anchor = link.partition("#")
        if _SCHEME.match(link) or not path:
            return link
        file = (source.parent / path).resolve()
        if file in pages:
            shown, _, own = pages[file].partition("#")
            anchor = anchor or own
            return posixpath.relpath(shown, posixpath.dirname(page) or ".") + (
                f"#{anchor}" if anchor else ""
            )
        if file.is_relative_to(ROOT / "docs") or not file.is_relative_to(ROOT) or not file.exists():
            return link  # MkDocs resolves it, or says that it is broken
        kind = "tree" if file.is_dir() else "blob"
        return f"{forge.rstrip('/')}/{kind}/main/{file.relative_to(ROOT).as_posix()}{hash_sign}{anchor}"

    def change(text: str) -> str:
        return _LINK.sub(
            lambda m: f"{m[1]}{target(m[2])}{m[3]}" if m[1] else f"{m[4]}{target(m[5])}", text
        )

    return outside_code(markdown, change)


def settle(html: str, relative: Callable[[str], str]) -> str:
    """Write `"site:results/transformer/#translation"` as a link from the page that it came to stand on."""
    return _LATER.sub(lambda m: f'"{relative(m[1])}{m[2] or ""}"', html)
