"""The built site in a browser: `nox -s web`. These tests run only when this folder is asked for.

Options: --site FOLDER (else site/), --screenshots (into .cache/screenshots/), --lighthouse.
"""

import base64
import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from generators.files import ROOT
from generators.papers import papers, settings
from generators.site.serve import base_path, serving

KINDS = {
    "home": "index.html",
    "papers": "papers/index.html",
    "landing": "papers/*/index.html",
    "note": "notes/*/index.html",
    "api": "api/*/index.html",
    "notebook": "notebooks/*/index.html",
    "exercises": "exercises/*/index.html",
    "results": "results/*/index.html",
    "claims": "claims/index.html",
    "figures": "figures/index.html",
    "learned": "learned/index.html",
    "evidence": "evidence/index.html",
    "guides": "guides/index.html",
    "guide": "guides/*/index.html",
    "posts": "posts/index.html",
    "post": "posts/*/index.html",
    "about": "about/index.html",
    "tags": "tags/index.html",
    "404": "404.html",
    "medium": "medium/*/index.html",
}
SCHEMES = ("light", "dark")
WIDTHS = (1280, 390)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-background-networking "
    "--disable-component-update --disable-sync --no-first-run --hide-scrollbars "
    "--force-device-scale-factor=1"
).split()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("web", "the built site in a browser")
    group.addoption("--site", type=Path, default=ROOT / "site", help="a built site")
    group.addoption("--screenshots", action="store_true", help="keep a picture of every page")
    group.addoption("--lighthouse", action="store_true", help="run Lighthouse too (minutes)")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Stay out of plain `pytest`: it reads this file too late for the options above."""
    return None if hasattr(config.option, "screenshots") else True


WEIGHTS: dict[tuple[str, int], int] = {}  # kind and width -> bytes on the wire


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The weight of the heaviest page of each kind, whatever the tests say."""
    for width in WIDTHS:
        found = [
            f"{kind} {WEIGHTS[kind, width] / 1000:.0f}"
            for kind in KINDS
            if (kind, width) in WEIGHTS
        ]
        if found:
            terminalreporter.write_line(f"KB at {width} px: {', '.join(found)}")


def browser_path() -> str | None:
    """The browser: what CHROME_PATH names, else the first that is installed."""
    names = [os.environ.get("CHROME_PATH", ""), *BROWSERS]
    return next((found for name in names if name and (found := shutil.which(name))), None)


