"""The protocol of all benchmarks: who is timed beside whom, in which order, and what is made of the times.

All contestants are built up front in one process and work on one thread, whose CPU time counts. Every round times
each of them once, in both settings, and each round begins with another one; what is reported is the median of the
ratios within rounds, with quartiles, never a ratio of separate runs. Absolute times drift with the machine.
"""

import importlib
import importlib.metadata
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from generators.experiment import save
from generators.papers import UnknownName
from generators.record import Record
from generators.schedule import processor

OURS = "ours"
SETTINGS = {"default": "highest", "fast": "medium"}  # -> torch's precision of matrix products
ROUNDS = 9
DISTURBED = (
    0.06  # a sample is taken again if its thread had to wait for more than this share of the time
)
MET = 0.97  # a goal of 1.00 counts as met from here on: smaller differences are noise

Clocks = Callable[[], tuple[float, float]]
clocks: Clocks = lambda: (time.process_time(), time.perf_counter())  # noqa: E731  CPU time, wall time


@dataclass(frozen=True)
class Ready:
    """A contestant, built and warm."""

    work: Callable[[], float]  # does one unit; the number (a loss) shows what was done
    parameters: int


@dataclass(frozen=True)
class Contestant:
    """A name, and ways to build it: where a library offers several forms, the fastest one competes."""

    name: str
    forms: Mapping[str, Callable[[], Ready]]


@dataclass(frozen=True)
class Sample:
    """One unit of work, timed."""

    seconds: float
    disturbed: float  # share of the time in which the thread had to wait
    result: float = 0.0  # what the work returned


Entry = tuple[str, str]  # contestant, setting


def build(contestants: list[Contestant]) -> tuple[dict[str, dict[str, Ready]], dict[str, str]]:
    """Build everybody; return the forms of each, and the error of each form that could not be built."""
    ready: dict[str, dict[str, Ready]] = {}
    failures = {}
    for contestant in contestants:
        for form, make in contestant.forms.items():
            try:
                ready.setdefault(contestant.name, {})[form] = make()
            except Exception as error:  # whatever a peer does, the others still compete
                if contestant.name == OURS:
                    raise
                name = f"{contestant.name} {form}".strip()
                failures[name] = f"{type(error).__name__}: {error}".splitlines()[0]
    return {name: forms for name, forms in ready.items() if forms}, failures


def sample(work: Callable[[], float], retakes: int = 1) -> Sample:
    """Time a unit of work; once more where other processes got in between, and keep the quieter sample."""
    taken = []
    for _ in range(1 + retakes):
        cpu, wall = clocks()
        result = work()
        cpu, wall = (after - before for before, after in zip((cpu, wall), clocks(), strict=True))
        taken.append(Sample(cpu, max(0.0, 1 - cpu / wall), float(result)))
        if taken[-1].disturbed <= DISTURBED:
            break
    return min(taken, key=lambda one: one.disturbed)


def in_setting(setting: str, work: Callable[[], float]) -> Callable[[], float]:
    """The same work under a setting's precision of matrix products."""

    def run() -> float:
        torch.set_float32_matmul_precision(SETTINGS[setting])
        return work()

    return run


def heats(forms: Mapping[str, Ready], setting: str) -> str:
    """The form of a contestant that is fastest in a setting; each works once to get warm, and once for time."""
    if len(forms) == 1:
        return next(iter(forms))
    times = {}
    for form, ready in forms.items():
        work = in_setting(setting, ready.work)
        work()
        times[form] = sample(work).seconds
    return min(times, key=lambda form: times[form])


# Whether a contestant trains ---------------------------------------------------------------------------------


def count(model: nn.Module) -> int:
    """Parameters that are trained."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def training(model: nn.Module, step: Callable[[], float]) -> Ready:
    """A model's training step, once it is sure that it trains: gradients for all its weights, a loss that falls."""
    first = step()
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    idle = [name for name, p in parameters.items() if p.grad is None or not p.grad.any()]
    if idle:
        raise ValueError(f"no gradient reaches {', '.join(idle)}")
    second = step()
    if not second < first:
        raise ValueError(f"the loss does not fall: {first:.4f}, then {second:.4f}")
    return Ready(step, count(model))


def learned(found: dict[str, Any]) -> dict[str, Any]:
    """What a race of training steps gave, once it is sure that everybody's loss fell in it."""
    for setting in SETTINGS:
        for name in found["parameters"]:
            first, last = found[setting][name]["results"]
            if not last < first:
                raise ValueError(f"{name} does not learn: its loss went from {first} to {last}")
    return found


def fast_precision(
    build_step: Callable[[], Callable[[], float]], steps: int, tolerance: float
) -> dict[str, Any]:
    """Losses in fast precision beside the default's; `build_step` gives a step from the same start each time."""
    losses = {}
    for setting in SETTINGS:
        step = in_setting(setting, build_step())
        losses[setting] = [step() for _ in range(steps)]
    worst = max(abs(f - d) / d for d, f in zip(losses["default"], losses["fast"], strict=True))
    return {
        "steps": steps,
        "first_loss": round(losses["default"][0], 4),
        "last_loss": round(losses["default"][-1], 4),
        "worst": worst,
        "tolerance": tolerance,
        "agrees": worst <= tolerance,
    }


