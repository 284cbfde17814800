"""Two doubts about a bundle: does Medium take this HTML, and is it still the whole post?

`lint` knows Medium's rules, `parity` compares with the post's own page. They share the list of what
is left out on purpose with the code that made the bundle, and nothing else of it.
"""

import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urljoin

from bs4 import BeautifulSoup, Comment, NavigableString, Tag

from generators.site.medium.blocks import article_of
from generators.site.medium.emit import NUMBER, code_text, ending, squeezed
from generators.site.medium.inline_math import linear
from generators.site.medium.runs import Story, latex_of

_TOP = {"h1", "h3", "h4", "p", "blockquote", "ul", "ol", "hr", "figure", "pre"}
_INSIDE = {"strong", "em", "code", "a", "br"}
_ATTRIBUTES = {
    "a": {"href"},
    "img": {"src", "alt"},
    "pre": {"data-code-block-mode", "data-code-block-lang"},
}
_ALLOWED = _TOP | _INSIDE | {"li", "img", "figcaption"}
_CHILDREN = {
    "ul": {"li"},
    "ol": {"li"},
    "figure": {"img", "figcaption"},
    "pre": set(),
    "code": set(),
}
_LEFTOVER = {
    r"\\[A-Za-z]+": "raw LaTeX",
    r"\$[^$\s][^$\n]*\$": "raw LaTeX",
    r"\]\(\w+:": "raw Markdown",
    r"\*\*\w": "raw Markdown",
}
_WORD = re.compile(r"[^\W\d_]+")


def lint(payload: str) -> list[str]:
    """What Medium would drop or spoil, one sentence each; empty when nothing."""
    body = BeautifulSoup(payload, "html5lib").body
    return [*_tags(body), *_pictures_and_links(body), *_code(body), *_texts(body)]


def _tags(body: Tag) -> Iterator[str]:
    for node in body.find_all():
        if node.name not in _ALLOWED:
            yield f"<{node.name}> is no part of a Medium story"
            continue
        extra = set(node.attrs) - _ATTRIBUTES.get(node.name, set())
        if extra:
            yield f"<{node.name}> has the attribute {sorted(extra)[0]}"
        parent = node.parent
        allowed = _TOP if parent is body else _CHILDREN.get(parent.name, _INSIDE)
        if node.name not in allowed:
            where = "the top level" if parent is body else f"<{parent.name}>"
            yield f"<{node.name}> inside {where}: Medium's blocks are flat"
    for comment in body.find_all(string=lambda text: isinstance(text, Comment)):
        yield f'a comment is left: "{comment.strip()[:40]}"'
    for text in body.find_all(string=True, recursive=False):
        if text.strip():
            yield f'text outside of every block: "{text.strip()[:40]}"'


def _pictures_and_links(body: Tag) -> Iterator[str]:
    for picture in body.find_all("img"):
        source = str(picture.get("src") or "")
        if not re.fullmatch(r"https://\S+\.png", source):
            yield f"the picture {source[:60]} is no PNG with an absolute address"
        if picture.parent.name != "figure":
            yield f"the picture {source[:60]} is not in a figure"
        if not str(picture.get("alt") or "").strip():
            yield f"the picture {source[:60]} has no alternative text"
    for link in body.find_all("a"):
        if not re.match(r"(https://|mailto:)\S+$", str(link.get("href") or "")):
            yield f"the link {link.get('href')} has no absolute address"
        if not link.get_text().strip():
            yield f"the link {link.get('href')} has no text"


def _code(body: Tag) -> Iterator[str]:
    for block in body.find_all("pre"):
        first = block.get_text().strip()[:40]
        mode = block.get("data-code-block-mode")
        if mode not in ("0", "2") or (mode == "2") != bool(block.get("data-code-block-lang")):
            yield f'the code "{first}" has no mode and language: Medium would join its lines'
        if any(not line for line in block.get_text().split("\n")):
            yield f'the code "{first}" has an empty line: Medium would split it there'


def _texts(body: Tag) -> Iterator[str]:
    titles = body.find_all("h1")
    if len(titles) != 1 or not 0 < len(titles[0].get_text()) <= 100:
        yield "a story needs one title of at most 100 characters"
    elif (subtitle := titles[0].find_next_sibling()) is None or subtitle.name != "h4":
        yield "the subtitle (h4) follows the title"
    elif not 0 < len(subtitle.get_text()) <= 140:
        yield "the subtitle has at most 140 characters"
    for node in body.find_all(string=True):
        if node.find_parent(["pre", "code"]) is None:
            for pattern, what in _LEFTOVER.items():
                if found := re.search(pattern, str(node)):
                    yield f'{what} is left in the text: "{found[0][:40]}"'


# --- Parity --------------------------------------------------------------------------------------


