"""The data are what we say they are."""

import gzip
import hashlib
import re

import pytest

from generators import data
from generators.data import (
    LANGUAGES,
    LIBRARIES,
    Docstring,
    NoData,
    balanced,
    byte_pairs,
    held_out,
    held_out_file,
    in_words,
    library_prose,
    masked,
    multi30k,
    prose,
    read_prose,
    tiny_shakespeare,
    which_library,
    words,
)
from generators.files import canonical, digest
from generators.fingerprint import fingerprint, parts, pins

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


LONG = "It says at some length what the thing is for, so that nobody could take it for a mere label or a heading. "
OTHER = "Wholly different sentences stand here, about rivers and bridges, and boats that pass below them. "


@pytest.fixture
def package(tmp_path):
    """Writes files of a toy package and returns the docstrings read from it."""

    def write(**files: str | bytes) -> list[Docstring]:
        for name, content in files.items():
            path = tmp_path / "toy" / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_prose({"toy": tmp_path / "toy"})

    return write


def test_docstrings_of_modules_classes_and_functions_are_read_in_order_without_import(package):
    source = (
        f'"""Module. {LONG}"""\nraise SystemExit\nX = "no docstring {LONG}"\n'
        f'class A:\n  """Class. {LONG}\n\n  level\n     deeper\n  """\n'
        f'  async def run(self):\n    r"""Method \\d. {LONG}"""\n'
        f'try:\n  pass\nexcept OSError:\n  def b():\n    """Function \\d. {LONG}"""\n'
    )
    found = package(b=source, a__c=f'"""First. {LONG}"""')
    assert [docstring.file for docstring in found] == ["toy/a/c.py", *["toy/b.py"] * 4]
    starts = [docstring.text.partition(".")[0] for docstring in found]
    assert starts == ["First", "Module", "Class", "Method \\d", "Function \\d"]
    assert found[2].text == f"Class. {LONG}\n\nlevel\n   deeper"
    assert {docstring.package for docstring in found} == {"toy"}


def test_labels_tests_and_other_encodings_are_left_out(package):
    found = package(
        a=f'"""{LONG}"""\ndef f():\n  """{OTHER[:99]}"""',
        tests__b=f'"""{OTHER}{LONG}"""',
        test_c=f'"""{LONG}{OTHER}"""',
        d=f'# coding: latin-1\n"""{OTHER} \u00e9 {OTHER}"""'.encode("latin-1"),
    )
    assert [docstring.text for docstring in found] == [LONG]


@pytest.mark.parametrize(
    "copy",
    [
        "{LONG}{OTHER}",
        "{LONG}\n\n{OTHER}",
        LONG.upper() + OTHER,
        "{LONG} 17 `names` other_name g {OTHER}",
    ],
)
def test_of_texts_that_differ_in_names_numbers_and_layout_the_first_is_kept(package, copy):
    text = copy.replace("{LONG}", LONG).replace("{OTHER}", OTHER)
    found = package(a=f'"""{LONG}{OTHER}"""', b=f'def g():\n  """{text}"""')
    assert [docstring.file for docstring in found] == ["toy/a.py"]


def test_texts_that_differ_in_a_plain_word_are_both_kept(package):
    assert len(package(a=f'"""{LONG}{OTHER}"""', b=f'"""{LONG}{OTHER}indeed"""')) == 2


def test_the_rule_of_reading_has_a_number_that_changes_with_it():
    assert (data.PROSE_RULE, fingerprint(read_prose)[:16]) == (1, "207f9afd88ec9688")


def test_the_packages_of_the_prose_are_the_pinned_ones_and_count_in_what_a_run_means():
    pinned = {name: pins()[name.replace("-", "_")] for name in data.PROSE_PACKAGES}
    assert pinned == data.PROSE_PACKAGES
    assert "generators.data.PROSE_PACKAGES" in parts(prose)[0]
    assert "generators.data.PROSE_PACKAGES" in parts(which_library)[0]


@pytest.fixture
def toy_library(tmp_path, monkeypatch):
    """Library prose made of one toy package, and the folder in which it is cached."""
    monkeypatch.setenv("DEEP_LEARNING_PAPERS_DATA", str(tmp_path / "cache"))
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "a.py").write_text(f'"""{LONG}{OTHER}"""')
    monkeypatch.setattr(data, "PROSE_PACKAGES", {"toy": "1.0"})
    monkeypatch.setattr(data, "_installed", lambda name: tmp_path / name)
    library_prose.cache_clear()
    yield tmp_path / "cache"
    library_prose.cache_clear()


