"""Bundles that were made before, by the content that they were made from: one a post, the newest."""

import base64
from collections.abc import Iterable
from pathlib import Path

from generators import palette
from generators.files import ROOT, Damaged, digest, read_sealed, write_sealed
from generators.site import pictures
from generators.site.medium.drawing import version

CACHE = ROOT / ".cache" / "medium"


def key(page: str, site_url: str, drawings: Iterable[bytes]) -> str:
    """A digest of all that a bundle depends on: the page, its figures, this package, what draws."""
    parts = [page, site_url, version(), pictures.DRAWN_BY, *map(digest, drawings)]
    ours = [file for file in sorted(Path(__file__).parent.iterdir()) if file.is_file()]
    ours += [Path(module.__file__) for module in (pictures, palette)]
    return digest("\n".join([*parts, *(digest(file.read_bytes()) for file in ours)]))


def read(name: str, wanted: str) -> dict[str, bytes] | None:
    """The files of a post's bundle, if they were made from the same content; else nothing."""
    try:
        content = read_sealed(CACHE / f"{name}.json")
    except (FileNotFoundError, Damaged):
        return None  # made again
    if content["key"] != wanted:
        return None
    return {path: base64.b64decode(text) for path, text in content["files"].items()}


def write(name: str, wanted: str, files: dict[str, bytes]) -> None:
    """Keep a bundle's files."""
    coded = {path: base64.b64encode(content).decode() for path, content in files.items()}
    write_sealed(CACHE / f"{name}.json", {"key": wanted, "files": coded})
