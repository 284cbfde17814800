"""Every kind of page, light and dark, on a desktop and on a phone."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import KINDS, SCHEMES, WEIGHTS, WIDTHS, Browser, pages_of

from generators.files import ROOT
from generators.site import checks

WEIGHT = 170_000  # bytes that a page may transfer

SCHEME = """
const named = document.body.dataset.mdColorScheme;
const dark = named ? named == "slate" : matchMedia("(prefers-color-scheme: dark)").matches;
return dark ? "dark" : "light";
"""
TOO_WIDE = """
const root = document.documentElement;
if (root.scrollWidth <= root.clientWidth && innerWidth <= arguments[0]) return [];
return [...document.querySelectorAll("body *")]
  .filter((element) => element.getBoundingClientRect().right > root.clientWidth + 1)
  .slice(0, 3)
  .map((element) => `${element.tagName}.${element.className}`)
  .concat(["the page"]);
"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The first page of each kind is looked at in every way, each other one in two: as many papers as there are."""
    if "page" not in metafunc.fixturenames:
        return
    everywhere = [(scheme, width) for scheme in SCHEMES for width in WIDTHS]
    visits = [
        pytest.param(kind, page, *way, id=f"{page or kind}-{way[0]}-{way[1]}")
        for kind in KINDS
        for number, page in enumerate(pages_of(metafunc.config.option.site, kind) or [""])
        for way in (everywhere if number == 0 else everywhere[:: len(everywhere) - 1])
    ]
    metafunc.parametrize(("kind", "page", "scheme", "width"), visits)


def test_a_page_is_sound(
    browser: Browser, pytestconfig, kind: str, page: str, scheme: str, width: int
):
    """Light, no axe violation, no other host, no console error, nothing wider than the window."""
    browser.show(kind, scheme, width, page)
    scheme_here = browser.run(SCHEME)
    assert scheme_here == scheme
    faults = []
    seen = (
        browser.requests()
    )  # the weights of live models wait until a reader is near, and count apart
    weight = sum(r["bytes"] for r in seen if not r["url"].endswith(".safetensors"))
    WEIGHTS[kind, width] = max(weight, WEIGHTS.get((kind, width), 0))
    if not 0 < weight <= WEIGHT:
        faults.append(f"{weight} bytes on a first visit; at most {WEIGHT}")
    browser.scroll_through()
    if pytestconfig.option.screenshots:
        name = "-".join([*(Path(page).parts or [kind]), scheme, str(width)])
        browser.picture(ROOT / ".cache" / "screenshots" / f"{name}.png")
    wide = browser.run(TOO_WIDE, width)
    faults += [f"wider than {width} px: {element}" for element in wide]
    for violation in browser.axe():
        where = "; ".join(node["html"][:120] for node in violation["nodes"][:3])
        faults.append(f"axe: {violation['id']}: {violation['help']}: {where}")
    own = urlsplit(browser.address).netloc
    seen = browser.requests()
    assert any(request["url"] == browser.shown for request in seen)  # the log is not just empty
    faults += [f"asks {r['url']}" for r in seen if urlsplit(r["url"]).netloc != own]
    faults += [
        f"{r['url']}: {r['status']}"
        for r in seen
        if (r["status"] or 200) >= 400 and not (kind == "404" and r["url"] == browser.shown)
    ]
    own_404 = f"{browser.shown} - Failed to load resource"
    faults += [f"console: {e}" for e in browser.errors() if not (kind == "404" and own_404 in e)]
    assert not faults, "\n".join(faults)


def test_no_link_and_no_anchor_is_broken(site: Path, site_url: str):
    """Inside the site; the check itself is the one of the site build."""
    assert list(site.rglob("*.html"))
    assert checks.broken_links(site, site_url) == []


def test_no_page_is_heavier_than_its_budget_with_its_notebooks_executed(site: Path, site_url: str):
    """The quick tests build without them on a fresh checkout."""
    sizes = checks.weights(site, site_url)
    assert not {page: size for page, size in sizes.items() if size > checks.BUDGET}
