"""The evidence sheet: what is said about this project, what was measured, what proves it, what shows it again."""

from collections.abc import Callable
from dataclasses import dataclass

from generators.papers import Paper
from generators.record import Record
from generators.site.landing import code_lines
from generators.site.parts import Inputs, discs, esc, has, link, number, tight


@dataclass(frozen=True)
class Line:
    """One row: the number is looked up; a row whose number nobody has measured is left out."""

    what: str
    key: str = ""
    form: str = "int"
    says: str = ""  # where there is no number: what the check compares
    proof: str = ""  # an address of the site, or a file of the repository
    proof_text: str = ""
    again: str = ""
    anchor: str = ""


SHEET: dict[str, tuple[Line, ...]] = {
    "Correctness": (
        Line(
            "Largest difference to trusted implementations, same weights, forward and gradients",
            "house.parity.worst",
            "sci",
            "",
            "",
            "The record that has it",
            "nox -s tests",
            "parity",
        ),
        Line(
            "What must be true of each model by its paper: its invariants, its number of parameters",
            says="checked",
            proof="tests/",
            proof_text="tests/",
            again="nox -s tests",
        ),
        Line(
            "Pass rules compared with the hash in the record",
            "house.claims.tested",
            "int",
            "",
            "claims/",
            "All claims",
            "nox -s tests",
            "rules",
        ),
    ),
    "Honesty": (
        Line(
            "Claims tested",
            "house.claims.tested",
            "int",
            "",
            "claims/",
            "All claims",
            "nox -s train",
            "claims",
        ),
        Line(
            "Of them: hold",
            "house.claims.holds",
            "int",
            "",
            "claims/",
            "All claims",
            "nox -s figures",
        ),
        Line(
            "Of them: hold in part",
            "house.claims.in_part",
            "int",
            "",
            "claims/",
            "All claims",
            "nox -s figures",
        ),
        Line(
            "Of them: do not hold here",
            "house.claims.fails",
            "int",
            "",
            "claims/",
            "All claims",
            "nox -s figures",
        ),
        Line(
            "Of them: not testable at this scale",
            "house.claims.untestable",
            "int",
            "",
            "claims/",
            "All claims",
            "nox -s figures",
        ),
        Line(
            "Brier score of the forecasts written down before the runs",
            "house.forecasts.brier",
            "f2",
            "",
            "claims/#forecasts",
            "All claims",
            "nox -s figures",
            "forecasts",
        ),
        Line(
            "Mistakes put into models on purpose, one at a time, and trained",
            "house.bugs.trained",
            "int",
            "",
            "learned/#what-a-training-loss-hides",
            "How many showed",
            "nox -s figures",
            "bugs",
        ),
        Line(
            "Arms of learning-rate sweeps that did best at an end of the grid, not inside",
            "house.sweeps.edge",
            "int",
            "",
            "learned/#how-a-small-experiment-misleads",
            "What it spoils",
            "nox -s figures",
            "sweeps",
        ),
        Line(
            "Records behind the numbers of this site",
            "house.records",
            "int",
            "",
            "papers/",
            "Results pages",
            "nox -s train",
            "records",
        ),
        Line(
            "Numbers, tables, figures and quoted code on every page equal the records and the source",
            says="compared",
            proof="guides/how-this-site-is-made/",
            proof_text="How",
            again="nox -s figures -- --check",
        ),
    ),
    "Speed": (
        Line(
            "Minutes from a fresh clone to the site, two cores, everything trained",
            "house.rebuild.minutes",
            "int",
            "",
            "",
            "Record",
            "nox",
            "rebuild",
        ),
        Line(
            "Least speed against the fastest peer at the same setting (1: as fast), over all workloads",
            "house.bench.least",
            "f2",
            "",
            "",
            "The record that has it",
            "nox -s bench",
            "bench",
        ),
    ),
    "Site": (
        Line(
            "Accessibility: axe-core on every kind of page, light and dark, 1,280 and 390 px",
            says="0 violations allowed",
            proof="tests/web/",
            proof_text="tests/web/",
            again="nox -s web",
        ),
        Line(
            "Links and anchors",
            says="0 broken allowed",
            proof="tests/web/",
            proof_text="tests/web/",
            again="nox -s web",
        ),
        Line(
            "Requests to other hosts",
            says="0 allowed",
            proof="tests/web/",
            proof_text="tests/web/",
            again="nox -s web",
        ),
        Line(
            "Two builds of this site",
            says="equal byte for byte",
            proof="tests/test_site.py",
            proof_text="test_site.py",
            again="nox -s tests",
        ),
    ),
}


