"""`nox -s medium`: the bundles again, from the site that is built already, or `--check` of those there."""

import argparse
import sys
from pathlib import Path

from generators.files import ROOT
from generators.papers import settings
from generators.site.medium import NoRule, check_bundles, posts, write_bundles


def main(arguments: list[str] | None = None) -> int:
    """Write or check the bundles; the exit code."""
    parser = argparse.ArgumentParser(
        prog="nox -s medium --", description="The bundles for Medium, from the built site."
    )
    parser.add_argument("site", nargs="?", type=Path, default=ROOT / "site", help="a built site")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail naming what is not the post"
    )
    chosen = parser.parse_args(arguments)
    site, address = chosen.site, str(settings().get("site_url") or "")
    if not (site / "index.html").is_file():
        return _fail(f"there is no built site in {site}; `nox -s site` builds it, bundles included")
    if not posts(site):
        return _fail(f"the site in {site} has no posts")
    if not address.startswith("https://"):
        return _fail("Medium fetches pictures by https; mkdocs.yml: site_url has to begin so")
    if chosen.check:
        problems = check_bundles(site, address)
        if problems:
            return _fail("\n       ".join(problems) + "\n`nox -s medium` makes the bundles again")
        print(f"{len(posts(site))} bundles are their posts, word for word")
        return 0
    try:
        reports = write_bundles(site, address)
    except NoRule as error:
        return _fail("\n       ".join(map(str, error.each)))
    print(*reports, sep="\n")
    print(f"{len(reports)} bundles in {sum(report.seconds for report in reports):.1f} s")
    return 0


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
