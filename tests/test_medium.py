"""A bundle for Medium holds the whole post in Medium's own forms, or is refused."""

import doctest
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from medium_cases import BODY, FIGURE, SITE, faults, formula, page, site, story_and_payload
from PIL import Image

from generators.site import pictures, repairs
from generators.site.medium import blocks, drawing, inline_math, kept, write_bundles
from generators.site.medium.runs import NoRule


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory) -> Path:
    """What is kept between builds, for these tests alone."""
    before, kept.CACHE = kept.CACHE, tmp_path_factory.mktemp("kept")
    yield kept.CACHE
    kept.CACHE = before


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """The bundle of the sample post."""
    return write_bundles(site(tmp_path_factory.mktemp("site")), SITE)[0].folder


@pytest.fixture(scope="module")
def manifest(bundle) -> dict:
    return json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))


def clipboard(bundle: Path) -> dict[str, str]:
    text = (bundle / "index.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="bundle">(.*?)</script>', text, re.S)
    return json.loads(found[1])["clipboard"]


# --- The bundle ----------------------------------------------------------------------------------


def test_the_bundle_is_the_post_in_mediums_forms(bundle, manifest):
    html = clipboard(bundle)["html"]
    assert html.startswith("<h1>Two lines that cross</h1>\n<h4>A small Transformer, and 2 of its")
    assert manifest["published"] == "2026-11-20"
    assert manifest["topics"] == ["attention"]
    assert manifest["canonical"] == SITE + "posts/crossing/"
    assert "<em>dₖ</em> = <em>d</em>_model/8" in html
    assert f'<a href="{SITE}results/transformer/#translation">98.7 %</a>' in html
    assert "3×10⁻⁷" in html
    assert "    a = x\n \n    return a + 1</pre>" in html
    assert '<pre data-code-block-mode="2" data-code-block-lang="python">' in html
    assert "language   right\n--------  ------\nGerman    98.7 %\nDanish     7.1 %</pre>" in html
    assert "<li>– below it</li><li>second</li>" in html
    assert "<p>3. three</p>" in html
    assert "<blockquote><strong>How many?</strong></blockquote>" in html
    assert f'A note.<a href="{SITE}posts/crossing/#fn:1">¹</a>' in html
    assert html.endswith(
        f'<p><em>Originally published at </em><a href="{SITE}posts/crossing/"><em>{SITE}posts/crossing/</em></a>'
        "<em>, 20 November 2026</em><em>; code and data at commit </em>"
        '<a href="https://github.com/x/y/tree/9f2c86f"><em>9f2c86f</em></a><em>.</em></p>\n'
    )
    assert "Menu" not in html
    assert "edit" not in html


def test_a_palette_halves_a_picture_and_changes_no_colour_that_fills_an_area():
    picture = Image.effect_mandelbrot((200, 200), (-2, -1.5, 1, 1.5), 60).convert("RGB")
    picture.paste("#8a3208", (0, 0, 90, 90))
    picture.paste("#ffffff", (110, 110, 200, 200))
    full = io.BytesIO()
    picture.save(full, "PNG")
    small = pictures.with_palette(picture)
    again = Image.open(io.BytesIO(small)).convert("RGB")
    assert len(small) < len(full.getvalue())
    assert again.getpixel((40, 40)) == (0x8A, 0x32, 0x08)
    assert again.getpixel((150, 150)) == (255, 255, 255)
    assert pictures.with_palette(picture) == small


def test_the_pictures_are_whole_and_1400_pixels_wide(bundle, manifest):
    assert [picture["size"][0] for picture in manifest["pictures"]] == [1400, 1400]
    for picture in manifest["pictures"]:
        content = (bundle / picture["file"]).read_bytes()
        drawing.check_ink(content, picture["file"], edge=12)
        assert picture["address"] == f"{SITE}medium/crossing/{picture['file']}"
        assert picture["address"] in clipboard(bundle)["html"]


def test_the_page_asks_no_other_host_and_says_what_is_not_known(bundle):
    text = (bundle / "index.html").read_text(encoding="utf-8")
    assert "not yet confirmed on medium.com" in text
    shown = re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert re.search(
        r"when this page was made: 2 formulas, \d+ words, .*1 tables, 2 pieces of code", text
    )
    assert '<meta name="robots" content="noindex">' in text
    assert f'<link rel="canonical" href="{SITE}posts/crossing/">' in text
    assert not re.findall(r'(?:src|srcset)="(?!img/)[^"]*"', shown)


def test_two_bundles_are_the_same_bytes(bundle, tmp_path, monkeypatch):
    for module, name in ((kept, "kept"), (drawing, "formulas")):  # nothing comes from a cache
        monkeypatch.setattr(module, "CACHE", tmp_path / name)
    report = write_bundles(site(tmp_path), SITE.rstrip("/"))[0]
    assert not report.again
    again = report.folder
    files = sorted(path.relative_to(bundle) for path in bundle.rglob("*") if path.is_file())
    assert len(files) == 4
    for name in files:
        assert (bundle / name).read_bytes() == (again / name).read_bytes()


def test_a_wide_table_becomes_one_bullet_a_row():
    cells = "".join(f"<td>{'word ' * 8}{n}</td>" for n in range(3))
    table = (
        f"<table><tr><th>a</th><th>b</th><th>c</th></tr><tr>{cells}</tr><tr>{cells}</tr></table>"
    )
    _, html, _ = story_and_payload(f"<h1>T</h1>{table}")
    assert html.count("<li><strong>a</strong>: word") == 2
    assert faults(f"<h1>T</h1>{table}") == []


BOXES = """<h1>T</h1><h4 id="d">Deeper</h4>
<div class="admonition note"><p class="admonition-title">Note</p><p>Mind the gap.</p>
<div class="highlight"><pre>out</pre></div></div>
<div class="tabbed-set" data-tabs="1:2"><input checked id="a" type="radio"><input id="b" type="radio">
<div class="tabbed-labels"><label for="a">Linux</label><label for="b">Mac</label></div>
<div class="tabbed-content"><div class="tabbed-block"><p>apt</p></div>
<div class="tabbed-block"><p>brew</p></div></div></div>
<p>See <a href="../../notes/gpt1/#idea">the note</a>.</p>"""


def test_boxes_tabs_and_deep_headings_come_one_after_the_other():
    _, html, _ = story_and_payload(BOXES)
    assert html.split("\n")[2:-2] == [
        "<p><strong>Deeper</strong></p>",
        "<blockquote><strong>Note</strong></blockquote>",
        "<blockquote>Mind the gap.</blockquote>",
        '<pre data-code-block-mode="0">out</pre>',
        "<p><strong>Linux</strong></p>",
        "<p>apt</p>",
        "<p><strong>Mac</strong></p>",
        "<p>brew</p>",
        f'<p>See <a href="{SITE}notes/gpt1/#idea">the note</a>.</p>',
    ]
    assert faults(BOXES) == []


# --- What the author wishes ---------------------------------------------------------------------------

TABLE = "<table {}><tr><th>who</th><th>right</th></tr><tr><td>{}</td><td>12</td></tr></table>"
LONG_CODE = "\n".join(f"line_{n} = {n}" for n in range(40))


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (TABLE.format("data-medium='list'", "ours"), "<li><strong>who</strong>: ours; "),
        (
            f"<div data-medium='list'>{TABLE.format('', 'ours')}</div>",
            "<li><strong>who</strong>: ours; ",
        ),
        (TABLE.format("data-medium='text'", "our " * 30), "12</pre>"),
        (
            "<h2 id='there'>There</h2><video data-medium='link' src='a.mp4'></video>",
            f'<p>Left out here; see the original: <a href="{SITE}posts/crossing/#there">There</a></p>',
        ),
        (
            "<p><img data-medium='link' src='a.gif' alt='It moves'></p>",
            f'<p>Left out here; see <a href="{SITE}posts/crossing/">the original</a></p>',
        ),
        (
            f"<p>It is <span data-medium='the cube root of 8'>{formula(chr(92) + 'sqrt[3]{8}')}</span>.</p>",
            "<p>It is the cube root of 8.</p>",
        ),
        ("<p>H<sub data-medium='₂'>2</sub>O</p>", "<p>H₂O</p>"),
        (
            f"<div class='highlight' data-medium='text'><pre>{LONG_CODE}</pre></div>",
            "line_39 = 39</pre>",
        ),
    ],
)
def test_the_author_can_say_how_a_thing_is_told(body: str, kept: str):
    body = f"<h1>T</h1>{body}"
    _, html, _ = story_and_payload(body)
    assert kept in html
    assert faults(body) == []


