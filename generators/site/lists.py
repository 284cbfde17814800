"""The lists: all papers with their links, the reading list beyond them, all claims."""

from collections.abc import Mapping, Sequence
from typing import Any

from generators.papers import Paper
from generators.site.bib import authors
from generators.site.landing import code_lines, live_model, stubs
from generators.site.parts import (
    STATES,
    TIGHT,
    Inputs,
    counts,
    discs,
    esc,
    has,
    ledger,
    link,
    number,
    tight,
)


def paper_list(inputs: Inputs, page: str) -> str:
    """Every paper with its links and the state of its unit."""
    return f'<ol class="library">{"".join(_listed(inputs, paper, page) for paper in inputs.papers)}</ol>'


def _listed(inputs: Inputs, paper: Paper, page: str) -> str:
    unit, entry = inputs.units[paper.stem], inputs.bibliography.get(paper.stem, {})
    state = inputs.state(paper)
    name = (
        esc(paper.name)
        if state == "planned"
        else f'<a href="{link(f"papers/{paper.stem}/", page)}">{esc(paper.name)}</a>'
    )
    outside = [("Paper", entry.get("url")), ("Authors’ code", entry.get("code"))]
    rooms = [
        ("Note", "notes", bool(unit.note)),
        ("Code", "api", bool(unit.code)),
        ("Notebook", "notebooks", unit.notebook),
    ]
    rooms += [
        ("Exercises", "exercises", bool(unit.exercise)),
        ("Results", "results", bool(inputs.of(paper.stem))),
    ]
    links = [
        f'<a href="{link(f"{room}/{paper.stem}/", page)}">{text}</a>'
        for text, room, there in rooms
        if there and state != "planned"
    ]
    links += [
        f'<a class="out" href="{esc(target)}">{text}</a>' for text, target in outside if target
    ]
    by = f"{authors(entry)}, {paper.year}" if entry else str(paper.year)
    title = f"<cite>{esc(entry['title'])}</cite>" if entry.get("title") else ""
    status = discs(inputs.of(paper.stem)) + (
        f'<span class="state {state}">{STATES[state]}</span>' if STATES[state] else ""
    )
    return (
        f'<li id="{paper.stem}"><div><h2>{name}</h2>{title}<p class="by">{esc(by)}</p></div>'
        f'<div><p>{esc(paper.idea)}</p><p class="get">{" ".join(links)}</p></div>'
        f'<div class="status">{status}</div></li>'
    )


