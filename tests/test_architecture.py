"""The rooms: who may import whom, what a unit must have, how large a file may be."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from generators.experiment import units
from generators.files import ROOT
from generators.papers import Paper, extra, papers
from generators.unit import lacks, write_unit

STDLIB = sys.stdlib_module_names
MACHINERY = {
    "files",
    "papers",
    "fingerprint",
    "record",
    "data",
    "training",
    "parity",
    "experiment",
    "schedule",
    "unit",
    "settle",
    "rebuild",
    "weights",
}
DRAWING = {
    "palette",
    "svg",
    "lettering",
    "formats",
    "source",
    "figure",
    "charts",
    "prose",
    "ledger",
}
SHARED = MACHINERY | DRAWING  # generators/*.py: these never know a paper
STEMS = [paper.stem for paper in papers()]
STUDIES = {*units()} - {*STEMS}


def imported(text: str) -> set[tuple[int, str]]:
    """Every module that a source text imports, with its line; `from a import b` counts as a.b."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {(node.lineno, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {
                (node.lineno, f"{'.' * node.level}{node.module or ''}.{alias.name}")
                for alias in node.names
            }
    return found


def offences(file: str, text: str) -> list[str]:
    """What a file imports that its room may not, as `file:line: module`."""
    path = Path(file)
    room, stem = path.parts[0], path.stem
    wrong = []
    for line, module in sorted(imported(text)):
        parts = module.split(".")
        root, second = parts[0], parts[1] if len(parts) > 1 else ""
        ours = root in (
            "implementations",
            "generators",
            "exercises",
            "tests",
            "noxfile",
            "conftest",
            "",
        )
        if "*" in parts or root == "":
            allowed = False  # star and relative imports hide what is reached
        elif root == "implementations":
            older = second in STEMS and _year(second) <= _year(stem) and second != stem
            allowed = {
                "implementations": older,
                "generators": file.startswith("generators/experiments/")
                or (file.startswith("generators/bench/") and stem in STEMS),
                "docs": True,
                "exercises": True,
            }.get(room, True)
        elif root == "generators":
            allowed = _may_import_generators(file, second, parts)
        elif root == "exercises":
            allowed = room in ("exercises", "tests")
        elif ours:
            allowed = room == "tests"
        else:
            allowed = _may_import_library(file, root)
        if not allowed:
            wrong.append(f"{file}:{line}: {module}")
    return wrong


def _year(stem: str) -> int:
    return next((paper.year for paper in papers() if paper.stem == stem), 9999)


def _may_import_generators(file: str, second: str, parts: list[str]) -> bool:
    if file.startswith(("implementations/", "exercises/", "docs/")):
        return False
    if file.startswith("generators/experiments/"):
        return second in MACHINERY or parts[1:2] == ["experiments"]
    if file.startswith("generators/figures/"):
        return second in DRAWING | {"record", "files"} or parts[1:2] == ["figures"]
    if file.startswith("generators/site/"):
        return second in SHARED - {"schedule", "settle", "training", "data"} | {"site"}
    if file.startswith("generators/bench/"):
        if Path(file).stem in STEMS:
            return second in {"bench", "record", "files", "experiment"} and len(parts) < 4
        return second in SHARED or (second == "bench" and parts[2] not in STEMS)
    if file == "generators/__main__.py":
        return second in SHARED or second in ("figure", "prose")
    if file.startswith("generators/"):
        return second in SHARED
    return True


def _may_import_library(file: str, root: str) -> bool:
    if file.startswith("implementations/"):
        return root in STDLIB or root in ("torch", "jaxtyping", "regex")
    if file.startswith("exercises/"):
        return root in STDLIB or root == "torch"
    if file.startswith("generators/figures/"):
        return root in STDLIB or root in ("matplotlib", "numpy")
    if file.startswith("generators/site/"):
        return root != "torch"
    return True


SOURCES = [
    path
    for room in ("implementations", "generators", "exercises", "docs/notebooks")
    for path in sorted((ROOT / room).rglob("*.py"))
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_it_imports_only_what_its_room_may(path):
    assert offences(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("implementations/transformer.py", "import numpy"),
        ("implementations/transformer.py", "from implementations.gpt1 import GPT"),
        ("implementations/transformer.py", "from generators.data import words"),
        ("implementations/gpt2.py", "from implementations.gpt1 import *"),
        ("implementations/gpt2.py", "from .gpt1 import Block"),
        ("generators/training.py", "from implementations.transformer import Transformer"),
        ("generators/training.py", "from generators.experiments.transformer import TASK"),
        ("generators/experiments/gpt2.py", "from generators.site.pages import build"),
        ("generators/bench/__init__.py", "from implementations.transformer import greedy"),
        ("generators/bench/__init__.py", "from generators.bench import transformer"),
        ("generators/bench/__init__.py", "from generators.bench.transformer import GOALS"),
        ("generators/bench/transformer.py", "from generators.bench.gpt2 import GOALS"),
        ("generators/bench/transformer.py", "from generators.experiments import transformer"),
        ("generators/training.py", "from generators.bench import sample"),
        ("generators/figures/transformer.py", "import torch"),
        ("generators/figures/transformer.py", "from implementations.transformer import attention"),
        ("generators/site/pages.py", "from generators.experiments.transformer import CLAIMS"),
        ("generators/site/pages.py", "import torch"),
        ("docs/notebooks/transformer.py", "from generators.data import words"),
        ("exercises/transformer.py", "import matplotlib"),
        ("exercises/transformer.py", "from generators.data import words"),
    ],
)
def test_each_import_rule_can_be_broken(file, line):
    assert offences(file, f"{line}\n") != []


