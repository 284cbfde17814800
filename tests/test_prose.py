"""Markers: what a page says of a measurement is what the record says, and nothing breaks Markdown."""

import re
from types import SimpleNamespace

import pytest

from generators import prose, record, source
from generators.files import write_sealed
from generators.formats import FORMATS, shown, with_spread
from generators.papers import UnknownName

NUMBER = "<!--r:demo.run.accuracy:pct-->98.7\u202f%<!--/r-->"
TABLE = "<!--t:demo.claims-->\n\n| id | verdict |\n| --- | --- |\n| A1 | holds |\n\n<!--/t-->"
CODE = '<!--c:demo.half-->\n\n```python\ndef half(x):\n    """Half of it."""\n    return x / 2\n```\n\n<!--/c-->'
FIGURE = (
    "<!--f:demo.run-->\n\n![A curve that rises](../results/demo/run.svg)\n\n"
    f"**It rises to {NUMBER}.** Mean of three seeds.\n\n<!--/f-->"
)

IMPLEMENTATION = '''"""Demo (Nobody, 2020, arXiv:0000.00000)."""
RATE = 0.5


def half(x):
    """Half of it."""
    return x / 2


class Model:
    """A model."""

    @staticmethod
    def forward(x):
        """One step."""

        return half(x)
'''
FIGURES = '''def run(record):
    """A curve that rises

    More words.
    """


def brackets(record):
    """A [curve]."""
'''


@pytest.fixture
def page(monkeypatch, tmp_path):
    """A note in a project of its own, with one record, one claim, one module and one figure."""
    for module in (prose, source):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    for module in (prose, record):
        monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    states = {"demo": "draft", "later": "planned"}
    monkeypatch.setattr(
        prose,
        "papers",
        lambda: [SimpleNamespace(stem=s, name=s.title(), state=t) for s, t in states.items()],
    )
    content = {
        "kind": "measured",
        "paper": "demo",
        "name": "run",
        "fingerprint": "",
        "seeds": [0, 1, 2],
    }
    runs = [{"accuracy": value, "loss": 1234.5} for value in (0.986, 0.987, 0.988)]
    results = tmp_path / "results" / "demo"
    write_sealed(
        results / "run.json", content | {"settings": {"lr": 0.001}, "runs": runs, "seconds": [41.0]}
    )
    write_sealed(
        results / "claims.json", {"claims": [{"id": "A7", "verdict": "holds", "forecast": None}]}
    )
    (results / "run.svg").write_text("<svg/>")
    (results / "claims.md").write_text("| id | verdict |\n| --- | --- |\n| A1 | holds |\n")
    for name, text in {"implementations": IMPLEMENTATION, "generators/figures": FIGURES}.items():
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "demo.py").write_text(text)
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes" / "demo.md"


def said(page, text):
    """The problems of a text as "line: message"."""
    return [f"{problem.line}: {problem.message}" for problem in prose.check(page, text)]


def only(page, text):
    (problem,) = said(page, text)
    return problem


# Formats


@pytest.mark.parametrize(
    ("form", "number", "text"),
    [
        ("pct", 0.987, "98.7 %"),
        ("pct", 0.9996, "99.96 %"),  # what is not whole does not look whole
        ("pct", 1.0, "100 %"),
        ("pct", 0.0, "0 %"),
        ("pct", 0.0003, "0.03 %"),
        ("pct0", 0.987, "99 %"),
        ("pct2", 0.98765, "98.77 %"),
        ("int", 696_320, "696 320"),
        ("int", 9, "9"),
        ("f1", -0.34, "−0.3"),
        ("f2", 1.005, "1.00"),
        ("f3", 0.12345, "0.123"),
        ("sci", 2.9e-7, "3×10⁻⁷"),
        ("sci", 9.7e-7, "1×10⁻⁶"),
        ("sci", 0.0, "0"),
        ("s", 41.3, "41 s"),
        ("s", 1.26, "1.3 s"),
        ("min", 68.2, "68 min"),
        ("x", 1.52, "1.5 ×"),
        ("text", 64.0, "64"),
    ],
)
def test_a_number_in_a_format(form, number, text):
    assert shown(number, form) == text.replace(" ", "\u202f")


