"""Is a feed valid? lxml checks its form against a schema of RSS 2.0, feedparser reads it as its readers will."""

from collections.abc import Iterator
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path

import feedparser
from bs4 import BeautifulSoup
from lxml import etree

SCHEMA = Path(__file__).with_name("rss.rng")
FOREIGN = (
    "script, style, link, button, iframe, form, svg, nav, .katex, .headerlink, [onclick], [style]"
)


def problems(feed: bytes) -> list[str]:
    """What is wrong with a feed; empty when nothing."""
    try:
        tree = etree.fromstring(feed)
    except etree.XMLSyntaxError as error:
        return [f"no XML: {error}"]
    schema = etree.RelaxNG(etree.parse(str(SCHEMA)))
    found = [] if schema.validate(tree) else [str(error.message) for error in schema.error_log]
    read = feedparser.parse(feed)
    if read.bozo or read.version != "rss20":
        found.append(f"feedparser: {read.get('bozo_exception', read.version)}")
    ids = [entry.get("id") for entry in read.entries]
    if len(ids) != len(set(ids)):
        found.append("two items have one guid")
    for moment in tree.xpath("//pubDate | //lastBuildDate"):
        found += _moment(str(moment.text))
    for text in tree.iter("{http://purl.org/rss/1.0/modules/content/}encoded"):
        found += _text(str(text.text))
    return found


def _moment(text: str) -> Iterator[str]:
    """A date of the calendar, on its day of the week."""
    try:
        if format_datetime(parsedate_to_datetime(text), usegmt=True) != text:
            yield f"{text} is another day"
    except ValueError as error:
        yield f"{text}: {error}"


def _text(html: str) -> Iterator[str]:
    """A text that stands anywhere."""
    page = BeautifulSoup(f"<body><div>{html}</div>", "html5lib").div
    for node in page.select(FOREIGN):
        yield f"<{node.name}> in the text of an item"
    for node in page.select("[href], [src]"):
        address = str(node.get("href") or node.get("src"))
        if not address.startswith(("https://", "http://", "mailto:")):
            yield f"{address} is no whole address"
    for picture in page.select("img"):
        if not picture.get("alt") or str(picture["src"]).endswith(".svg"):
            yield f"{picture['src']} is an SVG or has no alt text"
