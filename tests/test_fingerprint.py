"""An edit makes stale exactly what depends on it."""

import json
import shutil
import subprocess
import types

import pytest

from generators import fingerprint

# Hashing reads source and imports nothing of ours but itself, so no torch: a tenth of a second a look.
MEANINGS = """
import json, types
from generators.fingerprint import parts
runs = dict(fit=["make_fitted", "fitted_loss"], draw=["draws"], fixed=["constant"], rule=["small"])
at = lambda name: types.SimpleNamespace(__module__="generators.experiments.toy", __qualname__=name)
print(json.dumps({name: [parts(at(f)) for f in functions] for name, functions in runs.items()}))
"""
MODEL, EXPERIMENTS = "implementations/toy.py", "generators/experiments/toy.py"


def stale_after(project, file, old, new):
    """Which experiments mean something else after an edit."""
    before = json.loads(project.python(MEANINGS))
    project.edit(file, old, new)
    after = json.loads(project.python(MEANINGS))
    return {name for name in before if after.get(name) != before[name]}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (MODEL, "A definition that the model reaches.", "A definition which the model reaches."),
        (MODEL, "return x + 1", "return x + 2"),
        (MODEL, "def bend(x: Tensor) -> Tensor:", "def bend(x: torch.Tensor):"),
        (MODEL, "return x.tanh() * 2", "\n    # why two?\n    return (\n        x.tanh()\n        * 2\n    )"),
        (EXPERIMENTS, "STAGES = {", "def another():\n    return 1\n\n\nSTAGES = {"),
        (EXPERIMENTS, "EXPERIMENTS = {\n", 'EXPERIMENTS = {\n    "more": Experiment("New?", constant, {}, seeds=()),\n'),
        (EXPERIMENTS, "Holds below one.", "Holds under one."),
        ("generators/schedule.py", "# In the parent", "# In the parent process"),
        ("generators/training.py", "        weight_decay: On matrices and kernels only; AdamW's is decoupled.\n", ""),
    ],
    ids=[
        "a docstring mended", "a helper that nothing uses", "an annotation", "comments and layout", "a function added",
        "an experiment added", "a rule's docstring", "the machinery", "a docstring of the loop",
    ],
)  # fmt: skip
def test_what_has_no_effect_makes_nothing_stale(project, file, old, new):
    assert stale_after(project, file, old, new) == set()


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (MODEL, "x.tanh() * 2", "x.tanh() * 3", {"fit"}),
        (MODEL, "torch.zeros(1, 1)", "torch.ones(1, 1)", {"fit"}),
        (EXPERIMENTS, "torch.randn(count).mean()", "torch.randn(count).max()", {"draw"}),
        (EXPERIMENTS, '{"worst": 0.0}', '{"worst": 1.0}', {"fixed"}),
        ("generators/training.py", "betas=(0.9, 0.98)", "betas=(0.9, 0.99)", {"fit"}),
        ("requirements.txt", "torch==", "torch==9", {"fit", "draw"}),
        (EXPERIMENTS, '["loss"].mean < 1', '["loss"].mean < 2', {"rule"}),
    ],
    ids=[
        "an operator of the model", "its first weights", "a run", "another run",
        "the training loop", "a library's version", "a rule",
    ],
)  # fmt: skip
def test_what_has_an_effect_makes_exactly_its_dependants_stale(project, file, old, new, expected):
    assert stale_after(project, file, old, new) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('return {"worst": 0.0}', 'return {"worst": getattr(torch, "pi")}'),
        ('return {"worst": 0.0}', 'return {"worst": eval("0.0")}'),
        (
            "from implementations.toy import Line",
            "from implementations import toy\nfrom implementations.toy import Line",
        ),
    ],
)
def test_a_name_that_cannot_be_followed_is_an_error_with_its_place(project, monkeypatch, old, new):
    project.edit(EXPERIMENTS, old, new)
    if "import toy" in new:
        project.edit(EXPERIMENTS, 'return {"worst": 0.0}', 'return {"worst": vars(toy)["x"]}')
    monkeypatch.setattr(fingerprint, "ROOT", project.root)
    fingerprint.forget()
    run = types.SimpleNamespace(__module__="generators.experiments.toy", __qualname__="constant")
    with pytest.raises(fingerprint.CannotFollow, match=r"toy\.py:\d+"):
        fingerprint.parts(run)
    fingerprint.forget()


def test_settings_seeds_aside_and_stages_beneath_count_too():
    def run(seed):
        return {}

    run.__module__ = "generators.training"
    run.__qualname__ = "schedule"
    plain = fingerprint.fingerprint(run, {"steps": 1})
    assert fingerprint.fingerprint(run, {"steps": 1}) == plain
    assert fingerprint.fingerprint(run, {"steps": 2}) != plain
    assert fingerprint.fingerprint(run, {"steps": 1}, ["a stage"]) != plain


@pytest.mark.parametrize("other", ["python3.12", "python3.13"])
def test_the_python_version_does_not_matter(project, other):
    """Only the hashing runs there, so that version needs none of our packages."""
    executable = shutil.which(other)
    if (
        executable is None
        or subprocess.run([executable, "-c", ""], capture_output=True, check=False).returncode
    ):
        pytest.skip(f"no {other} here")
    hashes = (
        "import types\n"
        "from generators.fingerprint import parts\n"
        "def at(module, name): return types.SimpleNamespace(__module__=module, __qualname__=name)\n"
        "print(parts(at('generators.experiments.toy', 'make_fitted')), parts(at('generators.training', 'training')))"
    )
    assert project.python(hashes) == project.python(hashes, executable)
