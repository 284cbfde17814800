"""Every notebook runs where nothing but this project and its extra is installed."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from generators.fingerprint import PIN_OF

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder into which a wheel of this project was installed: no checkout, no network."""
    # The build leaves its traces beside the sources: it gets a copy of what the wheel is made of.
    source = tmp_path_factory.mktemp("source")
    for package in PROJECT["tool"]["setuptools"]["packages"]:
        if "." not in package:
            shutil.copytree(ROOT / package, source / package)
    for name in ("pyproject.toml", PROJECT["project"]["readme"], "LICENSE"):
        shutil.copy(ROOT / name, source)
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-build-isolation", "--no-deps", "--no-index"]
    subprocess.run([*pip, *build, "--wheel-dir", str(wheels), str(source)], check=True)
    (wheel,) = wheels.glob("*.whl")
    install = ["install", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*pip, *install, str(wheel)], check=True)
    return target


def run(notebook: nbformat.NotebookNode, folder: Path, installed: Path) -> str:
    """Execute a notebook at smoke size in `folder`; return what it printed."""
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(installed),
        "IPYTHONDIR": str(folder.parent / "ipython"),  # nobody's own start-up files
        "OMP_NUM_THREADS": "1",
        "DLP_SMOKE": "1",
    }
    client.execute(env=environment)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.output_type == "stream")


@pytest.fixture
def empty(tmp_path) -> Path:
    """An empty folder to run in."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_with_the_wheel_alone(path, empty, installed):
    notebook = jupytext.read(path)
    where = "import implementations\nprint('made from', implementations.__file__)"
    notebook.cells.append(nbformat.v4.new_code_cell(where))
    printed = run(notebook, empty, installed)
    assert printed.splitlines()[-1] == f"made from {installed / 'implementations/__init__.py'}"
    assert list(empty.iterdir()) == []  # it leaves nothing behind


def test_a_failing_cell_fails(empty, installed):
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import implementations\nimplementations.nothing")]
    )
    with pytest.raises(CellExecutionError, match="has no attribute 'nothing'"):
        run(notebook, empty, installed)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_imports_only_what_the_extra_installs(path):
    declared = PROJECT["project"]["dependencies"]
    declared += PROJECT["project"]["optional-dependencies"]["notebooks"]
    allowed = {re.match(r"[\w-]+", requirement)[0] for requirement in declared}
    allowed |= {"implementations", *sys.stdlib_module_names}
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert {PIN_OF.get(module, module) for module in imported} <= allowed


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_cell_installs_the_project_on_colab_only(path):
    notebook = jupytext.read(path)
    assert notebook.cells[0].source.startswith("# ")  # the title
    first = next(cell.source for cell in notebook.cells if cell.cell_type == "code")
    tree = ast.parse(first)
    assert [type(node) for node in tree.body] == [ast.Import, ast.If]
    assert ast.unparse(tree.body[1].test) == "'google.colab' in sys.modules"
    assert "pip" in first
    assert "[notebooks]" in first


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_has_one_title(path):
    cells = [cell.source for cell in jupytext.read(path).cells if cell.cell_type == "markdown"]
    lines = "\n".join(cells).splitlines()
    assert sum(line.startswith("# ") for line in lines) == 1


def test_the_page_offers_the_notebook_and_opens_it_on_colab():
    from generators.site.notebooks import offer

    page = offer("<h1>T</h1><p>x</p>", "notebooks/t/t.ipynb", "https://github.com/me/papers/")
    assert 'href="site:notebooks/t/t.ipynb" download' in page
    assert "https://colab.research.google.com/github/me/papers/blob/notebooks/t.ipynb" in page
    elsewhere = offer("<h1>T</h1>", "notebooks/t/t.ipynb", "https://example.org/papers")
    assert "colab" not in elsewhere