def test_what_the_author_leaves_out_or_says_in_words_is_told_on_the_page(tmp_path):
    body = (
        "<h1>T</h1><video data-medium='link' src='a.mp4'></video><p>It is "
        f"<span data-medium='a cube root'>{formula(chr(92) + 'sqrt[3]{8}')}</span>.</p>"
    )
    report = write_bundles(site(tmp_path, body), SITE)[0]
    assert report.manifest["left_out"] == ["<video>"]
    assert report.manifest["formulas"]["refused"] == [r"\sqrt[3]{8}"]
    assert "0 formulas proven, 1 refused" in str(report)
    text = (report.folder / "index.html").read_text(encoding="utf-8")
    assert "Left to the original on purpose: &lt;video&gt;." in text
    assert r"own words: <code>\sqrt[3]{8}</code>" in text


def test_a_wish_in_the_markdown_reaches_the_page():
    table = "<table>\n<tr><td>1</td></tr>\n</table>"
    assert repairs.repaired(f'{table}\n<p>{{: medium="list"}}</p>') == table.replace(
        "<table", '<table data-medium="list"'
    )
    assert repairs.repaired('<p id="a" medium="link">medium="x"</p>') == (
        '<p id="a" data-medium="link">medium="x"</p>'
    )


def test_a_live_model_is_its_figure_and_a_link_that_opens_it():
    figure = '<figure><img src="a.svg" alt="A map"><figcaption>It looks back.</figcaption></figure>'
    body = f'<h1>T</h1><attention-explorer id="explorer" class="live">{figure}</attention-explorer>'
    _, html, _ = story_and_payload(body)
    assert "<figcaption>It looks back.</figcaption></figure>\n<p>This picture is a live" in html
    assert f'<a href="{SITE}posts/crossing/#explorer?step=1">try it</a></p>' in html
    assert faults(body) == []


