"""A paper's exercises as a page: tasks from the docstrings of the stubs, hints and worked answers folded.

The open problem comes last, with its rubric and without an answer.
"""

import ast
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from generators.papers import Paper


@dataclass(frozen=True)
class Exercise:
    """One stub: what to write, hints, and the code to start from."""

    name: str
    task: str
    hints: tuple[str, ...]
    stub: str


def read(source: str) -> list[Exercise]:
    """The stubs of an exercise file, in its order: the functions that raise NotImplementedError."""
    tree = ast.parse(source)
    hints = _constant(tree, "HINTS")
    return [
        Exercise(
            node.name,
            ast.get_docstring(node) or "",
            _several(hints.get(node.name, ())),
            _bare(source, node),
        )
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and "raise NotImplementedError" in ast.unparse(node)
    ]


def _constant(tree: ast.Module, name: str) -> dict:
    for node in tree.body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        if (
            any(isinstance(target, ast.Name) and target.id == name for target in targets)
            and node.value
        ):
            return ast.literal_eval(node.value)
    return {}


def _several(hints: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (hints,) if isinstance(hints, str) else tuple(hints)


def _bare(source: str, node: ast.FunctionDef | ast.ClassDef) -> str:
    """The code of a definition without its docstring, which the page shows as text."""
    lines = source.splitlines()
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    taken = list(range(first, (node.end_lineno or first) + 1))
    if ast.get_docstring(node) and len(node.body) > 1:
        docstring = node.body[0]
        taken = [
            line for line in taken if not docstring.lineno <= line <= (docstring.end_lineno or 0)
        ]
    return textwrap.dedent("\n".join(lines[line - 1] for line in taken)).strip("\n")


def answers(source: str) -> dict[str, tuple[str, str]]:
    """The worked answers by name: what their docstring says, and their code."""
    tree = ast.parse(source)
    return {
        node.name: (ast.get_docstring(node) or "", _bare(source, node))
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


def page(paper: Paper, stubs: Path, worked: Path) -> str:
    """The exercise page in Markdown."""
    source = stubs.read_text(encoding="utf-8")
    known = answers(worked.read_text(encoding="utf-8")) if worked.is_file() else {}
    return "\n\n".join(_parts(paper, source, known)) + "\n"


def _parts(paper: Paper, source: str, known: dict[str, tuple[str, str]]) -> Iterator[str]:
    exercises = read(source)
    yield (
        f"---\ntitle: 'Exercises: {paper.name}'\n"
        f"description: 'Write the parts of the {paper.name} yourself: {len(exercises)} tasks, "
        f"each with hints, checks and a worked answer.'\n---"
    )
    yield f"# Exercises: {paper.name}"
    introduction = ast.get_docstring(ast.parse(source)) or ""
    yield introduction.partition("\n\n")[2] or introduction
    yield (
        "The first time: [what to install, and what to do if it fails on your machine]"
        "(../docs/guides/study-paths.md#before-you-start)."
    )
    for number, exercise in enumerate(exercises, 1):
        yield f"## {number}. {exercise.name.replace('_', ' ').strip().capitalize()} {{ #{exercise.name.lower()} }}"
        yield exercise.task
        yield _fenced(exercise.stub)
        for place, hint in enumerate(exercise.hints, 1):
            yield _folded("Hint" if len(exercise.hints) == 1 else f"Hint {place}", hint)
        if exercise.name in known:
            words, code = known[exercise.name]
            yield _folded(
                "A worked answer", "\n\n".join(part for part in (words, _fenced(code)) if part)
            )
    if problem := _constant(ast.parse(source), "OPEN_PROBLEM"):
        yield f"## An open problem: {problem['title']} {{ #open-problem }}"
        yield problem["text"]
        yield "There is no published answer. This is how an answer can be judged:"
        yield _rubric(problem["rubric"])


def _rubric(criteria: list[tuple[str, int]]) -> str:
    """Criteria with their points, and the sum."""
    rows = [*criteria, ("All together", sum(points for _, points in criteria))]
    return "| Criterion | Points |\n| --- | ---: |\n" + "\n".join(
        f"| {criterion} | {points} |" for criterion, points in rows
    )


def _fenced(code: str) -> str:
    return f"```python\n{code}\n```"


def _folded(summary: str, text: str) -> str:
    return f'??? fold "{summary}"\n\n' + textwrap.indent(text, "    ")
