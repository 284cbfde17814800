"""A paper's landing page: one minute, three routes, where the paper sits, how to cite it."""

import ast
import re

from generators.papers import Paper
from generators.site.bib import authors, bibtex
from generators.site.parts import STATES, Inputs, counts, esc, link, plural


def landing(inputs: Inputs, paper: Paper) -> str:
    """One minute, then three routes, then where the paper sits."""
    unit, page = inputs.units[paper.stem], f"papers/{paper.stem}/"
    entry = inputs.bibliography.get(paper.stem, {})
    title = unit.front.get("title") or entry.get("title") or paper.name
    place = list(inputs.papers).index(paper) + 1
    label = " · ".join(
        part
        for part in (
            f"Paper {place} of {len(inputs.papers)}",
            f"{authors(entry)}, {paper.year}" if entry else str(paper.year),
            f'<a href="{esc(entry["url"])}">{"arXiv " + entry["eprint"] if entry.get("eprint") else "The paper"}</a>'
            if entry.get("url")
            else "",
            f'<strong class="draft">{STATES[inputs.state(paper)]}</strong>'
            if STATES[inputs.state(paper)]
            else "",
        )
        if part
    )
    claims = inputs.of(paper.stem)
    ledger = link(f"results/{paper.stem}/#claims", page)
    more = f'<a href="{ledger}">See the {plural(len(claims), "claim")}</a>'
    tally = f'<p class="tally">{counts(claims)} {more}</p>' if claims else ""
    return "\n\n".join(
        part
        for part in (
            _head(  # the note has the paper's own title
                f"{paper.name} ({paper.year})",
                f"{title}: the idea, what we measured, and three ways in.",
            ),
            '<div class="minute" markdown="1">\n<div markdown="1">',
            f'<p class="label">{label}</p>',
            f"# {title}",
            f'<p class="lede">{esc(paper.idea)}</p>',
            one_minute(unit.front.get("landing", ""), unit.note),
            tally,
            "</div>",
            picture(inputs, paper, page),
            "</div>",
            "## Choose a way in",
            routes(inputs, paper, page),
            "## Where it sits",
            sits(inputs, paper, page),
            citation(inputs, paper),
            turn(inputs, paper, page),
        )
        if part
    )


def _head(title: str, description: str) -> str:
    lines = (
        f'title: "{_quoted(title)}"',
        f'description: "{_quoted(description)}"',
        "template: plain.html",
    )
    return "\n".join(["---", *lines, "hide: [footer]", "---"])


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def one_minute(written: str, note: str) -> str:
    """The landing paragraph: written for it, or the note's first one."""
    section = re.search(r"^## In one minute\s*\n(.*?)(?=^## |\Z)", note, re.M | re.S)
    paragraphs = re.split(r"\n\s*\n", section[1].strip()) if section else []
    prose = [text for text in paragraphs if re.match(r"[^\s<>!|#`-]", text)]
    return written.strip() or (prose[0].strip() if prose else "")


_FIGURE = re.compile(
    r"<!--f:(?P<paper>\w+)\.(?P<name>\w+)-->\s*!\[(?P<alt>[^\]]*)\]\([^)]*\)\s*(?P<caption>.*?)<!--/f-->",
    re.S,
)


def picture(inputs: Inputs, paper: Paper, page: str) -> str:
    """The note's first figure with its finding."""
    unit = inputs.units[paper.stem]
    figure = next((f for f in _FIGURE.finditer(unit.note) if f["name"] in unit.figures), None)
    if figure is None:
        return ""
    width, height = size(unit.figures[figure["name"]])
    finding = re.search(r"\*\*(.+?)\*\*", figure["caption"], re.S)
    source = link(f"results/{paper.stem}/{figure['name']}.svg", page)
    caption = f"<figcaption>{esc(' '.join(finding[1].split()))}</figcaption>" if finding else ""
    image = f'<img src="{source}" alt="{esc(figure["alt"])}" width="{width}" height="{height}">'
    return f'<figure class="fig">{image}{caption}</figure>'


def size(svg: str) -> tuple[int, int]:
    """Width and height of a drawing, from its view box."""
    box = re.search(r'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"', svg)
    return (round(float(box[1])), round(float(box[2]))) if box else (400, 300)


