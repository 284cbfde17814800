"""A bundle per post: a page from which the post is copied into Medium's editor with one click.

Built to Medium's documented behaviour, not yet confirmed on medium.com.
"""

import json
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

from generators.files import ROOT, digest
from generators.site.medium import kept
from generators.site.medium.blocks import read_post
from generators.site.medium.checks import lint
from generators.site.medium.drawing import EDGE, check_ink, draw, picture_name, version
from generators.site.medium.emit import (
    as_text,
    facts,
    payload,
    squeezed,
    with_captions_as_text,
)
from generators.site.medium.page import STATUS, bundle_page
from generators.site.medium.parity import Files, counts, parity
from generators.site.medium.runs import NoRule, Story, plain, together
from generators.site.medium.where import told
from generators.site.medium.worst import worst

SOURCES = ROOT / "notes" / "posts"


@dataclass(frozen=True)
class Report:
    """What one bundle holds, and what was compared."""

    folder: Path
    manifest: dict[str, Any]
    seconds: float
    again: bool  # nothing had changed: as it was made before

    def __str__(self) -> str:
        """One line."""
        counted, formulas = self.manifest["compared"], self.manifest["formulas"]
        made = f"{formulas['proven']} formulas proven, {len(formulas['refused'])} refused"
        kinds = ("words", "numbers", "links", "tables")
        compared = ", ".join(f"{counted[kind]} {kind}" for kind in kinds)
        line = f"{len(self.manifest['pictures'])} pictures made; compared: {compared}"
        rare = f"; rare letters: {' '.join(formulas['rare'])}" if formulas["rare"] else ""
        how = "unchanged, " if self.again else ""
        return f"medium/{self.folder.name}: {made}{rare}, {line}; {how}{self.seconds:.2f} s"


def posts(site_dir: Path) -> list[Path]:
    """The pages of the posts in a built site; the list of posts itself is none."""
    return sorted(site_dir.glob("posts/*/index.html"))


def write_bundles(site_dir: Path, site_url: str, sources: Path = SOURCES) -> list[Report]:
    """Write `medium/<slug>/` into a built site for each of its posts; what lay there goes.

    Args:
        site_dir: the built site.
        site_url: where it will be published; pictures and links get this address.
        sources: the posts' Markdown, `<slug>.md`, so that an error can name the line.

    Returns:
        A report for each. The same site gives the same bytes.

    Raises:
        NoRule: what Medium does not take, or what a bundle lost, of all posts; `each` has them one by one.
    """
    site_url = site_url.rstrip("/") + "/"
    shutil.rmtree(site_dir / "medium", ignore_errors=True)
    reports, faults = [], []
    for page in posts(site_dir):
        source = sources / f"{page.parent.name}.md"
        try:
            reports.append(write_bundle(site_dir, site_url, page))
        except NoRule as error:
            here = [told(fault, source, named(source)) for fault in error.each]
            faults += {
                str(fault): fault for fault in here
            }.values()  # the same twice in a line: once
    if faults:
        raise together(faults)
    return reports


