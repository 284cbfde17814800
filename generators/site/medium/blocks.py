"""A post's built HTML as the few blocks that a Medium story knows.

A story is a flat list: headings, paragraphs, quotes, flat lists, code, pictures and rules; inside a
block only bold, italic, code and links. Every element of the post has a rule here, or the build
fails and names it: nothing is dropped in silence.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urljoin

from bs4 import BeautifulSoup, Comment, NavigableString, Tag

from generators.site.medium.runs import (
    INLINE,
    OVERRIDE,
    Block,
    NoRule,
    Run,
    Runs,
    Story,
    latex_of,
    plain,
    refusal,
    runs_of,
    shown,
    together,
)
from generators.site.medium.tables import table_blocks

# What a page of the site has and an article does not: left out on purpose, and only this.
CHROME = (
    "a.headerlink, .md-content__button, .md-tags, .md-source-file, nav, script, style, template, "
    "button, a.footnote-backref, p.label, p.get, p.discuss, p.share, .hidden"
)
# Boxes without a meaning of their own.
TRANSPARENT = {"section", "div", "header", "article", "main"}
LANGUAGES = {
    name: ({"py": "python", "pycon": "python", "js": "javascript", "toml": "ini"}).get(name, name)
    for name in (
        "python py pycon bash json yaml html css javascript js typescript latex bibtex toml ini diff"
    ).split()
} | dict.fromkeys(("sh", "shell", "console"), "bash")
LONG = 30  # lines of a listing that has to link to its file
_BREAK = BeautifulSoup("<br>", "html.parser").br


# --- Blocks --------------------------------------------------------------------------------------


def blocks_of(story: Story, parent: Tag) -> Iterator[Block]:
    """The blocks of what stands inside an element."""
    loose: list[object] = []  # text that stands directly in a box
    for node in parent.children:
        inline = isinstance(node, NavigableString) or (isinstance(node, Tag) and _is_inline(node))
        if inline:
            loose.append(node)
            continue
        yield from _noting(story, _paragraph(story, loose))
        loose = []
        if isinstance(node, Tag):
            yield from _noting(story, _block(story, node))
    yield from _noting(story, _paragraph(story, loose))


def _noting(story: Story, blocks: Iterator[Block]) -> Iterator[Block]:
    """Blocks up to the first fault among them; so one build names all that is wrong with a post."""
    try:
        yield from blocks
    except NoRule as fault:
        story.faults.append(fault)


def _is_inline(node: Tag) -> bool:
    classes = node.get("class", [])
    return (node.name in INLINE or "katex" in classes) and "katex-display" not in classes


def _paragraph(story: Story, nodes: Iterable[object], kind: str = "text") -> Iterator[Block]:
    runs = runs_of(story, nodes)
    if runs:
        yield Block(kind, runs)


def _block(story: Story, node: Tag) -> Iterator[Block]:
    classes = set(node.get("class", []))
    wish = node.get(OVERRIDE)
    if wish and wish not in ("link", "list", "text"):
        what = f'{shown(node)} asks for medium="{wish}"; a block knows link, list (of a table) and text'
        raise refusal(story, node, what)
    if wish == "link":
        yield from _left_to_the_original(story, node)
    elif "katex-display" in classes:
        latex = latex_of(node)
        yield Block("picture", text=latex, source=("formula", latex))
    elif "footnote" in classes:
        yield from _footnotes(story, node)
    elif "highlight" in classes or node.name == "pre":
        yield from _code(story, node)
    elif "admonition" in classes or node.name == "details":
        yield from _note(story, node)
    elif "tabbed-set" in classes:
        yield from _tabs(story, node)
    elif node.name in _BLOCKS:
        yield from _BLOCKS[node.name](story, node)
    elif "-" in node.name:
        yield from _live(story, node)
    elif node.name in TRANSPARENT:
        yield from blocks_of(story, node)
    else:
        hint = 'a Medium story knows no such block; {: medium="link"} leaves it to the original'
        raise refusal(story, node, f"{shown(node)} has no rule; {hint}")


def _left_to_the_original(story: Story, node: Tag) -> Iterator[Block]:
    """A line in the place of what the author does not want on Medium, with a link to its section."""
    story.left_out.append(shown(node))
    heading = node.find_previous(["h2", "h3"])
    if heading is None or not heading.get("id"):
        yield _pointer(story, "Left out here; see ", "the original", story.url)
    else:
        words = plain(runs_of(story, heading.children))
        yield _pointer(
            story, "Left out here; see the original: ", words, f"{story.url}#{heading['id']}"
        )


def _live(story: Story, node: Tag) -> Iterator[Block]:
    """A model that runs in the reader's browser: its first paint, and where it runs.

    A page whose address ends in #ID?... opens at the model and loads it; its first step, or where it
    has none its own example, is the state that the first paint shows.
    """
    yield from blocks_of(story, node)
    if node.get("id"):
        href = f"{story.url}#{node['id']}?step=1"
        yield _pointer(story, "This picture is a live model in the original: ", "try it", href)


def _pointer(story: Story, before: str, words: str, href: str) -> Block:
    """A line of ours with a link; parity knows it as an addition."""
    story.added.append(before + words)
    story.added_links.append((words, href))
    return Block("text", (Run(before), Run(words, href=href)))


def _heading(story: Story, node: Tag) -> Iterator[Block]:
    level = int(node.name[1])
    runs = runs_of(story, node.children)
    if level == 1:
        raise refusal(story, node, f'a second title, "{plain(runs)}"; use ## below the title')
    if level > 3:
        yield Block("text", tuple(Run(run.text, run.marks | {"strong"}, run.href) for run in runs))
    else:
        yield Block("heading" if level == 2 else "small", runs)


def _text(story: Story, node: Tag) -> Iterator[Block]:
    drawn = node.find_all(["img", "svg"])
    # KaTeX draws the roof of a root; that belongs to its formula.
    picture = next((tag for tag in drawn if not tag.find_parent(class_="katex")), None)
    if picture is not None and node.get_text(strip=True):
        what = f"{shown(picture)} in a line of text; give it its own paragraph"
        raise refusal(story, picture, what)
    if picture is not None and picture.get(OVERRIDE) == "link":
        yield from _left_to_the_original(story, picture)
    elif picture is not None:
        yield _picture(story, picture, ())
    elif "src" in node.get("class", []) and node.span:  # the line above quoted code
        node.span.append(" ·")
        yield from blocks_of(story, node)
    else:
        yield from blocks_of(story, node)


def _picture(story: Story, node: Tag, caption: Runs) -> Block:
    if node.name != "img":
        raise refusal(story, node, f"{shown(node)}: a drawing inside the page; use a figure's file")
    alt = " ".join(str(node.get("alt") or "").split())
    source = urljoin(story.url, str(node.get("src") or ""))
    if not source.endswith(".svg"):
        raise refusal(story, node, f"{source}: only figures (SVG) become pictures")
    if not alt:
        raise refusal(story, node, f"the picture {source} has no alternative text")
    return Block("picture", caption, text=alt, source=("figure", source))


def _figure(story: Story, node: Tag) -> Iterator[Block]:
    pictures = node.find_all(["img", "svg"])
    if len(pictures) != 1:
        raise refusal(story, node, f"{shown(node)} holds {len(pictures)} pictures; one is right")
    known = {"img", "svg", "figcaption", "a", "p", "div", "picture", "source"}
    parts = [part for part in node.find_all(recursive=False) if part.name not in known]
    if parts:
        raise refusal(story, parts[0], f"{shown(parts[0])} in a figure has no rule")
    caption: list[object] = []
    for part in node.find_all("figcaption"):
        for paragraph in part.find_all("p") or [part]:
            caption += [*paragraph.children, NavigableString(" ")]
    yield _picture(story, pictures[0], runs_of(story, caption))


def _list(story: Story, node: Tag) -> Iterator[Block]:
    kind = "numbers" if node.name == "ol" else "bullets"
    items: list[Runs] = []
    broken = False  # a block stood between two items: a new list would count from 1 again
    for count, entry in enumerate(node.find_all("li", recursive=False), 1):
        for part in _entry(story, entry):
            if isinstance(part, Block):
                if items:
                    yield Block(kind, items=tuple(items))
                items, broken = [], kind == "numbers"
                yield part
            elif broken:
                story.added.append(f"{count}.")
                yield Block("text", (Run(f"{count}. "), *part))
            else:
                items.append(part)
    if items:
        yield Block(kind, items=tuple(items))


def _entry(story: Story, entry: Tag) -> Iterator[Runs | Block]:
    """One list entry: its lines, its inner entries with a dash, and blocks that must leave it."""
    lines: list[object] = []
    for child in list(entry.children):
        if isinstance(child, Tag) and not _is_inline(child):
            if child.name == "p":
                lines += [*([_BREAK] if _filled(lines) else []), *child.children]
                continue
            if _filled(lines):
                yield runs_of(story, lines)
            lines = []
            if child.name in ("ul", "ol"):
                for inner in child.find_all("li", recursive=False):
                    for part in _entry(story, inner):
                        yield part if isinstance(part, Block) else (Run("– "), *part)
            else:
                yield from _block(story, child)
        else:
            lines.append(child)
    if _filled(lines):
        yield runs_of(story, lines)


def _filled(nodes: Iterable[object]) -> bool:
    return any(
        not isinstance(node, Comment) and (not isinstance(node, NavigableString) or node.strip())
        for node in nodes
    )


def _quote(story: Story, node: Tag) -> Iterator[Block]:
    for block in blocks_of(story, node):
        yield Block("quote", block.runs) if block.kind == "text" else block


def _note(story: Story, node: Tag) -> Iterator[Block]:
    """A box with a label: the label in bold, the text as quotes, other blocks after them."""
    label = node.find(["summary", "p"], recursive=False)
    named = label is not None and (
        label.name == "summary" or "admonition-title" in label.get("class", [])
    )
    if named:
        label.extract()
        runs = runs_of(story, label.children)
        yield Block("quote", tuple(Run(r.text, r.marks | {"strong"}, r.href) for r in runs))
    yield from _quote(story, node)


def _tabs(story: Story, node: Tag) -> Iterator[Block]:
    labels = node.select(".tabbed-labels label")
    panes = node.select(".tabbed-block")
    if len(labels) != len(panes) or not panes:
        raise refusal(story, node, f"{shown(node)}: as many labels as panes are needed")
    for label, pane in zip(labels, panes, strict=True):
        yield Block("text", (Run(label.get_text(" ", strip=True), frozenset({"strong"})),))
        yield from blocks_of(story, pane)


def _code(story: Story, node: Tag) -> Iterator[Block]:
    classes = {name for tag in (node, *node.find_all()) for name in tag.get("class", [])}
    named = [name[9:] for name in sorted(classes) if name.startswith("language-")]
    language = named[0] if named else "text"
    title = node.find("span", class_="filename")
    if title:
        yield Block("text", (Run(title.get_text(strip=True), frozenset({"em"})),))
    pre = node if node.name == "pre" else node.find("pre")
    if pre is None or pre.find("img"):
        raise refusal(story, node, f"{shown(node)} holds no plain code")
    code = re.sub(r"[ \t]+$", "", pre.get_text().strip("\n"), flags=re.MULTILINE)
    if language not in LANGUAGES and language not in ("text", "output", "none", "plaintext"):
        what = f'no Medium language for "{language}"; take `text`, or add it to LANGUAGES'
        raise refusal(story, node, what)
    box = node.find_parent(class_="code")
    linked = box is not None and box.select_one("p.src a[href]")
    if code.count("\n") >= LONG and not linked and not node.get(OVERRIDE):
        what = (
            f"a listing of {code.count(chr(10)) + 1} lines without its file; quote it between code markers, "
            'which link to the file at the commit, or say {: medium="text"}'
        )
        raise refusal(story, node, what)
    yield Block("code", text=code, language=LANGUAGES.get(language, ""))


def _rule(story: Story, node: Tag) -> Iterator[Block]:
    yield Block("rule")


def _footnotes(story: Story, node: Tag) -> Iterator[Block]:
    story.added.append("Notes")
    yield Block("small", (Run("Notes"),))
    for block in blocks_of(story, node):
        if block.kind != "rule":
            yield block


_BLOCKS: dict[str, Callable[[Story, Tag], Iterator[Block]]] = {
    "p": _text,
    "ul": _list,
    "ol": _list,
    "blockquote": _quote,
    "figure": _figure,
    "table": table_blocks,
    "hr": _rule,
    "img": lambda story, node: iter([_picture(story, node, ())]),
} | dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), _heading)


# --- A page --------------------------------------------------------------------------------------


def article_of(page: str) -> tuple[BeautifulSoup, Tag]:
    """The parsed page, and its article without what belongs to the site and not to the text."""
    soup = BeautifulSoup(page, "html5lib")
    article = soup.find("article")
    if article is None:
        raise NoRule("the page has no <article>")
    for node in article.select(CHROME):
        node.decompose()
    return soup, article


def read_post(page: str, name: str, url: str) -> Story:
    """A built post as a story.

    Raises:
        NoRule: naming the post and each element that Medium has no form for.
    """
    whole = BeautifulSoup(page, "html5lib")
    try:
        soup, article = article_of(page)
    except NoRule as error:
        raise NoRule(f"{name}: {error}") from None
    story = Story(name, url)
    heading = article.find("h1")
    if heading is None:
        raise NoRule(f"{name}: a post needs a title")
    story.title = plain(runs_of(story, heading.extract().children))
    story.subtitle = _meta(soup, "description")
    story.published = _date(whole)
    story.topics = tuple(_topics(whole))
    story.commit, story.source = _commit(whole)
    story.faults += _beyond_limits(story)
    story.blocks = list(blocks_of(story, article))
    if story.faults:
        raise together(story.faults)
    return story


def _beyond_limits(story: Story) -> Iterator[NoRule]:
    """What is longer or more than Medium's own forms hold."""
    for label, text, limit, key in (
        ("title", story.title, 100, "title:"),
        ("description", story.subtitle, 140, "description:"),
    ):
        if not 0 < len(text) <= limit:
            what = f'its {label} has {len(text)} characters; 1 to {limit}: "{text}"'
            yield NoRule(f"{story.name}: {what}", "", key)
    if not 1 <= len(story.topics) <= 5:
        what = f"it has {len(story.topics)} tags; 1 to 5, Medium's topics"
        yield NoRule(f"{story.name}: {what}", "", "tags:")
    for topic in story.topics:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 -]{0,24}", topic):
            what = f'the tag "{topic}": a topic has letters, digits, spaces and dashes, 25 at most'
            yield NoRule(f"{story.name}: {what}", "", "tags:")


def _meta(soup: BeautifulSoup, name: str) -> str:
    found = soup.find("meta", attrs={"name": name}) or soup.find("meta", attrs={"property": name})
    return " ".join(str(found.get("content") or "").split()) if found else ""


def _date(soup: BeautifulSoup) -> str:
    if stamp := _meta(soup, "article:published_time"):
        return stamp[:10]
    found = soup.find("time", attrs={"datetime": True})
    return str(found["datetime"])[:10] if found else ""


def _topics(soup: BeautifulSoup) -> list[str]:
    tags = [tag.get("content") for tag in soup.find_all("meta", attrs={"property": "article:tag"})]
    return tags or [tag.get_text(strip=True) for tag in soup.select(".md-tag")]


def _commit(soup: BeautifulSoup) -> tuple[str, str]:
    """The commit that the page says it was built from, and the address of its files."""
    named = soup.select_one("footer a[href*='/tree/'] code")
    return (named.get_text(strip=True), str(named.parent["href"])) if named else ("", "")
