"""Is the bundle still the whole post? What its page says and what is pasted, compared piece by piece.

Shared with the code that makes the bundle: the list of what is left out on purpose (`CHROME`), the
author's own overrides, and the words that a bundle adds (`Story.added`). Nothing else of it.
"""

import functools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin

from bs4 import BeautifulSoup, Comment, NavigableString, Tag

from generators.site.medium.blocks import article_of
from generators.site.medium.emit import NUMBER, WORD, code_text, ending, squeezed
from generators.site.medium.inline_math import linear
from generators.site.medium.runs import INLINE, OVERRIDE, Story, latex_of

Files = Mapping[tuple[str, str], str]  # ("figure", address) or ("formula", LaTeX) -> file name


@dataclass
class Wanted:
    """What the page of a post says."""

    text: str
    subtitle: str
    headings: list[str]
    links: Counter[tuple[str, str]]
    in_tables: set[str]  # addresses; a table's links may move below it
    codes: list[str]
    tables: list[list[list[str]]]
    pictures: list[tuple[tuple[str, str], str, str]] = field(default_factory=list)


@functools.lru_cache(maxsize=4)  # a bundle is compared as it is and as the worst Medium leaves it
def of_page(page: str, url: str) -> Wanted:
    """What has to arrive, read from the page itself.

    Args:
        page: the built post.
        url: its address, for links.
    """
    soup, article = article_of(page)
    _settle_overrides(article)
    shown = _settle_formulas(article)
    figures = {id(node): node for node in article.find_all("img")}
    pictures = []
    for source in shown:
        if isinstance(source, str):
            pictures.append((("formula", source), squeezed(source), ""))
        elif id(source) in figures:
            caption = source.find_parent("figure") and source.find_parent("figure").figcaption
            text = squeezed(_text(caption)) if caption else ""
            address = urljoin(url, str(source.get("src") or ""))
            pictures.append((("figure", address), squeezed(str(source.get("alt") or "")), text))
    links, in_tables = Counter(), {url}
    for link in article.find_all("a", href=True):
        target = urljoin(url, str(link["href"]))
        if link.find_parent("table"):
            in_tables.add(target)
        else:
            links[squeezed(_text(link)), target] += 1
    meta = soup.find("meta", attrs={"name": "description"})
    headings = [squeezed(node.get_text()) for node in article.find_all(["h1", "h2", "h3"])]
    return Wanted(
        text=_text(article),
        subtitle=" ".join(str(meta["content"]).split()),
        headings=headings + (["Notes"] if article.select(".footnote") else []),
        links=links,
        in_tables=in_tables,
        codes=[code_text(block) for block in article.find_all("pre")],
        tables=[_rows(table) for table in article.find_all("table")],
        pictures=pictures,
    )


def _settle_overrides(article: Tag) -> None:
    """What the author says in other words gets them; what stays in the original goes."""
    for node in article.select(f"[{OVERRIDE}]"):
        if node.decomposed:
            continue
        if node.name in INLINE:
            node.replace_with(NavigableString(str(node[OVERRIDE])))
        elif node[OVERRIDE] == "link":
            node.decompose()


def _settle_formulas(article: Tag) -> list[Tag | str]:
    """Put inline formulas in their place as text, take display formulas out; all pictures in order."""
    shown: list[Tag | str] = []
    for node in article.select("img, .katex-display"):
        if node.name == "img":
            shown.append(node)
            continue
        shown.append(latex_of(node))
        node.replace_with(NavigableString(" "))
    for node in article.select(".katex"):
        node.replace_with(NavigableString("".join(text for text, _ in linear(latex_of(node)))))
    return shown


_ENDS = {"p", "li", "td", "th", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "div", "br", "figure"}
_ENDS |= {"blockquote", "figcaption", "summary", "dt", "dd", "caption", "label"}
_RAISED = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")


def _text(body: Tag) -> str:
    """All text, with breaks where blocks begin."""
    parts = []
    for node in body.descendants:
        if isinstance(node, Comment):
            continue
        if isinstance(node, NavigableString):
            raised = body.name == "sup" or node.find_parent("sup")
            parts.append(str(node).translate(_RAISED) if raised else str(node))
        elif isinstance(node, Tag) and node.name in _ENDS:
            parts.append("\n")
    return "".join(parts)


def _rows(table: Tag) -> list[list[str]]:
    return [
        [squeezed(_text(cell)) for cell in row.find_all(["th", "td"])]
        for row in table.find_all("tr")
    ]


def counts(page: str, story: Story) -> dict[str, int]:
    """How much of each kind is compared."""
    wanted = of_page(page, story.url)
    text = f"{wanted.text} {wanted.subtitle}"
    return {
        "words": len(WORD.findall(text)),
        "numbers": len(NUMBER.findall(text)),
        "links": sum(wanted.links.values()) + len(wanted.in_tables) - 1,
        "headings": len(wanted.headings),
        "pictures": len(wanted.pictures),
        "tables": len(wanted.tables),
        "code": len(wanted.codes),
    }


