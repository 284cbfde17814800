"""Runs: which are due, in what order, on which processes; what is already done is never done again.

Every finished run and stage is kept under .cache by a key made of its meaning, seed, precision and device. A record
is put together when all its runs are there. So a command killed at any moment and started again goes on where it was.
"""

import concurrent.futures
import contextlib
import functools
import graphlib
import itertools
import json
import multiprocessing
import multiprocessing.connection
import os
import platform
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from generators import training
from generators.experiment import (
    TUNING_SEED,
    Experiment,
    Outcome,
    Settings,
    Stage,
    find_experiment,
    find_stage,
    meaning,
    settings_of,
)
from generators.files import (
    ROOT,
    Damaged,
    canonical,
    digest,
    read_sealed,
    sweep_leftovers,
    write_atomically,
    write_sealed,
)

CACHE = ROOT / ".cache"


@dataclass(frozen=True)
class Machine:
    """How runs are computed: part of the key under which they are kept, not of what they mean."""

    precision: str = "fast"  # "fast": matmul precision "medium"; "default": torch's own
    device: str = "cpu"
    cache: Path = CACHE


@dataclass(frozen=True)
class Task:
    """One run of an experiment, or one making of a stage, for one seed."""

    paper: str
    name: str
    is_stage: bool
    seed: int | None
    changes: str  # canonical JSON of settings that differ from the declared ones
    smoke: bool
    machine: Machine
    exclusive: bool = False

    @property
    def label(self) -> str:
        """For people: `transformer.translation, seed 0`."""
        what = "stage " if self.is_stage else ""
        return f"{what}{self.paper}.{self.name}" + (
            f", seed {self.seed}" if self.seed is not None else ""
        )

    @property
    def work(self) -> Experiment | Stage:
        """What is to be done."""
        return (
            find_stage(self.paper, self.name)[2]
            if self.is_stage
            else find_experiment(self.paper, self.name)
        )

    @property
    def settings(self) -> Settings:
        """With which settings."""
        return settings_of(self.work, json.loads(self.changes), self.smoke)

    @property
    def beneath(self) -> dict[str, "Task"]:
        """The stages it starts from, under the names by which its function receives them."""
        found = {}
        for name in self.work.stages:
            paper, stage, _ = find_stage(self.paper, name)
            found[stage] = Task(
                paper, stage, True, self.seed, self.changes, self.smoke, self.machine
            )
        return found

    @functools.cached_property
    def path(self) -> Path:
        """Where its result is kept."""
        means = meaning(self.paper, self.work, json.loads(self.changes), self.smoke)
        key = digest(canonical([means, self.seed, self.machine.precision, self.machine.device]))
        folder, ending = ("stages", "safetensors") if self.is_stage else ("runs", "json")
        return self.machine.cache / folder / f"{key}.{ending}"


# In the worker --------------------------------------------------------------------------------------------


under_way = [""]  # what this process works at


