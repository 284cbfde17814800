"""What MkDocs calls while it builds. Each hook is a few lines over plain functions of the modules beside this file.

Problems are collected, so that one build names them all; the last hook fails when there are any.
"""

import html
import logging
import os
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from jinja2 import Environment
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.structure.toc import AnchorLink
from mkdocs.utils import get_relative_url

from generators import prose
from generators.files import ROOT
from generators.papers import front_matter
from generators.site import (
    cards,
    checks,
    dates,
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
    plain,
    portable,
    purge,
    render,
    repairs,
    series,
    structured,
    tex,
)

log = logging.getLogger("mkdocs.hooks.site")
OVERVIEWS = (  # what llms.txt lists after the notes and posts
    "papers/index.md",
    "claims.md",
    "learned.md",
    "evidence.md",
    "figures.md",
    "guides/index.md",
)
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
        self.commit = dates.git("rev-parse", "--short=7", "HEAD")
        self.history = dates.history()
        self.site = structured.Site(
            config.site_name,
            config.site_url or "",
            config.theme["language"],
            config.extra["name"],
            [target for name, target in pages.contacts(config.extra) if name != "Email"],
        )
        self.articles: dict[str, structured.Article] = {}  # notes and posts by address below docs/
        self.urls: dict[str, str] = {}  # address below docs/ -> address on the site
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


def on_startup(command: str, dirty: bool) -> None:
    """Pages carry the time of the last commit, not of the build: same source, same bytes."""
    global serving
    serving = command == "serve"
    # `--quiet` would also hide warnings from --strict, which counts what the log lets through.
    logging.getLogger("mkdocs").setLevel(min(logging.getLogger("mkdocs").level, logging.WARNING))
    os.environ.setdefault(
        "SOURCE_DATE_EPOCH", dates.git("log", "-1", "--format=%ct") or "1767225600"
    )


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
    page.meta["changed"] = _last_change(address)  # for the sitemap
    if address.endswith(".ipynb"):  # mkdocs-jupyter renders the file itself
        script = address.replace(".ipynb", ".py")
        page.edit_url = f"{build.repo.rstrip('/')}/{config.edit_uri}{script}"
        return markdown
    if address.startswith(("notes/", "posts/entries/")):
        paper = build.papers.get(Path(address).stem) if address.startswith("notes/") else None
        markdown = render.introduced(markdown, paper, page.meta, build.repo)
        if address.startswith("posts/") and not page.meta.get("description"):
            build.complain(address, "a post needs a description; on Medium it is the subtitle")
    source = build.sources.get(address, ROOT / "docs" / address)
    markdown = links.for_site(markdown, source, address, build.pages_by_file, build.repo)
    return render.expand(markdown, render.Place(page.url, build.inputs, build.commit, build.repo))


def _last_change(address: str) -> str:
    """The day on which what a page is made from was last committed; empty where git does not know."""
    words = build.sources.get(address, ROOT / "docs" / address).relative_to(ROOT).as_posix()
    last = build.history.last(dates.made_from(address, words))
    return f"{last:%Y-%m-%d}" if last else ""


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


def on_env(env: Environment, config: MkDocsConfig, files: Files) -> Environment:
    """Posts are a series in the order of their papers; each says its part and how long it takes."""
    build.urls = {file.src_uri: "" if file.url == "./" else file.url for file in files}
    posts = _posts(config)
    for part, (before, post, after) in enumerate(series.neighbours(posts), 1):
        post.previous_page, post.next_page = before, after
        paper = build.papers.get(series.stem_of(post))
        post.meta |= {"part": part, "about": paper.name if paper else "Across papers"}
        post.config.readtime = series.minutes(post.content)
    env.globals |= {"series": posts, "shares": series.shares}
    return env


def _posts(config: MkDocsConfig) -> list[Any]:
    return series.in_order(config.plugins["material/blog"].blog.posts, list(build.papers))