def test_every_format_has_an_example_above():
    assert FORMATS.keys() == {
        "pct",
        "pct0",
        "pct2",
        "int",
        "f1",
        "f2",
        "f3",
        "sci",
        "s",
        "min",
        "x",
        "text",
    }


def test_a_mean_with_its_spread():
    assert with_spread(0.987, 0.0034, "pct") == "98.7 ± 0.3\u202f%"
    assert with_spread(3.4567, 0.0123, "pm") == "3.457 ± 0.012"
    assert with_spread(-12.3, 4.0, "pm") == "−12 ± 4"
    assert with_spread(1.0, 0.0, "pct") == "100 ± 0\u202f%"


# Filling in


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("demo.run.accuracy:pct", "98.7\u202f%"),
        ("demo.run.accuracy.min:pct", "98.6\u202f%"),
        ("demo.run.accuracy.n:int", "3"),
        ("demo.run.accuracy:pmpct", "98.7 ± 0.2\u202f%"),
        ("demo.run.loss:int", "1\u202f234"),
        ("demo.run.settings.lr:f3", "0.001"),
        ("demo.run.seconds:s", "41\u202fs"),
        ("later.run.accuracy:pct", "–"),  # a paper that is only planned
    ],
)
def test_a_number_comes_from_its_record(page, key, text):
    page.write_text(f"It is <!--r:{key}-->–<!--/r--> here.\n")
    assert prose.rewrite([page]) == []
    assert page.read_text() == f"It is <!--r:{key}-->{text}<!--/r--> here.\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"Here: {NUMBER.replace('98.7', '12.3')}.", f"Here: {NUMBER}."),
        (TABLE.replace("holds", "fails"), TABLE),
        ("<!--t:demo.claims-->\n<!--/t-->", TABLE),
        (CODE.replace("x / 2", "x / 3"), CODE),
        (FIGURE.replace("A curve that rises", "Another"), FIGURE),
        (FIGURE.replace("98.7", "12.3"), FIGURE),
        (FIGURE.replace("![A curve that rises](../results/demo/run.svg)\n\n", ""), FIGURE),
    ],
)
def test_what_is_stale_is_named_and_then_mended(page, before, after):
    page.write_text(f"# Title\n\nText.\n\n{before}\n\nMore.\n")
    problems = prose.rewrite([page], check=True)
    assert len(problems) == 1
    assert problems[0].file == "notes/demo.md"
    assert problems[0].line >= 5
    assert "stale" in str(problems[0])
    assert before in page.read_text()  # a check writes nothing
    assert prose.rewrite([page]) == []
    assert page.read_text() == f"# Title\n\nText.\n\n{after}\n\nMore.\n"
    assert prose.rewrite([page], check=True) == []


HEADLINES = """---
state: draft
headlines:
  - asked: "digits, of <!--r:demo.run.loss:int-->1<!--/r-->, read right"
    measured: "<!--r:demo.run.accuracy:pct-->12 %<!--/r--> and no more"
  - asked: "the same question again"
    measured: "nothing"
---
# Demo
"""


