"""Markers of Markdown become what a reader of the site sees: marked numbers, figures, tables, quoted code.

prose.py owns the grammar and says what is wrong with a marker; here a right one gets its HTML. Links are written as
`site:<address>` and settled when the page that they stand on is finished, for a post's beginning stands on two.
"""

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generators import prose
from generators.files import ROOT
from generators.papers import Paper, UnknownName, studies
from generators.site import live
from generators.site.pages import size
from generators.site.parts import Inputs, home_of, ledger, record_of, slips, superscripts
from generators.source import quoted

_TITLE = re.compile(r"^# .+$", re.MULTILINE)
_IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<file>[^)\s]+)\)")


@dataclass(frozen=True)
class Place:
    """Where a text comes to stand, and what its markers need to know of the project."""

    url: str  # of the page, such as notes/transformer/
    inputs: Inputs
    commit: str  # short; empty where there is none
    repo: str  # address of the repository


def expand(markdown: str, place: Place) -> str:
    """Replace every right marker of a page; of wrong ones prose.py has told, and they fail the build."""
    parts, end, pictures = [], 0, 0
    for marker in prose.find_markers(markdown):
        text = shown(marker, place)
        if marker.kind in prose.FIGURES:
            pictures += 1
            text = text if pictures > 1 else text.replace(' loading="lazy"', "")
        parts += [markdown[end : marker.start], text]
        end = marker.end
    return "".join([*parts, markdown[end:]])


def shown(marker: prose.Marker, place: Place) -> str:
    """What one marker becomes."""
    if marker.kind == "r":
        return number(marker)
    if marker.kind == "p":
        return f'<span class="p">{marker.body.strip()}</span>'
    if marker.kind == "t":
        return table(marker, place)
    return code(marker, place) if marker.kind == "c" else figure(marker, place)


def number(marker: prose.Marker) -> str:
    """A number measured here: a link to its record."""
    key, text = html.escape(marker.key), superscripts(marker.body.strip())
    return f'<a class="m" href="site:{home_of(marker.key)}" data-r="{key}">{text}</a>'


def table(marker: prose.Marker, place: Place) -> str:
    """A table; one of claims becomes a ledger, which a phone can show."""
    stem, _, name = marker.key.partition(".")
    claims = place.inputs.of(stem)
    if name == "claims" and claims:
        return f"\n\n{ledger(claims, place.url, f'Claims of {stem}')}\n\n"
    return f"\n\n{marker.body.strip()}\n\n"


def figure(marker: prose.Marker, place: Place) -> str:
    """A figure with its caption, and what can be taken from it."""
    paper, _, name = marker.key.partition(".")
    image, drawing = _IMAGE.search(marker.body), ROOT / "results" / paper / f"{name}.svg"
    if image is None or not drawing.is_file():
        return marker.body
    caption = expand(marker.body[image.end() :].strip(), place)
    width, height = size(drawing.read_text(encoding="utf-8"))
    address = f"site:results/{paper}/{name}"
    record = record_of(place.inputs, paper, name)
    data = f"site:results/{paper}/{record}.json" if record else f"site:results/{paper}/"
    live_mark = f" {live.mark(marker.key)}" if marker.kind == "l" else ""
    shape = f'width="{width}" height="{height}" loading="lazy"'
    return (
        f'\n\n<figure class="fig" id="figure-{name}"{live_mark} markdown="1">\n'
        f'<img src="{address}.svg" alt="{html.escape(image["alt"])}" {shape}>\n\n'
        f'<figcaption markdown="1">\n\n{caption}\n\n</figcaption>\n'
        f'<p class="get"><a href="{address}.svg">SVG</a> <a href="{address}.png">PNG</a> <a href="{data}">Data</a> '
        f'<a href="site:figures/#{paper}-{name}">Cite</a></p>\n</figure>\n\n'
    )


def code(marker: prose.Marker, place: Place) -> str:
    """Quoted code under a line that names its file and lines."""
    try:
        quote = quoted(marker.key)
    except UnknownName:
        return marker.body
    where = f"{place.repo.rstrip('/')}/blob/{place.commit or 'main'}/{quote.file}#L{quote.first}-L{quote.last}"
    label = f"Source at {place.commit}" if place.commit else "Source"
    lines = f"{quote.file}, lines {quote.first} to {quote.last}"
    return (
        f'\n\n<div class="code" markdown="1">\n<p class="src"><span>{lines}</span> '
        f'<a href="{where}">{label}</a></p>\n\n{marker.body.strip()}\n\n</div>\n\n'
    )


def label(paper: Paper, front: Mapping[str, Any]) -> str:
    """The line under a note's title: which paper, how long, and what to know before; a study is about several."""
    draft = '<strong class="draft">Draft</strong>' if front.get("state", "draft") == "draft" else ""
    known = ", ".join(front.get("prerequisites", []))
    page = f'<a href="site:papers/{paper.stem}/">{html.escape(paper.name)}, {paper.year}</a>'
    parts = (
        draft,
        "A study across papers" if paper in studies() else page,
        f"{front['minutes']} minutes" if front.get("minutes") else "",
        f"know before: {html.escape(known)}" if known else "",
    )
    return f'<p class="label">{" · ".join(part for part in parts if part)}</p>'


def discuss(repo: str) -> str:
    """The line at the end: where to talk about a page."""
    forge = repo.rstrip("/")
    return (
        f'<p class="discuss"><a href="{forge}/discussions">Discuss this page</a> or '
        f'<a href="{forge}/issues/new/choose">report a mistake</a>.</p>'
    )


def introduced(markdown: str, paper: Paper | None, front: Mapping[str, Any], repo: str) -> str:
    """A note (of a paper) with its label under the title; a note or post with its last line."""
    if paper:
        line = label(paper, front)
        markdown = _TITLE.sub(lambda title: f"{title[0]}\n\n{line}", markdown, count=1)
    return f"{markdown.rstrip()}\n\n{discuss(repo)}\n"


def with_slips(page: str, inputs: Inputs) -> str:
    """A finished page with the records of its measured numbers, for the script that shows them."""
    found = slips(page, inputs)
    if not found:
        return page
    block = json.dumps(found, ensure_ascii=False, sort_keys=True).replace("</", "<\\/")
    script = f'<script type="application/json" id="records">{block}</script>\n  </body>'
    return page.replace("</body>", script, 1)
