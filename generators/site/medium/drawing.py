"""The pictures of a bundle: figures and display formulas as PNG, 1,400 pixels, no browser."""

import functools
import io
import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from generators.files import ROOT, Damaged, digest, read_sealed, write_sealed
from generators.palette import light
from generators.site.medium.runs import NoRule
from generators.site.pictures import Drawing, made
from generators.site.tex import node

WIDTH = 1400  # twice Medium's column of 700
MARGIN = 48  # white above and below a formula
EDGE = 24  # white around a figure
LETTER, SMALLEST = 44, 32  # height of an em in pixels: 22 px of the column, at least 16
DARK = 200  # a pixel darker than this is ink
CACHE = ROOT / ".cache" / "mathjax"
PROGRAM = Path(__file__).with_name("mathjax.mjs")

_VIEW = re.compile(r'viewBox="([-\d.]+) ([-\d.]+) ([-\d.]+) ([-\d.]+)"')


@functools.cache
def version() -> str:
    """What drew the formulas."""
    package = ROOT / "node_modules" / "@mathjax" / "src" / "package.json"
    return "MathJax " + json.loads(package.read_text(encoding="utf-8"))["version"]


def formula_svgs(formulas: Sequence[str]) -> list[str]:
    """Each formula drawn by MathJax, as paths; what was drawn before comes from the cache.

    Raises:
        NoRule: MathJax refuses one; with its message.
    """
    known = {formula: _kept(formula) for formula in formulas}
    missing = [formula for formula, svg in known.items() if not svg]
    for formula, svg in zip(missing, _mathjax(missing), strict=True):
        write_sealed(_place(formula), {"formula": formula, "svg": svg})
        known[formula] = svg
    return [known[formula] for formula in formulas]


def _kept(formula: str) -> str:
    try:
        return read_sealed(_place(formula))["svg"]
    except (FileNotFoundError, Damaged):
        return ""  # drawn again


def _place(formula: str) -> Path:
    key = digest(f"{version()} {PROGRAM.read_text(encoding='utf-8')} {formula}")
    return CACHE / f"{key[:32]}.json"


def _mathjax(formulas: Sequence[str]) -> list[str]:
    if not formulas:
        return []
    asked = json.dumps(list(formulas))
    run = subprocess.run(
        [str(node()), str(PROGRAM)], input=asked, capture_output=True, text=True, encoding="utf-8"
    )
    if run.returncode and run.stdout:
        answer = json.loads(run.stdout)
        what = f"MathJax refuses the formula {answer['formula']}: {answer['error']}"
        raise NoRule(what, "", answer["formula"])
    if run.returncode:
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        raise NoRule(f"MathJax did not start ({last}); `nox -s env` installs it")
    return json.loads(run.stdout)


def placed(svg: str, latex: str) -> str:
    """A drawn formula in the middle of a white strip, as SVG.

    Raises:
        NoRule: it would have to be smaller than 16 px in Medium's column.
    """
    found = _VIEW.search(svg)
    if not found:
        raise NoRule(f"MathJax drew no picture of {latex}")
    x, y, width, height = (float(number) for number in found.groups())
    em = min(LETTER, (WIDTH - 2 * MARGIN) * 1000 / width)
    if em < SMALLEST:
        what = f"the formula {latex} is too wide for Medium's column; break it into lines"
        raise NoRule(f"{what} (\\\\ in an aligned block)", "", latex)
    across, down = width * em / 1000, height * em / 1000
    inner = (
        re.sub(r"^<svg[^>]*>", "", svg).removesuffix("</svg>").replace("currentColor", "#16181c")
    )
    inside = (
        f'<svg x="{(WIDTH - across) / 2:.2f}" y="{MARGIN}" width="{across:.2f}" '
        f'height="{down:.2f}" viewBox="{x} {y} {width} {height}" overflow="visible">{inner}</svg>'
    )
    tall = round(down + 2 * MARGIN)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{WIDTH}" height="{tall}" viewBox="0 0 {WIDTH} {tall}">{inside}</svg>'
    )


def with_margin(svg: str) -> str:
    """A figure with white around it: what hangs over its edge shows there, and is refused.

    Raises:
        NoRule: the drawing does not say how large it is.
    """
    found = _VIEW.search(svg)
    if not found:
        raise NoRule("the figure's SVG has no viewBox")
    x, y, width, height = (float(number) for number in found.groups())
    white = width * EDGE / (WIDTH - 2 * EDGE)
    across, down = width + 2 * white, height + 2 * white
    box = f'viewBox="{x - white:.3f} {y - white:.3f} {across:.3f} {down:.3f}"'
    opening, end, rest = svg.partition(">")
    for name, size in (("width", across), ("height", down)):
        opening = re.sub(rf'(\s{name}=")[^"]*"', rf'\g<1>{size:.3f}"', opening, count=1)
    return opening.replace(found[0], box) + end + rest


def check_ink(content: bytes, name: str, edge: int) -> tuple[int, int]:
    """The size of a whole picture: 1,400 wide, not blank, nothing within `edge` of the border.

    A formula that was cut off has no other sign than ink at the border.

    Raises:
        NoRule: naming the picture and what is wrong with it.
    """
    try:
        picture = Image.open(io.BytesIO(content))
        kind, picture = picture.format, picture.convert("L")
    except (OSError, SyntaxError) as error:
        raise NoRule(f"{name}: no readable picture ({error})") from error
    if kind != "PNG":
        raise NoRule(f"{name}: a {kind} instead of a PNG")
    if picture.width != WIDTH:
        raise NoRule(f"{name}: {picture.width} pixels wide instead of {WIDTH}")
    if len(content) > 2_000_000:
        raise NoRule(f"{name}: {len(content) / 1e6:.1f} MB; at most 2")
    ink = picture.point(lambda level: 255 if level < DARK else 0).getbbox()
    if ink is None:
        raise NoRule(f"{name}: the picture is blank")
    left, top, right, bottom = ink
    if min(left, top, picture.width - right, picture.height - bottom) < edge:
        raise NoRule(f"{name}: ink within {edge} pixels of the border; something is cut off")
    return picture.size


def draw(
    sources: Sequence[tuple[str, str]], figures: dict[str, str]
) -> dict[tuple[str, str], bytes]:
    """A PNG for every ("formula", LaTeX) and ("figure", address), checked.

    Args:
        sources: what to draw, as a block names it.
        figures: the SVG text behind each figure's address.
    """
    formulas = [text for kind, text in sources if kind == "formula"]
    svgs = dict(zip(formulas, formula_svgs(formulas), strict=True))

    wholes = [
        placed(svgs[name], name) if kind == "formula" else with_margin(figures[name])
        for kind, name in sources
    ]
    drawn = dict(zip(sources, made([Drawing(light(svg), WIDTH) for svg in wholes]), strict=True))
    for (kind, name), picture in drawn.items():
        check_ink(picture, name, 24 if kind == "formula" else EDGE // 2)
    return drawn


def picture_name(kind: str, source: str, svg: str = "") -> str:
    """A file name that changes with what is drawn."""
    style = f"{WIDTH} {MARGIN} {LETTER} {EDGE}"
    return f"{digest(f'{kind} {version()} {style} {source} {svg}')[:16]}.png"
