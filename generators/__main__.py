"""The command line: `python -m generators train|figures|new`. The nox sessions call it."""

import argparse
import difflib
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from generators.files import Damaged
from generators.fingerprint import CannotFollow
from generators.papers import UnknownName, papers, studies


class Parser(argparse.ArgumentParser):
    """argparse, naming the option that was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Say what was wrong, and exit with 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")

    def unknown(self, option: str) -> NoReturn:
        """Refuse an option, naming the nearest."""
        options = [name for action in self._actions for name in action.option_strings]
        near = difflib.get_close_matches(option, options, n=1)
        self.error(f"unknown option {option}" + (f"; did you mean {near[0]}?" if near else ""))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Every command and option; the chosen ones."""
    top = Parser(prog="python -m generators", description=__doc__, allow_abbrev=False)
    commands = top.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Parser
    )

    train = commands.add_parser(
        "train", help="run what is stale, and confirm the rest", allow_abbrev=False
    )
    train.add_argument("names", nargs="*", metavar="PAPER[.EXPERIMENT]", help="all, unless named")
    train.add_argument(
        "--force", action="store_true", help="run everything anew and write what comes out"
    )
    train.add_argument(
        "--strict", action="store_true", help="fail when a committed record is not reproduced"
    )
    train.add_argument(
        "--smoke", action="store_true", help="one seed, seconds instead of minutes, no record"
    )
    train.add_argument(
        "--tune", action="store_true", help="sweep the declared settings on the tuning seed"
    )
    train.add_argument("--device", default="cpu", help="torch device, cpu unless said otherwise")
    train.add_argument(
        "--precision", choices=["fast", "default"], default="fast", help="of matrix products"
    )
    train.add_argument(
        "--tier",
        choices=["default", "benchmark"],
        default="default",
        help="benchmark: long or GPU runs",
    )
    train.add_argument(
        "--jobs", type=_positive, default=_cores(), help="worker processes (%(default)s)"
    )

    figures = commands.add_parser(
        "figures", help="draw figures, write tables, numbers and quoted code", allow_abbrev=False
    )
    figures.add_argument("names", nargs="*", metavar="PAPER", help="all, unless named")
    figures.add_argument(
        "--check", action="store_true", help="change nothing; fail naming what is stale"
    )

    new = commands.add_parser(
        "new", help="write an empty unit, to be filled in", allow_abbrev=False
    )
    new.add_argument("name", metavar="NAME", help="its stem: lower case, digits and _")

    words = [
        word
        for word in (sys.argv[1:] if arguments is None else arguments)
        if not word.startswith("-")
    ]
    if words and words[0] not in commands.choices:
        top.error(str(UnknownName("command", words[0], commands.choices)))
    chosen, rest = top.parse_known_args(arguments)
    if rest:
        commands.choices[chosen.command].unknown(rest[0])
    return chosen


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of processes")
    return int(text)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    chosen = parse(arguments)
    try:
        if chosen.command == "train":
            return train(chosen)
        if chosen.command == "figures":
            return figures(chosen)
        return new(chosen.name)
    except (UnknownName, CannotFollow, Damaged, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


# train ----------------------------------------------------------------------------------------------------


def train(chosen: argparse.Namespace) -> int:
    """`train`: run what is due, then hold every record against its fresh runs."""
    named = _chosen_papers(chosen.names)
    from generators import schedule, settle  # torch: seconds that a misspelt name need not wait for
    from generators.experiment import find_experiment

    pairs = [
        (paper, name)
        for paper, name in _chosen_experiments(named)
        if find_experiment(paper, name).tier == chosen.tier or chosen.smoke
    ]
    with tempfile.TemporaryDirectory(prefix="smoke-") as scratch:
        cache = Path(scratch) if chosen.smoke else schedule.CACHE
        machine = schedule.Machine(chosen.precision, chosen.device, cache)
        if chosen.tune:
            pairs = [(paper, name) for paper, name in pairs if find_experiment(paper, name).tune]
            tasks = {pair: schedule.tuning_of(*pair, machine) for pair in pairs}
        else:
            tasks = {pair: schedule.tasks_of(*pair, machine, chosen.smoke) for pair in pairs}
        everything = [task for group in tasks.values() for task in group]
        as_recorded = not (chosen.smoke or chosen.tune)
        with Display(_expected_seconds(pairs) if as_recorded else {}) as display:
            failures = schedule.run(everything, chosen.jobs, chosen.force, display.show)
        for failure in failures:
            print(failure, file=sys.stderr)
        finished = {
            pair: group
            for pair, group in tasks.items()
            if all(task.path.is_file() for task in group)
        }
        if chosen.smoke:
            print(f"smoke: {len(finished)} of {len(tasks)} experiments run")
        elif chosen.tune:
            for (paper, name), group in finished.items():
                record = settle.settle_tuning(paper, name, group, machine)
                print(f"{record.key}: best {record.best}")
        else:
            agreed = _settle_all(settle, list(finished), machine, chosen.force)
            if chosen.strict and not agreed:
                return 1
    return 1 if failures else 0


def _chosen_papers(names: list[str]) -> list[tuple[str, str]]:
    """(paper, experiment or "") for every name given; all papers that have experiments when none is."""
    from generators.experiment import units

    known = [*dict.fromkeys([*(paper.stem for paper in papers()), *units()])]
    chosen = [(name.partition(".")[0], name.partition(".")[2]) for name in names or units()]
    for paper, _ in chosen:
        if paper not in known:
            raise UnknownName("paper", paper, known)
        if paper not in units():
            raise ValueError(f"{paper} is planned: it has no experiments yet")
    return chosen


def _chosen_experiments(named: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Every experiment that is meant."""
    from generators.experiment import experiments, find_experiment

    found: list[tuple[str, str]] = []
    for paper, experiment in named:
        if experiment:
            find_experiment(paper, experiment)
        found += (
            [(paper, experiment)] if experiment else [(paper, each) for each in experiments(paper)]
        )
    return found


def _settle_all(settle, pairs: list[tuple[str, str]], machine, force: bool) -> bool:
    """Say what became of each record; whether none disagrees."""
    results: list[str] = []
    for paper, name in pairs:
        result, remarks = settle.settle(paper, name, machine, force)
        results.append(result)
        if result != "reproduced":
            print(f"{paper}.{name}: {result}")
        for remark in remarks[:12]:
            print(f"  {remark}")
        if len(remarks) > 12:
            print(f"  ... and {len(remarks) - 12} more")
    print(f"reproduced: {results.count('reproduced')} of {len(results)}")
    return "disagrees" not in results


def _expected_seconds(pairs: list[tuple[str, str]]) -> dict[str, float]:
    """How long each run and stage took when its record was made, by the task's label.

    A record counts the stages beneath a run with it; a stage's own part is at most the shortest such run.
    """
    from generators.experiment import find_stage
    from generators.settle import committed

    runs: dict[str, float] = {}
    stages: dict[str, float] = {}
    beneath: dict[str, list[str]] = {}
    for paper, name in pairs:
        record, _ = committed(paper, name)
        if record is None:
            continue
        for seed, seconds in zip(record.seeds or [None], record.seconds, strict=False):
            suffix = "" if seed is None else f", seed {seed}"
            run = record.key + suffix
            runs[run] = seconds
            owners = [find_stage(paper, stage)[:2] for stage in record.content.get("stages", {})]
            beneath[run] = [f"stage {owner}.{stage}{suffix}" for owner, stage in owners]
            for stage in beneath[run]:
                stages[stage] = min(seconds, stages.get(stage, seconds))
    own = {
        run: max(0.5, seconds - sum(stages[s] for s in beneath[run]))
        for run, seconds in runs.items()
    }
    return {**own, **stages}


class Display:
    """Progress: on a terminal a bar with an estimate and the current loss, else one line per finished run."""

    def __init__(self, expected: dict[str, float]) -> None:
        self.expected = expected  # label -> seconds; what nobody has recorded counts as one
        self.bar: tqdm | None = None
        self.labels: tuple[str, ...] = ()
        self.finished: set[str] = set()
        self.running: dict[str, float] = {}  # label -> the part of it that is done

    def __enter__(self) -> "Display":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def show(self, event) -> None:
        """Take in one event of the scheduler."""
        if event.kind == "start" and event.labels:
            self.labels = event.labels
            total = sum(map(self._seconds, event.labels))
            if sys.stderr.isatty():
                form = "{percentage:3.0f} %|{bar}| {elapsed}, {remaining} to go{postfix}"
                self.bar = tqdm(total=total, bar_format=form, leave=False)
            else:
                cost = f", {total:.0f} s of one core when last recorded" if self.expected else ""
                print(f"{len(event.labels)} runs{cost}", flush=True)
        elif event.kind == "progress":
            self.running[event.label] = event.done % 1
            self._move(f"loss {event.loss:.4f}")
        elif event.kind in ("done", "failed"):
            self.finished.add(event.label)
            self.running.pop(event.label, None)
            took = f" in {event.seconds:.0f} s" if event.kind == "done" else ""
            line = f"{event.label}: {event.kind}{took} ({len(self.finished)} of {len(self.labels)})"
            tqdm.write(line) if self.bar is not None else print(line, flush=True)
            self._move()

    def _seconds(self, label: str) -> float:
        return self.expected.get(label, 1.0)

    def _move(self, remark: str = "") -> None:
        if self.bar is not None:
            under_way = sum(part * self._seconds(label) for label, part in self.running.items())
            self.bar.n = min(self.bar.total, sum(map(self._seconds, self.finished)) + under_way)
            self.bar.set_postfix_str(remark)


# figures and new ------------------------------------------------------------------------------------------


def figures(chosen: argparse.Namespace) -> int:
    """`figures`: everything that is written from the records and the source."""
    from generators import figure, prose

    started = time.perf_counter()
    known = [each.stem for each in [*papers(), *studies()]]
    for name in chosen.names:
        if name not in known:
            raise UnknownName("paper", name, known)
    problems = [str(problem) for problem in figure.draw(chosen.names, check=chosen.check)]
    problems += [str(problem) for problem in prose.rewrite(check=chosen.check)]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(
        f"figures: {'compared' if chosen.check else 'written'} in {time.perf_counter() - started:.0f} s"
    )
    return 1 if problems else 0


def new(name: str) -> int:
    """`new`: an empty unit in draft."""
    from generators.unit import write_unit

    for path in write_unit(name):
        print(f"wrote {path}")
    print(f"Fill it in; `nox -s tests` names what {name} still lacks.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print(
            "\ninterrupted; finished runs are kept, the next start goes on from there",
            file=sys.stderr,
        )
        sys.stderr.flush()
        os._exit(
            130
        )  # the workers end when this process does; waiting for them would mean finishing their runs
