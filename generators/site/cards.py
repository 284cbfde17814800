"""The picture that a shared link shows: a page's kind and title, and one figure or a few measured numbers.

Front matter says what; what a note says holds for all pages of its paper, but for posts that have their own:

    card:
      figure: explorer            # a figure of results/<paper>/; elsewhere `gpt2.explorer`
      crop: [0, 32, 396, 104]     # left, top, width, height of the part that is shown; without it, all
      numbers:                    # shown where there is no figure, and on the page of the paper's results
        - ["<a marked number>", "what it is"]

Without it a paper shows the first figure of its note, a post what its paper shows, any other page its words.
"""

import functools
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from fontTools import ttLib

from generators.formats import NARROW
from generators.palette import ROLES, light
from generators.papers import Paper, UnknownName
from generators.site import bib, fonts, pictures
from generators.site.parts import Inputs
from generators.svg import NAMESPACE

WIDTH, HEIGHT = pictures.CARD
MARGIN = 64
TOP, BOTTOM = 146, 586  # between them stand title and figure
FIGURE, NUMBERS = 500, 384  # what a figure or numbers beside the title take of the width
GAP = 52
SIZES = range(128, 19, -4)  # of a title, the largest that fits
LINES = 3
LEADING = 1.1
SMALL, LARGE = 34, 44  # the sizes of everything else, and of sentences that stand alone
NUMERALS = (136, 96)  # of one or two numbers, and of more
SMALLER = 0.6  # what a title gives up of its size, at most, so that a sentence has room
TITLE_ABOVE = 0.36  # what a title above a figure takes of the height
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
    """How wide a line is when set; kerning, which is left out, makes it narrower.

    Raises:
        fonts.MissingCharacter: the font cannot draw one of its characters.
    """
    widths = _advances(font)
    try:
        return size * sum(widths[character] for character in text)
    except KeyError as missing:
        raise fonts.MissingCharacter(f"no font of the cards draws {missing} in {text!r}") from None


def wrapped(text: str, font: str, size: float, room: float) -> list[str]:
    """The text in as few lines as `room` allows, of about equal length."""
    words = [(word, width(word, font, size)) for word in text.split()]
    space = width(" ", font, size)
    lines = _filled(words, space, room)
    low, high = room / 2, room
    while high - low > 4:  # the narrowest room with as many lines
        middle = (low + high) / 2
        tried = _filled(words, space, middle)
        fits = len(tried) == len(lines) and max(wide for _, wide in tried) <= middle
        low, high = (low, middle) if fits else (middle, high)
    return [line for line, _ in _filled(words, space, high)]


def _filled(
    words: Sequence[tuple[str, float]], space: float, room: float
) -> list[tuple[str, float]]:
    """Lines and their widths."""
    lines: list[tuple[str, float]] = []
    for word, wide in words:
        if lines and lines[-1][1] + space + wide <= room:
            lines[-1] = (f"{lines[-1][0]} {word}", lines[-1][1] + space + wide)
        else:
            lines.append((word, wide))
    return lines


def settings(text: str, room: float, height: float) -> Iterator[tuple[int, list[str]]]:
    """The sizes at which a title fits, the largest first, each with its lines; one that never fits is cut."""
    size = 0
    for size in SIZES:
        lines = wrapped(text, SERIF, size, room)
        widest = max(width(line, SERIF, size) for line in lines)
        if len(lines) <= LINES and len(lines) * size * LEADING <= height and widest <= room:
            yield size, lines
    while width(text, SERIF, size) > room:
        text = text[:-2].rstrip() + "…"
    yield size, [text]


def drawing(card: Card) -> pictures.Drawing:
    """The card, to be drawn."""
    shape = _shape(card)
    below = bool(shape) and shape[0] / shape[1] >= WIDE
    panel = 0 if below else FIGURE if shape else NUMBERS if card.numbers else 0
    room, left = WIDTH - 2 * MARGIN - (panel + GAP if panel else 0), WIDTH - MARGIN - panel
    size, lines, said = _words(card, room, below, SMALL if panel else LARGE)
    parts = [*_frame(card), *_rows(lines, SERIF, size, TOP, INK), *said]
    figure, at = None, (0, 0)
    if below:
        figure, at = _figure(card, shape, MARGIN, TOP + len(lines) * size * LEADING + 30)
    elif shape:
        figure, at = _figure(card, shape, left, TOP)
    else:
        parts += _numbers(card.numbers, left)
    letters = tuple(file for face in pictures.FACES for file in pictures.files(face))
    svg = f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'
    return pictures.Drawing(svg, WIDTH, PAPER, letters, figure, at)


def _words(
    card: Card, room: float, below: bool, body: float
) -> tuple[int, list[str], Sequence[str]]:
    """The title's size and lines, and what stands below: a smaller title if a sentence then has room."""
    title, line = plain(card.title), plain(card.line)
    if below:
        return *next(settings(title, room, (BOTTOM - TOP) * TITLE_ABOVE)), ()
    found = list(settings(title, room, BOTTOM - TOP))
    for size, lines in found:
        said = _line(line, TOP + len(lines) * size * LEADING + 24, room, body)
        if said and size >= found[0][0] * SMALLER:
            return size, lines, said
    return *found[0], ()


