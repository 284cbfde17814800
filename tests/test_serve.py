"""The server of the browser tests answers as GitHub Pages does."""

import gzip
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest

from generators.site.serve import answer, main, serving


@pytest.fixture
def site(tmp_path) -> Path:
    """A site of two pages."""
    (tmp_path / "a").mkdir()
    for name in ("index.html", "404.html", "a/index.html", "a/b.svg"):
        (tmp_path / name).write_text(f"<p>{name}</p>" * 50, encoding="utf-8")
    (tmp_path.parent / "secret").write_text("x", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "status", "found"),
    [
        ("/base/", 200, "index.html"),
        ("/base/a/?q=1", 200, "a/index.html"),
        ("/base/a/b.svg", 200, "a/b.svg"),
        ("/base", 301, "/base/"),
        ("/base/a", 301, "/base/a/"),
        ("/base/nothing/", 404, "404.html"),
        ("/base/a/b.svg/", 404, "404.html"),
        ("/", 404, "404.html"),
        ("/base/%2e%2e/secret", 404, "404.html"),
        ("/base/../secret", 404, "404.html"),
    ],
)
def test_every_path_has_its_answer(site, path, status, found):
    assert answer(site, "/base/", path) == (status, found if status == 301 else site / found)


def test_text_is_sent_compressed_and_only_to_whom_asks(site):
    with serving(site, "/base/") as address:
        asked = urllib.request.Request(address + "a/", headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(asked) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert gzip.decompress(response.read()) == (site / "a" / "index.html").read_bytes()
        with urllib.request.urlopen(address + "a/") as response:
            assert response.read() == (site / "a" / "index.html").read_bytes()
        with pytest.raises(HTTPError) as error:
            urllib.request.urlopen(address + "none")
        assert error.value.code == 404
        assert b"404.html" in error.value.read()


def test_what_is_no_site_is_named(tmp_path, capsys):
    assert main([str(tmp_path)]) == 1
    assert "nox -s site" in capsys.readouterr().err


def test_a_port_in_use_is_said_without_a_traceback(site, capsys):
    with serving(site, "/") as address:
        port = address.split(":")[2].strip("/")
        assert main([str(site), "--port", port]) == 1
    assert "--port" in capsys.readouterr().err
