"""The site's fonts: subsets of the packages in node_modules, renamed as their licence asks, cached.

The text fonts hold a fixed set of characters; the KaTeX fonts hold what the built pages use.
"""

import functools
import html
import io
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fontTools import subset, ttLib
from fontTools.varLib import instancer

from generators.files import ROOT, digest, write_atomically

CACHE = ROOT / ".cache" / "fonts"
PACKAGES = ROOT / "node_modules"
RECIPE = "6"  # raise it when a subset is made in another way: it is part of the cache's key


class MissingCharacter(ValueError):
    """A page needs a character that no font of the site has."""


@dataclass(frozen=True)
class Face:
    """One text font: where it comes from, and the name that its subset goes by."""

    file: str  # on the site, under assets/fonts/
    family: str
    style: str
    source: str  # below node_modules


SERIF = "@fontsource/source-serif-4"
SANS = "@fontsource-variable/source-sans-3"
FACES = (
    Face(
        "folio-serif.woff2",
        "Folio Serif",
        "Regular",
        f"{SERIF}/files/source-serif-4-latin-400-normal.woff2",
    ),
    Face(
        "folio-serif-italic.woff2",
        "Folio Serif",
        "Italic",
        f"{SERIF}/files/source-serif-4-latin-400-italic.woff2",
    ),
    Face(
        "folio-sans.woff2",
        "Folio Sans",
        "Regular",
        f"{SANS}/files/source-sans-3-latin-wght-normal.woff2",
    ),
)
LICENCES = {"LICENSE-serif.txt": f"{SERIF}/LICENSE", "LICENSE-sans.txt": f"{SANS}/LICENSE"}

ASCII = "".join(map(chr, range(0x20, 0x7F)))
ACCENTED = "ÄÅÆÉÖØÜßàáâãäåæçèéêëíîïñóôöøúûüœ"
SIGNS = "\u00a0\u2009–—‘’“”„…·•×±−°§²³µ«»©†‡"
CHARACTERS = frozenset(ASCII + ACCENTED + SIGNS)
FALLBACK = frozenset("†‡")  # not in the packages either: the browser's own fonts draw them
FEATURES = ["kern", "liga", "tnum"]  # every accented letter has its own code point
WEIGHTS = (400, 600)  # what the style sheets use of the variable sans


def text() -> dict[str, Path]:
    """The text fonts and their licences: path on the site -> file in the cache."""
    made = {
        f"assets/fonts/{face.file}": _cached(PACKAGES / face.source, face.file, CHARACTERS, face)
        for face in FACES
    }
    licences = {f"assets/fonts/{name}": PACKAGES / source for name, source in LICENCES.items()}
    return made | licences


def _cached(source: Path, file: str, characters: Iterable[str], face: Face | None = None) -> Path:
    """The subset of one font file, made once for these characters."""
    wanted = "".join(sorted(set(characters)))
    key = digest("\n".join([RECIPE, digest(source.read_bytes()), wanted, repr(face)]))[:16]
    target = CACHE / key / file
    if not target.is_file():
        write_atomically(target, _subset(source, wanted, face))
    return target


def _subset(source: Path, characters: str, face: Face | None) -> bytes:
    options = subset.Options(
        flavor="woff2", hinting=False, layout_features=FEATURES, notdef_outline=True
    )
    options.name_IDs = ["*"] if face is None else [0, 1, 2, 3, 4, 6, 13, 14]
    options.drop_tables += ["DSIG", "MVAR", "STAT"]
    font = ttLib.TTFont(source, recalcTimestamp=False)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[ord(character) for character in characters])
    subsetter.subset(font)
    if "fvar" in font:
        font = instancer.instantiateVariableFont(font, {"wght": WEIGHTS})
    if face:
        _rename(font, face)
        _narrow_space(font)
    buffer = io.BytesIO()
    font.flavor = "woff2"
    font.save(buffer)
    return buffer.getvalue()


def _rename(font: ttLib.TTFont, face: Face) -> None:
    """The licence reserves the original name for the unchanged font."""
    full = f"{face.family} {face.style}"
    names = {1: face.family, 2: face.style, 3: f"{full} subset", 4: full, 6: full.replace(" ", "-")}
    for name_id, value in names.items():
        font["name"].setName(value, name_id, 3, 1, 0x409)


def _narrow_space(font: ttLib.TTFont) -> None:
    """Numbers are set with a narrow no-break space (U+202F), which the packages lack: draw a thin one."""
    for table in font["cmap"].tables:
        if table.isUnicode() and 0x2009 in table.cmap:
            table.cmap[0x202F] = table.cmap[0x2009]


def covered(file: str) -> set[str]:
    """The characters that a made font can draw."""
    return {chr(code) for code in ttLib.TTFont(text()[f"assets/fonts/{file}"]).getBestCmap()}


# Mathematics: KaTeX's own fonts, subset after all pages exist.

KATEX = PACKAGES / "katex" / "dist"
_OTHER_FORMATS = re.compile(r',url\([^)]*\.(?:woff|ttf)\) format\("[^"]*"\)')
_DRAWN = re.compile(r'<span class="katex-html" aria-hidden="true">')
_PIECE = re.compile(
    r'<span(?: class="(?P<kind>[^"]*)")?[^>]*>(?P<text>[^<]+)|</span>(?P<after>[^<]+)'
)
ITALIC = "KaTeX_Math-Italic.woff2"  # draws the letters of class mathnormal, and nothing else


def katex_css() -> str:
    """KaTeX's style sheet, asking for woff2 alone."""
    return _OTHER_FORMATS.sub("", (KATEX / "katex.min.css").read_text(encoding="utf-8"))


def math_characters(drawn: str) -> set[tuple[bool, str]]:
    """The characters that KaTeX drew on a page, each with whether it is a letter in mathematical italics."""
    found = set()
    for formula in _DRAWN.split(drawn)[1:]:
        for piece in _PIECE.finditer(formula.partition('<span class="katex-mathml">')[0]):
            italic = "mathnormal" in (piece["kind"] or "").split()
            text = html.unescape(piece["text"] or piece["after"])
            found |= {(italic, character) for character in text if not _invisible(character)}
    return found


def _invisible(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in ("Cf", "Cc")


@functools.cache
def _drawable(source: Path) -> frozenset[str]:
    return frozenset(map(chr, ttLib.TTFont(source).getBestCmap()))


def math(characters: Iterable[tuple[bool, str]]) -> dict[str, Path]:
    """Every KaTeX font that can draw some of `characters`, cut down to them: name -> file in the cache.

    Raises:
        MissingCharacter: no KaTeX font draws one of them.
    """
    letters: dict[bool, set[str]] = {True: set(), False: set()}
    for italic, character in characters:
        letters[italic].add(character)
    sources = sorted((KATEX / "fonts").glob("*.woff2"))
    everything = frozenset().union(*(_drawable(source) for source in sources))
    if missing := sorted((letters[True] | letters[False]) - everything):
        listed = ", ".join(f"{character} (U+{ord(character):04X})" for character in missing)
        raise MissingCharacter(f"no KaTeX font draws {listed}; write it outside the formula")
    wanted = {source: letters[source.name == ITALIC] & _drawable(source) for source in sources}
    return {
        source.name: _cached(source, source.name, held) for source, held in wanted.items() if held
    }
