"""Notebooks: percent scripts in docs/notebooks are executed once for each content, and kept with their outputs.

mkdocs-jupyter turns the executed notebook into a page; readers can take it from beside that page, with a first cell
that installs this project, so that it runs on Colab as it is.
"""

import ast
import base64
import concurrent.futures
import contextlib
import html
import importlib.metadata
import os
import re
import struct
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from generators.files import ROOT, digest, write_atomically

CACHE = ROOT / ".cache" / "notebooks"
RECIPE = "2"  # raise it when a notebook is executed in another way: it is part of the cache's key
AT_ONCE = 2
TIMEOUT = 600  # seconds for one cell

# One thread and fixed hashes: the same outputs on every build.
SETTLED = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "JUPYTER_PLATFORM_DIRS": "1",
}


class FailingCell(ValueError):
    """A cell of a notebook raised."""


def imports(source: str) -> set[str]:
    """The modules that a Python source names in its imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def foundation(notebook: Path, root: Path = ROOT) -> str:
    """All that a notebook's outputs depend on: its text, this project's modules under it, and pinned versions."""
    seen: dict[str, str] = {notebook.name: notebook.read_text(encoding="utf-8")}
    waiting, libraries = list(imports(seen[notebook.name])), {"ipykernel", "matplotlib", "numpy"}
    while waiting:
        module = waiting.pop()
        file = root.joinpath(*module.split(".")).with_suffix(".py")
        if file.is_file() and module not in seen:
            seen[module] = file.read_text(encoding="utf-8")
            waiting += imports(seen[module])
        elif not root.joinpath(module.split(".")[0]).is_dir():
            libraries.add(module.split(".")[0])
    versions = [f"{name} {version}" for name in sorted(libraries) if (version := _version(name))]
    python = ".".join(map(str, sys.version_info[:2]))
    return digest(
        "\n".join([RECIPE, python, *versions, *(f"{name}\n{seen[name]}" for name in sorted(seen))])
    )


def _version(library: str) -> str | None:
    if library in sys.stdlib_module_names:
        return None
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(library)
    for distribution in importlib.metadata.packages_distributions().get(library, [])[:1]:
        return importlib.metadata.version(distribution)
    return None


def cached(notebook: Path) -> Path:
    """Where the executed notebook is kept, or will be: `<cache>/<stem>-<hash>/notebooks/<stem>.ipynb`."""
    return (
        CACHE
        / f"{notebook.stem}-{foundation(notebook)[:16]}"
        / "notebooks"
        / f"{notebook.stem}.ipynb"
    )


@contextlib.contextmanager
def environment() -> Iterator[None]:
    """Kernels inherit this process's environment: set what they need, and put back what was."""
    wanted = {**SETTLED, "PYTHONPATH": str(ROOT)}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


def execute_all(notebooks: list[Path], complain: Callable[[str, str], None]) -> dict[Path, Path]:
    """Execute those whose outputs are not kept, two at a time; script -> executed notebook.

    `complain` hears which cell of which notebook failed, and why; such a notebook comes without outputs.
    """
    kept = {notebook: cached(notebook) for notebook in notebooks}
    missing = [notebook for notebook, target in kept.items() if not target.is_file()]

    def tried(notebook: Path) -> str | FailingCell:
        try:
            return execute(notebook)
        except FailingCell as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool, environment():
        for notebook, outcome in zip(missing, pool.map(tried, missing), strict=True):
            if isinstance(outcome, FailingCell):
                complain(notebook.relative_to(ROOT).as_posix(), str(outcome))
                kept[notebook] = unexecuted(notebook)
            else:
                write_atomically(kept[notebook], outcome)
    return kept


def as_they_are(notebooks: list[Path]) -> dict[Path, Path]:
    """The notebooks with the outputs that are kept, the others without; nothing is executed."""
    kept = {notebook: cached(notebook) for notebook in notebooks}
    return {script: file if file.is_file() else unexecuted(script) for script, file in kept.items()}


