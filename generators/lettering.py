"""The letters of figures: two weights of the pinned sans, made into files that matplotlib can read."""

import io
from pathlib import Path

from fontTools import ttLib

from generators.files import ROOT, digest, write_atomically

FAMILY = "Source Sans 3"
WEIGHTS = {400: "Regular", 600: "SemiBold"}
FONTS = ROOT / "node_modules" / "@fontsource" / "source-sans-3" / "files"
CACHE = ROOT / ".cache" / "lettering"


class NoFont(ValueError):
    """The pinned font packages are not installed."""


def lettering() -> list[Path]:
    """The fonts as TTF files, made once.

    Raises:
        NoFont: node_modules lacks the package.
    """
    return [
        _converted(FONTS / f"source-sans-3-latin-{weight}-normal.woff", style)
        for weight, style in WEIGHTS.items()
    ]


def _converted(source: Path, style: str) -> Path:
    if not source.is_file():
        raise NoFont(f"{source} is missing: `nox -s env` installs what package.json pins")
    raw = source.read_bytes()
    target = CACHE / f"{digest(raw + style.encode())[:16]}.ttf"
    if not target.is_file():
        font = ttLib.TTFont(io.BytesIO(raw), recalcTimestamp=False)
        font.flavor = None
        # The package calls weight 600 a family of its own: matplotlib would draw 400 in its place.
        for name, text in ((1, FAMILY), (2, style)):
            font["name"].setName(text, name, 3, 1, 0x409)
        converted = io.BytesIO()
        font.save(converted)
        write_atomically(target, converted.getvalue())
    return target
