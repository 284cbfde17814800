"""What the site says of itself to machines: the feed, dates, JSON-LD, the series of posts, and plain text."""

import html
import json
import os
import re
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import feedparser
import feeds
import pytest
from bs4 import BeautifulSoup
from jinja2 import Environment, FileSystemLoader

from generators.files import ROOT
from generators.site import bib, checks, dates, feed, plain, portable, series, structured
from generators.site.structured import Article, Site

SITE = Site("Papers & more", "https://e.org/x/", "en", "Ada <L.>", ["https://github.com/ada"])
PAPER = {"title": "P", "people": "Ada L.; Bo M.", "year": "2017", "url": "https://p.org/1"}
POST = Article(
    title='A & B </script> "quoted"',
    description="What <it> is",
    address="https://e.org/x/posts/a/",
    image="https://e.org/x/a.png",
    published=date(2026, 1, 2),
    changed=datetime(2026, 1, 3, 4, 5, 6, tzinfo=UTC),
    topics=["one", "two & three"],
    above=[("Posts", "https://e.org/x/posts/")],
    paper=PAPER,
)
FORMULA = (
    '<span class="katex"><span class="katex-mathml"><math><semantics><mi>x</mi>'
    '<annotation encoding="application/x-tex">{}</annotation></semantics></math></span>'
    '<span class="katex-html" aria-hidden="true"><svg></svg></span></span>'
)
PAGE = f"""<html><body><article><p class="label">2 January · 3 minutes</p>
<h1 id="a">A &amp; B<a class="headerlink" href="#a">#</a></h1>
<p>Of <a class="m" href="../../results/p/#r" data-r="p.r" style="color:red">99 %</a> &lt; all,
{FORMULA.format("a &lt; b")}.</p>
<!-- more --><h2 id="b">B<a class="headerlink" href="#b">#</a></h2>
<div class="math"><span class="katex-display">{FORMULA.format("c = d")}</span></div>
<figure class="fig"><img src="../../results/p/r.svg" alt="Two lines" width="4" height="3" loading="lazy">
<figcaption><p>They cross. See <a href="#b">above</a>.</p></figcaption>
<p class="get"><a href="r.svg">SVG</a></p></figure>
<toy-player id="player" class="live" parts="a.js" weights="b"><figure><img src="l.svg" alt="L"></figure></toy-player>
<details class="predict"><summary>How many?</summary><p>Nine.</p></details>
<div class="highlight"><pre><span></span><code><span class="k">a</span> = 1</code></pre></div>
<script>alert(1)</script>
<p class="discuss"><a href="https://f.org">Discuss</a></p><p class="share">Share: <a href="mailto:">mail</a></p>
<nav class="series"><a href="../b/">B</a></nav></article></body></html>"""


def whole_text() -> str:
    """The page above as it stands in the feed."""
    return portable.full_text(PAGE, POST.address, lambda address: address.endswith(".png"))


def a_feed() -> str:
    """A feed of two posts."""
    other = Article(**{**vars(POST), "address": "https://e.org/x/posts/b/", "title": "B"})
    items = [feed.Item(POST, whole_text()), feed.Item(other, "<p>B</p>")]
    return feed.rss(SITE, "About & so on", items)


# The feed


