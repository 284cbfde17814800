"""Files that are either whole or absent: atomic writes, and JSON that notices damage."""

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class Damaged(ValueError):
    """A file whose content is not what was written."""


def write_atomically(path: Path, content: str | bytes) -> None:
    """Put `content` at `path` in one step: whoever reads sees the old file or the new one.

    A full disk, an interrupt or a kill leaves the old file in place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp's files are private; these are not
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def sweep_leftovers(folder: Path) -> None:
    """Remove what a killed writer left half-written."""
    for leftover in folder.rglob(".*.new"):
        leftover.unlink(missing_ok=True)


def digest(content: str | bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no blanks, no NaN."""
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write JSON with a checksum over itself, one line for each innermost list."""
    sealed = {**content, "sha256": digest(canonical(content))}
    write_atomically(path, _pretty(sealed) + "\n")


def read_sealed(path: Path) -> dict[str, Any]:
    """Read what `write_sealed` wrote.

    Raises:
        Damaged: the file is cut off, is no JSON, or was changed by other means.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        seal = content.pop("sha256")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise Damaged(f"{path}: not a whole sealed JSON file ({error})") from error
    if digest(canonical(content)) != seal:
        raise Damaged(f"{path}: its checksum does not fit; it was edited by hand or damaged")
    return content


def _pretty(value: Any, indent: str = "") -> str:
    """Indented JSON in which a list of plain values stays on one line."""
    deeper = indent + " "
    if isinstance(value, dict) and value:
        rows = [
            f"{deeper}{json.dumps(key, ensure_ascii=False)}: {_pretty(item, deeper)}"
            for key, item in value.items()
        ]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return (
            "[\n"
            + ",\n".join(f"{deeper}{_pretty(item, deeper)}" for item in value)
            + f"\n{indent}]"
        )
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