def test_the_table_of_headlines_follows_from_the_notes(page):
    """A second paper adds its rows by having a note; the numbers are the records', not the note's."""
    page.write_text(HEADLINES)
    readme = page.parents[1] / "README.md"
    readme.write_text("<!--t:house.headlines-->\n<!--/t-->\n")
    assert [problem.line for problem in prose.rewrite([readme], check=True)] == [1]
    assert prose.rewrite([readme]) == []
    link = "[Demo](notes/demo.md) ([claims](results/demo/claims.md))"
    asked = "digits, of 1\u202f234, read right"
    assert readme.read_text().splitlines()[2:6] == [
        "| paper | what we asked | we measured | made in |",
        "| --- | --- | --- | --- |",
        f"| {link} | {asked} | 98.7\u202f% and no more | 41\u202fs a seed |",
        "|  | the same question again | nothing |  |",
    ]
    assert prose.rewrite([readme], check=True) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [("accuracy", "acuracy", "did you mean"), ("measured:", "found:", "`asked` and `measured`")],
)
def test_a_wrong_headline_is_named(page, old, new, words):
    page.write_text(HEADLINES.replace(old, new, 1))
    readme = page.parents[1] / "README.md"
    assert words in only(readme, "<!--t:house.headlines-->\n<!--/t-->\n")


def test_the_table_of_letters_follows_from_the_modules(page):
    folder = page.parents[1] / "implementations"
    legends = {
        "demo": "B batch, H heads,\n    K d_head.\n\nAnd",
        "later": "B batch, H height, h and w sizes after it.\n\nMore, and",
    }
    for stem, legend in legends.items():
        (folder / f"{stem}.py").write_text(f'"""Words.\n\nShapes: {legend} more.\n"""\n')
    page.write_text("<!--t:house.letters-->\n<!--/t-->\n")
    assert prose.rewrite([page]) == []
    assert page.read_text().splitlines()[4:8] == [
        "| B | batch |",
        "| H | heads (Demo), height (Later) |",
        "| h and w | sizes after it |",
        "| K | `d_head` |",
    ]


def test_a_stale_number_says_both_values_and_its_place(page):
    page.write_text("One.\n\nTwo " + NUMBER.replace("98.7", "98.8") + "\n")
    (problem,) = prose.rewrite([page], check=True)
    assert str(problem).startswith("notes/demo.md:3: ")
    assert "98.8" in str(problem)
    assert "98.7" in str(problem)
    assert "nox -s figures" in str(problem)


def test_rewriting_twice_changes_nothing_more(page):
    text = "\n\n".join(
        ["# T", f"A {NUMBER} and {NUMBER}.", TABLE, CODE, FIGURE, f"| a | {NUMBER} |", ""]
    )
    page.write_text(text)
    assert prose.rewrite([page]) == []
    assert page.read_text() == text


def test_a_right_page_is_not_touched(page):
    page.write_text(f"A {NUMBER}.\n")
    before = page.stat().st_mtime_ns
    prose.rewrite([page])
    assert page.stat().st_mtime_ns == before


def test_code_is_quoted_by_qualified_name_and_without_its_docstring_when_bare(page):
    assert source.quoted("demo.half").text.startswith('def half(x):\n    """Half')
    assert source.quoted("demo.half", bare=True).text == "def half(x):\n    return x / 2"
    method = source.quoted("demo.Model.forward", bare=True)
    assert method.text == "@staticmethod\ndef forward(x):\n    return half(x)"
    assert (method.first, method.last) == (13, 17)
    assert source.quoted("demo.RATE").text == "RATE = 0.5"


def test_code_that_holds_a_fence_gets_a_longer_one(page):
    file = page.parent.parent / "implementations" / "demo.py"
    file.write_text('def fenced():\n    """Write\n\n    ```\n    code\n    ```\n    """\n')
    page.write_text("<!--c:demo.fenced-->\n<!--/c-->\n")
    assert prose.rewrite([page]) == []
    assert "````python" in page.read_text()
    assert prose.rewrite([page], check=True) == []