def test_the_feed_is_valid_and_a_reader_gets_every_word() -> None:
    text = a_feed()
    assert feeds.problems(text.encode()) == []
    read = feedparser.parse(text.encode())
    first = read.entries[0]
    assert (first.title, first.author, first.id) == (POST.title, SITE.author, POST.address)
    assert [tag.term for tag in first.tags] == POST.topics
    assert (first.published, read.feed.updated) == (
        "Fri, 02 Jan 2026 00:00:00 GMT",
        "Sat, 03 Jan 2026 04:05:06 GMT",
    )
    words = BeautifulSoup(first.content[0].value, "html5lib").get_text()
    for part in ("99 % < all,\na < b.", "c = d", "They cross.", "How many?", "Nine.", "a = 1"):
        assert part in words
    for part in ("minutes", "Discuss", "Share", "SVG", "alert", "#"):
        assert part not in words


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Fri, 02 Jan 2026 00:00:00 GMT", "2026-01-02", "pubDate|2026-01-02"),
        ("Fri, 02 Jan", "Mon, 02 Jan", "another day"),
        ("Fri, 02 Jan 2026", "Fri, 32 Jan 2026", "Jan 2026"),
        ("A &amp; B", "A & B", "no XML"),
        ("<link>https://e.org/x/posts/a/", "<link>../posts/a/", "link|item"),
        ("href=\"https://e.org/x/results/p/#r\"", 'href="../../results/p/#r"', "no whole address"),
        ("<guid>https://e.org/x/posts/b/", "<guid>https://e.org/x/posts/a/", "one guid"),
        ("<dc:creator>Ada &lt;L.&gt;</dc:creator>\n", "", "item|creator"),
        ("<category>one</category>\n<category>two &amp; three</category>\n", "", "item|category"),
        ("<language>en</language>\n", "", "language|channel"),
        ("&lt;p&gt;B&lt;/p&gt;", "&lt;script&gt;1&lt;/script&gt;", "<script>"),
        ("r.png", "r.svg", "SVG"),
        ('version="2.0"', 'version="3.0"', "version|rss"),
        (' xmlns:dc="http://purl.org/dc/elements/1.1/"', "", "no XML"),
    ],
)  # fmt: skip
def test_each_flaw_of_a_feed_is_found(old: str, new: str, words: str) -> None:
    text = a_feed()
    assert old in text
    assert re.search(words, "\n".join(feeds.problems(text.replace(old, new).encode())))


def test_the_feed_changes_only_with_its_posts() -> None:
    assert a_feed() == a_feed()
    assert "lastBuildDate" not in feed.rss(SITE, "About", [])
    older = Article(**{**vars(POST), "published": date(2025, 1, 1), "address": "https://e.org/o/"})
    text = feed.rss(SITE, "About", [feed.Item(older, "<p>o</p>"), feed.Item(POST, "<p>p</p>")])
    assert text.index(POST.address) < text.index(older.address)


def test_a_text_leaves_its_page_with_whole_addresses_and_still_pictures() -> None:
    text = whole_text()
    assert (
        '<img alt="Two lines" height="3" src="https://e.org/x/results/p/r.png" width="4"/>' in text
    )
    assert 'src="https://e.org/x/posts/a/l.png"' in text
    assert "a/l.svg" in portable.full_text(PAGE, POST.address, lambda address: False)
    assert '<a href="https://e.org/x/posts/a/#player">' in text
    assert '<a href="https://e.org/x/posts/a/#b">above</a>' in text
    assert "<p><strong>How many?</strong></p>" in text
    assert "<code>a &lt; b</code>" in text
    assert "<p><code>c = d</code></p>" in text
    assert "<pre><code>a = 1</code></pre>" in text
    assert not re.search("class=|style=|data-|<span|<!--|toy-player", text)


# JSON-LD and Open Graph


def test_an_article_says_what_it_is_and_which_paper_it_cites() -> None:
    element = structured.json_ld(POST, SITE)
    said = re.fullmatch(r'<script type="application/ld\+json">(.*)</script>', element)[1]
    assert "<" not in said
    article, path = json.loads(said)["@graph"]
    assert article["@type"] == "TechArticle"
    assert article["headline"] == POST.title
    assert article["author"] == {"@type": "Person", "name": "Ada <L.>", "sameAs": SITE.profiles}
    assert (article["datePublished"], article["dateModified"]) == ("2026-01-02", "2026-01-03")
    assert [author["name"] for author in article["citation"]["author"]] == ["Ada L.", "Bo M."]
    assert [step["position"] for step in path["itemListElement"]] == [1, 2, 3]
    assert path["itemListElement"][-1]["item"] == POST.address
    without = structured.json_ld(Article(**{**vars(POST), "paper": None}), SITE)
    assert "citation" not in without


def test_an_articles_tags_are_escaped_and_other_pages_are_none() -> None:
    lines = "\n".join(structured.open_graph(POST))
    assert '<meta property="article:tag" content="two &amp; three">' in lines
    assert 'content="2026-01-03T04:05:06+00:00"' in lines
    assert structured.open_graph(None) == ['<meta property="og:type" content="website">']


def test_nothing_changes_before_it_is_published() -> None:
    day, early = date(2026, 2, 1), datetime(2026, 1, 1, tzinfo=UTC)
    assert structured.changed(day, early) == datetime(2026, 2, 1, tzinfo=UTC)
    assert structured.changed(day, None) == datetime(2026, 2, 1, tzinfo=UTC)
    assert structured.changed(day, datetime(2026, 3, 1, 9, tzinfo=UTC)).hour == 9


