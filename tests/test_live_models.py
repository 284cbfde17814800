"""Models that run in the page: rounding, the file, shipping beside a record, and what the committed ones can do."""

import itertools
import json
import random
import re
import shutil

import pytest
import torch
from conftest import Project, make_project
from safetensors import safe_open

from generators import weights
from generators.data import LANGUAGES
from generators.experiment import find_experiment
from generators.experiments.gpt2 import explorer_grammar as grammar
from generators.experiments.gpt2.explorer_heads import Prompts
from generators.experiments.gpt2.explorer_model import PAGE_SPLIT
from generators.experiments.transformer.heads_off import answered, pairs
from generators.experiments.transformer.live_page import pieces, spelling, spelt
from generators.experiments.transformer.task import corpus
from generators.files import Damaged, digest
from generators.record import RESULTS, Record
from generators.weights import read_kept, read_live, restored, rounded, write_live
from implementations.gpt2 import GPT2, ByteTokenizer
from implementations.transformer import Transformer, TransformerConfig

# Rounding and the file ---------------------------------------------------------------------------------------


def state():
    """Weights that try rounding: large and tiny rows, a row of zeros, a vector."""
    torch.manual_seed(0)
    matrix = torch.randn(6, 5) * torch.tensor([1.0, 1e-6, 1e4, 1.0, 1.0, 1.0])[:, None]
    matrix[3] = 0
    return {"a.weight": matrix, "a.bias": torch.randn(5), "norm.gain": torch.ones(3)}


def test_each_row_uses_its_whole_range_and_no_value_is_off_by_more_than_half_a_step():
    kept = rounded(state())
    whole, scale = kept["a.weight"], kept["a.weight.scale"]
    assert whole.dtype == torch.int8
    assert scale.dtype == torch.float32
    assert whole.abs().amax(dim=1).tolist() == [127, 127, 127, 0, 127, 127]
    off = (restored(kept)["a.weight"] - state()["a.weight"]).abs()
    assert (off <= scale[:, None] * 0.5001).all()


def test_what_is_no_matrix_stays_as_it_is():
    again = restored(rounded(state()))
    assert list(again) == list(state())
    for name in ("a.bias", "norm.gain"):
        assert torch.equal(again[name], state()[name])


@pytest.mark.parametrize(
    "wrong",
    [
        {"a": torch.ones(2, 2, 2)},
        {"a": torch.tensor([[1.0, float("nan")]])},
        {"a.scale": torch.ones(2)},
    ],
)
def test_what_cannot_be_kept_is_refused(wrong):
    with pytest.raises(ValueError, match="eight bits"):
        rounded(wrong)


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: kept.pop("a.weight"),
        lambda kept: kept.pop("a.weight.scale"),
        lambda kept: kept.update({"a.weight.scale": torch.ones(2)}),
    ],
)
def test_a_matrix_and_its_scale_belong_together(change):
    kept = rounded(state())
    change(kept)
    with pytest.raises(Damaged):
        restored(kept)


def test_the_same_model_is_the_same_file_and_reads_back(tmp_path):
    path = tmp_path / "model.safetensors"
    kept, facts = rounded(state()), {"kind": "gpt2", "page": {"b": [1, "é"], "a": None}}
    write_live(path, kept, facts)
    before = path.read_bytes()
    write_live(path, dict(reversed(kept.items())), dict(reversed(facts.items())))
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o444 == 0o444
    weights_read, facts_read = read_live(path)
    assert facts_read == facts
    assert all(torch.equal(weights_read[name], value) for name, value in restored(kept).items())


@pytest.mark.parametrize("spoil", [lambda raw: raw[:-1], lambda raw: raw[:20], lambda raw: b"{}"])
def test_half_a_file_is_no_model(tmp_path, spoil):
    path = tmp_path / "model.safetensors"
    write_live(path, rounded(state()), {})
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(Damaged, match=r"model\.safetensors"):
        read_live(path)


