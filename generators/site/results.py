"""A paper's results page: its claims, then every record: question, settings, seeds, summary, machine, command."""

from collections.abc import Iterator, Mapping
from typing import Any

from generators.papers import Paper
from generators.record import Record, outdated, scores, shown_by
from generators.site.landing import size
from generators.site.parts import Inputs, alike, esc, home_of, ledger, link, made_on, plural
from generators.source import alt_text

KINDS = {
    "measured": "measured",
    "exact": "an exact identity",
    "timing": "a timing: it varies with the machine",
    "tuning": "a sweep that chose a setting, on a seed that is never reported",
    "parity": "compared with a trusted implementation",
}
MOST_ROWS, MOST_SEEDS = 24, 8  # a page stays readable; the JSON has everything


def results_page(inputs: Inputs, paper: Paper) -> str:
    """Markdown of results/<stem>/: one section for each record, its name the anchor."""
    page = f"results/{paper.stem}/"
    records = [record for record in inputs.records.values() if record.paper == paper.stem]
    claims = [claim for claim in inputs.claims if claim["paper"] == paper.stem]
    parts = [
        _head(paper),
        f'<p class="label">{plural(len(records), "record")}, {plural(len(claims), "claim")}</p>',
        f"# {paper.name}: results",
        f"The numbers on [the note](../notes/{paper.stem}.md) link here. "
        "Each record is one file, written by the command beside it and never edited.",
    ]
    if claims:
        parts += ["## Claims {#claims}", ledger(claims, page, f"Claims of {paper.name}")]
    names = [record.name for record in records]
    drawings = inputs.units[paper.stem].figures
    for record in records:
        pictures = {n: svg for n, svg in drawings.items() if shown_by(n, names) == record.name}
        parts.append(_section(record, page, pictures))
    return "\n\n".join(parts)


def _head(paper: Paper) -> str:
    what = "settings, seeds, summary, machine, and the command that makes it again"
    description = f"Every record behind the numbers on {paper.name}: {what}."
    return f'---\ntitle: "{paper.name}: results"\ndescription: "{description}"\n---'


def _picture(key: str, svg: str, page: str) -> str:
    """A figure of a record, with the words that say what it shows."""
    width, height = size(svg)
    address = link(f"results/{key.replace('.', '/')}", page)
    said, cite = esc(alt_text(key)), link(f"figures/#{key.replace('.', '-')}", page)
    return (
        f'<figure class="fig"><img src="{address}.svg" alt="{said}" width="{width}" height="{height}" loading="lazy">'
        f'<figcaption>{said}</figcaption><p class="get"><a href="{address}.svg">SVG</a> '
        f'<a href="{address}.png">PNG</a> <a href="{cite}">Cite</a></p></figure>'
    )


def _section(record: Record, page: str, pictures: Mapping[str, str]) -> str:
    content = record.content
    title = record.name.replace("_", " ").capitalize()
    question = f"{esc(content['question'])}" if content.get("question") else ""
    facts = (
        ("Kind", KINDS.get(record.kind, record.kind)),
        ("Made on", esc(made_on(content))),
        ("Commit", _commit(record)),
        ("Versions", esc(_versions(content.get("environment", {})))),
        (
            "Memory",
            f"{content['peak_memory_mb']:.0f} MB at most"
            if isinstance(content.get("peak_memory_mb"), int | float)
            else "",
        ),
        (
            "Again",
            f"<code>{esc(content.get('command', ''))}</code>" if content.get("command") else "",
        ),
        (
            "File",
            f'<a href="{link(f"results/{record.paper}/{record.name}.json", page)}">{record.name}.json</a>',
        ),
    )
    about = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in facts if text)
    return "\n\n".join(
        part
        for part in (
            f"## {title} {{#{record.name}}}",
            f'<p class="lede">{question}</p>' if question else "",
            *(_picture(f"{record.paper}.{name}", svg, page) for name, svg in pictures.items()),
            _sweep(record) if record.kind == "tuning" else _summary(record, page),
            f'<dl class="facts-of">{about}</dl>',
            _settings(content.get("settings", {})),
        )
        if part
    )


