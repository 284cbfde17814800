"""What the experiments on GPT-1 do to their models and texts is what they say, and nothing else."""

import math

import pytest
import smoke_runs
import torch
from torch.nn import functional as F

from generators.data import LIBRARIES
from generators.experiments.gpt1 import (
    bugs,
    byte_pairs,
    counting,
    fine_tuning,
    parity,
    pretraining,
    symmetry,
    table5,
    task,
    transferred,
    zero_shot,
)
from generators.record import Record
from implementations.gpt1 import GPT1, FineTuned, apply_merges, batch_of
from implementations.transformer import TransformerConfig

VOCABULARY = dict(merges=40, sample=2000)
SIZES = dict(context=16, d_model=8, n_heads=2, d_ff=16, n_layers=2)
CONFIG = TransformerConfig(23, d_model=12, n_heads=3, d_ff=18, n_layers=2, dropout=0.0, context=11)


@pytest.fixture(autouse=True)
def _seed():
    """Every test begins from the same random numbers; shapes are not checked, which would take as long again."""
    torch.manual_seed(0)
    with smoke_runs.unchecked():
        yield


def run(name: str) -> Record:
    """What an experiment measures at smoke size."""
    return smoke_runs.record("gpt1", name)


def seeded(make, *arguments):
    """A model made from seed 5."""
    torch.manual_seed(5)
    return make(*arguments)


def some_tokens(rows: int = 2, length: int = 9) -> torch.Tensor:
    """Random tokens."""
    return torch.randint(4, CONFIG.vocab_size, (rows, length))


# Texts -----------------------------------------------------------------------------------------


def test_pre_training_and_tests_share_no_text():
    data = task.texts(**VOCABULARY, every=400)
    tested = task.labelled("test", **VOCABULARY)
    trained = data.vocabulary.decode(data.trained.tolist())
    for text, _ in tested[:50]:
        assert data.vocabulary.decode(text) not in trained
    assert not {tuple(text) for text, _ in task.labelled("train", **VOCABULARY)} & {
        tuple(text) for text, _ in tested if len(text) > 40
    }


def test_a_sample_of_labels_is_balanced_and_lies_within_the_labelled_texts():
    examples = task.labelled("train", **VOCABULARY)
    for count in (5, 60, 960):
        labels = [label for _, label in task.some(examples, count)]
        assert [labels.count(each) for each in range(task.CLASSES)] == [count // 5] * 5
    assert len({tuple(task.some(examples, 5)[0][0]) for _ in range(20)}) > 10


def test_batches_have_every_example_before_any_comes_again():
    examples = [([number], 0) for number in range(10)]
    batches = task.shuffled_batches(examples, 4)
    seen = [text[0] for _ in range(5) for text, _ in next(batches)]
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))


def test_windows_are_stretches_of_the_text():
    for row in next(task.windows(torch.arange(50), 8, 7)):
        assert row.diff().eq(1).all()


def test_bits_per_byte_of_an_even_guess():
    data = task.texts(**VOCABULARY, every=400)
    model = pretraining.new_model(data.vocabulary, n_hidden=0, **SIZES)
    torch.nn.init.zeros_(model.tokens.weight)  # all scores are equal
    shorter = data.vocabulary.decode(data.held_out.tolist())
    expected = math.log2(len(data.vocabulary)) * len(data.held_out) / len(shorter.encode())
    assert pretraining.bits_per_byte(model, data) == pytest.approx(expected, rel=0.02)


# Models ----------------------------------------------------------------------------------------


def test_the_lstm_is_causal_and_as_large_as_the_transformer():
    known = task.vocabulary(**VOCABULARY)
    full = pretraining.STAGES["recurrent"].settings
    models = [
        pretraining.new_model(
            known,
            n_hidden=n,
            **{k: full[k] for k in ("context", "d_model", "n_heads", "d_ff", "n_layers")},
        )
        for n in (0, full["n_hidden"])
    ]
    sizes = [sum(p.numel() for p in model.parameters()) for model in models]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.01)
    tokens = torch.randint(4, len(known), (1, 9))
    changed = tokens.clone()
    changed[0, 5] += 1
    before, after = (models[1](each).detach() for each in (tokens, changed))
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.equal(before[:, 5:], after[:, 5:])