def test_citations_of_implementations_have_no_cycle_and_no_future():
    assert (
        offences("implementations/gpt1.py", "from implementations.transformer import attention\n")
        == []
    )
    assert (
        offences("implementations/transformer.py", "from implementations.bert import BERT\n") != []
    )


def named(text: str) -> list[str]:
    """The papers that the code of a shared file names: in a string (docstrings aside) or as a name."""
    tree = ast.parse(text)
    told = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)
    }  # docstrings may give examples
    words = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
    ]
    words += [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return sorted({stem for stem in STEMS for word in words if re.search(rf"\b{stem}\b", word)})


SHARED_FILES = [
    *(ROOT / "generators").glob("*.py"),
    *(ROOT / "generators" / "site").rglob("*.py"),
    ROOT / "generators" / "bench" / "__init__.py",
    ROOT / "generators" / "bench" / "__main__.py",
    ROOT / "noxfile.py",
]


@pytest.mark.parametrize(
    "path", sorted(SHARED_FILES), ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_what_all_papers_share_names_none(path):
    assert named(path.read_text(encoding="utf-8")) == []


def test_a_paper_named_in_code_is_found_and_one_in_a_docstring_is_not():
    assert named('RECORD = "transformer.alignment"') == ["transformer"]
    assert named("x = resnet.run()") == ["resnet"]
    assert named('"""Such as transformer.translation."""\nimport transformers') == []


def test_every_shared_module_is_known_here():
    files = {path.stem for path in (ROOT / "generators").glob("*.py")} - {"__init__", "__main__"}
    assert files == SHARED


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_can_be_read_in_one_sitting(path):
    assert lines_of_code(path.read_text(encoding="utf-8")) <= 350


def lines_of_code(text: str) -> int:
    """Lines without blank ones, comments and docstrings."""
    tree = ast.parse(text)
    told = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            told |= set(range(node.lineno, node.end_lineno + 1))
    lines = enumerate(text.splitlines(), start=1)
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and number not in told
        for number, line in lines
    )


@pytest.mark.parametrize("stem", STEMS)
def test_a_unit_has_what_its_state_needs(stem):
    paper = next(paper for paper in papers() if paper.stem == stem)
    missing = lacks(paper)
    assert not missing, f"{stem} ({paper.state}) lacks:\n" + "\n".join(missing)


def test_no_file_stands_in_a_room_without_being_a_paper_or_a_study():
    helpers = {"__init__", "__main__"}
    for room in (
        "implementations",
        "generators/experiments",
        "generators/figures",
        "generators/bench",
        "exercises",
        "docs/notebooks",
    ):
        stems = {path.stem for path in (ROOT / room).glob("*.py")} - helpers
        assert stems <= {*STEMS, *STUDIES}, room


def test_what_outgrew_its_file_counts_as_its_room(tmp_path, monkeypatch):
    """Experiments may be a package, and tests several files."""
    from generators import unit

    monkeypatch.setattr(unit, "ROOT", tmp_path)
    (tmp_path / "tests").mkdir()
    package = tmp_path / "generators" / "experiments" / "mamba"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("EXPERIMENTS = {}\nCLAIMS = []\n")
    rooms_of = unit.rooms("mamba")
    assert rooms_of["experiments"] == package / "__init__.py"
    assert rooms_of["figures"] == tmp_path / "generators" / "figures" / "mamba.py"
    (tmp_path / "tests" / "test_mamba.py").write_text("def test_it_is_small(): ...\n")
    assert "no test says" in "".join(unit._tests_lack(rooms_of["tests"], "mamba"))
    parity = tmp_path / "tests" / "test_mamba_parity.py"
    parity.write_text("def test_it_equals_the_trusted_one(): ...\n")
    assert list(unit._tests_lack(rooms_of["tests"], "mamba")) == []
    planned = [line.partition(":")[0] for line in lacks(Paper("mamba", "Mamba", 2023, "An idea."))]
    assert planned == ["generators/experiments/mamba/__init__.py", "tests/test_mamba.py"]


def test_a_new_unit_is_named_with_everything_that_it_lacks(tmp_path, monkeypatch):
    import shutil

    from generators import papers as papers_module
    from generators import unit

    for module in (unit, papers_module):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    (tmp_path / "notes").mkdir()
    shutil.copy(ROOT / "notes" / "references.bib", tmp_path / "notes")
    write_unit("mamba")
    papers_module._settings.cache_clear()
    try:
        listed = papers_module.paper("mamba")
        assert listed.state == "draft"
        said = "\n".join(lacks(listed))
        for file in (
            "implementations/mamba.py",
            "tests/test_mamba.py",
            "experiments/mamba.py",
            "notes/mamba.md",
        ):
            assert file in said
        for part in (
            "defines no function",
            "has no test",
            "EXPERIMENTS is empty",
            "CLAIMS is empty",
        ):
            assert part in said
        for part in (
            "lacks description",
            "lacks difficulty",
            "lacks date, a day",
            'nothing under "The idea"',
            "is the empty template",
        ):
            assert part in said
        with pytest.raises(ValueError, match="there already"):
            write_unit("mamba")
    finally:
        papers_module._settings.cache_clear()


def test_what_is_ignored_is_not_tracked_and_nothing_is_large():
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if files.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, files.stdout.split("\0")):
        assert not name.startswith((".cache/", ".nox/", "site/", "my/", "node_modules/")), name
        path = ROOT / name
        assert not path.exists() or path.stat().st_size < 1_000_000, name


def test_a_fork_that_fills_in_its_owner_has_no_other_owner_left():
    """The owner's particulars stand in mkdocs.yml; what repeats them says the same."""
    owner = extra()["owner"] if "owner" in extra() else extra()
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert owner["name"].split()[-1] in citation
    assert owner["name"] in project