def named(path: Path) -> str:
    """A file as messages name it."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def write_bundle(site_dir: Path, site_url: str, page: Path) -> Report:
    """Write the bundle of one built post."""
    begun, name = time.perf_counter(), page.parent.name
    text = page.read_text(encoding="utf-8")
    key = kept.key(text, site_url, _drawings(page, text))
    files = kept.read(name, key)
    again = files is not None
    if files is None:
        files = made(site_dir, site_url, name, text)
        kept.write(name, key, files)
    folder = site_dir / "medium" / name
    (folder / "img").mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        (folder / path).write_bytes(content)
    manifest = json.loads(files["manifest.json"])
    return Report(folder, manifest, time.perf_counter() - begun, again)


def _drawings(page: Path, text: str) -> list[bytes]:
    """The figures that a page shows, for the key of what is kept."""
    found = [page.parent / unquote(file) for file in re.findall(r'src="([^":]+\.svg)"', text)]
    return [file.read_bytes() if file.is_file() else b"" for file in found]


def made(site_dir: Path, site_url: str, name: str, page: str) -> dict[str, bytes]:
    """The files of a bundle, proven to be the post.

    Raises:
        NoRule: naming the post.
    """
    story = read_post(page, name, urljoin(site_url, f"posts/{name}/"))
    drawn, files = pictures(site_dir, site_url, story)
    base = urljoin(site_url, f"medium/{name}/img/")
    story_html = payload(story, {source: base + file for source, file in files.items()})
    if problems := doubts(page, story_html, story, files):
        raise together([_unlike(name, problem) for problem in problems[:8]])
    manifest = {
        "status": STATUS,
        "title": story.title,
        "subtitle": story.subtitle,
        "canonical": story.url,
        "published": story.published,
        "commit": story.commit,
        "topics": list(story.topics),
        "site": site_url,
        "preview": next((base + files[kind] for kind in files if kind[0] == "figure"), ""),
        "pictures": [
            {
                "file": f"img/{files[source]}",
                "address": base + files[source],
                "source": source[1],
                "size": list(check_ink(drawn[source], source[1], edge=EDGE // 2)),
                "sha256": digest(drawn[source]),
                **_words(story, source),
            }
            for source in files
        ],
        "formulas": {
            "proven": story.proven,
            "refused": story.refused,
            "rare": sorted(story.letters),
        },
        "compared": counts(page, story),
        "added": [*story.added, *(words for words, _ in story.added_links)],
        "left_out": story.left_out,
        "facts": facts(story_html),
        "made_with": version(),
        "sha256": digest(story_html),
    }
    clipboard = {
        "html": story_html,
        "text": as_text(story_html),
        "plainer": with_captions_as_text(story_html),
    }
    written = {
        "manifest.json": json.dumps(manifest, indent=1, ensure_ascii=False) + "\n",
        "index.html": bundle_page(story, manifest, clipboard, base),
    }
    images = {f"img/{file}": drawn[source] for source, file in files.items()}
    return {path: text.encode() for path, text in written.items()} | images


def _words(story: Story, source: tuple[str, str]) -> dict[str, str]:
    block = next(block for block in story.blocks if block.source == source)
    return {"alt": block.text, "caption": squeezed(plain(block.runs))}


def _unlike(name: str, problem: str) -> NoRule:
    quoted = re.search(r'"([^"]+)"', problem)
    return NoRule(f"{name}: the bundle is not the post: {problem}", "", quoted[1] if quoted else "")


def pictures(
    site_dir: Path, site_url: str, story: Story
) -> tuple[dict[tuple[str, str], bytes], Files]:
    """Every picture of a story, drawn; and the file name of each.

    Raises:
        NoRule: naming the post and the picture.
    """
    sources = list(dict.fromkeys(b.source for b in story.blocks if b.kind == "picture"))
    figures = {
        address: _figure(site_dir, site_url, address, story.name)
        for kind, address in sources
        if kind == "figure"
    }
    try:
        drawn = draw(sources, figures)
    except NoRule as error:
        raise NoRule(f"{story.name}: {error}", *error.near) from None
    files = {source: picture_name(*source, figures.get(source[1], "")) for source in sources}
    return drawn, files


def _figure(site_dir: Path, site_url: str, address: str, name: str) -> str:
    file = site_dir / unquote(address.removeprefix(site_url))
    here = ("", address.rpartition("/")[2])
    if not address.startswith(site_url):
        raise NoRule(f"{name}: the picture {address} is not on this site", *here)
    if not file.is_file():
        raise NoRule(f"{name}: the picture {address} is not in the built site", *here)
    return file.read_text(encoding="utf-8")


def doubts(page: str, story_html: str, story: Story, files: Files) -> list[str]:
    """What is wrong with a story: Medium's rules, the post's own page, and Medium at its worst."""
    problems = [*lint(story_html), *parity(page, story_html, story, files)]
    if problems:  # what is lost already is lost at the worst too
        return problems
    left = parity(page, worst(story_html), story, files, bare_pictures=True)
    return [f"at Medium's worst {problem}" for problem in left]


def check_bundles(site_dir: Path, site_url: str) -> list[str]:
    """What of the bundles that lie in a built site is not its posts, without changing anything."""
    site_url = site_url.rstrip("/") + "/"
    names = {page.parent.name for page in posts(site_dir)}
    there = {folder.parent.name for folder in site_dir.glob("medium/*/index.html")}
    problems = [f"{name}: there is a bundle and no post" for name in sorted(there - names)]
    problems += [f"{name}: there is a post and no bundle" for name in sorted(names - there)]
    for page in posts(site_dir):
        if page.parent.name in there:
            problems += _unlike_the_post(site_dir, site_url, page)
    return problems


def _unlike_the_post(site_dir: Path, site_url: str, page: Path) -> list[str]:
    name, text = page.parent.name, page.read_text(encoding="utf-8")
    folder = site_dir / "medium" / name
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        inside = re.search(
            r'<script type="application/json" id="bundle">(.*?)</script>',
            (folder / "index.html").read_text(encoding="utf-8"),
            re.DOTALL,
        )
        copied = json.loads(inside[1])["clipboard"]["html"]
        story = read_post(text, name, urljoin(site_url, f"posts/{name}/"))
        drawn, files = pictures(site_dir, site_url, story)
    except NoRule as error:
        return [str(fault) for fault in error.each]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"{name}: its bundle cannot be read ({error})"]
    problems = doubts(text, copied, story, files)
    if digest(copied) != manifest["sha256"] or facts(copied) != manifest["facts"]:
        problems.append("page and manifest of the bundle do not belong together")
    for key, value in (
        ("title", story.title),
        ("subtitle", story.subtitle),
        ("canonical", story.url),
    ):
        if manifest[key] != value:
            problems.append(f'the {key} "{manifest[key]}" is "{value}" in the post')
    problems += picture_faults(folder, {files[source]: drawn[source] for source in files})
    return [f"{name}: {problem}" for problem in problems]


def picture_faults(folder: Path, drawn: dict[str, bytes]) -> Sequence[str]:
    """What is wrong with the picture files of a bundle: absent, no whole picture, or another one."""
    problems = []
    for file, content in drawn.items():
        path = folder / "img" / file
        try:
            check_ink(path.read_bytes(), f"img/{file}", edge=EDGE // 2)
        except OSError:
            problems.append(f"img/{file} is not there")
        except NoRule as error:
            problems.append(str(error))
        else:
            if path.read_bytes() != content:
                problems.append(f"img/{file} shows something else than the post")
    extra = {path.name for path in (folder / "img").glob("*")} - set(drawn)
    return [*problems, *(f"img/{name} belongs to no picture" for name in sorted(extra))]