def plain(text: str) -> str:
    """Text without tags and markers, and with spaces that the fonts have."""
    text = html.unescape(re.sub(r"<!--.*?-->|</?[a-zA-Z][^>]*>", "", text))
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
    for shorter in (by, by.rpartition(" ")[2]):  # the year alone
        if shorter and left + width(shorter, SANS, SMALL) < right - 30:
            return [*parts, _text(shorter, SANS, SMALL, left, 104, DIM)]
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


def _line(text: str, top: float, room: float, size: float) -> list[str]:
    """As many of its sentences as there is room for."""
    sentences = [each for each in _SENTENCE.split(text) if each and not each.endswith(("…", "..."))]
    for count in range(len(sentences), 0, -1):
        lines = wrapped(" ".join(sentences[:count]), SANS, size, room)
        if top + len(lines) * size * 1.3 <= BOTTOM:
            return _rows(lines, SANS, size, top, DIM, 1.3)
    return []


def _text(text: str, font: str, size: float, x: float, y: float, colour: str) -> str:
    family, weight = pictures.FACES[font]
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="\'{family}\'" font-weight="{weight}" '
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


def _figure(
    card: Card, shape: tuple[float, float], x: float, y: float
) -> tuple[pictures.Drawing, tuple[int, int]]:
    """The figure in light colours, as large as it may be right and down of a corner, in the middle there."""
    left, top = card.crop[:2] if card.crop else (0, 0)
    room, height = WIDTH - MARGIN - x, BOTTOM - y
    wide = int(min(room, height * shape[0] / shape[1]))
    tall = wide * shape[1] / shape[0]
    drawn = light(card.figure)
    inner = drawn[drawn.index(">") + 1 : drawn.rindex("</svg>")]
    svg = (
        f'<svg xmlns="{NAMESPACE}" viewBox="{left} {top} {shape[0]} {shape[1]}" '
        f'width="{wide}" height="{tall:.1f}">{inner}</svg>'
    )
    at = (round(x + (room - wide) / 2), round(y + (height - tall) / 2))
    return pictures.Drawing(svg, wide, PAPER), at


def _numbers(numbers: Sequence[tuple[str, str]], left: float) -> list[str]:
    """Large numbers, one above the other, each on the marker's stroke, with its words below."""
    parts = []
    size = NUMERALS[len(numbers) > 2]
    while any(width(plain(number), SERIF, size) > NUMBERS - 16 for number, _ in numbers):
        size -= 4
    for row, (number, words) in enumerate(
        (plain(number), plain(words)) for number, words in numbers
    ):
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


def path(url: str) -> str:
    """Where the card of a page lies in the site, by the page's address as a link has it."""
    return f"assets/cards/{unquote(url).strip('./').replace('/', '-') or 'home'}.png"


_NAMED = re.compile(r"^(?:Code|Exercises|Notebook): | \(\d{4}\)$|: results$")  # the kind says it
_HEADING = re.compile(r"<h1[^>]*>(.*?)(?:<a |</h1>)", re.DOTALL)
_FIRST_FIGURE = re.compile(r"<!--f:([\w.]+)-->")


def of_page(
    address: str,
    title: str,
    description: str,
    meta: Mapping[str, Any],
    content: str,
    inputs: Inputs,
) -> Card:
    """The card of a page; `address` is its source's, below docs/.

    Raises:
        ValueError: its front matter names no figure of ours, or a crop or numbers that are none.
    """
    room, stem = address.split("/")[0], address.split("/")[-1].partition(".")[0]
    units = {unit.stem: unit for unit in [*inputs.papers, *inputs.studies]}
    post = address.startswith("posts/entries/")
    unit = units.get(str(meta.get("paper", stem)) if post else stem)
    said = meta.get("card") if post or not unit else None
    if said is None:
        said = _of_unit(unit, inputs, room) if unit else {}
    kind = "Study" if unit in inputs.studies and room == "notes" else KINDS.get(room, "")
    if room == "notebooks" and (heading := _HEADING.search(content)):
        title = heading[1]
    return Card(
        kind="" if stem == "index" else kind,
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
    only = room == "results" and isinstance(said, Mapping) and said.get("numbers")
    return {"numbers": only} if only else said


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
    if not isinstance(said, Mapping):
        raise ValueError(f"card is {said!r}; it wants a figure with a crop, or numbers")
    figure, crop, numbers = (said.get(key) or () for key in ("figure", "crop", "numbers"))
    figure = str(figure or "")
    if figure and "." not in figure and unit:
        figure = f"{unit.stem}.{figure}"
    if figure and figure not in figures:
        raise UnknownName("figure of a card", figure, figures)
    if crop and not (_lists(crop, int | float, 4) and min(crop) >= 0 < min(crop[2:])):
        raise ValueError(f"crop of a card is {crop}; it wants left, top, width and height")
    if numbers and not (
        isinstance(numbers, list) and all(_lists(pair, object, 2) for pair in numbers)
    ):
        raise ValueError(f"numbers of a card are {numbers}; each wants a number and its words")
    return {
        "figure": figures.get(figure, ""),
        "crop": tuple(crop),
        "numbers": [(str(number), str(words)) for number, words in numbers],
    }


def _lists(value: object, kind: Any, count: int) -> bool:
    """Whether YAML had a list of so many values of a kind."""
    return (
        isinstance(value, list)
        and len(value) == count
        and all(isinstance(each, kind) for each in value)
    )
