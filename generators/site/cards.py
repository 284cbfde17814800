"""The picture that a shared link shows: a page's kind and title, and one figure or a few measured numbers beside them.

Front matter says what a card shows; what a note says holds for all pages of its paper but the posts:

    card:
      figure: explorer            # a figure of results/<paper>/; elsewhere `gpt2.explorer`
      crop: [0, 32, 396, 104]     # left, top, width, height of the part that is shown; without it, all
      numbers:                    # shown where there is no figure, and on the page of the paper's results
        - ["<a marked number>", "what it is"]

Without it a paper shows the first figure of its note, and any other page its words alone.
"""

import functools
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fontTools import ttLib

from generators.formats import NARROW
from generators.palette import ROLES, light
from generators.papers import Paper, UnknownName
from generators.site import bib, fonts, pictures
from generators.site.parts import Inputs

WIDTH, HEIGHT = pictures.CARD
MARGIN = 64
TOP, BOTTOM = 146, 586  # between them stand title and figure
FIGURE, NUMBERS = 500, 384  # what a figure or numbers beside the title take of the width
GAP = 52
SIZES = range(112, 31, -4)  # of a title, the largest that fits
LINES = 3
LEADING = 1.1
SMALL = 34  # the size of everything else
WIDE = 2  # a figure this much wider than high stands below the title
MARK = "#ffe27a"  # the marker, which says "measured here"
SERIF, SANS, BOLD = pictures.SERIF, pictures.SANS, pictures.BOLD
INK, DIM, PAPER = (ROLES[role][0] for role in ("ink", "dim", "paper"))
_SENTENCE = re.compile(r"(?<=[.?!]) ")


@dataclass(frozen=True)
class Card:
    """What one card says and shows."""

    kind: str  # Note, Post, Guide ...
    title: str
    site: str
    by: str = ""  # authors and year of the paper
    line: str = ""  # sentences below the title, as many as there is room for
    figure: str = ""  # the SVG's text
    crop: Sequence[float] = ()  # left, top, width and height of the part that is shown
    numbers: Sequence[tuple[str, str]] = ()  # a number and what it is


@functools.cache
def _advances(font: str) -> Mapping[str, float]:
    """The width of each character that a font has, in parts of its size."""
    widths: dict[str, float] = {}
    for file in pictures.files(font):
        face = ttLib.TTFont(file)
        for code, glyph in face.getBestCmap().items():
            widths.setdefault(chr(code), face["hmtx"][glyph][0] / face["head"].unitsPerEm)
    return widths


def width(text: str, font: str, size: float) -> float:
    """How wide a line is when set.

    Raises:
        fonts.MissingCharacter: the font cannot draw one of its characters.
    """
    widths = _advances(font)
    if missing := sorted(set(text) - widths.keys()):
        raise fonts.MissingCharacter(f"no font of the cards draws {' '.join(missing)} in {text!r}")
    return size * sum(widths[character] for character in text)


def wrapped(text: str, font: str, size: float, room: float) -> list[str]:
    """The text in as few lines as `room` allows, of about equal length."""
    lines = _filled(text, font, size, room)
    low, high = room / 2, room
    while high - low > 4:  # the narrowest room with as many lines
        middle = (low + high) / 2
        tried = _filled(text, font, size, middle)
        fits = len(tried) == len(lines) and all(width(row, font, size) <= middle for row in tried)
        low, high = (low, middle) if fits else (middle, high)
    return _filled(text, font, size, high)


def _filled(text: str, font: str, size: float, room: float) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width(longer, font, size) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def title_lines(text: str, room: float, height: float) -> tuple[int, list[str]]:
    """The largest size at which a title fits, and its lines; at the smallest size it is cut, with dots."""
    for size in SIZES:
        lines = wrapped(text, SERIF, size, room)
        tall = len(lines) * size * LEADING
        if len(lines) <= LINES and tall <= height and _widest(lines, size) <= room:
            return size, lines
    lines = _filled(text, SERIF, SIZES[-1], room)[:LINES]
    while width(f"{lines[-1]} …", SERIF, SIZES[-1]) > room:
        lines[-1] = lines[-1].rpartition(" ")[0]
    return SIZES[-1], [*lines[:-1], f"{lines[-1]} …"]


def _widest(lines: Sequence[str], size: float) -> float:
    return max(width(line, SERIF, size) for line in lines)


