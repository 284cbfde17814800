"""What the generated pages are made of: inputs, measured numbers, verdicts, ledgers, slips."""

import html
import math
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from generators import formats
from generators.formats import NARROW
from generators.papers import Paper, UnknownName
from generators.record import Record, shown_by
from generators.site.tree import Edge

VERDICTS = {  # the ledger's words -> class of the disc, and the plural for counts
    "holds": ("holds", "hold"),
    "holds in part": ("part", "in part"),
    "does not hold here": ("fails", "do not hold here"),
    "not testable at this scale": ("scale", "not testable at this scale"),
    "not tested": ("open", "not tested"),
}


STATES = {"planned": "Planned", "draft": "Draft", "whole": ""}


@dataclass(frozen=True)
class Unit:
    """One paper's files, read: what its pages are made from."""

    front: Mapping[str, Any] = field(
        default_factory=dict
    )  # the note's front matter; empty when planned
    note: str = ""  # the note's Markdown
    code: str = ""  # implementations/<stem>.py
    exercise: str = ""  # exercises/<stem>.py
    notebook: bool = False
    posts: Sequence[tuple[str, str]] = ()  # title and address of each post about it
    figures: Mapping[str, str] = field(default_factory=dict)  # name -> the SVG's text


@dataclass(frozen=True)
class Inputs:
    """Everything that the generated pages are functions of."""

    papers: Sequence[Paper]
    studies: Sequence[Paper]  # across papers: they have a note and records, but no module
    records: Mapping[str, Record]
    claims: Sequence[Mapping[str, Any]]
    units: Mapping[str, Unit]
    extra: Mapping[str, Any]
    shells: Mapping[str, str]  # docs/index.md and others: the words by hand
    bibliography: Mapping[str, Mapping[str, str]]
    edges: Sequence[Edge]
    value: Callable[[str], float]
    words: Mapping[str, str] = field(default_factory=dict)  # address of a note or post -> Markdown

    def state(self, paper: Paper) -> str:
        """`planned`, `draft` or `whole`."""
        front = self.units[paper.stem].front
        return front.get("state", "draft") if front else "planned"

    def of(self, stem: str) -> list[Mapping[str, Any]]:
        """The claims of one paper, without what people say about it."""
        return [
            claim for claim in self.claims if claim["paper"] == stem and claim.get("kind") != "said"
        ]


def esc(text: object) -> str:
    """Text for HTML."""
    return html.escape(str(text), quote=True)


def link(target: str, page: str) -> str:
    """A relative link between two addresses of the site: ("claims/#A1", "papers/") -> "../claims/#A1"."""
    path, _, anchor = target.partition("#")
    relative = posixpath.relpath("/" + path, "/" + page) if path != page else ""
    if relative and (path.endswith("/") or not path):
        relative += "/"
    return (relative or ("" if anchor else "./")) + (f"#{anchor}" if anchor else "")


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun: "1 claim", "2 claims"."""
    return f"{count} {one if count == 1 else many or one + 's'}"


TIGHT = "&nbsp;"


def tight(count: int, one: str) -> str:
    """A count with its noun on one line, for narrow columns."""
    return plural(count, one).replace(" ", TIGHT)


# Numbers


def shown(value: float, form: str = "auto") -> str:
    """A number as HTML, in one of the formats of the markers; `auto` picks by size."""
    if form != "auto":
        return superscripts(formats.shown(value, form))
    if float(value).is_integer() and abs(value) < 1e6:
        return formats.shown(value, "int")
    if 1e-3 <= abs(value) < 1e6:
        return f"{value:.4g}".replace("-", "−")
    digits, exponent = f"{value:.2e}".split("e")
    return f"{digits}×10<sup>{int(exponent)}</sup>".replace("-", "−")


def alike(values: Sequence[float]) -> list[str]:
    """Numbers of one quantity with the same number of decimals: four digits of the largest."""
    largest = max(map(abs, values), default=0)
    if all(float(value).is_integer() for value in values) or not 1e-3 <= largest < 1e6:
        return [shown(value) for value in values]
    decimals = max(0, 3 - math.floor(math.log10(largest)))
    return [f"{value:.{decimals}f}".replace("-", "−") for value in values]


def home_of(key: str) -> str:
    """The address that proves a number: its record's place on a results page, or the evidence sheet."""
    paper, name, *_ = key.split(".")
    return f"evidence/#house-{name}" if paper == "house" else f"results/{paper}/#{name}"