def test_authors_have_their_whole_names() -> None:
    entries = bib.read(ROOT / "notes" / "references.bib")
    assert entries["transformer"]["people"].startswith("Ashish Vaswani; Noam Shazeer")
    assert "Łukasz Kaiser" in entries["transformer"]["people"]
    assert entries["layernorm"]["people"].split("; ")[-1] == "Geoffrey E. Hinton"


# Dates


def test_dates_are_those_of_the_last_commit_and_none_where_git_cannot_know(tmp_path: Path) -> None:
    full, shallow = tmp_path / "full", tmp_path / "shallow"

    def git(*arguments: str, day: int = 1) -> None:
        moment = f"2026-01-0{day}T12:00:00+00:00"
        of = {"NAME": "a", "EMAIL": "a@e.org", "DATE": moment}
        given = {f"GIT_{who}_{what}": of[what] for who in ("AUTHOR", "COMMITTER") for what in of}
        command = ["git", *arguments]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, **given})

    (full / "notes").mkdir(parents=True)
    git("init", "--quiet", str(full))
    for day, name in enumerate(("a é.md", "b.md"), 1):
        (full / "notes" / name).write_text("x")
        git("-C", str(full), "add", ".", day=day)
        git("-C", str(full), "commit", "--quiet", "-m", name, day=day)
    git("clone", "--quiet", "--depth", "1", f"file://{full}", str(shallow))
    known = dates.history(full)
    assert known.last(["notes/a é.md"]) == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert known.last(["notes"]) == datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert known.last(["note", "notes/c.md"]) is None
    assert dates.history(full / "notes").last(["b.md"]) == datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert dates.history(shallow) == dates.History()
    assert dates.history(tmp_path) == dates.History()


def test_a_page_is_as_old_as_what_it_is_made_from() -> None:
    for address, words, also in (
        ("notes/p.md", "notes/p.md", []),
        ("papers/p.md", "notes/p.md", ["results/p"]),
        ("claims.md", "docs/claims.md", ["results"]),
        ("learned.md", "docs/learned.md", ["results"]),
        ("figures.md", "docs/figures.md", ["results"]),
        ("posts/index.md", "docs/posts/index.md", ["notes/posts"]),
        ("exercises/p.md", "exercises/p.py", ["exercises/answers/p.py"]),
    ):
        assert dates.made_from(address, words) == [words, *also]
    assert dates.made_from("notebooks/p.ipynb", "docs/notebooks/p.ipynb") == ["docs/notebooks/p.py"]


# The series


def a_post(name: str, day: int, **meta: str) -> SimpleNamespace:
    """A post as the blog knows it, as far as its place goes."""
    when = SimpleNamespace(date=SimpleNamespace(created=datetime(2026, 1, day)))
    place = SimpleNamespace(src_uri=f"posts/entries/{name}.md")
    return SimpleNamespace(meta=meta, config=when, file=place)


def test_posts_come_in_the_order_of_the_papers() -> None:
    late, early, other = a_post("one", 9), a_post("again", 2, paper="one"), a_post("two", 1)
    alone = a_post("stray", 1)
    ordered = series.in_order([alone, other, late, early], ["one", "two"])
    assert ordered == [early, late, other, alone]
    assert list(series.neighbours(ordered))[1] == (early, late, other)
    assert list(series.neighbours(ordered[:1])) == [(None, early, None)]


def test_the_end_of_a_post_writes_every_title_as_text() -> None:
    posts = [
        SimpleNamespace(
            title=title,
            url=f"posts/{place}/",
            meta={"about": "R&D", "part": place},
            canonical_url="",
        )
        for place, title in enumerate(("A & B < C", "A &amp; B &lt; C"), 1)  # front matter, heading
    ]
    env = Environment(loader=FileSystemLoader(ROOT / "docs" / "overrides"))
    env.filters["url"] = str
    env.globals |= {"series": posts, "shares": series.shares}
    for post in posts:
        text = env.get_template("partials/post-end.html").render(page=post)
        assert text.count(">A &amp; B &lt; C<") == 2
        assert text.count("A%20%26%20B%20%3C%20C") == 4
        assert text.count("R&amp;D") == 2


