"""Hand out exercises and grade answers: `python -m exercises transformer`."""

import argparse
import ast
import difflib
import importlib
import importlib.util
import json
import sys
import textwrap
import traceback
from pathlib import Path
from types import ModuleType

from exercises import WrongAnswer

HERE = Path(__file__).parent
PASSED, OPEN, WRONG = "passed", "not started", "wrong"


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
        "import math\n\nimport torch\nfrom torch import Tensor",
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
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    where = f" ({path.name}, line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {error}{where}"


# Grading ----------------------------------------------------------------------------------------


def grade(paper: str, answers: ModuleType, path: Path) -> dict[str, tuple[str, str]]:
    """Check every exercise.

    Returns:
        For each exercise `PASSED`, `OPEN` or `WRONG`, and what is wrong.
    """
    exercises = importlib.import_module(f"exercises.{paper}")
    verdicts = {}
    for name in exercises.EXERCISES:
        answer = getattr(answers, name, None)
        if not callable(answer):
            verdicts[name] = (WRONG, f"There is no function `{name}` in {path.name}.")
            continue
        try:
            getattr(exercises, f"check_{name}")(answer)
        except NotImplementedError:
            verdicts[name] = (OPEN, "")
        except WrongAnswer as error:
            verdicts[name] = (WRONG, str(error))
        except Exception as error:
            verdicts[name] = (WRONG, f"It stops with an error. {told(error, path)}")
        else:
            verdicts[name] = (PASSED, "")
    return verdicts


def report(verdicts: dict[str, tuple[str, str]], paper: str) -> None:
    """Print the verdicts, and what to do next."""
    width = max(map(len, verdicts))
    marks = {PASSED: "+", OPEN: ".", WRONG: "-"}
    for name, (verdict, message) in verdicts.items():
        print(f"{marks[verdict]} {name:<{width}}  {verdict}")
        if message:
            print(textwrap.indent(textwrap.fill(message, 84), " " * (width + 4)))
    passed = sum(verdict == PASSED for verdict, _ in verdicts.values())
    print(f"{passed} of {len(verdicts)} passed.")
    left = [name for name, (verdict, _) in verdicts.items() if verdict != PASSED]
    if left:
        print(f"Stuck? python -m exercises {paper} --hint {left[0]}")


# Hints ------------------------------------------------------------------------------------------


def hints_seen(path: Path) -> dict[str, int]:
    """How many hints of each exercise were shown; nothing if the file is missing or damaged."""
    try:
        seen = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): int(count) for name, count in seen.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # the worst that happens is that a hint is shown for the first time again


def reveal(paper: str, name: str, folder: Path) -> None:
    """Print the hints that were shown before, and one more."""
    exercises = importlib.import_module(f"exercises.{paper}")
    if name not in exercises.EXERCISES:
        raise unknown(f"exercise of {paper} called", name, exercises.EXERCISES)
    hints = exercises.HINTS[name]
    state = folder / ".hints.json"
    seen = hints_seen(state)
    before = seen.get(f"{paper}.{name}", 0)
    for number, hint in enumerate(hints[: before + 1], start=1):
        print(textwrap.fill(f"Hint {number} of {len(hints)}: {hint}", 88))
    if before >= len(hints):
        print(f"There are no more hints. The worked answer: exercises/answers/{paper}.py")
    seen[f"{paper}.{name}"] = min(before + 1, len(hints))
    folder.mkdir(parents=True, exist_ok=True)
    state.write_text(json.dumps(seen, indent=1) + "\n", encoding="utf-8")


# The command ------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command; return 0 only when every exercise is passed (or a hint was shown)."""
    parser = argparse.ArgumentParser(
        prog="python -m exercises",
        description="Copy a paper's exercises to my/ the first time, then grade what is there.",
        epilog=f"Papers with exercises: {', '.join(papers())}.",
    )
    parser.add_argument("paper", help="the paper's short name, such as transformer")
    parser.add_argument("--hint", metavar="EXERCISE", help="show one more hint each time")
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
    if paper not in papers():
        raise unknown("paper with exercises called", paper, papers())
    if options.hint is not None:
        reveal(paper, options.hint, options.folder)
        return 0
    if options.answers:
        answers = importlib.import_module(f"exercises.answers.{paper}")
        path = HERE / "answers" / f"{paper}.py"
    else:
        path = options.folder.absolute() / f"{paper}.py"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(stubs(paper), encoding="utf-8")
            print(f"Your stubs are in {path}. Fill them in and run this again.")
        answers = load(path)
    verdicts = grade(paper, answers, path)
    report(verdicts, paper)
    return 0 if all(verdict == PASSED for verdict, _ in verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
