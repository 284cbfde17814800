"""A story as the HTML that is pasted, and the facts about it that a paste must keep."""

import html
import re
from collections import Counter
from typing import Any

from bs4 import BeautifulSoup, Tag

from generators.site.medium.runs import Block, Run, Runs, Story

_WRAP = {"heading": "h3", "small": "h4", "text": "p", "quote": "blockquote"}
_ORDER = ("strong", "em", "code")  # outermost first
_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d\u00a0", "''\"\" ")
# The narrow space between thousands may come back as another one: its sides count apart.
NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")


def payload(story: Story, pictures: dict[tuple[str, str], str]) -> str:
    """The pasted HTML; `pictures` has the address of each picture."""
    lines = [f"<h1>{html.escape(story.title, quote=False)}</h1>"]
    lines.append(f"<h4>{html.escape(story.subtitle, quote=False)}</h4>")
    lines += [_block(block, pictures) for block in story.blocks]
    return "\n".join([*lines, f"<p>{_runs(ending(story))}</p>"]) + "\n"


def ending(story: Story) -> Runs:
    """Where the post was first published, for there its figures and records are."""
    words = "Originally published at "
    after = f", {story.published}." if story.published else "."
    em = frozenset({"em"})
    return (Run(words, em), Run(story.url, em, story.url), Run(after, em))


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
    """What a paste must keep; page.js finds the same in what comes back from Medium."""
    soup = BeautifulSoup(payload, "html5lib")
    code = [
        (block.get("data-code-block-lang", ""), code_text(block)) for block in soup.find_all("pre")
    ]
    for line_break in soup.find_all("br"):
        line_break.replace_with("\n")
    return {
        "headings": [squeezed(node.get_text()) for node in soup.find_all(["h1", "h2", "h3", "h4"])],
        "code": [{"language": language, "text": text} for language, text in code],
        "numbers": dict(sorted(Counter(NUMBER.findall(_all_text(soup.body))).items())),
        "links": sorted(str(link["href"]) for link in soup.find_all("a", href=True)),
        "captions": [squeezed(node.get_text()) for node in soup.find_all("figcaption")],
        "pictures": len(soup.find_all("img")),
    }


def code_text(block: Tag) -> str:
    """The code of a `pre`, its one-space lines empty again."""
    return re.sub(r"[ \t\u00a0]+$", "", block.get_text().strip("\n"), flags=re.MULTILINE)


def _all_text(body: Tag) -> str:
    """Everything, one piece a line, so that neighbours in different blocks do not run together."""
    blocks = ["h1", "h2", "h3", "h4", "p", "li", "blockquote", "pre", "figcaption"]
    return "\n".join(node.get_text() for node in body.find_all(blocks))
