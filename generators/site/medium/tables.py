"""Tables, which Medium does not have: aligned text in a code block, or a bullet for each row."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from bs4 import Tag

from generators.site.medium.runs import (
    OVERRIDE,
    Block,
    Run,
    Runs,
    Story,
    plain,
    refusal,
    runs_of,
    shown,
)

TABLE_WIDTH = 72  # columns of a code block that Medium shows without scrolling


def table_blocks(story: Story, node: Tag) -> Iterator[Block]:
    """A table in the form that it fits, or that the author wants: `{: medium="list"}` or "text"."""
    rows = [
        [runs_of(story, cell.children) for cell in row.find_all(["th", "td"], recursive=False)]
        for row in node.find_all("tr")
    ]
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        raise refusal(story, node, f"{shown(node)}: every row needs the same number of cells")
    if node.caption:
        yield Block("text", runs_of(story, node.caption.children))
    cells = [[" ".join(plain(cell).split()) for cell in row] for row in rows]
    text = aligned(cells)
    narrow = max(_width(line) for line in text.splitlines()) <= TABLE_WIDTH
    wish = next((str(box[OVERRIDE]) for box in [node, *node.parents] if box.get(OVERRIDE)), "")
    if wish == "text" or (narrow and wish != "list"):
        yield Block("code", text=text)
        yield from _table_links(story, rows)
    else:
        yield _rows_as_bullets(story, rows)


def aligned(cells: list[list[str]]) -> str:
    """A table as text: columns of equal width, those of numbers set to the right."""
    columns = list(zip(*cells, strict=True))
    widths = [max(_width(cell) for cell in column) for column in columns]
    right = [
        all(re.match(r"[−+\-–.]?\d|[–-]?$", cell) for cell in column[1:]) for column in columns
    ]

    def line(row: Iterable[str]) -> str:
        parts = []
        for cell, width, to_right in zip(row, widths, right, strict=True):
            blank = " " * (width - _width(cell))
            parts.append(blank + cell if to_right else cell + blank)
        return "  ".join(parts).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(cells[0]), rule, *(line(row) for row in cells[1:])])


def _width(text: str) -> int:
    return sum(
        (2 if unicodedata.east_asian_width(letter) in "WF" else 1)
        for letter in text
        if not unicodedata.combining(letter)
    )


def _table_links(story: Story, rows: list[list[Runs]]) -> Iterator[Block]:
    """A code block holds no links: those of the table follow it, each address once."""
    links = {run.href: run.text for row in rows for cell in row for run in cell if run.href}
    if not links:
        return
    label = "Behind this table: "
    runs: list[Run] = [Run(label)]
    for place, (href, text) in enumerate(links.items()):
        name = href.rpartition("#")[2].replace("-", " ") if "#" in href else text
        runs += [Run(", ")] if place else []
        runs.append(Run(name, href=href))
        story.added.append(name)
    story.added.append(label)
    yield Block("text", tuple(runs))


def _rows_as_bullets(story: Story, rows: list[list[Runs]]) -> Block:
    head, *body = rows
    items: list[Runs] = []
    for place, row in enumerate(body):
        runs: list[Run] = []
        for name, cell in zip(head, row, strict=True):
            runs += [Run("; ")] if runs else []
            runs += [Run(run.text, run.marks | {"strong"}, run.href) for run in name]
            runs += [Run(": "), *cell] if name else [*cell]
        items.append(tuple(runs))
        if place:
            story.added.extend(plain(name) for name in head)
    return Block("bullets", items=tuple(items))
