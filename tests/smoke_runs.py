"""Runs of experiments at smoke size for the tests that look into them; stages and runs are made once a process.

As the pool makes them: from the same seeding, and with no check of shapes at every call, which would take as long
again.
"""

import contextlib
import functools
import random
from collections.abc import Iterator
from typing import Any

import jaxtyping
import torch
from torch import Tensor

from generators.experiment import TUNING_SEED, find_experiment, find_stage, settings_of
from generators.record import Record


@contextlib.contextmanager
def unchecked() -> Iterator[None]:
    """Shapes are not checked for a while."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)


def start(paper: str, stages: tuple[str, ...]) -> dict[str, Any]:
    """What a run receives from beneath it; the seed is set, as the pool sets it."""
    beneath = {find_stage(paper, name)[1]: stage(*find_stage(paper, name)[:2]) for name in stages}
    torch.manual_seed(TUNING_SEED)
    random.seed(TUNING_SEED)
    return beneath


@unchecked()
def make(paper: str, name: str) -> dict[str, Tensor]:
    """A stage at smoke size."""
    _, _, work = find_stage(paper, name)
    return work.make(TUNING_SEED, **start(paper, work.stages), **settings_of(work, {}, smoke=True))


@unchecked()
def run(paper: str, name: str) -> dict[str, Any]:
    """What an experiment measures at smoke size."""
    work = find_experiment(paper, name)
    seed = {"seed": TUNING_SEED} if work.seeds else {}
    return work.run(**seed, **start(paper, work.stages), **settings_of(work, {}, smoke=True))


stage = functools.cache(make)
first_run = functools.cache(run)


def record(paper: str, name: str) -> Record:
    """The first run as a record of one seed, with the settings that it had."""
    settings = settings_of(find_experiment(paper, name), {}, smoke=True)
    run = first_run(paper, name)
    return Record({"paper": paper, "name": name, "settings": settings, "runs": [run]})
