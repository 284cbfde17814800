"""The Atom feed of the posts, and what search engines read."""

import html
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Post:
    """One entry of the feed."""

    title: str
    description: str
    address: str
    date: str  # 2026-11-23


def atom(title: str, author: str, address: str, posts: Sequence[Post]) -> str:
    """An Atom feed; its date is that of the newest post, so that it changes only when the posts do."""
    newest = max((post.date for post in posts), default="2000-01-01")
    entries = "".join(
        f"  <entry>\n    <title>{html.escape(post.title)}</title>\n    <link href={_quoted(post.address)}/>\n"
        f"    <id>{html.escape(post.address)}</id>\n    <updated>{post.date}T00:00:00Z</updated>\n"
        f"    <summary>{html.escape(post.description)}</summary>\n  </entry>\n"
        for post in posts
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
        f"  <title>{html.escape(title)}</title>\n  <link href={_quoted(address)}/>\n"
        f'  <link rel="self" href={_quoted(address + "feed.xml")}/>\n  <id>{html.escape(address)}</id>\n'
        f"  <updated>{newest}T00:00:00Z</updated>\n"
        f"  <author><name>{html.escape(author)}</name></author>\n{entries}</feed>\n"
    )


def robots(address: str) -> str:
    """Everything may be read; here is the list."""
    return f"User-agent: *\nAllow: /\nSitemap: {address}sitemap.xml\n"


def _quoted(text: str) -> str:
    return f'"{html.escape(text)}"'
