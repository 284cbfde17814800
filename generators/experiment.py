"""What an experiment, a stage and a claim are; how runs become a record; and the only writer of records."""

import importlib
import math
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from generators.files import ROOT, write_sealed
from generators.fingerprint import fingerprint
from generators.papers import UnknownName
from generators.record import RESULTS, Record, records

Settings = dict[str, Any]

HOLDS = "holds"
IN_PART = "holds in part"
FAILS = "does not hold here"
TOO_SMALL = "not testable at this scale"
NOT_TESTED = "not tested"
VERDICTS = (HOLDS, IN_PART, FAILS, TOO_SMALL, NOT_TESTED)

TUNING_SEED = 1000  # learning rates are chosen on this seed, and no result is reported from it


@dataclass(frozen=True)
class Stage:
    """A trained model that several runs share: made once per seed, kept under .cache/stages."""

    make: Callable[..., Any]  # make(seed, **stages, **settings) -> name -> tensor
    settings: Settings
    smoke: Settings = field(default_factory=dict)  # changes that make it end in a second or two
    stages: tuple[str, ...] = ()  # stages that it starts from, "name" or "paper.name"


@dataclass(frozen=True)
class Experiment:
    """A question, and the function whose runs answer it."""

    question: str
    run: Callable[
        ..., dict[str, Any]
    ]  # run(seed, **stages, **settings) -> measured, as plain JSON values
    settings: Settings
    smoke: Settings = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2)
    kind: str = "measured"  # or exact, timing, parity
    stages: tuple[str, ...] = ()
    tolerance: dict[str, float | None] = field(
        default_factory=dict
    )  # path or its beginning -> difference allowed; None: any
    tier: str = "default"
    exclusive: bool = False  # measures time or memory: alone, in a fresh process
    tune: dict[str, list[Any]] = field(
        default_factory=dict
    )  # setting (its own or a stage's) -> values to try
    score: str = ""  # measured by the run, the higher the better: a number, or one for each arm, tuned by itself
    ships: Callable[..., dict[str, Any]] | None = (
        None  # ships(measured, **settings) -> what the page needs beside the first stage's weights
    )


@dataclass(frozen=True)
class Rule:
    """How a verdict follows from a record, and the probability that we gave to "holds"; both fixed before the run."""

    verdict: Callable[[Record], str]
    forecast: float

    @property
    def hash(self) -> str:
        """Changes when the rule's code or the forecast does."""
        return fingerprint(self.verdict, self.forecast)


@dataclass(frozen=True)
class Claim:
    """A claim of a paper, in our words, and what became of it."""

    id: str
    text: str
    where: str  # where it stands in the paper
    experiment: str | None = None  # None: not tested
    did: str = ""  # what we did, in a sentence
    rule: Rule | None = None
    measured: str = ""  # the number that stands for it, "agreement:pct"
    superseded: tuple[Rule, ...] = ()  # rules that were given up after a run, oldest first
    said: bool = False  # not the paper's claim but what people say about it


# What stands in generators/experiments/ -------------------------------------------------------------------


def units() -> list[str]:
    """Every paper or study that has experiments."""
    folder = ROOT / "generators" / "experiments"
    files = {path.stem for path in folder.glob("*.py")} | {
        path.parent.name for path in folder.glob("*/__init__.py")
    }
    return sorted(files - {"__init__"})


def unit(paper: str) -> ModuleType:
    """The module of a paper's experiments."""
    if paper not in units():
        raise UnknownName("paper with experiments", paper, units())
    return importlib.import_module(f"generators.experiments.{paper}")


def experiments(paper: str) -> dict[str, Experiment]:
    """A paper's experiments by name."""
    return unit(paper).EXPERIMENTS


def find_experiment(paper: str, name: str) -> Experiment:
    """One experiment, else an error that names the nearest."""
    known = experiments(paper)
    if name not in known:
        raise UnknownName(f"experiment of {paper}", name, known)
    return known[name]


def find_stage(paper: str, name: str) -> tuple[str, str, Stage]:
    """A stage by its name, or by `other_paper.name`, as (paper, name, stage)."""
    if "." in name:
        paper, name = name.split(".")
    known = vars(unit(paper)).get("STAGES", {})
    if name not in known:
        raise UnknownName(f"stage of {paper}", name, known)
    return paper, name, known[name]


def claims(paper: str | None = None) -> list[Claim]:
    """The ledger of one paper, or of all."""
    return [
        claim
        for name in ([paper] if paper else units())
        for claim in vars(unit(name)).get("CLAIMS", ())
    ]


def settings_of(work: Experiment | Stage, changes: Settings, smoke: bool = False) -> Settings:
    """The settings of a run: as declared, at smoke size, or with some changed (only those that it has)."""
    base = {**work.settings, **(work.smoke if smoke else {})}
    return {**base, **{key: value for key, value in changes.items() if key in base}}


def meaning(
    paper: str, work: Experiment | Stage, changes: Settings | None = None, smoke: bool = False
) -> str:
    """Fingerprint of an experiment or a stage, with that of all stages beneath it."""
    changes = changes or {}
    function = work.run if isinstance(work, Experiment) else work.make
    beneath = []
    for name in work.stages:
        owner, _, stage = find_stage(paper, name)
        beneath.append(meaning(owner, stage, changes, smoke))
    return fingerprint(function, settings_of(work, changes, smoke), beneath)


# Verdicts -------------------------------------------------------------------------------------------------


