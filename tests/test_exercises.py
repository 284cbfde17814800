"""The exercises can be solved, stubs fail, and wrong answers are told what is wrong with them."""

import ast
import importlib
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import exercises
from exercises import WrongAnswer
from exercises.__main__ import OPEN, PASSED, WRONG, grade, load, main, papers, stubs

ROOT = Path(__file__).parents[1]
ALL = [
    (paper, name)
    for paper in papers()
    for name in importlib.import_module(f"exercises.{paper}").EXERCISES
]


def softmax(scores, dim=-1):
    """Short for the tests below."""
    return scores.softmax(dim)


def tril(length, diagonal=0):
    """A lower triangle of True."""
    return torch.ones(length, length, dtype=torch.bool).tril(diagonal)


def merged(x):
    """The right way to join heads."""
    return x.transpose(0, 1).flatten(1)


def all_heads(q, k, v, width):
    """Attention for heads along the first axis."""
    return softmax(q @ k.transpose(1, 2) / math.sqrt(width)) @ v


def by_view(q, k, v, n):
    """Cut into heads by a view, and join by one."""
    q, k, v = (x.contiguous().view(n, -1, x.shape[1] // n) for x in (q, k, v))
    return all_heads(q, k, v, q.shape[-1]).reshape(-1, n * q.shape[-1])


def cut(x, n):
    """The right way to cut into heads."""
    return x.unflatten(-1, (n, -1)).transpose(0, 1)


# What people write, and a part of the message that should answer it. Written here once more and
# differently, so that the grader's own idea of a mistake is checked against somebody's code.
WRONG_ANSWERS = [
    ("attention", lambda q, k, v: softmax(torch.einsum("tk,sk->ts", q, k)) @ v, "not scaled"),
    ("attention", lambda q, k, v: softmax(q @ k.T / 4, 0) @ v, "wrong axis"),
    ("attention", lambda q, k, v: softmax(q @ k.T * k.shape[1] ** 0.5) @ v, "multiplied by"),
    ("attention", lambda q, k, v: softmax(q @ k.T / q.shape[1]) @ v, "divided by K"),
    ("attention", lambda q, k, v: softmax(q @ k.T / q.shape[1] ** 0.5), "These are the weights"),
    ("attention", lambda q, k, v: (q @ k.T / q.shape[1] ** 0.5) @ v, "no softmax"),
    ("attention", lambda q, k, v: softmax(q @ k.T / 4) @ v, "whatever K is"),
    ("attention", lambda q, k, v: None, "return"),
    ("attention", lambda q, k, v: q, "shape is (3, 16)|numbers are not"),
    ("attention", lambda q, k, v: q @ k, "stops with an error"),
    ("mask", lambda t, p: ~(tril(t.shape[1]) & (t != p)[:, None]), "inverted"),
    ("mask", lambda t, p: tril(t.shape[1]).T & (t != p)[:, None], "wrong side"),
    ("mask", lambda t, p: tril(t.shape[1], -1) & (t != p)[:, None], "does not see itself"),
    ("mask", lambda t, p: tril(t.shape[1], 1) & (t != p)[:, None], "one word too many"),
    ("mask", lambda t, p: tril(t.shape[1]).repeat(len(t), 1, 1), "Padding is still visible"),
    ("mask", lambda t, p: (t != p)[:, None].repeat(1, t.shape[1], 1), "future is still visible"),
    ("mask", lambda t, p: tril(t.shape[1]) & (t != p)[:, :, None], "wrong axis"),
    ("mask", lambda t, p: (tril(t.shape[1]) & (t != p)[:, None]).int(), "torch.bool"),
    ("mask", lambda t, p: tril(t.shape[1]) & (t != 7)[:, None], "numbers are not"),
    ("multi_head", by_view, "mixes up the positions"),
    (
        "multi_head",
        lambda q, k, v, n: all_heads(cut(q, n), cut(k, n), cut(v, n), 12 // n).reshape(len(q), -1),
        "joined wrongly",
    ),
    (
        "multi_head",
        lambda q, k, v, n: merged(all_heads(cut(q, n), cut(k, n), cut(v, n), q.shape[-1])),
        "square root of D",
    ),
    ("multi_head", lambda q, k, v, n: softmax(q @ k.T / 12**0.5) @ v, "one head"),
    (
        "multi_head",
        lambda q, k, v, n: merged(
            all_heads(*(x.reshape(n, len(x), -1) for x in (q, k, v)), q.shape[-1] // n)
        ),
        "joining them is right",
    ),
    (
        "multi_head",
        lambda q, k, v, n: merged(
            all_heads(*(x.view(len(x), -1, n).permute(2, 0, 1) for x in (q, k, v)), 12 // n)
        ),
        "take turns",
    ),
]


@pytest.mark.parametrize(("paper", "name"), ALL)
def test_there_are_a_task_three_hints_a_check_and_an_answer(paper, name):
    module = importlib.import_module(f"exercises.{paper}")
    answers = importlib.import_module(f"exercises.answers.{paper}")
    assert len(getattr(module, name).__doc__) > 200
    assert len(getattr(answers, name).__doc__) > 200
    assert len(module.HINTS[name]) == 3
    assert set(module.HINTS) == set(module.EXERCISES)
    assert callable(getattr(module, f"check_{name}"))


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
    assert constants == {"EXERCISES": module.EXERCISES, "HINTS": module.HINTS}


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


def test_the_answers_are_what_the_model_computes():
    from exercises.answers import transformer as answers
    from implementations.transformer import attention

    torch.manual_seed(0)
    q, k, v = torch.randn(5, 12), torch.randn(7, 12), torch.randn(7, 12)
    mixed = attention(q[None, None], k[None, None], v[None, None])[0][0, 0]
    torch.testing.assert_close(answers.attention(q, k, v), mixed)
    heads = [x.unflatten(-1, (3, 4)).transpose(0, 1)[None] for x in (q, k, v)]
    mixed = attention(*heads)[0][0].transpose(0, 1).flatten(1)
    torch.testing.assert_close(answers.multi_head(q, k, v, 3), mixed)


@pytest.mark.parametrize(("name", "answer", "words"), WRONG_ANSWERS)
def test_a_wrong_answer_is_told_what_is_wrong(name, answer, words):
    module = type("Answers", (), {name: staticmethod(answer)})
    verdict, message = grade("transformer", module, Path("my/transformer.py"))[name]
    assert verdict == WRONG
    assert any(part in message for part in words.split("|")), message


def test_each_mistake_has_a_message_of_its_own():
    messages = {}
    for name, answer, _ in WRONG_ANSWERS:
        module = type("Answers", (), {name: staticmethod(answer)})
        message = grade("transformer", module, Path("my/transformer.py"))[name][1]
        messages.setdefault(name, []).append(message)
    for found in messages.values():
        assert len(set(found)) == len(found) >= 2


def test_an_answer_that_changes_its_input_is_still_understood():
    from exercises.transformer import check_attention

    def careless(q, k, v):
        mixed = softmax(q @ k.T) @ v
        q.zero_()
        return mixed

    with pytest.raises(WrongAnswer, match="not scaled"):
        check_attention(careless)


def test_nan_is_named():
    with pytest.raises(WrongAnswer, match="NaN"):
        exercises.compare(lambda x: x / 0, lambda x: x, {}, torch.zeros(3))


# The command ------------------------------------------------------------------------------------


def test_the_first_call_hands_out_stubs_and_later_calls_keep_them(tmp_path, capsys):
    assert main(["transformer", "--folder", str(tmp_path)]) == 1
    output = capsys.readouterr().out
    assert output.count("not started") == 3
    assert "0 of 3 passed" in output
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
    attempt = attempt[: attempt.index("def multi_head")]
    attempt += "def multi_head(q, k, v, n_heads):\n    raise NotImplementedError\n"
    (tmp_path / "transformer.py").write_text(attempt, encoding="utf-8")
    assert main(["transformer", "--folder", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["-", "attention", "wrong"]
    assert "not scaled" in lines[1]
    assert any(line.split() == ["+", "mask", "passed"] for line in lines)
    assert any(line.split() == [".", "multi_head", "not", "started"] for line in lines)
    assert "1 of 3 passed." in lines


def test_it_exits_with_0_when_all_pass(tmp_path, capsys):
    right = (ROOT / "exercises/answers/transformer.py").read_text(encoding="utf-8")
    (tmp_path / "transformer.py").write_text(right, encoding="utf-8")
    assert main(["transformer", "--folder", str(tmp_path)]) == 0
    assert main(["transformer", "--answers"]) == 0
    assert "3 of 3 passed." in capsys.readouterr().out


def test_hints_come_one_at_a_time_and_then_the_answers_place(tmp_path, capsys):
    ask = ["transformer", "--hint", "mask", "--folder", str(tmp_path)]
    for expected in (1, 2, 3, 3):
        assert main(ask) == 0
        output = capsys.readouterr().out
        assert output.count(" of 3: ") == expected
    assert "answers/transformer.py" in output
    main(["transformer", "--hint", "attention", "--folder", str(tmp_path)])
    assert capsys.readouterr().out.count(" of 3: ") == 1
    (tmp_path / ".hints.json").write_text("[1, 2", encoding="utf-8")
    assert main(ask) == 0
    assert capsys.readouterr().out.count(" of 3: ") == 1


def test_misspelt_names_are_answered_with_the_nearest(tmp_path, capsys):
    assert main(["transfomer", "--folder", str(tmp_path)]) == 2
    assert 'Did you mean "transformer"?' in capsys.readouterr().err
    assert main(["transformer", "--hint", "maks", "--folder", str(tmp_path)]) == 2
    assert 'Did you mean "mask"?' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


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
