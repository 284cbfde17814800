"""What a paper's unit must have in its state, and the empty unit that `nox -s new` writes."""

import ast
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from generators.files import ROOT, write_atomically
from generators.papers import Paper, front_matter, papers

HEADINGS = (
    "In one minute",
    "The problem",
    "The idea",
    "The equations",
    "How the code follows them",
    "What we measured",
    "What surprised us",
    "Departures from the paper",
    "Limits and open questions",
    "Where it sits",
    "Try it",
    "References",
)
STATES = ("draft", "whole")
FIRST_LINE = re.compile(r".+ \((.+), (\d{4}), (arXiv:[\w./-]+|.+ report)\)\.$")


def rooms(stem: str) -> dict[str, Path]:
    """Where a paper stands in every room; experiments and figures that outgrew a file are a package."""
    return {
        "implementation": ROOT / "implementations" / f"{stem}.py",
        "experiments": _module(ROOT / "generators" / "experiments", stem),
        "figures": _module(ROOT / "generators" / "figures", stem),
        "tests": ROOT / "tests" / f"test_{stem}.py",
        "note": ROOT / "notes" / f"{stem}.md",
        "post": ROOT / "notes" / "posts" / f"{stem}.md",
        "notebook": ROOT / "docs" / "notebooks" / f"{stem}.py",
        "exercises": ROOT / "exercises" / f"{stem}.py",
        "answers": ROOT / "exercises" / "answers" / f"{stem}.py",
        "checks": ROOT / "exercises" / "checks" / f"{stem}.py",
    }


def _module(folder: Path, stem: str) -> Path:
    package = folder / stem / "__init__.py"
    return package if package.exists() else folder / f"{stem}.py"


def lacks(paper: Paper) -> list[str]:
    """What the unit of a paper still lacks for its state, one line each; nothing for a planned one."""
    files = rooms(paper.stem)
    if paper.state == "planned":
        present = [_name(path) for path in files.values() if path.exists()]
        return [
            f"{path}: stands here without a note; a planned paper has no files" for path in present
        ]
    return [
        *_note_lacks(files["note"]),
        *_implementation_lacks(files["implementation"]),
        *_tests_lack(files["tests"], paper.stem),
        *_experiments_lack(files["experiments"], paper.stem),
        *(_whole_lacks(paper, files) if paper.state == "whole" else ()),
        *(
            f"{_name(path)}: is the empty template"
            for path in files.values()
            if path.exists() and TO_FILL in path.read_text(encoding="utf-8")
        ),
        *_bibliography_lacks(paper),
    ]


def _note_lacks(path: Path) -> Iterator[str]:
    front = front_matter(path)
    if front.get("state") not in STATES:
        yield f"{_name(path)}: state is {front.get('state')!r}, not one of {', '.join(STATES)}"
    for key in ("title", "description", "difficulty", "prerequisites", "minutes"):
        if not front.get(key):
            yield f"{_name(path)}: front matter lacks {key}"
    if not isinstance(front.get("date"), date):
        yield f"{_name(path)}: front matter lacks date, a day such as 2026-11-27"
    text = path.read_text(encoding="utf-8")
    found = re.findall(r"^## (.+)$", text, re.M)
    if tuple(heading for heading in found if heading in HEADINGS) != HEADINGS:
        missing = [heading for heading in HEADINGS if heading not in found]
        yield f"{_name(path)}: headings missing or out of order: {', '.join(missing) or ', '.join(found)}"
    for heading in HEADINGS:
        section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
        if section and not re.sub(r"<!--.*?-->|\s", "", section[1], flags=re.S):
            yield f'{_name(path)}: nothing under "{heading}"'


def _implementation_lacks(path: Path) -> Iterator[str]:
    if not path.exists():
        yield f"{_name(path)}: does not exist"
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    first = (ast.get_docstring(tree) or "").partition("\n")[0]
    if not FIRST_LINE.match(first):
        yield f"{_name(path)}: its first line is not `Title (Authors, year, arXiv:...).` but {first!r}"
    if not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body):
        yield f"{_name(path)}: defines no function and no class"