def verdict(claim: Claim, known: dict[str, Record], rule: Rule | None = None) -> str:
    """What the rule says of the record; `not tested` without an experiment."""
    if claim.experiment is None:
        return NOT_TESTED
    if claim.rule is None:
        raise ValueError(f"claim {claim.id} names an experiment but no rule")
    record = known.get(claim.experiment)
    if record is None:
        raise UnknownName(f"record for claim {claim.id}", claim.experiment, known)
    word = (rule or claim.rule).verdict(record)
    if word not in VERDICTS:
        raise ValueError(
            f'the rule of claim {claim.id} says "{word}", which is no verdict ({", ".join(VERDICTS)})'
        )
    return word


# Records --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What one run gave: measured values, and what they cost."""

    seed: int | None
    measured: dict[str, Any]
    seconds: float
    peak_memory_mb: float | None
    environment: dict[str, Any]


def assemble(paper: str, name: str, experiment: Experiment, outcomes: list[Outcome]) -> Record:
    """Put the runs of an experiment together into its record."""
    return Record(
        {
            "kind": experiment.kind,
            "paper": paper,
            "name": name,
            "question": experiment.question,
            "settings": experiment.settings,
            "stages": {stage: find_stage(paper, stage)[2].settings for stage in experiment.stages},
            "seeds": list(experiment.seeds),
            "runs": [outcome.measured for outcome in outcomes],
            "tolerance": experiment.tolerance,
            "rules": rules_on(paper, f"{paper}.{name}"),
            "fingerprint": meaning(paper, experiment),
            **({"commit": commit()} if experiment.tier == "benchmark" else {}),
            "environment": outcomes[0].environment,
            "seconds": [round(outcome.seconds, 2) for outcome in outcomes],
            "peak_memory_mb": [outcome.peak_memory_mb for outcome in outcomes],
            "command": f"nox -s train -- {paper}"
            + (" --tier benchmark" if experiment.tier == "benchmark" else ""),
        }
    )


def commit() -> str:
    """The commit that is checked out; empty where there is no git, as in a downloaded archive."""
    try:
        command = ["git", "rev-parse", "HEAD"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def outdated(paper: str) -> list[str]:
    """Committed benchmark-tier records whose code has changed since: they stay, and their page says so."""
    committed = records(paper)
    return [
        name
        for name, experiment in experiments(paper).items()
        if experiment.tier == "benchmark"
        and (record := committed.get(f"{paper}.{name}"))
        and record.fingerprint != meaning(paper, experiment)
    ]


def rules_on(paper: str, record_key: str) -> dict[str, list[str]]:
    """Claim -> hashes of the rules that judge this record."""
    judged = [claim for claim in claims(paper) if claim.experiment == record_key and claim.rule]
    return {
        claim.id: [*(old.hash for old in claim.superseded), claim.rule.hash]
        for claim in judged
        if claim.rule
    }


def with_history(fresh: Record, old: Record | None) -> Record:
    """A record that remembers every rule that ever judged it, so that none can be changed in silence."""
    if old is None:
        return fresh
    remembered = {
        claim: [*dict.fromkeys([*old.content.get("rules", {}).get(claim, []), *hashes])]
        for claim, hashes in fresh.rules.items()
    }
    return Record({**fresh.content, "rules": remembered})


def save(record: Record) -> None:
    """Write a record to results/; nothing else does."""
    write_sealed(RESULTS / record.paper / f"{record.name}.json", record.content)


def disagreements(old: Record, new: Record) -> list[str]:
    """Where two records of the same experiment differ by more than was declared, one line each."""
    if old.kind == "timing":
        return []
    allowed = new.tolerance
    found = [] if old.seeds == new.seeds else [f"seeds {old.seeds} became {new.seeds}"]
    for seed, before, after in zip(old.seeds or [None], old.runs, new.runs, strict=False):
        for path, was, now in _pairs(before, after):
            if not _agree(was, now, _allowed(path, allowed)):
                found.append(f"{new.key}.{path}, seed {seed}: committed {was}, measured {now}")
    return found


def _pairs(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Leaves of two nested values side by side; where the shapes differ, the nodes themselves."""
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for key in before:
            yield from _pairs(before[key], after[key], f"{path}.{key}" if path else str(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from _pairs(*pair, f"{path}.{index}")
    else:
        yield path, before, after


def _agree(was: Any, now: Any, allowed: float | None) -> bool:
    if allowed is None:
        return True
    if isinstance(was, int | float) and isinstance(now, int | float):
        return math.isclose(was, now, rel_tol=1e-6, abs_tol=allowed)
    return was == now


def _allowed(path: str, allowed: dict[str, float | None]) -> float | None:
    """The tolerance declared for the longest beginning of a path."""
    steps = path.split(".")
    for length in range(len(steps), 0, -1):
        if (start := ".".join(steps[:length])) in allowed:
            return allowed[start]
    return 0.0


def stale(paper: str | None = None) -> list[str]:
    """Committed default-tier records that the code no longer says, and experiments without a record."""
    found = []
    for name in [paper] if paper else units():
        committed = records(name)
        for key, experiment in experiments(name).items():
            record = committed.pop(f"{name}.{key}", None)
            if experiment.tier != "default":
                continue
            if record is None:
                found.append(f"{name}.{key} has no record; make it: nox -s train -- {name}")
            elif record.fingerprint != meaning(name, experiment):
                found.append(
                    f"{name}.{key} is stale, its code has changed; make it again: nox -s train -- {name}"
                )
        found += [
            f"{key} is a record that no experiment makes; delete it"
            for key, record in committed.items()
            # Sweeps and benchmarks have records too, and are no experiments.
            if record.kind != "tuning"
            and not record.content.get("command", "").startswith("nox -s bench")
        ]
    return found
