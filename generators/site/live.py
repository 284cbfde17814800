"""Models that run in a reader's browser: where their weights lie on the site, and the element that runs them.

A live model is results/<paper>/<name>.safetensors with a figure of the same name beside it. `extra.live` in
mkdocs.yml says which element shows it. The figure is what stands in the element until the model runs, and whenever it
cannot: without JavaScript, in print, when the weights do not come.
"""

import hashlib
import html
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from generators.files import ROOT

SCRIPTS = "assets/js"
STYLE = "assets/css/live.css"
LOADER = "assets/js/live.js"
Link = Callable[[str], str]  # an address of the site -> the same, seen from a page


def weights(key: str) -> Path:
    """The file of a live model's weights."""
    paper, _, name = key.partition(".")
    return ROOT / "results" / paper / f"{name}.safetensors"


def address(key: str) -> str:
    """Where the weights lie on the site: named by their content, so that a browser never mixes two versions."""
    file = weights(key)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    return f"assets/models/{file.stem}.{digest}.safetensors"


def files(elements: Mapping[str, str]) -> dict[str, Path]:
    """The weights that the site takes along: address -> file."""
    return {address(key): weights(key) for key in elements if weights(key).is_file()}


def element(key: str, tag: str, first_paint: str, link: Link) -> str:
    """The element of a live model around what is shown until it runs.

    Args:
        key: The model, such as paper.name.
        tag: The element; its last word names the script that defines it, and is its id.
        first_paint: HTML.
        link: What addresses become on the page.

    Returns:
        HTML; only `first_paint` where there are no weights yet.
    """
    if not weights(key).is_file():
        return first_paint
    name = tag.rpartition("-")[2]
    parts = " ".join(link(part) for part in (STYLE, f"{SCRIPTS}/engine.js", f"{SCRIPTS}/{name}.js"))
    return (
        f'<{tag} id="{name}" class="live" style="display:block" parts="{parts}" '
        f'weights="{link(address(key))}" bytes="{weights(key).stat().st_size}">{first_paint}</{tag}>'
    )


_REMARK = re.compile(r"^ *//.*\n", re.MULTILINE)


_COMMENT = re.compile(r"/\*.*?\*/\n?", re.DOTALL)


def without_remarks(site: Path) -> None:
    """Rewrite our scripts and style sheets without what only explains: a reader's browser has no use for them."""
    for script in sorted((site / SCRIPTS).glob("*.js")):
        script.write_text(_REMARK.sub("", script.read_text(encoding="utf-8")), encoding="utf-8")
    for sheet in sorted((site / SCRIPTS).parent.glob("css/*.css")):
        sheet.write_text(_COMMENT.sub("", sheet.read_text(encoding="utf-8")), encoding="utf-8")


# Markdown would take an element of ours for a word and close it before its figure. So the figure only bears a mark,
# and gets its element when the page is finished. What is marked holds no other of its kind.
_MARKED = re.compile(r'<(figure|div)\b[^>]*? data-live="([\w.]+)"[^>]*>.*?</\1>', re.DOTALL)


def mark(key: str) -> str:
    """The attribute of a figure or a `div` that is the first paint of a live model."""
    return f'data-live="{html.escape(key)}"'


def mounted(page: str, elements: Mapping[str, str], link: Link) -> tuple[str, list[str]]:
    """A finished page with elements around its marked figures, and what its head needs for them."""

    def around(found: re.Match[str]) -> str:
        key = found[2]
        return element(key, elements[key], found[0], link) if key in elements else found[0]

    page = _MARKED.sub(around, page)
    needed = any(f"<{tag} " in page for tag in elements.values())
    return page, [f'<script src="{link(LOADER)}" defer></script>'] if needed else []
