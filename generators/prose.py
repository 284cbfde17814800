"""Markers in Markdown: numbers, tables, figures and quoted code that a command writes, between comments.

A number that we measured:      `<!--r:transformer.translation.accuracy:pct-->98.7 %<!--/r-->`
A number that the paper prints: `<!--p:A7-->28.4<!--/p-->`, with the id of its claim
Blocks, on lines of their own:  `<!--t:paper.name-->` a table, `<!--f:paper.name-->` a figure and its caption,
                                `<!--l:paper.name-->` the same, the first paint of a live model of that name,
                                `<!--c:paper.Class.method-->` quoted code (`:bare` leaves its docstring out),
                                `<!--t:house.headlines-->` the headlines of all papers, from their notes
                                `<!--t:house.letters-->` the shape letters of all papers, from their modules

`rewrite` fills them in from results/ and implementations/; with `check` it only says what is stale, unknown or
stands where Markdown would break it. In the section "What we measured" no number may stand outside a marker.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from generators.files import ROOT, Damaged, write_atomically
from generators.formats import SPREADS, shown, with_spread
from generators.papers import UnknownName, front_matter, papers
from generators.record import RESULTS, ledger, records, value
from generators.source import alt_text, quoted, shape_letters

MENDS = "`nox -s figures` mends it"
EMPTY = "–"  # stands for a number of a paper that is only planned

# Numbers ---------------------------------------------------------------------------------------


def measured(key: str, form: str) -> str:
    """The text of a number marker, from the records."""
    if form not in SPREADS:
        shown(0, form)  # an unknown format is wrong even where nothing is measured yet
    if key.split(".")[0] in {paper.stem for paper in papers() if paper.state == "planned"}:
        return EMPTY
    if form in SPREADS:
        return with_spread(value(key), value(f"{key}.half_width"), form)
    return shown(value(key), form)


# Markers ------------------------------------------------------------------------------------------------------

INLINE, BLOCKS = "rp", "tcfl"
FIGURES = "fl"  # the second kind comes alive on the site
_TOKEN = re.compile(
    r"<!--(?P<close>\s*/\s*)?(?P<pad>\s*)(?P<kind>[rptcfl])(?P<rest>(?(close)\s*|\s*:[^\n]*?))-->"
)
_REST = re.compile(r":([\w.-]+)(?::(\w+))?")


@dataclass(frozen=True)
class Problem:
    """What is wrong, and where."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        """As compilers say it: file:line: message."""
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Marker:
    """A marker with what stands between its two comments."""

    kind: str  # r p t c f l
    key: str
    format: str  # what follows the key: "pct", "bare"; else empty
    body: str
    start: int  # in the text, first comment included ...
    end: int  # ... to behind the last
    line: int

    @property
    def opening(self) -> str:
        """The first comment."""
        return f"<!--{self.kind}:{self.key}{':' if self.format else ''}{self.format}-->"

    @property
    def closing(self) -> str:
        """The last comment."""
        return f"<!--/{self.kind}-->"


def find_markers(text: str) -> list[Marker]:
    """The well-formed markers of a text that do not lie in code; those inside a caption are part of their figure."""
    return [found for found in _scan(text) if isinstance(found, Marker)]


def _scan(text: str) -> Iterator[Marker | tuple[int, str]]:
    """Markers, and (place, message) for what looks like one and is not."""
    code = _code(text)
    tokens = list(_TOKEN.finditer(text))
    for token in tokens:
        if any(start < token.start() < end for start, end in code):
            yield token.start(), f"{token[0]} in code would be shown as it is"
    tokens = [
        token for token in tokens if not any(start < token.start() < end for start, end in code)
    ]
    position = 0
    while position < len(tokens):
        token, kind = tokens[position], tokens[position]["kind"]
        position += 1
        rest = _REST.fullmatch(token["rest"])
        if token["close"]:
            yield token.start(), f"{token[0]} closes nothing"
            continue
        if token["pad"] or rest is None:
            yield (
                token.start(),
                f"{token[0]} is no marker: write <!--{kind}:paper.name:format--> without blanks or |",
            )
            continue
        # A caption may hold numbers; nothing else holds a marker.
        closing = next(
            (
                index
                for index in range(position, len(tokens))
                if kind not in FIGURES or tokens[index]["kind"] not in INLINE
            ),
            None,
        )
        if closing is None or tokens[closing][0] != f"<!--/{kind}-->":
            yield token.start(), f"{token[0]} is not closed by <!--/{kind}-->"
            continue
        start, end = token.start(), tokens[closing].end()
        body = text[token.end() : tokens[closing].start()]
        yield Marker(kind, rest[1], rest[2] or "", body, start, end, _line(text, start))
        position = closing + 1


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


_FENCE = re.compile(
    r"^[ \t>]*(`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t>]*\1[`~]*[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
_SPAN = re.compile(r"(?<!`)(`+)(?!`)((?:(?!\n[ \t]*\n).)+?)(?<!`)\1(?!`)", re.DOTALL)
_MATH = re.compile(
    r"\$\$.+?\$\$|\\\[.+?\\\]|\\\(.+?\\\)|(?<![\\$\w])\$(?![\s$])(?:(?!\n[ \t]*\n)[^$])+?(?<![\s\\])\$(?![\d$])",
    re.DOTALL,
)


def _code(text: str) -> list[tuple[int, int]]:
    """Where code lies: fenced blocks, then spans between backticks."""
    fences = [match.span() for match in _FENCE.finditer(text)]
    spans = [match.span() for match in _SPAN.finditer(_blank(text, fences))]
    return fences + spans


def _blank(text: str, places: Iterable[tuple[int, int]]) -> str:
    """The text with some places emptied, every line and column where it was."""
    for start, end in places:
        text = text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    return text


_BEFORE_LINE = re.compile(r"[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)*")


def _misplaced(text: str, marker: Marker, math_at: list[tuple[int, int]]) -> str:
    """Why Markdown would break this marker; empty when it would not."""
    before = text[text.rfind("\n", 0, marker.start) + 1 : marker.start]
    if marker.kind in BLOCKS:
        after = text[marker.end :].partition("\n")[0]
        alone = (
            not before
            and not after.strip()
            and marker.body.startswith("\n")
            and marker.body.endswith("\n")
        )
        return "" if alone else "stands not on lines of its own"
    if _BEFORE_LINE.fullmatch(before):
        return "stands at the start of a line, where it ends the paragraph; put a word before it"
    if "\n" in marker.body or not marker.body.strip():
        return (
            "needs its text on the same line"
            if marker.body.strip()
            else "is empty; put – between its comments"
        )
    if any(start < marker.start < end for start, end in math_at):
        return "stands in math, which would show it"
    paragraph = re.split(r"\n[ \t]*\n", text[: marker.start])[-1]
    if re.search(r"!\[[^\]]*\Z", paragraph):
        return "stands in alt text, which would show it"
    if re.search(r"\]\([^)\s]*\Z", paragraph):
        return "stands in a link's address"
    if re.search(r"<[A-Za-z][^<>]*\Z", paragraph):
        return "stands inside an HTML tag"
    return ""


# What stands between the comments ------------------------------------------------------------------------------


def _result(key: str, suffix: str, kind: str) -> Path:
    paper, _, name = key.partition(".")
    path = RESULTS / paper / f"{name}{suffix}"
    if not path.is_file():
        raise UnknownName(
            kind,
            key,
            [f"{found.parent.name}.{found.stem}" for found in sorted(RESULTS.glob(f"*/*{suffix}"))],
        )
    return path


def _said(marker: Marker, file: Path) -> str:
    """What a marker's body should be now."""
    if marker.kind == "r":
        return measured(marker.key, marker.format)
    if marker.kind == "p":
        ids = [claim["id"] for claim in ledger(file.stem) or ledger()]
        if marker.key not in ids:
            raise UnknownName("claim", marker.key, ids)
        return marker.body
    if marker.kind == "t" and marker.key in OF_ALL:
        return f"\n\n{OF_ALL[marker.key](file.parent)}\n\n"
    if marker.kind == "t":
        return f"\n\n{_result(marker.key, '.md', 'table').read_text(encoding='utf-8').strip()}\n\n"
    if marker.kind == "c":
        code = quoted(marker.key, bare=marker.format == "bare").text
        fence = max(["```", *re.findall(r"`{3,}", code)], key=len)
        fence = fence if fence not in code else fence + "`"
        return f"\n\n{fence}python\n{code}\n{fence}\n\n"
    return _figure(marker, file)


