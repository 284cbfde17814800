"""What is read out of source text without running it: quoted definitions, shape letters, and figures' words."""

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from generators.files import ROOT
from generators.papers import UnknownName


@dataclass(frozen=True)
class Code:
    """A quoted definition: where it stands, and its lines."""

    file: str
    first: int
    last: int
    text: str


def quoted(key: str, bare: bool = False) -> Code:
    """The source of `paper.Class.method` in implementations/; `bare` leaves the docstring out.

    A study has no implementation: its models stand in `models.py` among its experiments.
    """
    stem, _, name = key.partition(".")
    paper = ROOT / "implementations" / f"{stem}.py"
    study = ROOT / "generators" / "experiments" / stem / "models.py"
    file = study if study.is_file() else paper
    if not file.is_file():
        raise UnknownName(
            "implementation", stem, [path.stem for path in sorted(paper.parent.glob("[!_]*.py"))]
        )
    source = file.read_text(encoding="utf-8")
    nodes = dict(_definitions(ast.parse(source)))
    if name not in nodes:
        raise UnknownName("definition", key, [f"{stem}.{known}" for known in nodes])
    node = nodes[name]
    first = min(
        [node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))]
    )
    wanted = list(range(first, node.end_lineno + 1))
    if bare and isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
        wanted = [
            number
            for number in wanted
            if not node.body[0].lineno <= number <= node.body[0].end_lineno
        ]
    lines = source.splitlines()
    text = textwrap.dedent("\n".join(lines[number - 1] for number in wanted))
    return Code(
        file.relative_to(ROOT).as_posix(),
        first,
        node.end_lineno,
        re.sub(r"(:\n)\n+", r"\1", text) if bare else text,
    )


def _definitions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            yield prefix + child.name, child
            if isinstance(child, ast.ClassDef):
                yield from _definitions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.Assign | ast.AnnAssign):
            targets = child.targets if isinstance(child, ast.Assign) else [child.target]
            yield from (
                (prefix + target.id, child) for target in targets if isinstance(target, ast.Name)
            )


_SHAPES = re.compile(r"^Shapes:(.*?)\.\s*(?:\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)
_LETTER = re.compile(r"(\w(?: and \w)*) (.+)")


def shape_letters(stem: str) -> dict[str, str]:
    """The legend after `Shapes:` in the docstring of a paper's module: "B batch, T queries." -> B: batch ..."""
    file = ROOT / "implementations" / f"{stem}.py"
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    legend = _SHAPES.search(docstring)
    parts = " ".join(legend[1].split()).split(", ") if legend else []
    return dict(found.groups() for part in parts if (found := _LETTER.fullmatch(part)))


def alt_text(key: str) -> str:
    """What a figure shows, in words: the first line of its function's docstring."""
    stem, _, name = key.partition(".")
    folder = ROOT / "generators" / "figures"
    files = [folder / f"{stem}.py", *sorted((folder / stem).glob("*.py"))]  # a module or a package
    functions = {found: said for file in files for found, said in _figures(file).items()}
    if name not in functions:
        known = [
            f"{path.relative_to(folder).parts[0].removesuffix('.py')}.{found}"
            for path in sorted(folder.rglob("[!_]*.py"))
            for found in _figures(path)
        ]
        raise UnknownName("figure", key, known)
    line = functions[name].partition("\n")[0]
    if not line or set('[]"') & set(line):
        raise ValueError(
            f'the docstring of {name} in generators/figures has to start with alt text, without [ ] or "'
        )
    return line


def _figures(file: Path) -> dict[str, str]:
    tree = ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else ast.Module([], [])
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]
    return {node.name: ast.get_docstring(node) or "" for node in public}
