"""The page that copies a post to Medium, in a real browser with a real clipboard."""

import json
import re
from pathlib import Path

import pytest
from conftest import SCHEMES, Browser, page_of, pages_of
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from generators.files import digest
from generators.site.medium.emit import facts

PASTE = """
document.body.insertAdjacentHTML("afterbegin", '<div id="editor" contenteditable="true"></div>');
const editor = document.getElementById("editor");
editor.addEventListener("paste", (event) => {
  const [html, text] = ["text/html", "text/plain"].map((type) => event.clipboardData.getData(type));
  window.pasted = {html, text, files: [...event.clipboardData.files]};
});
editor.focus();
"""
# Curly quotes, no-break spaces, line breaks as elements, pictures on Medium's own host.
AS_MEDIUM_COPIES = r"""
const story = new DOMParser().parseFromString(arguments[0], "text/html").body;
const taken = "https://miro.medium.com/v2/1*a.png";
for (const picture of story.querySelectorAll("img")) picture.src = taken;
for (const code of story.querySelectorAll("pre"))
  code.innerHTML = code.innerHTML.replace(/\n/g, "<br>");
for (const text of story.querySelectorAll("p"))
  text.innerHTML = text.innerHTML.replace(/ (\w)(?![^<>]*>)/, "\u00a0$1").replaceAll("'", "\u2019");
return story.innerHTML;
"""
# A story that has everything; the posts of the day need not.
SAMPLE = """<h1>A title</h1>
<h4>And its subtitle</h4>
<p>It gets <a href="https://a.org/r#x">98.7 %</a> right, <em>nearly</em> <strong>all</strong>.</p>
<p>It's <code>f(x)</code>, or 2³.</p>
<h3>A heading</h3>
<figure><img src="https://a.org/1.png" alt="A curve"><figcaption>It rises.</figcaption></figure>
<h4>A small one</h4>
<figure><img src="https://a.org/2.png" alt="A map"><figcaption>It is dark.</figcaption></figure>
<pre data-code-block-mode="2" data-code-block-lang="python">def f(x):
    a = x
BLANK
    return a</pre>
<pre data-code-block-mode="0">language  right
German     98.7</pre>
<ul><li>first</li><li>second</li></ul>
<blockquote><strong>A question</strong></blockquote>
<p>The end.</p>
""".replace("BLANK", " ")
TAKEN = re.sub(r'src="[^"]*"', 'src="https://miro.medium.com/v2/1*a.png"', SAMPLE)


@pytest.fixture
def manifest(site: Path) -> dict:
    """What the bundle says of itself."""
    return json.loads(
        (site / page_of(site, "medium") / "manifest.json").read_text(encoding="utf-8")
    )


def press_copy(browser: Browser) -> str:
    """Press the button; what the page says when it has finished."""
    browser.driver.find_element("id", "copy").click()
    said = "return document.getElementById('copied').textContent"
    return browser.until(
        f"{said}.startsWith('Loading') ? '' : document.getElementById('copied').textContent"
    )


@pytest.fixture
def copied(browser: Browser) -> Browser:
    """The page after a click on its button."""
    browser.show("medium")
    assert press_copy(browser).startswith("Copied")
    return browser


def paste(browser: Browser) -> None:
    ActionChains(browser.driver).key_down(Keys.CONTROL).send_keys("v").key_up(
        Keys.CONTROL
    ).perform()


def pasted_into_an_editor(browser: Browser) -> dict:
    """What arrives where somebody pastes."""
    browser.run(PASTE)
    paste(browser)
    return browser.until("return window.pasted")


# --- Copying ---------------------------------------------------------------------------------------------


def test_what_is_pasted_is_the_bundle_to_the_letter(copied: Browser, manifest: dict):
    pasted = pasted_into_an_editor(copied)
    assert digest(pasted["html"]) == manifest["sha256"]
    assert manifest["title"] in pasted["text"]
    # What an editor makes of it still has every fact.
    found = copied.run("return factsOf(document.getElementById('editor').innerHTML)")
    for what in ("headings", "numbers", "words", "captions", "pictures", "alternatives", "items"):
        assert found[what] == manifest["facts"][what], what
    assert sorted(found["links"]) == manifest["facts"]["links"]
    assert [c["text"] for c in found["code"]] == [c["text"] for c in manifest["facts"]["code"]]


