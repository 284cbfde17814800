"""A bundle that is not the post is caught: every mutant, Medium at its worst, a built post that changed."""

import json
import re
import shutil
from pathlib import Path

import markdown
import pytest
from medium_cases import BODY, SITE, faults, formula, page, site, story_and_payload
from PIL import Image

from generators import prose
from generators.files import ROOT
from generators.papers import front_matter, papers, settings
from generators.site import gather, links, medium, mount, render, repairs, tex
from generators.site.medium import __main__ as command
from generators.site.medium import checks, kept, write_bundles
from generators.site.medium.parity import parity
from generators.site.medium.runs import NoRule
from generators.site.medium.where import line_of
from generators.site.medium.worst import DOUBTS, worst


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory) -> Path:
    """What is kept between builds, for these tests alone."""
    before, kept.CACHE = kept.CACHE, tmp_path_factory.mktemp("kept")
    yield kept.CACHE
    kept.CACHE = before


# --- Doubts that must be able to fail: each mutant of the good bundle is caught ------------------


MUTANTS = {
    "svg": (r"\.png", ".svg"),
    "data address": (r'src="[^"]*"', 'src="data:image/png;base64,AAAA"'),
    "relative picture": (r'src="https://[^"]*/img', 'src="img'),
    "no alternative text": (r'alt="[^"]*"', 'alt=""'),
    "empty code line": (r"\n \n", "\n\n"),
    "no code mode": (r' data-code-block-mode="2" data-code-block-lang="python"', ""),
    "changed code": (r"a \+ 1", "a + 2"),
    "lost code line": (r"    a = x\n", ""),
    "table": (r"<hr>", "<table><tr><td>x</td></tr></table>"),
    "sub": (r"_model", "<sub>model</sub>"),
    "changed digit": (r"98\.7 %</a>", "98.8 %</a>"),
    "lost number": (r"98\.7 %</a>", "</a>"),
    "lost link": (r"<a[^>]*translation[^>]*>(.*?)</a>", r"\1"),
    "relative link": (r'href="https://[^"]*parity"', 'href="../parity"'),
    "another link": (r"#parity", "#party"),
    "raw LaTeX": (r"A remark\.", r"A \\frac{1}{2}."),
    "raw dollars": (r"A remark\.", "A $x$."),
    "raw Markdown": (r"A remark\.", "A [remark](https://x.org)."),
    "marker": (r"A remark\.", "A remark.<!--/r-->"),
    "nested list": (r"<li>second</li>", "<li>second<ul><li>deep</li></ul></li>"),
    "lost word": (r"A remark\.", "A."),
    "new word": (r"A remark\.", "A nice remark."),
    "lost heading": (r"<h4>The code</h4>", "<p>The code</p>"),
    "two figures swapped": (r"img/0\.png(.*?)img/1\.png", r"img/1.png\1img/0.png"),
    "another caption": (
        r"<strong>The lines cross\.</strong> Mean of 3 seeds",
        "Mean of 3 seeds <strong>The lines cross.</strong>",
    ),
    "lost caption": (r"<figcaption>.*?</figcaption>", ""),
    "lost figure": (r"<figure>(?:(?!</figure>).)*Lines from.*?</figure>", ""),
    "another formula": (r'alt="\\operatorname\{softmax\}', r'alt="\\operatorname{softmin}'),
    "changed table": (r"Danish     7\.1", "Danish     1.7"),
    "second title": (r"<h3>", "<h1>"),
    "no subtitle": (r"<h4>A small.*?</h4>\n", ""),
    "styled": (r"<em>", '<em style="color:red">'),
    "loose text": (r"<hr>", "loose"),
    "inline picture": (r"A remark\.", 'A <img src="https://x.org/a.png" alt="y">.'),
    "script": (r"<hr>", "<script>1</script>"),
}


