"""A small server that answers as GitHub Pages does: base path, gzip, 404.html, slashes.

`python -m generators.site.serve [site] [--port 8000]` shows a built site at its own base path.
"""

import argparse
import contextlib
import gzip
import mimetypes
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from generators.files import ROOT
from generators.papers import settings

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".ipynb": "application/json",
    ".xml": "application/xml",
}
PACKED = {".html", ".js", ".css", ".json", ".svg", ".xml", ".ipynb", ".md", ".txt", ".map"}


def answer(site: Path, base: str, path: str) -> tuple[int, Path | str]:
    """The status, and the file to send or the address to go to instead."""
    missing = (404, site / "404.html")
    path = unquote(urlsplit(path).path)
    if path + "/" == base:
        return 301, base
    if not path.startswith(base):
        return missing
    target = (site / path.removeprefix(base)).resolve()
    if not target.is_relative_to(site.resolve()):
        return missing
    if target.is_dir():
        if not path.endswith("/"):
            return 301, path + "/"
        target /= "index.html"
    elif path.endswith("/"):
        return missing
    return (200, target) if target.is_file() else missing


def handler(site: Path, base: str) -> type[BaseHTTPRequestHandler]:
    """What answers the requests for one site."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, found = answer(site, base, self.path)
            if isinstance(found, str):
                self.send_response(status)
                self.send_header("Location", found)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = found.read_bytes() if found.is_file() else b"not found"
            kind = TYPES.get(found.suffix) or mimetypes.guess_type(found.name)[0]
            self.send_response(status)
            self.send_header("Content-Type", kind or "application/octet-stream")
            self.send_header("Cache-Control", "max-age=600")
            if found.suffix in PACKED and "gzip" in self.headers.get("Accept-Encoding", ""):
                content = gzip.compress(content, 6, mtime=0)
                self.send_header("Content-Encoding", "gzip")
                self.send_header("Vary", "Accept-Encoding")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                with contextlib.suppress(ConnectionError):  # the browser went to another page
                    self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815 (http.server calls it by this name)

        def log_message(self, *arguments: object) -> None:
            """Requests are not news."""

    return Handler


class Server(ThreadingHTTPServer):
    """Threads end with the program; a browser that hangs up is no error."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Only what is not the other side's doing is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serving(site: Path, base: str = "/", port: int = 0) -> Iterator[str]:
    """Serve a built site while the block runs; gives its address, with the base path."""
    with Server(("127.0.0.1", port), handler(site, base)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{base}"
        finally:
            server.shutdown()


def base_path() -> str:
    """The path of `site_url`, which GitHub Pages puts before every page of a project."""
    return urlsplit(settings()["site_url"]).path or "/"


def main(arguments: list[str]) -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m generators.site.serve", description=__doc__)
    parser.add_argument("site", nargs="?", type=Path, default=ROOT / "site", help="a built site")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args(arguments)
    if not (given.site / "index.html").is_file():
        print(f"{given.site} is no built site; `nox -s site` builds one", file=sys.stderr)
        return 1
    try:
        with serving(given.site, base_path(), given.port) as address:
            print(f"{address} (Ctrl+C ends it)")
            threading.Event().wait()
    except OSError as error:
        print(f"port {given.port}: {error.strerror}; choose another with --port", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