def test_the_lines_that_the_module_shows_read_a_file_without_us(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_live(tmp_path / "explorer.safetensors", rounded(state()), {"kind": "gpt2"})
    lines = re.search(r"    with safe_open.*", weights.__doc__, re.DOTALL)[0]
    names = {"safe_open": safe_open, "json": json}
    exec(re.sub(r"^    ", "", lines, flags=re.MULTILINE), names)
    assert names["live"] == {"kind": "gpt2"}
    assert names["state"].keys() == state().keys()
    wanted = restored(rounded(state()))
    assert all(torch.equal(names["state"][name], wanted[name]) for name in wanted)


# Shipping ----------------------------------------------------------------------------------------------------

SHIPPED = '''

def make_shipped(seed: int) -> dict:
    """Weights by chance."""
    return both_of({"weight": torch.randn(3, 4)})


def say(measured: dict, size: int) -> dict:
    """What the page needs."""
    return {"page": {"loss": measured["loss"], "size": size, "says": "one"}}


def shipped_loss(seed: int, shipped: dict, size: int) -> dict:
    """Look at the stage."""
    return {"loss": float(len(part_of(shipped, LIVE)))}


STAGES["shipped"] = Stage(make_shipped, {})
EXPERIMENTS["ship"] = Experiment(
    "Does it ship?", shipped_loss, dict(size=4), seeds=(0,), stages=("shipped",), ships=say
)
'''


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The toy project with an experiment that ships a model; trained once."""
    project = make_project(tmp_path_factory.mktemp("shipping"))
    path = project.root / "generators" / "experiments" / "toy.py"
    text = path.read_text(encoding="utf-8").replace(
        "from generators.training import training",
        "from generators.training import training\nfrom generators.weights import LIVE, both_of, part_of",
    )
    path.write_text(text + SHIPPED, encoding="utf-8")
    done = project.run("train", "toy.ship")
    assert "toy.ship: written" in done.stdout, done.stderr
    return project


@pytest.fixture
def harbour(trained, tmp_path):
    """A copy of it to do things to."""
    shutil.copytree(trained.root, tmp_path / "project")
    return Project(tmp_path / "project")


def shipped_of(project):
    """The committed model of the toy: its bytes, and the record beside it."""
    folder = project.root / "results" / "toy"
    return (folder / "ship.safetensors").read_bytes(), Record.load(folder / "ship.json")


def test_a_model_ships_with_its_record_and_stays_while_that_is_reproduced(harbour):
    raw, record = shipped_of(harbour)
    assert record.ships == {"sha256": digest(raw), "bytes": len(raw)}
    kept, facts = read_kept(harbour.root / "results" / "toy" / "ship.safetensors")
    assert facts == {"page": {"loss": 2.0, "size": 4, "says": "one"}}
    assert sorted(kept) == ["weight", "weight.scale"]
    assert "reproduced: 1 of 1" in harbour.run("train", "toy.ship").stdout
    assert shipped_of(harbour)[0] == raw


def test_weights_trained_elsewhere_do_not_replace_the_committed_ones(harbour):
    """As on another processor: the fresh stage differs, the record is reproduced, and the file stays."""
    path = harbour.root / "results" / "toy" / "ship.safetensors"
    harbour.python(
        "from pathlib import Path; from generators.weights import *; "
        "from generators.record import *; from generators.experiment import save; "
        "from generators.files import digest; "
        f"path = Path({str(path)!r}); kept, facts = read_kept(path); "
        "kept['weight'] = -kept['weight']; write_live(path, kept, facts); "
        "old = Record.load(path.with_suffix('.json')); raw = path.read_bytes(); "
        "save(Record({**old.content, 'ships': {'sha256': digest(raw), 'bytes': len(raw)}}))"
    )
    elsewhere = path.read_bytes()
    assert "reproduced: 1 of 1" in harbour.run("train", "toy.ship").stdout
    assert path.read_bytes() == elsewhere


def test_what_the_page_is_told_is_renewed_without_training(harbour):
    raw, _ = shipped_of(harbour)
    before, _ = read_kept(harbour.root / "results" / "toy" / "ship.safetensors")
    harbour.edit("generators/experiments/toy.py", '"says": "one"', '"says": "two"')
    assert "reproduced: 1 of 1" in harbour.run("train", "toy.ship").stdout
    fresh, record = shipped_of(harbour)
    after, facts = read_kept(harbour.root / "results" / "toy" / "ship.safetensors")
    assert facts["page"]["says"] == "two"
    assert fresh != raw
    assert record.ships["sha256"] == digest(fresh)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    "harm", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes() + b" ")]
)
def test_a_model_that_is_gone_or_changed_is_made_again(harbour, harm):
    raw, _ = shipped_of(harbour)
    harm(harbour.root / "results" / "toy" / "ship.safetensors")
    done = harbour.run("train", "toy.ship")
    assert "toy.ship: made again" in done.stdout
    assert shipped_of(harbour)[0] == raw


# The committed models ----------------------------------------------------------------------------------------

COMMITTED = ["gpt2.explorer", "transformer.live"]
LARGEST = 950_000


def committed(key):
    """A committed model: its path, its record, its experiment."""
    paper, _, name = key.partition(".")
    path = RESULTS / paper / f"{name}.safetensors"
    return path, Record.load(path.with_suffix(".json")), find_experiment(paper, name)


@pytest.mark.parametrize("key", COMMITTED)
def test_a_committed_model_is_the_one_of_its_record_and_light(key):
    path, record, _ = committed(key)
    assert record.ships == {"sha256": digest(path.read_bytes()), "bytes": path.stat().st_size}
    assert path.stat().st_size <= LARGEST


@pytest.mark.parametrize("key", COMMITTED)
def test_a_committed_model_says_what_its_code_and_record_say(key):
    path, record, experiment = committed(key)
    told = experiment.ships(record.runs[0], **record.settings)
    assert read_kept(path)[1] == json.loads(json.dumps(told))


@pytest.mark.parametrize("key", COMMITTED)
def test_every_matrix_of_a_committed_model_is_whole_numbers_by_rows(key):
    kept, _ = read_kept(committed(key)[0])
    matrices = {name: tensor for name, tensor in kept.items() if tensor.ndim == 2}
    assert matrices
    for name, tensor in matrices.items():
        assert tensor.dtype == torch.int8
        assert set(tensor.abs().amax(dim=1).tolist()) <= {0, 127}
        again = rounded(
            {name: restored({name: tensor, f"{name}.scale": kept[f"{name}.scale"]})[name]}
        )
        assert torch.equal(again[name], tensor)


@pytest.fixture(scope="module")
def explorer():
    """The committed explorer: the model, its tokenizer, what the page is told."""
    state, live = read_live(committed("gpt2.explorer")[0])
    config = {name: value for name, value in live["config"].items() if name != "epsilon"}
    model = GPT2(TransformerConfig(dropout=0.0, **config))
    model.load_state_dict(state)
    symbols = [bytes([value]) for value in range(256)]
    merges = []
    for left, right in live["tokenizer"]["merges"]:
        merges.append((symbols[left], symbols[right]))
        symbols.append(symbols[left] + symbols[right])
    return model.eval(), ByteTokenizer(merges, PAGE_SPLIT), live["page"]


def test_every_preset_of_the_explorer_passes_on_cases_that_it_never_saw(explorer):
    model, tokenizer, page = explorer
    assert len(page["presets"]) >= 4
    cases = grammar.held_out_cases([preset["id"] for preset in page["presets"]], 100)
    for preset in page["presets"]:
        right = 0
        for case in cases[preset["id"]]:
            prompt = tokenizer.encode(case.prompt)
            whole = tokenizer.encode(case.prompt + case.answer)
            with torch.no_grad():
                best = model(torch.tensor([whole]))[0].argmax(dim=-1)
            right += best[len(prompt) - 1 : -1].tolist() == whole[len(prompt) :]
        assert right / 100 >= preset["threshold"]
        assert right / 100 == pytest.approx(preset["score"], abs=0.011)


def test_the_tour_has_five_steps_that_each_ask_something(explorer):
    tour = explorer[2]["tour"]
    assert len(tour) == 5
    for step in tour:
        assert step.keys() == {"say", "button", "set", "ask"}
        assert step["ask"].count("?") >= 1
        assert step["set"]["view"] in ("tokens", "map", "lines", "next", "costs")


def test_what_the_tour_says_of_its_heads_is_true_of_the_weights(explorer):
    model, _, page = explorer
    tour = page["tour"]
    batch = Prompts([grammar.PRESETS["list"].case])
    bits, right = batch.bits(model)
    assert right.item() == 1
    looks = batch.on_evidence(batch.maps(model))[:, 0]
    costs = torch.zeros_like(looks)
    width = model.config.d_model // model.config.n_heads
    for layer, head in itertools.product(range(len(looks)), range(model.config.n_heads)):
        output = model.blocks[layer].attention.output.weight.data
        kept = output.clone()
        output[:, head * width : (head + 1) * width] = 0
        costs[layer, head] = batch.bits(model)[0] - bits
        output.copy_(kept)
    looker, rival, missed = (
        (tour[step]["set"]["layer"], tour[step]["set"]["head"]) for step in (2, 3, 4)
    )
    assert tour[2]["set"]["off"] == [[*looker]]
    assert tour[3]["set"]["off"] == [[*rival]]
    assert f"{looks[looker].item():.0%}" in tour[2]["say"]
    assert f"{looks[rival].item():.0%}" in tour[3]["say"]
    assert costs[missed] == costs.max()
    assert f"{costs[missed].item():.1f} bits" in tour[4]["say"]
    # What its questions are about.
    assert looks[looker] > 0.4
    assert costs[looker] > 3
    assert looks[rival] > 0.4
    assert costs[rival] < 0.1


def test_the_translator_translates():
    state, live = read_live(committed("transformer.live")[0])
    config = {name: value for name, value in live["config"].items() if name != "epsilon"}
    model = Transformer(TransformerConfig(dropout=0.0, **config))
    model.load_state_dict(state)
    data = corpus(10_000, 300)
    assert live["tokenizer"]["symbols"] == [
        data.tokenizer.id_to_token(number) for number in range(data.tokenizer.get_vocab_size())
    ]
    right = answered(model.eval(), pairs(data, data.tested[::10])).mean().item()
    assert right == pytest.approx(live["page"]["accuracy"], abs=0.02)
    assert right > 0.95


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_can_write_every_number_as_it_was_learnt(language):
    table = spelling(language)
    for number in range(10_000):
        assert spelt(number, table) == pieces(number, language)
    assert "".join(text for text, _ in spelt(281, spelling("de"))) == "zweihunderteinundachtzig"


# The grammar ---------------------------------------------------------------------------------------------------


def drawn(count):
    """Sentences of every maker."""
    draw = random.Random(7)
    return [make(draw) for _ in range(count) for make in grammar.MAKERS.values()]


def test_nothing_that_is_asked_for_was_read():
    sentences = grammar.to_learn_from(random.Random(3), dict.fromkeys(grammar.MAKERS, 1.0))
    read = "\n".join(text.replace(grammar.MARK, "") for text in itertools.islice(sentences, 20_000))
    for cases in grammar.held_out_cases(grammar.TASKS, 50).values():
        assert len(cases) == 50
        for case in cases:
            assert case.prompt + case.answer not in read
    for preset in grammar.PRESETS.values():
        assert grammar.kept_for_testing(preset.key)
        assert preset.case.prompt not in read
    assert not re.search(r"When (Eva and Tom|Tom and Eva) ", read)


def test_a_case_is_the_beginning_of_its_sentence_and_its_answer_is_marked():
    for sentence in drawn(300):
        for case in sentence.cases:
            plain = sentence.text.replace(grammar.MARK, "")
            assert plain.startswith(case.prompt + case.answer)
            place, marked = 0, []
            for number, part in enumerate(sentence.text.split(grammar.MARK)):
                marked += [place] if number % 2 else []
                place += len(part)
            assert len(case.prompt) in marked


def test_the_evidence_says_the_answer():
    cases = [
        *(case for sentence in drawn(300) for case in sentence.cases),
        *(preset.case for preset in grammar.PRESETS.values()),
    ]
    assert {case.task for case in cases} == set(grammar.TASKS)
    for case in cases:
        said = case.prompt[slice(*case.evidence)]
        if case.task == "agreement":
            assert (case.answer == " are") == said.endswith("s")
        elif case.task in ("brackets", "quotes"):
            assert grammar.CLOSERS[said.strip()] == case.answer.strip()
        else:
            assert said == case.answer


def test_brackets_close_in_the_reverse_order_and_the_misleading_noun_misleads():
    for sentence in drawn(300):
        for case in sentence.cases:
            if case.task in ("brackets", "quotes"):
                symbols = (case.prompt + case.answer).split()[1:]
                middle = len(symbols) // 2
                assert [grammar.CLOSERS[s] for s in reversed(symbols[:middle])] == symbols[
                    middle + 1 :
                ]
            if case.task == "agreement":
                assert case.prompt.endswith("s") == (case.answer == " is")
