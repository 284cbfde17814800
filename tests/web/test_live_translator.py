"""The number translator in a browser: by keyboard and by pointer, and what a reader has where it cannot run."""

import contextlib
import random
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import pytest
import torch
from conftest import SCHEMES, WIDTHS, Browser
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from generators.data import in_words
from generators.experiments.transformer.heads_off import switched_off
from generators.experiments.transformer.maps import kept_maps
from generators.files import ROOT
from generators.weights import read_live
from implementations.transformer import Transformer, TransformerConfig, greedy

HERE = "const translator = document.querySelector('number-translator'); "
WEIGHTS = ROOT / "results" / "transformer" / "live.safetensors"
SHIFTS = """
const done = arguments[0];
let sum = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value;
}).observe({type: "layout-shift", buffered: true});
setTimeout(() => done(sum), 500);
"""


class Translator:
    """The translator on the home page."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def open(self, state: str = "", scheme: str = "light", width: int = 1280) -> "Translator":
        """Show the page, perhaps with a state in its address, and wait for the model."""
        self.browser.show("home", scheme, width, f"#translator?{state}" if state else "")
        self.run("translator.scrollIntoView({behavior: 'instant'})")
        self.browser.until(HERE + "return translator.dataset.state == 'live'", 60)
        return self

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a script that may speak of `translator`."""
        return self.browser.run(HERE + script, *arguments)

    def find(self, selector: str) -> Any:
        """An element of it, in view."""
        found = self.browser.driver.find_element(By.CSS_SELECTOR, f"number-translator {selector}")
        self.browser.run(
            "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", found
        )
        return found

    def texts(self, selector: str) -> list[str]:
        """What the elements say."""
        script = "return [...translator.querySelectorAll(arguments[0])].map((e) => e.textContent)"
        return self.run(script, selector)

    @property
    def written(self) -> str:
        """The translation, as the verdict quotes it."""
        return self.run("return translator.now.text")

    @property
    def wanted(self) -> str:
        """What would be right."""
        return self.run("return NumberWords.textOf(translator.wanted)")

    @property
    def chosen(self) -> str:
        """The chosen word."""
        [word] = self.texts(".target [aria-pressed=true]")
        return word

    def drawn(self) -> str:
        """The lines."""
        return self.run("return translator.querySelector('.picture svg').innerHTML")

    def wait_for_heads(self) -> None:
        """Until each head has been tried without."""
        script = "return [...translator.querySelectorAll('.costs')].every((e) => e.textContent)"
        self.browser.until(HERE + script, 60)


@pytest.fixture
def translator(browser: Browser) -> Translator:
    return Translator(browser)


def told(capsys: pytest.CaptureFixture, line: str) -> None:
    """Print beside pytest's dots."""
    with capsys.disabled():
        print(f"\n  translator: {line}")


def test_everything_by_keyboard(translator: Translator):
    browser = translator.open("n=4721&from=de&to=en").browser
    assert translator.written == translator.wanted == in_words(4721, "en")
    assert browser.tab_to("here.matches('number-translator input')"), "Tab misses the number"
    browser.press(Keys.ARROW_UP)
    assert translator.wanted == in_words(4722, "en")
    browser.press(*[Keys.BACKSPACE] * 4, "3", "2")
    assert translator.wanted == in_words(32, "en")
    assert "n=32&" in browser.run("return location.hash")

    assert browser.tab_to("here.matches('.from')", 3)
    browser.press("F")  # French
    assert translator.run("return translator.state.from") == "fr"
    assert browser.tab_to("here.matches('.swap')", 3)
    browser.press(Keys.ENTER)
    assert browser.run("return location.hash") == "#translator?n=32&from=en&to=fr"
    assert translator.wanted == in_words(32, "fr")

    assert browser.tab_to("here.matches('.target button')", 2), "Tab misses the words"
    browser.press(Keys.HOME)
    words, first = translator.texts(".target .word"), translator.drawn()
    assert translator.chosen == words[0]
    browser.press(Keys.ARROW_RIGHT)
    assert translator.chosen == words[1]
    assert translator.drawn() != first
    assert words[1] in translator.find(".says").text

    assert browser.tab_to("here.matches('[data-head=\"1.2\"]')", 6), "Tab misses a head's switch"
    assert "head 1.2" in translator.find(".says").text  # its lines are shown while it has the focus
    browser.press(Keys.SPACE)
    assert browser.run("return document.activeElement.getAttribute('aria-checked')") == "false"
    assert browser.run("return location.hash").endswith("&off=1.2")
    browser.press(Keys.SPACE)
    assert "off" not in browser.run("return location.hash")

    assert browser.tab_to("here.matches('number-translator summary')", 12)
    browser.press(Keys.ENTER)
    browser.until("return document.querySelector('number-translator table')")
    assert translator.texts("tbody th") == words


