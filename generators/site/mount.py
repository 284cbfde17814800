"""Which pages the site has besides those in docs/: from notes/, implementations/, exercises/, results/."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from generators.files import ROOT
from generators.papers import Paper, papers, studies
from generators.site import exercises

NOTEBOOKS = ROOT / "docs" / "notebooks"


@dataclass(frozen=True)
class Mounted:
    """One file of the site that does not stand in docs/."""

    address: str  # below docs/, as MkDocs sees it: notes/transformer.md
    path: Path | None = None  # a file, or
    text: str = ""  # its content
    edit: str | None = (
        None  # what its edit link opens, seen from docs/; links in the words are relative to it
    )


def mounted() -> Iterator[Mounted]:
    """Everything that is mounted, notebooks aside (they have to be executed first)."""
    yield from _words()
    for paper in papers():
        yield from _api(paper)
        yield from _exercises(paper)
    for figure in sorted((ROOT / "results").glob("*/*.svg")):
        yield Mounted(figure.relative_to(ROOT).as_posix(), path=figure)
    for record in sorted((ROOT / "results").glob("*/*.json")):
        yield Mounted(record.relative_to(ROOT).as_posix(), path=record)


def _words() -> Iterator[Mounted]:
    """The notes of papers that have one, and the posts."""
    for note in sorted((ROOT / "notes").glob("*.md")):
        if note.stem != "template":
            yield Mounted(f"notes/{note.name}", path=note, edit=f"../notes/{note.name}")
    for post in sorted((ROOT / "notes" / "posts").glob("*.md")):
        if post.stem != "template":
            yield Mounted(
                f"posts/entries/{post.name}", path=post, edit=f"../notes/posts/{post.name}"
            )


def _api(paper: Paper) -> Iterator[Mounted]:
    """A page made from the docstrings of the paper's module."""
    module = ROOT / "implementations" / f"{paper.stem}.py"
    if not module.is_file():
        return
    text = (
        f"---\ntitle: 'Code: {paper.name}'\n"
        f"description: 'Every function and class of our {paper.name}, "
        f"with shapes, equations and examples, from the source.'\n"
        f"---\n\n# Code: {paper.name}\n\n"
        f"From the docstrings of [implementations/{paper.stem}.py]({paper.stem}.py).\n\n"
        f"::: implementations.{paper.stem}\n"
    )
    yield Mounted(f"api/{paper.stem}.md", text=text, edit=f"../implementations/{paper.stem}.py")


def _exercises(paper: Paper) -> Iterator[Mounted]:
    stubs = ROOT / "exercises" / f"{paper.stem}.py"
    if stubs.is_file():
        answers = ROOT / "exercises" / "answers" / f"{paper.stem}.py"
        yield Mounted(
            f"exercises/{paper.stem}.md",
            text=exercises.page(paper, stubs, answers),
            edit=f"../exercises/{paper.stem}.py",
        )


def notebooks() -> dict[str, Path]:
    """The notebooks by stem."""
    return {path.stem: path for path in sorted(NOTEBOOKS.glob("*.py"))}


def navigation(addresses: set[str]) -> list[dict[str, list[str]]]:
    """For each paper and study the pages that it has, in reading order; one without pages is left out."""
    rooms = ("papers", "notes", "api", "notebooks", "exercises", "results")
    sections = []
    for paper in [*papers(), *studies()]:
        there = [f"{room}/{paper.stem}.{kind}" for room in rooms for kind in ("md", "ipynb")]
        if pages := [address for address in there if address in addresses]:
            sections.append({paper.name: pages})
    return sections


def shown_at() -> dict[Path, str]:
    """File of this project -> the page that shows it, for links that are written for the forge."""
    pages: dict[Path, str] = {}
    for path in sorted((ROOT / "docs").rglob("*.md")):
        pages[path] = path.relative_to(ROOT / "docs").as_posix()
    for entry in mounted():
        if entry.path:
            pages[entry.path] = entry.address
    for stem, path in notebooks().items():
        pages[path] = f"notebooks/{stem}.ipynb"
    for paper in [*papers(), *studies()]:
        for file in (f"exercises/{paper.stem}.py", f"exercises/answers/{paper.stem}.py"):
            if (ROOT / file).is_file():
                pages[ROOT / file] = f"exercises/{paper.stem}.md"
        for record in sorted((ROOT / "results" / paper.stem).glob("*.json")):
            pages[record] = f"results/{paper.stem}.md#{record.stem}"
        if (ROOT / "results" / paper.stem).is_dir():
            pages[ROOT / "results" / paper.stem] = f"results/{paper.stem}.md"
    for paper in papers():
        if (ROOT / "notes" / f"{paper.stem}.md").is_file():
            pages[ROOT / "docs" / "papers" / f"{paper.stem}.md"] = f"papers/{paper.stem}.md"
    return pages


def guides() -> list[str]:
    """The guides after their front page, by name."""
    names = sorted(path.name for path in (ROOT / "docs" / "guides").glob("*.md"))
    return [f"guides/{name}" for name in names if name != "index.md"]


_PLACEHOLDER = re.compile(r"your[- ](?:name|username|city)\S*|example\.com", re.IGNORECASE)


def placeholders(settings: str) -> list[str]:
    """The lines of mkdocs.yml that the owner has not filled in yet."""
    lines = [line.strip() for line in settings.partition("\ntheme:")[0].splitlines()]
    return [line for line in lines if _PLACEHOLDER.search(line) and not line.startswith("#")]
