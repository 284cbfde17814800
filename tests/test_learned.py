"""The page across the papers: no failed claim, no finding of ours and no trained bug is missing from it."""

import re
from dataclasses import replace

import pytest

from generators.record import Record, Summary, losses_of_bugs, scores
from generators.site import gather, learned, pages, parts

ROW = re.compile(r'<div role="row" id="([^"]+)">')


@pytest.fixture(scope="module")
def inputs() -> parts.Inputs:
    """The project as it is committed."""
    return gather.gather()


@pytest.fixture(scope="module")
def page(inputs) -> str:
    """The finished Markdown of the page."""
    return pages.fill(inputs, "learned.md")


def test_every_claim_that_did_not_simply_hold_stands_there_once(inputs, page):
    wanted = {c["id"] for c in inputs.claims if c["verdict"] not in ("holds", "not tested")}
    rows = ROW.findall(page)
    assert wanted <= set(rows), wanted - set(rows)
    assert len(rows) == len(set(rows))


def test_every_claim_of_our_own_stands_there(inputs, page):
    ours = {claim["id"] for claim in inputs.claims if learned.own(claim)}
    assert len(ours) > 10
    assert ours <= set(ROW.findall(page)), ours - set(ROW.findall(page))


def test_every_trained_bug_stands_there(inputs, page):
    for record, bug, _ in losses_of_bugs(inputs.records.values()):
        assert f'data-r="{record.key}.loss_above.{bug}"' in page


def test_every_note_that_was_surprised_is_linked(inputs, page):
    for stem, unit in inputs.units.items():
        if "What surprised us" in unit.note:
            assert f'href="../notes/{stem}/#what-surprised-us"' in page, stem


def test_a_new_paper_adds_its_own(inputs):
    """A claim that nobody has typed anywhere: where each verdict leads."""
    base = {
        "paper": "ladder",
        "kind": "claim",
        "text": "New.",
        "where": "Section 1",
        "did": "Tried.",
    }
    base |= {"forecast": 0.99, "experiment": "climb", "measured": None, "seeds": 0, "rule": None}

    def rows(slot: str, **changed: str) -> list[str]:
        more = replace(inputs, claims=[*inputs.claims, base | {"id": "Z9"} | changed])
        return ROW.findall(pages.PARTS[slot](more, "learned/"))

    assert rows("failed", verdict="does not hold here")[0] == "Z9"  # what we were surest of
    assert "Z9" in rows("failed", verdict="not testable at this scale")
    assert "Z9" in rows("in-part", verdict="holds in part")
    assert "Z9" in rows("beliefs", verdict="does not hold here", kind="said")
    assert "Z9" in rows("findings", verdict="holds", where="our own, from a pilot")
    assert "Z9" not in rows("findings", verdict="holds")


def test_a_study_that_is_not_listed_is_left_out(inputs, page):
    own = {claim["id"] for claim in inputs.claims if claim["paper"] == "ladder"}
    assert own & set(ROW.findall(page))
    units = {stem: unit for stem, unit in inputs.units.items() if stem != "ladder"}
    rows = ROW.findall(pages.fill(replace(inputs, studies=[], units=units), "learned.md"))
    assert rows
    assert not own & set(rows)


def test_a_figure_is_looked_for_in_the_note_and_then_among_the_results(inputs):
    def at(stem: str, experiment: str) -> str:
        return learned.figure_of(inputs, {"paper": stem, "experiment": experiment})

    assert at("gpt1", "table5") == "notes/gpt1/#figure-table5"
    assert at("transformer", "positions") == "results/transformer/#positions"
    assert at("transformer", "parity") == ""


@pytest.mark.parametrize(
    ("values", "side"), [((1.0, 1.1, 0.9), 1), ((-1.0, -1.1, -0.9), -1), ((-1.0, 1.0, 0.5), 0)]
)
def test_the_side_of_zero_is_the_intervals(values, side):
    assert Summary(values).side == side


def test_a_sweeps_scores_leave_out_what_was_tried():
    content = {"kind": "tuning", "paper": "new", "name": "x_tuning", "settings": {"lr": {}}}
    content |= {"stages": {"below": {"width": 8}}}
    points = [{"lr": rate, "width": 8, "score": {"a": rate, "b": -rate}} for rate in (0.1, 0.2)]
    sweep = Record(content | {"runs": points})
    assert {arm: score.values for arm, score in scores(sweep).items()} == {
        "score.a": (0.1, 0.2),
        "score.b": (-0.1, -0.2),
    }


def test_forecasts_are_counted_by_how_sure_we_were(inputs):
    claims = [{"forecast": at, "verdict": "holds"} for at in (0.0, 0.1, 0.95, 1.0)]
    claims += [{"forecast": 0.95, "verdict": "not testable at this scale"}]
    table = learned.forecasts(replace(inputs, claims=claims), "learned/")
    rows = re.findall(r'<th scope="row">(.*?)</th><td>(\d+)</td><td>(\d+)</td>', table)
    assert rows == [("0 to 10", "1", "1"), ("10 to 25", "1", "1"), ("90 to 100", "2", "2")]


def test_the_counts_in_the_prose_are_those_of_the_table(inputs, page):
    table = learned.bugs(inputs, "learned/")
    cells = re.findall(r"<td>(.*?)</td>", table)
    for column, name in enumerate(("lower", "raise", "silent")):
        found = sum(cell.count('class="m"') for cell in cells[column::3])
        assert found == inputs.value(f"house.bugs.{name}") > 0
    assert table.count('class="m"') == inputs.value("house.bugs.trained")
    assert inputs.value("house.sweeps.edge") < inputs.value("house.sweeps.arms")