def become_worker(messages: Any = None) -> None:
    """Prepare a process of the pool: it ends when its parent does, and tells how far it is."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    if messages is not None:
        last = [0.0]

        def report(done: float, loss: float) -> None:
            if time.monotonic() - last[0] > 0.25 or done >= 1:
                last[0] = time.monotonic()
                messages.put((under_way[0], done, loss))

        training.report = report


def _end_with(sentinel: Any) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def perform(task: Task) -> str:
    """Do one task and keep its result; return its label.

    Stages beneath it must be kept already.
    """
    if task.path.is_file() and intact(task):
        return task.label
    _set_up(task)
    under_way[0] = task.label
    stages = {name: read_stage(stage)[0] for name, stage in task.beneath.items()}
    arguments = {**stages, **task.settings}
    if task.seed is not None:
        arguments["seed"] = task.seed
    started = time.process_time()  # of one core, so that other work on the machine does not count
    function = task.work.make if isinstance(task.work, Stage) else task.work.run
    try:
        result = function(**arguments)
    except Exception as error:
        raise RuntimeError(f"{task.label} failed: {error!r}\n{traceback.format_exc()}") from None
    seconds = (
        time.process_time()
        - started
        + sum(read_stage(stage)[1]["seconds"] for stage in task.beneath.values())
    )
    cost = {"seconds": seconds, "peak_memory_mb": _peak_memory(), "environment": environment(task)}
    if task.is_stage:
        write_stage(task.path, result, cost)
    else:
        canonical(result)  # refuses NaN and what is no JSON before anything is kept
        write_sealed(task.path, {"task": task.label, "measured": result, **cost})
    return task.label


def _set_up(task: Task) -> None:
    torch.set_num_threads(os.cpu_count() or 1 if task.exclusive else 1)
    torch.set_float32_matmul_precision("medium" if precision_of(task) == "fast" else "highest")
    torch.set_default_device(task.machine.device)
    torch.use_deterministic_algorithms(True, warn_only=True)
    if task.seed is not None:
        torch.manual_seed(task.seed)
        random.seed(task.seed)
    if Path(
        "/proc/self/clear_refs"
    ).exists():  # start the peak of memory anew in a process that is used again
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def precision_of(task: Task) -> str:
    """Fast matrix products, unless the run is about exactness."""
    about_exactness = isinstance(task.work, Experiment) and task.work.kind in ("exact", "parity")
    return "default" if about_exactness else task.machine.precision


def _peak_memory() -> float | None:
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return round(int(peak.split()[1]) / 1024, 1)


def environment(task: Task) -> dict[str, Any]:
    """On what a run was computed."""
    on_cpu = task.machine.device == "cpu"
    return {
        "device": task.machine.device if on_cpu else torch.cuda.get_device_name(),
        "processor": processor(),
        "precision": precision_of(task),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__.partition("+")[0],
        "python": ".".join(platform.python_version_tuple()[:2]),
    }


@functools.cache
def processor() -> str:
    """The processor's name, as the machine tells it."""
    info = Path("/proc/cpuinfo")
    names = (
        [
            line.partition(":")[2].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        if info.exists()
        else []
    )
    return names[0] if names else platform.processor() or platform.machine()


# What is kept ---------------------------------------------------------------------------------------------


def write_stage(path: Path, tensors: dict[str, Tensor], cost: dict[str, Any]) -> None:
    """Keep a stage as safetensors with a checksum over its tensors."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    facts = {"sha256": digest(save_tensors(plain)), "cost": json.dumps(cost)}
    write_atomically(path, save_tensors(plain, metadata=facts))


def read_stage(task: Task) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a stage, and what they cost.

    Raises:
        Damaged: the file is cut off or was changed.
    """
    try:
        raw = task.path.read_bytes()
        tensors = load_tensors(raw)
        facts = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"]
        sound = digest(save_tensors(tensors)) == facts["sha256"]
    except (SafetensorError, KeyError, ValueError) as error:
        raise Damaged(f"{task.path}: not a whole stage ({error})") from error
    if not sound:
        raise Damaged(f"{task.path}: its checksum does not fit")
    return {name: tensor.to(task.machine.device) for name, tensor in tensors.items()}, json.loads(
        facts["cost"]
    )


def intact(task: Task) -> bool:
    """Whether the result of a task is kept and whole; a damaged one is named and removed."""
    if not task.path.is_file():
        return False
    try:
        read_stage(task) if task.is_stage else read_sealed(task.path)
    except Damaged as damage:
        print(f"{damage}; made again", file=sys.stderr)
        task.path.unlink(missing_ok=True)
        return False
    return True


# In the parent --------------------------------------------------------------------------------------------


def tasks_of(paper: str, name: str, machine: Machine, smoke: bool = False) -> list[Task]:
    """The runs that make one record."""
    experiment = find_experiment(paper, name)
    seeds = (experiment.seeds[:1] if smoke else experiment.seeds) or (None,)
    return [
        Task(paper, name, False, seed, "{}", smoke, machine, experiment.exclusive) for seed in seeds
    ]


def tuning_of(paper: str, name: str, machine: Machine) -> list[Task]:
    """The runs of a sweep over `tune`, all on the seed that is never reported."""
    grid = find_experiment(paper, name).tune
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return [
        Task(paper, name, False, TUNING_SEED, canonical(point), False, machine) for point in points
    ]


def needed(tasks: list[Task]) -> dict[Task, set[Task]]:
    """All tasks with the stages beneath them, as a graph: task -> what must come before."""
    graph: dict[Task, set[Task]] = {}
    waiting = list(tasks)
    while waiting:
        task = waiting.pop()
        if task not in graph:
            graph[task] = set(task.beneath.values())
            waiting += graph[task]
    return graph


def run(
    tasks: list[Task],
    jobs: int,
    force: bool = False,
    show: Callable[["Event"], None] = lambda event: None,
) -> list[str]:
    """Do all tasks that are not done; return what failed, one message each."""
    graph = needed(tasks)
    for folder in {task.machine.cache for task in graph}:
        folder.mkdir(parents=True, exist_ok=True)
        sweep_leftovers(folder)
    if force:
        for task in graph:
            task.path.unlink(missing_ok=True)
    due = {task for task in graph if not intact(task)}
    # A stage is needed only by what is still due.
    wanted = {task for task in due if not task.is_stage or any(task in graph[user] for user in due)}
    show(Event("start", labels=tuple(task.label for task in wanted)))
    pooled = [task for task in wanted if not task.exclusive]
    alone = [task for task in wanted if task.exclusive]
    failures = _in_pool(graph, pooled, jobs, show) if pooled else []
    for task in sorted(alone, key=lambda task: task.label):
        failures += _in_pool(graph, [task], 1, show)
    return failures


@dataclass(frozen=True)
class Event:
    """Something that happened, for whoever shows progress."""

    kind: str  # start, begin, progress, done, failed
    label: str = ""
    labels: tuple[str, ...] = ()  # at the start: all that will be done
    done: float = 0.0
    loss: float = 0.0
    seconds: float = 0.0


def _in_pool(
    graph: dict[Task, set[Task]], tasks: list[Task], jobs: int, show: Callable[[Event], None]
) -> list[str]:
    """Run tasks on worker processes, each as soon as the stages beneath it are there."""
    context = multiprocessing.get_context("spawn")
    messages = context.SimpleQueue()
    order = graphlib.TopologicalSorter({task: graph[task] & set(tasks) for task in tasks})
    order.prepare()
    failures: list[str] = []
    pool = ProcessPoolExecutor(min(jobs, len(tasks)), context, become_worker, (messages,))
    listener = threading.Thread(target=_listen, args=(messages, show), daemon=True)
    listener.start()
    waited_for: dict[Future[str], tuple[Task, float]] = {}
    try:
        while order.is_active():
            for task in sorted(order.get_ready(), key=lambda task: (not task.is_stage, task.label)):
                waited_for[pool.submit(perform, task)] = (task, time.monotonic())
            if not waited_for:
                break  # what is left waits for a stage that failed
            finished, _ = concurrent.futures.wait(
                waited_for, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in finished:
                task, started = waited_for.pop(future)
                if error := future.exception():
                    failures.append(str(error) or f"{task.label} failed: {error!r}")
                    show(Event("failed", task.label))
                else:
                    order.done(task)
                    show(Event("done", task.label, seconds=time.monotonic() - started))
    except BrokenProcessPool:
        failures.append(
            "a worker process died; is there enough memory? What is finished is kept: start again"
        )
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    messages.put(None)
    listener.join()
    return failures


def _listen(messages: Any, show: Callable[[Event], None]) -> None:
    while (message := messages.get()) is not None:
        label, done, loss = message
        show(Event("progress", label, done=done, loss=loss))


def outcomes(tasks: list[Task]) -> list[Outcome]:
    """The kept results of tasks that are done."""
    kept = [(task, read_sealed(task.path)) for task in tasks]
    return [
        Outcome(task.seed, k["measured"], k["seconds"], k["peak_memory_mb"], k["environment"])
        for task, k in kept
    ]
