"""The protocol of the benchmarks, on contestants whose times are known. No real time is asserted anywhere."""

import dataclasses

import pytest
import torch

from generators import bench
from generators.bench import OURS, SETTINGS, Contestant, Goal, Ready, Sample
from generators.experiment import stale
from generators.record import Record
from implementations import transformer
from implementations.transformer import causal


class Clock:
    """Two clocks that a test moves by hand."""

    def __init__(self) -> None:
        self.cpu = self.wall = 0.0

    def __call__(self) -> tuple[float, float]:
        return self.cpu, self.wall

    def work(self, cpu: float, waiting: float = 0.0) -> float:
        """Let so many seconds pass, in some of which somebody else has the processor."""
        self.cpu += cpu
        self.wall += cpu + waiting
        return cpu


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """The protocol's clocks, in our hands; the precision is put back afterwards."""
    clock = Clock()
    monkeypatch.setattr(bench, "clocks", clock)
    before = torch.get_float32_matmul_precision()
    yield clock
    torch.set_float32_matmul_precision(before)


def contestant(clock: Clock, name: str, log: list | None = None, **seconds: float) -> Contestant:
    """Takes so many seconds in each setting."""

    def work() -> float:
        precision = torch.get_float32_matmul_precision()
        setting = next(setting for setting in SETTINGS if SETTINGS[setting] == precision)
        if log is not None:
            log.append((name, setting))
        return clock.work(seconds[setting])

    return Contestant(name, {"": lambda: Ready(work, parameters=10)})


def fails() -> Ready:
    raise ImportError("no module named peer\nand much more")


def test_every_round_begins_one_further_along(clock):
    log = []
    entries = {
        (name, "default"): bench.in_setting(
            "default", lambda name=name: log.append(name) or clock.work(1)
        )
        for name in "abc"
    }
    times = bench.race(entries, rounds=4)
    assert "".join(log) == "abcbcacababc"
    assert [len(taken) for taken in times.values()] == [4, 4, 4]


def test_ratios_are_taken_within_rounds_and_reported_with_quartiles():
    ours = [Sample(seconds, 0) for seconds in (1, 2, 3, 4, 5)]
    theirs = [Sample(seconds, 0) for seconds in (2, 6, 12, 4, 2.5)]  # 2, 3, 4, 1, 0.5 times ours
    assert bench.ratio(theirs, ours) == {"ratio": 2.0, "ratio_q1": 1.0, "ratio_q3": 3.0}


def test_a_disturbed_sample_is_taken_again_and_the_quieter_one_kept(clock):
    waits = iter([1.0, 0.0])
    found = bench.sample(lambda: clock.work(2.0, waiting=next(waits)))
    assert found == Sample(2.0, 0.0, 2.0)
    waits = iter([1.0, 2.0])
    found = bench.sample(lambda: clock.work(2.0, waiting=next(waits)))
    assert found.disturbed == pytest.approx(1 / 3)
    waits = iter([0.01])  # hardly disturbed: one sample is enough
    assert bench.sample(lambda: clock.work(2.0, waiting=next(waits))).seconds == 2.0


def test_the_table_says_who_was_fastest_and_who_was_not_there(clock):
    found = bench.compete(
        [
            contestant(clock, OURS, default=2.0, fast=1.0),
            contestant(clock, "slow", default=3.0, fast=3.5),
            contestant(clock, "quick", default=1.9, fast=1.6),
            Contestant("absent", {"": fails}),
        ],
        rounds=3,
        items=100,
        work_per_item=1e6,
        peak=1e8,
    )
    assert found["default"]["fastest_peer"] == found["fast"]["fastest_peer"] == "quick"
    assert found["default"]["ratio_fastest"] == 0.95
    assert found["fast"]["slow"]["ratio"] == 3.5
    assert found["fast"][OURS] == {
        "ms": 1000.0,
        "tokens_per_second": 100.0,
        "peak": 1.0,
        "form": "",
        "results": [1.0, 1.0],
        "ratio": 1.0,
        "ratio_q1": 1.0,
        "ratio_q3": 1.0,
    }
    assert found["fast_mode"]["against_our_default"]["ratio"] == 2.0
    assert found["fast_mode"]["against_default_peer"]["ratio"] == 1.9
    assert found["best_against_best"] == {
        "our_setting": "fast",
        "peer": "quick",
        "peer_setting": "fast",
        "ratio": 1.6,
        "ratio_q1": 1.6,
        "ratio_q3": 1.6,
    }
    assert found["failures"] == {"absent": "ImportError: no module named peer"}
    assert found["parameters"] == {OURS: 10, "slow": 10, "quick": 10}
    assert (found["samples"], found["disturbed"]) == (3 * 2 * 3, 0)
    printed = bench.table("a step", found)
    assert "absent: ImportError" in printed
    assert "best against best: ours fast, quick fast: 1.60" in printed