def test_prose_is_read_once_and_again_when_the_copy_is_damaged_or_the_pins_are_others(
    toy_library, monkeypatch
):
    first = library_prose()
    (path,) = toy_library.iterdir()
    assert [docstring.text for docstring in first] == [LONG + OTHER]

    monkeypatch.setattr(data, "read_prose", lambda _: [])
    library_prose.cache_clear()
    assert library_prose() == first  # from the cache

    path.write_bytes(path.read_bytes()[:-9])
    library_prose.cache_clear()
    assert library_prose() == []

    monkeypatch.setattr(data, "read_prose", lambda _: first)
    library_prose.cache_clear()
    assert library_prose() == []  # what was read is what is cached

    monkeypatch.setattr(data, "PROSE_PACKAGES", {"toy": "1.1"})
    library_prose.cache_clear()
    assert library_prose() == first


def test_a_folder_that_cannot_be_written_does_without_the_cache(toy_library):
    toy_library.write_text("a file where the folder should be")
    assert len(library_prose()) == 1


def test_another_version_is_refused_by_name_and_another_build_is_not(monkeypatch):
    monkeypatch.setattr(
        "importlib.metadata.version", lambda _: data.PROSE_PACKAGES["numpy"] + "+cpu"
    )
    assert data._installed("numpy").name == "numpy"
    with pytest.raises(NoData, match=r"scipy 1\.17\.1, but 2\.4\.6 is installed"):
        data._installed("scipy")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(data.PROSE_PACKAGES, "no-such-package", "1.0")
    with pytest.raises(NoData, match=r"no-such-package 1\.0, but no version"):
        library_prose()


def test_scikit_learn_is_found_under_the_name_of_its_folder():
    assert data._installed("scikit-learn").name == "sklearn"


def test_one_file_in_ten_is_held_out_and_always_the_same_ones():
    kept = [number for number in range(5000) if held_out_file(f"toy/{number}.py")]
    assert 450 <= len(kept) <= 550
    assert hashlib.sha256(str(kept).encode()).hexdigest().startswith("2b270683b5d6d8c7")


@pytest.fixture
def shelf(monkeypatch):
    """Prose in place of the real one: 40 files of each package, each with two texts."""
    docstrings = [
        Docstring(package, f"{package}/{file}.py", f"text {number}.{file}.{part}")
        for number, package in enumerate(data.PROSE_PACKAGES)
        for file in range(40)
        for part in "ab"
    ]
    monkeypatch.setattr(data, "library_prose", lambda: docstrings)
    return docstrings


def test_a_file_is_in_one_split_and_the_unseen_package_in_no_other(shelf):
    splits = {name: prose(name) for name in ("train", "held_out", "unseen")}
    assert sorted([*splits["train"], *splits["held_out"], *splits["unseen"]]) == sorted(
        docstring.text for docstring in shelf
    )
    files = {name: {text[:-2] for text in texts} for name, texts in splits.items()}
    assert not files["train"] & files["held_out"]
    assert 10 <= len(files["held_out"]) <= 30
    assert splits["unseen"] == [each.text for each in shelf if each.package == "networkx"]
    with pytest.raises(ValueError, match="only train, held_out, unseen"):
        prose("test")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import numpy as np", "import LIBRARY as LIBRARY"),
        ("Use `np.linalg.norm(x)`.", "Use `LIBRARY(x)`."),
        ("torch.nn.Linear, PyTorch", "LIBRARY, LIBRARY"),
        ("scikit-learn's sklearn.svm", "LIBRARY's LIBRARY"),
        ("SciPy, SymPy and NetworkX", "LIBRARY, LIBRARY and LIBRARY"),
        ("nx.Graph; sp.eye(3); scipy_like", "LIBRARY; LIBRARY(3); LIBRARY"),
        ("https://numpy.org/doc", "https://LIBRARY/doc"),
        ("input, span, nxt, tor ch", "input, span, nxt, tor ch"),
        ("See SciPy. Then go.", "See LIBRARY. Then go."),
    ],
)
def test_a_library_is_masked_with_its_aliases_and_paths(text, expected):
    assert masked(text) == expected


