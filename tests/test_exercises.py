"""The exercises can be solved, stubs fail, and wrong answers are told what is wrong with them."""

import ast
import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import exercises
from exercises import WrongAnswer
from exercises import __main__ as command
from exercises.__main__ import OPEN, PASSED, WRONG, grade, load, main, papers, stubs
from generators.papers import papers as known_papers
from generators.site import exercises as site_exercises

ROOT = Path(__file__).parents[1]
ALL = [
    (paper, name)
    for paper in papers()
    for name in importlib.import_module(f"exercises.{paper}").EXERCISES
]


@pytest.mark.parametrize(("paper", "name"), ALL)
def test_there_are_a_task_three_hints_a_check_and_an_answer(paper, name):
    module = importlib.import_module(f"exercises.{paper}")
    answers = importlib.import_module(f"exercises.answers.{paper}")
    assert len(getattr(module, name).__doc__) > 200
    assert len(getattr(answers, name).__doc__) > 200
    assert len(module.HINTS[name]) == 3
    assert set(module.HINTS) == set(module.EXERCISES)
    checks = importlib.import_module(f"exercises.checks.{paper}")
    assert callable(getattr(checks, f"check_{name}"))


@pytest.mark.parametrize("paper", papers())
def test_exercises_stand_in_their_order(paper):
    """The grader follows the list, the page the file."""
    module = importlib.import_module(f"exercises.{paper}")
    tree = ast.parse(inspect.getsource(module))
    assert [n.name for n in tree.body if isinstance(n, ast.FunctionDef)] == module.EXERCISES


@pytest.mark.parametrize("paper", papers())
def test_the_open_problem_has_a_rubric_and_no_answer(paper):
    module = importlib.import_module(f"exercises.{paper}")
    problem = module.OPEN_PROBLEM
    assert problem.keys() == {"title", "text", "rubric"}
    assert len(problem["text"]) > 200
    assert len(problem["rubric"]) >= 3
    assert sum(points for _, points in problem["rubric"]) == 10
    source = (ROOT / "exercises" / f"{paper}.py", ROOT / "exercises/answers" / f"{paper}.py")
    page = site_exercises.page(next(p for p in known_papers() if p.stem == paper), *source)
    answered, _, last = page.partition("## An open problem: " + problem["title"])
    assert answered.count("A worked answer") == len(module.EXERCISES)
    assert "| All together | 10 |" in last
    assert "???" not in last


@pytest.mark.parametrize("paper", papers())
def test_hints_and_order_can_be_read_without_running_the_file(paper):
    """The site is built without torch: it reads the source."""
    tree = ast.parse((ROOT / "exercises" / f"{paper}.py").read_text(encoding="utf-8"))
    module = importlib.import_module(f"exercises.{paper}")
    constants = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
    }
    names = ("EXERCISES", "HINTS", "OPEN_PROBLEM")
    assert constants == {name: getattr(module, name) for name in names}


@pytest.mark.parametrize("paper", papers())
def test_each_stub_fails(paper, tmp_path):
    path = tmp_path / f"{paper}.py"
    path.write_text(stubs(paper), encoding="utf-8")
    verdicts = grade(paper, load(path), path)
    assert {verdict for verdict, _ in verdicts.values()} == {OPEN}


@pytest.mark.parametrize("paper", papers())
def test_each_answer_passes(paper):
    answers = importlib.import_module(f"exercises.answers.{paper}")
    verdicts = grade(paper, answers, Path(answers.__file__))
    assert {verdict for verdict, _ in verdicts.values()} == {PASSED}


def wrong_answers(paper):
    """What people write: (exercise, answer, a part of the message), from tests/PAPER_answers.py."""
    return importlib.import_module(f"{paper}_answers").WRONG_ANSWERS


@pytest.mark.parametrize("paper", papers())
def test_a_wrong_answer_is_told_what_is_wrong(paper):
    """Every exercise has two wrong answers at least, and each mistake a message of its own."""
    messages = {name: [] for name in importlib.import_module(f"exercises.{paper}").EXERCISES}
    for name, answer, words in wrong_answers(paper):
        module = type("Answers", (), {name: staticmethod(answer)})
        verdict, message = grade(paper, module, Path(f"my/{paper}.py"))[name]
        assert verdict == WRONG, (name, words)
        assert any(part in message for part in words.split("|")), (name, message)
        messages[name].append(message)
    for name, found in messages.items():
        assert len(set(found)) == len(found) >= 2, name


def test_nan_is_named():
    with pytest.raises(WrongAnswer, match="NaN"):
        exercises.compare(lambda x: x / 0, lambda x: x, [], (torch.zeros(3),))