def record_of(inputs: Inputs, stem: str, figure: str) -> str:
    """The name of the record that a figure shows; empty where there is none."""
    return shown_by(figure, [each.name for each in inputs.records.values() if each.paper == stem])


def number(inputs: Inputs, key: str, form: str, page: str) -> str:
    """A measured number with its marker stroke; a dash where nothing is measured yet."""
    try:
        text = shown(inputs.value(key), form)
    except UnknownName:
        return "–"
    return f'<a class="m" href="{link(home_of(key), page)}" data-r="{esc(key)}">{text}</a>'


def has(inputs: Inputs, key: str) -> bool:
    """Whether a record holds this number."""
    try:
        inputs.value(key)
    except UnknownName:
        return False
    return True


# Slips: what a measured number rests on, one JSON block a page

_MEASURED = re.compile(r'<a class="m"[^>]*data-r="([^"]+)"[^>]*>(.*?)</a>', re.S)


def slips(page_html: str, inputs: Inputs) -> dict[str, dict[str, str]]:
    """For each measured number on a page: label -> text, as the slip shows it."""
    found = {html.unescape(key): text for key, text in _MEASURED.findall(page_html)}
    return {key: slip(inputs, key, percent="%" in text) for key, text in sorted(found.items())}


def slip(inputs: Inputs, key: str, percent: bool = False) -> dict[str, str]:
    """What a number rests on. `percent` says how the page shows it."""
    if key.startswith("house."):
        return {
            "Counted from": "the records and ledgers in results/",
            "Again": "nox -s figures -- --check",
        }
    record = inputs.records.get(".".join(key.split(".")[:2]))
    if record is None:
        return {}
    content = record.content
    return _statistics(inputs, key, percent) | {
        "Made on": made_on(content),
        "Record": f"{record.name}.json ({record.kind})",
        "Again": content.get("command", ""),
    }


def _statistics(inputs: Inputs, key: str, percent: bool) -> dict[str, str]:
    stem, _, last = key.rpartition(".")
    base = stem if last in ("mean", "low", "high", "sd", "min", "max", "n", "half_width") else key
    try:
        mean, low, high, n = (
            inputs.value(f"{base}.{what}") for what in ("mean", "low", "high", "n")
        )
    except UnknownName:
        return {}
    texts = [shown(v, "pct") for v in (mean, low, high)] if percent else alike([mean, low, high])
    at, least, most = map(plain, texts)
    if n < 2 or low == high:
        return {"Value": at if n < 2 else f"{at}, the same with all {int(n)} seeds"}
    return {
        "Mean": f"{at}, {plural(int(n), 'seed')}",
        "Interval": f"{least} to {most} (95{NARROW}%)",
    }


def made_on(content: Mapping[str, Any]) -> str:
    """The machine in words: "CPU, 1 thread, 41 s a seed, fast precision"."""
    where = content.get("environment", {})
    parts = [str(where.get("device", "cpu")).upper().replace("CUDA", "GPU")]
    if where.get("threads"):
        parts.append(plural(int(where["threads"]), "thread"))
    if seconds := content.get("seconds"):
        each = sum(seconds) / len(seconds)
        parts.append(f"{each:.3g}{NARROW}s a seed" if len(seconds) > 1 else f"{each:.3g}{NARROW}s")
    if content.get("precision") == "fast":
        parts.append("fast precision")
    return ", ".join(parts)


# Verdicts and ledgers


def verdict(word: str) -> str:
    """A verdict: disc and word."""
    kind = VERDICTS[word][0]
    return f'<span class="v {kind}"><span class="disc {kind}"></span>{word}</span>'


def discs(claims: Sequence[Mapping[str, Any]]) -> str:
    """A row of discs alone, as one image with a label in words."""
    order = list(VERDICTS)
    words = sorted((claim["verdict"] for claim in claims), key=order.index)
    if not words:
        return ""
    drawn = "".join(f'<span class="disc {VERDICTS[word][0]}"></span>' for word in words)
    return (
        f'<span class="discs" role="img" aria-label="{esc(counts_in_words(claims))}">{drawn}</span>'
    )