def _figure(marker: Marker, file: Path) -> str:
    if marker.kind == "l":
        _result(marker.key, ".safetensors", "live model")
    address = _from(file.parent, _result(marker.key, ".svg", "figure"))
    caption = re.sub(r"\A\s*!\[[^\n]*\n?", "", marker.body).strip()
    if not caption.startswith("**"):
        raise ValueError(
            f"the figure {marker.key} needs a caption: its finding in bold, then how it was made"
        )
    return f"\n\n![{alt_text(marker.key)}]({address})\n\n{caption}\n\n"


# Tables of what all papers say --------------------------------------------------------------------------------


def headlines(folder: Path) -> str:
    """The headlines of every paper that has a note, as a table with links for a page in `folder`."""
    rows = ["| paper | what we asked | we measured | made in |", "| --- | --- | --- | --- |"]
    for paper in papers():
        note, claims = ROOT / "notes" / f"{paper.stem}.md", RESULTS / paper.stem / "claims.md"
        name = f"[{paper.name}]({_from(folder, note)})"
        name += f" ([claims]({_from(folder, claims)}))" if claims.is_file() else ""
        for line in (front_matter(note).get("headlines") or []) if note.is_file() else []:
            if not (isinstance(line, dict) and line.keys() == {"asked", "measured"}):
                raise ValueError(f"notes/{note.name}: a headline has `asked` and `measured`")
            cells = _plain(line["asked"]), _plain(line["measured"]), _made_in(line["measured"])
            rows.append(f"| {' | '.join([name, *cells])} |")
            name = ""
    return "\n".join(rows)


