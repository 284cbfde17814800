"""The attention explorer in a browser: by keyboard and by pointer, and what a reader has where it cannot run."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from urllib.parse import quote, urlsplit

import pytest
from conftest import SCHEMES, WIDTHS, Browser
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from generators.files import ROOT

HERE = "const explorer = document.querySelector('attention-explorer'); "
TEXT = "Read: owl lamp red kite. Repeat: owl lamp red"
VIEWS = ("map", "lines", "next", "costs", "compare", "cell", "table", "code")
TOO_WIDE = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
SHIFTS = """
const done = arguments[0];
let sum = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value;
}).observe({type: "layout-shift", buffered: true});
setTimeout(() => done(sum), 300);
"""


@pytest.fixture(scope="module")
def page(site: Path) -> str:
    """The page that has the explorer."""
    found = [
        file.relative_to(site).as_posix().removesuffix("index.html")
        for file in sorted(site.glob("notes/*/index.html"))
        if "<attention-explorer " in file.read_text(encoding="utf-8")
    ]
    if not found:
        pytest.fail("no note has the attention explorer")
    return found[0]


class Explorer:
    """The explorer on its page."""

    def __init__(self, browser: Browser, page: str) -> None:
        self.browser, self.page = browser, page

    def open(self, state: str = "", scheme: str = "light", width: int = 1280) -> "Explorer":
        """Show the page with a state in its address, and wait for the model."""
        if state and "text=" not in state:
            state += f"&text={quote(TEXT)}"
        self.browser.show(
            "note", scheme, width, self.page + (f"#explorer?{state}" if state else "")
        )
        self.run("explorer.scrollIntoView()")
        self.browser.until(HERE + "return explorer.dataset.state == 'live'", 30)
        return self

    def run(self, script: str, *arguments):
        """The value of a script that may speak of `explorer`."""
        return self.browser.run(HERE + script, *arguments)

    def text(self, selector: str) -> str:
        """What an element of it says."""
        return self.run("return explorer.querySelector(arguments[0]).textContent", selector)

    def find(self, selector: str):
        """An element of it."""
        return self.browser.driver.find_element(By.CSS_SELECTOR, f"attention-explorer {selector}")

    def click(self, selector: str) -> None:
        """Click on an element of it, wherever it is on the page."""
        self.run("explorer.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
        self.find(selector).click()

    def button(self, text: str) -> None:
        """Click on the button of this name."""
        script = (
            "return [...explorer.querySelectorAll('button')]"
            ".find((b) => b.checkVisibility() && b.textContent == arguments[0])"
        )
        found = self.run(script, text)
        assert found, f"no button is called {text}"
        self.run("arguments[0].scrollIntoView({block: 'center'})", found)
        found.click()

    def view(self, name: str) -> None:
        """Open one of the views."""
        self.click(f"[data-view={name}]")
        if name == "costs":
            self.browser.until(HERE + "return explorer.querySelector('.ex-costs tbody tr')")

    def focus(self, selector: str) -> None:
        """Give the focus to an element of it."""
        self.run("explorer.querySelector(arguments[0]).focus()", selector)

    def state(self) -> dict:
        """Its state."""
        return self.run("return explorer.state")

    def shown(self) -> list[str]:
        """The percentages under the tokens."""
        return self.run(
            "return [...explorer.querySelectorAll('.ex-chips small')].map((e) => e.textContent)"
        )

    @property
    def model(self) -> dict:
        """What the file of the weights says."""
        return self.run("return {config: explorer.model.config, page: explorer.model.page}")


@pytest.fixture
def explorer(browser: Browser, page: str) -> Explorer:
    return Explorer(browser, page)


def told(capsys: pytest.CaptureFixture, line: str) -> None:
    """Print beside pytest's dots."""
    with capsys.disabled():
        print(f"\n  explorer: {line}")


# The tour


def test_the_tour_by_pointer_sets_each_state_and_asks_its_question(explorer: Explorer):
    explorer.open()
    tour = explorer.model["page"]["tour"]
    assert len(tour) == 5
    for number, step in enumerate(tour):
        assert explorer.text(".ex-say") == step["say"]
        assert explorer.text(".ex-ask") == ""
        explorer.button(step["button"])
        state = explorer.state()
        assert explorer.text(".ex-ask") == step["ask"]
        for key in ("text", "query", "layer", "head", "view"):
            if key in step["set"]:
                assert state[key] == step["set"][key], (number, key)
        assert len(state["off"]) == len(step["set"].get("off", []))
        explorer.button("Next" if number < 4 else "Explore freely")
    assert explorer.state()["mode"] == "explore"


