"""Contestants of GPT-2's benchmark do the same work. No time is asserted anywhere."""

import copy

import pytest
import torch
from gpt_cases import theirs_named
from torch import nn

from generators import bench
from generators.bench import OURS, SETTINGS
from generators.bench import gpt2 as module
from implementations.gpt2 import GPT2

SIZE = {"n_layers": 2, "d_model": 16, "n_heads": 2, "vocab_size": 40, "length": 12, "rows": 3}
SMALL = module.SETTINGS_OF_RUN | {
    "sizes": {"s": SIZE, "m": SIZE | {"d_model": 24}},
    "prompt": 4,
    "written": 5,
    "checked_steps": 2,
}
HERE = ("torch", "transformers")  # the others are installed for the benchmark alone


@pytest.fixture(autouse=True)
def precision():
    """The benchmark changes it; it is put back afterwards."""
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


def test_a_small_benchmark_runs(monkeypatch):
    monkeypatch.setattr(bench, "save", lambda record: None)
    monkeypatch.setattr(module, "limits", lambda: {"products": {"default": 1.0, "fast": 2.0}})
    monkeypatch.setattr(module, "SETTINGS_OF_RUN", SMALL)
    record = bench.benchmark("gpt2", rounds=2)
    assert record.kind == "timing"
    for work in ("step_s", "step_m"):
        for setting in SETTINGS:
            for name in HERE:
                assert record[f"{work}.{setting}.{name}.ratio"].mean > 0
        parameters = record.runs[0][work]["parameters"]
        assert parameters[OURS] == parameters["torch"] == parameters["transformers"]
        failed = {name.split()[0] for name in record.runs[0][work]["failures"]}
        assert failed <= {"x_transformers", "litgpt", "labml"}
    assert record["generation.default.transformers.ratio"].mean > 0
    assert record["fast_precision.worst"].mean <= record["fast_precision.tolerance"].mean
    measured = [goal["measured"] for goal in record.runs[0]["goals"]]
    assert len(measured) == 8
    assert all(measured)


def test_from_the_same_weights_the_losses_of_all_steps_are_the_same(monkeypatch):
    config = module.config_of(SIZE, SIZE["length"])
    tokens = module.batch_of(SIZE)
    torch.manual_seed(0)
    ours = GPT2(config)
    theirs = module.HuggingFace("sdpa", config)
    theirs.model.load_state_dict(theirs_named(ours), strict=False)
    right, found = (
        [step() for _ in range(3)]
        for step in (module.trainer(copy.deepcopy(model), tokens, 1e-2) for model in (ours, theirs))
    )
    assert right[2] < right[1] < right[0]
    assert found == pytest.approx(right, rel=1e-4)


def test_the_work_of_a_token_counts_every_matrix_and_half_of_attention():
    config = module.config_of(SIZE, SIZE["length"])
    model, work = GPT2(config), []
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            work.append(2 * layer.weight.numel())
    work.append(2 * model.tokens.weight.numel())
    attention = config.n_layers * 2 * 2 * (SIZE["length"] / 2) * config.d_model
    assert module.work_of_a_token(SIZE["length"], config) == 3 * (sum(work) + attention)


def test_a_contestant_that_looks_ahead_or_does_not_train_is_refused():
    config = module.config_of(SIZE, SIZE["length"])
    tokens = module.batch_of(SIZE)

    def looks_ahead():
        model = GPT2(config)
        model.visible.fill_(True)
        return model

    def frozen():
        model = GPT2(config)
        model.norm.requires_grad_(False)
        model.tokens.weight.register_hook(torch.zeros_like)
        return model

    with pytest.raises(ValueError, match="its mask should hide"):
        module.trained(looks_ahead, tokens, 1e-3)
    with pytest.raises(ValueError, match="no gradient reaches tokens"):
        module.trained(frozen, tokens, 1e-3)
    with pytest.raises(ValueError, match="the loss does not fall"):
        module.trained(lambda: GPT2(config), tokens, 0.0)