def parity(
    page: str, payload: str, story: Story, files: Files, bare_pictures: bool = False
) -> list[str]:
    """What differs between a post's page and its bundle, additions of ours aside.

    Args:
        page: the built post.
        payload: what is pasted.
        story: the post as it was read, for what the bundle adds.
        files: the file of each picture.
        bare_pictures: compare pictures by their file alone; for a Medium that drops alternative
            texts and takes captions only as paragraphs.
    """
    wanted = of_page(page, story.url)
    pasted = BeautifulSoup(payload, "html5lib").body
    added = BeautifulSoup(" ".join(story.added), "html5lib").get_text()
    added = f"{added} {''.join(run.text for run in ending(story))}"
    ours, theirs = f"{wanted.text} {wanted.subtitle} {added}", _text(pasted)
    return [
        *_differ("word", WORD.findall(ours), WORD.findall(theirs)),
        *_differ("number", NUMBER.findall(ours), NUMBER.findall(theirs)),
        *_headings(wanted, pasted),
        *_pictures(wanted, pasted, files, bare_pictures),
        *_codes(wanted, pasted),
        *_links(wanted, pasted, story),
    ]


def _differ(what: str, ours: list[str], theirs: list[str]) -> list[str]:
    wanted, found = Counter(ours), Counter(theirs)
    lost, new = wanted - found, found - wanted
    return [f'the {what} "{text}" is lost' for text in sorted(lost)] + [
        f'the {what} "{text}" is new' for text in sorted(new)
    ]


def _headings(wanted: Wanted, pasted: Tag) -> list[str]:
    """h1 to h3 of the page and their counterparts; the subtitle and a box's label are no headings."""
    found = [squeezed(node.get_text()) for node in pasted.find_all(["h1", "h3", "h4"])]
    if found[1:2] == [squeezed(wanted.subtitle)]:
        del found[1]
    if found == wanted.headings:
        return []
    return _differ("heading", wanted.headings, found) or ["the headings are in another order"]


def _pictures(wanted: Wanted, pasted: Tag, files: Files, bare: bool) -> list[str]:
    """In order: which file, what it says to those who do not see it, its caption."""
    ours = [
        (files.get(source, f"of {source[1]}"), *(() if bare else (alt, caption)))
        for source, alt, caption in wanted.pictures
    ]
    theirs = []
    for node in pasted.find_all("img"):
        caption = node.parent.figcaption if node.parent.name == "figure" else None
        words = (squeezed(str(node.get("alt") or "")), squeezed(_text(caption)) if caption else "")
        theirs.append((str(node.get("src") or "").rpartition("/")[2], *(() if bare else words)))
    problems = [
        f'picture {place}: "{one}" became "{other}"'[:300]
        for place, (mine, its) in enumerate(zip(ours, theirs, strict=False), 1)
        for one, other in zip(mine, its, strict=True)
        if one != other
    ]
    if len(ours) != len(theirs):
        problems.append(f"{len(theirs)} pictures instead of {len(ours)}")
    return problems


def _codes(wanted: Wanted, pasted: Tag) -> list[str]:
    """Every piece of code in order, to the letter; what else stands in a `pre` is a table."""
    codes, others = list(wanted.codes), []
    for text in (code_text(block) for block in pasted.find_all("pre")):
        if codes and text == codes[0]:
            codes.pop(0)
        else:
            others.append(text)
    tables = [_solid(line for line in text.split("\n") if line.strip(" -")) for text in others]
    items = Counter(_solid([squeezed(entry.get_text())])[0] for entry in pasted.find_all("li"))
    problems = [f'the code "{text[:60]}" is lost' for text in codes]
    for rows in wanted.tables:
        aligned = _solid("".join(row) for row in rows)
        listed = Counter(_solid(_as_item(rows[0], row) for row in rows[1:]))
        if aligned in tables:
            others.pop(tables.index(aligned))
            tables.remove(aligned)
        elif listed <= items:
            items -= listed
        else:
            problems.append(f'the table "{" | ".join(rows[0])}" is lost, or a cell of it changed')
    return problems + [f'the code "{text[:60]}" is not the post\'s' for text in others]


def _solid(lines: object) -> list[str]:
    return [re.sub(r"\s", "", line) for line in lines]


def _as_item(head: list[str], row: list[str]) -> str:
    pairs = zip(head, row, strict=True)
    return ";".join(f"{name}:{cell}" if name else cell for name, cell in pairs)


def _links(wanted: Wanted, pasted: Tag, story: Story) -> list[str]:
    """Every link of the text with its words; of those in tables, the addresses."""
    ours = wanted.links + Counter((squeezed(words), target) for words, target in story.added_links)
    ours[story.commit, story.source] += bool(story.commit and story.source)
    kept = Counter((squeezed(_text(link)), str(link["href"])) for link in pasted.find_all("a"))
    targets = {target for _, target in kept}
    lost = [f'"{text}" ({target})' for text, target in sorted(ours - kept)]
    lost += sorted(wanted.in_tables - targets)
    new = [
        f'"{text}" ({target})'
        for text, target in sorted(kept - ours)
        if target not in wanted.in_tables
    ]
    return [f"the link {link} is lost" for link in lost] + [
        f"the link {link} is new" for link in new
    ]
