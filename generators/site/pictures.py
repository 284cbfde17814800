"""Pictures that need no browser: figures and cards as PNG. All by resvg, all cached."""

import functools
import io
from collections.abc import Sequence
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


@dataclass(frozen=True)
class Drawing:
    """Everything that a PNG depends on."""

    svg: str
    width: int
    background: str = "#ffffff"
    fonts: tuple[Path, ...] = ()  # each is named by what is in it
    pasted: "Drawing | None" = None  # drawn once, however many cards show it
    at: tuple[int, int] = (0, 0)  # its left upper corner

    @property
    def kept(self) -> Path:
        """Where it is once it has been made."""
        inner = f"{self.pasted.kept.stem} {self.at}" if self.pasted else ""
        letters = " ".join(font.stem for font in self.fonts)
        look = f"{COLOURS} {self.width} {self.background} {DRAWN_BY} {letters} {inner}"
        return CACHE / f"{digest(f'{look} {self.svg}')[:32]}.png"

    def made(self) -> bytes:
        """The PNG, drawn now; what is pasted has been made."""
        drawn = resvg_py.svg_to_bytes(
            svg_string=self.svg,
            width=self.width,
            background=self.background,
            skip_system_fonts=True,
            font_files=[str(font) for font in self.fonts],
        )
        whole = Image.open(io.BytesIO(bytes(drawn))).convert("RGB")
        if self.pasted:
            whole.paste(Image.open(self.pasted.kept).convert("RGB"), self.at)
        return with_palette(whole)


def png(svg: str, width: int = WIDTH) -> bytes:
    """A figure on white, `width` pixels wide."""
    return made([Drawing(light(svg), width)])[0]


def made(drawings: Sequence[Drawing]) -> list[bytes]:
    """Their PNGs; of those that are not kept yet, one is drawn while another gets its palette."""
    pasted = {each.pasted for each in drawings if each.pasted}
    with ThreadPoolExecutor(2) as pool:
        for layer in (pasted, set(drawings)):
            new = [each for each in layer if not each.kept.is_file()]
            for drawing, picture in zip(new, pool.map(Drawing.made, new), strict=True):
                write_atomically(drawing.kept, picture)  # here: it is not safe in two threads
    return [drawing.kept.read_bytes() for drawing in drawings]


def with_palette(picture: Image.Image) -> bytes:
    """A PNG with a palette: fewer bytes, and no difference to the eye."""
    buffer = io.BytesIO()
    few = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(buffer, "PNG")  # `optimize` saves a twelfth and takes eight times as long
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
