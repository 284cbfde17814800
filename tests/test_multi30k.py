"""Captions as tokens, their scores, and the nouns that heads may find."""

import gzip
import hashlib
import json
from collections import Counter

import pytest
import torch

from generators import data
from generators.experiment import find_experiment, settings_of
from generators.experiments.transformer import multi30k
from generators.experiments.transformer.multi30k_heads import (
    Hits,
    articles_with_nouns,
    compared,
    words_of,
)
from generators.experiments.transformer.multi30k_text import (
    END,
    PADDING,
    SAMPLE,
    SPLITS,
    START,
    bucketed,
    corpus,
    decode,
    encode,
    endless,
    separated,
    together,
)


@pytest.fixture(scope="module")
def sample():
    return corpus(sample=True, merges=60)


@pytest.fixture(scope="module")
def pairs():
    lengths = [(3 + 7 * i % 19, 2 + 5 * i % 23) for i in range(157)]
    return [([5] * german, [6] * english) for german, english in lengths]


def test_text_becomes_tokens_and_the_same_text_again(sample):
    odd = 'Ein T-Shirt ("rot"), sagt er: 3,5 m... '
    assert together(separated(odd)) == odd.strip()
    for pair in SAMPLE[:8]:  # the vocabulary knows only their characters
        for text in pair:
            assert decode(sample.tokenizer, encode(sample.tokenizer, text)) == text
    ids = encode(sample.tokenizer, "A dog.")
    assert ids[-1] == END
    assert decode(sample.tokenizer, [*ids, *ids, PADDING]) == "A dog."


def test_every_pair_is_in_one_batch_and_no_batch_is_too_large(pairs):
    batches = bucketed(pairs, tokens=200)
    assert sorted(index for batch in batches for index in batch) == list(range(len(pairs)))
    for batch in batches:
        widths = [max(len(pairs[index][side]) for index in batch) for side in (0, 1)]
        assert sum(widths) * len(batch) <= 200


def test_a_pair_that_is_longer_than_a_batch_is_a_batch_of_its_own(pairs):
    batches = bucketed([*pairs, ([5] * 300, [6])], tokens=200)
    assert [len(pairs)] in batches


def test_an_epoch_hands_out_every_token_once_and_counts_it(pairs):
    seen = Counter()
    stream = endless(pairs, 200, seen)
    torch.manual_seed(3)
    sources = targets = 0
    while seen["sentences"] < len(pairs):
        source, target = next(stream)
        assert (target[:, 0] == START).all()
        sources += int((source != PADDING).sum())
        targets += int((target[:, 1:] != PADDING).sum())
    assert seen == {"sentences": len(pairs), "tokens": sources + targets}
    assert sources == sum(len(german) for german, _ in pairs)
    assert targets == sum(len(english) for _, english in pairs)


def test_the_mean_of_checkpoints_is_the_mean_of_each_weight():
    first = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([[0.0]])}
    second = {"a": torch.tensor([3.0, 6.0]), "b": torch.tensor([[4.0]])}
    mean = multi30k.mean_of([first, second])
    assert {name: weight.tolist() for name, weight in mean.items()} == {
        "a": [2.0, 4.0],
        "b": [[2.0]],
    }


def test_bleu_of_a_pair_worked_out_by_hand():
    # 1-grams 6 of 7, 2-grams 4 of 6, 3-grams 2 of 5, 4-grams 1 of 4; no word too few.
    found = multi30k.scores(["a man in a red hat ."], ["a man in a blue hat ."])
    by_hand = 100 * (6 / 7 * 4 / 6 * 2 / 5 * 1 / 4) ** 0.25
    assert found["bleu"] == pytest.approx(by_hand)
    assert multi30k.scores(["A man sits here."], ["A man sits here."])["bleu"] == pytest.approx(100)


def test_case_counts_in_bleu_and_not_in_its_lower_cased_twin():
    found = multi30k.scores(["a man sits on a bench."], ["A man sits on a bench."])
    assert found["bleu"] < found["lowercase"] == pytest.approx(100)


def test_the_signature_says_case_and_tokenisation():
    signatures = multi30k.signatures()
    assert "case:mixed" in signatures["bleu"]
    assert "tok:13a" in signatures["bleu"]
    assert "case:lc" in signatures["lowercase"]


def test_articles_go_to_the_next_capitalised_word():
    words = separated(
        "Ein Hund mit der sehr alten Dame, die den Ball und das kleine, Rad hat"
    ).split()
    found = [(words[article], words[noun]) for article, noun in articles_with_nouns(words)]
    assert found == [("Ein", "Hund"), ("der", "Dame"), ("den", "Ball")]


def test_tokens_know_their_words():
    assert words_of([" Ein", " K", "ar", "ate", " ￭."]) == [0, 1, 1, 1, 2]


def test_head_and_offset_are_chosen_on_one_split_and_judged_on_the_other():
    def split(heads, offset):
        offsets = torch.zeros(2, 8)
        offsets[:, 0] = offset
        return Hits(torch.tensor(heads).double(), offsets, torch.tensor([True, False]))

    chosen_on = split([[[0, 1]], [[0, 1]]], torch.tensor([1.0, 0.0]))  # the second head finds both
    judged_on = split([[[1, 0]], [[1, 1]]], torch.tensor([1.0, 1.0]))
    result = compared(chosen_on, judged_on)
    assert result["which"] == {"layer": 1, "head": 2, "offset": 1}
    assert (result["head"], result["offset"], result["gain"]) == (0.5, 1.0, -0.5)


def test_the_smoke_run_passes_and_needs_no_data(monkeypatch):
    monkeypatch.setattr("pooch.retrieve", lambda *_, **__: pytest.fail("asked for data"))
    torch.manual_seed(1000)
    experiment = find_experiment("transformer", "multi30k")
    result = experiment.run(1000, **settings_of(experiment, {}, smoke=True))
    json.dumps(result, allow_nan=False)
    assert set(result["bleu"]) == {"greedy", "beam", "averaged"}
    assert len(result["curve"]) == 2
    assert result["seen"]["epochs"] == result["seen"]["sentences"] / 8


def test_the_real_corpus_comes_from_the_loader(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEP_LEARNING_PAPERS_DATA", str(tmp_path))
    (tmp_path / "multi30k").mkdir()
    files = {}
    for split in SPLITS:
        for language, place in (("de", 0), ("en", 1)):
            path = tmp_path / "multi30k" / f"{split}.{language}.gz"
            path.write_bytes(gzip.compress("\n".join(p[place] for p in SAMPLE[:4]).encode()))
            files[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(data.multi30k, "__defaults__", (files,))
    assert corpus(sample=False, merges=20).text["val"] == SAMPLE[:4]


def test_every_published_system_says_how_it_was_checked():
    for system in multi30k.PUBLISHED:
        assert all(system[field] for field in ("checked", "source", "metric", "comparable"))
    alike = multi30k.PUBLISHED[0]
    assert (alike["direction"], alike["bleu"]) == ("de-en", multi30k.TRAINED_ALIKE)
