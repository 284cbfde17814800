"""What MkDocs calls while it builds. Each hook is a few lines over plain functions of the modules beside this file.

Problems are collected, so that one build names them all; the last hook fails when there are any.
"""

import logging
import os
import subprocess
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.structure.toc import AnchorLink
from mkdocs.utils import get_relative_url

from generators import prose
from generators.files import ROOT
from generators.site import (
    cards,
    checks,
    feed,
    finish,
    fonts,
    gather,
    links,
    live,
    medium,
    mount,
    notebooks,
    pages,
    pictures,
    purge,
    render,
    repairs,
    tex,
)

log = logging.getLogger("mkdocs.hooks.site")
SKIP_NOTEBOOKS = "SKIP_NOTEBOOKS"  # set: no notebook is executed, outputs are shown as kept


class Build:
    """What one build knows; `mkdocs serve` makes a new one for each rebuild."""

    def __init__(self, config: MkDocsConfig) -> None:
        """Read what the pages are made from."""
        self.inputs = gather.gather()
        self.papers = {each.stem: each for each in [*self.inputs.papers, *self.inputs.studies]}
        self.pages_by_file = mount.shown_at()
        self.formulas = tex.Renderer()
        self.repo = config.repo_url or ""
        self.commit = _git("rev-parse", "--short=7", "HEAD")
        self.sources: dict[str, Path] = {}  # address below docs/ -> the file that its words are in
        self.pictures: dict[str, bytes] = {}  # path in the site -> content
        self.cards: dict[str, pictures.Drawing] = {}  # path in the site -> what to draw
        self.problems: list[str] = []

    def complain(self, where: str, what: str) -> None:
        """Remember a problem, and say it at once."""
        self.problems.append(f"{where}: {what}")
        log.error("%s: %s", where, what)


build: Build
serving = False  # a live preview shows what is wrong and goes on


