"""The list of papers, read from `extra.papers` in mkdocs.yml: nothing else names them all."""

import difflib
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from generators.files import ROOT


class UnknownName(ValueError):
    """A name that nobody has defined; the message names the nearest one."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = list(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        listed = ", ".join(names) if len(names) <= 20 else f"{len(names)} names"
        super().__init__(f'unknown {kind} "{name}"{hint} (known: {listed or "none"})')


@dataclass(frozen=True)
class Paper:
    """One line of `extra.papers`."""

    stem: str  # the paper's name in every room: implementations/<stem>.py, notes/<stem>.md ...
    name: str  # as people call it
    year: int
    idea: str  # one line, in our words
    builds_on: tuple[str, ...] = ()  # until a module's imports and docstring say so

    @property
    def note(self) -> Path:
        """Where its analysis stands, or will."""
        return ROOT / "notes" / f"{self.stem}.md"

    @property
    def state(self) -> str:
        """`planned` (no note yet), or what the note's front matter says: `draft` or `whole`."""
        return front_matter(self.note).get("state", "draft") if self.note.is_file() else "planned"


def papers() -> list[Paper]:
    """All papers in the site's order."""
    lines = [dict(line) for line in extra()["papers"]]
    return [Paper(**{**line, "builds_on": tuple(line.get("builds_on", ()))}) for line in lines]


def studies() -> list[Paper]:
    """Studies across papers, of `extra.studies`: each has experiments, figures and a note, but no module."""
    return [Paper(**line) for line in extra().get("studies", ())]


def paper(stem: str) -> Paper:
    """The paper with this stem, else an error that names the nearest."""
    known = {entry.stem: entry for entry in papers()}
    if stem not in known:
        raise UnknownName("paper", stem, known)
    return known[stem]


def extra() -> dict[str, Any]:
    """The whole `extra:` mapping of mkdocs.yml: the papers, and the owner's name and links."""
    return settings()["extra"]


def settings() -> dict[str, Any]:
    """The whole of mkdocs.yml, without what only MkDocs understands."""
    return _settings(ROOT / "mkdocs.yml")


@functools.cache
def _settings(path: Path) -> dict[str, Any]:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Plain)


class _Plain(yaml.SafeLoader):
    """mkdocs.yml holds tags such as !!python/name that mean something to MkDocs alone."""


_Plain.add_multi_constructor("", lambda loader, suffix, node: None)


def front_matter(path: Path) -> dict[str, Any]:
    """The YAML between the first two `---` lines of a page; empty when it has none."""
    head, _, rest = path.read_text(encoding="utf-8").partition("---\n")
    if head.strip() or not rest:
        return {}
    return dict(_parsed(rest.partition("\n---")[0]))


@functools.cache  # of each number on each page we ask which papers are planned
def _parsed(head: str) -> dict[str, Any]:
    return yaml.safe_load(head) or {}
