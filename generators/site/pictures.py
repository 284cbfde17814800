"""Pictures that need no browser: figures and cards as PNG. All by resvg, all cached."""

import functools
import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import resvg_py
from fontTools import ttLib
from PIL import Image

from generators.files import ROOT, digest, write_atomically
from generators.palette import light

CACHE = ROOT / ".cache" / "pictures"
FONTS = ROOT / "node_modules" / "@fontsource"
WIDTH = 1400  # of a figure's PNG
CARD = (1200, 630)
COLOURS = 256  # of a PNG: more would be shades of its letters' edges
DRAWN_BY = " ".join(f"{name} {metadata.version(name)}" for name in ("resvg-py", "pillow"))
SERIF, SANS, BOLD = "source-serif-4 400", "source-sans-3 400", "source-sans-3 600"
FACES = {  # package and weight -> family and weight in SVG
    SERIF: ("Source Serif 4", 400),
    SANS: ("Source Sans 3", 400),
    BOLD: ("Source Sans 3 SemiBold", 600),
}
SCRIPTS = ("latin", "latin-ext")  # the packages have a file for each


def png(svg: str, width: int = WIDTH) -> bytes:
    """A figure on white, `width` pixels wide."""
    drawing = Drawing(light(svg), width)
    if not drawing.kept.is_file():
        write_atomically(drawing.kept, drawing.made())
    return drawing.kept.read_bytes()


def cards(svgs: Iterable[str]) -> list[bytes]:
    """Cards, whose letters are text, two at a time: while one is drawn, another gets its palette."""
    letters = tuple(file for face in FACES for file in files(face))
    drawings = [Drawing(svg, CARD[0], letters) for svg in svgs]
    with ThreadPoolExecutor(2) as pool:
        new = {each: pool.submit(each.made) for each in drawings if not each.kept.is_file()}
        for drawing, made in new.items():
            write_atomically(drawing.kept, made.result())
    return [drawing.kept.read_bytes() for drawing in drawings]


@dataclass(frozen=True)
class Drawing:
    """Everything that a PNG depends on."""

    svg: str
    width: int
    fonts: tuple[Path, ...] = ()  # each is named by what is in it

    @property
    def kept(self) -> Path:
        """Where it is once it has been made."""
        letters = " ".join(font.stem for font in self.fonts)
        key = f"{COLOURS} {self.width} {DRAWN_BY} {letters} {self.svg}"
        return CACHE / f"{digest(key)[:32]}.png"

    def made(self) -> bytes:
        """The PNG, drawn now."""
        drawn = resvg_py.svg_to_bytes(
            svg_string=self.svg,
            width=self.width,
            background="#ffffff",
            skip_system_fonts=True,
            font_files=[str(font) for font in self.fonts],
        )
        return with_palette(bytes(drawn))


def with_palette(picture: bytes) -> bytes:
    """The same PNG with a palette: fewer bytes, and no difference to the eye."""
    few = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


@functools.cache
def files(face: str) -> tuple[Path, ...]:
    """One of the text fonts as TTF files, made once from the pinned packages."""
    package, weight = face.split()
    made = []
    for script in SCRIPTS:
        source = FONTS / package / "files" / f"{package}-{script}-{weight}-normal.woff"
        target = CACHE / f"{digest(source.read_bytes())[:16]}.ttf"
        if not target.is_file():
            font, buffer = ttLib.TTFont(source, recalcTimestamp=False), io.BytesIO()
            font.flavor = None
            font.save(buffer)
            write_atomically(target, buffer.getvalue())
        made.append(target)
    return tuple(made)
