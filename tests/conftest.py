"""What several test files share: a small project of its own, on which damage can be done."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOY = Path(__file__).parent / "toy"
collect_ignore = ["toy"]  # files of that project, not of this one


class Project:
    """A copy of this project's shared code with one tiny paper, `toy`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(
        self, *arguments: str, python: str = sys.executable, **kwargs
    ) -> subprocess.CompletedProcess:
        """Run `python -m generators ...` in the project."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [python, "-m", "generators", *arguments]
        return subprocess.run(
            command,
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=120,
            env=environment,
            check=False,
            **kwargs,
        )

    def python(self, code: str, executable: str = sys.executable) -> str:
        """Run some lines in the project; what they print."""
        done = subprocess.run(
            [executable, "-c", code],
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace one piece of a file."""
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def records(self) -> dict[str, Path]:
        """The committed records of the toy."""
        return {path.stem: path for path in (self.root / "results" / "toy").glob("*.json")}


def make_project(folder: Path) -> Project:
    """A toy project in which nothing is trained yet."""
    root = folder / "project"
    (root / "generators" / "experiments").mkdir(parents=True)
    (root / "implementations").mkdir()
    (root / "notes").mkdir()
    for path in (ROOT / "generators").glob("*.py"):
        shutil.copy(path, root / "generators")
    for package in ("generators/experiments", "implementations"):
        (root / package / "__init__.py").touch()
    shutil.copy(ROOT / "requirements.txt", root)
    shutil.copy(TOY / "model.py", root / "implementations" / "toy.py")
    shutil.copy(TOY / "experiments.py", root / "generators" / "experiments" / "toy.py")
    (root / "mkdocs.yml").write_text(
        "extra:\n  papers:\n    - {stem: toy, name: Toy, year: 2020, idea: A line}\n"
    )
    return Project(root)


def _computing_in(dtype):
    """Make numbers of this type for the length of a test, from seed 0."""
    import torch  # here, for most test files do without it

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    torch.manual_seed(0)
    yield dtype
    torch.set_default_dtype(before)


@pytest.fixture(params=["float64", "float32"])
def dtype(request):
    """Run a test in both precisions."""
    import torch

    yield from _computing_in({"float64": torch.float64, "float32": torch.float32}[request.param])


@pytest.fixture
def exact():
    """Run a test in float64."""
    import torch

    yield from _computing_in(torch.float64)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh toy project."""
    return make_project(tmp_path)