def test_a_long_listing_stays_whole_and_links_to_its_file():
    where = '<p class="src"><span>a.py, lines 1 to 40</span> <a href="https://x.org/blob/9f2c86f/a.py">Source</a></p>'
    code = f"<div class='language-python highlight'><pre>{LONG_CODE}</pre></div>"
    body = f'<h1>T</h1><div class="code">{where}{code}</div>'
    _, html, _ = story_and_payload(body)
    assert LONG_CODE in html
    assert '<a href="https://x.org/blob/9f2c86f/a.py">Source</a>' in html
    assert faults(body) == []
    with pytest.raises(NoRule, match="a listing of 40 lines without its file; quote it"):
        story_and_payload(f"<h1>T</h1>{code}")


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("<video src=x></video>", "<video>"),
        ("<p>a <mark>b</mark></p>", '<mark> "b"'),
        ("<p>H<sub>2</sub>O</p>", "<sub>"),
        ("<p>1<sup>st</sup></p>", "<sup>"),
        ('<p>a <img src="a.svg" alt="x"> b</p>', "<img>"),
        ('<p><img src="a.jpg" alt="x"></p>', "only figures"),
        ('<p><img src="a.svg"></p>', "no alternative text"),
        ("<svg><path d='M0 0'/></svg>", "<svg>"),
        ("<h1>again</h1>", "a second title"),
        (formula(r"\begin{cases} a \end{cases}"), "inline formula"),
        ("<div class='language-brainwave highlight'><pre>x</pre></div>", "brainwave"),
        ("<table><tr><td>1</td></tr><tr><td>1</td><td>2</td></tr></table>", "same number of cells"),
        ("<p><a>nowhere</a></p>", "without an address"),
        ("<p data-medium='picture'>a</p>", 'medium="picture"'),
    ],
)
def test_what_has_no_rule_is_an_error_that_names_post_and_element(body, named):
    with pytest.raises(NoRule, match="crossing: .*" + re.escape(named)):
        story_and_payload(f"<h1>T</h1>{body}")


def test_a_listing_may_show_a_picture_of_html(tmp_path):
    shown = '&lt;img src="img/a.png"&gt; or src="img/b.png"'
    body = f"<h1>T</h1><pre><code>{shown}</code></pre>"
    folder = write_bundles(site(tmp_path, body), SITE)[0].folder
    assert shown in (folder / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("limit", ["title", "description"])
def test_mediums_limits_are_kept(limit):
    body = f"<h1>{'t' * 101}</h1>" if limit == "title" else "<h1>T</h1>"
    text = page(body).replace("A small Transformer", "x" * 150 if limit == "description" else "y")
    with pytest.raises(NoRule, match=f"its {limit} has 1"):
        blocks.read_post(text, "crossing", SITE)


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        (["a", "b", "c", "d", "e", "f"], "it has 6 tags"),
        ([], "it has 0 tags"),
        (["a/b"], 'the tag "a/b"'),
        (["x" * 26], "25 at most"),
    ],
)
def test_at_most_five_topics_of_letters_digits_spaces_and_dashes(tags, said):
    metas = "".join(f'<meta property="article:tag" content="{tag}">' for tag in tags)
    text = page("<h1>T</h1>").replace('<meta property="article:tag" content="attention">', metas)
    with pytest.raises(NoRule, match=f"crossing: .*{said}"):
        blocks.read_post(text, "crossing", SITE)