def test_the_tour_by_keyboard(explorer: Explorer):
    explorer.open()
    browser = explorer.browser
    tour = explorer.model["page"]["tour"]
    explorer.focus("[data-mode=explore]")
    for step in tour:
        if step is tour[0]:
            assert browser.tab_to(f"here.textContent == {json.dumps(step['button'])}", 5)
        assert browser.run("return document.activeElement.textContent") == step["button"]
        browser.press(Keys.ENTER)
        assert explorer.text(".ex-ask") == step["ask"]
        assert browser.tab_to("['Next', 'Explore freely'].includes(here.textContent)", 3)
        browser.press(Keys.ENTER)
    assert explorer.state()["mode"] == "explore"
    assert browser.run("return document.activeElement.textContent") == "Explore freely"


# Every feature


def test_typing_changes_what_is_shown_and_the_context_is_a_limit(explorer: Explorer, capsys):
    explorer.open("view=map")
    before = explorer.shown()
    explorer.focus("textarea")
    explorer.browser.press(Keys.END, " new")
    assert len(explorer.shown()) > len(before)
    # A busy machine interrupts: of three times that the same text is typed, the fastest of each key counts.
    script = """
    const box = explorer.querySelector("textarea"), times = [];
    for (let round = 0; round < 3; round++) {
      box.value = arguments[0];
      box.dispatchEvent(new Event("input"));
      [..." and then the old dog sat by the door"].forEach((letter, at) => {
        const start = performance.now();
        box.value += letter;
        box.dispatchEvent(new Event("input"));
        times[at] = Math.min(times[at] ?? Infinity, performance.now() - start);
      });
    }
    return times;
    """
    times = explorer.run(script, TEXT)
    told(capsys, f"a typed key: median {median(times):.1f} ms, largest {max(times):.1f} ms")
    explorer.run(
        "const box = explorer.querySelector('textarea'); box.value = 'the lamp '.repeat(90);"
        "box.dispatchEvent(new Event('input'))"
    )
    context = explorer.model["config"]["context"]
    assert len(explorer.shown()) == context
    assert f"reads {context} tokens at most" in explorer.text(".ex-honest")
    explorer.run(
        "const box = explorer.querySelector('textarea'); box.value = ''; box.dispatchEvent(new Event('input'))"
    )
    assert "Write something" in explorer.text(".ex-honest")


def test_words_that_the_model_never_saw_are_called_so(explorer: Explorer):
    explorer.open("view=map&text=" + quote("Xyzzy plugh qwfp zxcv jkl; vbnm"))
    assert "never seen words like these" in explorer.text(".ex-honest")
    for preset in explorer.model["page"]["presets"]:
        explorer.run("explorer.preset(arguments[0])", preset["id"])
        assert "never seen" not in explorer.text(".ex-honest"), preset["id"]