# What is refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A <!--r:demo.run.acuracy:pct-->1<!--/r-->", 'did you mean "demo.run.accuracy"'),
        ("A <!--r:demo.rum.accuracy:pct-->1<!--/r-->", 'did you mean "demo.run"'),
        ("A <!--r:demo.run.accuracy:pcd-->1<!--/r-->", 'unknown format "pcd"; did you mean "pct'),
        ("A <!--r:later.run.accuracy:pcd-->1<!--/r-->", 'unknown format "pcd"'),
        ("A <!--r:demo.run.accuracy-->1<!--/r-->", "unknown format"),
        ("A <!--p:A8-->28.4<!--/p-->", 'did you mean "A7"'),
        ("<!--t:demo.claim-->\n<!--/t-->", 'did you mean "demo.claims"'),
        ("<!--c:demo.halve-->\n<!--/c-->", 'did you mean "demo.half"'),
        ("<!--c:dem.half-->\n<!--/c-->", 'did you mean "demo"'),
        ("<!--f:demo.ru-->\n\n**A.**\n\n<!--/f-->", 'did you mean "demo.run"'),
    ],
)
def test_an_unknown_name_is_refused_and_the_nearest_named(page, text, message):
    problem = only(page, f"Text.\n\n{text}\n")
    assert problem.startswith("3: ")
    assert message in problem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{NUMBER} at the start", "start of a line"),
        (f"words\n{NUMBER} in the second line", "start of a line"),
        (f"- {NUMBER} in a list", "start of a line"),
        (f"1. {NUMBER} in a list", "start of a line"),
        (f"> {NUMBER} in a quotation", "start of a line"),
        (f"![A picture of {NUMBER}](x.svg)", "alt text"),
        (f"![A picture\nof {NUMBER}](x.svg)", "alt text"),
        (f'An <img alt="{NUMBER}">', "HTML tag"),
        (f"A [link](x.md#{NUMBER})", "link's address"),
        (f"We see $x = {NUMBER}$ here", "math"),
        (f"We see\n\n$$\nx = {NUMBER}\n$$", "math"),
        (rf"We see \(x = {NUMBER}\) here", "math"),
        (f"A `span of {NUMBER}`", "in code"),
        (f"```text\nA {NUMBER}\n```", "in code"),
        (f"~~~\nA {NUMBER}\n~~~", "in code"),
        ("A <!--r:demo.run.accuracy:pct-->98.7\n%<!--/r-->", "same line"),
        ("A <!--r:demo.run.accuracy:pct--><!--/r-->", "is empty"),
        ("A <!--r:demo.run.accuracy:pct-->98.7", "not closed"),
        ("A <!--r:demo.run.accuracy:pct-->98.7<!--/p-->", "not closed"),
        ("A 98.7<!--/r-->", "closes nothing"),
        ("A <!-- r:demo.run.accuracy:pct -->98.7<!--/r-->", "no marker"),
        ("A <!-- r:demo.run.accuracy:pct-->98.7<!--/r-->", "no marker"),
        ("A <!--r:demo.run.accuracy|pct-->98.7<!--/r-->", "no marker"),
        (f"A {TABLE}", "lines of its own"),
        (f"{TABLE} and more", "lines of its own"),
        (f"  {CODE}", "lines of its own"),
        ("<!--f:demo.run-->\n\n![x](y)\n\n<!--/f-->", "needs a caption"),
    ],
)
def test_a_marker_where_markdown_would_break_it_is_refused(page, text, message):
    problems = said(page, f"# Title\n\n{text}\n")
    assert any(message in problem for problem in problems), problems


@pytest.mark.parametrize(
    "text",
    [
        f"A [link with {NUMBER} in it](x.md).",
        f"| a | {NUMBER} |",
        f"- words, then {NUMBER}",
        f"**{NUMBER}** is bold.",
        f"Costs $5 and {NUMBER} of $6.",
        f"With $x$ and {NUMBER} and $y$.",
        f"A `span` and {NUMBER} and a `span`.",
        f"```text\ncode\n```\n\nA {NUMBER}",
        "A comment <!-- part: facts --> of others <!--contact-->.",
        "The paper says <!--p:A7-->28.4<!--/p-->.",
        CODE,
        TABLE,
        FIGURE,
    ],
)
def test_a_marker_in_its_place_is_accepted(page, text):
    assert said(page, f"# Title\n\n{text}\n") == []


