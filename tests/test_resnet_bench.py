"""Contestants of the residual network's benchmark do the same work. No time is asserted anywhere."""

import dataclasses

import pytest
import torch
from test_resnet_parity import their_name
from torch import nn

from generators import bench
from generators.bench import OURS, SETTINGS
from generators.bench import resnet as module
from generators.figures.resnet import speed
from implementations.resnet import ResNet

SIZES = {"depth": 8, "width": 4, "n_classes": 5, "side": 16, "batch": 6, "checked_steps": 2}
SMALL = module.SETTINGS_OF_RUN | SIZES


@pytest.fixture(autouse=True)
def precision():
    """The benchmark changes it; it is put back afterwards."""
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


@pytest.fixture
def libraries():
    """The size at which all contestants have the same layers: the libraries' shortcuts project."""
    return dataclasses.replace(module.config_of(SMALL), shortcut="B")


def test_a_small_benchmark_runs_and_its_record_can_be_drawn(monkeypatch):
    monkeypatch.setattr(bench, "save", lambda record: None)
    monkeypatch.setattr(module, "limits", lambda: {"products": {"default": 1.0, "fast": 2.0}})
    monkeypatch.setattr(module, "SETTINGS_OF_RUN", SMALL)
    record = bench.benchmark("resnet", rounds=2)
    assert record.kind == "timing"
    for work in ("step", "evaluation"):
        for setting in SETTINGS:
            for name in ("plain_layout", "transformers"):  # not all machines have the third
                assert record[f"{work}.{setting}.{name}.ratio"].mean > 0
            assert record[f"{work}.{setting}.ours.images_per_second"].mean > 0
        assert record[f"{work}.images"].mean == SMALL["batch"]
        parameters = record.runs[0][work]["parameters"]
        assert parameters[OURS] == parameters["plain_layout"]
        assert parameters["transformers"] == parameters[OURS] + 4 * 8 + 8 * 16 + 2 * (8 + 16)
        assert all(name.startswith("pytorchcv") for name in record.runs[0][work]["failures"])
    assert (
        record.runs[0]["step"]["work_per_image"]
        == 3 * record.runs[0]["evaluation"]["work_per_image"]
    )
    assert record["fast_precision.worst"].mean <= record["fast_precision.tolerance"].mean
    measured = [goal["measured"] for goal in record.runs[0]["goals"]]
    assert len(measured) == 6
    assert all(measured)
    table = speed.bench_table(record)
    assert table.count("\n") == 6
    assert "| evaluation | fast |" in table
    assert speed.bench(record).axes


@pytest.mark.parametrize("form", module.LAYOUTS)
def test_from_the_same_weights_the_losses_of_all_steps_are_the_same(form, libraries):
    batch = module.batch_of(SMALL)
    models = module.models(libraries)
    ours = models[OURS][""]()
    twins = {
        "plain_layout": models["plain_layout"][""](),
        "transformers": models["transformers"][form](),
    }
    twins["plain_layout"].load_state_dict(ours.state_dict())
    theirs = {
        their_name(name).replace("embedder.embedder", "embedder"): value.clone()
        for name, value in ours.model.state_dict().items()
    }
    twins["transformers"].model.model.load_state_dict(theirs)
    right, *losses = (
        [step() for _ in range(3)]
        for step in (
            module.trainer(model.train(), *batch, lr=0.02) for model in (ours, *twins.values())
        )
    )
    assert right[2] < right[1] < right[0]
    for found in losses:
        assert found == pytest.approx(right, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "layout"), [(OURS, torch.channels_last), ("plain_layout", torch.contiguous_format)]
)
def test_ours_stays_in_its_layout_and_its_twin_in_the_plain_one(name, layout):
    images, labels = module.batch_of(SMALL)
    assert images.is_contiguous()
    model = module.models(module.config_of(SMALL))[name][""]()
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    seen = []
    for layer in layers:
        layer.register_forward_hook(lambda _layer, given, made: seen.extend([*given, made]))
    nn.functional.cross_entropy(model(images), labels).backward()
    seen += [layer.weight.grad for layer in layers]
    assert len(seen) == 3 * 7
    assert all(tensor.is_contiguous(memory_format=layout) for tensor in seen)


def test_the_work_of_an_image_counts_every_weight_at_every_pixel():
    config = module.config_of(SMALL)
    model, work = ResNet(config), []

    def add(layer, _given, made):
        pixels = made.shape[2] * made.shape[3] if made.ndim == 4 else 1
        work.append(2 * layer.weight.numel() * pixels)

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(add)
    model(torch.zeros(1, 3, SMALL["side"], SMALL["side"]))
    assert module.work_of_an_image(SMALL["side"], config) == sum(work)


def test_a_contestant_that_does_not_train_is_refused():
    batch = module.batch_of(SMALL)
    make = module.models(module.config_of(SMALL))[OURS][""]

    def frozen():
        model = make()
        model.model.stem.forward = torch.no_grad()(model.model.stem.forward)
        return model

    with pytest.raises(ValueError, match=r"no gradient reaches model\.stem"):
        module.trained(frozen, *batch, lr=0.02)
    with pytest.raises(ValueError, match="the loss does not fall"):
        module.trained(make, *batch, lr=0.0)