@event_priority(-100)  # after all plugins
def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Formulas, links that waited for their page, records of its numbers, social tags, repairs."""
    output = build.formulas.page(output, lambda what: build.complain(page.file.src_uri, what))
    output = links.settle(output, lambda target: get_relative_url(target or ".", page.url))
    output = render.with_slips(repairs.repaired(output), build.inputs)

    def seen(address: str) -> str:
        return get_relative_url(address, page.url)

    output, live_lines = live.mounted(output, config.extra["live"], seen)
    feed_at, style = seen(feed.AT), seen("assets/katex/katex.min.css")
    lines = _social(page, config)
    if article := _article(page, config, repairs.content_of("og:image", lines)):
        build.articles[page.file.src_uri] = article
        lines += [structured.json_ld(article, build.site)]
    lines += structured.open_graph(article) + live_lines
    lines += [f'<link rel="alternate" type="application/rss+xml" title="Posts" href="{feed_at}">']
    lines += [f'<link rel="stylesheet" href="{style}">'] if 'class="katex"' in output else []
    return repairs.closed_up(repairs.into_head(output, lines))


def _social(page: Page, config: MkDocsConfig) -> list[str]:
    """Social tags, and the card that they show."""
    title = str(page.meta.get("title") or page.title or config.site_name)
    description = str(page.meta.get("description") or config.site_description)
    said = (page.file.src_uri, title, description, page.meta, page.content or "", build.inputs)
    path = cards.path(page.url)
    try:
        build.cards[path] = cards.drawing(cards.of_page(*said))
    except ValueError as error:
        build.complain(page.file.src_uri, str(error))
    card = build.site.address + quote(path)
    return repairs.social(title, description, page.canonical_url or "", card, config.site_name)


def _article(page: Page, config: MkDocsConfig, card: str) -> structured.Article | None:
    """What a note or post is, for machines; None for other pages, and for a note without a date."""
    address, stem = page.file.src_uri, series.stem_of(page)
    post, base = address.startswith("posts/entries/"), build.site.address
    said = page.config.date.created if post else page.meta.get("date")
    if not (post or address.startswith("notes/")) or not isinstance(said, date):
        return None
    published = said.date() if isinstance(said, datetime) else said
    above = [("Posts", f"{base}posts/")] if post else [("Papers", f"{base}papers/")]
    if not post and f"papers/{stem}.md" in build.urls:
        above.append((build.papers[stem].name, f"{base}papers/{stem}/"))
    return structured.Article(
        html.unescape(str(page.meta.get("title") or page.title)),
        str(page.meta.get("description") or ""),
        page.canonical_url or "",
        card,
        published,
        structured.changed(
            published, build.history.last([build.sources[address].relative_to(ROOT).as_posix()])
        ),
        list(page.meta.get("tags") or ()),
        above,
        build.inputs.bibliography.get(stem),
    )


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
    finish.write_texts(site, {**_texts(config), "robots.txt": feed.robots(address)})
    try:
        finish.write_texts(site, {feed.AT: _feed(site, config)})
    except medium.NoRule as error:
        build.complain(feed.AT, str(error))
    finish.tidy(site)
    live.without_remarks(site)
    purge.purge(site)
    _bundles(site, address)
    build.problems += checks.broken_links(site, address)
    if build.problems and not serving:
        raise PluginError("the site has problems:\n" + "\n".join(build.problems))


def _texts(config: MkDocsConfig) -> dict[str, str]:
    """Notes and posts as Markdown beside their pages, and the list of both: path in the site -> text."""
    base, found = build.site.address, {}

    def whole(link: str) -> str:
        path, sign, anchor = link.partition("#")
        shown = build.urls.get(path, path)
        return f"{base}{shown.removesuffix('.svg')}{'.png' * shown.endswith('.svg')}{sign}{anchor}"

    listed: dict[str, list[plain.Entry]] = {"Notes": [], "Posts": [], "Optional": []}
    notes = [f"notes/{stem}.md" for stem in build.papers]
    for address in [*notes, *(post.file.src_uri for post in _posts(config))]:
        if article := build.articles.get(address):
            source = build.sources[address]
            words = source.read_text(encoding="utf-8")
            words = links.for_site(words, source, "", build.pages_by_file, build.repo)
            path = f"{build.urls[address]}index.md"
            found[unquote(path)] = plain.markdown(article, words, build.site.author, whole)
            kind = "Posts" if address.startswith("posts/") else "Notes"
            listed[kind].append(plain.Entry(article.title, base + path, article.description))
    for address in OVERVIEWS:
        front = front_matter(ROOT / "docs" / address)
        listed["Optional"].append(
            plain.Entry(front["title"], base + build.urls[address], front["description"])
        )
    found["llms.txt"] = plain.llms(config.site_name, config.site_description, listed)
    return found


def _feed(site: Path, config: MkDocsConfig) -> str:
    """The posts with their full text, from their finished pages."""
    base, items = build.site.address, []

    def there(address: str) -> bool:
        return address.startswith(base) and (site / unquote(address.removeprefix(base))).is_file()

    for post in sorted(_posts(config), key=lambda post: post.config.date.created, reverse=True):
        if article := build.articles.get(post.file.src_uri):
            page = (site / post.file.dest_uri).read_text(encoding="utf-8")
            items.append(feed.Item(article, portable.full_text(page, article.address, there)))
    return feed.rss(build.site, config.site_description, items)


def _bundles(site: Path, address: str) -> None:
    """What each post is copied to Medium from; a preview on this machine has no public address."""
    if not address.startswith("https:"):
        return
    try:
        for report in medium.write_bundles(site, address):
            log.info("%s", report)
    except medium.NoRule as error:
        for fault in error.each:
            build.complain("medium", str(fault))
