"""A post as the site builds it, for the tests of its bundle."""

import functools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from generators.files import ROOT
from generators.site import medium
from generators.site.medium import blocks, runs
from generators.site.medium.emit import payload

SITE = "https://example.github.io/folio/"


def formula(latex: str, display: bool = False) -> str:
    """What KaTeX leaves of a formula, as far as a bundle reads it."""
    source = latex.replace("&", "&amp;").replace("<", "&lt;")
    math = (
        '<span class="katex"><span class="katex-mathml"><math><semantics><mrow><mi>drawn</mi></mrow>'
        f'<annotation encoding="application/x-tex">{source}</annotation></semantics></math></span>'
        '<span class="katex-html" aria-hidden="true">drawn<svg><path d="M0 0"/></svg></span></span>'
    )
    return f'<div class="math"><span class="katex-display">{math}</span></div>' if display else math


FIGURE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 250" width="400" height="250">
<style>:root{--ink:#16181c;--c1:#2f45b8}@media (prefers-color-scheme: dark){:root{--ink:#eee}}</style>
<path d="M40 20V210H380" fill="none" stroke="var(--ink)"/><circle cx="200" cy="90" r="9" fill="var(--c1)"/>
</svg>"""

LATEX = {
    "WIDTH": formula(r"d_k = d_{\text{model}} / 8"),
    "SCALE": formula(r"\frac{1}{\sqrt{d_k}}"),
    "ATTENTION": formula(
        r"\operatorname{softmax}\left(\frac{QK^\top}{\sqrt{d_k}}\right) V", display=True
    ),
}
BODY = """
<a href="https://github.com/x/y/edit/main/a.md" class="md-content__button md-icon">edit</a>
<p class="label"><time datetime="2026-11-20">20 November 2026</time> · 4 minutes</p>
<h1 id="t">Two lines that cross</h1>
<p>A translator of <em>numbers</em> is right in
<a class="m" href="../../results/transformer/#translation" data-r="transformer.translation.accuracy">98.7 %</a>
of cases, with WIDTH and a weight of SCALE.
The worst error is <a class="m" href="../../results/transformer/#parity" data-r="x">3×10<sup>−7</sup></a>.</p>
<!-- more -->
<h2 id="how">How it looks<a class="headerlink" href="#how">#</a></h2>
ATTENTION
<figure><img src="../../results/transformer/alignment.svg"
alt="Lines from German to English words" width="400" height="250">
<figcaption><p><strong>The lines cross.</strong> Mean of 3 seeds; see <a href="#how">above</a>.</p>
<p class="get"><a href="../../results/transformer/alignment.png">PNG</a></p></figcaption></figure>
<h3 id="code">The code</h3>
<div class="language-python highlight"><pre><span></span><code><span class="k">def</span> f(x):
    a = x

    return a + 1
</code></pre></div>
<ul><!-- a list --><li><!-- first -->first with <code>inline</code><ul><li>below it</li></ul></li>
<li><p>second</p></li></ul>
<ol><li>one</li><li>two<div class="highlight"><pre><span></span><code>out 1
</code></pre></div></li><li>three</li></ol>
<blockquote><p>A remark.</p></blockquote>
<details class="predict"><summary>How many?</summary><p>About 99 of 100.</p></details>
<table><thead><tr><th>language</th><th>right</th></tr></thead><tbody>
<tr><td>German</td><td><a class="m" href="../../results/transformer/#translation" data-r="y">98.7 %</a></td></tr>
<tr><td>Danish</td><td>7.1 %</td></tr></tbody></table>
<p>A note.<sup id="fnref:1"><a class="footnote-ref" href="#fn:1">1</a></sup></p><hr>
<div class="footnote"><hr><ol><li id="fn:1">
<p>Small print.&#160;<a class="footnote-backref" href="#fnref:1">↩</a></p></li></ol></div>
<p class="discuss"><a href="https://x.org">Discuss</a></p>
<nav class="md-tags"><a class="md-tag" href="../../tags/">attention</a></nav>
"""
for name, drawn in LATEX.items():
    BODY = BODY.replace(name, drawn)


@functools.cache
def footer() -> str:
    """The site's own, for a bundle takes its commit from there."""
    env = Environment(loader=FileSystemLoader(ROOT / "docs" / "overrides"))
    env.filters["url"] = lambda address: f"../../{address}"
    config = {"extra": {"name": "N", "commit": "9f2c86f"}, "repo_url": "https://github.com/x/y/"}
    return env.get_template("partials/footer.html").render(config=config, page=None)


def page(body: str = BODY) -> str:
    """A built post."""
    return (
        '<!doctype html><html lang="en"><head><title>T</title><meta name="description" '
        'content="A small Transformer, and 2 of its words.">'
        '<meta property="article:tag" content="attention"></head>'
        f'<body><nav>Menu 7</nav><article class="md-content__inner">{body}</article>'
        f"{footer()}</body></html>"
    )


def site(folder: Path, body: str = BODY) -> Path:
    """A built site with one post and one figure."""
    for name, text in (
        ("posts/crossing/index.html", page(body)),
        ("posts/index.html", "<html></html>"),
        ("results/transformer/alignment.svg", FIGURE),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@functools.cache
def story_and_payload(body: str = BODY) -> tuple[runs.Story, str, dict[tuple[str, str], str]]:
    """A post read and written again, and the file of each of its pictures."""
    story = blocks.read_post(page(body), "crossing", SITE + "posts/crossing/")
    sources = [block.source for block in story.blocks if block.kind == "picture"]
    files = {source: f"{number}.png" for number, source in enumerate(sources)}
    base = f"{SITE}medium/crossing/img/"
    return story, payload(story, {source: base + name for source, name in files.items()}), files


def faults(body: str, html: str | None = None) -> list[str]:
    """What is wrong with the story of a post, or with another HTML in its place."""
    story, good, files = story_and_payload(body)
    return medium.doubts(page(body), html or good, story, files)