def svg(card: Card) -> str:
    """The card as SVG."""
    shape = _shape(card)
    below = bool(shape) and shape[0] / shape[1] >= WIDE
    panel = 0 if below else FIGURE if shape else NUMBERS if card.numbers else 0
    room = WIDTH - 2 * MARGIN - (panel + GAP if panel else 0)
    size, lines = title_lines(plain(card.title), room, (BOTTOM - TOP) * (0.45 if below else 1))
    end = TOP + len(lines) * size * LEADING
    parts = [*_frame(card), *_rows(lines, SERIF, size, TOP, INK)]
    left = WIDTH - MARGIN - panel
    if below:
        parts.append(_figure(card, shape, MARGIN, end + 30))
    else:
        parts += _line(plain(card.line), end + 24, room)
        parts += [_figure(card, shape, left, TOP)] if shape else _numbers(card.numbers, left)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}"><rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>'
        f"{''.join(parts)}</svg>"
    )


def plain(text: str) -> str:
    """Text without tags and markers, and with spaces that the fonts have."""
    text = html.unescape(re.sub(r"<!--.*?-->|<[^>]+>", "", text))
    return text.replace(NARROW, "\u2009").strip()


def _frame(card: Card) -> list[str]:
    """The rule at the top, and below it what the page is, whose, and the site's name."""
    kind, by, site = plain(card.kind), plain(card.by), plain(card.site)
    parts = [f'<rect x="{MARGIN}" y="48" width="{WIDTH - 2 * MARGIN}" height="4" fill="{INK}"/>']
    left, right = MARGIN, WIDTH - MARGIN
    if plain(card.title) != site:
        right -= width(site, SERIF, SMALL)
        parts.append(_text(site, SERIF, SMALL, right, 104, INK))
    if kind:
        parts.append(_text(kind, BOLD, SMALL, left, 104, INK))
        left += width(kind, BOLD, SMALL) + 18
    if by and left + width(by, SANS, SMALL) < right - 30:
        parts.append(_text(by, SANS, SMALL, left, 104, DIM))
    return parts


def _rows(
    lines: Sequence[str],
    font: str,
    size: float,
    top: float,
    colour: str,
    leading: float = LEADING,
    left: float = MARGIN,
) -> list[str]:
    return [
        _text(line, font, size, left, top + size * (0.86 + leading * row), colour)
        for row, line in enumerate(lines)
    ]


def _line(text: str, top: float, room: float) -> list[str]:
    """As many of its sentences as there is room for."""
    sentences = _SENTENCE.split(text)
    for count in range(len(sentences), 0, -1):
        lines = wrapped(" ".join(sentences[:count]), SANS, SMALL, room)
        if top + len(lines) * SMALL * 1.3 <= BOTTOM:
            return _rows(lines, SANS, SMALL, top, DIM, 1.3)
    return []


def _text(text: str, font: str, size: float, x: float, y: float, colour: str) -> str:
    family, weight = pictures.FACES[font]
    return (
        f"<text x=\"{x:.1f}\" y=\"{y:.1f}\" font-family=\"'{family}'\" font-weight=\"{weight}\" "
        f'font-size="{size}" fill="{colour}">{html.escape(text)}</text>'
    )


def _shape(card: Card) -> tuple[float, float] | None:
    """Width and height of what is shown of the figure."""
    if not card.figure:
        return None
    if card.crop:
        return card.crop[2], card.crop[3]
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', card.figure)
    return (float(found[1]), float(found[2])) if found else None


def _figure(card: Card, shape: tuple[float, float], x: float, y: float) -> str:
    """The figure in light colours, as large as it may be right and down of a corner, in the middle there."""
    left, top = card.crop[:2] if card.crop else (0, 0)
    room, height = WIDTH - MARGIN - x, BOTTOM - y
    scale = min(room / shape[0], height / shape[1])
    wide, tall = scale * shape[0], scale * shape[1]  # exactly: what is outside of the crop is cut
    drawn = light(card.figure)
    inner = drawn[drawn.index(">") + 1 : drawn.rindex("</svg>")]
    return (
        f'<svg x="{x + (room - wide) / 2:.1f}" y="{y + (height - tall) / 2:.1f}" width="{wide:.1f}" '
        f'height="{tall:.1f}" viewBox="{left} {top} {shape[0]} {shape[1]}">{inner}</svg>'
    )


