"""The look: fonts, colours, the family tree, and the pages that are made from what is on disk."""

import re
from dataclasses import replace

import pytest
import tinycss2
from fontTools.ttLib import TTFont

from generators.files import ROOT
from generators.papers import Paper, UnknownName, papers
from generators.record import Record
from generators.site import evidence, fonts, gather, hero, pages, parts, tree

CSS = ROOT / "docs" / "assets" / "css"

# Fonts


@pytest.mark.parametrize("face", fonts.FACES, ids=lambda face: face.file)
def test_each_font_draws_the_characters_that_it_promises(face):
    missing = fonts.CHARACTERS - fonts.FALLBACK - fonts.covered(face.file)
    assert not missing
    assert "\u202f" in fonts.covered(face.file)  # between a number and its unit


def test_the_serif_draws_every_heading():
    texts = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "notes").rglob("*.md")]
    headings = "".join(
        line.lstrip("#")
        for text in texts
        for line in re.sub(r"(```.*?```|\$.*?\$)", "", text.read_text("utf-8"), flags=re.S).split(
            "\n"
        )
        if line.startswith("#")
    )
    names = "".join(paper.name for paper in papers())
    assert not set(headings + names) - fonts.covered("folio-serif.woff2")


def test_subsets_do_not_bear_the_reserved_name_and_bring_their_licence():
    made = fonts.text()
    for face in fonts.FACES:
        names = TTFont(made[f"assets/fonts/{face.file}"])["name"]
        assert names.getDebugName(1) == face.family
        assert not any("source" in names.getDebugName(number).lower() for number in (1, 2, 4, 6))
    assert all(
        b"SIL OPEN FONT LICENSE" in made[f"assets/fonts/{name}"].read_bytes()
        for name in fonts.LICENCES
    )


def test_the_text_fonts_weigh_at_most_50_kilobytes():
    assert (
        sum(path.stat().st_size for path in fonts.text().values() if path.suffix == ".woff2")
        <= 50_000
    )


def test_math_fonts_hold_what_pages_use_and_refuse_what_no_font_has():
    made = fonts.math({(False, c) for c in "softmax√"} | {(True, "Q")})
    assert "√" in "".join(map(chr, TTFont(made["KaTeX_Main-Regular.woff2"]).getBestCmap()))
    with pytest.raises(fonts.MissingCharacter, match=r"字 \(U\+5B57\)"):
        fonts.math({(False, "x"), (False, "字")})


def test_math_characters_are_those_that_katex_drew():
    html = '<p>Ω <span class="katex"><span class="katex-mathml">∀</span>'
    html += '<span class="katex-html" aria-hidden="true"><span class="mord mathnormal">x</span>'
    html += '<span class="mord">&lt;√</span></span></span></p>'
    assert fonts.math_characters(html) == {(True, "x"), (False, "<"), (False, "√")}


# Colours


def tokens(scheme: int) -> dict[str, str]:
    """The tokens of house.css for light (0) or dark (1)."""
    found = re.findall(r"--(\w+):light-dark\((#\w{6}),(#\w{6})\)", (CSS / "house.css").read_text())
    return {name: pair[scheme] for name, *pair in found}


def contrast(one: str, other: str) -> float:
    """WCAG's ratio of two colours."""

    def luminance(colour: str) -> float:
        channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_is_legible_on_all_that_it_lies_on(scheme):
    token = tokens(scheme)
    for ink in ("ink", "dim", "link", "holds", "part", "fails", "c1", "c2"):
        assert contrast(token[ink], token["paper"]) >= 4.5, ink
    for ink in ("ink", "dim", "link"):
        assert contrast(token[ink], token["wash"]) >= 4.5, ink
    assert contrast(token["ink"], token["mark"]) >= 4.5
    assert contrast(token["edge"], token["paper"]) >= 3


@pytest.mark.parametrize(
    ("file", "most"), [("house.css", 14_336), ("front.css", 6_656), ("page.css", 6_144)]
)
def test_style_sheets_are_small_and_whole(file, most):
    assert (CSS / file).stat().st_size <= most
    rules = tinycss2.parse_stylesheet(
        (CSS / file).read_text(), skip_comments=True, skip_whitespace=True
    )
    assert not broken(rules)