# The race -----------------------------------------------------------------------------------------------------


def race(entries: Mapping[Entry, Callable[[], float]], rounds: int) -> dict[Entry, list[Sample]]:
    """Time all entries once a round; every round begins one further along the list."""
    order = list(entries)
    times: dict[Entry, list[Sample]] = {entry: [] for entry in order}
    for number in range(rounds):
        first = number % len(order)
        for entry in order[first:] + order[:first]:
            times[entry].append(sample(entries[entry]))
    return times


def ratio(theirs: list[Sample], ours: list[Sample]) -> dict[str, float]:
    """How many times as long they took, round by round: the median and its quartiles; above 1 we are faster."""
    each = [one.seconds / other.seconds for one, other in zip(theirs, ours, strict=True)]
    q1, median, q3 = statistics.quantiles(each, n=4, method="inclusive")
    return {"ratio": round(median, 4), "ratio_q1": round(q1, 4), "ratio_q3": round(q3, 4)}


def compete(
    contestants: list[Contestant],
    rounds: int,
    items: int,
    work_per_item: float,
    peak: float,
    item: str = "token",
) -> dict[str, Any]:
    """Let everybody do a workload in both settings.

    Args:
        contestants: Ours and its peers; a peer may be our own model, built in another way.
        rounds: How many.
        items: How many tokens, images ... a unit of work handles.
        work_per_item: Floating-point operations that one of them needs.
        peak: Operations a second that the machine's best matrix product reaches.
        item: What is counted: the record has `<item>s_per_second` and `work_per_<item>`.

    Returns:
        Setting -> contestant -> its numbers, then what compares all of them, and whom it went wrong for.
    """
    ready, failures = build(contestants)
    form = {
        (name, setting): heats(forms, setting)
        for setting in SETTINGS
        for name, forms in ready.items()
    }
    entries = {
        (name, setting): in_setting(setting, ready[name][chosen].work)
        for (name, setting), chosen in form.items()
    }
    times = race(entries, rounds)
    found: dict[str, Any] = {}
    for setting in SETTINGS:
        found[setting] = {}
        for name in ready:
            seconds = middle(times[name, setting])
            found[setting][name] = {
                "ms": round(1e3 * seconds, 3),
                f"{item}s_per_second": round(items / seconds, 1),
                "peak": round(items * work_per_item / seconds / peak, 4),
                "form": form[name, setting],
                "results": [round(times[name, setting][end].result, 4) for end in (0, -1)],
                **ratio(times[name, setting], times[OURS, setting]),
            }
        rivals = {name: times[name, setting] for name in ready if name != OURS}
        if rivals:
            fastest = min(rivals, key=lambda name: middle(rivals[name]))
            found[setting] |= {"fastest_peer": fastest} | {
                f"{key}_fastest": value
                for key, value in ratio(rivals[fastest], times[OURS, setting]).items()
            }
            if setting == "default":
                found["fast_mode"] = {
                    "against_our_default": ratio(times[OURS, "default"], times[OURS, "fast"]),
                    "against_default_peer": ratio(rivals[fastest], times[OURS, "fast"]),
                }
    samples = [one for taken in times.values() for one in taken]
    return found | {
        "best_against_best": best_against_best(times),
        "parameters": {
            name: next(iter(forms.values())).parameters for name, forms in ready.items()
        },
        f"{item}s": items,
        f"work_per_{item}": round(work_per_item),
        "samples": len(samples),
        "disturbed": sum(one.disturbed > DISTURBED for one in samples),
        "failures": failures,
    }


def middle(taken: list[Sample]) -> float:
    """The median time."""
    return statistics.median(one.seconds for one in taken)


def best_against_best(times: Mapping[Entry, list[Sample]]) -> dict[str, Any]:
    """Our faster setting against the fastest peer in its own faster one."""
    ours = min(
        (entry for entry in times if entry[0] == OURS), key=lambda entry: middle(times[entry])
    )
    rivals = [entry for entry in times if entry[0] != OURS]
    if not rivals:
        return {}
    peer = min(rivals, key=lambda entry: middle(times[entry]))
    who = {"our_setting": ours[1], "peer": peer[0], "peer_setting": peer[1]}
    return who | ratio(times[peer], times[ours])


# The machine ----------------------------------------------------------------------------------------------


