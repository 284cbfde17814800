"""Live models on the site: the marker, the element around the figure, the files, and the checks that know them."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import markdown
import pytest
from mkdocs.utils import get_relative_url

from generators import prose
from generators.files import ROOT
from generators.papers import extra, settings
from generators.site import checks, live, render, repairs

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 300"></svg>'
NOTE = (
    "Before.\n\n<!--l:demo.toy-->\n\n![Words and lines](../results/demo/toy.svg)\n\n"
    "**It looks back.** One head, seed 0.\n\n<!--/l-->\n\nAfter.\n"
)
ELEMENTS = {"demo.toy": "toy-player"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one live model."""
    folder = tmp_path / "results" / "demo"
    folder.mkdir(parents=True)
    (folder / "toy.svg").write_text(SVG)
    (folder / "toy.safetensors").write_bytes(b"weights")
    (folder / "still.svg").write_text(SVG)
    for module in (live, prose, render):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(prose, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(prose, "alt_text", lambda key: "Words and lines")
    (tmp_path / "notes").mkdir()
    return tmp_path


def page(note: str, url: str = "notes/demo/") -> str:
    """A note as it comes to stand on the site, with the Markdown extensions of the site that matter here."""
    place = render.Place(
        url, SimpleNamespace(papers=(), records={}), "abc", "https://example.org/repo"
    )
    words = render.expand(note, place).replace("site:", "../../")
    made = markdown.markdown(words, extensions=["attr_list", "md_in_html", "tables"])
    return repairs.repaired(f"<head></head><body>{made}</body>")


def linked(url: str):
    """What addresses become on a page."""
    return lambda address: get_relative_url(address, url)


# The marker


def test_a_live_marker_is_filled_like_a_figure(project: Path):
    note = project / "notes" / "demo.md"
    stale = NOTE.replace("Words and lines", "Old words")
    fresh, wrong, old = prose.rewritten(stale, note)
    assert not wrong
    assert "stale" in old[0].message
    assert fresh == NOTE
    assert prose.rewritten(NOTE, note)[1:] == ([], [])


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("demo.still", 'unknown live model "demo.still"'),
        ("demo.tay", "toy"),
    ],
)
def test_a_marker_without_weights_or_figure_is_named(project: Path, broken: str, said: str):
    note = project / "notes" / "demo.md"
    wrong = prose.rewritten(NOTE.replace("l:demo.toy", f"l:{broken}"), note)[1]
    assert len(wrong) == 1
    assert said.lower() in wrong[0].message.lower()


def test_numbers_in_the_caption_of_a_live_figure_are_markers_like_any(project: Path):
    note = NOTE.replace("seed 0", "<!--p:A1-->9<!--/p--> seeds")
    kinds = [marker.kind for marker in prose.find_markers(note)]
    assert kinds == ["l"]
    assert [m.kind for m in prose._scan_inline(note)] == ["p"]


# The element


def test_the_figure_stands_inside_the_element(project: Path):
    """Markdown alone would close the element before the figure."""
    html, head = live.mounted(page(NOTE), ELEMENTS, linked("notes/demo/"))
    inside = html.partition("<toy-player ")[2].partition("</toy-player>")[0]
    assert inside.count("<figure") == inside.count("</figure>") == 1
    assert '<img src="../../results/demo/toy.svg" alt="Words and lines"' in inside
    assert "<strong>It looks back.</strong>" in inside
    assert "<p><toy-player" not in html
    assert "After." in html.partition("</toy-player>")[2]
    assert head == ['<script src="../../assets/js/live.js" defer></script>']


def test_the_element_says_where_its_scripts_and_weights_lie(project: Path):
    html, _ = live.mounted(page(NOTE), ELEMENTS, linked("notes/demo/"))
    digest = hashlib.sha256(b"weights").hexdigest()[:8]
    assert f'weights="../../assets/models/toy.{digest}.safetensors" bytes="7"' in html
    assert 'id="player" class="live"' in html
    parts = ("css/live.css", "js/engine.js", "js/player.js")
    assert f'parts="{" ".join(f"../../assets/{part}" for part in parts)}"' in html
    assert live.files(ELEMENTS) == {
        f"assets/models/toy.{digest}.safetensors": project / "results" / "demo" / "toy.safetensors"
    }


