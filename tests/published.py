"""What a built site publishes about its pages, each part against the project's files: what is wrong, one by one."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import feedparser
import feeds
from bs4 import BeautifulSoup, Tag

from generators.files import ROOT
from generators.papers import front_matter, papers
from generators.site import dates, gather

POSTS = sorted(set((ROOT / "notes" / "posts").glob("*.md")) - {ROOT / "notes/posts/template.md"})


def feed(site: Path, base: str) -> Iterator[str]:
    """The feed is valid, and holds every paragraph, entry, heading and picture of every post."""
    raw = (site / "feed.xml").read_bytes()
    yield from feeds.problems(raw)
    items = {entry.id: entry.content[0].value for entry in feedparser.parse(raw).entries}
    if sorted(items) != [f"{base}posts/{post.stem}/" for post in POSTS]:
        yield f"the feed has {sorted(items)}"
    moments = {f"{base}posts/{post.stem}/": str(front_matter(post)["date"]) for post in POSTS}
    if list(items) != sorted(items, key=moments.get, reverse=True):  # as in the list of posts
        yield f"the newest post is not first: {list(items)}"
    for address, text in items.items():
        article, told = _page(site, base, address).article, BeautifulSoup(text, "html5lib")
        everything = _words(told)
        for node in article.select(":scope > p:not([class]), li:not(nav li), figcaption p"):
            if not node.select(".katex") and _words(node) not in everything:
                yield f"{address}: the feed lacks {_words(node)}"
        for name in ("h2", "h3", "img", "pre", "table"):
            if len(told.select(name)) != len(article.select(name)):
                yield f"{address}: the feed has {len(told.select(name))} {name}"


def machines(site: Path, base: str) -> Iterator[str]:
    """Every note and post, and no other page, has JSON-LD with its paper, and a plain text that llms.txt lists."""
    cited = gather.gather().bibliography
    llms = (site / "llms.txt").read_text(encoding="utf-8")
    for file in sorted(site.rglob("index.html")):
        room, *rest = file.relative_to(site).parent.parts or ("",)
        page, article = file.read_text(encoding="utf-8"), room in ("notes", "posts") and bool(rest)
        found = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page)
        if len(found) != article or ('"og:type" content="article"' in page) != article:
            yield f"{file}: {len(found)} blocks of JSON-LD"
        elif article:
            said, plain = json.loads(found[0])["@graph"][0], file.with_suffix(".md")
            source = ROOT / "notes" / ("posts" if room == "posts" else "") / f"{rest[0]}.md"
            if said.get("citation", {}).get("url") != cited.get(_about(source), {}).get("url"):
                yield f"{file}: cites {said.get('citation')}"
            if f"({base}{plain.relative_to(site).as_posix()})" not in llms:
                yield f"{plain} is not in llms.txt"
            text = plain.read_text(encoding="utf-8")
            if not text.startswith(f"# {said['headline']}\n") or re.search(
                r"<!--/?[rptcfl]\b", text
            ):
                yield f"{plain}: another title, or a marker"


def sitemap(site: Path, base: str) -> Iterator[str]:
    """Pages that may be found, with the day of their words' last commit; no day in a shallow clone."""
    text = (site / "sitemap.xml").read_text(encoding="utf-8")
    days = dict(re.findall(r"<loc>(.*?)</loc>\s*(?:<lastmod>(.*?)</lastmod>)?", text))
    for address in days:
        page = site / address.removeprefix(base) / "index.html"
        if re.search(r'<meta name="robots"[^>]*noindex', page.read_text(encoding="utf-8")):
            yield f"{address} is not to be found"
    command = ["git", "log", "-1", "--date=format-local:%Y-%m-%d", "--format=%cd", "--"]
    known = dates.history() != dates.History()
    for post in POSTS:
        said = subprocess.run(
            [*command, str(post)],
            cwd=ROOT,
            env={**os.environ, "TZ": "UTC"},
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
        if (day := days.get(f"{base}posts/{post.stem}/")) != (said if known else ""):
            yield f"{post} changed on {said}, not on {day}"


def series(site: Path, base: str) -> Iterator[str]:
    """Posts follow one another as their papers do."""
    order = [paper.stem for paper in papers()]
    dated = sorted(POSTS, key=lambda post: str(front_matter(post)["date"]))  # a day, or a moment
    stems = [post.stem for post in sorted(dated, key=lambda post: order.index(_about(post)))]
    for part, (stem, after) in enumerate(zip(stems, [*stems[1:], None], strict=True), 1):
        page = _page(site, base, f"{base}posts/{stem}/")
        if f"part {part} of {len(POSTS)}" not in _words(page.select_one("p.label")):
            yield f"{stem} is not part {part}"
        links = [link["href"] for link in page.select("a[rel=next]")]
        if links != ([f"../{after}/"] if after else []):
            yield f"after {stem} comes {links}"


def _about(source: Path) -> str:
    """The paper that a note or post is about."""
    return front_matter(source).get("paper", source.stem)


def _page(site: Path, base: str, address: str) -> BeautifulSoup:
    file = site / address.removeprefix(base) / "index.html"
    return BeautifulSoup(file.read_text(encoding="utf-8"), "html5lib")


def _words(node: Tag) -> str:
    return " ".join(node.get_text().split())
