"""Runs survive: kills, damage, failures; and what was done is not done again."""

import os
import signal
import subprocess
import sys
import time

import pytest

from generators.files import read_sealed, write_sealed

TIMINGS = ("seconds", "peak_memory_mb", "environment")


def content(project):
    """All records, timings aside."""
    found = {name: read_sealed(path) for name, path in project.records().items()}
    return {
        name: {k: v for k, v in record.items() if k not in TIMINGS}
        for name, record in found.items()
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a run that nobody disturbed writes."""
    from conftest import make_project

    project = make_project(tmp_path_factory.mktemp("undisturbed"))
    done = project.run("train")
    assert done.returncode == 0, done.stderr
    return project, content(project)


def children_of(project):
    """Processes whose working folder is the project."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.readlink(f"/proc/{entry}/cwd") == str(project.root):
                    found.append(int(entry))
            except OSError:
                continue
    return found


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for left-over processes in /proc")
def test_killed_at_several_moments_it_ends_in_the_same_records_and_leaves_no_process(
    project, undisturbed
):
    command = [sys.executable, "-m", "generators", "train"]
    for moment in (1.0, 4.5, 6.5):
        process = subprocess.Popen(
            [*command, "--force"],
            cwd=project.root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(moment)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 10
        while children_of(project) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert children_of(project) == []
    done = project.run("train")
    assert done.returncode == 0, done.stderr
    assert content(project) == undisturbed[1]
    assert not list((project.root / ".cache").rglob("*.new"))


def test_a_second_run_reproduces_from_the_cache(undisturbed):
    project, _ = undisturbed
    before = {name: path.read_bytes() for name, path in project.records().items()}
    done = project.run("train")
    assert "reproduced: 4 of 4" in done.stdout
    assert ": done" not in done.stdout
    assert {name: path.read_bytes() for name, path in project.records().items()} == before


def test_damage_is_named_and_made_again(undisturbed):
    project, whole = undisturbed
    stage = next((project.root / ".cache" / "stages").glob("*.safetensors"))
    raw = bytearray(stage.read_bytes())
    raw[-1] ^= 1
    stage.write_bytes(raw)
    run = next(
        path
        for path in (project.root / ".cache" / "runs").glob("*.json")
        if "toy.fit" in path.read_text()
    )
    run.write_text(run.read_text()[:-20])
    record = project.records()["draw"]
    record.write_text(record.read_text().replace('"n', '"m', 1))
    done = project.run("train")
    assert done.returncode == 0, done.stderr
    for damaged in (stage.name, run.name, "draw.json"):
        assert damaged in done.stderr + done.stdout
    assert "toy.draw: made again" in done.stdout
    assert content(project) == whole


def test_a_disagreement_is_reported_with_both_values_and_fails_only_when_strict(undisturbed):
    project, _ = undisturbed
    path = project.records()["draw"]
    original = path.read_bytes()
    record = read_sealed(path)
    was = record["runs"][1]["mean"]
    record["runs"][1]["mean"] = was + 0.5
    write_sealed(path, record)
    try:
        for option, code in (((), 0), (("--strict",), 1)):
            done = project.run("train", "toy.draw", *option)
            assert done.returncode == code
            assert f"committed {was + 0.5}, measured {was}" in done.stdout
        assert read_sealed(path)["runs"][1]["mean"] == was + 0.5
        assert (project.root / ".cache" / "disagreements" / "toy.draw.json").is_file()
    finally:
        path.write_bytes(original)


def test_a_failing_run_is_named_and_the_others_are_kept(project, monkeypatch):
    monkeypatch.setenv("TOY_FAILS", "1")
    done = project.run("train", "toy.draw")
    assert done.returncode == 1
    assert "toy.draw, seed 1 failed: OSError('a failure on purpose')" in done.stderr
    assert len(list((project.root / ".cache" / "runs").glob("*.json"))) == 2
    assert not project.records()


def test_smoke_writes_no_record_and_tuning_writes_one(project):
    assert "smoke: 4 of 4" in project.run("train", "--smoke").stdout
    assert not (project.root / "results").exists()
    done = project.run("train", "toy.draw", "--tune")
    assert done.returncode == 0, done.stderr
    record = read_sealed(project.records()["draw_tuning"])
    assert record["kind"] == "tuning"
    assert [run["count"] for run in record["runs"]] == [4, 8]
    assert set(record["seeds"]) == {1000}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "tay"], 'did you mean "toy"?'),
        (["train", "toy.drow"], 'did you mean "draw"?'),
        (["train", "--froce"], "did you mean --force?"),
        (["trian"], 'did you mean "train"?'),
        (["new", "No Stem"], "is no stem"),
        (["train", "--jobs", "0"], "0 is not a number of processes"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_nearest(undisturbed, arguments, said):
    done = undisturbed[0].run(*arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