def test_what_is_counted_has_its_own_word_and_a_goal_may_name_one_peer(clock):
    """Pictures, and our own model built in another way as the peer that a goal names."""
    ours = contestant(clock, OURS, default=2.0, fast=2.0)
    twin = contestant(clock, "plain_layout", default=2.5, fast=3.0)
    found = {"step": bench.compete([ours, twin], 2, 10, 1e6, peak=1e8, item="image")}
    assert found["step"]["default"]["plain_layout"]["images_per_second"] == 4.0
    assert (found["step"]["images"], found["step"]["work_per_image"]) == (10, 1e6)
    assert not any("token" in key for key in found["step"])
    judged = bench.judged([Goal("step.default.plain_layout.ratio", 1.15)], found)
    assert judged == {
        "goals": [
            {
                "goal": "step.default.plain_layout.ratio",
                "wanted": 1.15,
                "measured": 1.25,
                "met": True,
            }
        ],
        "goals_met": 1,
    }
    printed = bench.table("a step", found["step"], item="image")
    assert "MFLOP per image" in printed
    assert "images/s" in printed


def test_the_fastest_form_of_a_peer_competes_in_each_setting(clock):
    first = contestant(clock, "peer", default=1.0, fast=3.0).forms[""]
    second = contestant(clock, "peer", default=2.0, fast=2.0).forms[""]
    peer = Contestant("peer", {"first": first, "second": second, "broken": fails})
    ours = contestant(clock, OURS, default=1.0, fast=1.0)
    found = bench.compete([ours, peer], rounds=2, items=1, work_per_item=1, peak=1)
    assert found["default"]["peer"]["form"] == "first"
    assert found["fast"]["peer"]["form"] == "second"
    assert found["failures"] == {"peer broken": "ImportError: no module named peer"}


def test_we_may_not_fail(clock):
    with pytest.raises(ImportError):
        bench.build([Contestant(OURS, {"": fails})])


def test_without_peers_there_is_still_a_table(clock):
    ours = contestant(clock, OURS, default=1.0, fast=1.0)
    found = bench.compete([ours], rounds=2, items=1, work_per_item=1, peak=1)
    assert found["best_against_best"] == {}
    assert "ours" in bench.table("alone", found)
    judged = Goal("default.ratio_fastest", 1.0).judge(found)
    assert judged["measured"] is None
    assert not judged["met"]


@pytest.mark.parametrize(
    ("wanted", "measured", "met"),
    [(1.0, 0.97, True), (1.0, 0.969, False), (1.35, 1.34, False), (1.1, 1.1, True)],
)
def test_a_goal_of_one_is_met_within_noise_and_no_other(wanted, measured, met):
    assert Goal("a.b", wanted).judge({"a": {"b": measured}})["met"] is met


def test_a_paper_without_benchmark_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="transformer"):
        bench.module_of("transfomer")


# The Transformer's own ------------------------------------------------------------------------------------


@pytest.fixture
def small():
    """Settings that take a second."""
    from generators.bench import transformer as module

    sizes = {"positions": 32, "vocab_size": 40, "d_model": 16, "n_heads": 2, "d_ff": 32}
    rest = {"n_layers": 1, "lengths": [8], "source": 6, "written": 5, "checked_steps": 3}
    before = torch.get_float32_matmul_precision()
    yield module, module.SETTINGS_OF_RUN | sizes | rest
    torch.set_float32_matmul_precision(before)