def test_a_damaged_record_is_named_at_the_marker(page):
    path = page.parent.parent / "results" / "demo" / "run.json"
    path.write_text(path.read_text().replace("0.987", "0.999"))
    problem = only(page, f"\n\nA {NUMBER}")
    assert problem.startswith("3: ")
    assert "checksum" in problem


def test_alt_text_that_would_end_its_own_brackets_is_refused(page):
    with pytest.raises(ValueError, match=re.escape("without [ ]")):
        source.alt_text("demo.brackets")
    with pytest.raises(UnknownName, match=r'did you mean "demo\.run"'):
        source.alt_text("demo.rn")


def test_what_is_refused_stays_as_it_was_while_the_rest_is_mended(page):
    stale = NUMBER.replace("98.7", "12.3")
    page.write_text(f"{stale} first.\n\nThen {stale}.\n")
    (problem,) = prose.rewrite([page])
    assert problem.line == 1
    assert page.read_text() == f"{stale} first.\n\nThen {NUMBER}.\n"


# "What we measured"


@pytest.mark.parametrize(
    "text",
    [
        "It is 98.7 here.",
        "It is .7 here.",
        "It is 98 % here.",
        "It is 98% here.",
        "It is 98 per cent here.",
        f"Near {NUMBER} or 3.5.",
        "- an item of 0.5",
        "### Deeper\n\nIt is 98.7 here.",
        FIGURE.replace("three seeds", "99.5"),
    ],
)
def test_no_number_stands_outside_a_marker_where_we_say_what_we_measured(page, text):
    problem = only(page, f"# T\n\n## What we measured\n\n{text}\n\n## Next\n\nFree: 1.5 and 2 %.\n")
    assert "outside a marker" in problem


@pytest.mark.parametrize(
    "text",
    [
        f"It is {NUMBER}, of 16 heads and 9,999 numbers, 3 seeds.",
        "The paper says <!--p:A7-->28.4<!--/p-->, and `lr=0.001` is code.",
        "A [link](https://example.org/v1.5/50%25) and <https://example.org/2.5>.",
        "See Section 5.4 and Appendix 1.2.",
        '<span style="width: 1.5em">words</span>',
        "```python\nx = 0.5\n```",
        TABLE.replace("| A1 | holds |", "| A1 | holds |"),
        CODE,
        FIGURE,
    ],
)
def test_numbers_in_markers_code_and_addresses_are_free(page, text):
    assert (
        said(page, f"# T\n\nBefore: 1.5.\n\n## What we measured\n\n{text}\n\n## Next\n\n2.5\n")
        == []
    )


# The project's own pages


def test_markers_are_found_with_their_lines_and_captions_belong_to_their_figures():
    text = f"---\ntitle: T\n---\n\nA {NUMBER}.\n\n{FIGURE}\n\n{TABLE}\n"
    found = prose.find_markers(text)
    assert [(marker.kind, marker.key, marker.format, marker.line) for marker in found] == [
        ("r", "demo.run.accuracy", "pct", 5),
        ("f", "demo.run", "", 7),
        ("t", "demo.claims", "", 15),
    ]
    for marker in found:
        assert text[marker.start : marker.end] == marker.opening + marker.body + marker.closing


def test_the_template_and_nothing_else_is_left_out():
    names = {path.relative_to(prose.ROOT).as_posix() for path in prose.pages()}
    assert "README.md" in names
    assert "docs/index.md" in names
    assert "notes/template.md" not in names


@pytest.mark.parametrize("page", prose.pages(), ids=lambda path: path.stem)
def test_what_a_click_unfolds_holds_no_link_of_its_own(page):
    """A marked number becomes a link to its record; a control within a control is of no use to a keyboard."""
    summaries = re.findall(r"<summary>.*?</summary>", page.read_text(encoding="utf-8"), re.DOTALL)
    assert not [text for text in summaries if "<!--r:" in text or "](" in text]
