"""What is committed is what the code says: records, verdicts, figures, numbers on pages."""

import json

import pytest

from generators import prose
from generators.experiment import (
    NOT_TESTED,
    VERDICTS,
    claims,
    experiments,
    find_stage,
    stale,
    units,
    verdict,
)
from generators.files import ROOT, read_sealed
from generators.record import RESULTS, Record, ledger, records
from generators.settle import best_of

EVERY = [
    pytest.param(path, id=path.relative_to(RESULTS).as_posix())
    for path in sorted(RESULTS.glob("*/*.json"))
]


@pytest.mark.parametrize("path", EVERY)
def test_it_is_whole_as_written_and_small(path):
    read_sealed(path)
    assert path.stat().st_size < 130_000, "a record is at most about 100 KB"


@pytest.mark.parametrize("paper", units())
def test_no_record_is_stale_missing_or_orphaned(paper):
    assert stale(paper) == []


@pytest.mark.parametrize("paper", units())
def test_measured_experiments_have_three_seeds_and_smoke_settings(paper):
    for name, experiment in experiments(paper).items():
        if experiment.kind == "measured":
            assert len(set(experiment.seeds)) >= 3, name
            # What only reads stages has no settings of its own; their smoke settings are used.
            assert experiment.smoke or not experiment.settings, name


@pytest.mark.parametrize("paper", units())
def test_every_record_can_be_made_again_and_says_how(paper):
    for record in records(paper).values():
        assert record.command.startswith("nox -s "), record.key
        if record.kind != "tuning":
            assert len(record.runs) == max(1, len(record.seeds)), record.key


@pytest.mark.parametrize("paper", units())
def test_every_claim_has_the_verdict_that_its_rule_gives_today(paper):
    known, written = records(paper), {claim["id"]: claim for claim in ledger(paper)}
    assert set(written) == {claim.id for claim in claims(paper)}
    for claim in claims(paper):
        assert written[claim.id]["verdict"] == verdict(claim, known), claim.id
        assert written[claim.id]["verdict"] in VERDICTS
        assert (claim.experiment is None) == (written[claim.id]["verdict"] == NOT_TESTED)


@pytest.mark.parametrize("paper", units())
def test_no_rule_was_changed_in_silence(paper):
    known = records(paper)
    for claim in claims(paper):
        if claim.rule is None:
            continue
        open_to_see = [*(rule.hash for rule in claim.superseded), claim.rule.hash]
        remembered = known[claim.experiment].rules[claim.id]
        assert set(remembered) <= set(open_to_see), (
            f"{claim.id}: the rule or its forecast changed after the run; put the old one into `superseded`"
        )
        assert claim.rule.hash in remembered, (
            f"{claim.id}: run `nox -s train -- {paper}`, which records the rule"
        )


SWEEPS = [
    record for paper in units() for record in records(paper).values() if record.kind == "tuning"
]


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda record: record.key)
def test_each_arm_runs_at_the_rate_that_its_sweep_chose(sweep):
    experiment = experiments(sweep.paper)[sweep.name.removesuffix("_tuning")]
    assert sweep.best == best_of(sweep.runs, experiment.score)
    stages = [find_stage(sweep.paper, name)[2] for name in experiment.stages]
    for setting, grid in experiment.tune.items():
        assert sorted({run[setting] for run in sweep.runs}) == sorted(grid), setting
        chosen = sweep.best[setting]
        with_it = [work.settings for work in (experiment, *stages) if setting in work.settings]
        assert with_it, f"neither the experiment nor its stages have a setting {setting}"
        for used in (settings[setting] for settings in with_it):
            if isinstance(used, dict):
                assert used == chosen, setting
            else:  # one value for all arms: it is the best of some arm
                assert used in (chosen.values() if isinstance(chosen, dict) else [chosen]), setting


def test_claims_have_ids_of_their_own_and_words_of_ours():
    ids = [claim.id for paper in units() for claim in claims(paper)]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    assert not twice, f"one page shows the claims of all papers: {', '.join(twice)} stand twice"
    for paper in units():
        for claim in claims(paper):
            assert claim.text.endswith("."), claim.id
            assert claim.where, claim.id
            assert claim.rule is None or 0 < claim.rule.forecast < 1, claim.id


def test_every_number_figure_and_quoted_line_on_every_page_is_current():
    assert [str(problem) for problem in prose.rewrite(check=True)] == []


def test_no_verdict_is_typed_by_hand():
    for path in (ROOT / "generators" / "experiments").rglob("*.py"):
        assert "verdict=" not in path.read_text(encoding="utf-8"), path


def test_a_record_is_readable_json_with_what_the_design_names():
    for path in RESULTS.glob("*/*.json"):
        if path.stem != "claims":
            record = Record.load(path)
            assert {"question", "settings", "seeds", "environment", "seconds", "command"} <= set(
                record.content
            )
            assert json.loads(path.read_text(encoding="utf-8"))["name"] == path.stem
