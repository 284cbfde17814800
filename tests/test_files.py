"""A file is whole or absent, whatever happens to its writer."""

import json
import subprocess
import sys

import pytest

from generators.files import Damaged, read_sealed, sweep_leftovers, write_atomically, write_sealed


def test_what_was_sealed_is_read_back(tmp_path):
    content = {"b": [1, 2.5, None], "a": {"é": "–", "nested": [[1], [2]]}}
    write_sealed(tmp_path / "x.json", content)
    assert read_sealed(tmp_path / "x.json") == content


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("0.987", "0.997"),
        lambda text: text.replace('"sha256"', '"sha"'),
        lambda text: "",
        lambda text: "[]",
    ],
    ids=["cut off", "a digit changed", "no seal", "empty", "another shape"],
)
def test_damage_is_noticed_and_named(tmp_path, damage):
    path = tmp_path / "record.json"
    write_sealed(path, {"accuracy": 0.987})
    path.write_text(damage(path.read_text()))
    with pytest.raises(Damaged, match=r"record\.json"):
        read_sealed(path)


def test_nan_is_refused_before_anything_is_written(tmp_path):
    write_sealed(tmp_path / "x.json", {"loss": 1.0})
    with pytest.raises(ValueError, match="JSON"):
        write_sealed(tmp_path / "x.json", {"loss": float("nan")})
    assert read_sealed(tmp_path / "x.json") == {"loss": 1.0}


FILL_THE_DISK = """
import resource, signal, sys
from pathlib import Path
from generators.files import write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # as if the disk were full
write_atomically(Path(sys.argv[1]), "new " * 1000)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are a matter of Unix")
def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "record.json"
    path.write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "File too large" in done.stderr
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]


def test_an_interrupt_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    path.write_text("old")
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]


def test_what_a_killed_writer_left_is_swept_away(tmp_path):
    (tmp_path / "runs").mkdir()
    leftover = tmp_path / "runs" / ".abc.json.xyz.new"
    leftover.write_text("half")
    (tmp_path / "runs" / "abc.json").write_text("whole")
    sweep_leftovers(tmp_path)
    assert not leftover.exists()
    assert (tmp_path / "runs" / "abc.json").exists()


def test_sealed_files_are_ordinary_readable_json(tmp_path):
    write_sealed(tmp_path / "x.json", {"curve": [1, 2, 3], "name": "x"})
    text = (tmp_path / "x.json").read_text()
    assert json.loads(text)["curve"] == [1, 2, 3]
    assert '"curve": [1, 2, 3]' in text