def _numbers(numbers: Sequence[tuple[str, str]], left: float) -> list[str]:
    """Large numbers, one above the other, each on the marker's stroke, with its words below."""
    parts = []
    for row, (number, words) in enumerate(numbers):
        number, words = plain(number), plain(words)
        size = 136 if len(numbers) < 3 else 96
        while width(number, SERIF, size) > NUMBERS - 16:
            size -= 4
        y = TOP + (BOTTOM - TOP + 10) / len(numbers) * row + size * 0.76
        parts += [
            f'<rect x="{left - 8}" y="{y - size * 0.34:.1f}" height="{size * 0.42:.1f}" '
            f'width="{width(number, SERIF, size) + 16:.1f}" fill="{MARK}"/>',
            _text(number, SERIF, size, left, y, INK),
            *_rows(wrapped(words, SANS, SMALL, NUMBERS), SANS, SMALL, y + 22, DIM, left=left),
        ]
    return parts


# Which card a page has.

KINDS = {  # the room that a page stands in -> what it is
    "papers": "Paper",
    "notes": "Note",
    "posts": "Post",
    "notebooks": "Notebook",
    "exercises": "Exercises",
    "results": "Measured results",
    "api": "API",
    "guides": "Guide",
}
_NAMED = re.compile(r"^(?:Code|Exercises|Notebook): | \(\d{4}\)$|: results$")  # the kind says it
_HEADING = re.compile(r"<h1[^>]*>(.*?)(?:<a |</h1>)", re.DOTALL)
_FIRST_FIGURE = re.compile(r"<!--f:([\w.]+)-->")


def of_page(
    address: str, title: str, description: str, meta: Mapping[str, Any], content: str, inputs: Inputs
) -> Card:
    """The card of a page; `address` is its source's, below docs/.

    Raises:
        ValueError: its front matter names no figure of ours, or a crop that is none.
    """
    room, stem = address.split("/")[0], address.split("/")[-1].partition(".")[0]
    units = {unit.stem: unit for unit in [*inputs.papers, *inputs.studies]}
    post = address.startswith("posts/entries/")
    unit = units.get(str(meta.get("paper", stem)) if post else stem)
    said = meta.get("card") or {}
    if unit and not post:
        said = _of_unit(unit, inputs, room)
    if room == "notebooks" and (heading := _HEADING.search(content)):
        title = heading[1]
    return Card(
        kind="" if stem == "index" else "Study" if unit in inputs.studies and room == "notes" else KINDS.get(room, ""),
        title=_NAMED.sub("", title),
        site=str(inputs.extra.get("site_name", "")),
        by=_by(unit, inputs, post) if unit else "",
        line=unit.idea if unit and room == "papers" else description,
        **_shown(said, unit, inputs),
    )


def _of_unit(unit: Paper, inputs: Inputs, room: str) -> Mapping[str, Any]:
    own = inputs.units[unit.stem]
    said = own.front.get("card")
    if said is None:
        first = _FIRST_FIGURE.search(own.note)
        return {"figure": first[1]} if first else {}
    return {"numbers": said["numbers"]} if room == "results" and said.get("numbers") else said


def _by(unit: Paper, inputs: Inputs, post: bool) -> str:
    who = unit.name if post else bib.authors(dict(inputs.bibliography.get(unit.stem, {})))
    return f"{who}, {unit.year}" if who else ""


def _shown(said: Mapping[str, Any], unit: Paper | None, inputs: Inputs) -> dict[str, Any]:
    """The fields of `Card` that front matter fills."""
    figures = {
        f"{stem}.{name}": svg
        for stem, each in inputs.units.items()
        for name, svg in each.figures.items()
    }
    figure, crop = str(said.get("figure", "")), tuple(said.get("crop", ()))
    if figure and "." not in figure and unit:
        figure = f"{unit.stem}.{figure}"
    if figure and figure not in figures:
        raise UnknownName("figure of a card", figure, figures)
    if crop and (len(crop) != 4 or min(crop) < 0 or min(crop[2:]) == 0):
        raise ValueError(f"crop of a card is {list(crop)}; it wants left, top, width and height")
    return {
        "figure": figures.get(figure, ""),
        "crop": crop,
        "numbers": [(str(number), str(words)) for number, words in said.get("numbers", ())],
    }
