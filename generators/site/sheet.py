"""All cards of a built site on one sheet, as small as others show them: `python -m generators.site.sheet`.

A card has to make somebody click at 300 pixels, so look at them there: the sheet is written to .cache/cards.png.
"""

import io
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from generators.files import ROOT, write_atomically
from generators.site.pictures import CARD

THUMBNAIL = (300, 300 * CARD[1] // CARD[0])
COLUMNS = 6
GAP = 14
GROUND = "#9aa0a8"


def sheet(cards: Sequence[Path]) -> bytes:
    """A PNG of all these pictures in rows."""
    wide, high = (side + GAP for side in THUMBNAIL)
    rows = -(-len(cards) // COLUMNS)
    whole = Image.new("RGB", (COLUMNS * wide + GAP, rows * high + GAP), GROUND)
    for place, card in enumerate(cards):
        row, column = divmod(place, COLUMNS)
        small = Image.open(card).convert("RGB").resize(THUMBNAIL, Image.Resampling.LANCZOS)
        whole.paste(small, (GAP + column * wide, GAP + row * high))
    buffer = io.BytesIO()
    whole.save(buffer, "PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    site = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "site"
    write_atomically(ROOT / ".cache" / "cards.png", sheet(sorted(site.glob("assets/cards/*.png"))))