def broken(nodes: list) -> list[str]:
    """What a missing brace or semicolon leaves behind: errors, and selectors that begin with a declaration."""
    found = []
    for node in nodes:
        if node.type == "error":
            found.append(node.message)
        elif node.type == "qualified-rule" and is_declaration(node.prelude):
            found.append(f"line {node.source_line}: {tinycss2.serialize(node.prelude)}")
        if node.type in ("qualified-rule", "at-rule") and node.content:
            inner = tinycss2.parse_blocks_contents(
                node.content, skip_comments=True, skip_whitespace=True
            )
            found += broken(inner)
    return found


ELEMENTS = {"a", "li", "tr", "html", "details", "summary", "table", "number-translator"}


def is_declaration(prelude: list) -> bool:
    """Whether a selector looks like `padding:0 .name`: a word that is no element, then a colon."""
    first = [part for part in prelude if part.type != "whitespace"][:2]
    return (
        len(first) == 2
        and first[0].type == "ident"
        and first[1] == ":"
        and first[0].value not in ELEMENTS
    )


# The family tree

OLD, MID, NEW = (
    Paper(stem, stem.title(), year, "An idea.", ("old",))
    for stem, year in (("old", 2015), ("mid", 2016), ("new", 2017))
)
MODULE = '''"""Mid (Somebody, 2016).

The idea.
Builds on: old (adding the input back,
  in every block), stranger.

Shapes: B batch.
"""
import torch
from implementations.new import thing
'''


def test_edges_come_from_imports_and_docstrings_and_from_the_list_for_planned_papers():
    found = tree.edges([OLD, MID, NEW], {"mid": MODULE})
    both = MODULE + "from implementations.old import part\n"  # an import is more than the idea
    taken = tree.Edge("old", "mid", True, "adding the input back, in every block")
    assert taken in tree.edges([OLD, MID], {"mid": both})
    assert tree.Edge("old", "mid", False, "adding the input back, in every block") in found
    assert tree.Edge("new", "mid", True, "") in found
    assert tree.Edge("old", "new", False, "") in found  # planned: the list says so
    assert len(found) == 3  # nobody builds on itself or on a stranger


@pytest.mark.parametrize(
    "line",
    [
        "import implementations.old",
        "from implementations import old",
        "from implementations.old import x",
    ],
)
def test_every_way_to_import_counts(line):
    assert tree.imported(line) == {"old"}


def test_the_drawing_has_a_row_for_each_paper_and_stays_inside():
    rows = [paper.stem for paper in tree.by_year(papers())]
    drawn = tree.svg(rows, gather.gather().edges)
    assert f'viewBox="0 0 {tree.WIDTH} {tree.ROW * len(rows)}"' in drawn
    far = tree._arc(41, tree.ROW * 40, True)
    handle = int(re.search(r"C(-?\d+)", far)[1])
    assert tree.NODE - 0.75 * (tree.NODE - handle) >= 0  # the bow's leftmost point


# The pages

LONG = "Reinforcement learning from the feedback of machines"


def nothing(key: str) -> float:
    raise UnknownName("number", key, [])


@pytest.fixture
def empty() -> parts.Inputs:
    """A project in which every paper is planned."""
    found = gather.gather()
    listed = [*found.papers, Paper("new", LONG, 2025, "One more <idea>.")]
    units = {paper.stem: parts.Unit() for paper in listed}
    return replace(found, papers=listed, records={}, claims=[], units=units, value=nothing)