def test_the_good_bundle_has_no_fault():
    assert faults(BODY) == []


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name):
    story, html, files = story_and_payload()
    pattern, replacement = MUTANTS[name]
    mutant, changes = re.subn(pattern, replacement, html, count=1, flags=re.S)
    assert changes == 1
    assert mutant != html
    assert [*checks.lint(mutant), *parity(page(), mutant, story, files)]


LISTED = (
    "<h1>T</h1><div data-medium='list'><table><tr><th>who</th><th>right</th></tr>"
    "<tr><td>ours</td><td>12</td></tr><tr><td>theirs</td><td>34</td></tr></table></div>"
)


def test_two_cells_that_change_places_in_a_list_are_seen():
    _, html, _ = story_and_payload(LISTED)
    assert faults(LISTED) == []
    swapped = html.replace("12", "x").replace("34", "12").replace("x", "34")
    assert [fault for fault in faults(LISTED, swapped) if "cell of it changed" in fault]


# --- Medium at its worst -------------------------------------------------------------------------

# What parity alone does not mind, and only the worst Medium loses: in the pasted HTML, old and new.
FRAGILE = {
    "_unknown_tags_go": ("A remark.", "<svg><text>A remark.</text></svg>"),
    "_lists_break": ("</li><li>– below it</li>", "<ul><li>– below it</li></ul></li>"),
    "_pictures_go": ('src="https:', 'src="http:'),
    "_code_breaks": (' data-code-block-mode="2" data-code-block-lang="python"', ""),
    "_relative_links_go": (f'href="{SITE}', 'href="web+folio://'),
    "_limits_cut": ("Two lines that cross", "so " * 40),
}


def test_medium_at_its_worst_still_has_the_whole_post():
    story, html, files = story_and_payload()
    left = worst(html)
    assert left != html
    assert "<figcaption" not in left
    assert 'alt="' not in left
    assert "’" in worst("<p>It's</p>")
    assert parity(page(), left, story, files, bare_pictures=True) == []


@pytest.mark.parametrize("doubt", FRAGILE)
def test_each_doubt_about_medium_can_cost_something(doubt: str, monkeypatch):
    """With what is fragile in the bundle, it is this doubt that loses something, and parity says so."""
    old, new = FRAGILE[doubt]
    story, html, files = story_and_payload()
    fragile = html.replace(old, new, 1)
    assert fragile != html
    built = page()
    if doubt == "_limits_cut":
        built = built.replace(old, new)
    if doubt == "_relative_links_go":
        built = built.replace('href="../../results', 'href="web+folio://results', 1)

    def problems() -> list[str]:
        return parity(built, worst(fragile), story, files, bare_pictures=True)

    assert problems()
    others = tuple(each for each in DOUBTS if each.__name__ != doubt)
    assert len(others) == len(DOUBTS) - 1
    monkeypatch.setitem(worst.__globals__, "DOUBTS", others)
    assert problems() == []


def test_a_bundle_that_would_not_survive_is_refused(monkeypatch):
    monkeypatch.setattr(medium, "worst", lambda html: html.replace("A remark", "A mark"))
    assert faults(BODY)[0] == 'at Medium\'s worst the word "remark" is lost'


# --- A site whose post or bundle changes ---------------------------------------------------------


@pytest.fixture
def built(tmp_path) -> Path:
    """A built site with its bundle, in which one can do damage."""
    write_bundles(site(tmp_path), SITE)
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def first_picture(built: Path) -> Path:
    return min((built / "medium" / "crossing" / "img").iterdir())


def test_a_bundle_is_its_post(built):
    assert medium.check_bundles(built, SITE) == []


def test_a_digit_of_the_post_that_changes_later_is_seen(built):
    change(built / "posts" / "crossing" / "index.html", "98.7 %", "98.8 %")
    problems = medium.check_bundles(built, SITE)
    assert 'crossing: the number "98.8" is lost' in problems
    assert 'crossing: the number "98.7" is new' in problems


def test_a_figure_that_changes_later_is_seen(built):
    change(built / "results" / "transformer" / "alignment.svg", 'cx="200"', 'cx="210"')
    assert any("picture 2" in problem for problem in medium.check_bundles(built, SITE))