def test_tokens_heads_and_tabs_by_arrow_keys(explorer: Explorer):
    explorer.open("at=3&head=1.1&view=map")
    press, state = explorer.browser.press, explorer.state
    explorer.focus(".ex-chips [aria-checked=true]")
    press(Keys.ARROW_RIGHT)
    assert state()["query"] == 3
    press(Keys.END)
    assert state()["query"] == len(explorer.shown()) - 1
    explorer.focus(".ex-grid [aria-checked=true]")
    press(Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    assert (state()["layer"], state()["head"]) == (1, 1)
    explorer.focus(".ex-tabs [aria-selected=true]")
    press(Keys.ARROW_RIGHT)
    assert state()["view"] == "lines"
    assert explorer.browser.run("return document.activeElement.dataset.view") == "lines"


def test_the_map_by_keys_and_by_pointer(explorer: Explorer):
    explorer.open("at=6&head=1.1&view=map&key=1")
    explorer.focus(".ex-map")
    explorer.browser.press(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert explorer.run("return explorer.cell") == {"query": 6, "key": 1}
    assert "(token 7)" in explorer.text(".ex-spoken")
    assert "(token 2)" in explorer.text(".ex-spoken")
    live = HERE + "return explorer.live.textContent == explorer.spoken.textContent"
    assert explorer.browser.until(live), "what is shown is not said aloud after keys"
    explorer.browser.press(Keys.ENTER)
    assert explorer.state()["query"] == 6
    canvas = explorer.find(".ex-map canvas")
    explorer.run("arguments[0].scrollIntoView({block: 'center'})", canvas)
    width, height = canvas.size["width"], canvas.size["height"]
    move = ActionChains(explorer.browser.driver).move_to_element_with_offset(canvas, 0, 0)
    move.move_by_offset(int(-width * 0.1), int(height * 0.3)).perform()
    cell = explorer.run("return explorer.cell")
    assert f"(token {cell['query'] + 1})" in explorer.text(".ex-spoken")
    canvas_click = ActionChains(explorer.browser.driver).click()
    canvas_click.perform()
    assert explorer.state()["query"] == cell["query"]
    assert explorer.state()["key"] == cell["key"]


def test_next_tokens_are_a_distribution_and_a_seed_gives_the_same_text(explorer: Explorer):
    explorer.open("at=99&view=next&seed=7")
    start = explorer.state()["text"]
    explorer.button("Write twelve")
    first = explorer.state()["text"]
    assert first.startswith(start)
    assert len(first) > len(start)
    explorer.run("explorer.set({text: arguments[0], query: 99})", start)
    explorer.button("Write twelve")
    assert explorer.state()["text"] == first
    explorer.run("explorer.set({text: arguments[0], query: 99, topK: 1})", start)
    assert explorer.run("return explorer.querySelector('.ex-number').textContent") == "100\u202f%"
    explorer.run("explorer.set({query: 1, topK: 0})")
    assert "stands next in the text" in explorer.text(".ex-next")
    explorer.run(
        "const slider = explorer.querySelector('input[type=range]'); slider.value = 0.5;"
        "slider.dispatchEvent(new Event('input'))"
    )
    assert explorer.state()["temperature"] == 0.5


def test_a_head_that_is_off_is_struck_out_and_its_cost_is_that_of_the_list(explorer: Explorer):
    explorer.open("at=99&head=1.2&view=costs")
    explorer.view("costs")
    rows = explorer.run(
        "return [...explorer.querySelectorAll('.ex-costs tbody tr')]"
        ".map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    config = explorer.model["config"]
    assert len(rows) == config["n_layers"] * config["n_heads"]
    bits = [float(row[1].replace("\u2212", "-")) for row in rows]
    assert bits == sorted(bits, reverse=True)
    for name, cost, _ in (rows[0], rows[-1]):
        explorer.run("explorer.set({off: [arguments[0]]})", name)
        told_bits = re.search(r"([\d.]+) bits (lost|won)", explorer.text(".ex-lost"))
        assert told_bits
        assert told_bits[1] == cost.lstrip("\u2212")
    explorer.view("next")
    assert explorer.run("return explorer.querySelectorAll('.ex-before').length > 4")
    assert explorer.run("return explorer.querySelectorAll('.ex-grid .ex-off').length") == 1
    explorer.button("All heads on")
    assert explorer.run("return explorer.querySelectorAll('.ex-off, .ex-before').length") == 0
    explorer.button("Switch head 1.2 off")
    assert explorer.state()["off"] == ["1.2"]


def test_two_heads_and_two_sentences_stand_side_by_side(explorer: Explorer):
    explorer.open("at=4&head=1.1&view=compare&other=2.2")
    assert explorer.run("return explorer.querySelectorAll('.ex-pair canvas').length") == 2
    assert "Head 2.2" in explorer.text(".ex-pair")
    explorer.focus(".ex-wide input")
    explorer.browser.press("The lamp is", Keys.TAB)
    assert explorer.state()["second"] == "The lamp is"
    assert "After “is”" in explorer.text(".ex-pair")


def test_table_arithmetic_and_chips_agree_with_the_model(explorer: Explorer):
    explorer.open("at=7&head=2.1&view=table&key=3")
    weight = explorer.run("return explorer.row()[2]")
    cells = explorer.run(
        "return [...explorer.querySelectorAll('.ex-table tbody tr')[6].cells].map((c) => c.textContent)"
    )
    assert cells[3] == f"{100 * weight:.1f}"
    assert cells[8] == ""
    explorer.view("cell")
    result = explorer.run(
        "return explorer.querySelector('.ex-sums tr:last-child td:nth-of-type(1)').textContent"
    )
    power, total = map(float, result.split(" / "))
    assert power / total == pytest.approx(weight, abs=2e-4)
    assert explorer.shown()[2] == f"{100 * weight:.0f}"


def test_the_state_is_in_the_address_and_comes_back_from_it(explorer: Explorer):
    explorer.open("text=The%20key%20by%20the%20lamps&at=4&head=2.3&off=1.1,3.2&view=lines")
    state = explorer.state()
    assert state["text"] == "The key by the lamps"
    assert (state["query"], state["layer"], state["head"]) == (3, 1, 2)
    assert (state["off"], state["view"], state["mode"]) == (["1.1", "3.2"], "lines", "explore")
    explorer.view("next")
    found = explorer.browser.until("return location.hash.includes('view=next') && location.hash")
    explorer.open(found.removeprefix("#explorer?"))
    assert explorer.state()["view"] == "next"
    assert explorer.state()["off"] == state["off"]
    # Nonsense in an address is left aside.
    explorer.open("at=-4&head=9.9&off=7.7,x&view=nothing&temperature=hot")
    assert explorer.state()["view"] == "map"
    assert explorer.state()["off"] == []


@pytest.mark.parametrize("off", ["", "off=2.1,1.3"])
def test_python_prints_the_numbers_of_the_page(explorer: Explorer, site: Path, off: str):
    explorer.open(f"at=9&head=3.2&view=code&{off}")
    code = explorer.text(".ex-panel code")
    weights = next((site / "assets" / "models").glob("explorer.*.safetensors"))
    code = code.replace("results/gpt2/explorer.safetensors", str(weights))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    looks, _, following = done.stdout.partition("next:")
    python = [float(share) / 100 for share in re.findall(r"^ *([\d.]+)%", looks, re.M)]
    page = explorer.run("return [...explorer.row()]")
    assert python[: len(page)] == pytest.approx(page, abs=1e-5)
    chances = explorer.run(
        "return [...Live.probabilities(explorer.logits(explorer.run), {})].sort((a, b) => b - a).slice(0, 5)"
    )
    python = [float(share) / 100 for share in re.findall(r"^ *([\d.]+)%", following, re.M)]
    assert python == pytest.approx(chances, abs=1e-5)


# Everywhere


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_view_is_sound(explorer: Explorer, pytestconfig, scheme: str, width: int):
    """No axe violation, nothing wider than the window, no other host, no error."""
    explorer.open("", scheme, width)
    browser, faults = explorer.browser, []
    for name in ("tour", *VIEWS):
        if name == "map":
            explorer.click("[data-mode=explore]")
            explorer.run("explorer.set({off: ['1.1']})")
        if name != "tour":
            explorer.view(name)
        if (over := browser.run(TOO_WIDE)) > 0:
            faults.append(f"{name}: {over} px too wide")
        faults += [
            f"{name}: {found['id']}: {found['help']}: {found['nodes'][0]['html'][:150]}"
            for found in browser.axe()
        ]
        if pytestconfig.option.screenshots:
            browser.picture(
                ROOT / ".cache" / "screenshots" / f"explorer-{name}-{scheme}-{width}.png"
            )
    own = urlsplit(browser.address).netloc
    faults += [f"asks {r['url']}" for r in browser.requests() if urlsplit(r["url"]).netloc != own]
    faults += [f"console: {error}" for error in browser.errors()]
    assert not faults, "\n".join(faults)


def test_the_drawing_follows_the_palette(explorer: Explorer):
    explorer.open("at=5&head=1.1&view=map")
    pixel = (
        "const pen = explorer.querySelector('.ex-grid canvas').getContext('2d');"
        "return String(pen.getImageData(0, 0, 1, 1).data)"
    )
    light = explorer.run(pixel)
    explorer.run("document.body.dataset.mdColorScheme = 'slate'")
    explorer.browser.driver.execute_async_script("requestAnimationFrame(arguments[0])")
    assert explorer.run(pixel) != light


def test_nothing_moves_when_the_model_comes(explorer: Explorer, capsys):
    for width in WIDTHS:
        explorer.browser.show("note", "light", width, explorer.page)
        explorer.browser.scroll_through()
        explorer.browser.until(HERE + "return explorer.dataset.state == 'live'", 30)
        shift = explorer.browser.driver.execute_async_script(SHIFTS)
        told(capsys, f"layout shift at {width} px: {shift:.3f}")
        assert shift <= 0.05


# Where it cannot run


@pytest.fixture
def network(browser: Browser) -> Iterator:
    """The browser's network, as it was when the test is over."""
    send = browser.driver.execute_cdp_cmd
    yield send
    send("Network.setBlockedURLs", {"urls": []})
    send("Emulation.setScriptExecutionDisabled", {"value": False})
    usual = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    send("Network.emulateNetworkConditions", usual)


def test_without_the_weights_a_notice_and_the_picture_and_a_second_try(explorer: Explorer, network):
    network("Network.setBlockedURLs", {"urls": ["*.safetensors"]})
    explorer.browser.show("note", page=explorer.page)
    explorer.run("explorer.scrollIntoView()")
    explorer.browser.until(HERE + "return explorer.dataset.state == 'failed'", 20)
    assert "did not arrive" in explorer.text(".live-note")
    assert explorer.run("return explorer.querySelector('figure img').checkVisibility()")
    assert not [found["id"] for found in explorer.browser.axe()]
    network("Network.setBlockedURLs", {"urls": []})
    explorer.click(".live-note button")
    explorer.browser.until(HERE + "return explorer.dataset.state == 'live'", 20)
    assert not explorer.run("return explorer.querySelector('figure').checkVisibility()")


def test_without_javascript_the_figure_stands_in_the_element(explorer: Explorer, network):
    network("Emulation.setScriptExecutionDisabled", {"value": True})
    browser = explorer.browser
    browser.driver.get(browser.address + explorer.page)
    figure = browser.driver.find_element(By.CSS_SELECTOR, "attention-explorer > figure")
    assert figure.find_element(By.TAG_NAME, "img").is_displayed()
    assert figure.find_element(By.TAG_NAME, "figcaption").text
    assert not browser.driver.find_elements(By.CSS_SELECTOR, ".live-body, .live-note")


def test_in_print_the_figure_comes_back(explorer: Explorer):
    explorer.open()
    send = explorer.browser.driver.execute_cdp_cmd
    send("Emulation.setEmulatedMedia", {"media": "print"})
    seen = "return ['figure', '.live-body'].map((part) => explorer.querySelector(part).checkVisibility())"
    assert explorer.run(seen) == [True, False]
    send("Emulation.setEmulatedMedia", {"media": ""})


def test_leaving_and_coming_back(explorer: Explorer):
    """The element taken out and put back works, and meanwhile listens to nothing; so does the page itself."""
    explorer.open("at=3&head=1.1&view=map")
    script = """
    const parent = explorer.parentNode, next = explorer.nextSibling, drawn = [];
    const draw = explorer.draw;
    explorer.draw = function () { drawn.push(1); return draw.call(this); };
    explorer.remove();
    document.body.dataset.mdColorScheme = "slate";
    dispatchEvent(new HashChangeEvent("hashchange"));
    await new Promise((done) => setTimeout(done, 100));
    const away = drawn.length;
    parent.insertBefore(explorer, next);
    dispatchEvent(new HashChangeEvent("hashchange"));
    return [away, drawn.length, explorer.querySelectorAll(".live-body").length, explorer.dataset.state];
    """
    found = explorer.browser.driver.execute_script(f"{HERE} return (async () => {{{script}}})()")
    assert found == [0, 1, 1, "live"]
    explorer.browser.driver.get(explorer.browser.address)
    explorer.browser.driver.back()
    explorer.run("explorer.scrollIntoView()")
    explorer.browser.until(HERE + "return explorer.dataset.state == 'live'", 20)
    assert explorer.run("return explorer.querySelectorAll('.live-body').length") == 1


def test_the_first_answer_over_a_slow_line(explorer: Explorer, network, capsys):
    """Printed, not judged: machines differ."""
    browser = explorer.browser
    browser.show("note", page=explorer.page)
    speed = {"downloadThroughput": 10e6 / 8, "uploadThroughput": 10e6 / 8}
    network("Network.emulateNetworkConditions", {"offline": False, "latency": 80, **speed})
    browser.driver.get("about:blank")
    browser.driver.get(browser.address + explorer.page + "#explorer?step=1")
    browser.until(HERE + "return explorer && explorer.dataset.state == 'live'", 30)
    ready = browser.run("return performance.now()")
    sent = browser.run(
        "return performance.getEntriesByType('resource').filter((r) => /models|engine|explorer/.test(r.name))"
        ".map((r) => [r.name.split('/').pop(), r.encodedBodySize, Math.round(r.responseEnd)])"
    )
    told(
        capsys,
        f"first answer at 10 Mbit/s, 80 ms: within {ready / 1000:.2f} s of navigation; {sent}",
    )
    assert sent