def test_every_bundle_copies_itself(browser: Browser, site: Path):
    for page in pages_of(site, "medium"):
        browser.show("medium", page=page)
        assert press_copy(browser).startswith("Copied"), page
        told = json.loads((site / page / "manifest.json").read_text(encoding="utf-8"))
        assert digest(pasted_into_an_editor(browser)["html"]) == told["sha256"], page


def test_captions_become_paragraphs_where_medium_drops_them(browser: Browser, manifest: dict):
    browser.show("medium")
    browser.driver.find_element("id", "plainer").click()
    assert press_copy(browser).startswith("Copied")
    html = pasted_into_an_editor(browser)["html"]
    assert "<figcaption" not in html
    caption = manifest["facts"]["captions"][0]
    paragraphs = re.findall(r"<p>(.*?)</p>", html, re.DOTALL)
    assert caption in [" ".join(re.sub(r"<[^>]+>", "", text).split()) for text in paragraphs]
    back = browser.run(AS_MEDIUM_COPIES, html)
    assert said_of(browser, back) == ["Everything is there."]


def test_the_page_loads_each_picture_before_it_copies(browser: Browser, manifest: dict):
    browser.show("medium")
    names = {Path(picture["file"]).name for picture in manifest["pictures"]}

    def loaded() -> set[str]:
        return {name for r in browser.requests() if (name := r["url"].rpartition("/")[2]) in names}

    assert loaded() < names  # a visitor pays for no picture that is not seen
    press_copy(browser)
    assert loaded() == names
    assert {r["status"] for r in browser.requests()} <= {200}


@pytest.mark.parametrize("damage", ["missing", "no picture", "small"])
def test_nothing_is_copied_while_a_picture_is_not_as_it_should_be(
    browser: Browser, site: Path, manifest: dict, damage: str
):
    pictures = manifest["pictures"]
    file = site / page_of(site, "medium") / pictures[-1]["file"]
    whole = file.read_bytes()
    try:
        if damage == "missing":
            file.unlink()
        else:
            small = site / "assets" / "cards"
            file.write_bytes(
                b"<html>" if damage == "no picture" else next(small.glob("*.png")).read_bytes()
            )
        browser.show("medium")
        said = press_copy(browser)
    finally:
        file.write_bytes(whole)
    assert said.startswith("Not copied")
    assert pictures[-1]["address"] in said
    assert pictures[0]["address"] not in said


def test_a_page_opened_as_a_file_copies_too(browser: Browser, site: Path, manifest: dict):
    browser.driver.get((site / page_of(site, "medium") / "index.html").as_uri())
    assert press_copy(browser).startswith("Copied, but this is not the published page")
    assert digest(pasted_into_an_editor(browser)["html"]) == manifest["sha256"]


def test_on_the_published_page_the_public_addresses_are_loaded(browser: Browser):
    """The page decides by where it is; told that it is elsewhere, it asks for the published files."""
    browser.show("medium")
    asked = browser.run(
        "const sources = []; const real = window.Image;"
        "window.Image = function () { return { set src(to) { sources.push(to); this.onerror(); } } };"
        "const text = fault.toString().replace('here ? file : address', 'false ? file : address');"
        "eval('(' + text + ')')(bundle.pictures[0]).then((said) => (window.said = said));"
        "window.Image = real; return [sources, bundle.pictures[0].address]"
    )
    assert asked[0] == [asked[1]]
    assert browser.until("return window.said") == f"{asked[1]} cannot be loaded"


def test_each_checklist_button_copies_its_line(browser: Browser, manifest: dict):
    browser.show("medium")
    wanted = [manifest["title"], manifest["subtitle"], *manifest["topics"], manifest["canonical"]]
    wanted.append(manifest["preview"])
    copies = browser.run(
        "return [...document.querySelectorAll('dl [data-copy]')].map((b) => b.dataset.copy)"
    )
    assert copies == wanted
    for place in (0, len(wanted) - 1):
        browser.show("medium")
        browser.run("document.querySelectorAll('dl [data-copy]')[arguments[0]].focus()", place)
        browser.press(Keys.ENTER)
        assert pasted_into_an_editor(browser)["text"] == wanted[place]