def test_minutes_count_words_at_the_speed_that_is_said() -> None:
    page = "<p>" + "don't <em>stop</em> " * series.SPEED + "</p><pre>a b c</pre><!-- d -->"
    assert series.words(page) == 2 * series.SPEED
    assert series.minutes(page) == 2
    assert series.minutes("") == 1
    index = (ROOT / "docs" / "posts" / "index.md").read_text(encoding="utf-8")
    assert f"{series.SPEED} words a minute" in index


def test_shares_are_plain_links_with_everything_quoted() -> None:
    found = series.shares("A & B?", POST.address)
    assert len(found) == 5
    for target in found.values():
        assert re.match(r"(https://|mailto:)\S+$", target)
        assert "A%20%26%20B%3F" in target or "linkedin" in target
        assert "https%3A%2F%2Fe.org%2Fx%2Fposts%2Fa%2F" in target


# Plain text


def test_markdown_keeps_its_numbers_and_loses_its_markers() -> None:
    source = (
        "---\ntitle: T\n---\n\n# T\n\nIt is <!--r:p.q.r:pct-->99 %<!--/r--> [so](papers/p.md#c), [here](#x).\n\n"
        "<!-- more -->\n\n"
        "<!--f:p.q-->\n\n![Lines](results/p/q.svg)\n\n**They cross.**\n\n<!--/f-->\n\n"
        '<details class="predict" markdown>\n<summary>How many?</summary>\n\nNine.\n\n</details>\n\n'
        '| a |\n| --- |\n| 1 |\n{: medium="list"}\n\n'
        "```html\n<!-- kept --> [kept](kept.md)\n{: .kept }\n```\n"
    )
    text = plain.markdown(POST, source, SITE.author, lambda link: f"https://e.org/x/{link}")
    assert text.startswith(f"# T\n\n> {POST.description}\n\nBy {SITE.author}, 2 January 2026.")
    assert (
        "It is 99 % [so](https://e.org/x/papers/p.md#c), [here](https://e.org/x/posts/a/#x)."
        in text
    )
    assert (
        "![Lines](https://e.org/x/results/p/q.svg)\n\n**They cross.**\n\n**How many?**\n\nNine.\n"
        in text
    )
    assert "| 1 |\n\n```html\n<!-- kept --> [kept](kept.md)\n{: .kept }\n```" in text
    assert "more" not in text
    assert "details" not in text


def test_llms_txt_has_the_shape_that_its_readers_expect() -> None:
    entries = [plain.Entry("T", "https://e.org/x/a/index.md", "What it is.")]
    text = plain.llms("Papers", "In short.", {"Notes": entries})
    assert re.fullmatch(r"# Papers\n\n> In short\.\n\n[^#\n]+\n\n## Notes\n\n(- .+\n)+", text)
    assert "- [T](https://e.org/x/a/index.md): What it is.\n" in text
    bare = Article(**{**vars(POST), "description": ""})
    assert plain.markdown(bare, "# T\n\nA.", "N", str).startswith("# T\n\nBy N, 2 January 2026.")
    assert "(a)\n" in plain.llms("P", "S.", {"Notes": [plain.Entry("T", "a", "")]})


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("a.md", "[a](https://e.org/x/nowhere/)", "leads nowhere"),
        ("a.md", "[a](b.md)", "no whole address"),
        ("a.md", "<https://e.org/x/#z>", "no #z"),
        ("llms.txt", "- [a](https://e.org/x/c.md): d", "leads nowhere"),
        ("feed.xml", html.escape('<a href="https://e.org/x/nowhere/">'), "leads nowhere"),
        ("feed.xml", html.escape('<img src="a.png">'), "no whole address"),
        ("feed.xml", "<link>https://e.org/x/b/</link>", "leads nowhere"),
        ("feed.xml", html.escape('<pre>&lt;a href="b.html"&gt;</pre>'), ""),
        ("a.md", "`[a](b.md)` [b](https://e.org/x/#a) <https://other.org/x>", ""),
    ],
)
def test_broken_links_of_plain_texts_are_found(
    tmp_path: Path, file: str, text: str, words: str
) -> None:
    (tmp_path / "index.html").write_text('<h1 id="a">A</h1>')
    (tmp_path / file).write_text(text)
    found = "\n".join(checks.broken_links(tmp_path, "https://e.org/x/"))
    assert words in found
    assert bool(words) == bool(found)