def sheet(inputs: Inputs, page: str) -> str:
    """One table, grouped; rows without a measurement are left out."""
    groups = "".join(_group(name, lines, inputs, page) for name, lines in SHEET.items())
    head = "".join(
        f'<th scope="col"{kind}>{text}</th>'
        for text, kind in (
            ("What", ""),
            ("Measured", ' class="n"'),
            ("Proof", ""),
            ("Again", ' class="again"'),
        )
    )
    return f'<div class="sheet"><table><thead><tr>{head}</tr></thead>{groups}</table></div>'


def _group(name: str, lines: tuple[Line, ...], inputs: Inputs, page: str) -> str:
    rows = "".join(_row(line, inputs, page) for line in lines if line.says or has(inputs, line.key))
    return (
        f'<tbody><tr><th colspan="4" scope="rowgroup">{name}</th></tr>{rows}</tbody>'
        if rows
        else ""
    )


def _row(line: Line, inputs: Inputs, page: str) -> str:
    anchor = f' id="house-{line.anchor}"' if line.anchor else ""
    measured = number(inputs, line.key, line.form, page) if line.key else esc(line.says)
    return (
        f'<tr{anchor}><th scope="row">{esc(line.what)}</th><td class="n">{measured}</td>'
        f'<td>{proof(line, inputs, page)}</td><td class="again"><code>{esc(line.again)}</code></td></tr>'
    )


def proof(line: Line, inputs: Inputs, page: str) -> str:
    """A link to a page of the site, to a file of the repository, or to the record that holds the number."""
    target = line.proof or RECORDS.get(line.key, lambda inputs: "")(inputs)
    if target.startswith("tests/"):
        repo = str(inputs.extra.get("repo_url", "")).rstrip("/")
        return (
            f'<a href="{esc(repo)}/blob/main/{target}">{esc(line.proof_text)}</a>'
            if repo
            else esc(line.proof_text)
        )
    return (
        f'<a href="{link(target, page)}">{esc(line.proof_text)}</a>'
        if target
        else esc(line.proof_text)
    )


def _worst_parity(inputs: Inputs) -> str:
    parity = [record for record in inputs.records.values() if record.kind == "parity"]
    worst = max(parity, key=lambda record: record["worst"].max, default=None)
    return f"results/{worst.paper}/#{worst.name}" if worst else ""


def _slowest(inputs: Inputs) -> str:
    """The benchmark that holds the least ratio of all."""
    ratios = [ratio for record in inputs.records.values() for ratio in _ratios(record)]
    return f"results/{min(ratios)[1].partition('.')[0]}/#bench" if ratios else ""


def _ratios(record: Record) -> list[tuple[float, str]]:
    """The speeds of a benchmark against the fastest peer, each with the key of its number."""
    if record.name != "bench":
        return []
    paths = [path for path in record.keys() if path.endswith(".ratio_fastest")]  # noqa: SIM118  a record is no dict
    return [(record[path].min, f"{record.key}.{path}") for path in paths]


def by_paper(inputs: Inputs, page: str) -> str:
    """For each paper with a model: how far it is from trusted code, how fast, its claims, its code and tests."""
    names = ("Paper", "Difference", "Speed", "Claims", "Model", "Tests")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = "".join(
        _paper(inputs, paper, page) for paper in inputs.papers if inputs.units[paper.stem].code
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return table if rows else ""


def _paper(inputs: Inputs, paper: Paper, page: str) -> str:
    stem, repo = paper.stem, str(inputs.extra.get("repo_url", "")).rstrip("/")
    own = [record for record in inputs.records.values() if record.paper == stem]
    parity = next((f"{record.key}.worst.max" for record in own if record.kind == "parity"), "")
    ratios = [ratio for record in own for ratio in _ratios(record)]
    tests = f"test_{stem}.py"
    cells = (
        number(inputs, parity, "sci", page) if parity else "–",
        number(inputs, min(ratios)[1], "f2", page) if ratios else "–",
        discs(inputs.of(stem)),
        f'<a href="{link(f"api/{stem}/", page)}">{tight(code_lines(inputs.units[stem].code), "line")}</a>',
        f'<a href="{esc(repo)}/blob/main/tests/{tests}">{tests}</a>' if repo else tests,
    )
    name = f'<a href="{link(f"papers/{stem}/", page)}">{esc(paper.name)}</a>'
    measured = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><th scope="row">{name}</th>{measured}</tr>'


RECORDS: dict[str, Callable[[Inputs], str]] = {
    "house.parity.worst": _worst_parity,
    "house.bench.least": _slowest,
}
