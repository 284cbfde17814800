"""The built site: whole, its own, the same twice; and every kind of mistake stops the build, named."""

import filecmp
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import published
import pytest
import yaml
from PIL import Image

from generators.experiment import experiments
from generators.files import ROOT
from generators.papers import papers, settings
from generators.record import records
from generators.site import checks, exercises, links, medium, mount, notebooks, repairs, tex

ROOMS = ("docs", "exercises", "generators", "implementations", "notes", "results")
FILES = ("README.md", "mkdocs.yml", "requirements.txt")


@dataclass
class Built:
    """What a build left behind."""

    site: Path
    code: int
    said: str


def start(project: Path, site: Path, **environment: str) -> subprocess.Popen[str]:
    """Start the strict build of a project."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    given = {**os.environ, "NO_MKDOCS_2_WARNING": "1", **environment}
    given["PYTHONPYCACHEPREFIX"] = str(ROOT / ".cache" / "bytecode")  # half of a build is imports
    for name in ("SOURCE_DATE_EPOCH", "PYTHONDONTWRITEBYTECODE"):
        given.pop(name, None)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=project, env=given, **streams)


def finish(process: subprocess.Popen[str], site: Path) -> Built:
    """Wait for a build."""
    said, _ = process.communicate(timeout=300)
    return Built(site, process.returncode, said)


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    """The project built twice, and a copy full of mistakes built once: two at a time, notebooks as they are kept."""
    folder = tmp_path_factory.mktemp("sites")
    faulty = folder / "project"
    copy_project(faulty)
    make_mistakes(faulty)
    first = {
        "once": start(ROOT, folder / "once", SKIP_NOTEBOOKS="1"),
        "faulty": start(faulty, folder / "faulty"),
    }
    done = {name: finish(process, folder / name) for name, process in first.items()}
    done["twice"] = finish(start(ROOT, folder / "twice", SKIP_NOTEBOOKS="1"), folder / "twice")
    return done


def copy_project(target: Path) -> None:
    """Everything that a build reads; what is installed or cached is linked."""
    unread = shutil.ignore_patterns("__pycache__", "notebooks")
    for room in ROOMS:
        shutil.copytree(ROOT / room, target / room, ignore=unread)
    for name in FILES:
        shutil.copy(ROOT / name, target / name)
    (target / "node_modules").symlink_to(ROOT / "node_modules")
    (target / ".cache").mkdir()
    for name in ("fonts", "pictures", "lettering"):
        if (ROOT / ".cache" / name).is_dir():
            (target / ".cache" / name).symlink_to(ROOT / ".cache" / name)


MISTAKES = r"""

