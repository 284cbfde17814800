"""The posts' feed, RSS 2.0 with their full text, and what search engines read first."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from email.utils import format_datetime

from generators.site.structured import LICENCE, Article, Site

AT = "feed.xml"  # where it stands on the site
_NAMES = (
    'xmlns:atom="http://www.w3.org/2005/Atom" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"'
)


@dataclass(frozen=True)
class Item:
    """A post with its whole text."""

    post: Article
    text: str  # HTML in which every address is whole


def rss(site: Site, description: str, items: Sequence[Item]) -> str:
    """The feed, newest post first. Its dates are those of the posts, so that it changes only when they do."""
    newest_first = sorted(items, key=lambda item: item.post.published, reverse=True)  # ties stay
    changed = [item.post.changed for item in items]
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0" {_NAMES}>\n<channel>\n'
        + _line("title", site.name)
        + _line("link", site.address)
        + _line("description", description)
        + _line("language", site.language)
        + _line("copyright", f"{site.author}, {LICENCE}")
        + (_line("lastBuildDate", rfc822(max(changed))) if changed else "")
        + f'<atom:link href="{html.escape(site.address + AT)}" rel="self" type="application/rss+xml"/>\n'
        + "".join(_item(item, site.author) for item in newest_first)
        + "</channel>\n</rss>\n"
    )


def _item(item: Item, author: str) -> str:
    post = item.post
    return (
        "<item>\n"
        + _line("title", post.title)
        + _line("link", post.address)
        + _line("guid", post.address)  # an address, so it needs no word that it is one
        + _line("pubDate", rfc822(datetime.combine(post.published, time(), UTC)))
        + _line("dc:creator", author)  # RSS's own <author> wants a mail address
        + "".join(_line("category", topic) for topic in post.topics)
        + _line("description", post.description)
        + _line("content:encoded", item.text)
        + "</item>\n"
    )


def _line(name: str, text: str) -> str:
    return f"<{name}>{html.escape(text, quote=False)}</{name}>\n"


def rfc822(moment: datetime) -> str:
    """A time as RSS wants it: "Fri, 27 Nov 2026 00:00:00 GMT"."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def robots(address: str) -> str:
    """Everything may be read; here is the list."""
    return f"User-agent: *\nAllow: /\nSitemap: {address}sitemap.xml\n"