def test_a_picture_is_copied_as_a_picture(browser: Browser, manifest: dict):
    browser.show("medium")
    browser.driver.find_element("css selector", "#one-by-one summary").click()
    browser.driver.find_element("css selector", ".pictures [data-picture]").click()
    browser.until(
        "return document.getElementById('copied').textContent == 'The picture is copied.'"
    )
    browser.run(PASTE)
    paste(browser)
    size = browser.until(
        "const file = window.pasted?.files[0]; if (!file) return null;"
        "window.asked ??= createImageBitmap(file).then((b) => (window.size = [file.type, b.width, b.height]));"
        "return window.size"
    )
    assert size == ["image/png", *manifest["pictures"][0]["size"]]


# --- Pasting back ----------------------------------------------------------------------------------------


def said_of(browser: Browser, html: str) -> list[str]:
    """What the box says of something pasted into it, by the browser's own paste."""
    browser.run(
        "const data = new DataTransfer(); data.setData('text/html', arguments[0]);"
        "const event = new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true});"
        "document.getElementById('back').dispatchEvent(event)",
        html,
    )
    lines = "[...document.querySelectorAll('#verdict li')].map((e) => e.textContent)"
    return browser.run(f"return {lines}") or [browser.run("return verdict.textContent")]


def test_page_and_builder_find_the_same_facts(browser: Browser, site: Path):
    """In every post, and in a story that has everything."""
    pages = pages_of(site, "medium")
    stories = {
        page: json.loads((site / page / "manifest.json").read_text(encoding="utf-8"))
        for page in pages
    }
    for page, told in stories.items():
        browser.show("medium", page=page)
        found = browser.run("return factsOf(bundle.clipboard.html)")
        assert found.pop("elsewhere") == [
            f"{told['site']}{page}{picture['file']}" for picture in told["pictures"]
        ]
        assert found | {"links": sorted(found["links"])} == told["facts"]
    found = browser.run("return factsOf(arguments[0])", SAMPLE)
    assert len(found.pop("elsewhere")) == 2
    assert found | {"links": sorted(found["links"])} == facts(SAMPLE)


def test_pasting_back_names_only_the_pictures_that_medium_has_not_taken(copied: Browser, manifest):
    copied.run("document.getElementById('back').focus()")
    paste(copied)
    lines = copied.until(
        "return [...document.querySelectorAll('#verdict li')].map(e => e.textContent)"
    )
    assert lines == [f"Not taken over by Medium: {p['address']}" for p in manifest["pictures"]]


def test_a_story_as_medium_gives_it_back_is_whole(browser: Browser, site: Path):
    for page in pages_of(site, "medium"):
        browser.show("medium", page=page)
        back = browser.run(AS_MEDIUM_COPIES, browser.run("return bundle.clipboard.html"))
        assert said_of(browser, back) == ["Everything is there."], page


def test_a_clipboard_without_a_story_is_told(browser: Browser):
    browser.show("medium")
    assert "no formatted text" in said_of(browser, "")[0]


