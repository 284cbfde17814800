"""A bundle per post: a page from which the post is copied into Medium's editor with one click.

Built to Medium's documented behaviour, not yet confirmed on medium.com.
"""

import html
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

from generators.files import digest
from generators.site.medium.blocks import read_post
from generators.site.medium.checks import lint, parity
from generators.site.medium.drawing import check_ink, draw, picture_name, version
from generators.site.medium.emit import as_text, facts, payload
from generators.site.medium.runs import NoRule, Story

STATUS = "Built to documented behaviour, not yet confirmed on medium.com."
HERE = Path(__file__).parent


def posts(site_dir: Path) -> list[Path]:
    """The pages of the posts in a built site; the list of posts itself is none."""
    return sorted(site_dir.glob("posts/*/index.html"))


def write_bundles(site_dir: Path, site_url: str) -> list[Path]:
    """Write `medium/<slug>/` into a built site for each of its posts.

    Args:
        site_dir: the built site.
        site_url: where it will be published; pictures and links get this address.

    Returns:
        The folders written. The same site gives the same bytes.

    Raises:
        NoRule: a post has something that Medium does not take, or a bundle lost something.
    """
    site_url = site_url.rstrip("/") + "/"
    return [write_bundle(site_dir, site_url, page) for page in posts(site_dir)]


def write_bundle(site_dir: Path, site_url: str, page: Path) -> Path:
    """Write the bundle of one built post."""
    name = page.parent.name
    text = page.read_text(encoding="utf-8")
    story = read_post(text, name, urljoin(site_url, f"posts/{name}/"))
    folder = site_dir / "medium" / name
    sources = list(dict.fromkeys(b.source for b in story.blocks if b.kind == "picture"))
    figures = {
        address: _figure(site_dir, site_url, address, name)
        for kind, address in sources
        if kind == "figure"
    }
    try:
        drawn = draw(sources, figures)
    except NoRule as error:
        raise NoRule(f"{name}: {error}") from None
    files = {source: picture_name(*source, figures.get(source[1], "")) for source in sources}
    base = urljoin(site_url, f"medium/{name}/img/")
    story_html = payload(story, {source: base + file for source, file in files.items()})
    problems = [*lint(story_html), *parity(text, story_html, story)]
    if problems:
        raise NoRule(f"{name}: the bundle is not the post: " + "; ".join(problems[:8]))
    (folder / "img").mkdir(parents=True, exist_ok=True)
    for source, file in files.items():
        (folder / "img" / file).write_bytes(drawn[source])
    manifest = {
        "status": STATUS,
        "title": story.title,
        "subtitle": story.subtitle,
        "canonical": story.url,
        "published": story.published,
        "topics": list(story.topics),
        "site": site_url,
        "pictures": [
            {
                "file": f"img/{files[source]}",
                "address": base + files[source],
                "source": source[1],
                "size": list(check_ink(drawn[source], source[1], edge=0)),
                "sha256": digest(drawn[source]),
            }
            for source in sources
        ],
        "facts": facts(story_html),
        "made_with": version(),
        "sha256": digest(story_html),
    }
    _write_json(folder / "manifest.json", manifest)
    clipboard = {"html": story_html, "text": as_text(story_html)}
    page_html = _page(story, manifest, clipboard, base)
    (folder / "index.html").write_text(page_html, encoding="utf-8", newline="\n")
    return folder


def _figure(site_dir: Path, site_url: str, address: str, name: str) -> str:
    if not address.startswith(site_url):
        raise NoRule(f"{name}: the picture {address} is not on this site")
    file = site_dir / unquote(address.removeprefix(site_url))
    if not file.is_file():
        raise NoRule(f"{name}: the picture {address} is not in the built site")
    return file.read_text(encoding="utf-8")


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")


def _page(story: Story, manifest: dict[str, Any], clipboard: dict[str, str], base: str) -> str:
    """The page with the button: the template with the story, its facts, style and script in it."""
    data = json.dumps({**manifest, "clipboard": clipboard}, ensure_ascii=False)
    preview = clipboard["html"].replace(f'src="{base}', 'src="img/')
    sizes = {Path(picture["file"]).name: picture["size"] for picture in manifest["pictures"]}

    def sized(match: re.Match[str]) -> str:
        width, height = sizes[match[1]]
        return f'src="img/{match[1]}" width="{width}" height="{height}" loading="lazy"'

    preview = re.sub(r'src="img/([^"]+)"', sized, preview)
    # The page has its own title; the story's headings start one level lower in it.
    preview = preview.replace("<h4>", '<p class="subtitle">', 1).replace("</h4>", "</p>", 1)
    preview = re.sub(r"(</?)h1>", r"\1h2>", preview).replace("<pre ", '<pre tabindex="0" ')
    parts = {
        "name": story.name,
        "title": html.escape(story.title),
        "canonical": html.escape(story.url),
        "published": html.escape(story.published),
        "status": html.escape(STATUS),
        "checklist": _checklist(manifest),
        "preview": preview,
        "data": data.replace("<", "\\u003c"),
        "style": (HERE / "page.css").read_text(encoding="utf-8"),
        "script": (HERE / "page.js").read_text(encoding="utf-8"),
    }
    template = (HERE / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def _checklist(manifest: dict[str, Any]) -> str:
    rows = [
        ("Title", manifest["title"]),
        ("Subtitle", manifest["subtitle"]),
        *((f"Topic {place}", topic) for place, topic in enumerate(manifest["topics"], 1)),
        ("Canonical link", manifest["canonical"]),
    ]
    return "\n".join(
        f"<dt>{label}</dt><dd><span>{html.escape(value)}</span> "
        f'<button type="button" data-copy="{html.escape(value)}">Copy'
        f'<span class="unseen"> the {label.lower()}</span></button></dd>'
        for label, value in rows
    )