def test_a_figure_that_is_not_in_the_site_is_named(tmp_path):
    site(tmp_path, BODY.replace("alignment.svg", "alignmemt.svg"))
    with pytest.raises(NoRule, match=r"alignmemt\.svg is not in the built site"):
        write_bundles(tmp_path, SITE)


def test_a_failed_bundle_leaves_no_folder(tmp_path):
    site(tmp_path, BODY.replace("<blockquote>", "<p><mark>x</mark></p><blockquote>"))
    with pytest.raises(NoRule):
        write_bundles(tmp_path, SITE)
    assert not (tmp_path / "medium").exists()


# --- Formulas ------------------------------------------------------------------------------------

READABLE = {
    r"x_{t+1}": "xₜ₊₁",
    r"d_{\text{model}}": "d_model",
    r"\mathbb{R}^{n \times d}": "ℝ^(n×d)",
    r"\frac{1}{\sqrt{d_k}}": "1/√(dₖ)",
    r"QK^\top": "QKᵀ",
    r"W^Q_i \in \mathbb{R}^{d \times k}": "Wᵢ^Q ∈ ℝ^(d×k)",
    r"\operatorname{softmax}\left(\frac{QK^\top}{\sqrt{d_k}}\right)V": "softmax((QKᵀ)/√(dₖ))V",
    r"\log p_\theta(x_t \mid x_{<t})": "log p_θ(xₜ | x_(<t))",
    r"3 \times 10^{-7}": "3 × 10⁻⁷",
    r"\|x\|_2": "‖x‖₂",
    r"\hat{y}_i": "ŷᵢ",
    r"\sum_{i=1}^n x_i": "∑ᵢ₌₁ⁿ xᵢ",
    r"2\frac{a+b}{c}": "2((a + b)/c)",
    r"\sqrt{x}^2": "(√x)²",
    r"x^{(i)}": "x⁽ⁱ⁾",
    r"x_{i_j}": "x_(iⱼ)",
    r"\sin(pos/10000^{2i/d_{\text{model}}})": "sin(pos/10000^(2i/d_model))",
    r"\mathcal{L}(\theta) = -\frac{1}{n}\sum_i \log p_i": "ℒ(θ) = −(1/n) ∑ᵢ log pᵢ",
    r"[0, 1)": "[0, 1)",
    r"4{,}096": "4,096",
    r"x \ne y": "x ≠ y",
    r"\beta_2 = 0.98": "β₂ = 0.98",
    r"\max(0, xW_1 + b_1)W_2 + b_2": "max(0, xW₁ + b₁)W₂ + b₂",
}


def test_the_example_in_the_docstring_is_true():
    assert doctest.testmod(inline_math).attempted == 1
    assert doctest.testmod(inline_math).failed == 0


@pytest.mark.parametrize("latex", READABLE)
def test_an_inline_formula_reads_well(latex):
    assert "".join(text for text, _ in inline_math.linear(latex)) == READABLE[latex]


@pytest.mark.parametrize(
    "latex",
    [r"\nope", r"\begin{cases} a \end{cases}", r"\stackrel{a}{b}", r"\sqrt[3]{x}", "x_{0,1}", "(a", "_a", "a^", "",
     r"\hat{xy}", r"\text{a $b$}", "a & b", "x^2^3"],
)  # fmt: skip
def test_what_a_line_of_text_cannot_hold_is_refused(latex):
    with pytest.raises(inline_math.Refused):
        inline_math.linear(latex)


