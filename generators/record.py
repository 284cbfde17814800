"""Records: what was measured, by which command, on which machine; and numbers looked up in them by name."""

import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generators.files import ROOT, Damaged, read_sealed
from generators.papers import UnknownName, papers

RESULTS = ROOT / "results"
KINDS = ("measured", "exact", "timing", "tuning", "parity")


@dataclass(frozen=True)
class Summary:
    """One measured quantity over the runs of a record."""

    values: tuple[float, ...]

    @property
    def n(self) -> int:
        """How many runs measured it."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Arithmetic mean."""
        return math.fsum(self.values) / self.n

    @property
    def sd(self) -> float:
        """Standard deviation of the sample (n - 1); 0 for a single run."""
        if self.n < 2:
            return 0.0
        return math.sqrt(math.fsum((v - self.mean) ** 2 for v in self.values) / (self.n - 1))

    @property
    def half_width(self) -> float:
        """Half of the 95 % interval of the mean (Student's t over runs)."""
        from scipy.special import (
            stdtrit,
        )  # half a second that most readers of records need not wait for

        return (
            float(stdtrit(self.n - 1, 0.975)) * self.sd / math.sqrt(self.n) if self.n > 1 else 0.0
        )

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.mean + self.half_width

    @property
    def side(self) -> int:
        """1 where the interval lies above zero, -1 where it lies below, 0 where it holds zero."""
        return (self.low > 0) - (self.high < 0)

    @property
    def min(self) -> float:
        """Smallest value."""
        return min(self.values)

    @property
    def max(self) -> float:
        """Largest value."""
        return max(self.values)


STATISTICS = ("mean", "sd", "low", "high", "min", "max", "n", "half_width")


@dataclass(frozen=True)
class Record:
    """One file of results/<paper>/, read."""

    content: dict[str, Any]

    @staticmethod
    def load(path: Path) -> "Record":
        """Read a record; `Damaged` when it is not as it was written."""
        content = read_sealed(path)
        missing = {"kind", "paper", "name", "runs", "settings", "fingerprint"} - content.keys()
        if missing or content["kind"] not in KINDS:
            raise Damaged(
                f"{path}: no record (lacks {', '.join(sorted(missing)) or 'a known kind'})"
            )
        return Record(content)

    def __getattr__(self, field: str) -> Any:
        """Fields of the file read as attributes: `record.settings`, `record.seeds`, `record.runs` ..."""
        if field != "content" and field in self.content:
            return self.content[field]
        raise AttributeError(field)

    @property
    def key(self) -> str:
        """`paper.name`."""
        return f"{self.paper}.{self.name}"

    def __getitem__(self, path: str) -> Summary:
        """A measured quantity over all runs: `record["accuracy_by_target.de"]`, `record["curve.loss.3"]`."""
        return Summary(tuple(_number(run, path, self.key) for run in self.runs))

    def keys(self) -> list[str]:
        """Every path that leads to a number in each run."""
        return [path for path, _ in _leaves(self.runs[0])] if self.runs else []


def _number(run: Any, path: str, where: str) -> float:
    value = run
    for step in path.split("."):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError):
            known = [f"{where}.{leaf}" for leaf, _ in _leaves(run)]
            raise UnknownName("number", f"{where}.{path}", known) from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnknownName(
            "number", f"{where}.{path}", [f"{where}.{leaf}" for leaf, _ in _leaves(run)]
        )
    return value


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}.{index}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


def records(paper: str | None = None) -> dict[str, Record]:
    """All committed records, or one paper's, by `paper.name`."""
    files = sorted(RESULTS.glob(f"{paper or '*'}/*.json"))
    return {
        f"{file.parent.name}.{file.stem}": _load(file, file.stat().st_mtime_ns)
        for file in files
        if file.stem != "claims"
    }


@functools.lru_cache(maxsize=1024)
def _load(path: Path, changed_at: int) -> Record:
    return Record.load(path)


def shown_by(figure: str, names: Iterable[str]) -> str:
    """Which of these records a figure shows: the one it is named after, to which a second figure adds a word.

    Empty where there is none.
    """
    fitting = [name for name in names if figure == name or figure.startswith(f"{name}_")]
    return max(fitting, key=len, default="")


def losses_of_bugs(records: Iterable[Record]) -> list[tuple[Record, str, Summary]]:
    """Every bug that a gallery trained with, and how far its training loss ends above the right model's."""
    return [
        (record, bug, record[f"loss_above.{bug}"])
        for record in records
        if record.name == "bugs"
        for bug in record.runs[0].get("loss_above", {})
    ]


