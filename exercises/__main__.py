"""Hand out exercises and grade answers: `python -m exercises transformer`."""

import argparse
import ast
import contextlib
import ctypes
import difflib
import importlib
import importlib.util
import json
import sys
import textwrap
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from exercises import WrongAnswer

HERE = Path(__file__).parent
PASSED, OPEN, WRONG = "passed", "not started", "wrong"
PATIENCE = 10.0  # seconds for one exercise; the right answers take milliseconds


class TooLong(BaseException):
    """An answer does not come to an end. No `Exception`, lest the answer's own `try` catch it."""


class Refused(Exception):
    """The command can't be carried out; the message says why and what would be right."""


def papers() -> list[str]:
    """The papers that have exercises."""
    return sorted(path.stem for path in HERE.glob("[!_]*.py"))


def unknown(kind: str, name: str, known: list[str]) -> Refused:
    """An error about a misspelt name, with the nearest right one."""
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    guess = f' Did you mean "{nearest[0]}"?' if nearest else ""
    return Refused(f'There is no {kind} "{name}".{guess} There are: {", ".join(known)}.')


# The reader's copy ------------------------------------------------------------------------------


def stubs(paper: str) -> str:
    """The source that the reader starts from: the tasks, without hints and checks."""
    source = (HERE / f"{paper}.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    names = importlib.import_module(f"exercises.{paper}").EXERCISES
    tasks = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    parts = [
        f'"""Your answers. `python -m exercises {paper}` grades them."""',
        "import math\nfrom collections.abc import Callable\n\nimport torch\nfrom torch import Tensor",
    ]
    parts += ["\n" + ast.get_source_segment(source, tasks[name]) for name in names]
    return "\n\n".join(parts) + "\n"


def load(path: Path) -> ModuleType:
    """Run the reader's file."""
    spec = importlib.util.spec_from_file_location(f"my_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise Refused(f"{path}, line {error.lineno}: Python can't read it: {error.msg}.") from error
    except Exception as error:
        raise Refused(f"{path} can't be run: {told(error, path)}") from error
    return module


def told(error: BaseException, path: Path) -> str:
    """An error of the reader's code in one line, with the last line of theirs that led to it."""
    return f"{type(error).__name__}: {error}{place(error, path)}"


def place(error: BaseException, path: Path) -> str:
    """The last line of the reader's file that led to an error, in brackets."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f" ({path.name}, line {lines[-1]})" if lines else ""


# Grading ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise `TooLong` in the block when it has run for so long; an endless loop ends like that."""
    thread = ctypes.c_ulong(threading.get_ident())

    def stop(error: type | None = TooLong) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, error and ctypes.py_object(error))

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        stop(None)  # takes back what has not been raised yet


def grade(paper: str, answers: ModuleType, path: Path) -> dict[str, tuple[str, str]]:
    """Check every exercise.

    Returns:
        For each exercise `PASSED`, `OPEN` or `WRONG`, and what is wrong.
    """
    exercises = importlib.import_module(f"exercises.{paper}")
    checks = importlib.import_module(f"exercises.checks.{paper}")
    verdicts = {}
    for name in exercises.EXERCISES:
        answer = getattr(answers, name, None)
        if not callable(answer):
            verdicts[name] = (WRONG, f"There is no function `{name}` in {path.name}.")
            continue
        try:
            with at_most(PATIENCE):
                getattr(checks, f"check_{name}")(answer)
        except NotImplementedError:
            verdicts[name] = (OPEN, "")
        except WrongAnswer as error:
            verdicts[name] = (WRONG, str(error))
        except TooLong as error:
            message = f"It does not come to an end: stopped after {PATIENCE:g} seconds"
            verdicts[name] = (WRONG, f"{message}{place(error, path)}.")
        except Exception as error:
            verdicts[name] = (WRONG, f"It stops with an error. {told(error, path)}")
        else:
            verdicts[name] = (PASSED, "")
    return verdicts


def report(verdicts: dict[str, tuple[str, str]], before: set[str], paper: str) -> None:
    """Print the verdicts, what has changed since the last time, and what to do next."""
    width = max(map(len, verdicts))
    marks = {PASSED: "+", OPEN: ".", WRONG: "-"}
    for name, (verdict, message) in verdicts.items():
        print(f"{marks[verdict]} {name:<{width}}  {verdict}")
        if message:
            print(textwrap.indent(textwrap.fill(message, 84), " " * (width + 4)))
    passed = passes(verdicts)
    print(f"[{'#' * len(passed):.<{len(verdicts)}}] {len(passed)} of {len(verdicts)} passed.")
    if new := [name for name in passed if name not in before]:
        print(textwrap.fill(f"New since the last time: {', '.join(new)}.", 88))
    if lost := [name for name in verdicts if name in before and name not in passed]:
        print(textwrap.fill(f"Passed the last time, but not now: {', '.join(lost)}.", 88))
    if left := [name for name in verdicts if name not in passed]:
        print(f"Stuck? python -m exercises {paper} --hint {left[0]}")
    else:
        print(f"One is left, and it is open: python -m exercises {paper} --open")


def passes(verdicts: dict[str, tuple[str, str]]) -> list[str]:
    """The exercises that are passed."""
    return [name for name, (verdict, _) in verdicts.items() if verdict == PASSED]


# Progress and hints -----------------------------------------------------------------------------


def remembered(folder: Path, kind: str) -> dict:
    """What was passed (`kind` "passed") or shown ("hints") until now, by paper or exercise.

    A missing or damaged file counts as nothing: the answers themselves are kept elsewhere.
    """
    try:
        known = json.loads((folder / ".progress.json").read_text(encoding="utf-8"))[kind]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return known if isinstance(known, dict) else {}


def remember(folder: Path, kind: str, known: dict) -> None:
    """Write one kind of knowledge, and leave the other as it is."""
    everything = {each: remembered(folder, each) for each in ("passed", "hints")} | {kind: known}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".progress.json").write_text(json.dumps(everything, indent=1) + "\n", "utf-8")


