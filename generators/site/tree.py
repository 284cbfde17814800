"""The family tree of the papers: who took what from whom, read from imports and docstrings."""

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from generators.papers import Paper

ROW = 82  # height of a row in the list beside the drawing, in px: 4.1 rem in front.css
WIDTH = 180  # 9 rem
NODE = 175  # where the discs of the rows sit, from the drawing's left


@dataclass(frozen=True)
class Edge:
    """The newer paper builds on the older one."""

    older: str
    newer: str
    imported: bool  # our code imports the older one's module; otherwise the idea alone
    why: str = ""


def edges(papers: Iterable[Paper], sources: Mapping[str, str]) -> list[Edge]:
    """All edges between the listed papers: from each module, or from `builds_on` where there is none yet."""
    listed = list(papers)
    known = {paper.stem for paper in listed}
    found = []
    for paper in listed:
        if paper.stem in sources:
            ideas, imports = declared(sources[paper.stem]), imported(sources[paper.stem])
        else:
            ideas, imports = dict.fromkeys(paper.builds_on, ""), set()
        for older in sorted((imports | ideas.keys()) & known - {paper.stem}):
            found.append(Edge(older, paper.stem, older in imports, ideas.get(older, "")))
    return found


def imported(source: str) -> set[str]:
    """The implementations that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "implementations":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "implementations."
        ):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {
                a.name.split(".")[1] for a in node.names if a.name.startswith("implementations.")
            }
    return names


_BUILDS_ON = re.compile(r"^Builds on:(.*?)(?=\n\s*\n|\n[A-Z][\w ]*:|\Z)", re.M | re.S)
_NAME = re.compile(r"(\w+)(?:\s*\(([^)]*)\))?")


def declared(source: str) -> dict[str, str]:
    """What the docstring says after `Builds on:`: stem -> the idea taken, in words."""
    docstring = ast.get_docstring(ast.parse(source)) or ""
    line = _BUILDS_ON.search(docstring)
    text = " ".join(line[1].split()) if line else ""
    return dict(_NAME.findall(text))


def by_year(papers: Iterable[Paper]) -> list[Paper]:
    """The tree's order: by year, and the site's order within a year."""
    return sorted(papers, key=lambda paper: paper.year)


def svg(rows: list[str], drawn: Iterable[Edge]) -> str:
    """Arcs beside a list with one row per stem; decoration, for the landing pages say the same in words."""
    place = {stem: ROW * index + ROW // 2 for index, stem in enumerate(rows)}
    height = ROW * len(rows)
    arcs = "".join(
        _arc(place[edge.older], place[edge.newer], edge.imported)
        for edge in drawn
        if edge.older in place and edge.newer in place
    )
    return (
        f'<svg class="arcs" viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none" aria-hidden="true" '
        f'focusable="false" style="height:{height / 20:g}rem">{arcs}</svg>'
    )


def _arc(top: int, bottom: int, solid: bool) -> str:
    """A bow to the left, the wider the further it reaches, never beyond the drawing."""
    reach = min(
        NODE - 6, 30 + 5.5 * (abs(bottom - top) / ROW) ** 1.35 + 9 * abs(bottom - top) / ROW
    )
    bow = round(NODE - reach * 1.25)  # a cubic reaches three quarters of its handles
    dashed = "" if solid else ' class="idea"'
    return f'<path{dashed} d="M{NODE} {top}C{bow} {top} {bow} {bottom} {NODE} {bottom}"/>'
