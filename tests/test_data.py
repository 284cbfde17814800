"""The data are what we say they are."""

import gzip
import hashlib

import pytest

from generators import data
from generators.data import LANGUAGES, NoData, byte_pairs, held_out, in_words, multi30k, words

NUMBERS = [*range(0, 130), *range(171, 10_000, 97), 1000, 1100, 2024, 4444, 9999]


def test_every_word_that_says_something_has_a_counterpart_in_every_language():
    for number in NUMBERS:
        pieces = {language: words(number, language) for language in LANGUAGES}
        places = {
            language: frozenset().union(*(word.says for word in pieces[language]))
            for language in LANGUAGES
        }
        for language in LANGUAGES:
            for other in LANGUAGES:
                assert all(word.says & places[other] for word in pieces[language] if word.says), (
                    number,
                    language,
                    other,
                )


def test_words_are_pieces_of_the_text_in_order():
    for number in NUMBERS:
        for language in LANGUAGES:
            text = in_words(number, language)
            for word in words(number, language):
                assert text[word.start : word.end] == word.text


@pytest.mark.parametrize(
    ("number", "language", "expected"),
    [
        (21, "de", {"ein": {"units"}, "und": set(), "zwanzig": {"tens"}}),
        (24, "de", {"vier": {"units"}, "und": set(), "zwanzig": {"tens"}}),
        (21, "en", {"twenty": {"tens"}, "one": {"units"}}),
        (80, "fr", {"quatre": {"tens"}, "vingts": {"tens"}}),
        (71, "fr", {"soixante": {"tens"}, "et": set(), "onze": {"tens", "units"}}),
        (77, "fr", {"soixante": {"tens"}, "dix": {"tens"}, "sept": {"units"}}),
        (12, "da", {"tolv": {"tens", "units"}}),
        (
            3100,
            "fr",
            {"trois": {"thousands"}, "mille": {"thousand"}, "cent": {"hundred", "hundreds"}},
        ),
    ],
)
def test_each_word_says_the_places_that_a_person_would_name(number, language, expected):
    assert {word.text: set(word.says) for word in words(number, language)} == expected


def test_one_number_in_ten_is_held_out_and_always_the_same_ones():
    kept = [number for number in range(10_000) if held_out(number)]
    assert 900 <= len(kept) <= 1100
    assert hashlib.sha256(str(kept).encode()).hexdigest().startswith("57aa7583e153085a")


def test_byte_pairs_lose_nothing_and_are_the_same_each_time():
    texts = [in_words(number, language) for number in range(0, 2000, 7) for language in LANGUAGES]
    tokenizer = byte_pairs(texts, 60, ["<pad>", "<end>"])
    assert tokenizer.token_to_id("<end>") == 1
    for text in texts[:50]:
        assert "".join(tokenizer.encode(text).tokens) == text
    assert tokenizer.to_str() == byte_pairs(texts, 60, ["<pad>", "<end>"]).to_str()


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A folder with a tiny Multi30k of the published shape, and the checksums that go with it."""
    monkeypatch.setenv("DEEP_LEARNING_PAPERS_DATA", str(tmp_path))
    files = {}
    (tmp_path / "multi30k").mkdir()
    for language, lines in {"de": "Ein Hund.\nZwei Männer.\n", "en": "A dog.\nTwo men.\n"}.items():
        path = tmp_path / "multi30k" / f"val.{language}.gz"
        path.write_bytes(gzip.compress(lines.encode()))
        files[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return tmp_path, files


def test_multi30k_pairs_the_lines(published):
    assert multi30k("val", published[1]) == [("Ein Hund.", "A dog."), ("Zwei Männer.", "Two men.")]


def test_a_split_that_is_not_there_names_those_that_are(published):
    with pytest.raises(ValueError, match="only val"):
        multi30k("valid", published[1])


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise OSError("network is unreachable")

    monkeypatch.setattr("pooch.downloaders.HTTPDownloader.__call__", refuse)


def test_without_network_and_copy_the_error_says_what_to_do(published, no_network):
    folder, files = published
    (folder / "multi30k" / "val.de.gz").unlink()
    with pytest.raises(NoData, match="DEEP_LEARNING_PAPERS_DATA"):
        multi30k("val", files)


def test_a_damaged_copy_is_not_used(published, no_network):
    folder, files = published
    damaged = folder / "multi30k" / "val.en.gz"
    damaged.write_bytes(damaged.read_bytes()[:-4])
    with pytest.raises(NoData, match=r"val\.en\.gz"):
        multi30k("val", files)


def test_the_published_checksums_name_three_splits_in_two_languages():
    assert len(data.MULTI30K_FILES) == 6
    assert all(len(value) == 64 for value in data.MULTI30K_FILES.values())
