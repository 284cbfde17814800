"""The home page's machine-made parts: who, five facts, the family tree."""

from collections.abc import Mapping
from typing import Any

from num2words import num2words

from generators.papers import Paper
from generators.site import tree
from generators.site.parts import STATES, Inputs, discs, esc, has, link, number, verdict


def repository(inputs: Inputs, page: str) -> str:
    """The address that the project is cloned from."""
    return str(inputs.extra.get("repo_url", ""))


def how_many(inputs: Inputs, page: str) -> str:
    """The number of papers, as a word that opens a sentence."""
    return num2words(len(inputs.papers)).capitalize()


def so_far(inputs: Inputs, page: str) -> str:
    """How far the project has come, as the beginning of a paragraph."""
    whole = sum(inputs.state(paper) == "whole" for paper in inputs.papers)
    done = f"{num2words(whole) if whole else 'none'} of them whole so far"
    return f"{how_many(inputs, page)} papers, {done}."


def stories(inputs: Inputs, page: str) -> str:
    """The posts by their titles, in the order of their papers."""
    posts = [post for paper in inputs.papers for post in inputs.units[paper.stem].posts]
    items = "".join(f'<li><a href="{link(to, page)}">{esc(title)}</a></li>' for title, to in posts)
    return f"<ul>{items}</ul>" if items else ""


def owner(inputs: Inputs, page: str) -> str:
    """Who made this and how to reach them."""
    extra = inputs.extra
    about = ", ".join(str(extra[key]) for key in ("role", "city") if extra.get(key))
    motto = extra.get("about", "I read papers by rebuilding them.")
    ways = [*contacts(extra), ("The code", str(extra.get("repo_url", "")))]
    links = "".join(
        f'<li><a href="{esc(target)}">{name}</a></li>' for name, target in ways if target
    )
    return (
        f'<aside class="owner" aria-label="Who made this"><strong>{esc(extra.get("name", ""))}</strong>'
        f"<p>{esc(about)}{'.' if about else ''} {esc(motto)}</p><ul>{links}</ul></aside>"
    )


def contacts(extra: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The owner's addresses, in the order of their use."""
    forms = {
        "Email": ("email", "mailto:{}"),
        "GitHub": ("github", "https://github.com/{}"),
        "LinkedIn": ("linkedin", "https://www.linkedin.com/in/{}"),
        "Medium": ("medium", "https://medium.com/@{}"),
        "X": ("x", "https://x.com/{}"),
    }
    return [
        (name, form.format(extra[key])) for name, (key, form) in forms.items() if extra.get(key)
    ]


def contact(inputs: Inputs, page: str) -> str:
    """The owner's particulars on the about page."""
    extra = inputs.extra
    about = ", ".join(str(extra[key]) for key in ("role", "city") if extra.get(key))
    links = "\n".join(f"- [{name}]({target})" for name, target in contacts(extra))
    return f"**{extra.get('name', '')}.** {about}{'.' if about else ''}\n\n{links}"


FACTS = (
    ("house.claims.tested", "int", "claims tested so far"),
    ("house.claims.holds", "int", "of them hold"),
    ("house.claims.in_part", "int", "hold in part"),
    ("house.claims.fails", "int", "do not hold here, and say so"),
    ("house.parity.worst", "sci", "largest difference to trusted code, same weights"),
    ("house.rebuild.minutes", "int", "minutes to rebuild every number here, on two cores"),
    ("house.records", "int", "records behind the numbers of this site"),
)


def facts(inputs: Inputs, page: str) -> str:
    """Five measured facts; those that nothing has measured yet make room for the next."""
    known = [fact for fact in FACTS if has(inputs, fact[0]) and inputs.value(fact[0])]
    cells = "".join(
        f"<div><dd>{number(inputs, key, form, page)}</dd><dt>{text}</dt></div>"
        for key, form, text in known[:5]
    )
    return f'<dl class="facts">{cells}</dl>' if cells else ""


def family(inputs: Inputs, page: str) -> str:
    """The papers in order of year, with arcs to those that each builds on and a disc per claim."""
    rows = tree.by_year(inputs.papers)
    items = "".join(_row(inputs, paper, page) for paper in rows)
    drawing = tree.svg([paper.stem for paper in rows], inputs.edges)
    return f'<div class="family">{drawing}<ol class="rows">{items}</ol></div>'


def _row(inputs: Inputs, paper: Paper, page: str) -> str:
    planned = inputs.state(paper) == "planned"
    target = f"papers/#{paper.stem}" if planned else f"papers/{paper.stem}/"
    status = (
        discs(inputs.of(paper.stem))
        or f'<span class="state">{STATES[inputs.state(paper)].lower()}</span>'
    )
    return (
        f'<li{" class=planned" if planned else ""}><div><a href="{link(target, page)}">{esc(paper.name)}</a>'
        f'<p>{esc(paper.idea)}</p></div><span class="year">{paper.year}</span>{status}</li>'
    )


def key_to_discs(inputs: Inputs, page: str) -> str:
    """What the discs mean."""
    return " ".join(
        verdict(word)
        for word in (
            "holds",
            "holds in part",
            "does not hold here",
            "not testable at this scale",
            "not tested",
        )
    )


def report(inputs: Inputs, page: str) -> str:
    """Where to say that something is wrong."""
    repo = str(inputs.extra.get("repo_url", "")).rstrip("/")
    return f'<a href="{esc(repo)}/issues">Say where it is wrong</a>.' if repo else ""