def _from(folder: Path, path: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _plain(text: str) -> str:
    """A text with the numbers of its markers, as the records have them now, and without the markers."""
    parts, end = [], 0
    for marker in find_markers(text):
        parts += [text[end : marker.start], measured(marker.key, marker.format)]
        end = marker.end
    return "".join([*parts, text[end:]])


def _made_in(text: str) -> str:
    """What a run of the record behind a text's first number took."""
    first = next(iter(find_markers(text)), None)
    name = ".".join(first.key.split(".")[:2]) if first else ""
    record = records().get(name)
    if record is None:
        return ""
    return measured(f"{name}.seconds", "s") + (" a seed" if len(record.runs) > 1 else "")


def letters(folder: Path) -> str:
    """The shape letters of all modules; where a letter means different things, each with its papers."""
    found: dict[str, dict[str, list[str]]] = {}
    for paper in papers():
        if (ROOT / "implementations" / f"{paper.stem}.py").is_file():
            for letter, meaning in shape_letters(paper.stem).items():
                found.setdefault(letter, {}).setdefault(meaning, []).append(paper.name)
    rows = ["| letter | stands for |", "| --- | --- |"]
    for letter in sorted(found, key=lambda name: (name.lower(), name)):
        several = len(found[letter]) > 1
        words = [
            (f"`{meaning}`" if "_" in meaning else meaning)
            + (f" ({', '.join(names)})" if several else "")
            for meaning, names in found[letter].items()
        ]
        rows.append(f"| {letter} | {', '.join(words)} |")
    return "\n".join(rows)


OF_ALL = {"house.headlines": headlines, "house.letters": letters}


# Pages --------------------------------------------------------------------------------------------------------


def pages() -> list[Path]:
    """Every page by hand that may hold markers; the template only explains them."""
    found = [ROOT / "README.md", *ROOT.glob("notes/**/*.md"), *ROOT.glob("docs/**/*.md")]
    return sorted(
        path for path in found if path.is_file() and path != ROOT / "notes" / "template.md"
    )


def rewrite(files: Iterable[Path] | None = None, check: bool = False) -> list[Problem]:
    """Fill in every marker; with `check` write nothing and count what is stale as a problem too."""
    problems = []
    for path in pages() if files is None else files:
        text = path.read_text(encoding="utf-8")
        fresh, wrong, stale = rewritten(text, path)
        problems += sorted(wrong + stale if check else wrong, key=lambda problem: problem.line)
        if not check and fresh != text:
            write_atomically(path, fresh)
    return problems


def check(path: Path, text: str | None = None) -> list[Problem]:
    """What is wrong with one page, or with a text that would stand at its place."""
    _, wrong, stale = rewritten(path.read_text(encoding="utf-8") if text is None else text, path)
    return sorted(wrong + stale, key=lambda problem: problem.line)


def rewritten(text: str, path: Path) -> tuple[str, list[Problem], list[Problem]]:
    """A page with its markers filled in, what is wrong with it, and what was stale in it."""
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
    wrong: list[Problem] = []
    stale: list[Problem] = []
    # Numbers in captions first: a figure's own marker keeps its caption as it finds it.
    for kinds in (INLINE, BLOCKS):
        math_at = [match.span() for match in _MATH.finditer(_blank(text, _code(text)))]
        parts, end = [], 0
        for found in _scan(text) if kinds == BLOCKS else _scan_inline(text):
            if isinstance(found, tuple):
                wrong.append(Problem(name, _line(text, found[0]), found[1]))
                continue
            if found.kind not in kinds:
                continue
            body, reason = _settled(found, path, _misplaced(text, found, math_at))
            if reason:
                wrong.append(Problem(name, found.line, f"{found.opening} {reason}"))
            elif body != found.body:
                stale.append(
                    Problem(
                        name,
                        found.line,
                        f"{found.opening} is stale: {_difference(found, body)}; {MENDS}",
                    )
                )
            parts += [text[end : found.start], found.opening, body, found.closing]
            end = found.end
        text = "".join([*parts, text[end:]])
    wrong += [Problem(name, line, message) for line, message in loose_numbers(text)]
    return text, wrong, stale


def _scan_inline(text: str) -> Iterator[Marker]:
    """Numbers, those in captions too; what is malformed is reported when the blocks are scanned."""
    for marker in find_markers(text):
        if marker.kind in INLINE:
            yield marker
        elif marker.kind in FIGURES:
            offset = marker.start + len(marker.opening)
            for inner in find_markers(marker.body):
                start, end = offset + inner.start, offset + inner.end
                yield Marker(
                    inner.kind, inner.key, inner.format, inner.body, start, end, _line(text, start)
                )


def _settled(marker: Marker, path: Path, reason: str) -> tuple[str, str]:
    """The marker's new body; or its old one and what is wrong."""
    if reason:
        return marker.body, reason
    try:
        return _said(marker, path), ""
    except (UnknownName, Damaged, ValueError) as error:
        return marker.body, f"cannot be filled in: {error}"


def _difference(marker: Marker, body: str) -> str:
    if marker.kind in INLINE:
        return f'it says "{marker.body}", the record says "{body}"'
    for old, new in zip(marker.body.strip().splitlines(), body.strip().splitlines(), strict=False):
        if old != new:
            return f'"{old.strip()}" should be "{new.strip()}"'
    return "its lines are fewer or more than they should be"


# The section "What we measured" ---------------------------------------------------------------------------------

MEASURED = "What we measured"
_LOOSE = re.compile(r"(?<![\w.])(?:\d[\d.,]*\s*(?:%|per ?cent\b)|\d*\.\d+)")
_PLACE = re.compile(r"(?:Sections?|Appendix|§)\s*\Z")  # "Section 5.4" is no measured number
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t#]*(?:\{[^}\n]*\})?[ \t]*$", re.MULTILINE)
_NO_PROSE = re.compile(
    r"<!--.*?-->|!\[[^\]]*\]|<[A-Za-z/][^<>]*>|\]\([^)\n]*\)|^\[[^\]\n]+\]:[^\n]*$",
    re.DOTALL | re.MULTILINE,
)


def loose_numbers(text: str) -> list[tuple[int, str]]:
    """Decimals and percentages outside markers in the section "What we measured", with their lines."""
    hidden = _blank(text, _code(text))
    whole = [marker for marker in find_markers(text) if marker.kind not in FIGURES] + list(
        _scan_inline(text)
    )
    hidden = _blank(hidden, [(marker.start, marker.end) for marker in whole])
    hidden = _blank(hidden, [match.span() for match in _NO_PROSE.finditer(hidden)])
    found = []
    for start, end in _sections(hidden):
        for number in _LOOSE.finditer(hidden, start, end):
            if not _PLACE.search(hidden, start, number.start()):
                message = f'"{number[0].strip()}" under "{MEASURED}" stands outside a marker'
                found.append((_line(hidden, number.start()), message))
    return found


def _sections(text: str) -> Iterator[tuple[int, int]]:
    headings = list(_HEADING.finditer(text))
    for index, heading in enumerate(headings):
        if heading[2].strip() == MEASURED:
            below = (
                other.start() for other in headings[index + 1 :] if len(other[1]) <= len(heading[1])
            )
            yield heading.end(), next(below, len(text))
