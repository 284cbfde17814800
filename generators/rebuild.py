"""A stranger's afternoon: a fresh clone in an empty folder, the README's first command, timed."""

import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from generators.experiment import save
from generators.files import ROOT
from generators.record import Record
from generators.schedule import processor

NOX = "nox==2026.10.20"


def rebuild() -> int:
    """Clone HEAD, rebuild everything, and record the minutes; the exit code of the rebuild."""
    with tempfile.TemporaryDirectory(prefix="clone-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        bin_folder = clone / ".venv" / ("Scripts" if os.name == "nt" else "bin")
        started = time.monotonic()
        minutes = {}
        for name, command in {
            "install": [sys.executable, "-m", "venv", ".venv"],
            "nox": [str(bin_folder / "pip"), "install", "--quiet", NOX],
            **{session: [str(bin_folder / "nox"), "-s", session] for session in SESSIONS},
        }.items():
            before = time.monotonic()
            code = subprocess.run(command, cwd=clone, check=False).returncode
            minutes[name] = round((time.monotonic() - before) / 60, 2)
            if code:
                print(f"{name} failed in the clone", file=sys.stderr)
                return code
        total = round((time.monotonic() - started) / 60, 2)
        changed = subprocess.run(
            ["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True
        ).stdout
    if changed:
        print(f"the rebuild changed files:\n{changed}", file=sys.stderr)
        return 1
    save(
        Record(
            {
                "kind": "timing",
                "paper": "house",
                "name": "rebuild",
                "question": "How long does a rebuild of everything take, from a fresh clone?",
                "settings": {"sessions": list(SESSIONS), "cores": os.cpu_count()},
                "seeds": [],
                "runs": [{"minutes": total, "by_session": minutes}],
                "tolerance": {},
                "rules": {},
                "fingerprint": "none: a time depends on everything",
                "environment": {
                    "device": "cpu",
                    "processor": processor(),
                    "threads": os.cpu_count(),
                    "python": platform.python_version(),
                },
                "seconds": [total * 60],
                "peak_memory_mb": [None],
                "command": "nox -s rebuild",
            }
        )
    )
    print(f"rebuilt in {total} minutes: {minutes}")
    return 0


SESSIONS = ("env", "lint", "train", "figures", "tests", "site")


if __name__ == "__main__":
    sys.exit(rebuild())