def units(inputs: Inputs, page: str) -> str:
    """What there is to read, run and write for each paper that is not only planned, and for each study."""
    head = "".join(
        f'<th scope="col">{text}</th>'
        for text in ("Unit", "Level", "Note", "Code", "To do", "Know before")
    )
    rows = "".join(
        _unit(inputs, each, page)
        for each in [*inputs.papers, *inputs.studies]
        if (found := inputs.units.get(each.stem)) and found.note
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _unit(inputs: Inputs, each: Paper, page: str) -> str:
    unit, stem = inputs.units[each.stem], each.stem

    def to(room: str, text: str) -> str:
        return f'<a href="{link(room, page)}">{text}</a>'

    name = to(f"papers/{stem}/" if unit.code else f"notes/{stem}/", esc(each.name))
    read = f"{unit.front['minutes']}{TIGHT}min" if unit.front.get("minutes") else "read"
    do = [to(f"notebooks/{stem}/", "notebook")] if unit.notebook else []
    if unit.exercise:
        do.append(to(f"exercises/{stem}/", tight(stubs(unit.exercise), "exercise")))
    if model := live_model(inputs, stem):
        do.append(to(model, f"live{TIGHT}model"))
    cells = (
        str(unit.front.get("difficulty", "")),
        to(f"notes/{stem}/", read),
        to(f"api/{stem}/", tight(code_lines(unit.code), "line")) if unit.code else "",
        ", ".join(do),
        esc(", ".join(unit.front.get("prerequisites", []))),
    )
    return f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def study_list(inputs: Inputs, page: str) -> str:
    """Every study across papers that has a note, with its links."""
    items = "".join(
        _study(inputs, study, page)
        for study in inputs.studies
        if (unit := inputs.units.get(study.stem)) and unit.note
    )
    return f'<ul class="library">{items}</ul>'


def _study(inputs: Inputs, study: Paper, page: str) -> str:
    note, results = (link(f"{room}/{study.stem}/", page) for room in ("notes", "results"))
    return (
        f'<li id="{study.stem}"><div><h2><a href="{note}">{esc(study.name)}</a></h2></div>'
        f"<div><p>{esc(study.idea)}</p>"
        f'<p class="get"><a href="{note}">Note</a> <a href="{results}">Results</a></p></div>'
        f'<div class="status">{discs(inputs.of(study.stem))}</div></li>'
    )


def beyond(inputs: Inputs, page: str) -> str:
    """The reading list: what the notes cite besides the papers of the site."""
    own = {paper.stem for paper in inputs.papers}
    others = [entry for key, entry in inputs.bibliography.items() if key not in own]
    others.sort(key=lambda entry: (entry.get("year", ""), entry.get("title", "")))
    items = "".join(
        f"<li>{_linked(entry)}<br><span>{esc(authors(entry))}, {esc(entry.get('year', ''))}</span></li>"
        for entry in others
    )
    return f'<ul class="beyond">{items}</ul>' if items else ""


def _linked(entry: Mapping[str, str]) -> str:
    title = esc(entry.get("title", ""))
    return f'<a href="{esc(entry["url"])}">{title}</a>' if entry.get("url") else title


def all_claims(inputs: Inputs, page: str) -> str:
    """The ledger of each paper and study, with its rules folded under it."""
    sections = [
        f"## {paper.name} {{#{paper.stem}}}\n\n{_judged(paper, claims, page, 'Claims')}"
        for paper in [*inputs.papers, *inputs.studies]
        if (claims := inputs.of(paper.stem))
    ]
    return "\n\n".join(sections) or "No paper has a tested claim yet."


def _judged(paper: Paper, claims: Sequence[Mapping[str, Any]], page: str, what: str) -> str:
    """A ledger, the way to its records, and its rules."""
    more = f'<p class="get"><a href="{link(f"results/{paper.stem}/", page)}">The records behind them</a></p>'
    table = ledger(claims, page, f"{what} of {paper.name}")
    return f"{table}\n\n{more}\n\n{rules(claims)}"


def rules(claims: Sequence[Mapping[str, Any]]) -> str:
    """The pass rules as code, fixed before the runs, with the hash that each record carries."""
    items = "".join(_rule(claim) for claim in claims if claim.get("rule"))
    folded = f"<details><summary>The rules, as code</summary><dl>{items}</dl></details>"
    return folded if items else ""


def _rule(claim: Mapping[str, Any]) -> str:
    mark = str(claim.get("rule_hash") or "")[:12]
    code = f"<pre><code>{esc(claim['rule']).strip()}</code></pre>"
    return f"<dt>{esc(claim['id'])} <code>{mark}</code></dt><dd>{code}</dd>"


def said(inputs: Inputs, page: str) -> str:
    """What people commonly say about each paper, tested like the papers' own claims."""
    sections = []
    for paper in [*inputs.papers, *inputs.studies]:
        claims = [c for c in inputs.claims if c["paper"] == paper.stem and c.get("kind") == "said"]
        if claims:
            heading = f"### Of {paper.name} {{#said-{paper.stem}}}"
            sections.append(f"{heading}\n\n{_judged(paper, claims, page, 'What people say')}")
    return "\n\n".join(sections) or "None tested yet."


def score(inputs: Inputs, page: str) -> str:
    """The counts of all verdicts, how good our forecasts were, and the way to each paper's ledger."""
    if not inputs.claims:
        return ""
    tally = f'<p class="tally">{counts(inputs.claims)}</p>'
    if has(inputs, "house.forecasts.brier"):
        brier = number(inputs, "house.forecasts.brier", "f2", page)
        scored = number(inputs, "house.forecasts.n", "int", page)
        said = f"Brier score of our forecasts: {brier} over {scored} claims."
        scale = "Zero is perfect; always saying one half scores 0.25."
        tally += f'<p id="forecasts">{said} {scale}</p>'
    ways = "".join(
        f'<a href="#{paper.stem}">{esc(paper.name)}, {len(claims)}</a>'
        for paper in [*inputs.papers, *inputs.studies]
        if (claims := inputs.of(paper.stem))
    )
    said = sum(claim.get("kind") == "said" for claim in inputs.claims)
    ways += f'<a href="#what-people-say">What people say, {said}</a>' if said else ""
    return f'<div class="score">{tally}<p class="get">{ways}</p></div>'