def counts_in_words(claims: Sequence[Mapping[str, Any]]) -> str:
    """The verdicts counted: "4 hold, 1 in part"."""
    words = [claim["verdict"] for claim in claims]
    return ", ".join(f"{words.count(w)} {many}" for w, (_, many) in VERDICTS.items() if w in words)


def counts(claims: Sequence[Mapping[str, Any]]) -> str:
    """The verdicts counted, each with its disc."""
    words = [claim["verdict"] for claim in claims]
    return " ".join(_count(word, words.count(word)) for word in VERDICTS if word in words)


def _count(word: str, count: int) -> str:
    kind, many = VERDICTS[word]
    said = word if count == 1 and word in ("holds", "does not hold here") else many
    return f'<span class="v {kind}"><span class="disc {kind}"></span>{count} {said}</span>'


def cell(role: str, content: str, kind: str = "", label: str = "") -> str:
    """One cell of a ledger; `label` names it where the ledger is stacked."""
    classes = f' class="{kind}"' if kind else ""
    named = f' data-label="{label}"' if label else ""
    return f'<div role="{role}"{classes}{named}>{content}</div>'


def did(claim: Mapping[str, Any]) -> str:
    """What we did to test a claim, small under its words."""
    return f'<span class="did">{esc(claim["did"])}</span>' if claim.get("did") else ""


def ledger(
    claims: Sequence[Mapping[str, Any]],
    page: str,
    label: str,
    below: Callable[[Mapping[str, Any]], str] = did,
) -> str:
    """A table of claims that becomes a stack of blocks on a phone; `below` is what stands under each claim."""
    head = "".join(
        cell("columnheader", text, kind)
        for text, kind in (
            ("Id", ""),
            ("The claim, in our words", ""),
            ("Forecast", "n"),
            ("Measured", "n"),
            ("Verdict", ""),
        )
    )
    rows = "".join(_claim_row(claim, page, below(claim)) for claim in claims)
    return (
        f'<div class="ledger" role="table" aria-label="{esc(label)}">'
        f'<div role="rowgroup"><div role="row">{head}</div></div>'
        f'<div role="rowgroup">{rows}</div></div>'
    )


def _claim_row(claim: Mapping[str, Any], page: str, below: str) -> str:
    forecast = (
        f"{claim['forecast']:.2f}".removeprefix("0") if claim.get("forecast") is not None else "–"
    )
    measured = esc(claim.get("measured") or "") or "–"
    if measured != "–" and claim.get("experiment"):
        key = claim.get("key") or f"{claim['paper']}.{claim['experiment']}"
        slip = f' data-r="{esc(claim["key"])}"' if claim.get("key") else ""
        measured = (
            f'<a class="m" href="{link(home_of(key), page)}"{slip}>{superscripts(measured)}</a>'
        )
    below += "".join(
        f'<span class="did">By an earlier rule, given up after the run: {old["verdict"]}.</span>'
        for old in claim.get("earlier") or []
    )
    where = f' <span class="where">{esc(claim["where"])}</span>' if claim.get("where") else ""
    return (
        f'<div role="row" id="{esc(claim["id"])}">'
        + cell("rowheader", esc(claim["id"]))
        + cell("cell", esc(claim["text"]) + where + below, "claim")
        + cell("cell", forecast, "n", "Forecast")
        + cell("cell", measured, "n", "Measured")
        + cell("cell", verdict(claim["verdict"]), "verdict")
        + "</div>"
    )


RAISED, LEVEL = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "−0123456789"


def plain(markup: str) -> str:
    """A shown number where no markup can stand: exponents as raised characters."""
    return re.sub(
        "<sup>(.*?)</sup>", lambda m: m[1].translate(str.maketrans(LEVEL, RAISED)), markup
    )


def superscripts(text: str) -> str:
    """Exponents as markup, for the text fonts have no raised digits: 10⁻⁷ -> 10<sup>−7</sup>."""
    return re.sub(
        f"[{RAISED}]+", lambda m: f"<sup>{m[0].translate(str.maketrans(RAISED, LEVEL))}</sup>", text
    )
