"""Checks of a built site, and the weight of its pages: by regular expressions, a second for a hundred pages.

`python -m generators.site.checks [site]` prints what is wrong and what each page weighs.
"""

import functools
import gzip
import html
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from generators.files import ROOT
from generators.papers import settings
from generators.site import tex
from generators.site.links import without_code

BUDGET = 170_000  # bytes that a page may transfer, compressed
LINKS_THAT_LOAD_NOTHING = {
    "alternate",
    "author",
    "canonical",
    "edit",
    "license",
    "me",
    "next",
    "prev",
    "search",
}


@dataclass
class Page:
    """What the checks need of one page."""

    address: str
    links: list[str] = field(default_factory=list)
    loads: list[tuple[str, bool]] = field(
        default_factory=list
    )  # address, and whether it waits until it is near
    ids: list[str] = field(default_factory=list)
    headings: int = 0
    title: str = ""
    description: str = ""
    language: str = ""
    without_alt: list[str] = field(default_factory=list)


_UNREAD = re.compile(r"<!--.*?-->|(?<=>)[^<]*(?=</script>)|<style\b.*?</style>", re.DOTALL)
_TAG = re.compile(r"""<([a-zA-Z][\w-]*)((?:[^>"']|"[^"]*"|'[^']*')*)>""")
_ATTRIBUTE = re.compile(r"""([\w:-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
LOADING = ("script", "iframe", "source", "video", "audio", "embed")
TELLING = {"a", "area", "link", "img", "h1", "html", "meta", *LOADING}


def read_page(address: str, text: str) -> Page:
    """What the checks need of one page; by regular expressions, for a parser takes five times as long."""
    page, title = Page(address), _TITLE.search(text)
    page.title = html.unescape(title[1]) if title else ""
    for tag, written in _TAG.findall(_UNREAD.sub("", text)):
        if tag in TELLING or "id=" in written:
            found = _ATTRIBUTE.findall(written)
            _take(page, tag, {name: html.unescape("".join(value)) for name, *value in found})
    return page


def _take(page: Page, tag: str, given: dict[str, str]) -> None:
    """Note one tag."""
    if "id" in given:
        page.ids.append(given["id"])
    elif tag == "a" and "name" in given:
        page.ids.append(given["name"])
    if tag in ("a", "area") and "href" in given:
        page.links.append(given["href"])
    elif tag == "link" and not LINKS_THAT_LOAD_NOTHING & set(given.get("rel", "").split()):
        page.loads.append((given.get("href", ""), False))
    elif tag in LOADING and given.get("src"):
        page.loads.append((given["src"], False))
    elif tag == "img":
        page.loads.append((given.get("src", ""), given.get("loading") == "lazy"))
        if "alt" not in given or given["alt"].startswith("No description has been provided"):
            page.without_alt.append(given.get("src", ""))
    elif "parts" in given:  # a live model: all of it waits until a reader is near
        page.links += [*given["parts"].split(), given["weights"]]
    elif tag == "h1":
        page.headings += 1
    elif tag == "html":
        page.language = given.get("lang", "")
    elif tag == "meta" and given.get("name") == "description":
        page.description = given.get("content", "")


def read(site: Path) -> dict[str, Page]:
    """Every HTML page of a built site by its path in it."""
    addresses = {file.relative_to(site).as_posix(): file for file in sorted(site.rglob("*.html"))}
    return {
        address: read_page(address, file.read_text(encoding="utf-8"))
        for address, file in addresses.items()
    }


_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_TARGET = re.compile(r"\]\(([^)\s]+)\)|<(https?:[^>\s]+)>")
_IN_FEED = re.compile(r"<(?:link|guid)>([^<]+)<|<\w[^<>]*\s(?:href|src)=\"([^\"]+)\"")


def texts(site: Path) -> Iterator[Page]:
    """What is read outside of a browser, with its links: notes and posts as Markdown, llms.txt, the feed."""
    for file in [*sorted(site.rglob("*.md")), *site.glob("llms.txt"), *site.glob("feed.xml")]:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".xml":
            found = _IN_FEED.findall(html.unescape(text))
        else:
            found = _TARGET.findall(without_code(text))
        whole = [html.unescape("".join(link)) for link in found]
        yield Page(file.relative_to(site).as_posix(), whole)


def problems(site: Path, base: str) -> list[str]:
    """Everything wrong with a built site, as "page: what"; `base` is its address once published."""
    pages = read(site)
    found = [
        f"{page.address}: {what}" for page in pages.values() for what in _wrong_by_itself(page)
    ]
    found += _broken(site, base, pages)
    titles = Counter(page.title for page in pages.values())
    found += [
        f"{page.address}: its title {page.title!r} is another page's too"
        for page in pages.values()
        if titles[page.title] > 1
    ]
    return found


def broken_links(site: Path, base: str) -> list[str]:
    """Links and loads inside the site that lead nowhere, and anything loaded from another host."""
    return _broken(site, base, read(site))


def _wrong_by_itself(page: Page) -> Iterator[str]:
    if page.headings != 1:
        yield f"{page.headings} first-level headings, should be one"
    if not page.title.strip():
        yield "no title"
    if not page.description.strip() and page.address != "404.html":
        yield "no description"
    if not page.language:
        yield "no language"
    for source in page.without_alt:
        yield f"a picture without alt text: {source[:80]}"
    for name, count in Counter(page.ids).items():
        if count > 1:
            yield f"the id {name!r} stands {count} times"


def _broken(site: Path, base: str, pages: dict[str, Page]) -> list[str]:
    """Links and loads inside the site that lead nowhere."""
    anchors = {address: set(page.ids) for address, page in pages.items()}
    prefix, found = urlsplit(base).path or "/", []
    for page in [*pages.values(), *texts(site)]:
        here = base if page.address == "404.html" else urljoin(base, page.address)
        for link in sorted({*page.links, *(load for load, _ in page.loads)}):
            if not page.address.endswith(".html") and not _SCHEME.match(link):
                found.append(f"{page.address}: {link} is no whole address")
                continue
            file, anchor, external = _resolved(link, here, base, prefix)
            if external:
                continue
            if file is None or not (target := _file(site, file)):
                found.append(f"{page.address}: {link} leads nowhere")
            elif (
                anchor
                and target.suffix == ".html"
                and anchor not in anchors[target.relative_to(site).as_posix()]
            ):
                found.append(f"{page.address}: {link}: there is no #{anchor} on that page")
        found += [
            f"{page.address}: loads {load} from another host"
            for load, _ in page.loads
            if not load.startswith("data:")
            and urlsplit(urljoin(here, load)).netloc != urlsplit(base).netloc
        ]
    return found


def _resolved(link: str, here: str, base: str, prefix: str) -> tuple[str | None, str, bool]:
    """A link as file of the site, anchor, and whether it leads elsewhere."""
    whole = urlsplit(urljoin(here, link))
    if whole.scheme not in ("http", "https") or whole.netloc != urlsplit(base).netloc:
        return None, "", True
    path = unquote(whole.path)
    return (
        (path.removeprefix(prefix) if path.startswith(prefix) else None),
        unquote(whole.fragment),
        False,
    )


def _file(site: Path, path: str) -> Path | None:
    target = site / path
    if target.is_dir():
        target = target / "index.html" if path.endswith("/") or path == "" else target
    return target if target.is_file() else None


# Weight

_STYLE_LOADS = re.compile(r"url\(\s*[\"']?([^\"')]+)")


def weights(site: Path, base: str) -> dict[str, int]:
    """Bytes that each page transfers on a first visit, compressed: itself and what it loads.

    A text font counts on every page whose style sheet names it, although a browser leaves out the italic where a
    page has none: a ceiling. Of the pictures that wait until a reader comes near, the first two count.
    """
    prefix, sizes, weigh = urlsplit(base).path or "/", {}, functools.cache(transferred)
    for address, page in read(site).items():
        here = base if address == "404.html" else urljoin(base, address)
        at_once = [load for load, waits in page.loads if not waits]
        later = [load for load, waits in page.loads if waits][:2]
        files, formulas = {site / address}, tex.faces((site / address).read_text(encoding="utf-8"))
        for load in at_once + later:
            files |= _with_fonts(site, load, here, base, prefix)
        asked = [file for file in files if not file.name.startswith("KaTeX_")]
        asked += [file for file in files if file.name in formulas]
        sizes[address] = sum(weigh(file) for file in asked)
    return sizes


def _with_fonts(site: Path, load: str, here: str, base: str, prefix: str) -> set[Path]:
    file = _resolved(load, here, base, prefix)[0]
    target = _file(site, file) if file else None
    if target is None:
        return set()
    if target.suffix != ".css":
        return {target}
    asked = _STYLE_LOADS.findall(target.read_text(encoding="utf-8"))
    fonts = {
        (target.parent / url.split("?")[0].split("#")[0]).resolve()
        for url in asked
        if "woff2" in url
    }
    return {target, *(font for font in fonts if font.is_file())}


def transferred(file: Path) -> int:
    """A file's size on the wire."""
    raw = file.read_bytes()
    return (
        len(raw)
        if file.suffix in (".png", ".woff2", ".jpg", ".webp", ".gz")
        else len(gzip.compress(raw, 6, mtime=0))
    )


def main(arguments: list[str]) -> int:
    """Print problems and weights: 1 when there is a problem or a page too heavy."""
    site = (Path(arguments[0]) if arguments else ROOT / "site").resolve()  # as those of fonts are
    base = settings()["site_url"]
    wrong = problems(site, base)
    sizes = weights(site, base)
    wrong += [
        f"{page}: {size / 1000:.0f} KB, more than {BUDGET / 1000:.0f}"
        for page, size in sizes.items()
        if size > BUDGET
    ]
    for page, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"{size / 1000:7.1f} KB  {page}")
    print("\n".join(wrong) or f"{len(sizes)} pages, nothing wrong")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
