"""A bundle for Medium holds the whole post in Medium's own forms, or is refused."""

import doctest
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from generators.site import pictures
from generators.site.medium import blocks, checks, drawing, inline_math, runs, write_bundles
from generators.site.medium.emit import payload
from generators.site.medium.runs import NoRule

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
<a href="https://github.com/x/edit" class="md-content__button md-icon">edit</a>
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


def page(body: str = BODY) -> str:
    """A built post."""
    return (
        '<!doctype html><html lang="en"><head><title>T</title><meta name="description" '
        'content="A small Transformer, and 2 of its words.">'
        '<meta property="article:tag" content="attention"></head>'
        f'<body><nav>Menu 7</nav><article class="md-content__inner">{body}</article></body></html>'
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


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """The bundle of the sample post."""
    return write_bundles(site(tmp_path_factory.mktemp("site")), SITE)[0]


@pytest.fixture(scope="module")
def manifest(bundle) -> dict:
    return json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))


def clipboard(bundle: Path) -> dict[str, str]:
    text = (bundle / "index.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="bundle">(.*?)</script>', text, re.S)
    return json.loads(found[1])["clipboard"]


def story_and_payload(body: str = BODY) -> tuple[runs.Story, str]:
    story = blocks.read_post(page(body), "crossing", SITE + "posts/crossing/")
    names = {
        block.source: f"{SITE}medium/crossing/img/{i}.png" for i, block in enumerate(story.blocks)
    }
    return story, payload(story, names)


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
    assert "Menu" not in html
    assert "edit" not in html


def test_a_palette_halves_a_picture_and_changes_no_colour_that_fills_an_area():
    picture = Image.effect_mandelbrot((200, 200), (-2, -1.5, 1, 1.5), 60).convert("RGB")
    picture.paste("#8a3208", (0, 0, 90, 90))
    picture.paste("#ffffff", (110, 110, 200, 200))
    full = io.BytesIO()
    picture.save(full, "PNG")
    small = pictures.with_palette(full.getvalue())
    again = Image.open(io.BytesIO(small)).convert("RGB")
    assert len(small) < len(full.getvalue())
    assert again.getpixel((40, 40)) == (0x8A, 0x32, 0x08)
    assert again.getpixel((150, 150)) == (255, 255, 255)
    assert pictures.with_palette(full.getvalue()) == small


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
    assert not re.findall(r'(?:src|srcset)="(?!img/)[^"]*"', shown)


def test_two_bundles_are_the_same_bytes(bundle, tmp_path):
    again = write_bundles(site(tmp_path), SITE.rstrip("/"))[0]
    files = sorted(path.relative_to(bundle) for path in bundle.rglob("*") if path.is_file())
    assert len(files) == 4
    for name in files:
        assert (bundle / name).read_bytes() == (again / name).read_bytes()


def test_a_wide_table_becomes_one_bullet_a_row():
    cells = "".join(f"<td>{'word ' * 8}{n}</td>" for n in range(3))
    table = (
        f"<table><tr><th>a</th><th>b</th><th>c</th></tr><tr>{cells}</tr><tr>{cells}</tr></table>"
    )
    story, html = story_and_payload(f"<h1>T</h1>{table}")
    assert html.count("<li><strong>a</strong>: word") == 2
    assert checks.lint(html) == []
    assert checks.parity(page(f"<h1>T</h1>{table}"), html, story) == []


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
    ],
)
def test_what_has_no_rule_is_an_error_that_names_post_and_element(body, named):
    with pytest.raises(NoRule, match="crossing: .*" + re.escape(named)):
        story_and_payload(f"<h1>T</h1>{body}")


@pytest.mark.parametrize("limit", ["title", "description"])
def test_mediums_limits_are_kept(limit):
    body = f"<h1>{'t' * 101}</h1>" if limit == "title" else "<h1>T</h1>"
    text = page(body).replace("A small Transformer", "x" * 150 if limit == "description" else "y")
    with pytest.raises(NoRule, match=f"its {limit} has 1"):
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
    story, html = story_and_payload()
    assert checks.lint(html) == []
    assert checks.parity(page(), html, story) == []


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name):
    story, html = story_and_payload()
    pattern, replacement = MUTANTS[name]
    mutant, changes = re.subn(pattern, replacement, html, count=1, flags=re.S)
    assert changes == 1
    assert mutant != html
    assert [*checks.lint(mutant), *checks.parity(page(), mutant, story)]


def worst_medium(html: str) -> str:
    """Medium at its worst: what section after section of reports says that a paste may lose."""
    html = re.sub(
        r"<(sub|sup|mark|u|del|table|tr|td|svg|script)\b[^>]*>|</(sub|sup|mark|u|del)>", "", html
    )
    html = re.sub(r'<img src="(?!https)[^>]*>|<img src="[^"]*\.svg"[^>]*>', "", html)
    html = re.sub(
        r"<pre>(.*?)</pre>", lambda m: f"<pre>{m[1].replace(chr(10), ' ')}</pre>", html, flags=re.S
    )
    return re.sub(
        r"(<pre[^>]*>)(.*?)</pre>",
        lambda m: "".join(f"{m[1]}{part}</pre>" for part in m[2].split("\n\n")),
        html,
        flags=re.S,
    )


def test_medium_at_its_worst_still_has_the_whole_post():
    story, html = story_and_payload()
    assert checks.parity(page(), worst_medium(html), story) == []
    spoilt = html.replace(' data-code-block-mode="2" data-code-block-lang="python"', "")
    assert checks.parity(page(), worst_medium(spoilt), story)


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
        drawing.check_ink(drawing.formula_png(svg, latex), latex, edge=24)


def test_an_unknown_macro_is_refused_by_name():
    with pytest.raises(NoRule, match=r"\\nope"):
        drawing.formula_svgs(["x", r"\nope"])


def test_a_formula_too_wide_for_the_column_is_refused():
    latex = " + ".join(f"x_{{{n}}} y_{{{n}}}" for n in range(40))
    with pytest.raises(NoRule, match="break it into lines"):
        drawing.formula_png(drawing.formula_svgs([latex])[0], latex)


def test_a_clipped_or_blank_picture_is_refused():
    wide = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 20"><rect width="100" height="9"/></svg>'
    with pytest.raises(NoRule, match="cut off"):
        drawing.check_ink(drawing.png(wide), "wide", edge=12)
    with pytest.raises(NoRule, match="blank"):
        drawing.check_ink(drawing.png(wide.replace('height="9"', 'height="0"')), "empty", edge=0)


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