def test_everything_by_pointer(translator: Translator):
    browser = translator.open("n=4721&from=de&to=en").browser
    words = translator.texts(".target .word")
    reaching = translator.chosen
    assert f"watch {reaching} reach over" in translator.find(".says").text
    ActionChains(browser.driver).move_to_element(translator.find(".target button")).perform()
    assert translator.chosen == words[0]
    translator.find(".target button:last-child").click()
    assert translator.chosen == words[-1]
    translator.find(".another").click()
    assert translator.run("return translator.input.value == translator.state.n")
    translator.wait_for_heads()
    for switch in browser.driver.find_elements(By.CSS_SELECTOR, "[role=switch]"):
        switch.click()
    assert "wrong" in translator.find(".verdict").text, "blind, and still right"
    assert "it should be" in translator.find(".verdict").text
    assert translator.run("return translator.querySelector('.wrong')")


def test_the_other_language_makes_room(translator: Translator):
    """A language is never translated into itself: the other one takes its place."""
    translator.open("n=21&from=de&to=en")
    for way, other in (("from", "to"), ("to", "from")):
        both = translator.run("return translator.state")
        translator.find(f".{way} option[value={both[other]}]").click()
        after = translator.run("return translator.state")
        assert (after[way], after[other]) == (both[other], both[way])


@pytest.mark.parametrize(
    "state", ["n=99999&from=de&to=de&off=9.9,1", "n=-3&from=xx", "off=%00&n=2e3", "n=", "junk"]
)
def test_an_address_that_makes_no_sense_shows_something_that_does(
    translator: Translator, state: str
):
    translator.open(state)
    found = translator.run("return {...translator.state, off: [...translator.state.off]}")
    assert 0 <= found["n"] < 10_000
    assert found["from"] != found["to"]
    assert found["off"] == []
    assert translator.texts(".target .word")


def test_the_address_goes_there_and_back(translator: Translator):
    translator.open("n=4106&from=da&to=de&off=1.2,2.1")
    found = translator.run("return {...translator.state, off: [...translator.state.off]}")
    assert found == {"n": 4106, "from": "da", "to": "de", "off": ["1.2", "2.1"]}
    translator.run("location.hash = '#translator?n=7&from=en&to=fr'")
    translator.browser.until(HERE + "return translator.state.n == 7")
    assert translator.wanted == in_words(7, "fr")


@pytest.mark.parametrize("off", ["", "1.2", "1.1,2.1,2.4"])
@pytest.mark.parametrize(("number", "source", "target"), [(7434, "de", "en"), (4106, "da", "de")])
def test_the_page_shows_what_python_computes(
    translator: Translator, number: int, source: str, target: str, off: str
):
    """The same weights, number and heads: the same translation, and the same per cent in the table."""
    translator.open(f"n={number}&from={source}&to={target}" + (f"&off={off}" if off else ""))
    translator.find("summary").click()
    translator.find("details input").click()
    state, live = read_live(WEIGHTS)
    page, config = live["page"], {k: v for k, v in live["config"].items() if k != "epsilon"}
    model = Transformer(TransformerConfig(**config, dropout=0.0)).eval()
    model.load_state_dict(state)
    read = torch.tensor([translator.run("return translator.read")])
    start = torch.tensor([page["start"][target]])
    heads = [tuple(int(part) - 1 for part in head.split(".")) for head in off.split(",") if head]
    with torch.no_grad(), without(model, heads):
        tokens = greedy(model, read, start, page["end"], page["longest"])
        with kept_maps(layer.cross_attention for layer in model.decoder) as maps:
            model(read, torch.cat([start[:, None], tokens[:, :-1]], dim=1))
    written = [token for token in tokens[0].tolist() if token != page["end"]]
    assert translator.run("return translator.model.encode(translator.now.text)") == written
    for head in ("1.1", "2.3"):
        translator.find(f".lines option[value='{head}']").click()
        layer, place = (int(part) - 1 for part in head.split("."))
        rows = translator.run(
            "return [...translator.querySelectorAll('tbody tr')]"
            ".map((row) => [...row.querySelectorAll('td')].map((cell) => parseInt(cell.textContent)))"
        )
        expected = 100 * maps[layer][0, place, : len(written)]
        assert (torch.tensor(rows) - expected).abs().max() <= 0.501  # they are rounded