A link to [nothing](nowhere.md), and one to [no place](claims.md#no-such-place).

The formula $\nosuchmacro{x}$ is wrong.

A number: <!--r:transformer.translation.acuracy:pct-->1.0 %<!--/r-->.

<script src="https://cdn.example.com/x.js"></script> <a href="../claims/#no-such-claim">raw</a>
"""
FAILING = '# %% [markdown]\n# # Fails\n\n# %%\n1 + 1\n\n# %%\nraise RuntimeError("on purpose")\n'


def make_mistakes(project: Path) -> None:
    """One of each kind, on the page about the author, in a notebook and in a post."""
    page = project / "docs" / "about.md"
    page.write_text(page.read_text(encoding="utf-8") + MISTAKES, encoding="utf-8")
    notebook = project / "docs" / "notebooks" / "transformer.py"
    notebook.parent.mkdir()
    notebook.write_text(FAILING, encoding="utf-8")
    post = project / "notes" / "posts" / "resnet.md"
    lines = post.read_text(encoding="utf-8").split("\n")
    kept = [line for line in lines if not line.startswith("description:")]
    post.write_text("\n".join(kept), encoding="utf-8")


@pytest.mark.parametrize(
    "words",
    [
        r"'about.md' contains a link 'nowhere.md'",
        r"'claims.md#no-such-place'",
        r"about\.md: KaTeX parse error: Undefined control sequence: \\nosuchmacro",
        r"docs/about\.md:\d+: .*transformer\.translation\.acuracy",
        r"about/index\.html: loads https://cdn\.example\.com/x\.js from another host",
        r"about/index\.html: \.\./claims/#no-such-claim: there is no #no-such-claim",
        r"posts/entries/resnet\.md: a post needs a description",
        r"docs/notebooks/transformer\.py: cell 3 failed:(.|\n)*on purpose",
    ],
)
def test_each_mistake_fails_the_build_and_is_named(builds: dict[str, Built], words: str) -> None:
    assert builds["faulty"].code != 0
    assert re.search(words, builds["faulty"].said), builds["faulty"].said[-4000:]


def test_the_line_of_a_wrong_marker_is_right(builds: dict[str, Built]) -> None:
    found = re.search(r"docs/about\.md:(\d+): .*acuracy", builds["faulty"].said)
    assert found
    page = (ROOT / "docs" / "about.md").read_text(encoding="utf-8") + MISTAKES
    assert "acuracy" in page.split("\n")[int(found[1]) - 1]


def test_the_project_builds_strictly(builds: dict[str, Built]) -> None:
    assert builds["once"].code == 0, builds["once"].said[-4000:]


def test_nothing_is_wrong_with_any_page(builds: dict[str, Built]) -> None:
    assert not checks.problems(builds["once"].site, settings()["site_url"])


def test_every_page_is_light_enough(builds: dict[str, Built]) -> None:
    sizes = checks.weights(builds["once"].site, settings()["site_url"])
    assert len(sizes) > 15
    assert not {page: size for page, size in sizes.items() if size > checks.BUDGET}


def test_two_builds_are_the_same_bytes(builds: dict[str, Built]) -> None:
    once, twice = builds["once"].site, builds["twice"].site
    names = sorted(path.relative_to(once).as_posix() for path in once.rglob("*") if path.is_file())
    assert names == sorted(
        path.relative_to(twice).as_posix() for path in twice.rglob("*") if path.is_file()
    )
    _, different, unread = filecmp.cmpfiles(once, twice, names, shallow=False)
    assert not different
    assert not unread


def test_the_whole_site_is_there(builds: dict[str, Built]) -> None:
    site = builds["once"].site
    for room in ("", *"papers figures claims learned evidence guides posts about tags".split()):
        assert (site / room / "index.html").is_file(), room
    for name in ("404.html", "llms.txt", "robots.txt", "sitemap.xml", "search/search_index.json"):
        assert (site / name).is_file(), name
    assert not list(site.rglob("*.map"))
    for paper in papers():
        if paper.state != "planned":
            for room in ("papers", "notes", "api", "results"):
                assert (site / room / paper.stem / "index.html").is_file(), room


def test_formulas_are_rendered_and_their_style_is_asked_for_only_there(
    builds: dict[str, Built],
) -> None:
    for file in builds["once"].site.rglob("*.html"):
        page = file.read_text(encoding="utf-8")
        assert 'class="arithmatex"' not in page, file
        assert ('class="katex"' in page) == ("katex.min.css" in page), file


def test_pages_say_what_a_shared_link_shows(builds: dict[str, Built]) -> None:
    site, base = builds["once"].site, settings()["site_url"]
    shown: dict[bytes, Path] = {}
    for file in sorted(set(site.rglob("index.html")) - set((site / "medium").rglob("*"))):
        page = file.read_text(encoding="utf-8")
        for name in ("og:title", "og:description", "og:url", "og:image:alt", "twitter:card"):
            assert page.count(f'"{name}"') == 1, (file, name)
        card = re.search(r'property="og:image" content="([^"]+)"', page)
        assert card
        picture = (site / card[1].removeprefix(base)).read_bytes()
        assert shown.setdefault(picture, file) == file, "two pages have the same card"
        assert f'rel="canonical" href="{base}' in page
    assert len(shown) > 40


def test_every_card_has_its_size_and_no_ink_in_its_margins(builds: dict[str, Built]) -> None:
    for file in sorted(builds["once"].site.glob("assets/cards/*.png")):
        card = Image.open(file)
        assert card.size == (1200, 630), file
        assert file.stat().st_size < 150_000, file
        left, top, right, bottom = card.convert("L").point(lambda v: 255 * (v < 240)).getbbox()
        assert min(left - 63, top - 47, 1137 - right, 602 - bottom) >= 0, file


@pytest.mark.parametrize(
    "faults", [published.feed, published.machines, published.sitemap, published.series]
)
def test_what_is_published_about_pages_is_right(builds: dict[str, Built], faults) -> None:
    assert list(faults(builds["once"].site, settings()["site_url"])) == []


def test_numbers_bring_their_records(builds: dict[str, Built]) -> None:
    for file in builds["once"].site.rglob("*.html"):
        page = file.read_text(encoding="utf-8")
        if keys := set(re.findall(r'data-r="([^"]+)"', page)):
            block = re.search(
                r'<script type="application/json" id="records">(.*?)</script>', page, re.S
            )
            assert block, file
            assert keys == set(yaml.safe_load(block[1])), file


def test_each_post_has_a_bundle_that_is_the_post(builds: dict[str, Built], tmp_path: Path) -> None:
    """And a digit that changes in the built post afterwards is seen."""
    once, address = builds["once"], settings()["site_url"]
    pages = medium.posts(once.site)
    assert pages
    for page in pages:
        line = (
            rf"medium/{page.parent.name}: \d+ formulas proven, .*[1-9] pictures made; compared: \d"
        )
        assert re.search(line, once.said), page.parent.name
    name = pages[0].parent.name
    shutil.copytree(once.site / "posts" / name, tmp_path / "posts" / name)
    shutil.copytree(once.site / "medium" / name, tmp_path / "medium" / name)
    unread = shutil.ignore_patterns("*.html", "*.json", "*.png")
    shutil.copytree(once.site / "results", tmp_path / "results", ignore=unread)
    assert medium.check_bundles(tmp_path, address) == []
    page = tmp_path / "posts" / name / "index.html"
    text = page.read_text(encoding="utf-8")
    number = re.search(r'data-r="[^"]+">(\d)', text)
    other = str((int(number[1]) + 1) % 10)
    page.write_text(text[: number.start(1)] + other + text[number.end(1) :], encoding="utf-8")
    problems = medium.check_bundles(tmp_path, address)
    assert any("the number" in problem and "is lost" in problem for problem in problems)


def test_the_build_needs_no_torch() -> None:
    code = "import sys, generators.site.hooks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


# The parts by themselves


def test_the_checker_finds_each_kind_of_mistake(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("")
    good = (
        '<html lang="en"><head><title>{0}</title><meta name="description" content="d">'
        '<link rel="stylesheet" href="/x/style.css">'
        '</head><body><h1 id="a">A</h1>{1}</body></html>'
    )
    (tmp_path / "index.html").write_text(
        good.format("Home", '<a href="b/#a">b</a><img src="style.css" alt="">')
    )
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "index.html").write_text(good.format("B", '<a href="../">home</a>'))
    assert checks.problems(tmp_path, "https://e.org/x/") == []
    for wrong, what in {
        '<a href="b/#z">b</a>': "there is no #z",
        '<a href="/other">b</a>': "leads nowhere",
        '<img src="style.css">': "alt text",
        "<h1>again</h1>": "2 first-level headings",
        '<p id="a">': "'a' stands 2 times",
        '<script src="https://cdn.org/x.js"></script>': "another host",
    }.items():
        (tmp_path / "index.html").write_text(good.format("Home", wrong))
        assert what in "\n".join(checks.problems(tmp_path, "https://e.org/x/"))
    (tmp_path / "index.html").write_text(good.format("B", ""))
    assert "another page's" in "\n".join(checks.problems(tmp_path, "https://e.org/x/"))


def test_formulas_are_kept_and_a_damaged_cache_is_made_again(tmp_path: Path) -> None:
    cache = tmp_path / "katex.json"
    page = r'<p><span class="arithmatex">\(a &lt; b\)</span></p>'
    renderer = tex.Renderer(cache)
    html = renderer.page(page, pytest.fail)
    renderer.close()
    assert "<math" in html
    kept = cache.read_bytes()
    again = tex.Renderer(cache)
    assert again.page(page, pytest.fail) == html
    assert again._process is None  # nothing to ask Node for
    cache.write_bytes(kept[:-20])
    third = tex.Renderer(cache)
    assert third.page(page, pytest.fail) == html
    third.close()
    assert cache.read_bytes() == kept


def test_only_the_fonts_that_a_formula_draws_with_are_counted() -> None:
    page = (
        '<span class="katex"><span class="mord mathnormal">x</span><span class="{}">2</span></span>'
    )
    index, bracket = "sizing reset-size6 size3 mtight", "delimsizing size3"
    letters = {"KaTeX_Main-Regular.woff2", "KaTeX_Math-Italic.woff2"}
    assert tex.faces(page.format(index)) == letters
    assert tex.faces(page.format(bracket)) == letters | {"KaTeX_Size3-Regular.woff2"}


def test_dollars_are_formulas_only_outside_code() -> None:
    marked = tex.mark_dollars(
        "<p>$x_1$ for 5 $ or $6, <code>$y$</code></p><pre>$z$ $$w$$</pre><p>$$v$$</p>"
    )
    assert marked == (
        r'<p><span class="arithmatex">\(x_1\)</span> for 5 $ or $6, <code>$y$</code></p><pre>$z$ $$w$$</pre>'
        r'<p><span class="arithmatex">\[v\]</span></p>'
    )


def test_links_work_on_the_forge_and_on_the_site() -> None:
    note = ROOT / "notes" / "transformer.md"
    pages = {
        ROOT / "docs" / "claims.md": "claims.md",
        ROOT / "exercises" / "transformer.py": "exercises/transformer.md",
    }
    for written, wanted in {
        "[a](../docs/claims.md#x)": "[a](../claims.md#x)",
        "[a](../exercises/transformer.py)": "[a](../exercises/transformer.md)",
        "[a](../noxfile.py)": "[a](https://f.org/r/blob/main/noxfile.py)",
        "[a](../tests)": "[a](https://f.org/r/tree/main/tests)",
        "[a](https://x.org) [b](#here)": "[a](https://x.org) [b](#here)",
        "`[a](../noxfile.py)`": "`[a](../noxfile.py)`",
        "[a](../missing.py)": "[a](../missing.py)",
    }.items():
        assert (
            links.for_site(written, note, "notes/transformer.md", pages, "https://f.org/r/")
            == wanted
        )


def test_exercises_become_tasks_with_folded_answers(tmp_path: Path) -> None:
    stubs, worked = tmp_path / "s.py", tmp_path / "a.py"
    stubs.write_text(
        '"""Title.\n\nWords."""\nHINTS = {"add": ["Use a plus."]}\n\n\n'
        'def add(a, b):\n    """Add two numbers."""\n    raise NotImplementedError\n'
    )
    worked.write_text('def add(a, b):\n    """Addition."""\n    return a + b\n')
    page = exercises.page(papers()[0], stubs, worked)
    assert "Add two numbers." in page
    assert "return a + b" in page.partition("worked answer")[2]
    assert page.index("Use a plus.") < page.index("return a + b")


def test_notebooks_depend_on_what_they_import(tmp_path: Path) -> None:
    (tmp_path / "implementations").mkdir()
    (tmp_path / "implementations" / "__init__.py").touch()
    module, other = tmp_path / "implementations" / "a.py", tmp_path / "implementations" / "b.py"
    module.write_text("X = 1\n")
    other.write_text("Y = 1\n")
    notebook = tmp_path / "n.py"
    notebook.write_text("# %%\nfrom implementations import a\n")
    before = notebooks.foundation(notebook, tmp_path)
    other.write_text("Y = 2\n")
    assert notebooks.foundation(notebook, tmp_path) == before
    module.write_text("X = 2\n")
    assert notebooks.foundation(notebook, tmp_path) != before


def test_a_readers_notebook_installs_the_project_first(tmp_path: Path) -> None:
    kept = tmp_path / "n.ipynb"
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# N", id="a")])
    kept.write_text(nbformat.writes(content))
    made = nbformat.reads(notebooks.for_readers(kept, "thing"), as_version=4)
    assert made.cells[0].source.endswith("%pip install --quiet thing")
    assert len(made.cells) == 2
    content.cells.append(nbformat.v4.new_code_cell("%pip install thing", id="b"))
    kept.write_text(nbformat.writes(content))
    assert nbformat.reads(notebooks.for_readers(kept, "thing"), as_version=4).cells[0].id == "a"


def test_a_notebook_that_installs_a_stranger_is_named(tmp_path: Path) -> None:
    notebook = tmp_path / "n.py"
    notebook.write_text('project = "git+https://github.com/me/mine"')
    assert notebooks.wrong_address(notebook, "https://github.com/me/mine/") == ""
    assert "github.com/you" in notebooks.wrong_address(notebook, "https://github.com/you/mine")


def test_formulas_keep_their_punctuation_and_stand_in_contents(tmp_path: Path) -> None:
    renderer = tex.Renderer(tmp_path / "katex.json")
    html = renderer.page(r'<p>key <span class="arithmatex">\(s\)</span>.</p>', pytest.fail)
    assert html.startswith('<p>key <span style="white-space:nowrap"><span class="katex">')
    assert html.endswith(".</span></p>")
    assert "arithmatex" in tex.mark_title("Divide by $d_k$")
    assert tex.mark_title(r"By \(d_k\)") == r'By <span class="arithmatex">\(d_k\)</span>'
    renderer.close()


def test_a_notebooks_page_loses_the_style_sheets_and_the_second_copy() -> None:
    page = (
        "<style>a{}</style><script src='https://cdn'></script>"
        '<div class="highlight-ipynb hl-python "><pre><span></span>x = 1\n</pre></div>'
        '<div class="clipboard-copy-txt" id="cell-1">x = 1</div>'
    )
    wanted = (
        '<div class="language-python highlight"><pre><span></span><code>x = 1\n</code></pre></div>'
    )
    assert notebooks.slim(page) == wanted


def test_a_page_is_closed_up_but_for_what_is_shown_as_it_stands() -> None:
    kept = "<pre>a\n\n  b</pre>"
    page = f"<ul>\n\n   <li>\n a  b\n</li>{kept}\n\n</ul><script>x\n\n  y</script>\n\n"
    wanted = f"<ul>\n<li>\na  b\n</li>{kept}\n</ul><script>x\n\n  y</script>\n"
    assert repairs.closed_up(page) == wanted


def test_tags_that_are_there_are_not_added_twice() -> None:
    page = repairs.into_head(
        '<head><meta property="og:title" content="x"></head>',
        repairs.social("x", "d", "u", "c", "s"),
    )
    assert page.count('"og:title"') == 1
    assert page.count('"og:image"') == 1


def test_navigation_holds_what_exists() -> None:
    stem = papers()[1].stem
    assert mount.navigation({f"papers/{stem}.md", f"notebooks/{stem}.ipynb"}) == [
        {papers()[1].name: [f"papers/{stem}.md", f"notebooks/{stem}.ipynb"]}
    ]


def test_a_sweep_shows_its_points_and_the_best_and_no_interval(builds: dict[str, Built]) -> None:
    sweeps = [each for each in records().values() if each.kind == "tuning"]
    assert sweeps
    for sweep in sweeps:
        page = (builds["once"].site / f"results/{sweep.paper}/index.html").read_text("utf-8")
        table = re.search(rf"id=\"?{sweep.name}\"?[ >].*?<table.*?</table>", page, re.DOTALL)[0]
        assert "interval" not in table
        rows = re.findall(r"<th scope=\"?row\"?>([^<]*)</th>(.*?)</tr>", table, re.DOTALL)
        bold = {
            name: [
                at for at, cell in enumerate(re.findall(r"<td.*?</td>", row)) if "strong" in cell
            ]
            for name, row in rows
        }
        score = experiments(sweep.paper)[sweep.name.removesuffix("_tuning")].score
        for arm, chosen in sweep.best[score].items():
            scores = [run[score][arm] for run in sweep.runs]
            assert bold.pop(f"{score}.{arm}".replace("_", " ").replace(".", ", ")) == [
                scores.index(chosen)
            ]
        assert not any(bold.values()), "what was tried is no score"