def routes(inputs: Inputs, paper: Paper, page: str) -> str:
    """Ten minutes, an hour, a weekend: links with the real lengths of what they lead to."""
    unit, stem = inputs.units[paper.stem], paper.stem
    here = lambda room, anchor="": link(f"{room}/{stem}/{anchor}", page)  # noqa: E731
    ten = [(here("notes", "#in-one-minute"), "In one minute", "")]
    ten += [(link(address, page), f"Post: {title}", "") for title, address in unit.posts]
    if model := live_model(inputs, stem):
        ten.append((link(model, page), "A model that runs in your browser", ""))
    hour = [
        (
            here("notes"),
            "The note",
            f"{unit.front['minutes']} min" if unit.front.get("minutes") else "",
        )
    ]
    if unit.code:
        hour.append((here("api"), "The code", plural(code_lines(unit.code), "line")))
    if inputs.of(stem):
        hour.append((here("results", "#claims"), "Results and claims", ""))
    if unit.figures:
        all_of_it = link(f"figures/#{stem}", page)
        hour.append((all_of_it, "Figures, to take along", str(len(unit.figures))))
    weekend = [(here("notebooks"), "Notebook", "")] if unit.notebook else []
    if unit.exercise:
        weekend.append(
            (
                here("exercises"),
                "Exercises",
                f"{plural(stubs(unit.exercise), 'stub')}, hints, answers",
            )
        )
    columns = (("Ten minutes", ten), ("An hour", hour), ("A weekend", weekend))
    drawn = "".join(
        f"<section><h3>{name}</h3><ul>"
        + "".join(
            f'<li><a href="{to}">{esc(text)}</a>{", " + length if length else ""}</li>'
            for to, text, length in ways
        )
        + "</ul></section>"
        for name, ways in columns
        if ways
    )
    return f'<div class="routes">{drawn}</div>'


def live_model(inputs: Inputs, stem: str) -> str:
    """The address of the live model of a paper, in its note; empty where there is none."""
    shown = (
        (key, tag)
        for key, tag in inputs.extra.get("live", {}).items()
        if key.startswith(f"{stem}.") and f"<!--l:{key}-->" in inputs.units[stem].note
    )
    return next((f"notes/{stem}/#{tag.rpartition('-')[2]}" for _, tag in shown), "")


def code_lines(source: str) -> int:
    """Lines of code: neither blank, nor comment, nor docstring."""
    told = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = enumerate(source.split("\n"), start=1)
    return sum(at not in told and line.strip()[:1] not in ("", "#") for at, line in lines)


def stubs(source: str) -> int:
    """How many functions a reader has to write."""
    return len(re.findall(r"raise NotImplementedError", source))


def sits(inputs: Inputs, paper: Paper, page: str) -> str:
    """Difficulty, what to know before, and the neighbours in the family tree."""
    front, names = inputs.units[paper.stem].front, {p.stem: p for p in inputs.papers}

    def neighbour(stem: str, how: str) -> str:
        planned = inputs.state(names[stem]) == "planned"
        target = link(f"papers/#{stem}" if planned else f"papers/{stem}/", page)
        return f'<a href="{target}">{esc(names[stem].name)}</a> ({how})'

    below = [
        neighbour(
            e.older, ("imported" if e.imported else "idea") + (f": {esc(e.why)}" if e.why else "")
        )
        for e in inputs.edges
        if e.newer == paper.stem
    ]
    above = [
        neighbour(e.newer, "imports it" if e.imported else "idea")
        for e in inputs.edges
        if e.older == paper.stem
    ]
    rows = (
        ("Difficulty", f"{front['difficulty']} of 3" if front.get("difficulty") else ""),
        ("Know before", esc(", ".join(front.get("prerequisites", [])))),
        ("Builds on", ", ".join(below) or "nothing else on this site"),
        ("Built on by", ", ".join(above) or "nothing yet"),
        ("Cite", f"<code>{paper.stem}</code>, below"),
    )
    body = "".join(
        f'<tr><th scope="row">{name}</th><td>{text}</td></tr>' for name, text in rows if text
    )
    return f'<div class="sits"><table><tbody>{body}</tbody></table></div>'


def citation(inputs: Inputs, paper: Paper) -> str:
    """The paper's BibTeX, and ours; and where to discuss."""
    site, name = inputs.extra.get("site_url", ""), inputs.extra.get("name", "")
    entry = inputs.bibliography.get(paper.stem, {}).get("bibtex", "")
    ours = bibtex(
        f"{paper.stem}_rebuilt",
        title=f"{paper.name}, rebuilt and measured",
        author=name,
        url=f"{site}papers/{paper.stem}/",
    )
    repo = str(inputs.extra.get("repo_url", "")).rstrip("/")
    discuss = (
        f"[Discuss this paper]({repo}/discussions) or "
        f"[say that you measured something else]({repo}/issues/new/choose)."
        if repo
        else ""
    )
    blocks = "\n\n".join(f"```bibtex\n{text.strip()}\n```" for text in (entry, ours) if text)
    return (
        f"## Cite and discuss\n\n{blocks}\n\n{discuss}\n{{: .discuss }}"
        if discuss
        else f"## Cite\n\n{blocks}"
    )


def turn(inputs: Inputs, paper: Paper, page: str) -> str:
    """The neighbours in the site's order, as two plain links."""
    shown = [p for p in inputs.papers if inputs.state(p) != "planned"]
    at = shown.index(paper)
    before, after = shown[at - 1 : at] if at else [], shown[at + 1 : at + 2]
    ways = [(p, "prev", "Previous paper") for p in before] + [
        (p, "next", "Next paper") for p in after
    ]
    links = "".join(
        f'<a rel="{rel}" href="{link(f"papers/{p.stem}/", page)}"><span>{text}</span>{esc(p.name)}</a>'
        for p, rel, text in ways
    )
    return f'<nav class="turn" aria-label="Other papers">{links}</nav>' if links else ""