def test_a_small_benchmark_runs_and_its_record_is_read_by_its_keys(small, monkeypatch):
    module, settings = small
    written = []
    monkeypatch.setattr(bench, "save", written.append)
    monkeypatch.setattr(module, "limits", lambda: {"products": {"default": 1.0, "fast": 2.0}})
    monkeypatch.setattr(module, "SETTINGS_OF_RUN", settings)
    monkeypatch.setattr(
        module, "GOALS", [Goal(f"step_8.{setting}.ratio_fastest", 1.0) for setting in SETTINGS]
    )
    record = bench.benchmark("transformer", rounds=2)
    assert written == [record]
    assert isinstance(record, Record)
    assert record.kind == "timing"
    assert record["step_8.fast.ratio_fastest"].n == 1
    assert record["generation.default.ours.ms"].mean > 0
    assert record["fast_precision.worst"].mean <= record["fast_precision.tolerance"].mean
    assert len(record.runs[0]["goals"]) == 2
    for name in ("torch", "marian", "bart"):  # the libraries that the shared environment has
        assert record[f"step_8.default.{name}.ratio"].mean > 0


def test_a_contestant_that_does_not_train_is_refused(small):
    module, settings = small
    batch = module.padded_batch(8, 4, settings["vocab_size"])
    config = module.config_of(8, settings)

    def frozen():
        model = module.Transformer(config)
        model.encode = torch.no_grad()(model.encode)
        return model

    with pytest.raises(ValueError, match=r"no gradient reaches encoder\.0"):
        module.trained(frozen, *batch, lr=1e-3)
    with pytest.raises(ValueError, match="the loss does not fall"):
        module.trained(lambda: module.Transformer(config), *batch, lr=0.0)


def test_batches_are_padded_at_the_end_and_never_empty(small):
    module, settings = small
    source, target = module.padded_batch(8, 50, settings["vocab_size"])
    lengths = (source != module.PADDING).sum(dim=1)
    assert lengths.min() >= 6
    assert lengths.max() <= 8
    assert len(lengths.unique()) > 1
    assert torch.equal((target[:, 1:] != module.PADDING).sum(dim=1), lengths)
    assert (source != module.PADDING).int().diff(dim=1).max() <= 0


def test_a_contestant_whose_masks_leak_is_refused(small, monkeypatch):
    module, settings = small
    config = module.config_of(8, settings)
    source, target = module.padded_batch(8, 4, settings["vocab_size"])
    assert (source == module.PADDING).any()

    def reads_padding():
        model = module.Transformer(config)
        model.config = dataclasses.replace(config, padding=config.vocab_size - 1)
        return model

    with pytest.raises(ValueError, match="what its masks should hide"):
        module.trained(reads_padding, source, target, lr=1e-3)
    monkeypatch.setattr(transformer, "causal", lambda n, device=None: causal(n, device) | True)
    with pytest.raises(ValueError, match="what its masks should hide"):
        module.trained(lambda: module.Transformer(config), source, target, lr=1e-3)


def test_the_work_of_a_step_counts_every_weight_once(small):
    module, settings = small
    config = module.config_of(8, settings)
    model = module.Transformer(config)
    weights = sum(p.numel() for p in model.parameters() if p.dim() > 1)
    attention = 12 * config.n_layers * 2.5 * 8 * config.d_model
    assert module.work_of_a_step(8, config) == 6 * weights + attention


def test_a_benchmarks_record_is_neither_stale_nor_an_orphan(monkeypatch):
    from generators import experiment

    timed = Record({"kind": "timing", "command": "nox -s bench -- transformer"})
    lost = Record({"kind": "timing", "command": "nox -s train -- transformer"})
    monkeypatch.setattr(experiment, "experiments", lambda paper: {})
    monkeypatch.setattr(
        experiment, "records", lambda paper: {"transformer.bench": timed, "transformer.x": lost}
    )
    assert stale("transformer") == ["transformer.x is a record that no experiment makes; delete it"]
