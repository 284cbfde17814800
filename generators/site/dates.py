"""When a page last changed: what git knows of the files that it is made from.

A shallow clone says of every file that it came with the last commit, and an archive says nothing. There no page has
another date than the one in its front matter, for no date is better than a wrong one.
"""

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from generators.files import ROOT

# Pages whose numbers come from every record, and lists of other pages.
SUMMARIES = {"index.md", "papers/index.md", "claims.md", "learned.md", "evidence.md", "figures.md"}
LISTS = {"posts/index.md": "notes/posts", "tags.md": "notes"}


def git(*arguments: str, root: Path = ROOT) -> str:
    """What git says; nothing where there is no repository, no commit or no git."""
    command = ["git", "-C", str(root), "-c", "core.quotepath=off", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@dataclass(frozen=True)
class History:
    """The last commit of each file, in seconds since 1970; empty where git does not know it."""

    changed: Mapping[str, int] = field(default_factory=dict)

    def last(self, paths: Iterable[str]) -> datetime | None:
        """The latest change of some files, and of all that lies in some folders."""
        wanted = tuple(paths)
        times = [
            time
            for file, time in self.changed.items()
            if any(file == path or file.startswith(f"{path}/") for path in wanted)
        ]
        return datetime.fromtimestamp(max(times), UTC) if times else None


def history(root: Path = ROOT) -> History:
    """Read the whole history once: a tenth of a second for some hundred commits."""
    if git("rev-parse", "--is-shallow-repository", root=root) != "false":
        return History()
    changed: dict[str, int] = {}
    time = 0
    for line in git("log", "--relative", "--format=%x01%ct", "--name-only", root=root).split("\n"):
        if line.startswith("\x01"):
            time = int(line[1:])
        elif line:
            changed[line] = max(time, changed.get(line, 0))
    return History(changed)


def made_from(address: str, words: str) -> list[str]:
    """The files and folders that a page is made from.

    Args:
        address: of the page below docs/, such as `papers/transformer.md`.
        words: the file that its words stand in, seen from the project's root.
    """
    room, stem = address.partition("/")[0], PurePosixPath(address).stem
    found = [str(PurePosixPath(words).with_suffix(".py")) if words.endswith(".ipynb") else words]
    if address in SUMMARIES:
        found.append("results")
    elif address in LISTS:
        found.append(LISTS[address])
    elif room in ("papers", "results"):
        found.append(f"results/{stem}")
    elif room == "exercises":
        found.append(f"exercises/answers/{stem}.py")
    return found