def blank(path: Path) -> None:
    Image.new("L", (1400, 300), 255).save(path, "PNG")


def narrow(path: Path) -> None:
    Image.open(path).resize((700, 300)).save(path, "PNG")


def swap(path: Path) -> None:
    other = max(path.parent.iterdir())
    first, second = path.read_bytes(), other.read_bytes()
    path.write_bytes(second)
    other.write_bytes(first)


DAMAGE = {
    "missing picture": (Path.unlink, "is not there"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:999]), "no readable picture"),
    "no PNG": (lambda path: Image.open(path).convert("RGB").save(path, "JPEG"), "JPEG instead"),
    "blank": (blank, "is blank"),
    "narrow": (narrow, "700 pixels wide"),
    "swapped": (swap, "shows something else"),
    "one more": (lambda path: shutil.copy(path, path.with_name("x.png")), "belongs to no picture"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_to_a_picture_file_is_seen(built, damage: str):
    do, said = DAMAGE[damage]
    do(first_picture(built))
    assert any(said in problem for problem in medium.check_bundles(built, SITE))


@pytest.mark.parametrize("file", ["index.html", "manifest.json"])
def test_a_bundle_changed_by_hand_is_seen(built, file: str):
    change(built / "medium" / "crossing" / file, "98.7", "98.6")
    assert medium.check_bundles(built, SITE)


def test_a_bundle_without_a_post_and_a_post_without_a_bundle_are_named(built):
    (built / "medium" / "crossing").rename(built / "medium" / "passing")
    assert medium.check_bundles(built, SITE) == [
        "passing: there is a bundle and no post",
        "crossing: there is a post and no bundle",
    ]
    write_bundles(built, SITE)  # what belongs to no post goes
    assert [folder.name for folder in (built / "medium").iterdir()] == ["crossing"]


# --- What is kept --------------------------------------------------------------------------------


def test_an_unchanged_post_is_not_made_again_and_a_changed_one_is(built, monkeypatch):
    again = write_bundles(built, SITE)[0]
    assert again.again
    assert "unchanged" in str(again)
    kept_file = kept.CACHE / "crossing.json"
    kept_file.write_text(kept_file.read_text(encoding="utf-8")[:-99], encoding="utf-8")
    assert not write_bundles(built, SITE)[0].again  # a damaged one is made again
    change(built / "results" / "transformer" / "alignment.svg", 'cx="200"', 'cx="210"')
    assert not write_bundles(built, SITE)[0].again
    change(built / "posts" / "crossing" / "index.html", "A remark.", "A word.")
    assert not write_bundles(built, SITE)[0].again
    assert not write_bundles(built, "https://elsewhere.org/")[0].again
    monkeypatch.setattr(kept.pictures, "DRAWN_BY", "another resvg")
    assert not write_bundles(built, "https://elsewhere.org/")[0].again


# --- The command ---------------------------------------------------------------------------------


@pytest.fixture
def run(built, monkeypatch, capsys):
    """The command on that site; its exit code and what it says."""
    (built / "index.html").write_text("<html></html>", encoding="utf-8")
    monkeypatch.setattr(command, "settings", lambda: {"site_url": SITE})

    def run(*arguments: str) -> tuple[int, str]:
        code = command.main([str(built), *arguments])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_the_command_reports_each_post(run):
    code, said = run()
    assert code == 0
    assert re.search(
        r"medium/crossing: 2 formulas proven, 0 refused, 2 pictures made; "
        r"compared: \d+ words, \d+ numbers, 5 links, 1 tables; .*\d\.\d\d s\n1 bundles",
        said,
    )


def test_the_command_checks_without_changing_anything(run, built):
    assert run("--check") == (0, "1 bundles are their posts, word for word\n")
    change(built / "posts" / "crossing" / "index.html", "7.1 %", "7.2 %")
    before = (built / "medium" / "crossing" / "index.html").read_bytes()
    code, said = run("--check")
    assert code == 1
    assert "the table" in said
    assert (built / "medium" / "crossing" / "index.html").read_bytes() == before
    assert run()[0] == 0
    assert run("--check")[0] == 0


def test_the_command_says_what_is_missing(run, built, monkeypatch):
    for given in ({"site_url": "http://x.org/"}, {}):
        monkeypatch.setattr(command, "settings", lambda given=given: given)
        assert "https" in run()[1]
    shutil.rmtree(built / "posts" / "crossing")
    assert "no posts" in run()[1]
    (built / "index.html").unlink()
    code, said = run()
    assert code == 1
    assert "there is no built site" in said
    assert "nox -s site" in said


# --- Where it is said ----------------------------------------------------------------------------

SOURCE = r"""---
title: T
description: A line
tags: [attention, more & more]
---

# Two lines that cross

A first paragraph with *many* words and <!--r:a.b.c:pct-->98.7 %<!--/r--> in it.

A second one holds $\sqrt[3]{x}$, and a
<mark>marked</mark> word.

<video src="a.mp4"></video>

![A line](../../results/a/b.svg)

$$
\nope{x}
$$

A third one with [a link](../x.md) ends like this.
"""


@pytest.mark.parametrize(
    ("near", "line"),
    [
        (("", "tags:"), 4),
        (("A first paragraph with many words and 98.7 % in it.",), 9),
        (("A second one holds , and a marked word.", r"\sqrt[3]{x}"), 11),
        (("A second one holds , and a marked word.", "<mark"), 12),
        (("A second one holds , and a marked word.", "<video"), 14),
        (("", "b.svg"), 16),
        (("", "\\nope{x}\n+ 1"), 19),
        (("A third one with a link ends like this.",), 22),
        (("Words of another post", "<audio"), 0),
        ((), 0),
    ],
)
def test_the_line_of_a_fault_is_found(near, line):
    assert line_of(SOURCE, near) == line


def test_every_fault_of_a_post_is_named_with_file_and_line(tmp_path):
    drawn = formula(r"\sqrt[3]{x}")
    body = (
        "<h1>Two lines that cross</h1>"
        f"<p>A second one holds {drawn}, and a <mark>marked</mark> word.</p>"
        '<video src="a.mp4"></video><p><img src="../../results/a/b.svg"></p>'
        "<blockquote><p>A third one with <a>a link</a> ends like this.</p></blockquote>"
    )
    site(tmp_path, body)
    change(
        tmp_path / "posts" / "crossing" / "index.html",
        'content="attention"',
        'content="more & more"',
    )
    (tmp_path / "crossing.md").write_text(SOURCE, encoding="utf-8")
    with pytest.raises(NoRule) as caught:
        write_bundles(tmp_path, SITE, sources=tmp_path)
    said = [str(fault) for fault in caught.value.each]
    assert [fault.partition(": ")[0] for fault in said] == [
        f"crossing.md:{line}" for line in (4, 11, 12, 14, 16, 22)
    ]
    assert 'write <span medium="your words">$\\sqrt[3]{x}$</span>' in said[1]
    assert not (tmp_path / "medium").exists()


def test_what_is_left_of_latex_in_the_text_is_named_with_its_line(tmp_path):
    site(tmp_path, r"<h1>Two lines that cross</h1><p>A third one costs \pounds 3.</p>")
    (tmp_path / "crossing.md").write_text(SOURCE + "\n\\pounds 3", encoding="utf-8")
    with pytest.raises(
        NoRule, match=r'crossing\.md:24: .*raw LaTeX is left in the text: "\\pounds"'
    ):
        write_bundles(tmp_path, SITE, sources=tmp_path)


def test_letters_that_not_every_font_has_are_reported(tmp_path):
    body = "<h1>T</h1><p>" + formula(r"\mathbb{E}[x]") + "</p>"
    report = write_bundles(site(tmp_path, body), SITE)[0]
    assert report.manifest["formulas"]["rare"] == ["𝔼"]
    assert "1 formulas proven, 0 refused; rare letters: 𝔼, 0 pictures" in str(report)


def test_a_formula_that_mathjax_refuses_is_named_with_its_line(tmp_path):
    site(tmp_path, "<h1>Two lines that cross</h1>" + formula(r"\nope{x}", display=True))
    (tmp_path / "crossing.md").write_text(SOURCE, encoding="utf-8")
    with pytest.raises(NoRule, match=r"crossing\.md:19: .*MathJax refuses"):
        write_bundles(tmp_path, SITE, sources=tmp_path)


# --- The template --------------------------------------------------------------------------------------

TEMPLATE = ROOT / "notes" / "posts" / "template.md"


def rendered(text: str, cache: Path) -> str:
    """The article of a post, by the steps of the site's own build."""
    url, inputs = "posts/crossing/", gather.gather()
    words = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.S)
    words = render.expand(words, render.Place(url, inputs, "9f2c86f", settings()["repo_url"]))
    ours = settings()["markdown_extensions"]
    names = [name for each in ours for name in (each if isinstance(each, dict) else [each])]
    options = {name: of for each in ours if isinstance(each, dict) for name, of in each.items()}
    html = markdown.markdown(words, extensions=names, extension_configs=options)
    formulas = tex.Renderer(cache)
    html = links.settle(formulas.page(html, pytest.fail), lambda target: f"../../{target}")
    formulas.close()
    return repairs.repaired(html)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """The bundle of the template, and its page."""
    folder, front = tmp_path_factory.mktemp("template"), front_matter(TEMPLATE)
    article = rendered(TEMPLATE.read_text(encoding="utf-8"), folder / "katex.json")
    text = page(article)
    text = re.sub(r'(name="description" content=")[^"]*', rf"\1{front['description']}", text)
    tags = "".join(f'<meta property="article:tag" content="{tag}">' for tag in front["tags"])
    text = text.replace('<meta property="article:tag" content="attention">', tags)
    site(folder)
    (folder / "posts" / "crossing" / "index.html").write_text(text, encoding="utf-8")
    figure = Path("results/transformer/alignment.svg")
    shutil.copy(ROOT / figure, folder / figure)
    report = write_bundles(folder, SITE)[0]
    data = (report.folder / "index.html").read_text(encoding="utf-8")
    copied = json.loads(re.search(r'id="bundle">(.*?)</script>', data, re.S)[1])
    return report, copied["clipboard"]["html"], folder