def test_numbers_and_lists_are_compared_too():
    exercises.compare(lambda x: torch.tensor(0.5), lambda x: 0.5, [], (1,))
    exercises.compare(lambda x: (1, torch.tensor(2)), lambda x: [1, 2], [], (1,))
    with pytest.raises(WrongAnswer, match=r"Given 4: It returns 0.25; it should return 0.5"):
        exercises.compare(lambda x: 1 / x, lambda x: x**-0.5, [], (1,), (4,))
    with pytest.raises(WrongAnswer, match=r"It returns \[1\]; it should return \[1, 2\]"):
        exercises.compare(lambda x: [1], lambda x: [1, 2], [], (1,))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: (x, x + 1), r"Of its 2 tensors, number 2 is wrong. The shape is right, the"),
        (lambda x: [x[:2], x], r"number 1 is wrong. Its shape is \(2,\); it should be \(3,\)"),
        (lambda x: (x, None), "number 2 is wrong. It returns nothing"),
        (lambda x: x, "type Tensor; it should return 2 tensors"),
        (lambda x: (x, x, x), "It returns 3 tensors; it should return 2"),
    ],
)
def test_of_several_tensors_the_first_wrong_one_is_named(answer, words):
    exercises.compare(lambda x: (x, x), lambda x: [x, x], [], (torch.zeros(3),))
    with pytest.raises(WrongAnswer, match=words):
        exercises.compare(answer, lambda x: [x, x], [], (torch.zeros(3),))


def test_a_mistake_is_recognised_only_if_it_explains_all_cases():
    def twice(x):
        """It is doubled."""
        return 2 * x

    with pytest.raises(WrongAnswer, match="doubled"):
        exercises.compare(lambda x: x + x, lambda x: x, [twice], (1,), (3,))
    with pytest.raises(WrongAnswer, match="Given 1: It returns 2; it should return 1"):
        exercises.compare(lambda x: x + 1, lambda x: x, [twice], (1,), (3,))


# The command ------------------------------------------------------------------------------------


def test_the_first_call_hands_out_stubs_and_later_calls_keep_them(tmp_path, capsys):
    assert main(["transformer", "--folder", str(tmp_path)]) == 1
    output = capsys.readouterr().out
    assert output.count("not started") == 9
    assert "[.........] 0 of 9 passed." in output
    assert "--hint look_up" in output
    mine = tmp_path / "transformer.py"
    text = mine.read_text(encoding="utf-8")
    assert "def check_" not in text
    assert "HINTS" not in text
    mine.write_text(text + "\n# mine\n", encoding="utf-8")
    main(["transformer", "--folder", str(tmp_path)])
    assert mine.read_text(encoding="utf-8").endswith("# mine\n")


