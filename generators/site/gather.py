"""The one place where the generated pages' inputs are read from disk."""

import re
from pathlib import Path

from generators import papers as listing
from generators import record
from generators.files import ROOT
from generators.papers import Paper
from generators.site import bib, tree
from generators.site.parts import Inputs, Unit

SHELLS = (
    "index.md",
    "papers/index.md",
    "claims.md",
    "learned.md",
    "evidence.md",
    "figures.md",
    "about.md",
    "guides/study-paths.md",
)


def gather(root: Path = ROOT) -> Inputs:
    """Papers, records, claims, notes, sources: read without importing torch or an experiment."""
    papers, studies = listing.papers(), listing.studies()
    sources = {paper.stem: _text(root / "implementations" / f"{paper.stem}.py") for paper in papers}
    return Inputs(
        papers=papers,
        studies=studies,
        records=record.records(),
        claims=record.ledger(),
        units={
            each.stem: unit(root, each, sources.get(each.stem, "")) for each in [*papers, *studies]
        },
        extra={
            key: str(listing.settings().get(key) or "")
            for key in ("site_name", "site_url", "repo_url")
        }
        | listing.extra(),
        shells={
            name: _text(root / "docs" / name) for name in SHELLS if (root / "docs" / name).is_file()
        },
        bibliography=bib.read(root / "notes" / "references.bib"),
        edges=tree.edges(papers, {stem: source for stem, source in sources.items() if source}),
        value=record.value,
        words=words(root, [each.stem for each in [*papers, *studies]]),
    )


def unit(root: Path, paper: Paper, source: str) -> Unit:
    """One paper's files."""
    note = root / "notes" / f"{paper.stem}.md"
    return Unit(
        front=(listing.front_matter(note) or {"state": "draft"}) if note.is_file() else {},
        note=_text(note),
        code=source,
        exercise=_text(root / "exercises" / f"{paper.stem}.py"),
        notebook=(root / "docs" / "notebooks" / f"{paper.stem}.py").is_file(),
        posts=posts(root, paper.stem),
        figures={
            svg.stem: svg.read_text(encoding="utf-8")
            for svg in sorted((root / "results" / paper.stem).glob("*.svg"))
        },
    )


def posts(root: Path, stem: str) -> tuple[tuple[str, str], ...]:
    """The posts about a paper: notes/posts/<stem>.md, and those whose front matter names it."""
    found = []
    for path in sorted((root / "notes" / "posts").glob("*.md")):
        front = listing.front_matter(path)
        if path.stem == stem or front.get("paper") == stem:
            heading = re.search(r"^# (.+)$", _text(path), re.M)
            title = str(front.get("title") or (heading[1] if heading else path.stem))
            found.append((title, f"posts/{path.stem}/"))
    return tuple(found)


def words(root: Path, stems: list[str]) -> dict[str, str]:
    """The notes in the site's order, then the posts: address -> Markdown."""
    notes = {f"notes/{stem}/": root / "notes" / f"{stem}.md" for stem in stems}
    entries = [
        path for path in sorted((root / "notes" / "posts").glob("*.md")) if path.stem != "template"
    ]
    files = notes | {f"posts/{path.stem}/": path for path in entries}
    return {address: _text(path) for address, path in files.items() if path.is_file()}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