PAIRS = [
    ("x_{t+1}", "x_t+1"),
    (r"\frac{a+b}{c}", r"a+\frac{b}{c}"),
    (r"d_{\text{k}}", "d_k"),
    ("W^Q K", "W^{QK}"),
    (r"x^\top", "x^T"),
    (r"\sqrt{x^2}", r"\sqrt{x}^2"),
    (r"\frac{a}{bc}", r"\frac{a}{b}c"),
    (r"x_{i_j}", "x_{ij}"),
    (r"\|x\|", "|x|"),
    (r"\mathbf{x}", "x"),
    (r"\log p", "logp"),
    ("{ab}^2", "ab^2"),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_different_formulas_give_texts_that_read_differently(one, other):
    assert inline_math.read(inline_math.linear(one)) != inline_math.read(inline_math.linear(other))


def test_the_proof_fails_when_the_writer_errs(monkeypatch):
    from generators.site.medium import linear

    monkeypatch.setattr(linear, "_spelt", lambda script, sign: [("_", "n"), *linear.write(script)])
    with pytest.raises(inline_math.Refused, match="does not read back"):
        inline_math.linear("x_{i_j+1} + y")


HARD = [
    r"\operatorname{softmax}\left(\frac{QK^\top}{\sqrt{d_k}}\right) V",
    r"\begin{aligned} m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \\ \hat m_t &= \frac{m_t}{1-\beta_1^t} \end{aligned}",
    r"R = \begin{pmatrix} \cos\theta & -\sin\theta \\ \sin\theta & \cos\theta \end{pmatrix}",
    r"PE_{(pos, i)} = \begin{cases} \sin(pos) & i \text{ even} \\ \cos(pos) & i \text{ odd} \end{cases}",
    r"\hat\theta = \operatorname*{arg\,min}_\theta \mathbb{E}_{x \sim \mathcal{D}} \left[ \ell(x) \right]",
    r"\underbrace{W_0 x}_{\text{frozen}} + \boxed{\lim_{n \to \infty} \frac{1}{n}}",
]


def test_hard_display_formulas_are_drawn_whole():
    for latex, svg in zip(HARD, drawing.formula_svgs(HARD), strict=True):
        assert "<text" not in svg
        drawing.check_ink(pictures.png(drawing.placed(svg, latex)), latex, edge=24)


def test_an_unknown_macro_is_refused_by_name():
    with pytest.raises(NoRule, match=r"\\nope"):
        drawing.formula_svgs(["x", r"\nope"])


def test_a_formula_too_wide_for_the_column_is_refused():
    latex = " + ".join(f"x_{{{n}}} y_{{{n}}}" for n in range(40))
    with pytest.raises(NoRule, match="break it into lines"):
        drawing.placed(drawing.formula_svgs([latex])[0], latex)


def test_a_clipped_or_blank_picture_is_refused():
    wide = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 20"><rect width="100" height="9"/></svg>'
    with pytest.raises(NoRule, match="cut off"):
        drawing.check_ink(pictures.png(wide), "wide", edge=12)
    with pytest.raises(NoRule, match="blank"):
        drawing.check_ink(pictures.png(wide.replace('height="9"', 'height="0"')), "empty", edge=0)


def test_a_figure_has_white_around_it_and_what_hangs_over_its_edge_is_seen():
    whole = drawing.draw([("figure", "a.svg")], {"a.svg": FIGURE})["figure", "a.svg"]
    drawing.check_ink(whole, "a.svg", edge=drawing.EDGE)
    for old, new in (("H380", "H412"), ("M40 20", "M40 -9"), ("M40", "M-11")):
        with pytest.raises(NoRule, match="cut off"):
            drawing.draw([("figure", "a.svg")], {"a.svg": FIGURE.replace(old, new)})


def test_a_drawn_formula_is_kept_and_a_damaged_one_is_drawn_again(monkeypatch, tmp_path):
    monkeypatch.setattr(drawing, "CACHE", tmp_path)
    first = drawing.formula_svgs(["x^2"])
    kept = next(tmp_path.iterdir())
    kept.write_text(kept.read_text(encoding="utf-8").replace("path", "peth"), encoding="utf-8")
    assert drawing.formula_svgs(["x^2"]) == first
    monkeypatch.setattr(drawing, "_mathjax", lambda missing: [] if not missing else 1 / 0)
    assert drawing.formula_svgs(["x^2"]) == first


def test_without_node_modules_the_message_says_what_to_do(monkeypatch, tmp_path):
    program = shutil.copy(drawing.PROGRAM, tmp_path / "mathjax.mjs")
    monkeypatch.setattr(drawing, "PROGRAM", Path(program))
    monkeypatch.setattr(drawing, "CACHE", tmp_path / "none")
    with pytest.raises(NoRule, match="nox -s env"):
        drawing.formula_svgs(["x"])
