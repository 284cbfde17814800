"""The site without a mouse."""

import pytest
from conftest import Browser
from selenium.webdriver.common.keys import Keys


@pytest.mark.parametrize("kind", ["home", "note"])
def test_tab_reaches_the_skip_link_then_the_first_link(browser: Browser, kind: str):
    browser.show(kind)
    browser.press(Keys.TAB)
    first = browser.run(
        "const here = document.activeElement, box = here.getBoundingClientRect();"
        "return [here.className, here.getAttribute('href'), box.width > 1 && box.bottom > 0]"
    )
    assert "md-skip" in first[0], f"the first stop is {first}, not the link to the content"
    assert first[2], "the link to the content is not visible when it has the focus"
    browser.press(Keys.ENTER)
    assert browser.run("return !!document.querySelector(decodeURI(location.hash))")
    browser.show(kind)
    assert browser.tab_to("here.matches('header a[href]')", 5)


@pytest.mark.parametrize("kind", ["home", "note", "medium"])
def test_the_focus_is_always_on_something_visible(browser: Browser, kind: str):
    browser.show(kind)
    for _ in range(25):
        browser.press(Keys.TAB)
        stop = browser.run(
            "const here = document.activeElement;"
            "const box = here.getBoundingClientRect();"
            "if (here === document.body) return null;"
            "return [here.tagName + '.' + here.className, getComputedStyle(here).visibility,"
            " box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight]"
        )
        if stop is None:  # round once
            break
        assert stop[1:] == ["visible", True], f"the focus is on {stop[0]}, which nobody sees"


def test_search_opens_with_the_focus_and_finds_a_word(browser: Browser):
    browser.show("home")
    before = [r["url"] for r in browser.requests()]
    assert not [url for url in before if "search" in url], "the index is loaded before it is needed"
    assert browser.tab_to("here.name == 'query'", 40), "Tab does not reach the search field"
    browser.press("attention")
    text = browser.until("return document.querySelector('.md-search-result__item')?.textContent")
    assert "attention" in text.lower()
    browser.press(Keys.ESCAPE)
    assert browser.run("return document.activeElement.name != 'query'")


def test_the_palette_changes_by_keyboard(browser: Browser):
    browser.show("home", "light")
    browser.until("return document.querySelector('label[for^=__palette]:not([hidden])')")
    assert browser.tab_to("here.name == '__palette' || here.htmlFor?.startsWith('__palette')", 40)
    seen = set()
    for _ in range(3):
        seen.add(browser.run("return document.body.dataset.mdColorScheme"))
        name = browser.run("return document.activeElement.id || document.activeElement.title")
        browser.press(Keys.ENTER)
        browser.until("const a = document.activeElement; return (a.id || a.title) != " + repr(name))
    assert {"default", "slate"} <= seen


@pytest.mark.parametrize("kind", ["home", "landing", "note", "post"])
def test_a_measured_number_shows_its_record(browser: Browser, kind: str):
    """The slip opens with the focus, is tied to the number, and Escape closes it."""
    browser.show(kind)
    assert browser.run("return document.querySelector('a.m')"), f"no measured number on {kind}"
    assert browser.tab_to("here.matches('a.m')"), "Tab reaches no measured number"
    slip = "const slip = document.querySelector('#slip'); "
    assert browser.until(slip + "return !slip.hidden && slip.textContent.length > 10")
    assert browser.run("return document.activeElement.getAttribute('aria-describedby')") == "slip"
    inside = (
        slip + "const b = slip.getBoundingClientRect(); return b.left >= 0 && b.right <= innerWidth"
    )
    assert browser.run(inside)
    browser.press(Keys.ESCAPE)
    assert browser.run(slip + "return slip.hidden")
    assert browser.run("return document.activeElement.matches('a.m')"), "Escape lost the focus"