DAMAGE = {
    "a changed digit": ("98.7 %", "98.6 %", "Number lost: 98.7"),
    "a lost word": ("The end", "The", "Word lost: end"),
    "a new word": ("The end", "The very end", "Word new: very"),
    "a lost link": ('<a href="https://a.org/r#x">98.7 %</a>', "98.7 %", "Link lost"),
    "a link elsewhere": ("r#x", "r#y", 'Link new: "98.7 %" (https://a.org/r#y)'),
    "a lost heading": ("<h3>A heading</h3>", "<p>A heading</p>", "Heading lost: A heading"),
    "a heading of another size": (
        "h4>A small one</h4",
        "h3>A small one</h3",
        "Size of the heading",
    ),
    "another title": ("<h1>A title</h1>", "<h1>Untitled</h1>", 'Title: "Untitled"'),
    "a lost picture": (
        r"<figure>(?:(?!</figure>).)*A map.*?</figure>",
        "",
        "Pictures: 1 instead of 2",
    ),
    "a picture elsewhere": ("https://miro.medium.com", "https://a.org", "Not taken over by Medium"),
    "a lost alternative text": ('alt="A map"', 'alt=""', "Alternative text lost: A map"),
    "a lost caption": ("<figcaption>It is dark.</figcaption>", "", "Caption lost: It is dark."),
    "two pictures swapped": (
        r"<figure>(.*?)</figure>(.*?)<figure>(.*?)</figure>",
        r"<figure>\3</figure>\2<figure>\1</figure>",
        "Captions in another order",
    ),
    "changed code": ("a = x", "a = y", "Code 1 lost or changed"),
    "code in one line": (
        r":\n    a = x\n \n    return",
        ": a = x return",
        "Code 1: its lines were joined",
    ),
    "code in two blocks": (
        r"a = x\n \n",
        '    a = x</pre><pre data-code-block-mode="2" data-code-block-lang="python">',
        "Code 1 was split into 2 blocks",
    ),
    "another language": (
        'lang="python"',
        'lang="lua"',
        "Language of code 1: lua instead of python",
    ),
    "a language for a table": (
        'mode="0"',
        'mode="2" data-code-block-lang="sql"',
        "Language of code 2: sql",
    ),
    "a lost entry": ("<li>second</li>", "", "List item lost: second"),
    "entries in one": ("</li><li>", " ", "List item new: first second"),
    "a quote as text": ("blockquote", "p", "Quote lost: A question"),
    "lost italics": ("<em>nearly</em>", "nearly", "Italics: 0 letters instead of 6"),
    "lost bold": ("<strong>all</strong>", "all", "Bold: 9 letters instead of 12"),
    "lost inline code": (r"<code>f\(x\)</code>", "f(x)", "Inline code lost: f(x)"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_pasting_back_names_the_damage(browser: Browser, damage: str):
    pattern, replacement, named = DAMAGE[damage]
    count = 0 if pattern == "blockquote" else 1
    spoilt = re.sub(pattern, replacement, TAKEN, count=count, flags=re.DOTALL)
    assert spoilt != TAKEN
    browser.show("medium")
    browser.run("bundle.facts = factsOf(arguments[0])", SAMPLE)
    assert said_of(browser, TAKEN) == ["Everything is there."]
    lines = said_of(browser, spoilt)
    assert any(line.startswith(named) for line in lines), lines


# --- The page itself -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("choice", "width"), [("wide", 680), ("narrow", 320)])
def test_the_story_is_shown_as_wide_as_on_a_desk_and_on_a_phone(
    browser: Browser, choice: str, width: int
):
    browser.show("medium")
    radio = browser.driver.find_element("css selector", f"[name=width][value={choice}]")
    radio.click()
    wide = browser.run("return document.getElementById('story').clientWidth")
    assert wide == pytest.approx(width, abs=2)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_with_everything_open_has_no_fault(browser: Browser, scheme: str):
    browser.show("medium", scheme, 390)
    browser.run("document.getElementById('one-by-one').open = true")
    said_of(browser, "<h1>Another</h1>")
    assert press_copy(browser).startswith("Copied")
    assert browser.axe() == []
    assert browser.run("return document.documentElement.scrollWidth <= 390")


def test_everything_is_reached_by_the_keyboard(browser: Browser):
    browser.show("medium")
    for what in (
        "here.id == 'copy'",
        "here.id == 'plainer'",
        "here.dataset.copy",
        "here.tagName == 'SUMMARY'",
    ):
        assert browser.tab_to(what, 40), what
    assert browser.tab_to("here.id == 'back'", 10)
    assert browser.tab_to("here.name == 'width'", 10)
    browser.show("medium")
    assert browser.tab_to("here.id == 'copy'", 10)
    browser.press(Keys.ENTER)
    assert browser.until(
        "return document.getElementById('copied').textContent.startsWith('Copied')"
    )