@pytest.fixture
def one(empty) -> parts.Inputs:
    """A project in which one paper, with a long name, has a record and claims."""
    content = {
        "kind": "measured",
        "paper": "new",
        "name": "trial",
        "question": "Does it & how?",
        "seeds": [0, 1],
        "runs": [{"share": 0.25, "curve": [1, 2]}, {"share": 0.75, "curve": [1, 3]}],
        "settings": {"lr": 0.1},
        "seconds": [3.0, 5.0],
        "command": "nox -s train -- new",
        "environment": {"device": "cpu", "threads": 1},
        "fingerprint": "f",
    }
    record = Record(content)
    claim = {
        "paper": "new",
        "kind": "claim",
        "text": "Half holds.",
        "where": "§3",
        "did": "Tried.",
        "forecast": 0.7,
    }
    claim |= {
        "experiment": "trial",
        "key": "new.trial.share",
        "measured": "50 %",
        "rule": "share.mean > 0.4",
    }
    claims = [
        claim | {"id": "Z1", "verdict": "holds"},
        claim | {"id": "Z2", "verdict": "not tested", "measured": None, "key": None},
    ]
    note = "## In one minute\n\nA first paragraph.\n\n## The problem\n\nAnother.\n"
    unit = parts.Unit(
        front={"state": "draft", "difficulty": 2, "minutes": 7},
        note=note,
        code='"""Doc."""\n\n# why\nx = 1\n',
        exercise="raise NotImplementedError\n",
    )

    def value(key: str) -> float:
        path = key.removeprefix("new.trial.").split(".")
        if not key.startswith("new.trial.share"):
            nothing(key)
        return getattr(record["share"], path[1] if len(path) > 1 else "mean")

    return replace(
        empty,
        records={record.key: record},
        claims=claims,
        units={**empty.units, "new": unit},
        value=value,
    )


def test_with_nothing_measured_every_page_stands_and_no_number_is_claimed(empty):
    made = pages.build(empty)
    assert {"index.md", "papers/index.md", "claims.md", "evidence.md"} <= made.keys()
    assert not any(
        name.startswith(("results/", "papers/")) and name != "papers/index.md" for name in made
    )
    for name, source in made.items():
        assert 'class="m"' not in source.text, name
        assert "<!-- part:" not in source.text, name
    assert "One more &lt;idea&gt;." in made["index.md"].text
    assert "Fifteen papers" in made["index.md"].text


def test_a_number_that_nobody_measured_is_a_dash(empty):
    assert parts.number(empty, "new.trial.share", "pct", "") == "–"


def test_a_paper_with_one_record_has_a_landing_and_a_results_page(one):
    made = pages.build(one)
    landing, results = made["papers/new.md"].text, made["results/new.md"].text
    for text in (
        LONG,
        "A first paragraph.",
        "7 min",
        "1 line",
        "1 stub",
        "Draft",
        "2 of 3",
        "1 holds",
        "1 not tested",
    ):
        assert text in landing, text
    assert "Another." not in landing
    assert "{#trial}" in results
    assert "Does it &amp; how?" in results
    assert 'data-r="new.trial.share">0.500</a>' in results
    assert "curve" not in results


def test_each_paper_has_its_place_among_all_claims(one):
    """Two papers with claims, and one of the two with a saying."""
    rule = {"rule": "share.mean > 0.5", "rule_hash": "f" * 64}
    said = one.claims[0] | {"id": "Z3", "kind": "said", "text": "People say so."} | rule
    older = one.claims[0] | {"id": "Y1", "paper": "resnet", "experiment": None, "key": None}
    text = pages.build(replace(one, claims=[*one.claims, said, older]))["claims.md"].text
    top, _, below = text.partition("## ResNet {#resnet}")
    assert '<a href="#resnet">ResNet, 1</a><a href="#new">' in top
    assert '<a href="#what-people-say">What people say, 1</a>' in top
    assert below.index('id="Y1"') < below.index("{#new}") < below.index('id="Z1"')
    sayings = below.partition("## What people say")[2]
    assert "{#said-new}" in sayings
    assert "{#said-resnet}" not in sayings
    assert "share.mean &gt; 0.5" in sayings  # its rule stands under it


def test_the_sheet_links_to_the_slowest_benchmark(one):
    def bench(paper: str, ratio: float) -> Record:
        content = {"kind": "timing", "paper": paper, "name": "bench"}
        return Record(content | {"runs": [{"step": {"default": {"ratio_fastest": ratio}}}]})

    raced = {f"{paper}.bench": bench(paper, ratio) for paper, ratio in (("a", 1.2), ("b", 0.9))}
    assert evidence._slowest(replace(one, records=raced)) == "results/b/#bench"
    assert evidence._slowest(one) == ""


