"""What a note or post tells machines of itself: schema.org in JSON-LD, and the article's tags of Open Graph."""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

LICENCE = "https://creativecommons.org/licenses/by/4.0/"


@dataclass(frozen=True)
class Site:
    """What all articles share."""

    name: str
    address: str
    language: str
    author: str
    profiles: Sequence[str]  # where else the author is found


@dataclass(frozen=True)
class Article:
    """One note or post."""

    title: str
    description: str
    address: str
    image: str
    published: date
    changed: datetime  # of its words; not before it was published
    topics: Sequence[str]
    above: Sequence[tuple[str, str]]  # name and address of the pages that lead to it
    paper: Mapping[str, str] | None  # the entry in the bibliography of what it is about


def changed(published: date, committed: datetime | None) -> datetime:
    """When words last changed: as git says, but not before they were published."""
    first = datetime.combine(published, time(), UTC)
    return max(first, committed) if committed else first


def json_ld(article: Article, site: Site) -> str:
    """An article and the path to it, as one script element that no browser runs."""
    person = _filled({"@type": "Person", "name": site.author, "sameAs": list(site.profiles)})
    home = {"@type": "WebSite", "name": site.name, "url": site.address}
    path = [(site.name, site.address), *article.above, (article.title, article.address)]
    graph = [
        _filled(
            {
                "@type": "TechArticle",
                "headline": article.title,
                "description": article.description,
                "url": article.address,
                "image": article.image,
                "datePublished": article.published.isoformat(),
                "dateModified": article.changed.date().isoformat(),
                "inLanguage": site.language,
                "keywords": list(article.topics),
                "author": person,
                "license": LICENCE,
                "isPartOf": home,
                "citation": citation(article.paper),
            }
        ),
        {
            "@type": "BreadcrumbList",
            "itemListElement": [
                {"@type": "ListItem", "position": place, "name": name, "item": address}
                for place, (name, address) in enumerate(path, 1)
            ],
        },
    ]
    return script({"@context": "https://schema.org", "@graph": graph})


def citation(entry: Mapping[str, str] | None) -> dict[str, Any]:
    """A paper of the bibliography as schema.org knows it; empty without one."""
    if not entry:
        return {}
    authors = [name for name in entry.get("people", "").split("; ") if name]
    return _filled(
        {
            "@type": "ScholarlyArticle",
            "name": entry.get("title", ""),
            "author": [{"@type": "Person", "name": name} for name in authors],
            "datePublished": entry.get("year", ""),
            "url": entry.get("url", ""),
        }
    )


def script(content: Mapping[str, Any]) -> str:
    """JSON in a script element: with no `<`, so that no word of it can end the element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return f'<script type="application/ld+json">{text.replace("<", chr(92) + "u003c")}</script>'


def open_graph(article: Article | None) -> list[str]:
    """What a page is, and for an article its dates and topics."""
    if article is None:
        return [_meta("og:type", "website")]
    published = datetime.combine(article.published, time(), UTC)
    return [
        _meta("og:type", "article"),
        _meta("article:published_time", published.isoformat()),
        _meta("article:modified_time", article.changed.isoformat()),
        *(_meta("article:tag", topic) for topic in article.topics),
    ]


def _meta(name: str, content: str) -> str:
    return f'<meta property="{name}" content="{html.escape(content)}">'


def _filled(content: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty."""
    return {name: value for name, value in content.items() if value}
