"""What we learned: the parts of its page that nobody types, so that no finding and no failed claim is forgotten."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from generators.formats import with_spread
from generators.papers import Paper
from generators.record import Summary, losses_of_bugs, shown_by
from generators.site.parts import Inputs, esc, home_of, ledger, link, plural

Claims = Sequence[Mapping[str, Any]]

# Lists of claims --------------------------------------------------------------------------------------------


def own(claim: Mapping[str, Any]) -> bool:
    """Whether a claim is ours and no paper's: the ledger says so where it says where a claim stands."""
    return str(claim.get("where") or "").startswith("our own")


def findings(inputs: Inputs, page: str) -> str:
    """What we said ourselves, and what held."""
    held = [claim for claim in _listed(inputs) if own(claim) and claim["verdict"] == "holds"]
    return _table(inputs, held, page, "Findings of ours") or "None yet."


def failed(inputs: Inputs, page: str) -> str:
    """Claims of the papers, and our own, that do not hold here or cannot be tested at this scale."""
    words = ("does not hold here", "not testable at this scale")
    return _table(inputs, _judged(inputs, "claim", *words), page, "Claims that failed") or "None."


def in_part(inputs: Inputs, page: str) -> str:
    """Claims that hold in part, folded."""
    return _fold(
        inputs, _judged(inputs, "claim", "holds in part"), page, "Claims that hold in part"
    )


def beliefs(inputs: Inputs, page: str) -> str:
    """What people say: what does not hold here in sight, the rest folded."""
    wrong = _judged(inputs, "said", "does not hold here", "not testable at this scale")
    table = _table(inputs, wrong, page, "Common beliefs that failed") or "None tested yet."
    part, held = _judged(inputs, "said", "holds in part"), _judged(inputs, "said", "holds")
    folds = [
        _fold(inputs, part, page, "Common beliefs that hold in part"),
        _fold(inputs, held, page, "Common beliefs that hold here"),
    ]
    return "\n\n".join([table, *filter(None, folds)])


def _judged(inputs: Inputs, kind: str, *words: str) -> Claims:
    """Claims of a kind with one of these verdicts."""
    return [c for c in _listed(inputs) if c.get("kind") == kind and c["verdict"] in words]


def _listed(inputs: Inputs) -> Claims:
    """Claims of what mkdocs.yml lists: a fork may leave out a paper and keep its records."""
    stems = {unit.stem for unit in [*inputs.papers, *inputs.studies]}
    return [claim for claim in inputs.claims if claim["paper"] in stems]


def _fold(inputs: Inputs, claims: Claims, page: str, label: str) -> str:
    table = _table(inputs, claims, page, label)
    summary = f"<summary>{label}: {len(claims)}</summary>"
    return f'<details class="wide">{summary}{table}</details>' if table else ""


def _table(inputs: Inputs, claims: Claims, page: str, label: str) -> str:
    """A ledger across papers: first what we were surest of, and what is equal in the order of the site."""
    units = [*inputs.papers, *inputs.studies]
    names = {unit.stem: unit.name for unit in units}
    order = [*names]

    def rank(claim: Mapping[str, Any]) -> tuple[float, int]:
        return -(claim.get("forecast") or 0), order.index(claim["paper"])

    def below(claim: Mapping[str, Any]) -> str:
        seeds = claim.get("seeds") or 0
        source = names[claim["paper"]] + (f", {plural(seeds, 'seed')}" if seeds > 1 else "")
        ways = [("Ledger", f"claims/#{claim['id']}"), ("Figure", figure_of(inputs, claim))]
        links = " ".join(f'<a href="{link(way, page)}">{name}</a>' for name, way in ways if way)
        said = esc(f"{source}. {the_number(claim.get('did') or '')}")
        return f'<span class="did">{said} {links}</span>'

    return ledger(sorted(claims, key=rank), page, label, below) if claims else ""


def the_number(did: str) -> str:
    """Of what we did the sentence that says what the number is; all of it where none says so."""
    found = re.search(r"\b[Tt]he number (?:is|counts)\b.*", did, re.DOTALL)
    return found[0][0].upper() + found[0][1:] if found else did


def figure_of(inputs: Inputs, claim: Mapping[str, Any]) -> str:
    """The address of the figure that shows a claim's record: in the note, else among the results; empty: none."""
    stem, unit = claim["paper"], inputs.units[claim["paper"]]
    names = [record.name for record in inputs.records.values() if record.paper == stem]
    drawn = [name for name in unit.figures if shown_by(name, names) == claim.get("experiment")]
    told = re.findall(rf"<!--[fl]:{re.escape(stem)}\.([\w-]+)-->", unit.note)
    shown = [name for name in told if name in drawn]
    if shown:
        return f"notes/{stem}/#figure-{shown[0]}"
    return f"results/{stem}/#{claim['experiment']}" if drawn else ""


# Across the records ---------------------------------------------------------------------------------------


def surprises(inputs: Inputs, page: str) -> str:
    """The way to each note's own list of surprises."""
    ways = "".join(
        f'<a href="{link(f"notes/{unit.stem}/#what-surprised-us", page)}">{esc(unit.name)}</a>'
        for unit in [*inputs.papers, *inputs.studies]
        if (room := inputs.units.get(unit.stem)) and "\n## What surprised us\n" in room.note
    )
    return f'<p class="get">{ways}</p>' if ways else ""


def bugs(inputs: Inputs, page: str) -> str:
    """Each paper's trained bugs, by what the training loss says of them."""
    found = losses_of_bugs(inputs.records.values())
    rows = ""
    for unit in [*inputs.papers, *inputs.studies]:
        here = [(bug, loss) for record, bug, loss in found if record.paper == unit.stem]
        rows += _gallery(inputs, unit, page, here) if here else ""
    heads = ("paper", "loss lower", "loss higher", "no difference")
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="wide">{table}</div>' if rows else ""


def _gallery(inputs: Inputs, unit: Paper, page: str, losses: Sequence[tuple[str, Summary]]) -> str:
    def entry(bug: str, loss: Summary) -> str:
        key = f"{unit.stem}.bugs.loss_above.{bug}"
        shown = with_spread(loss.mean, loss.half_width, "f2")
        way = link(home_of(key), page)
        return f'{esc(bug.replace("_", " "))} <a class="m" href="{way}" data-r="{key}">{shown}</a>'

    way = figure_of(inputs, {"paper": unit.stem, "experiment": "bugs"})
    name = f'<a href="{link(way, page)}">{esc(unit.name)}</a>' if way else esc(unit.name)
    cells = (
        "<br>".join(entry(bug, loss) for bug, loss in losses if loss.side == side) or "–"
        for side in (-1, 1, 0)
    )
    return f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


ENDS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def forecasts(inputs: Inputs, page: str) -> str:
    """How often claims held, by how sure we had been that they would."""
    words = ("holds", "holds in part", "does not hold here")
    scored = [c for c in inputs.claims if c.get("forecast") is not None and c["verdict"] in words]
    rows = ""
    for low, high in pairwise(ENDS):
        inside = [c for c in scored if low <= c["forecast"] < high or c["forecast"] == high == 1]
        if inside:
            cells = "".join(
                f"<td>{sum(c['verdict'] == word for c in inside)}</td>" for word in words
            )
            bounds = f"{100 * low:.0f} to {100 * high:.0f}"
            rows += f'<tr><th scope="row">{bounds}</th><td>{len(inside)}</td>{cells}</tr>'
    heads = ("we gave it, per cent", "claims", *words)
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
