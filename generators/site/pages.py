"""The pages made by machine, as pure functions from what is on disk to Markdown.

`gather` reads everything once; `build` returns every page. The words by hand stand in docs/index.md and
its like, with slots (`<!-- part: facts -->`) that these functions fill.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from generators.site import evidence, gallery, hero, home, learned, lists
from generators.site.gather import SHELLS, gather
from generators.site.home import contacts
from generators.site.landing import landing, size
from generators.site.parts import Inputs
from generators.site.results import results_page

__all__ = ["Source", "build", "contacts", "fill", "gather", "landing", "size"]


@dataclass(frozen=True)
class Source:
    """A page's Markdown, and the file that its edit link opens (seen from docs/; none: no link)."""

    text: str
    edit: str | None = None


def build(inputs: Inputs) -> dict[str, Source]:
    """Every generated page: its address below docs/ -> its source."""
    pages = {name: Source(fill(inputs, name), name) for name in SHELLS if name in inputs.shells}
    for paper in inputs.papers:
        if inputs.state(paper) != "planned":
            pages[f"papers/{paper.stem}.md"] = Source(
                landing(inputs, paper), f"../notes/{paper.stem}.md"
            )
    for unit in [*inputs.papers, *inputs.studies]:
        if any(record.paper == unit.stem for record in inputs.records.values()):
            pages[f"results/{unit.stem}.md"] = Source(results_page(inputs, unit))
    return pages


_SLOT = re.compile(r"<!-- part: ([\w-]+) -->")


def fill(inputs: Inputs, name: str) -> str:
    """A page of hand-written words with its slots filled."""
    page = (
        ""
        if name == "index.md"
        else name.removesuffix(".md").removesuffix("index").rstrip("/") + "/"
    )
    return _SLOT.sub(lambda slot: PARTS[slot[1]](inputs, page), inputs.shells[name])


PARTS: dict[str, Callable[[Inputs, str], str]] = {
    "count": home.how_many,
    "so-far": home.so_far,
    "stories": home.stories,
    "repo": home.repository,
    "owner": home.owner,
    "contact": home.contact,
    "hero": hero.hero,
    "facts": home.facts,
    "family": home.family,
    "discs": home.key_to_discs,
    "papers": lists.paper_list,
    "studies": lists.study_list,
    "beyond": lists.beyond,
    "claims": lists.all_claims,
    "said": lists.said,
    "score": lists.score,
    "findings": learned.findings,
    "surprises": learned.surprises,
    "failed": learned.failed,
    "in-part": learned.in_part,
    "beliefs": learned.beliefs,
    "bugs": learned.bugs,
    "forecasts": learned.forecasts,
    "evidence": evidence.sheet,
    "by-paper": evidence.by_paper,
    "units": lists.units,
    "figures": gallery.gallery,
    "ways-to-figures": gallery.ways,
    "report": home.report,
}