@pytest.mark.parametrize(("split", "of_prose"), [("train", "train"), ("test", "held_out")])
def test_labelled_texts_are_balanced_in_turns_and_of_their_files_only(shelf, split, of_prose):
    shelf.remove(next(each for each in shelf if each.package == "torch"))
    texts, labels = which_library(split)
    package = {each.text: each.package for each in shelf}
    assert [package[text] for text in texts] == [LIBRARIES[label] for label in labels]
    assert labels == list(range(5)) * (len(labels) // 5)
    assert len(texts) == len(set(texts)) > 5
    assert set(texts) < set(prose(of_prose))
    numpys = [text for text in texts if package[text] == "numpy"]
    assert numpys != sorted(numpys, key=list(package).index)  # not in the order of the files
    assert which_library(split) == (texts, labels)


def test_library_of_an_unknown_split_is_refused(shelf):
    with pytest.raises(ValueError, match="only train, test"):
        which_library("held_out")


def test_a_beginning_is_masked_before_it_is_cut_and_equal_ones_are_kept_once_for_training_first():
    files = {held_out_file(f"toy/{number}.py"): f"toy/{number}.py" for number in range(50)}
    docstrings = [
        Docstring(library, files[held], f"numpy.random {number} {rest}")
        for held in (True, False)  # the test's files come first
        for number, library in enumerate(LIBRARIES)
        for rest in (f"both {held}", f"{held}", f"{held} and then")
    ]
    beginnings = {"train": set(), "held_out": set()}
    for split in beginnings:
        texts, labels = balanced(docstrings, split, len("LIBRARY 0 both"))
        assert all(text.split()[1] == str(label) for text, label in zip(texts, labels, strict=True))
        beginnings[split] = {text.replace(text.split()[1], "#") for text in texts}
        assert len(texts) == len(set(texts)) == 5 * len(beginnings[split])
    assert beginnings == {
        "train": {"LIBRARY # both", "LIBRARY # Fals"},
        "held_out": {"LIBRARY # True"},  # their "both" is in training
    }


def test_the_real_prose_is_the_one_that_records_were_made_from():
    if not list(data.data_folder().glob("library_prose-*.json")):
        pytest.skip("library prose takes half a minute to read; an experiment's run caches it")
    everything = [[each.package, each.file, each.text] for each in library_prose()]
    assert digest(canonical(everything)).startswith("17328e63612166a3")
    megabytes = {
        split: sum(map(len, prose(split))) / 1e6 for split in ("train", "held_out", "unseen")
    }
    assert megabytes == pytest.approx(
        {"train": 17.499, "held_out": 1.837, "unseen": 1.917}, abs=1e-3
    )
    (train, labels), (test, _) = which_library("train"), which_library("test")
    assert (len(train), len(test)) == (6000, 625)
    assert {labels.count(label) for label in range(5)} == {1200}
    assert not set(train) & set(test)
    assert not [
        text for text in train + test if re.search(r"numpy|scipy|torch|sklearn|sympy", text)
    ]


SONNET = "".join(f"Line {number} of the play: être.\n" for number in range(30))


@pytest.fixture
def plays(tmp_path, monkeypatch):
    """A cached file of the published name, and its checksum."""
    monkeypatch.setenv("DEEP_LEARNING_PAPERS_DATA", str(tmp_path))
    path = tmp_path / "tinyshakespeare" / "input.txt"
    path.parent.mkdir()
    path.write_bytes(SONNET.encode())
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_nine_characters_in_ten_of_shakespeare_are_for_training(plays):
    train, val = (tiny_shakespeare(split, plays[1]) for split in ("train", "val"))
    assert train + val == SONNET
    assert len(train) == len(SONNET) * 9 // 10
    with pytest.raises(ValueError, match="only train, val"):
        tiny_shakespeare("test", plays[1])


def test_another_shakespeare_and_none_are_refused(plays, no_network):
    with pytest.raises(NoData, match=r"input\.txt"):
        tiny_shakespeare("train")
    plays[0].unlink()
    with pytest.raises(NoData, match="DEEP_LEARNING_PAPERS_DATA"):
        tiny_shakespeare("train", plays[1])