def test_it_says_for_each_exercise_where_it_stands(tmp_path, capsys):
    right = (ROOT / "exercises/answers/transformer.py").read_text(encoding="utf-8")
    attempt = right.replace("q @ k.T / math.sqrt(q.shape[-1])", "q @ k.T")
    attempt += "\n\ndef multi_head(q, k, v, n_heads):\n    raise NotImplementedError\n"
    (tmp_path / "transformer.py").write_text(attempt, encoding="utf-8")
    assert main(["transformer", "--folder", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["-", "attention", "wrong"]
    assert "not scaled" in lines[2]
    assert any(line.split() == ["+", "mask", "passed"] for line in lines)
    assert any(line.split() == [".", "multi_head", "not", "started"] for line in lines)
    assert "[#######..] 7 of 9 passed." in lines
    assert lines[-1] == "Stuck? python -m exercises transformer --hint attention"


def test_it_says_what_is_new_since_the_last_time(tmp_path, capsys):
    mine, call = tmp_path / "transformer.py", ["transformer", "--folder", str(tmp_path)]
    right = (ROOT / "exercises/answers/transformer.py").read_text(encoding="utf-8")
    worse = right.replace("q @ k.T / math.sqrt(q.shape[-1])", "q @ k.T")
    first = right[: right.index("def attention")]
    told = []
    for text in (first, worse, worse, right):
        mine.write_text(text, encoding="utf-8")
        main(call)
        told.append(capsys.readouterr().out)
    assert "New since the last time: look_up." in told[0]
    assert "New since the last time: mask, learning_rate, positions," in told[1]
    assert "time" not in told[2].partition("passed.")[2]
    assert "New since the last time: attention." in told[3]
    assert "--open" in told[3]
    mine.write_text(worse, encoding="utf-8")
    main(call)
    assert "Passed the last time, but not now: attention." in capsys.readouterr().out


@pytest.mark.parametrize("text", ["{", "[1, 2]", '{"passed": 3}', '{"passed": {"transformer": 1}}'])
def test_a_damaged_memory_costs_nothing_but_the_news(tmp_path, capsys, text):
    right = (ROOT / "exercises/answers/transformer.py").read_text(encoding="utf-8")
    (tmp_path / "transformer.py").write_text(right, encoding="utf-8")
    (tmp_path / ".progress.json").write_text(text, encoding="utf-8")
    assert main(["transformer", "--folder", str(tmp_path)]) == 0
    assert "9 of 9 passed." in capsys.readouterr().out
    memory = json.loads((tmp_path / ".progress.json").read_text(encoding="utf-8"))
    assert len(memory["passed"]["transformer"]) == 9


def test_an_endless_answer_is_stopped_and_named_with_its_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "PATIENCE", 0.3)
    text = (
        "def look_up(scores, values):\n    while True:\n        try:\n            scores.copy()\n"
    )
    text += "        except Exception:\n            pass\n"
    (tmp_path / "transformer.py").write_text(text, encoding="utf-8")
    assert main(["transformer", "--folder", str(tmp_path)]) == 1
    output = " ".join(capsys.readouterr().out.split())
    assert "does not come to an end: stopped after 0.3 seconds (transformer.py, line" in output
    assert "There is no function `attention`" in output


def test_the_open_problem_can_be_read_in_the_terminal(tmp_path, capsys):
    assert main(["transformer", "--open", "--folder", str(tmp_path)]) == 0
    output = " ".join(capsys.readouterr().out.split())
    for criterion, points in importlib.import_module("exercises.transformer").OPEN_PROBLEM[
        "rubric"
    ]:
        assert f"{points} {criterion}" in output


def test_it_exits_with_0_when_all_pass(tmp_path, capsys):
    right = (ROOT / "exercises/answers/transformer.py").read_text(encoding="utf-8")
    (tmp_path / "transformer.py").write_text(right, encoding="utf-8")
    assert main(["transformer", "--folder", str(tmp_path)]) == 0
    assert main(["transformer", "--answers"]) == 0
    assert capsys.readouterr().out.count("[#########] 9 of 9 passed.") == 2


def test_hints_come_one_at_a_time_and_then_the_answers_place(tmp_path, capsys):
    ask = ["transformer", "--hint", "mask", "--folder", str(tmp_path)]
    for expected in (1, 2, 3, 3):
        assert main(ask) == 0
        output = capsys.readouterr().out
        assert output.count(" of 3: ") == expected
    assert "answers/transformer.py" in output
    main(["transformer", "--hint", "attention", "--folder", str(tmp_path)])
    assert capsys.readouterr().out.count(" of 3: ") == 1
    (tmp_path / ".progress.json").write_text("[1, 2", encoding="utf-8")
    assert main(ask) == 0
    assert capsys.readouterr().out.count(" of 3: ") == 1


def test_misspelt_names_are_answered_with_the_nearest(tmp_path, capsys):
    assert main(["transfomer", "--folder", str(tmp_path)]) == 2
    assert 'Did you mean "transformer"?' in capsys.readouterr().err
    assert main(["transformer", "--hint", "maks", "--folder", str(tmp_path)]) == 2
    assert 'Did you mean "mask"?' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_whoever_names_no_paper_is_told_which_there_are(capsys):
    assert main([]) == 2
    assert "Which paper?" in (said := capsys.readouterr().err)
    assert all(paper in said for paper in papers())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def attention(q, k, v:\n    return q\n", "line 1: Python can't read it"),
        ("import nothing_of_this_name\n", "ModuleNotFoundError"),
    ],
)
def test_a_file_that_cannot_be_run_is_named_with_its_line(tmp_path, capsys, text, words):
    (tmp_path / "transformer.py").write_text(text, encoding="utf-8")
    assert main(["transformer", "--folder", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert "transformer.py" in message


def test_a_missing_function_and_an_error_are_answers_too(tmp_path, capsys):
    (tmp_path / "transformer.py").write_text("def mask(tokens, padding):\n    return 1 / 0\n")
    assert main(["transformer", "--folder", str(tmp_path)]) == 1
    output = " ".join(capsys.readouterr().out.split())
    assert "There is no function `attention` in transformer.py." in output
    assert "ZeroDivisionError: division by zero (transformer.py, line 2)" in output


def test_torch_and_this_project_are_enough(tmp_path):
    """The grader imports nothing that a student would have to install besides."""
    names = "import sys\nsys.argv = ['exercises', 'transformer', '--answers']\n"
    names += "import runpy\ntry:\n    runpy.run_module('exercises', run_name='__main__')\n"
    names += "except SystemExit as end:\n    assert end.code == 0\n"
    names += "refused = {'pytest', 'jaxtyping', 'beartype', 'matplotlib', 'mkdocs', 'generators'}\n"
    names += "print(sorted(refused & set(sys.modules)))\n"
    result = subprocess.run(
        [sys.executable, "-c", names],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"