def driver_path() -> str | None:
    """The browser's driver."""
    return shutil.which(os.environ.get("CHROMEDRIVER_PATH") or "chromedriver")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say in one line what is missing."""
    if not hasattr(session.config.option, "screenshots"):
        return
    hint = "on Debian: apt-get install chromium chromium-driver"
    if browser_path() is None or driver_path() is None:
        what = "browser" if browser_path() is None else "chromedriver"
        pytest.exit(f"no {what} found ({hint}; else set CHROME_PATH and CHROMEDRIVER_PATH)", 3)
    if not (session.config.option.site / "index.html").is_file():
        pytest.exit(f"{session.config.option.site} is no built site; `nox -s site` builds one", 3)
    if not (ROOT / "node_modules" / "axe-core" / "axe.min.js").is_file():
        pytest.exit("axe-core is not installed; `nox -s web` installs it, or `npm ci`", 3)


@pytest.fixture(scope="session")
def site(pytestconfig: pytest.Config) -> Path:
    """The built site."""
    return pytestconfig.option.site.resolve()


@pytest.fixture(scope="session")
def site_url() -> str:
    """Where the site will be published."""
    return settings()["site_url"]


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """The site, served as GitHub Pages would."""
    with serving(site, base_path()) as found:
        yield found


def pages_of(site: Path, kind: str) -> list[str]:
    """The paths of all pages of a kind, papers in their order; for 404 that of a page that is not there."""
    order = {paper.stem: place for place, paper in enumerate(papers())}
    found = sorted(site.glob(KINDS[kind]), key=lambda path: (order.get(path.parent.name, 99), path))
    if found and kind == "404":
        return ["there/is/no/such/page/"]
    return [path.relative_to(site).as_posix().removesuffix("index.html") for path in found]


def page_of(site: Path, kind: str) -> str:
    """The path of the first page of a kind."""
    found = pages_of(site, kind)
    if not found:
        pytest.fail(f"the site has no page of the kind {kind} ({KINDS[kind]})")
    return found[0]


@dataclass
class Browser:
    """One browser for all tests: shows a page, and says what it did."""

    driver: Any
    address: str
    site: Path
    shown: str = ""
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)

    def show(self, kind: str, scheme: str = "light", width: int = 1280, page: str = "") -> None:
        """Open a page, else the first of a kind, with a first visitor's empty cache and storage."""
        send = self.driver.execute_cdp_cmd
        phone = width < 720
        height = 844 if phone else 900
        send("Storage.clearDataForOrigin", {"origin": self.origin, "storageTypes": "all"})
        send("Network.setCacheDisabled", {"cacheDisabled": True})
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        send("Emulation.setDeviceMetricsOverride", size)
        send("Emulation.setTouchEmulationEnabled", {"enabled": phone})
        feature = {"name": "prefers-color-scheme", "value": scheme}
        send("Emulation.setEmulatedMedia", {"features": [feature]})
        self.driver.get("about:blank")
        for log in ("performance", "browser"):
            self.driver.get_log(log)
        self.seen = {}
        self.shown = self.address + (page or page_of(self.site, kind))
        self.driver.get(self.shown)
        self.until("return document.readyState == 'complete'")
        self.driver.execute_async_script("document.fonts.ready.then(() => arguments[0]())")

    @property
    def origin(self) -> str:
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a script."""
        return self.driver.execute_script(script, *arguments)

    def until(self, script: str, seconds: float = 10) -> Any:
        """Wait until a script's value is true; gives the value."""
        return WebDriverWait(self.driver, seconds, 0.05).until(lambda _: self.run(script))

    def press(self, *keys: str) -> None:
        """Type into whatever has the focus."""
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def tab_to(self, condition: str, most: int = 400) -> bool:
        """Press Tab until `condition` (about `here`, the focused element) is true."""
        for _ in range(most):
            self.press(Keys.TAB)
            if self.run(f"const here = document.activeElement; return !!({condition})"):
                return True
        return False

    def scroll_through(self) -> None:
        """Go down the whole page, so that what waits until it is near is loaded."""
        self.driver.execute_async_script(
            "const done = arguments[0], step = () => { const before = scrollY;"
            "scrollBy({top: 800, behavior: 'instant'});"
            "scrollY > before ? requestAnimationFrame(step) : setTimeout(done, 150) }; step()"
        )

    def axe(self) -> list[dict[str, Any]]:
        """What axe-core finds wrong on the page."""
        self.run(self._axe_source)
        return self.driver.execute_async_script(
            "const done = arguments[0], failed = (e) => [{id: 'axe', help: String(e), nodes: []}];"
            "axe.run(document, {resultTypes: ['violations']})"
            ".then((found) => done(found.violations), (e) => done(failed(e)))"
        )

    @cached_property
    def _axe_source(self) -> str:
        return (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")

    def requests(self) -> list[dict[str, Any]]:
        """Every request since the page was opened: its address, status and bytes on the wire."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            what, details = message["method"], message["params"]
            key = details.get("requestId")
            if what == "Network.requestWillBeSent":
                url = details["request"]["url"]
                self.seen[key] = {"url": url, "status": None, "bytes": 0}
            elif key in self.seen and what == "Network.responseReceived":
                self.seen[key]["status"] = details["response"]["status"]
            elif key in self.seen and what == "Network.loadingFinished":
                self.seen[key]["bytes"] = int(details["encodedDataLength"])
        inside = ("data:", "blob:", "about:", "chrome")
        return [request for request in self.seen.values() if not request["url"].startswith(inside)]

    def errors(self) -> list[str]:
        """What the browser's console complains of."""
        entries = self.driver.get_log("browser")
        return [e["message"] for e in entries if e["level"] in ("SEVERE", "WARNING")]

    def picture(self, path: Path) -> None:
        """The whole page as a picture."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.run("scrollTo({top: 0, behavior: 'instant'})")
        size = self.run(
            "return [document.documentElement.clientWidth, document.documentElement.scrollHeight]"
        )
        clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], 12_000), "scale": 1}
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True}
        )
        path.write_bytes(base64.b64decode(shot["data"]))


@pytest.fixture(scope="session")
def browser(address: str, site: Path) -> Iterator[Browser]:
    """A headless browser with nothing in its memory."""
    folder = tempfile.mkdtemp(prefix="web-test-")
    options = webdriver.ChromeOptions()
    options.binary_location = browser_path() or ""
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    try:
        driver = webdriver.Chrome(options=options, service=Service(driver_path()))
    except WebDriverException as error:
        pytest.exit(f"the browser did not start: {str(error.msg).splitlines()[0]}", 3)
    driver.set_script_timeout(60)
    driver.set_page_load_timeout(60)
    try:
        yield Browser(driver, address, site)
    finally:
        driver.quit()
        with contextlib.suppress(OSError):
            time.sleep(0.2)  # the browser's last child still writes into its folder
            shutil.rmtree(folder, ignore_errors=True)
