"""Every command of this project. `nox -l` lists them; `nox` alone rebuilds everything from nothing."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2026.10.20"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "train", "figures", "tests", "site"]
nox.options.stop_on_first_error = True

ROOT = Path(__file__).parent
PINS = [ROOT / "requirements.txt", ROOT / "package-lock.json"]
NOX_FOLDER = Path(os.environ.get("NOX_ENVDIR") or ROOT / ".nox").resolve()
BIN = NOX_FOLDER / "env" / ("Scripts" if os.name == "nt" else "bin")


@nox.session(default=False)
def env(session: nox.Session) -> None:
    """Make the one environment that all other sessions share: pinned Python and Node packages."""
    pins = "".join(path.read_text(encoding="utf-8") for path in PINS)
    wanted = hashlib.sha256(f"{sys.version}{platform.platform()}{pins}".encode()).hexdigest()
    stamp = Path(session.virtualenv.location) / ".pins"
    if not (stamp.is_file() and stamp.read_text() == wanted):
        # Compiling all 140 packages costs a minute; Python compiles what it imports by itself.
        session.install("--no-compile", "-r", "requirements.txt")
        npm(session, "ci", "--omit=dev")
        stamp.write_text(wanted)
    elif not (ROOT / "node_modules" / "katex").is_dir():
        npm(session, "ci", "--omit=dev")


def python(session: nox.Session, *arguments: str, **environment: str) -> None:
    """Run the shared environment's Python, keeping the bytecode of what it imports."""
    session.run(
        str(BIN / "python"),
        *arguments,
        external=True,
        env={"PYTHONDONTWRITEBYTECODE": None, **environment},
    )


def npm(session: nox.Session, *arguments: str) -> None:
    """Run the shared environment's npm: Node is a Python package here."""
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", "")])
    session.run(
        str(BIN / "npm"), *arguments, *quiet, external=True, silent=True, env={"PATH": path}
    )


def shared(function):
    """A session that runs in the shared environment."""
    return nox.session(venv_backend="none", requires=["env"], default=False)(function)


@shared
def lint(session: nox.Session) -> None:
    """Check style, and who imports whom."""
    session.run(str(BIN / "ruff"), "check", external=True)
    session.run(str(BIN / "ruff"), "format", "--check", "--quiet", external=True)
    python(session, "-m", "pytest", "-q", "tests/test_architecture.py", *session.posargs)


@shared
def train(session: nox.Session) -> None:
    """Run stale experiments, confirm the rest: -- [PAPER[.EXPERIMENT]] [--force] [--smoke] [--tune] [--strict] ..."""
    python(session, "-m", "generators", "train", *session.posargs, OMP_NUM_THREADS="1")


@shared
def figures(session: nox.Session) -> None:
    """Write figures, tables, numbers and quoted code from the records and the source: -- [PAPER] [--check]."""
    python(session, "-m", "generators", "figures", *session.posargs)


@shared
def tests(session: nox.Session) -> None:
    """Run all tests that need no browser: -- [pytest's options]."""
    workers = () if session.posargs else ("-n", "logical", "--dist", "loadfile")
    python(session, "-m", "pytest", "-q", *workers, *session.posargs, OMP_NUM_THREADS="1")


@shared
def site(session: nox.Session) -> None:
    """Build the site and the Medium bundles, strictly: -- [--skip-notebooks]."""
    build(session, *session.posargs)


def build(session: nox.Session, *options: str) -> None:
    """Build the site with MkDocs; byte for byte the same from the same commit."""
    skip = "--skip-notebooks" in options
    environment = {
        "NO_MKDOCS_2_WARNING": "1",
        "SOURCE_DATE_EPOCH": last_commit_time(),
        "SKIP_NOTEBOOKS": "1" if skip else "",
        "PYTHONHASHSEED": "0",
    }
    rest = [option for option in options if option != "--skip-notebooks"]
    python(session, "-m", "mkdocs", "build", "--strict", *rest, **environment)


def last_commit_time() -> str:
    """Seconds since 1970; a fixed day where there is no git, as in a downloaded archive."""
    try:
        command = ["git", "log", "-1", "--format=%ct"]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "1767225600"


@shared
def medium(session: nox.Session) -> None:
    """Make the Medium bundles again, from the site that is built already: -- [--check]."""
    python(session, "-m", "generators.site.medium", *session.posargs)


@shared
def web(session: nox.Session) -> None:
    """Look at the built site in headless Chromium: accessibility, links, requests, keyboard."""
    build(session)
    if not (ROOT / "node_modules" / "axe-core").is_dir():
        npm(session, "ci")
    python(session, "-m", "pytest", "-q", "tests/web", *session.posargs)


@shared
def exercises(session: nox.Session) -> None:
    """Grade the answers in my/ (copies of the stubs, made the first time): -- PAPER [--hint NAME]."""
    python(session, "-m", "exercises", *session.posargs)


@shared
def serve(session: nox.Session) -> None:
    """Show the site while it is written, at http://127.0.0.1:8000."""
    python(
        session,
        "-m",
        "mkdocs",
        "serve",
        "--livereload",
        *session.posargs,
        NO_MKDOCS_2_WARNING="1",
        SKIP_NOTEBOOKS="1",
    )


@shared
def new(session: nox.Session) -> None:
    """Write the empty unit of a new paper: -- NAME."""
    python(session, "-m", "generators", "new", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Time a paper beside its peers, in an environment of their own: -- [PAPER] [--rounds N]."""
    session.install("--no-compile", "-r", "requirements-bench.txt")
    # labml 0.5 has lost a function that labml-nn calls; litgpt asks for older packages than it needs; torchvision,
    # which some ask for, is of no use here.
    loose = ("labml-nn==0.5.1", "labml==0.4.168", "litgpt==0.5.13", "pytorchcv==0.0.74")
    session.install("--no-deps", *loose)
    session.run("python", "-m", "generators.bench", *session.posargs, env={"OMP_NUM_THREADS": "1"})


@shared
def rebuild(session: nox.Session) -> None:
    """Do what a stranger does, in a fresh clone of HEAD, and record the minutes."""
    python(session, "-m", "generators.rebuild")


@shared
def notebook(session: nox.Session) -> None:
    """Execute a notebook into .cache/notebooks, to be opened with Jupyter: -- PAPER."""
    sources = {path.stem: path for path in sorted((ROOT / "docs" / "notebooks").glob("*.py"))}
    paper = session.posargs[0] if session.posargs else ""
    if paper not in sources:
        said = f'there is no notebook "{paper}"' if paper else "which notebook?"
        session.error(f"{said} (nox -s notebook -- PAPER; there are: {', '.join(sources)})")
    target = ROOT / ".cache" / "notebooks" / f"{paper}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    python(
        session,
        "-m",
        "jupytext",
        "--to",
        "ipynb",
        "--execute",
        "--output",
        str(target),
        str(sources[paper]),
        PYTHONPATH=str(ROOT),
    )
