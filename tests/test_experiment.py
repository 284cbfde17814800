"""Statistics, numbers by name, tolerances, rules."""

import math
import statistics

import pytest

from generators import record as record_module
from generators.experiment import (
    FAILS,
    HOLDS,
    NOT_TESTED,
    Claim,
    Rule,
    disagreements,
    verdict,
    with_history,
)
from generators.files import write_sealed
from generators.papers import UnknownName, paper
from generators.record import Record, Summary, value


def made(runs, **more):
    base = dict(
        kind="measured", paper="toy", name="fit", runs=runs, settings={"steps": 3, "lr": 0.1}, fingerprint="f",
        seeds=list(range(len(runs))), seconds=[1.0] * len(runs), tolerance={}, rules={},
    )  # fmt: skip
    return Record({**base, **more})


def test_the_interval_is_students():
    summary = Summary((0.9, 0.95, 1.0))
    assert summary.mean == pytest.approx(0.95)
    assert summary.sd == pytest.approx(statistics.stdev(summary.values))
    # 4.303 is the 97.5 % point of Student's t with 2 degrees of freedom, in any table
    assert summary.high - summary.mean == pytest.approx(4.303 * 0.05 / math.sqrt(3), rel=1e-3)
    assert summary.low == pytest.approx(2 * summary.mean - summary.high)


def test_a_single_run_has_no_interval_of_its_own():
    assert Summary((2.0,)).low == Summary((2.0,)).high == 2.0


def test_numbers_are_found_by_path_and_statistic(tmp_path, monkeypatch):
    monkeypatch.setattr(record_module, "RESULTS", tmp_path)
    runs = [{"accuracy": 0.5, "by": {"de": [1, 2]}}, {"accuracy": 0.7, "by": {"de": [3, 4]}}]
    write_sealed(tmp_path / "toy" / "fit.json", made(runs).content)
    assert value("toy.fit.accuracy") == pytest.approx(0.6)
    assert value("toy.fit.accuracy.max") == 0.7
    assert value("toy.fit.by.de.1") == 3
    assert value("toy.fit.by.de.1.min") == 2
    assert value("toy.fit.settings.steps") == 3
    assert value("toy.fit.seconds") == 1.0
    for wrong, near in {
        "toy.fit.acuracy": "toy.fit.accuracy",
        "toy.fitt.accuracy": "toy.fit",
        "toy.fit.by.de.7": "toy.fit.by.de",
        "toy.fit.settings.step": "settings",
        "house.clams.all": "house.claims.all",
    }.items():
        with pytest.raises(UnknownName, match=near.replace(".", r"\.")):
            value(wrong)


def test_an_unknown_paper_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match='did you mean "transformer"'):
        paper("transfomer")


@pytest.mark.parametrize(
    ("before", "after", "tolerance", "count"),
    [
        ({"a": 1.0}, {"a": 1.0 + 1e-9}, {}, 0),
        ({"a": 1.0}, {"a": 1.1}, {}, 1),
        ({"a": 1.0}, {"a": 1.1}, {"a": 0.2}, 0),
        ({"a": {"b": [1.0, 2.0]}}, {"a": {"b": [1.1, 2.5]}}, {"a": 0.2}, 1),
        ({"a": {"b": 1.0}}, {"a": {"b": 1.15}}, {"a": 0.2, "a.b": 0.1}, 1),
        ({"a": 1.0}, {"b": 1.0}, {}, 1),
        ({"a": ["x"]}, {"a": ["y"]}, {}, 1),
        ({"a": ["x", "z"]}, {"a": ["y"]}, {"a": None}, 0),
    ],
)
def test_records_agree_within_what_was_declared(before, after, tolerance, count):
    assert len(disagreements(made([before]), made([after], tolerance=tolerance))) == count


def below_one(record):
    return HOLDS if record["loss"].mean < 1 else FAILS


def below_two(record):
    return HOLDS if record["loss"].mean < 2 else FAILS


below_one.__module__ = below_two.__module__ = "generators.experiments.transformer"


def test_a_verdict_comes_from_the_rule_and_the_record():
    claim = Claim("T1", "A line fits.", "Section 1", "toy.fit", rule=Rule(below_one, 0.5))
    assert verdict(claim, {"toy.fit": made([{"loss": 0.5}])}) == HOLDS
    assert verdict(claim, {"toy.fit": made([{"loss": 1.5}])}) == FAILS
    assert verdict(Claim("T2", "Nobody tried.", "Section 2"), {}) == NOT_TESTED
    with pytest.raises(UnknownName):
        verdict(claim, {})
    with pytest.raises(ValueError, match="no rule"):
        verdict(Claim("T3", "No rule.", "Section 3", "toy.fit"), {"toy.fit": made([{}])})
    with pytest.raises(ValueError, match="no verdict"):
        verdict(
            Claim("T4", "x.", "y", "toy.fit", rule=Rule(lambda r: "fine", 0.5)),
            {"toy.fit": made([{}])},
        )


def test_a_record_remembers_every_rule_that_judged_it():
    old = made([{"loss": 1}], rules={"T1": ["old"]})
    fresh = made([{"loss": 1}], rules={"T1": ["new"]})
    assert with_history(fresh, old).rules == {"T1": ["old", "new"]}
    assert with_history(fresh, None).rules == {"T1": ["new"]}


def test_the_forecast_is_part_of_the_rule():
    from generators.experiments.transformer.translator import translates

    assert Rule(translates, 0.95).hash != Rule(translates, 0.9).hash


def test_a_sweep_chooses_for_each_arm_by_itself():
    from generators.settle import best_of

    runs = [
        {"lr": 0.1, "score": {"wide": 0.5, "deep": 0.9}},
        {"lr": 0.2, "score": {"wide": 0.7, "deep": 0.2}},
    ]
    assert best_of(runs, "score") == {
        "lr": {"wide": 0.2, "deep": 0.1},
        "score": {"wide": 0.7, "deep": 0.9},
    }
    plain = [{"lr": 0.1, "score": 0.3}, {"lr": 0.2, "score": 0.8}]
    assert best_of(plain, "score") == plain[1]


def test_a_benchmark_record_whose_code_has_changed_is_named_and_fails_nothing(
    monkeypatch, tmp_path
):
    from generators import experiment as module

    long_run = module.Experiment("How long?", made, {}, tier="benchmark")
    monkeypatch.setattr(module, "experiments", lambda paper: {"long": long_run})
    monkeypatch.setattr(module, "meaning", lambda paper, work: "today")
    monkeypatch.setattr(module, "units", lambda: ["toy"])
    for module_of_records in (record_module, module):
        monkeypatch.setattr(module_of_records, "RESULTS", tmp_path)
    path = tmp_path / "toy" / "long.json"
    for fingerprint, named in (("yesterday", ["long"]), ("today", [])):
        write_sealed(path, {**made([{}]).content, "name": "long", "fingerprint": fingerprint})
        assert module.outdated("toy") == named
        assert module.stale("toy") == []