def test_the_stage_keeps_the_start_and_its_last_look_is_the_end():
    stage = smoke_runs.stage("gpt1", "language_model")
    end, last = pretraining.weights_of(stage), pretraining.weights_of(stage, "kept.3.")
    assert end.keys() == last.keys()
    assert all(torch.equal(end[name], last[name]) for name in end)
    start = pretraining.weights_of(stage, "kept.0.")
    assert not any(torch.equal(end[name], start[name]) for name in end)


@pytest.mark.parametrize("n_hidden", [0, 8])
def test_a_tuned_model_starts_as_the_stage_ended_but_for_the_frame(n_hidden):
    known = task.vocabulary(**VOCABULARY)
    stage = smoke_runs.stage("gpt1", "recurrent" if n_hidden else "language_model")
    weights = pretraining.weights_of(stage)
    model = fine_tuning.model_with(known, weights, n_hidden=n_hidden, **SIZES).eval()
    fresh = list(task.SPECIAL)
    others = [token for token in range(len(known)) if token not in fresh]
    for name, tensor in model.state_dict().items():
        if name == "tokens.weight":
            assert torch.equal(tensor[others], weights[name][others])
            assert not torch.isclose(tensor[fresh], weights[name][fresh]).any()
        else:
            assert torch.equal(tensor, weights[name]), name
    plain = pretraining.new_model(known, n_hidden=n_hidden, **SIZES).eval()
    plain.load_state_dict(model.state_dict())
    tokens = torch.randint(4, len(known), (2, 9))
    assert torch.equal(plain(tokens), model(tokens))
    assert not torch.equal(plain(tokens), model.train()(tokens))  # dropout


def test_without_weights_a_model_is_new():
    known = task.vocabulary(**VOCABULARY)
    models = [seeded(lambda: fine_tuning.model_with(known, {}, n_hidden=0, **SIZES))]
    models.append(seeded(lambda: pretraining.new_model(known, n_hidden=0, **SIZES)))
    assert all(
        torch.equal(*pair) for pair in zip(*(m.state_dict().values() for m in models), strict=True)
    )


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_layers_taken_over_are_the_lower_ones_and_the_rest_is_new(layers):
    weights = seeded(GPT1, CONFIG).state_dict()
    taken = transferred.lower_layers(weights, layers)
    blocks = {name.split(".")[1] for name in taken if name.startswith("blocks")}
    assert blocks == {str(number) for number in range(layers)}
    assert {"tokens.weight", "positions.weight"} <= taken.keys()
    assert len(taken) == 2 + layers * sum(name.startswith("blocks.0.") for name in weights)