def without(model: Transformer, heads: list[tuple[int, int]]):
    """Cross-attention without these heads."""
    stack = contextlib.ExitStack()
    for layer, head in heads:
        stack.enter_context(switched_off(model.decoder[layer].cross_attention, head))
    return stack


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_fits_and_axe_finds_nothing(translator: Translator, scheme: str, width: int):
    """With long numbers, a wrong word, the table open; no word leaves the frame."""
    browser = translator.open("n=9797&from=fr&to=da&off=1.1,1.2,1.3,1.4", scheme, width).browser
    translator.run("translator.querySelector('details').open = true")
    translator.wait_for_heads()
    browser.until("return document.querySelector('number-translator table')")
    root = "document.documentElement"
    assert browser.run(f"return {root}.scrollWidth <= {root}.clientWidth")
    outside = translator.run(
        "const box = translator.getBoundingClientRect();"
        "return [...translator.querySelectorAll('.live-body .word')].filter((word) => {"
        "const at = word.getBoundingClientRect(); return at.left < box.left - 1 || at.right > box.right + 1 })"
        ".map((word) => word.textContent)"
    )
    assert not outside
    assert browser.axe() == []
    assert browser.errors() == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_moves_when_it_comes(translator: Translator, width: int, capsys):
    browser = translator.open("", "light", width).browser
    translator.run("translator.nextElementSibling?.scrollIntoView({behavior: 'instant'})")
    shift = browser.driver.execute_async_script(SHIFTS)
    told(capsys, f"layout shift {shift:.3f} at {width} px")
    assert shift <= 0.05


def test_without_script_the_drawing_stands_there(browser: Browser):
    send = browser.driver.execute_cdp_cmd
    send("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.driver.get(browser.address)
        drawing = browser.driver.find_element(By.CSS_SELECTOR, "number-translator .frame svg")
        assert drawing.is_displayed()
        assert drawing.size["height"] > 100
    finally:
        send("Emulation.setScriptExecutionDisabled", {"value": False})


def test_without_weights_a_notice_and_the_drawing(translator: Translator):
    browser = translator.browser
    send = browser.driver.execute_cdp_cmd
    send("Network.enable", {})
    send("Network.setBlockedURLs", {"urls": ["*.safetensors"]})
    try:
        browser.show("home")
        translator.run("translator.scrollIntoView()")
        browser.until(HERE + "return translator.dataset.state == 'failed'", 20)
        assert translator.run("return translator.querySelector('.frame svg').checkVisibility()")
        assert "did not arrive" in translator.run("return translator.textContent")
    finally:
        send("Network.setBlockedURLs", {"urls": []})
    translator.find("button").click()  # try again
    browser.until(HERE + "return translator.dataset.state == 'live'", 30)


def test_how_quick_it_is(translator: Translator, capsys):
    """Printed, not judged: it depends on the machine. Nothing may come from another host."""
    browser = translator.browser
    send = browser.driver.execute_cdp_cmd
    send("Network.enable", {})
    line = {
        "offline": False,
        "latency": 80,
        "downloadThroughput": 1.25e6,
        "uploadThroughput": 1.25e6,
    }
    send("Network.emulateNetworkConditions", line)
    try:
        translator.open()
        seconds = translator.run("return performance.now() / 1000")
    finally:
        send(
            "Network.emulateNetworkConditions",
            {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1},
        )
    hosts = {urlsplit(request["url"]).netloc for request in browser.requests()}
    assert hosts == {urlsplit(browser.address).netloc}
    numbers = random.Random(0).sample(range(10_000), 60)
    keys = translator.run(
        "return arguments[0].map((n) => { translator.input.value = n; const before = performance.now();"
        "translator.input.dispatchEvent(new Event('input')); return performance.now() - before })",
        numbers,
    )
    told(capsys, f"first answer after {seconds:.2f} s at 10 Mbit/s, 80 ms")
    told(capsys, f"a typed key {median(keys):.1f} ms (median), {max(keys):.1f} ms at most")
