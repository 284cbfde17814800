"""Pictures that need no browser: figures as PNG, and the card that a shared link shows. All by resvg, all cached."""

import html
import io
import textwrap

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


def png(svg: str, width: int = WIDTH) -> bytes:
    """A figure on white, `width` pixels wide."""
    return _drawn(light(svg), width, "#ffffff")


def card(title: str, line: str, site: str) -> bytes:
    """What a link to a page shows where links have pictures: the site's name, the page's title and one line."""
    rows = textwrap.wrap(title, 26)[:3]
    small = textwrap.wrap(line, 62)[:2]
    serif, sans = "'Source Serif 4'", "'Source Sans 3'"  # quoted: a digit stands alone
    top = 300 - 40 * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {CARD[0]} {CARD[1]}">',
        f'<rect width="{CARD[0]}" height="{CARD[1]}" fill="#fdfdfb"/>',
        '<rect x="80" y="84" width="1040" height="3" fill="#16181c"/>',
        f'<text x="80" y="66" font-family="{serif}" font-size="30" fill="#16181c">{html.escape(site)}</text>',
    ]
    for number, row in enumerate(rows):
        y = top + 84 * number
        parts.append(
            f'<text x="80" y="{y}" font-family="{serif}" font-size="78" fill="#16181c">{html.escape(row)}</text>'
        )
    for number, row in enumerate(small):
        y = top + 84 * len(rows) + 20 + 46 * number
        parts.append(
            f'<text x="80" y="{y}" font-family="{sans}" font-size="36" fill="#555a63">{html.escape(row)}</text>'
        )
    return _drawn("".join([*parts, "</svg>"]), CARD[0], "#fdfdfb")


def _drawn(svg: str, width: int, background: str) -> bytes:
    target = CACHE / f"{digest(f'{COLOURS} {width} {background} {svg}')[:32]}.png"
    if not target.is_file():
        drawn = resvg_py.svg_to_bytes(
            svg_string=svg,
            width=width,
            background=background,
            skip_system_fonts=True,
            font_files=_fonts(),
        )
        write_atomically(target, with_palette(bytes(drawn)))
    return target.read_bytes()


def with_palette(picture: bytes) -> bytes:
    """The same PNG with a palette: fewer bytes, and no difference to the eye."""
    few = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _fonts() -> list[str]:
    """The site's text fonts as TTF, made once from the pinned packages."""
    files = []
    for package in ("source-serif-4", "source-sans-3"):
        source = FONTS / package / "files" / f"{package}-latin-400-normal.woff"
        target = CACHE / f"{digest(source.read_bytes())[:16]}.ttf"
        if not target.is_file():
            font, buffer = ttLib.TTFont(source, recalcTimestamp=False), io.BytesIO()
            font.flavor = None
            font.save(buffer)
            write_atomically(target, buffer.getvalue())
        files.append(str(target))
    return files