def test_a_post_that_follows_the_template_passes_first_time(template):
    report, _, folder = template
    assert medium.check_bundles(folder, SITE) == []
    assert report.manifest["compared"] == {
        **report.manifest["compared"],
        "pictures": 2,
        "tables": 2,
        "code": 2,
    }
    assert report.manifest["formulas"]["proven"] == 2
    assert report.manifest["formulas"]["refused"] == [r"\sqrt[3]{x}"]
    assert len(report.manifest["left_out"]) == 1


@pytest.mark.parametrize(
    "shown",
    [
        "key          becomes",
        "<em>d</em>ₖ = <em>d</em>_model/<em>h</em>",
        "the cube root of x",
        "<li><strong>model</strong>: counting; <strong>what it reads</strong>: words",
        "<li>– An inner entry",
        'data-code-block-lang="python">def attention(',
        "<blockquote><strong>Predict, then unfold",
        "Left out here; see the original: <a href=",
        "<h4>Notes</h4>",
        "3×10⁻⁷",
    ],
)
def test_the_template_shows_each_rule_at_work(template, shown: str):
    assert shown in template[1].replace("<em>dₖ</em>", "<em>d</em>ₖ")


def test_the_template_is_checked_but_not_published():
    published = {entry.path for entry in mount.mounted()}
    assert TEMPLATE not in published
    assert TEMPLATE.with_name("gpt1.md") in published
    assert TEMPLATE in prose.pages()  # its numbers and code are those of the records and the source
    of_papers = [post for paper in papers() for post in gather.posts(ROOT, paper.stem)]
    assert not any("template" in address for _, address in of_papers)