def test_a_slip_says_mean_interval_machine_record_and_command(one):
    text = '<a class="m" href="#" data-r="new.trial.share">50 %</a><a class="m" data-r="new.trial.share">50 %</a>'
    slip = parts.slips(text, one)["new.trial.share"]
    assert slip["Mean"].replace("\u202f", " ") == "50.0 %, 2 seeds"
    assert slip["Interval"].startswith("−")
    assert slip["Made on"].replace("\u202f", " ") == "CPU, 1 thread, 4 s a seed"
    assert (slip["Record"], slip["Again"]) == ("trial.json (measured)", "nox -s train -- new")


@pytest.mark.parametrize(("target", "page", "expected"), [
    ("claims/#A1", "papers/new/", "../../claims/#A1"), ("evidence/", "", "evidence/"),
    ("papers/#a", "papers/", "#a"), ("", "claims/", "../"), ("results/a/x.svg", "results/b/", "../a/x.svg"),
])  # fmt: skip
def test_links_are_relative_to_the_page(target, page, expected):
    assert parts.link(target, page) == expected


def test_numbers_are_shown_with_a_true_minus_and_raised_exponents():
    assert parts.shown(3.1e-7, "sci") == "3×10<sup>−7</sup>"
    assert parts.plain(parts.shown(3.1e-7, "sci")) == "3×10⁻⁷"
    assert parts.shown(-0.5) == "−0.5"
    assert parts.alike([0.5, 0.25]) == ["0.5000", "0.2500"]


def test_every_verdict_has_a_disc_of_its_own():
    assert len({kind for kind, _ in parts.VERDICTS.values()}) == 5
    css = (CSS / "house.css").read_text()
    assert all(f".disc.{kind}{{" in css for kind, _ in parts.VERDICTS.values() if kind != "fails")


def test_the_hero_draws_the_words_and_marks_the_lines_that_cross():
    weights = [[[[0.1, 0.8, 0.1], [0.7, 0.2, 0.1], [0, 0, 1]]]]
    example = {
        "source": ["ein", "zwanzig", "<end>"],
        "target": ["twenty", "-one", "<end>"],
        "weights": weights,
        "languages": ["de", "en"],
        "number": 21,
    }
    drawn = hero.draw(hero.decode(example))
    assert drawn.count('class="cross"') == 2
    assert drawn.count("<text") == 6  # four words, two shares
    assert "end" not in drawn
    assert "“twenty” looks at “zwanzig”" in drawn
    kept = {"read": example["source"], "written": example["target"], "maps": weights}
    live = {"drawn": kept | {"source": "de", "target": "en", "number": 21}}
    assert [hero.draw(hero.decode(one)) for one in hero.examples(live)] == [drawn]


def test_the_theme_loses_what_no_page_can_match_and_nothing_else():
    from generators.site.purge import purged

    css = ".a,.b{color:red}.b:hover{top:0}.a .b,.a>i{top:1px}@media print{.b{top:0}.a{top:2px}}"
    assert purged(css, {"a"}) == ".a{color:red}.a>i{top:1px}@media print{.a{top:2px}}"
    for kept in (
        "p:not(.b){left:0}",
        ".a:is(.b,:not(.c)){left:0}",
        "[dir=ltr] .a{left:0}",
        "@font-face{font-family:x}",
        "@keyframes turn{0%{top:0}}",
        ':root{--icon:url("data:x")}.a{mask:var(--icon)}',
        r".a\:hover .a{left:0}",
    ):
        assert purged(kept, {"a", "a:hover"}) == kept
    assert purged(':root{--icon:url("data:x")}.b{mask:var(--icon)}', {"a"}) == ""
    colours = "[data-md-color-primary=red]{top:1px}[data-md-color-accent=custom]{top:2px}"
    assert purged(colours, {"color-accent=custom"}) == "[data-md-color-accent=custom]{top:2px}"
