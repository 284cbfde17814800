"""The page of a bundle: the button, a checklist, the pictures one by one, paste-back, the story."""

import html
import json
import re
from pathlib import Path
from typing import Any

from generators.site.medium.runs import Story

STATUS = "Built to documented behaviour, not yet confirmed on medium.com."
HERE = Path(__file__).parent


def bundle_page(
    story: Story, manifest: dict[str, Any], clipboard: dict[str, str], base: str
) -> str:
    """The template with the story, its facts, style and scripts in it.

    Args:
        story: the post.
        manifest: what the page tells and checks.
        clipboard: what the button copies.
        base: public address of the folder of pictures.
    """
    data = json.dumps({**manifest, "clipboard": clipboard}, ensure_ascii=False)
    scripts = ("back.js", "page.js")
    parts = {
        "name": story.name,
        "title": html.escape(story.title),
        "canonical": html.escape(story.url),
        "published": html.escape(story.published),
        "status": html.escape(STATUS),
        "checklist": _checklist(manifest),
        "compared": _compared(manifest),
        "pictures": _pictures(manifest),
        "preview": _preview(clipboard["html"], manifest, base),
        "data": data.replace("<", "\\u003c"),
        "style": (HERE / "page.css").read_text(encoding="utf-8"),
        "script": "".join((HERE / name).read_text(encoding="utf-8") for name in scripts),
    }
    template = (HERE / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def _copy(label: str, value: str, shown: str = "Copy") -> str:
    return (
        f'<button type="button" data-copy="{html.escape(value)}">{shown}'
        f'<span class="unseen"> {label}</span></button>'
    )


def _copy_picture(file: str, label: str) -> str:
    return (
        f'<button type="button" data-picture="{file}">Copy<span class="unseen"> {label}, the</span>'
        " picture</button>"
    )


def _tick(label: str) -> str:
    return f'<label><input type="checkbox"> {label}</label>'


def _checklist(manifest: dict[str, Any]) -> str:
    """What a paste does not carry, each with its button."""
    rows = [
        ("Title", manifest["title"]),
        ("Subtitle", manifest["subtitle"]),
        *((f"Topic {place}", topic) for place, topic in enumerate(manifest["topics"], 1)),
        ("Canonical link", manifest["canonical"]),
    ]
    lines = [
        f"<dt>{_tick(label)}</dt><dd><span>{html.escape(value)}</span> "
        f"{_copy('the ' + label.lower(), value)}</dd>"
        for label, value in rows
    ]
    preview = next((p for p in manifest["pictures"] if p["address"] == manifest["preview"]), None)
    if preview:
        number = manifest["pictures"].index(preview) + 1
        alt = html.escape(preview["alt"])
        buttons = " ".join(
            (
                _copy("of the preview picture", preview["address"], "Copy address"),
                _copy_picture(preview["file"], "preview picture"),
            )
        )
        lines.append(
            f"<dt>{_tick('Preview picture')}</dt><dd><span>Picture {number}: {alt}</span> {buttons}</dd>"
        )
    return "\n".join(lines)


def _compared(manifest: dict[str, Any]) -> str:
    """What was held against the post, and what differs on purpose."""
    counts = {"formulas": manifest["formulas"]["proven"]} | manifest["compared"]
    names = {"code": "pieces of code"}
    counted = ", ".join(
        f"{count:,} {names.get(kind, kind)}" for kind, count in counts.items() if count
    )
    lines = [f"<p>Compared with the post when this page was made: {counted}. Nothing differs."]
    if manifest["left_out"]:
        left = "; ".join(html.escape(what) for what in manifest["left_out"])
        lines.append(f"Left to the original on purpose: {left}.")
    if refused := manifest["formulas"]["refused"]:
        listed = ", ".join(f"<code>{html.escape(latex)}</code>" for latex in refused)
        lines.append(f"Formulas in the author's own words: {listed}.")
    return " ".join(lines) + "</p>"


def _pictures(manifest: dict[str, Any]) -> str:
    """Each picture with buttons for it, its alternative text and its caption."""
    items = []
    for number, picture in enumerate(manifest["pictures"], 1):
        width, height = picture["size"]
        label = f"picture {number}"
        image = (
            f'<img src="{picture["file"]}" alt="" width="{width}" height="{height}" loading="lazy">'
        )
        rows = [_copy_picture(picture["file"], label)]
        rows += [
            f"<span>{html.escape(picture[key])}</span> {_copy(f'the {what} of {label}', picture[key])}"
            for key, what in (("alt", "alternative text"), ("caption", "caption"))
            if picture[key]
        ]
        body = "".join(f"<p>{row}</p>" for row in rows)
        items.append(f"<li>{image}<div>{body}</div></li>")
    return f'<ol class="pictures">{"".join(items)}</ol>' if items else "<p>There are none.</p>"


def _preview(story_html: str, manifest: dict[str, Any], base: str) -> str:
    """The story as it will look; the page has a title of its own, so headings start a level lower."""
    sizes = {Path(picture["file"]).name: picture["size"] for picture in manifest["pictures"]}

    def sized(match: re.Match[str]) -> str:
        width, height = sizes[match[1]]
        return f'<img src="img/{match[1]}" width="{width}" height="{height}" loading="lazy"'

    # With the tag's name, for a listing may show such an attribute: in text, `<` is written `&lt;`.
    preview = re.sub(rf'<img src="{re.escape(base)}([^"]+)"', sized, story_html)
    preview = preview.replace("<h4>", '<p class="subtitle">', 1).replace("</h4>", "</p>", 1)
    return re.sub(r"(</?)h1>", r"\1h2>", preview).replace("<pre ", '<pre tabindex="0" ')