def _git(*arguments: str) -> str:
    """What git says; nothing where there is no repository or no commit."""
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def on_startup(command: str, dirty: bool) -> None:
    """Pages carry the time of the last commit, not of the build: same source, same bytes."""
    global serving
    serving = command == "serve"
    # `--quiet` would also hide warnings from --strict, which counts what the log lets through.
    logging.getLogger("mkdocs").setLevel(min(logging.getLogger("mkdocs").level, logging.WARNING))
    os.environ.setdefault("SOURCE_DATE_EPOCH", _git("log", "-1", "--format=%ct") or "1767225600")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Start a build; write the papers' pages into the navigation."""
    global build
    build = Build(config)
    extra = config.extra
    extra["commit"] = build.commit
    extra["owner"] = {key: extra.get(key, "") for key in ("name", "role", "city", "email")}
    extra["links"] = {name: target for name, target in pages.contacts(extra) if name != "Email"}
    config.copyright = f"{extra['name']}. Words and figures CC BY 4.0, code MIT."
    config.plugins["mkdocs-jupyter"].config["cache_dir"] = str(ROOT / ".cache" / "mkdocs-jupyter")
    addresses = {entry.address for entry in mount.mounted()} | set(pages.build(build.inputs))
    addresses |= {f"notebooks/{stem}.ipynb" for stem in mount.notebooks()}
    more = {"Papers": mount.navigation(addresses), "Guides": mount.guides()}
    for entry in config.nav or []:
        for name in entry.keys() & more:
            entry[name] = [entry[name], *more[name]]
    left = mount.placeholders((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    if left:
        log.info("%d placeholders remain in mkdocs.yml: %s", len(left), "; ".join(left))
    return config


@event_priority(100)  # before mkdocs-jupyter and the blog look for their files
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every page and picture that does not stand in docs/."""
    for problem in prose.rewrite(check=True):
        build.complain(f"{problem.file}:{problem.line}", problem.message)

    def add(
        address: str, text: str = "", path: Path | None = None, edit: str | None = None
    ) -> None:
        if (old := files.get_file_from_path(address)) is not None:
            files.remove(old)
        content = {"abs_src_path": str(path)} if path else {"content": text}
        file = File.generated(config, address, **content)
        file.edit_uri = edit
        files.append(file)
        if edit:
            build.sources[address] = (ROOT / "docs" / edit).resolve()

    for script, executed in _notebooks().items():
        stem = script.stem
        files.remove(files.src_uris[f"notebooks/{stem}.py"])
        # mkdocs-jupyter wraps what it renders: it wants a file that lies on the disk at its address.
        folder = str(executed.parents[1])
        files.append(File(f"notebooks/{stem}.ipynb", folder, config.site_dir, True))
        if wrong := notebooks.wrong_address(script, build.repo):
            build.complain(f"docs/notebooks/{stem}.py", wrong)
        install = f'"deep-learning-papers[notebooks] @ git+{build.repo}"'
        add(f"notebooks/{stem}/{stem}.ipynb", notebooks.for_readers(executed, install))
    for entry in mount.mounted():
        add(entry.address, entry.text, entry.path, entry.edit)
    for address, source in pages.build(build.inputs).items():
        add(address, source.text, edit=source.edit)
    for address, path in [*fonts.text().items(), *live.files(config.extra["live"]).items()]:
        add(address, path=path)
    return files


def _notebooks() -> dict[Path, Path]:
    """Script -> notebook with outputs."""
    found = list(mount.notebooks().values())
    if os.environ.get(SKIP_NOTEBOOKS):
        return notebooks.as_they_are(found)
    return notebooks.execute_all(found, build.complain)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Markers become HTML; links to files become links to pages."""
    address = page.file.src_uri
    if address.endswith(".ipynb"):  # mkdocs-jupyter renders the file itself
        script = address.replace(".ipynb", ".py")
        page.edit_url = f"{build.repo.rstrip('/')}/{config.edit_uri}{script}"
        return markdown
    if address.startswith(("notes/", "posts/entries/")):
        paper = build.papers.get(Path(address).stem) if address.startswith("notes/") else None
        markdown = render.introduced(markdown, paper, page.meta, build.repo)
    source = build.sources.get(address, ROOT / "docs" / address)
    markdown = links.for_site(markdown, source, address, build.pages_by_file, build.repo)
    return render.expand(markdown, render.Place(page.url, build.inputs, build.commit, build.repo))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Formulas in headings are marked; notebooks get the site's markup, their pictures become files."""
    for heading in page.toc:
        _mark_titles(heading)
    address = page.file.src_uri
    if not address.endswith(".ipynb"):
        return html
    texts = notebooks.alternatives(Path(page.file.abs_src_path))
    if "" in texts:
        build.complain(address, 'a picture has no alt text; open its cell with `# %% alt="..."`')
    html, found = notebooks.take_pictures(notebooks.slim(html), page.file.url.rstrip("/"), texts)
    build.pictures |= found
    page.meta["title"] = f"Notebook: {page.title}"
    page.meta["description"] = notebooks.description(html)
    stem = Path(address).stem
    html = notebooks.offer(html, f"notebooks/{stem}/{stem}.ipynb", build.repo)
    return tex.mark_dollars(html)


def _mark_titles(heading: AnchorLink) -> None:
    heading.title = tex.mark_title(heading.title)
    for below in heading.children:
        _mark_titles(below)


@event_priority(-100)  # after all plugins
def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Formulas, links that waited for their page, records of its numbers, social tags, repairs."""
    output = build.formulas.page(output, lambda what: build.complain(page.file.src_uri, what))
    output = links.settle(output, lambda target: get_relative_url(target or ".", page.url))
    output = render.with_slips(repairs.repaired(output), build.inputs)

    def seen(address: str) -> str:
        return get_relative_url(address, page.url)

    output, live_lines = live.mounted(output, config.extra["live"], seen)
    feed_at, style = seen("feed.xml"), seen("assets/katex/katex.min.css")
    lines = _social(page, config) + live_lines
    lines += [f'<link rel="alternate" type="application/atom+xml" title="Posts" href="{feed_at}">']
    lines += [f'<link rel="stylesheet" href="{style}">'] if 'class="katex"' in output else []
    return repairs.closed_up(repairs.into_head(output, lines))


def _social(page: Page, config: MkDocsConfig) -> list[str]:
    """Social tags, and the card that they show."""
    title = str(page.meta.get("title") or page.title or config.site_name)
    description = str(page.meta.get("description") or config.site_description)
    said = (page.file.src_uri, title, description, page.meta, page.content or "", build.inputs)
    path = f"assets/cards/{page.url.strip('./').replace('/', '-') or 'home'}.png"
    try:
        build.cards[path] = cards.drawing(cards.of_page(*said))
    except ValueError as error:
        build.complain(page.file.src_uri, str(error))
    card = f"{config.site_url}{path}"
    return repairs.social(title, description, page.canonical_url or "", card, config.site_name)


def on_post_template(output_content: str, template_name: str, config: MkDocsConfig) -> str:
    """The 404 page needs the same repairs as any other."""
    return repairs.repaired(output_content) if template_name == "404.html" else output_content


@event_priority(-100)
def on_post_build(config: MkDocsConfig) -> None:
    """Write what needs all pages; then check every link, and fail if anything was wrong."""
    site, address = Path(config.site_dir), config.site_url or ""
    build.formulas.close()
    try:
        finish.write_math(site, build.formulas.used)
    except fonts.MissingCharacter as error:
        build.complain("formulas", str(error))
    finish.write_pictures(site, build.pictures)
    finish.write_cards(site, build.cards)
    posts = [
        feed.Post(
            str(post.title),
            str(post.meta.get("description", "")),
            post.canonical_url,
            post.config.date.created.strftime("%Y-%m-%d"),
        )
        for post in config.plugins["material/blog"].blog.posts
    ]
    finish.write_feed(site, config.site_name, config.extra["name"], address, posts)
    finish.tidy(site)
    live.without_remarks(site)
    purge.purge(site)
    _bundles(site, address)
    build.problems += checks.broken_links(site, address)
    if build.problems and not serving:
        raise PluginError("the site has problems:\n" + "\n".join(build.problems))


def _bundles(site: Path, address: str) -> None:
    """What each post is copied to Medium from; a preview on this machine has no public address."""
    if not address.startswith("https:"):
        return
    try:
        medium.write_bundles(site, address)
    except medium.NoRule as error:
        build.complain("medium", str(error))
