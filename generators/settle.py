"""Finished runs held against the committed record: reproduced, written, made again, or in disagreement."""

import json
from typing import Any

from generators.experiment import (
    TUNING_SEED,
    assemble,
    disagreements,
    find_experiment,
    save,
    with_history,
)
from generators.files import Damaged, write_sealed
from generators.record import RESULTS, Record
from generators.schedule import Machine, Task, outcomes, tasks_of


def settle(paper: str, name: str, machine: Machine, force: bool) -> tuple[str, list[str]]:
    """Hold the finished runs of an experiment against its committed record.

    Returns:
        What became of it (`reproduced`, `written`, `made again` or `disagrees`), and the disagreements.
    """
    experiment = find_experiment(paper, name)
    fresh = assemble(paper, name, experiment, outcomes(tasks_of(paper, name, machine)))
    old, damage = committed(paper, name)
    fresh = with_history(fresh, old)
    if damage:
        save(fresh)
        return "made again", [damage]
    if old is None or force or old.fingerprint != fresh.fingerprint:
        save(fresh)
        return "written", []
    if differences := disagreements(old, fresh):
        aside = machine.cache / "disagreements" / f"{paper}.{name}.json"
        write_sealed(aside, fresh.content)
        return "disagrees", [
            *differences,
            f"the fresh record is kept in {aside.relative_to(machine.cache.parent)}",
        ]
    if old.rules != fresh.rules:
        save(Record({**old.content, "rules": fresh.rules}))
    return "reproduced", []


def best_of(runs: list[dict[str, Any]], score: str) -> dict[str, Any]:
    """The settings of the best run; where the score is one for each arm, each arm's own: setting -> arm -> value."""
    if not isinstance(runs[0][score], dict):
        return max(runs, key=lambda run: run[score])
    winners = {arm: max(runs, key=lambda run: run[score][arm]) for arm in runs[0][score]}
    chosen = {
        setting: {arm: run[setting] for arm, run in winners.items()}
        for setting in runs[0]
        if setting != score
    }
    return {**chosen, score: {arm: run[score][arm] for arm, run in winners.items()}}


def committed(paper: str, name: str) -> tuple[Record | None, str]:
    """The committed record of an experiment, or None; and what is wrong with it."""
    path = RESULTS / paper / f"{name}.json"
    if not path.is_file():
        return None, ""
    try:
        return Record.load(path), ""
    except Damaged as damage:
        return None, str(damage)


def settle_tuning(paper: str, name: str, tasks: list[Task], machine: Machine) -> Record:
    """Write the record of a sweep: results/<paper>/<name>_tuning.json, its best point first said."""
    experiment = find_experiment(paper, name)
    runs = [
        {**json.loads(task.changes), **o.measured}
        for task, o in zip(tasks, outcomes(tasks), strict=True)
    ]
    kept = [{key: run[key] for key in [*experiment.tune, experiment.score]} for run in runs]
    best = best_of(kept, experiment.score)
    sweep = outcomes(tasks)
    record = assemble(paper, name, experiment, sweep)
    content = {
        **record.content,
        "kind": "tuning",
        "name": f"{name}_tuning",
        "question": f"Which {' and '.join(experiment.tune)} is best for {name}?",
        "seeds": [TUNING_SEED] * len(kept),
        "runs": kept,
        "best": best,
        "rules": {},
        "command": f"nox -s train -- {paper}.{name} --tune",
    }
    save(Record(content))
    return Record(content)
