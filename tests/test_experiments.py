"""What must be true of every unit's experiments: at smoke size they end, repeat, and are what their rules read."""

import math
import re

import pytest
import smoke_runs
import torch
from differences import DIFFERENCES

from generators.experiment import VERDICTS, Claim, claims, experiments, find_stage, unit, units
from generators.papers import UnknownName
from generators.record import Record, records

EVERY = {
    f"{paper}.{name}": experiment
    for paper in units()
    for name, experiment in experiments(paper).items()
}
TUNED = [key for key, experiment in EVERY.items() if experiment.tune]
STAGES = [f"{paper}.{name}" for paper in units() for name in vars(unit(paper)).get("STAGES", {})]


@pytest.fixture(autouse=True)
def _threads():
    """What is timed sets the number of threads; give back what was there."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def leaves(value, path: str = "") -> dict[str, float]:
    """Every leaf of a result by its path."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = {}
    for key, item in items:
        at = f"{path}.{key}" if path else str(key)
        found |= leaves(item, at) if isinstance(item, dict | list | tuple) else {at: item}
    return found


@pytest.mark.parametrize("key", EVERY)
def test_a_smoke_run_measures_finite_numbers_under_names_that_a_page_can_say(key):
    measured = leaves(smoke_runs.first_run(*key.split(".")))
    assert measured
    for path, number in measured.items():
        assert isinstance(number, str) or math.isfinite(number), path
        assert re.fullmatch(r"[\w.-]+", path), path


@pytest.mark.parametrize("key", [key for key, each in EVERY.items() if each.kind == "measured"])
def test_a_run_repeats(key):
    assert smoke_runs.run(*key.split(".")) == smoke_runs.first_run(*key.split("."))


@pytest.mark.parametrize("key", STAGES)
def test_a_stage_repeats_and_nobody_changes_it(key):
    paper, name = key.split(".")
    for experiment in experiments(paper):
        smoke_runs.first_run(paper, experiment)
    kept, again = smoke_runs.stage(paper, name), smoke_runs.make(paper, name)
    assert kept.keys() == again.keys()
    assert [name for name in kept if not torch.equal(kept[name], again[name])] == []


@pytest.mark.parametrize("key", EVERY)
def test_a_tolerance_is_for_what_is_measured(key):
    measured = leaves(smoke_runs.first_run(*key.split(".")))
    beginnings = {".".join(path.split(".")[:n]) for path in measured for n in range(1, 9)}
    # What a smoke run leaves empty, as it has no pictures for the seed of the figure, counts as measured.
    assert EVERY[key].tolerance.keys() <= beginnings | smoke_runs.first_run(*key.split(".")).keys()


def read(claim: Claim, record: Record) -> str | None:
    """What a claim's rule says of a record that has its number; None where the record lacks what is judged."""
    try:
        assert math.isfinite(record[claim.measured.partition(":")[0]].mean), claim.id
        return claim.rule.verdict(record)
    except UnknownName:
        return None


@pytest.mark.parametrize("key", EVERY)
def test_rules_read_what_is_measured(key):
    paper, name = key.split(".")
    small, committed = smoke_runs.record(paper, name), records(paper).get(key)
    for claim in (claim for claim in claims(paper) if claim.experiment == key):
        word = read(claim, small)
        if word is None and committed:  # a smoke run may lack a depth, say; the record must have it
            word = read(claim, committed)
        assert word in VERDICTS or not committed, claim.id


@pytest.mark.parametrize("key", TUNED)
def test_each_arm_that_is_tuned_is_scored_and_runs_at_a_value_that_was_tried(key):
    paper, name = key.split(".")
    experiment, score = EVERY[key], smoke_runs.first_run(paper, name)[EVERY[key].score]
    works = [experiment, *(find_stage(paper, stage)[2] for stage in experiment.stages)]
    for setting, grid in experiment.tune.items():
        settings = [work.settings[setting] for work in works if setting in work.settings]
        assert settings, f"nothing has a setting {setting}"
        for used in settings:
            if isinstance(used, dict):
                arms = score.keys()
                # The smoke run may have other arms, and then has one value for all.
                assert arms <= used.keys() or isinstance(experiment.smoke.get(setting), float)
                assert set(used.values()) <= set(grid), setting
            else:
                assert used in grid, setting


@pytest.mark.parametrize("key", [key for key, each in EVERY.items() if each.kind == "parity"])
def test_parity_says_its_worst_difference(key):
    assert 0 <= smoke_runs.first_run(*key.split("."))["worst"] < 1e-5


@pytest.mark.parametrize("key", DIFFERENCES)
def test_a_difference_is_between_two_arms_of_one_run(key):
    measured = smoke_runs.record(*key.split("."))
    for path, pair in DIFFERENCES[key].items():
        first, *second = (measured[each].mean for each in pair.split(" - "))
        assert measured[path].mean == first - sum(second), path