def unexecuted(notebook: Path) -> Path:
    """The notebook without outputs, for a quick look at its words."""
    target = CACHE / f"{notebook.stem}-bare" / "notebooks" / f"{notebook.stem}.ipynb"
    write_atomically(target, nbformat.writes(_read(notebook)))
    return target


def execute(notebook: Path) -> str:
    """Run all cells in an empty folder (inside `environment()`); the notebook with its outputs, as JSON.

    Raises:
        FailingCell: names the notebook and the cell, with what it raised.
    """
    content = _read(notebook)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            content,
            timeout=TIMEOUT,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,  # how a cell's prints fall into pieces depends on the hour
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute()
        except (CellExecutionError, DeadKernelError, TimeoutError) as error:
            raise FailingCell(f"{_failure(content)}{_plain(str(error))}") from error
    for cell in content.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.pop("transient", None)
    return nbformat.writes(content)


def _read(notebook: Path) -> nbformat.NotebookNode:
    content = jupytext.read(notebook, fmt="py:percent")
    content.metadata.pop("jupytext", None)
    content.metadata["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    for number, cell in enumerate(content.cells):  # jupytext makes the ids up at random
        cell["id"] = f"cell-{number}"
    return content


def _failure(content: nbformat.NotebookNode) -> str:
    for number, cell in enumerate(content.cells):
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            return f"cell {number + 1} failed:\n"
    return "the kernel failed: "


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


_GITHUB = "https://github.com/"
_COLAB = "https://colab.research.google.com/github/"
_INSTALL = """# Where this project is not installed yet, as on Colab:
import importlib.util

if importlib.util.find_spec("implementations") is None:
    %pip install --quiet {}"""


_INSTALLS = re.compile(r"\bpip\b.*install")
_ADDRESS = re.compile(r"git\+(https://[\w./-]+)")


def wrong_address(notebook: Path, repo: str) -> str:
    """What is wrong with the address that a notebook installs from; empty when nothing is."""
    for address in _ADDRESS.findall(notebook.read_text(encoding="utf-8")):
        if address.removesuffix(".git").rstrip("/") != repo.rstrip("/"):
            return f"it installs from {address}; repo_url in mkdocs.yml says {repo}"
    return ""


def for_readers(executed: Path, install: str) -> str:
    """The notebook with its outputs, and a first cell that installs this project where it is missing.

    One that installs it by a cell of its own stays as it is.
    """
    content = nbformat.read(executed, as_version=4)
    if any(_INSTALLS.search(cell.source) for cell in content.cells if cell.cell_type == "code"):
        return nbformat.writes(content)
    cell = nbformat.v4.new_code_cell(_INSTALL.format(install))
    cell["id"] = "install"
    content.cells.insert(0, cell)
    nbformat.validate(content)
    return nbformat.writes(content)


# The page. mkdocs-jupyter brings JupyterLab's style sheets, two CDN links and every cell's text twice; what is left
# after these is the site's own markup for code, figures and formulas.

_STYLE = re.compile(r"<style\b.*?</style>", re.DOTALL)
_SCRIPT = re.compile(r"<script\b.*?</script>|<link\b[^>]*>|<!--.*?-->", re.DOTALL)
_SECOND_COPY = re.compile(r'<div class="clipboard-copy-txt" id="cell-\d+">.*?</div>', re.DOTALL)
_COPY_BUTTON = re.compile(
    r'<div class="zeroclipboard-container">.*?</clipboard-copy>\s*</div>', re.DOTALL
)
_TAGS = re.compile(r'<div class="celltoolbar">.*?</div>\s*</div>\s*</div>', re.DOTALL)
_CODE = re.compile(
    r'<div class="highlight-ipynb hl-(\w+)[^"]*"><pre>(?:<span></span>)?(.*?)\s*</pre></div>',
    re.DOTALL,
)
_ANCHOR = re.compile(r'<a class="anchor-link" href="(#[^"]*)">¶</a>')
_PROMPT = re.compile(r'<div class="jp-(?:In|Out)put(?:Area-)?[pP]rompt[^"]*">\s*</div>')
_COLLAPSER = re.compile(r'<div class="jp-Collapser[^"]*">\s*</div>')
_ATTRIBUTES = re.compile(
    r'\s(?:tabindex="0"|data-mime-type="[^"]*"|data-type="inline"|id="cell-id=[^"]*")'
)
_PICTURE = re.compile(
    r'<img\b[^>]*?src="data:image/(png|svg)(?:\+xml)?;base64,([^"]+)"[^>]*>', re.DOTALL
)
_POINTS = re.compile(
    r'<svg[^>]*?\bwidth="([\d.]+)(?:pt)?"[^>]*?\bheight="([\d.]+)(?:pt)?"', re.DOTALL
)
_TITLE = re.compile(r"(</h1>)")
_WORDS = re.compile(r"<p>(.*?)</p>", re.DOTALL)


def slim(page: str) -> str:
    """A notebook's HTML without what mkdocs-jupyter adds to it, with code as on every other page."""
    for pattern in (
        _STYLE,
        _SCRIPT,
        _SECOND_COPY,
        _COPY_BUTTON,
        _TAGS,
        _PROMPT,
        _COLLAPSER,
        _ATTRIBUTES,
    ):
        page = pattern.sub("", page)
    page = _CODE.sub(
        r'<div class="language-\1 highlight"><pre><span></span><code>\2\n</code></pre></div>', page
    )
    page = _ANCHOR.sub(r'<a class="headerlink" href="\1" title="Link to this section">#</a>', page)
    return re.sub(r"\n\s*\n+", "\n", page)


def offer(page: str, address: str, repo: str) -> str:
    """Below the title, the notebook: to take away, or to open on Colab from the branch that publishing fills."""
    name = address.rpartition("/")[2]
    words = f'<a href="site:{address}" download>{name}</a> with all outputs'
    if repo.startswith(_GITHUB):
        opens = f"{_COLAB}{repo.removeprefix(_GITHUB).strip('/')}/blob/notebooks/{name}"
        words = f'<a href="{opens}">Open in Colab</a> {words}'
    return _TITLE.sub(lambda end: f'{end[1]}<p class="get">{words}</p>', page, count=1)


def description(page: str) -> str:
    """The first sentences of a notebook, as plain words."""
    first = _WORDS.search(page)
    words = " ".join(html.unescape(re.sub(r"<[^>]+>|\$", "", first[1])).split()) if first else ""
    return textwrap.shorten(words, 200, placeholder=" ...")


def alternatives(executed: Path) -> list[str]:
    """What the pictures of a notebook show, in words, in their order: `# %% alt="..."` opens the cell that draws."""
    content = nbformat.read(executed, as_version=4)
    drawn = [
        (cell, output.get("data", {}))
        for cell in content.cells
        for output in cell.get("outputs", [])
    ]
    pictures = [
        cell
        for cell, data in drawn
        if "text/html" not in data and {"image/png", "image/svg+xml"} & set(data)
    ]
    return [cell.metadata.get("alt", "") for cell in pictures]


def take_pictures(page: str, folder: str, texts: list[str]) -> tuple[str, dict[str, bytes]]:
    """Move inlined pictures to files of their own, loaded when they come near: the page, and path -> content."""
    pictures: dict[str, bytes] = {}
    waiting = iter(texts)

    def moved(match: re.Match[str]) -> str:
        kind, raw = match[1], base64.b64decode(re.sub(r"\s", "", match[2]))
        if kind == "png":
            width, height = struct.unpack(">II", raw[16:24])  # the head of every PNG
        else:
            sides = _POINTS.search(raw.decode())
            width, height = (round(float(side) * 4 / 3) for side in sides.groups())
        path = f"{folder}/{digest(raw)[:12]}.{kind}"
        pictures[path] = raw
        alt = html.escape(next(waiting, ""))
        return (
            f'<img src="site:{path}" alt="{alt}" width="{width}" height="{height}" loading="lazy">'
        )

    return _PICTURE.sub(moved, page), pictures