def test_tuning_learns_and_all_weights_move():
    known = task.vocabulary(**VOCABULARY)
    model = fine_tuning.model_with(known, {}, n_hidden=0, **SIZES)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    examples = [([10 + label] * 3, label) for label in range(5)] * 2
    net = fine_tuning.fine_tune(model, examples, 60, 1e-2, 10, auxiliary=0.5)
    assert fine_tuning.accuracy(net, examples) == 1
    assert not any(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_accuracy_counts_right_answers():
    known = task.vocabulary(**VOCABULARY)
    net = FineTuned(fine_tuning.model_with(known, {}, n_hidden=0, **SIZES), task.CLASSES).eval()
    examples = task.labelled("test", **VOCABULARY)[:70]
    tokens, real, _ = fine_tuning.inputs(examples, SIZES["context"])
    told = net(tokens, real)[0].argmax(dim=1).tolist()
    right = [(text, answer) for (text, _), answer in zip(examples, told, strict=True)]
    assert fine_tuning.accuracy(net, right) == 1
    assert fine_tuning.accuracy(net, [(t, (a + 1) % 5) for t, a in right[:35]] + right[35:]) == 0.5


def test_frozen_features_leave_the_model_alone_and_read_what_is_there():
    class Telling(torch.nn.Module):
        """Its features are the tokens, one-hot."""

        def __init__(self):
            super().__init__()
            self.config = CONFIG

        def features(self, tokens):
            return F.one_hot(tokens, CONFIG.vocab_size).float()

    examples = [([10 + label], label) for label in range(5)] * 3
    assert fine_tuning.frozen_accuracy(Telling(), examples, examples[:5], 0.3) == 1
    others = [([10 + (label + 1) % 5], label) for label in range(5)]
    assert fine_tuning.frozen_accuracy(Telling(), examples, others, 0.3) == 0


def test_naive_bayes_counts():
    examples = [([10 + label, 10 + label], label) for label in range(5)]
    assert counting.naive_bayes(examples, examples, 20, context=11) == 1
    far = [([0] * 9 + [10 + label], label) for label in range(5)]  # beyond what is read
    assert counting.naive_bayes(examples, far, 20, context=11) == 0.2


# Zero-shot and pairs ---------------------------------------------------------------------------


def test_a_phrase_is_scored_behind_the_text_alone():
    model = seeded(GPT1, CONFIG).eval()
    texts, phrase = [[5, 6, 7], [8, 9]], [10, 11]
    found = zero_shot.behind(model, texts, phrase)
    for text, score in zip(texts, found, strict=True):
        log_p = model(torch.tensor([[*text, *phrase]])).log_softmax(-1)[0]
        expected = (log_p[len(text) - 1, 10] + log_p[len(text), 11]) / 2
        assert torch.isclose(score, expected)


def test_every_library_has_a_phrase_that_does_not_name_it():
    assert zero_shot.PHRASES.keys() == set(LIBRARIES)
    for phrase in zero_shot.PHRASES.values():
        assert not any(library in phrase for library in LIBRARIES)


def test_half_of_the_pairs_have_what_is_sought_on_either_side():
    texts = [([10 + label], label) for label in range(5)] * 20
    given, turned, real, answers = symmetry.pairs_of(texts, 200, context=11)
    sought = 10 + symmetry.SOUGHT
    assert torch.equal((given == sought).any(dim=1), answers == 1)
    assert answers.double().mean() == 0.5
    first = (given[:, 1] == sought)[answers == 1].double().mean()
    assert 0.3 < first < 0.7
    assert torch.equal(given[:, [3, 2, 1]], turned[:, [1, 2, 3]])
    assert real.all()


def test_one_order_is_not_symmetric_and_both_are():
    measured = symmetry.order(**symmetry.EXPERIMENTS["order"].settings)
    assert measured["both"] < 1e-12 < 1e-3 < measured["one"]


# Bugs ------------------------------------------------------------------------------------------


def test_untouched_arms_equal_the_model():
    right = seeded(GPT1, CONFIG).eval()
    tokens = some_tokens()
    for bug in ("output_not_tied", "labels_not_shifted"):
        assert torch.equal(right(tokens), seeded(bugs.MODELS[bug], CONFIG).eval()(tokens)), bug
    other = seeded(bugs.OtherGelu, CONFIG).eval()(tokens)
    assert 0 < (right(tokens) - other).abs().max() < 1e-2


def test_a_shifted_mask_shows_the_next_token_and_no_later_one():
    model = seeded(bugs.MaskShifted, CONFIG).eval()
    for block in model.blocks[1:]:
        block.attention.output.weight.data.zero_()
    tokens = some_tokens(1)
    changed = tokens.clone()
    changed[0, 5] = 4 + (tokens[0, 5] - 3) % 19
    before, after = (model(each).detach() for each in (tokens, changed))
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.isclose(before[:, 4], after[:, 4]).all()


def test_without_positions_order_shows_through_the_mask_only():
    model = seeded(bugs.NoPositions, CONFIG).eval()
    tokens = some_tokens(1)
    turned = torch.cat([tokens[:, :8].flip(1), tokens[:, 8:]], dim=1)
    model.blocks = model.blocks[:1]  # what the second has learnt from masked positions differs
    assert torch.allclose(model(tokens)[:, -1], model(turned)[:, -1], atol=1e-5)


def test_the_loss_without_a_shift_asks_for_the_token_itself():
    tokens = some_tokens()
    knows = 50.0 * F.one_hot(tokens, CONFIG.vocab_size).float()
    assert bugs.labels_not_shifted(knows, tokens) < 1e-6


def test_an_unseen_token_is_unseen():
    """A model that only repeats what it sees next has nothing to repeat."""
    right, peeking = seeded(GPT1, CONFIG).eval(), seeded(bugs.MaskShifted, CONFIG).eval()
    tokens = some_tokens(4, CONFIG.context)
    changed = tokens.clone()
    changed[:, -1] = 3
    for model in (right, peeking):
        alone = [model(each[:, :-1])[:, -1] for each in (tokens, changed)]
        assert torch.equal(*alone)
    assert bugs.nats_of_unseen(right, tokens) > 0


def test_reading_at_the_end_reads_padding_where_there_is_some():
    torch.manual_seed(5)
    right = FineTuned(GPT1(CONFIG), 3).eval()
    wrong = bugs.ReadAtTheEnd(right.model, 3).eval()
    wrong.load_state_dict(right.state_dict())
    tokens, real = batch_of([[1, 5, 6, 7, 3], [1, 5, 3]], CONFIG.context)
    same = torch.isclose(right(tokens, real)[0], wrong(tokens, real)[0]).all(dim=1)
    assert same.tolist() == [True, False]


def test_merges_in_the_wrong_order_cut_otherwise():
    rank = {("e", "r"): 0, ("w", "er"): 1, ("o", "w"): 2, ("l", "ow"): 3}
    assert apply_merges("lower", rank) == ["l", "o", "wer"]
    assert bugs.merged_as_it_comes("lower", rank) == ["low", "er"]
    assert bugs.merged_as_it_comes("lo", rank) == ["l", "o"]


def test_bugs_in_tuning_meet_padding():
    """Without texts of unequal length the two bugs would do nothing."""
    settings = bugs.EXPERIMENTS["bugs"].settings
    used = {name: settings[name] for name in VOCABULARY}
    examples = task.labelled("train", **used)[:100]
    lengths = {len(task.framed(text, settings["context"])) for text, _ in examples}
    assert len(lengths) > 10


# Parity and vocabulary -------------------------------------------------------------------------


def test_parity_would_see_one_wrong_weight(monkeypatch):
    as_theirs = parity._as_theirs

    def wrong(model, ours):
        named = as_theirs(model, ours)
        name = "transformer.h.0.ln_2.bias"
        return {**named, name: named[name] + 0.01}

    settings = {**parity.EXPERIMENTS["parity"].settings, **parity.EXPERIMENTS["parity"].smoke}
    assert parity.parity(1000, **settings)["worst"] < 1e-5
    monkeypatch.setattr(parity, "_as_theirs", wrong)
    assert parity.parity(1000, **settings)["worst"] > 1e-4


def test_parity_of_byte_pairs_would_see_another_order_of_merges(monkeypatch):
    known = task.vocabulary(**VOCABULARY)
    assert parity._byte_pairs(known, 400)["different"] == 0
    turned = type(known)([], known.merges, ["<start>", "<delimiter>", "<extract>"])
    turned.symbols, turned.number = known.symbols, known.number
    turned.merges = known.merges[::-1]  # what theirs is given; ours keeps its ranks
    assert parity._byte_pairs(turned, 400)["different"] > 0


def test_more_merges_shorten_and_nothing_is_lost():
    measured = run("byte_pairs").runs[0]
    assert measured["round_trip"] == 1
    assert measured["least_step"] > 0
    assert 0.5 < measured["known"] < 1


def test_differences_in_table_5_are_of_one_run():
    measured = run("table5").runs[0]
    for arm, by in measured["ahead"].items():
        for count, ahead in by.items():
            assert ahead == measured["accuracy"]["full"][count] - measured["accuracy"][arm][count]
    assert measured["accuracy"].keys() == {
        *table5.ARMS,
        "frozen",
        "frozen_untrained",
        "naive_bayes",
    }


def test_modules_are_all_joined():
    from generators.experiments import gpt1

    for module in (bugs, byte_pairs, parity, pretraining, symmetry, table5, transferred, zero_shot):
        assert module.EXPERIMENTS.items() <= gpt1.EXPERIMENTS.items()
        assert {claim.id for claim in module.CLAIMS} <= {claim.id for claim in gpt1.CLAIMS}