def scores(sweep: Record) -> dict[str, Summary]:
    """What each arm of a sweep scored at the points of its grid; the settings that were tried are left out."""
    beneath = sweep.content.get("stages", {}).values()
    tried = {name for settings in (sweep.settings, *beneath) for name in settings}
    return {
        path: sweep[path]
        for path, _ in _leaves(sweep.runs[0])
        if path not in tried and path.partition(".")[0] not in tried
    }


def ledger(paper: str | None = None) -> list[dict[str, Any]]:
    """The claims with their verdicts, as `nox -s figures` wrote them: results/<paper>/claims.json."""
    files = sorted(RESULTS.glob(f"{paper or '*'}/claims.json"))
    return [
        {"paper": file.parent.name, **claim}
        for file in files
        for claim in read_sealed(file)["claims"]
    ]


def outdated(paper: str) -> list[str]:
    """Records of the benchmark tier whose code has changed since, as `nox -s figures` found."""
    path = RESULTS / paper / "claims.json"
    return read_sealed(path).get("outdated", []) if path.is_file() else []


def value(key: str) -> float:
    """The number behind a key: `transformer.translation.accuracy`, its statistics behind one more dot.

    `....settings.NAME` and `....seconds` are read from the record itself, `house.*` from all records together.

    Raises:
        UnknownName: no such record or number; names the nearest.
    """
    if key.startswith("house."):
        numbers = house_numbers()
        if key not in numbers:
            raise UnknownName("number", key, numbers)
        return numbers[key]
    name = ".".join(key.split(".")[:2])
    path = key[len(name) + 1 :]
    everything = records()
    if name not in everything:
        raise UnknownName("record", name, everything)
    record = everything[name]
    if path.startswith("settings."):
        return _number(record.settings, path.removeprefix("settings."), f"{name}.settings")
    if path in ("seconds", "peak_memory_mb"):
        return Summary(tuple(record.content[path])).mean
    stem, _, statistic = path.rpartition(".")
    if stem and statistic in STATISTICS:
        return getattr(record[stem], statistic)
    return record[path].mean


def house_numbers() -> dict[str, float]:
    """Numbers about the whole project, counted from what is committed."""
    claims, everything, listed = ledger(), records(), papers()
    verdicts = [claim["verdict"] for claim in claims]
    numbers: dict[str, float] = {
        "house.claims.all": len(verdicts),
        "house.claims.tested": sum(verdict != "not tested" for verdict in verdicts),
        "house.claims.holds": verdicts.count("holds"),
        "house.claims.in_part": verdicts.count("holds in part"),
        "house.claims.fails": verdicts.count("does not hold here"),
        "house.claims.untestable": verdicts.count("not testable at this scale"),
        "house.records": len(everything),
        "house.papers.all": len(listed),
        "house.papers.whole": sum(paper.state == "whole" for paper in listed),
    }
    parity = [record["worst"].max for record in everything.values() if record.kind == "parity"]
    if parity:
        numbers["house.parity.worst"] = max(parity)
    ratios = [
        number
        for record in everything.values()
        if record.name == "bench"
        for path, number in _leaves(record.runs[0])
        if path.endswith(".ratio_fastest")
    ]
    if ratios:
        numbers["house.bench.least"] = min(ratios)
    sides = [loss.side for _, _, loss in losses_of_bugs(everything.values())]
    if sides:
        numbers["house.bugs.trained"] = len(sides)
        numbers["house.bugs.raise"] = sides.count(1)
        numbers["house.bugs.lower"] = sides.count(-1)
        numbers["house.bugs.silent"] = sides.count(0)
    sweeps = [record for record in everything.values() if record.kind == "tuning"]
    arms = [arm.values for sweep in sweeps for arm in scores(sweep).values() if arm.max > arm.min]
    if arms:
        numbers["house.sweeps.arms"] = len(arms)
        numbers["house.sweeps.edge"] = sum(
            arm.index(max(arm)) in (0, len(arm) - 1)
            for arm in arms  # of equals, the first is taken
        )
    scored = [
        (c["forecast"], c["verdict"] == "holds")
        for c in claims
        if c["forecast"] is not None
        and c["verdict"] in ("holds", "holds in part", "does not hold here")
    ]
    if scored:
        numbers["house.forecasts.brier"] = sum((p - held) ** 2 for p, held in scored) / len(scored)
        numbers["house.forecasts.n"] = len(scored)
    if "house.rebuild" in everything:
        numbers["house.rebuild.minutes"] = everything["house.rebuild"]["minutes"].mean
    return numbers