def reveal(paper: str, name: str, folder: Path) -> None:
    """Print the hints that were shown before, and one more."""
    exercises = importlib.import_module(f"exercises.{paper}")
    if name not in exercises.EXERCISES:
        raise unknown(f"exercise of {paper} called", name, exercises.EXERCISES)
    hints = exercises.HINTS[name]
    seen = remembered(folder, "hints")
    before = seen.get(f"{paper}.{name}", 0)
    before = before if before in range(len(hints) + 1) else 0
    for number, hint in enumerate(hints[: before + 1], start=1):
        print(textwrap.fill(f"Hint {number} of {len(hints)}: {hint}", 88))
    if before == len(hints):
        print(f"There are no more hints. The worked answer: exercises/answers/{paper}.py")
    seen[f"{paper}.{name}"] = min(before + 1, len(hints))
    remember(folder, "hints", seen)


def pose(paper: str) -> None:
    """Print the open problem, and how an answer to it may be judged."""
    problem = importlib.import_module(f"exercises.{paper}").OPEN_PROBLEM
    print(problem["title"], textwrap.fill(problem["text"], 88), sep="\n\n", end="\n\n")
    for criterion, points in problem["rubric"]:
        lines = textwrap.fill(criterion, 82, initial_indent="  ", subsequent_indent="  ")
        print(f"{points:>2}  {lines.strip()}".replace("\n", "\n  "))


# The command ------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command; return 0 when every exercise is passed (or what was asked for shown)."""
    parser = argparse.ArgumentParser(
        prog="python -m exercises",
        description="Copy a paper's exercises to my/ the first time, then grade what is there.",
        epilog=f"Papers with exercises: {', '.join(papers())}.",
    )
    parser.add_argument("paper", nargs="?", help="the paper's short name, such as transformer")
    parser.add_argument("--hint", metavar="EXERCISE", help="show one more hint each time")
    parser.add_argument("--open", action="store_true", help="show the open problem")
    parser.add_argument("--answers", action="store_true", help="grade the worked answers instead")
    parser.add_argument(
        "--folder", type=Path, default=Path("my"), help="where your answers are (my)"
    )
    options = parser.parse_args(arguments)
    try:
        return run(options)
    except Refused as error:
        print(error, file=sys.stderr)
        return 2


def run(options: argparse.Namespace) -> int:
    """Do what the options say."""
    paper = options.paper
    if paper is None:
        raise Refused(f"Which paper? python -m exercises PAPER. There are: {', '.join(papers())}.")
    if paper not in papers():
        raise unknown("paper with exercises called", paper, papers())
    if options.hint is not None:
        reveal(paper, options.hint, options.folder)
        return 0
    if options.open:
        pose(paper)
        return 0
    if options.answers:
        path = HERE / "answers" / f"{paper}.py"
        verdicts = grade(paper, importlib.import_module(f"exercises.answers.{paper}"), path)
        report(verdicts, set(verdicts), paper)
    else:
        path = options.folder.absolute() / f"{paper}.py"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(stubs(paper), encoding="utf-8")
            print(f"Your stubs are in {path}. Fill them in and run this again.")
        verdicts = grade(paper, load(path), path)
        known = remembered(options.folder, "passed")
        before = known.get(paper) if isinstance(known.get(paper), list) else []
        report(verdicts, set(map(str, before)), paper)
        remember(options.folder, "passed", {**known, paper: passes(verdicts)})
    return 0 if len(passes(verdicts)) == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