def _tests_lack(path: Path, stem: str) -> Iterator[str]:
    """A paper's tests stand in test_STEM.py, and in test_STEM_WORD.py where they outgrow it."""
    tests = [
        node.name
        for file in sorted({path, *path.parent.glob(f"test_{stem}_*.py")})
        if file.exists()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    if not tests:
        yield f"{_name(path)}: has no test"
    elif not any(("equal" in name or "agree" in name or "parity" in name) for name in tests):
        yield f"{_name(path)}: no test says that ours equals a trusted implementation (test_..._equals_...)"


def _experiments_lack(path: Path, stem: str) -> Iterator[str]:
    if not path.exists():
        yield f"{_name(path)}: does not exist"
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    values = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    experiments = values.get("EXPERIMENTS")
    if not (isinstance(experiments, ast.Dict) and experiments.keys):
        yield f"{_name(path)}: EXPERIMENTS is empty"
    elif not list((ROOT / "results" / stem).glob("*.json")):
        yield f"results/{stem}/: no record; make it: nox -s train -- {stem}"
    if "CLAIMS" not in values or not getattr(values["CLAIMS"], "elts", True):
        yield f"{_name(path)}: CLAIMS is empty"


def _whole_lacks(paper: Paper, files: dict[str, Path]) -> Iterator[str]:
    for room in ("figures", "post", "notebook", "exercises", "answers", "checks"):
        if not files[room].exists():
            yield f"{_name(files[room])}: does not exist"
    if 'class="predict"' not in files["note"].read_text(encoding="utf-8"):
        yield f"{_name(files['note'])}: asks the reader to predict nothing"
    if not front_matter(files["note"]).get("headlines"):
        yield f"{_name(files['note'])}: front matter lacks headlines, its rows in the README's table"


def _bibliography_lacks(paper: Paper) -> Iterator[str]:
    path = ROOT / "notes" / "references.bib"
    if not re.search(rf"^@\w+\{{{re.escape(paper.stem)},", path.read_text(encoding="utf-8"), re.M):
        yield f"{_name(path)}: no entry with the key {paper.stem}"


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# A new unit -----------------------------------------------------------------------------------------------

TO_FILL = "to be filled in:"  # stands in every file of an empty unit, in none of a finished one

EMPTY = {
    "implementation": '''r"""Title of the paper (Authors, year, arXiv:0000.00000).

to be filled in: the idea in two sentences.

Builds on: older_stem (what was taken over).
Shapes: B batch, T tokens, D d_model.
"""
''',
    "experiments": '''"""Title of the paper: to be filled in: what our experiments ask."""

EXPERIMENTS = {}

CLAIMS = []
''',
    "figures": '''"""Figures of NAME; to be filled in: a function from a record to a figure, named as the record."""

FIGURES = {}
''',
    "tests": '''"""NAME, doubted; to be filled in: test_it_equals_a_trusted_implementation, then invariants."""
''',
    "note": """---
title: "to be filled in: a title of your own"
description: ""
state: draft
difficulty:
prerequisites: []
minutes:
tags: []
date:
headlines: []
---

# NAME

"""
    + "\n".join(f"## {heading}\n" for heading in HEADINGS),
}


def write_unit(stem: str) -> list[str]:
    """Write the empty unit of a new paper and its line in mkdocs.yml; return what was written.

    Raises:
        ValueError: the name is no stem, or is taken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", stem):
        raise ValueError(
            f'"{stem}" is no stem: lower-case letters, digits and _ only, a letter first'
        )
    listed = {paper.stem for paper in papers()}
    files = rooms(stem)
    taken = [path for path in files.values() if path.exists()]
    if taken:
        raise ValueError(f"{_name(taken[0])} is there already; nothing was written")
    written = []
    for room, text in EMPTY.items():
        write_atomically(files[room], text.replace("NAME", stem))
        written.append(_name(files[room]))
    bibliography = ROOT / "notes" / "references.bib"
    if stem not in listed:
        settings = ROOT / "mkdocs.yml"
        write_atomically(settings, _with_line(settings.read_text(encoding="utf-8"), stem))
        written.append(
            f"{_name(settings)} (its line in extra.papers: year and idea are yours to fill in)"
        )
    text = bibliography.read_text(encoding="utf-8")
    if not re.search(rf"^@\w+\{{{stem},", text, re.M):
        entry = f"\n@misc{{{stem},\n  title = {{Title}},\n  author = {{Family, Given}},\n  year = {{2000}},\n  url = {{https://arxiv.org/abs/0000.00000}}\n}}\n"
        write_atomically(bibliography, text.rstrip("\n") + "\n" + entry)
        written.append(f"{_name(bibliography)} (its entry)")
    return written


def _with_line(settings: str, stem: str) -> str:
    """mkdocs.yml with one more line at the end of `extra.papers`."""
    lines = settings.splitlines(keepends=True)
    last = next(number for number, line in enumerate(lines) if line.strip() == "papers:")
    while re.match(r"\s*(- \{ ?stem: |#)", lines[last + 1]):
        last += 1
    while lines[last].lstrip().startswith("#"):  # what is said before the studies
        last -= 1
    indent = re.match(r"\s*", lines[last])[0]
    line = f'{indent}- {{stem: {stem}, name: {stem}, year: 2000, idea: "{TO_FILL} one line"}}\n'
    return "".join([*lines[: last + 1], line, *lines[last + 1 :]])