def test_the_address_follows_the_weights(project: Path):
    before = live.address("demo.toy")
    live.weights("demo.toy").write_bytes(b"other weights")
    assert live.address("demo.toy") != before


def test_a_page_without_a_live_model_stays_as_it_is(project: Path):
    plain = page(NOTE.replace("l:demo", "f:demo").replace("/l", "/f"))
    assert live.mounted(plain, ELEMENTS, linked("notes/demo/")) == (plain, [])


def test_without_weights_only_the_figure_is_shown(project: Path):
    shown = live.element("demo.still", "toy-player", "<p>still</p>", linked(""))
    assert shown == "<p>still</p>"
    assert live.files({"demo.still": "toy-player"}) == {}


def test_any_frame_can_be_marked(project: Path):
    frame = f'<div class="frame" {live.mark("demo.toy")}><p>drawn</p></div><div>after</div>'
    html, _ = live.mounted(frame, ELEMENTS, linked(""))
    assert html.endswith("<p>drawn</p></div></toy-player><div>after</div>")


# Checks and weights


def test_the_checker_follows_scripts_and_weights(tmp_path: Path):
    text = (
        '<html lang="en"><head><title>T</title><meta name="description" content="d"></head><body><h1>A</h1>'
        '<toy-player id="player" parts="engine.js player.js" weights="toy.safetensors">x</toy-player></body></html>'
    )
    (tmp_path / "index.html").write_text(text)
    (tmp_path / "engine.js").write_text("1")
    found = "\n".join(checks.problems(tmp_path, "https://e.org/x/"))
    assert "player.js leads nowhere" in found
    assert "toy.safetensors leads nowhere" in found
    assert "engine.js leads" not in found
    (tmp_path / "player.js").write_text("1")
    (tmp_path / "toy.safetensors").write_bytes(bytes(500_000))
    assert checks.problems(tmp_path, "https://e.org/x/") == []
    # All of it comes when a reader is near, and so not with the page.
    weight = checks.weights(tmp_path, "https://e.org/x/")["index.html"]
    assert weight == checks.transferred(tmp_path / "index.html")


def test_remarks_are_left_out_and_nothing_else(tmp_path: Path):
    folder = tmp_path / live.SCRIPTS
    folder.mkdir(parents=True)
    code = '  // why\nconst a = "// no remark"; // stays\n//\nconst b = 1;\n'
    (folder / "x.js").write_text(code)
    live.without_remarks(tmp_path)
    assert (folder / "x.js").read_text() == 'const a = "// no remark"; // stays\nconst b = 1;\n'


# What this project has


def test_every_live_model_is_small_and_its_element_has_a_script():
    for key, tag in extra()["live"].items():
        assert (ROOT / "docs" / live.SCRIPTS / f"{tag.rpartition('-')[2]}.js").is_file(), tag
        if live.weights(key).is_file():
            assert live.weights(key).stat().st_size <= 950_000
            assert live.weights(key).stat().st_mode & 0o444 == 0o444  # a server has to read it


def test_engine_and_interfaces_weigh_at_most_30_kilobytes(tmp_path: Path):
    folder = tmp_path / live.SCRIPTS
    folder.mkdir(parents=True)
    names = ["engine", *(tag.rpartition("-")[2] for tag in extra()["live"].values())]
    for name in names:
        source = (ROOT / "docs" / live.SCRIPTS / f"{name}.js").read_text(encoding="utf-8")
        (folder / f"{name}.js").write_text(source, encoding="utf-8")
    live.without_remarks(tmp_path)
    sizes = {name: checks.transferred(folder / f"{name}.js") for name in names}
    assert sum(sizes.values()) <= 30_000, sizes


def test_settings_name_only_known_keys():
    stems = {paper["stem"] for paper in settings()["extra"]["papers"]}
    assert all(key.partition(".")[0] in stems for key in extra()["live"])
