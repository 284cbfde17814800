"""What needs all pages to exist: the formulas' fonts, pictures, the feed; and what no page loads goes."""

import re
from collections.abc import Mapping
from pathlib import Path

from generators.files import ROOT
from generators.site import fonts, pictures, tex

_FACE = re.compile(r"@font-face\{[^}]*url\(fonts/([^)]+)\)[^}]*\}")
UNUSED = ("assets/**/*.map", "assets/javascripts/lunr/**/*", "assets/images/favicon.png")


def write_math(site: Path, formulas: list[str]) -> None:
    """Write KaTeX's style sheet and fonts, holding the characters that these formulas draw.

    Raises:
        fonts.MissingCharacter: no font draws one of them.
    """
    if not formulas:
        return
    characters = set().union(*map(fonts.math_characters, formulas))
    asked = tex.faces(" ".join(formulas))
    made = {name: font for name, font in fonts.math(characters).items() if name in asked}
    folder = site / "assets" / "katex"
    for name, font in made.items():
        _write(folder / "fonts" / name, font.read_bytes())
    style = _FACE.sub(lambda face: face[0] if face[1] in made else "", fonts.katex_css())
    _write(folder / "katex.min.css", style.encode())


def write_pictures(site: Path, found: Mapping[str, bytes]) -> None:
    """Write the pictures of notebooks, and every figure again as PNG."""
    for path, content in found.items():
        _write(site / path, content)
    for figure in sorted((ROOT / "results").glob("*/*.svg")):
        target = site / figure.relative_to(ROOT).with_suffix(".png")
        _write(target, pictures.png(figure.read_text(encoding="utf-8")))


def write_texts(site: Path, found: Mapping[str, str]) -> None:
    """Write what is no page: the feed, robots.txt, llms.txt, notes and posts as Markdown."""
    for path, content in found.items():
        _write(site / path, content.encode())


def write_cards(site: Path, found: Mapping[str, pictures.Drawing]) -> None:
    """Draw the pictures that shared links show."""
    for path, content in zip(found, pictures.made(list(found.values())), strict=True):
        _write(site / path, content)


def tidy(site: Path) -> None:
    """Remove source maps, word stemmers of other languages, the theme's own icon, and empty folders."""
    for pattern in UNUSED:
        for file in sorted(site.glob(pattern)):
            if file.is_file():
                file.unlink()
    for folder in sorted((path for path in site.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
