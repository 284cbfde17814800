"""A story as the HTML that is pasted, and the facts about it that a paste must keep."""

import html
import re
from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any

from bs4 import BeautifulSoup, Tag

from generators.site.medium.runs import Block, Run, Runs, Story

_WRAP = {"heading": "h3", "small": "h4", "text": "p", "quote": "blockquote"}
_ORDER = ("strong", "em", "code")  # outermost first
_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d\u00a0", "''\"\" ")
# The narrow space between thousands may come back as another one: its sides count apart.
WORD = re.compile(r"[^\W\d_]+")
NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")


def payload(story: Story, pictures: dict[tuple[str, str], str]) -> str:
    """The pasted HTML; `pictures` has the address of each picture."""
    lines = [f"<h1>{html.escape(story.title, quote=False)}</h1>"]
    lines.append(f"<h4>{html.escape(story.subtitle, quote=False)}</h4>")
    lines += [_block(block, pictures) for block in story.blocks]
    return "\n".join([*lines, f"<p>{_runs(ending(story))}</p>"]) + "\n"


def ending(story: Story) -> Runs:
    """Where and when the post was first published, and the commit that has its code and records."""
    em = frozenset({"em"})
    runs = [Run("Originally published at ", em), Run(story.url, em, story.url)]
    if story.published:
        day = date.fromisoformat(story.published)
        runs.append(Run(f", {day.day} {day:%B %Y}", em))
    if story.commit:
        runs.append(Run("; code and data at commit ", em))
        runs.append(Run(story.commit, em, story.source))
    return (*runs, Run(".", em))


def with_captions_as_text(payload: str) -> str:
    """The story for a Medium that drops captions: each a paragraph in italics below its picture."""
    soup = BeautifulSoup(payload, "html5lib")
    for caption in soup.find_all("figcaption"):
        whole = soup.new_tag("em")
        whole.extend(list(caption.contents))
        for inner in whole.find_all("em"):
            inner.unwrap()
        paragraph = soup.new_tag("p")
        paragraph.append(whole)
        caption.parent.insert_after(paragraph)
        caption.decompose()
    return "".join(str(node) for node in soup.body.contents)


def _block(block: Block, pictures: dict[tuple[str, str], str]) -> str:
    if block.kind in _WRAP:
        return f"<{_WRAP[block.kind]}>{_runs(block.runs)}</{_WRAP[block.kind]}>"
    if block.kind in ("bullets", "numbers"):
        name = "ul" if block.kind == "bullets" else "ol"
        return (
            f"<{name}>" + "".join(f"<li>{_runs(item)}</li>" for item in block.items) + f"</{name}>"
        )
    if block.kind == "code":
        # Medium ends a code block at an empty line, but not at a line that holds one space.
        text = "\n".join(line or " " for line in block.text.split("\n"))
        mode = f'"2" data-code-block-lang="{block.language}"' if block.language else '"0"'
        return f"<pre data-code-block-mode={mode}>{html.escape(text, quote=False)}</pre>"
    if block.kind == "picture":
        caption = f"<figcaption>{_runs(block.runs)}</figcaption>" if block.runs else ""
        source = html.escape(pictures[block.source])
        return f'<figure><img src="{source}" alt="{html.escape(block.text)}">{caption}</figure>'
    return "<hr>"


def _runs(runs: Runs) -> str:
    out = ""
    for run in runs:
        text = html.escape(run.text, quote=False).replace("\n", "<br>")
        for mark in reversed(_ORDER):
            if mark in run.marks:
                text = f"<{mark}>{text}</{mark}>"
        out += f'<a href="{html.escape(run.href)}">{text}</a>' if run.href else text
    return out


def as_text(payload: str) -> str:
    """The story without marks: what an editor gets that takes no HTML."""
    soup = BeautifulSoup(payload, "html5lib")
    for line_break in soup.find_all("br"):
        line_break.replace_with("\n")
    parts = []
    for node in soup.body.find_all(recursive=False):
        picture = node.find("img")
        text = node.get_text() if node.name == "pre" else node.get_text().strip()
        parts.append(f"[{picture['alt']}]\n{text}".strip() if picture else text)
    return "\n\n".join(part for part in parts if part) + "\n"


# --- Facts ---------------------------------------------------------------------------------------


def squeezed(text: str) -> str:
    """Text up to what an editor may change: curly quotes, no-break spaces, runs of spaces."""
    return " ".join(text.translate(_QUOTES).split())


def facts(payload: str) -> dict[str, Any]:
    """What a paste must keep; back.js finds the same in what comes back from Medium."""
    soup = BeautifulSoup(payload, "html5lib")
    code = [
        {"language": str(block.get("data-code-block-lang", "")), "text": code_text(block)}
        for block in soup.find_all("pre")
    ]
    for line_break in soup.find_all("br"):
        line_break.replace_with("\n")

    def texts(*names: str) -> list[str]:
        return [squeezed(node.get_text()) for node in soup.find_all(names)]

    everything = _all_text(soup.body)
    return {
        "title": next(iter(texts("h1")), ""),
        "headings": [[_level(node), squeezed(node.get_text())] for node in soup.find_all(_LEVELS)],
        "words": _counted(WORD.findall(everything)),
        "numbers": _counted(NUMBER.findall(everything)),
        "links": sorted(
            [squeezed(link.get_text()), str(link["href"])] for link in soup.find_all("a", href=True)
        ),
        "code": code,
        "inlineCode": [squeezed(node.get_text()) for node in soup.select(_within("code"))],
        "italic": _letters(soup.select(_within("em"))),
        "bold": _letters(soup.select(_within("strong"))),
        "items": texts("li"),
        "quotes": texts("blockquote"),
        "captions": texts("figcaption"),
        "alternatives": [squeezed(str(node.get("alt") or "")) for node in soup.find_all("img")],
        "pictures": len(soup.find_all("img")),
    }


_LEVELS = ["h1", "h2", "h3", "h4", "h5", "h6"]


def _level(node: Tag) -> str:
    """Medium has two sizes of headings."""
    return "large" if node.name in ("h1", "h2", "h3") else "small"


def _within(name: str) -> str:
    """Marked text of paragraphs, items and quotes: Medium marks headings and captions as it likes."""
    return ", ".join(f"{block} {name}" for block in ("p", "li", "blockquote"))


def _letters(nodes: Iterable[Tag]) -> str:
    return "".join(re.sub(r"\s", "", squeezed(node.get_text())) for node in nodes)


def _counted(found: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(found).items()))


def code_text(block: Tag) -> str:
    """The code of a `pre`, its one-space lines empty again."""
    return re.sub(r"[ \t\u00a0]+$", "", block.get_text().strip("\n"), flags=re.MULTILINE)


def _all_text(body: Tag) -> str:
    """Everything, one piece a line, so that neighbours in different blocks do not run together."""
    blocks = ["h1", "h2", "h3", "h4", "p", "li", "blockquote", "pre", "figcaption"]
    return "\n".join(node.get_text() for node in body.find_all(blocks))
