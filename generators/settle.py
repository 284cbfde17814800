"""Finished runs held against the committed record: reproduced, written, made again, or in disagreement.

An experiment that ships a model has its weights committed beside the record, and the record has their hash. They are
not made by `site`: that trains nothing, and weights trained anew on another processor would be others than those
that the record is about. So they change only with the record; when it is reproduced, they stay.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from generators.experiment import (
    TUNING_SEED,
    Experiment,
    assemble,
    disagreements,
    find_experiment,
    save,
    with_history,
)
from generators.files import Damaged, digest, write_sealed
from generators.record import RESULTS, Record
from generators.schedule import Machine, Task, outcomes, read_stage, tasks_of
from generators.weights import LIVE, part_of, read_kept, write_live


def settle(paper: str, name: str, machine: Machine, force: bool) -> tuple[str, list[str]]:
    """Hold the finished runs of an experiment against its committed record.

    Returns:
        What became of it (`reproduced`, `written`, `made again` or `disagrees`), and the disagreements.
    """
    experiment = find_experiment(paper, name)
    tasks = tasks_of(paper, name, machine)
    fresh = assemble(paper, name, experiment, outcomes(tasks))
    old, damage = committed(paper, name)
    fresh = with_history(fresh, old)
    if damage or old is None or force or old.fingerprint != fresh.fingerprint:
        save(shipping(fresh, experiment, tasks))
        return ("made again", [damage]) if damage else ("written", [])
    if differences := disagreements(old, fresh):
        aside = machine.cache / "disagreements" / f"{paper}.{name}.json"
        write_sealed(aside, fresh.content)
        return "disagrees", [
            *differences,
            f"the fresh record is kept in {aside.relative_to(machine.cache.parent)}",
        ]
    kept = shipping(Record({**old.content, "rules": fresh.rules}), experiment)
    if kept.content != old.content:
        save(kept)
    return "reproduced", []


def model_file(paper: str, name: str) -> Path:
    """Where the model of an experiment that ships one is committed."""
    return RESULTS / paper / f"{name}.safetensors"


def shipping(record: Record, experiment: Experiment, tasks: Sequence[Task] = ()) -> Record:
    """Write the model that an experiment ships; its record, with the model's hash.

    Args:
        record: What its first run measured is handed on to the page.
        experiment: Says by `ships` what the page needs to know; without it there is nothing to write.
        tasks: Fresh runs, the first of which has the weights; without them the committed weights stay.
    """
    if experiment.ships is None:
        return record
    path = model_file(record.paper, record.name)
    if tasks:
        stage = tasks[0].beneath[experiment.stages[0].rpartition(".")[2]]
        weights = part_of(read_stage(stage)[0], LIVE)
    else:
        weights, _ = read_kept(path)
    write_live(path, weights, experiment.ships(record.runs[0], **record.settings))
    raw = path.read_bytes()
    return Record({**record.content, "ships": {"sha256": digest(raw), "bytes": len(raw)}})


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
        record = Record.load(path)
    except Damaged as damage:
        return None, str(damage)
    if shipped := record.content.get("ships"):
        model = model_file(paper, name)
        if not model.is_file() or digest(model.read_bytes()) != shipped["sha256"]:
            return None, f"{model}: it is not the model that the record tells of"
    return record, ""


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
