"""Every figure of the site on one page: what it shows, its files, how to cite it, where it is discussed."""

import html
import re
from collections.abc import Iterator, Mapping

from generators.papers import Paper
from generators.site.landing import size
from generators.site.parts import Inputs, esc, link, record_of
from generators.source import alt_text

_FIGURE = re.compile(
    r"<!--[fl]:(?P<key>\w+\.\w+)-->\s*!\[[^\]]*\]\([^)]*\)\s*(?P<caption>.*?)<!--/[fl]-->", re.S
)
_FINDING = re.compile(r"\*\*(.+?)\*\*", re.S)
_KEPT = re.compile(r"&lt;!--(.*?)--&gt;")  # a number's marker, which the site expands later


def gallery(inputs: Inputs, page: str) -> str:
    """The figures of each paper and study under its name, those of its note first."""
    told = findings(inputs.words)
    sections = []
    for unit in [*inputs.papers, *inputs.studies]:
        keys = in_order(inputs, unit, told)
        if keys:
            items = "".join(_item(inputs, key, told.get(key, {}), page) for key in keys)
            sections.append(f'## {unit.name} {{#{unit.stem}}}\n\n<ul class="gallery">{items}</ul>')
    return "\n\n".join(sections) or "No figure has been drawn yet."


def ways(inputs: Inputs, page: str) -> str:
    """How many figures there are, and the way to those of each paper."""
    counted = [(unit, len(_drawings(inputs, unit))) for unit in [*inputs.papers, *inputs.studies]]
    links = "".join(
        f'<a href="#{unit.stem}">{esc(unit.name)}, {count}</a>' for unit, count in counted if count
    )
    return f'<p class="get">{links}</p>' if links else ""


def in_order(inputs: Inputs, unit: Paper, told: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The keys of a unit's figures: as its note has them, then the others by name."""
    drawn = [f"{unit.stem}.{name}" for name in _drawings(inputs, unit)]
    place = list(told)
    return sorted(drawn, key=lambda key: (key not in told, place.index(key) if key in told else 0))


def _drawings(inputs: Inputs, unit: Paper) -> Mapping[str, str]:
    found = inputs.units.get(unit.stem)
    return found.figures if found else {}


def findings(words: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """For each figure that a text shows: the address of the text -> what its caption says first, in bold."""
    found: dict[str, dict[str, str]] = {}
    for address, text in words.items():
        for figure in _FIGURE.finditer(text):
            bold = _FINDING.search(figure["caption"])
            said = " ".join(bold[1].split()) if bold else ""
            found.setdefault(figure["key"], {})[address] = said
    return found


def _item(inputs: Inputs, key: str, told: Mapping[str, str], page: str) -> str:
    """One figure: picture, finding, files, places, and the line that cites it."""
    stem, _, name = key.partition(".")
    width, height = size(inputs.units[stem].figures[name])
    file, record = link(f"results/{stem}/{name}", page), record_of(inputs, stem, name)
    said = next((text for text in told.values() if text), "")
    alt = esc(alt_text(key))
    files = [("SVG", f"{file}.svg"), ("PNG", f"{file}.png")]
    if record:
        files.append(("Data", link(f"results/{stem}/{record}.json", page)))
    places = [(_room(address), link(_at(inputs, address, key), page)) for address in told]
    places.append(
        ("Record", link(f"results/{stem}/#{record}" if record else f"results/{stem}/", page))
    )
    return (
        f'<li id="{stem}-{name}"><a href="{file}.svg"><img src="{file}.svg" alt="{alt}" '
        f'width="{width}" height="{height}" loading="lazy"></a><p>{_inline(said) or alt}</p>'
        f'<p class="get">{"".join(_links(files))}</p><p class="get">{"".join(_links(places))}</p>'
        f"<details><summary>Cite</summary><p>{cited(inputs, key, said)}</p></details></li>"
    )


def _links(ways: list[tuple[str, str]]) -> Iterator[str]:
    yield from (f'<a href="{to}">{text}</a>' for text, to in ways)


def _room(address: str) -> str:
    return "Note" if address.startswith("notes/") else "Post"


def _at(inputs: Inputs, address: str, key: str) -> str:
    """A figure's place on a page: its own, or that of the live model that takes its place there."""
    tag = inputs.extra.get("live", {}).get(key, "") if address.startswith("notes/") else ""
    return f"{address}#{tag.rpartition('-')[2] or 'figure-' + key.partition('.')[2]}"


def cited(inputs: Inputs, key: str, said: str) -> str:
    """The line that goes under a figure on a slide: author, title, site, address, licence."""
    stem, _, name = key.partition(".")
    title = re.sub("<!--.*?-->|[*`$]", "", said) or alt_text(key)
    site, address, author = (inputs.extra.get(key, "") for key in ("site_name", "site_url", "name"))
    where = f"{address}figures/#{stem}-{name}"
    return esc(f"{author}: “{title.rstrip('.')}”. {site}, {where}. CC BY 4.0.")


def _inline(markdown: str) -> str:
    """A caption's first sentence as HTML: emphasis, and numbers that keep their markers."""
    text = re.sub(r"\*(.+?)\*", r"<em>\1</em>", esc(markdown))
    return _KEPT.sub(lambda marker: f"<!--{html.unescape(marker[1])}-->", text)
