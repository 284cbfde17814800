"""The ledger of a paper: its claims with what the records say of them, written as data and as a table."""

import inspect
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from generators.experiment import Claim, Rule, claims, outdated, units, verdict
from generators.files import ROOT, Damaged, read_sealed, write_atomically, write_sealed
from generators.formats import WITH_SPREAD, shown, with_spread
from generators.papers import UnknownName
from generators.prose import MENDS
from generators.record import RESULTS, Record, records


def ledger_of(paper: str) -> dict[str, Any]:
    """A paper's claims with what the records say of them: the content of results/<paper>/claims.json."""
    known = records()
    return {
        "paper": paper,
        "claims": [_judged(claim, known) for claim in claims(paper)] if paper in units() else [],
        "outdated": outdated(paper) if paper in units() else [],
    }


def _judged(claim: Claim, known: dict[str, Record]) -> dict[str, Any]:
    word = verdict(claim, known)
    entry: dict[str, Any] = {
        "id": claim.id,
        "kind": "said" if claim.said else "claim",
        "text": claim.text,
        "where": claim.where,
        "did": claim.did,
        "forecast": claim.rule.forecast if claim.rule else None,
        "experiment": claim.experiment.partition(".")[2] if claim.experiment else None,
        "key": None,
        "measured": None,
        "verdict": word,
        "rule": _source(claim.rule) if claim.rule else None,
        "rule_hash": claim.rule.hash if claim.rule else None,
        "earlier": [
            {
                "forecast": old.forecast,
                "verdict": verdict(claim, known, old),
                "rule": _source(old),
                "rule_hash": old.hash,
            }
            for old in claim.superseded
        ],
    }
    if claim.experiment and claim.measured:
        path, _, form = claim.measured.partition(":")
        number = known[claim.experiment][path]
        spread = number.n > 1 and form in WITH_SPREAD
        text = (
            with_spread(number.mean, number.half_width, form)
            if spread
            else shown(number.mean, form)
        )
        entry |= {
            "key": f"{claim.experiment}.{path}",
            "measured": text,
            "low": number.low,
            "high": number.high,
            "seeds": number.n,
        }
    return entry


def _source(rule: Rule) -> str:
    return textwrap.dedent(inspect.getsource(rule.verdict)).strip()


def claims_table(entries: Sequence[Mapping[str, Any]]) -> str:
    """The ledger as a Markdown table: claim, forecast, measured (mean ± half of the 95 % interval), verdict."""
    lines = [
        "| id | the claim, in our words | forecast | measured | verdict |",
        "| --- | --- | --: | --: | --- |",
    ]
    for entry in entries:
        forecast = "–" if entry["forecast"] is None else f"{entry['forecast']:.2f}"
        words = entry["verdict"] + "".join(
            f" (by an earlier rule: {old['verdict']})" for old in entry["earlier"]
        )
        text = f"{entry['text']} ({entry['where']})" if entry["where"] else entry["text"]
        lines.append(
            f"| {entry['id']} | {text} | {forecast} | {entry['measured'] or '–'} | {words} |"
        )
    return "\n".join(lines) + "\n"


def settle_ledger(paper: str, check: bool) -> list[str]:
    """Write results/<paper>/claims.json and claims.md; with `check` only compare. What is wrong, a line each."""
    path = RESULTS / paper / "claims.json"
    try:
        content = ledger_of(paper)
    except (UnknownName, ValueError) as error:
        return [f"{_short(path)}: {error}"]
    if not content["claims"]:
        return []
    problems = []
    if not _stands(path, content):
        if check:
            problems = [f"{_short(path)}: is not what the records and the rules say now; {MENDS}"]
        else:
            write_sealed(path, content)
    return problems + settle(path.with_suffix(".md"), claims_table(content["claims"]), check)


def _stands(path: Path, content: dict[str, Any]) -> bool:
    try:
        return path.is_file() and read_sealed(path) == content
    except Damaged:
        return False


def settle(path: Path, text: str, check: bool) -> list[str]:
    """Write a file that is made from records, unless it says so already; with `check` only compare."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return []
    if check:
        return [f"{_short(path)}: is not what its record and the code say now; {MENDS}"]
    write_atomically(path, text)
    return []


def _short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