def parity(page: str, payload: str, story: Story) -> list[str]:
    """What differs between the post's page and its bundle, additions of ours aside."""
    soup, article = article_of(page)
    formulas = _settle_formulas(article)
    pasted = BeautifulSoup(payload, "html5lib").body
    added = BeautifulSoup(" ".join(story.added), "html5lib").get_text()
    added = f"{added} {''.join(run.text for run in ending(story))}"
    subtitle = str(soup.find("meta", attrs={"name": "description"})["content"])
    ours, theirs = _text(article), _text(pasted)
    problems = [
        *_differ("word", _WORD, f"{ours} {subtitle} {added}", theirs),
        *_differ("number", NUMBER, f"{ours} {subtitle} {added}", theirs),
        *_same_list("heading", _headings(article), _headings(pasted)),
        *_same_list("picture", _pictures(article, formulas), _pictures(pasted, [])),
        *_codes(article, pasted),
    ]
    return problems + _links(article, pasted, story)


def _links(article: Tag, pasted: Tag, story: Story) -> list[str]:
    """Every link of the text with its words; of those in tables, the addresses."""
    wanted, in_tables = Counter(), {story.url}
    for link in article.find_all("a", href=True):
        target = urljoin(story.url, str(link["href"]))
        if link.find_parent("table"):
            in_tables.add(target)
        else:
            wanted[squeezed(_text(link)), target] += 1
    kept = Counter((squeezed(_text(link)), str(link["href"])) for link in pasted.find_all("a"))
    targets = {target for _, target in kept}
    lost = [f'"{text}" ({target})' for text, target in sorted(wanted - kept)]
    lost += sorted(in_tables - targets)
    new = [
        f'"{text}" ({target})' for text, target in sorted(kept - wanted) if target not in in_tables
    ]
    return [f"the link {link} is lost" for link in lost] + [
        f"the link {link} is new" for link in new
    ]


def _settle_formulas(article: Tag) -> list[str]:
    """Put the text of inline formulas in their place; take display formulas out, in order."""
    displayed = []
    for node in article.select(".katex-display"):
        displayed.append(latex_of(node))
        node.replace_with(NavigableString(" "))
    for node in article.select(".katex"):
        node.replace_with(NavigableString("".join(text for text, _ in linear(latex_of(node)))))
    return displayed


def _text(body: Tag) -> str:
    """All text, with breaks where blocks end."""
    ends = {"p", "li", "td", "th", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "div", "br", "figure"}
    ends |= {"blockquote", "figcaption", "summary", "dt", "dd", "caption", "span", "label"}
    parts = []
    for node in body.descendants:
        if isinstance(node, Comment):
            continue
        if isinstance(node, NavigableString):
            raised = body.name == "sup" or node.find_parent("sup")
            parts.append(str(node).translate(_RAISED) if raised else str(node))
        elif isinstance(node, Tag) and node.name in ends - {"span"}:
            parts.append("\n")
    return "".join(parts)


_RAISED = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")


def _differ(what: str, pattern: re.Pattern[str], ours: str, theirs: str) -> list[str]:
    wanted, found = Counter(pattern.findall(ours)), Counter(pattern.findall(theirs))
    lost, new = wanted - found, found - wanted
    return [f'the {what} "{text}" is lost' for text in sorted(lost)] + [
        f'the {what} "{text}" is new' for text in sorted(new)
    ]


def _headings(body: Tag) -> list[str]:
    """h1 to h3 of the page and their counterparts; a subtitle and a box's label are no headings."""
    page = body.name == "article"
    found = body.find_all(["h1", "h2", "h3"] if page else ["h1", "h3", "h4"])
    texts = [squeezed(node.get_text()) for node in found]
    if page:
        return texts + (["Notes"] if body.select(".footnote") else [])
    return [texts[0], *texts[2:]] if texts else []


def _pictures(body: Tag, formulas: list[str]) -> Counter[str]:
    """What each picture says to those who do not see it: figures' texts and formulas' LaTeX."""
    alts = [str(node.get("alt") or "") for node in body.find_all("img")]
    return Counter(squeezed(text) for text in [*alts, *formulas])


def _codes(article: Tag, pasted: Tag) -> list[str]:
    """Every piece of code in order, to the letter; what else stands in a `pre` is a table."""
    wanted = [code_text(block) for block in article.find_all("pre")]
    tables = Counter(_cells(table.get_text(" ")) for table in article.find_all("table"))
    problems = []
    for text in (code_text(block) for block in pasted.find_all("pre")):
        if wanted and text == wanted[0]:
            wanted.pop(0)
        elif tables[_cells(text)] > 0:
            tables[_cells(text)] -= 1
        else:
            problems.append(f'the code "{text[:60]}" is not the post\'s')
    return problems + [f'the code "{text[:60]}" is lost' for text in wanted]


def _cells(table: str) -> str:
    """The letters of a table, without rules and spaces."""
    return re.sub(r"(?m)^[- ]+$|\s", "", table)


def _same_list(what: str, ours: object, theirs: object) -> list[str]:
    if isinstance(ours, Counter) and isinstance(theirs, Counter):
        lost, new = ours - theirs, theirs - ours
        return [f'the {what} "{text[:60]}" is lost' for text in sorted(lost)] + [
            f'the {what} "{text[:60]}" is new' for text in sorted(new)
        ]
    return [] if ours == theirs else [f"{what}s differ: {ours} became {theirs}"[:300]]
