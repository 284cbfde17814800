"""What a run means, as one hash: the source of every definition of ours that it reaches by name.

Comments, docstrings, blank lines, layout and type annotations do not count, nor do neighbours in the file, nor
the Python version. The pins of the libraries whose names are reached do.
"""

import ast
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from generators.files import ROOT, canonical, digest

ROOMS = ("implementations", "generators")  # the packages whose source is ours
PIN_OF = {"sklearn": "scikit-learn", "PIL": "pillow", "yaml": "pyyaml"}  # where the names differ
UNFOLLOWABLE = {"getattr", "globals", "locals", "vars", "eval", "exec", "__import__"}


class CannotFollow(ValueError):
    """A name whose definition the source does not show, so that a change of it would go unseen."""


def fingerprint(
    function: Callable[..., Any], settings: Any = None, needs: list[str] | None = None
) -> str:
    """Hash of a function's meaning, its settings, and the fingerprints of the stages it needs."""
    definitions, libraries = parts(function)
    # Without their addresses: a definition that moves to another file says what it said.
    return digest(canonical([sorted(definitions.values()), libraries, settings, needs or []]))


def parts(function: Callable[..., Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The definitions that `function` reaches (name -> hash) and the libraries it uses (name -> pin)."""
    definitions: dict[str, str] = {}
    libraries: dict[str, str] = {}
    waiting = [(function.__module__, function.__qualname__.partition(".")[0])]
    while waiting:
        module, name = waiting.pop()
        address = f"{module}.{name}"
        if address in definitions:
            continue
        definitions[address], reads = _read(module, name)
        for root, reached in reads:
            if root in ROOMS:
                waiting.append(reached)
            elif (library := PIN_OF.get(root, root)) in pins():
                libraries[library] = pins()[library]
    return dict(sorted(definitions.items())), dict(sorted(libraries.items()))


@functools.cache
def pins() -> dict[str, str]:
    """Library -> version, from requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = (re.match(r"([\w.-]+)==([\w.!+]+)", line) for line in lines)
    return {match[1].lower().replace("-", "_"): match[2] for match in found if match}


def source_of(module: str) -> Path:
    """The file of a module of ours."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@functools.cache
def _top_level(module: str) -> dict[str, ast.stmt]:
    """Top-level name -> the statement that defines or imports it."""
    found: dict[str, ast.stmt] = {}
    for statement in ast.parse(source_of(module).read_text(encoding="utf-8")).body:
        for name in _names_bound_by(statement):
            found[name] = statement
    return found


def forget() -> None:
    """Read the sources anew: they have changed."""
    _top_level.cache_clear()
    _read.cache_clear()


def _names_bound_by(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        yield statement.target.id
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in statement.names)


@functools.cache  # hundreds of runs share most of their definitions
def _read(module: str, name: str) -> tuple[str, tuple[tuple[str, tuple[str, str]], ...]]:
    """The hash of one definition, and what it reaches."""
    node = _top_level(module).get(name)
    if node is None:
        raise CannotFollow(f"{module} defines no {name} at its top level")
    return digest(_meaning(node)), tuple(_reached(module, node))


def _reached(module: str, definition: ast.stmt) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each name that a definition uses from outside itself, as (root package, (module, name))."""
    local = [node for node in ast.walk(definition) if isinstance(node, ast.Import | ast.ImportFrom)]
    scope = {
        **_top_level(module),
        **{name: node for node in local for name in _names_bound_by(node)},
    }
    for node, attribute in _uses(definition):
        statement = scope.get(node.id)
        if statement is None:
            if node.id in UNFOLLOWABLE:
                raise CannotFollow(
                    f"{source_of(module)}:{node.lineno}: {node.id}() hides what it reaches"
                )
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield _imported(module, statement, node, attribute)
        else:
            yield module.partition(".")[0], (module, node.id)


def _imported(
    module: str, statement: ast.stmt, node: ast.Name, attribute: str | None
) -> tuple[str, tuple[str, str]]:
    """Where an imported name comes from."""
    alias = next(a for a in statement.names if (a.asname or a.name.partition(".")[0]) == node.id)
    if isinstance(statement, ast.ImportFrom):
        package = statement.module or ""
        root = package.partition(".")[0]
        if root not in ROOMS or not source_of(f"{package}.{alias.name}").is_file():
            return root, (package, alias.name)
        package = f"{package}.{alias.name}"  # `from implementations import transformer`
    else:
        package = alias.name
        root = package.partition(".")[0]
        if root in ROOMS and alias.asname is None:
            raise CannotFollow(
                f"{source_of(module)}:{node.lineno}: write `from ... import` for {package}"
            )
    if root in ROOMS and attribute is None:
        raise CannotFollow(
            f"{source_of(module)}:{node.lineno}: module {package} is used as a value"
        )
    return root, (package, attribute or "")


def _uses(definition: ast.stmt) -> Iterator[tuple[ast.Name, str | None]]:
    """Names read in a definition, each with the attribute taken from it, annotations left out."""
    stack: list[ast.AST] = [definition]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.value, node.attr
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node, None
        for field, value in ast.iter_fields(node):
            if field not in ("annotation", "returns"):
                stack.extend(item for item in _as_list(value) if isinstance(item, ast.AST))


def _meaning(node: ast.AST) -> str:
    """A definition as text, without what has no effect and without what differs between Pythons."""
    return canonical(_plain(node))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, ast.AST):
        return value if isinstance(value, str | int | float | bool | None) else repr(value)
    fields = {}
    for field, item in ast.iter_fields(value):
        if isinstance(value, ast.arg | ast.FunctionDef) and field in ("annotation", "returns"):
            continue
        if field == "body" and isinstance(value, ast.FunctionDef | ast.ClassDef):
            item = item[1:] if ast.get_docstring(value, clean=False) is not None else item
        if item not in (None, []) and field not in ("ctx", "kind", "type_comment", "type_params"):
            fields[field] = _plain(item)
    return [type(value).__name__, fields]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
