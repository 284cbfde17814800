"""The page that copies a post to Medium, in a real browser with a real clipboard."""

import json
import re
from pathlib import Path

import pytest
from conftest import Browser, page_of
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from generators.files import digest

PASTE = """
document.body.insertAdjacentHTML("afterbegin", '<div id="editor" contenteditable="true"></div>');
const editor = document.getElementById("editor");
editor.addEventListener("paste", (event) => {
  const [html, text] = ["text/html", "text/plain"].map((type) => event.clipboardData.getData(type));
  window.pasted = {html, text};
});
editor.focus();
"""
# Curly quotes, no-break spaces, line breaks as elements, pictures on Medium's own host.
AS_MEDIUM_COPIES = r"""
const story = new DOMParser().parseFromString(bundle.clipboard.html, "text/html").body;
const taken = "https://miro.medium.com/v2/1*a.png";
for (const picture of story.querySelectorAll("img")) picture.src = taken;
for (const code of story.querySelectorAll("pre"))
  code.innerHTML = code.innerHTML.replace(/\n/g, "<br>");
for (const text of story.querySelectorAll("p"))
  text.innerHTML = text.innerHTML.replace(/ (\w)/, "\u00a0$1").replaceAll("'", "\u2019");
return story.innerHTML;
"""


@pytest.fixture
def manifest(site: Path) -> dict:
    """What the bundle says of itself."""
    return json.loads(
        (site / page_of(site, "medium") / "manifest.json").read_text(encoding="utf-8")
    )


@pytest.fixture
def copied(browser: Browser) -> Browser:
    """The page after a click on its button."""
    browser.show("medium")
    browser.until("return document.getElementById('copy').dataset.ready")
    browser.driver.find_element("id", "copy").click()
    browser.until("return document.getElementById('copied').textContent.startsWith('Copied')")
    return browser


def paste(browser: Browser) -> None:
    ActionChains(browser.driver).key_down(Keys.CONTROL).send_keys("v").key_up(
        Keys.CONTROL
    ).perform()


def test_what_is_pasted_is_the_bundle_to_the_letter(copied: Browser, manifest: dict):
    copied.run(PASTE)
    paste(copied)
    pasted = copied.until("return window.pasted")
    assert digest(pasted["html"]) == manifest["sha256"]
    assert manifest["title"] in pasted["text"]
    # What an editor makes of it still has every fact.
    facts = copied.run("return factsOf(document.getElementById('editor').innerHTML)")
    for what in ("headings", "numbers", "links", "captions", "pictures"):
        assert facts[what] == manifest["facts"][what], what
    assert [c["text"] for c in facts["code"]] == [c["text"] for c in manifest["facts"]["code"]]


def test_page_and_builder_find_the_same_facts(browser: Browser, manifest: dict):
    browser.show("medium")
    facts = browser.run("return factsOf(bundle.clipboard.html)")
    elsewhere = facts.pop("elsewhere")
    assert facts == manifest["facts"]
    assert elsewhere == [picture["address"] for picture in manifest["pictures"]]


def test_pasting_back_names_only_the_pictures_that_medium_has_not_taken(copied: Browser, manifest):
    copied.run("document.getElementById('back').focus()")
    paste(copied)
    lines = copied.until(
        "return [...document.querySelectorAll('#verdict li')].map(e => e.textContent)"
    )
    assert lines == [f"Not taken over by Medium: {p['address']}" for p in manifest["pictures"]]


def test_a_story_as_medium_gives_it_back_is_whole(browser: Browser):
    browser.show("medium")
    back = browser.run(AS_MEDIUM_COPIES)
    assert browser.run("return differences(bundle.facts, factsOf(arguments[0]))", back) == []


@pytest.mark.parametrize(
    ("pattern", "replacement", "named"),
    [
        (r"(>[^<>]*?\d)(?=[^<>]*<)", r"\g<1>7", "Number lost"),
        (r"<a [^>]*>(.*?)</a>", r"\1", "Link lost"),
        (r"<h3>.*?</h3>", "", "Heading lost"),
        (r"<figure>.*?</figure>", "", "Pictures: "),
        (r"(<pre[^>]*>)[^<]", r"\1", "Code lost"),
        (r' data-code-block-lang="\w+"', "", "Language of code"),
    ],
)
def test_pasting_back_names_what_was_lost(
    browser: Browser, pattern: str, replacement: str, named: str
):
    browser.show("medium")
    html = browser.run("return bundle.clipboard.html")
    spoilt = re.sub(pattern, replacement, html, count=1, flags=re.DOTALL)
    if spoilt == html:
        pytest.skip(f"this post has nothing to lose of the kind: {named}")
    lines = browser.run("return differences(bundle.facts, factsOf(arguments[0]))", spoilt)
    assert any(line.startswith(named) for line in lines), lines


def test_nothing_is_copied_while_a_picture_is_missing(browser: Browser, site: Path, manifest: dict):
    if not manifest["pictures"]:
        pytest.skip("this post has no picture")
    picture = site / page_of(site, "medium") / manifest["pictures"][0]["file"]
    away = picture.with_suffix(".away")
    picture.rename(away)
    try:
        browser.show("medium")
        browser.until("return document.getElementById('copy').dataset.ready")
        browser.driver.find_element("id", "copy").click()
        said = browser.run("return document.getElementById('copied').textContent")
    finally:
        away.rename(picture)
    assert said.startswith("Not copied")
    assert manifest["pictures"][0]["address"] in said