def _commit(record: Record) -> str:
    """At which commit a record of the benchmark tier was made, and whether its code has changed since."""
    made = str(record.content.get("commit", ""))[:12]
    since = ", code changed since" if record.name in outdated(record.paper) else ""
    return f"made at commit <code>{made}</code>{since}" if made else ""


def _versions(environment: Mapping[str, Any]) -> str:
    named = [f"{name} {environment[name]}" for name in ("torch", "python") if environment.get(name)]
    return ", ".join(
        [*named, *([str(environment["processor"])] if environment.get("processor") else [])]
    )


def scalars(run: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The paths of single numbers in a run; series and maps stay in the JSON."""
    for name, item in run.items():
        here = f"{path}.{name}" if path else str(name)
        if isinstance(item, Mapping):
            yield from scalars(item, here)
        elif isinstance(item, int | float) and not isinstance(item, bool):
            yield here


def _summary(record: Record, page: str) -> str:
    paths = list(scalars(record.runs[0])) if record.runs else []
    if not paths:
        return ""
    seeds = list(record.content.get("seeds") or [])[:MOST_SEEDS]
    several = len(record.runs) > 1
    head = (
        ["Measured", "Mean", "95 % interval", *(f"Seed {seed}" for seed in seeds)]
        if several
        else ["Measured", "Value"]
    )
    rows = "".join(_row(record, path, page, seeds, several) for path in paths[:MOST_ROWS])
    left = len(paths) - MOST_ROWS
    more = f'<p class="get">and {plural(left, "more number")} in the file</p>' if left > 0 else ""
    columns = "".join(
        f'<th scope="col"{" class=n" if at else ""}>{text}</th>' for at, text in enumerate(head)
    )
    table = f"<thead><tr>{columns}</tr></thead><tbody>{rows}</tbody>"
    return f'<div class="wide"><table class="runs">{table}</table></div>{more}'


def _sweep(record: Record) -> str:
    """What each point of a sweep scored, the best in bold: points of a grid have no mean and no interval."""
    scored, rows = scores(record), []
    for path in scalars(record.runs[0]):
        values = record[path].values
        best = values.index(max(values)) if path in scored else -1  # ties: the first value wins
        cells = "".join(
            f'<td class="n">{f"<strong>{text}</strong>" if at == best else text}</td>'
            for at, text in enumerate(alike(values))
        )
        name = path.replace("_", " ").replace(".", ", ")
        rows.append(f'<tr><th scope="row">{esc(name)}</th>{cells}</tr>')
    columns = "".join(f'<th scope="col" class=n>{at}</th>' for at in range(1, len(record.runs) + 1))
    head = f'<thead><tr><th scope="col">Point of the grid</th>{columns}</tr></thead>'
    return (
        f'<div class="wide"><table class="runs">{head}<tbody>{"".join(rows)}</tbody></table></div>'
    )


def _row(record: Record, path: str, page: str, seeds: list, several: bool) -> str:
    summary = record[path]
    key = f"{record.key}.{path}"
    mean, low, high, *values = alike([summary.mean, summary.low, summary.high, *summary.values])
    cells = [f'<a class="m" href="{link(home_of(key), page)}" data-r="{esc(key)}">{mean}</a>']
    if several:
        cells += [
            f"{low} to {high}" if summary.max > summary.min else "all equal",
            *values[: len(seeds)],
        ]
    name = path.replace("_", " ").replace(".", ", ")
    return (
        f'<tr><th scope="row">{esc(name)}</th>'
        + "".join(f'<td class="n">{each}</td>' for each in cells)
        + "</tr>"
    )


def _settings(settings: Mapping[str, Any]) -> str:
    if not settings:
        return ""
    rows = "".join(f"<dt>{esc(name)}</dt><dd>{esc(value)}</dd>" for name, value in settings.items())
    return f'<details><summary>Settings</summary><dl class="facts-of">{rows}</dl></details>'