def limits() -> dict[str, Any]:
    """What this machine can do at best on one thread: products in either setting (GFLOP/s), copying (GB/s)."""
    shapes = [(2048, 256, 1024), (2048, 1024, 256), (1024, 1024, 1024), (2048, 2048, 2048)]
    found: dict[str, Any] = {"products": {}}
    for setting in SETTINGS:
        rates = []
        for rows, inner, columns in shapes:
            left, right = torch.randn(rows, inner), torch.randn(columns, inner).T
            work = in_setting(setting, lambda a=left, b=right: float((a @ b)[0, 0]))
            seconds = min(sample(work).seconds for _ in range(5))
            rates.append(2 * rows * inner * columns / seconds / 1e9)
        found["products"][setting] = round(max(rates), 1)
    block, copy = torch.zeros(2**25), torch.empty(2**25)  # 128 MiB: no cache holds it
    seconds = min(sample(lambda: float(copy.copy_(block)[0])).seconds for _ in range(5))
    return found | {"copy": round(2 * block.nbytes / seconds / 1e9, 1)}


def versions(packages: list[str]) -> dict[str, str]:
    """The installed version of each package; "not installed" where there is none."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


# Goals and tables -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Goal:
    """A number of a benchmark, and what we want it to be at least."""

    path: str
    wanted: float

    def judge(self, measured: dict[str, Any]) -> dict[str, Any]:
        """Whether it is reached; 1.00 counts as reached at 0.97."""
        value: Any = measured
        for step in self.path.split("."):
            value = value.get(step) if value else None
        least = MET if self.wanted == 1 else self.wanted
        met = value is not None and value >= least
        return {"goal": self.path, "wanted": self.wanted, "measured": value, "met": met}


def judged(goals: list[Goal], measured: dict[str, Any]) -> dict[str, Any]:
    """Every goal with what became of it, printed too, and how many are met: the end of a benchmark's record."""
    verdicts = [goal.judge(measured) for goal in goals]
    for one in verdicts:
        word = "met" if one["met"] else "MISSED"
        print(f"{word:7}{one['goal']} {one['measured']} ({one['wanted']})")
    return {"goals": verdicts, "goals_met": sum(one["met"] for one in verdicts)}


def table(workload: str, found: dict[str, Any], item: str = "token") -> str:
    """What a workload gave, for the terminal."""
    rate = f"{item}s/s"
    header = f"{'':26}{'ms':>9}{rate:>10}{'of peak':>9}{'ratio':>7}  quartiles"
    lines = [f"{workload}: {found[f'work_per_{item}'] / 1e6:.1f} MFLOP per {item}", header]
    for setting in SETTINGS:
        for name, row in found[setting].items():
            if not isinstance(row, dict):
                continue
            label = f"{setting} {name} {row['form']}".rstrip()
            lines.append(
                f"{label:26}{row['ms']:9.1f}{row[f'{item}s_per_second']:10.0f}{row['peak']:9.1%}"
                f"{row['ratio']:7.2f}  {row['ratio_q1']:.2f} to {row['ratio_q3']:.2f}"
            )
    best = found["best_against_best"]
    if best:
        lines.append(
            f"best against best: ours {best['our_setting']}, {best['peer']} {best['peer_setting']}: "
            f"{best['ratio']:.2f} ({best['ratio_q1']:.2f} to {best['ratio_q3']:.2f})"
        )
    lines.append(
        "parameters: " + ", ".join(f"{name} {n:,}" for name, n in found["parameters"].items())
    )
    lines.append(f"{found['disturbed']} of {found['samples']} samples stayed disturbed")
    lines += [f"not there: {name}: {error}" for name, error in found["failures"].items()]
    return "\n".join(lines)


# The record -----------------------------------------------------------------------------------------------


def papers_with_benchmark() -> list[str]:
    """Every paper that has one."""
    here = Path(__file__).parent
    return sorted(path.stem for path in here.glob("*.py") if not path.stem.startswith("__"))


def module_of(paper: str) -> ModuleType:
    """A paper's contestants and workloads."""
    if paper not in papers_with_benchmark():
        raise UnknownName("paper with a benchmark", paper, papers_with_benchmark())
    return importlib.import_module(f"generators.bench.{paper}")


def benchmark(paper: str, rounds: int = ROUNDS) -> Record:
    """Run a paper's benchmark on one thread, and write its record."""
    torch.set_num_threads(1)
    module = module_of(paper)
    started = time.process_time()
    measured = module.run(rounds=rounds, **module.SETTINGS_OF_RUN)
    record = Record(
        {
            "kind": "timing",
            "paper": paper,
            "name": "bench",
            "question": module.QUESTION,
            "settings": {"rounds": rounds, **module.SETTINGS_OF_RUN},
            "seeds": [],
            "runs": [measured],
            "tolerance": {},
            "rules": {},
            "fingerprint": "none: a time depends on everything",
            "environment": {
                "device": "cpu",
                "processor": processor(),
                "precision": "both",
                "threads": 1,
                "torch": torch.__version__.partition("+")[0],
                "python": ".".join(platform.python_version_tuple()[:2]),
            },
            "seconds": [round(time.process_time() - started, 1)],
            "peak_memory_mb": [None],
            "command": f"nox -s bench -- {paper}",
        }
    )
    save(record)
    return record
