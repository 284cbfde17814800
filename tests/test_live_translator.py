"""The number translator's script without a browser: numbers in words, places, alignment, sums of weights."""

import json
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

from generators.data import LANGUAGES, in_words, words
from generators.experiments.transformer.live_page import spelling
from generators.files import ROOT

SCRIPT = ROOT / "docs" / "assets" / "js" / "translator.js"

RUN = """
const fs = require("fs"), vm = require("vm");
vm.runInThisContext(fs.readFileSync(process.argv[1], "utf8"));
const given = JSON.parse(fs.readFileSync(0, "utf8"));
const W = NumberWords, N = [...Array(10000).keys()];
console.log(JSON.stringify(eval(given.ask)));
"""


def node(ask: str, **given: Any) -> Any:
    """The value of a JavaScript expression over `W` (the script's functions), `N` (0 to 9,999) and `given`."""
    command = shutil.which("node")
    if command is None:
        pytest.skip("Node is not installed; `nox -s env` brings it")
    asked = json.dumps({"ask": ask, **given})
    done = subprocess.run(
        [command, "-e", RUN, str(SCRIPT)], input=asked, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def tables() -> dict[str, Any]:
    return {language: spelling(language) for language in LANGUAGES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_number_is_written_and_cut_as_in_python(language: str, tables: dict[str, Any]):
    """Texts, pieces, where they stand, and the places that they speak of: all ten thousand."""
    ask = "N.map((n) => { const p = W.write(n, given.table); return [W.textOf(p), p] })"
    for number, (text, pieces) in enumerate(node(ask, table=tables[language])):
        assert text == in_words(number, language)
        expected = words(number, language)
        assert [piece["text"] for piece in pieces] == [word.text for word in expected]
        assert [set(piece["says"]) for piece in pieces] == [word.says for word in expected]
        ends = np.cumsum([len(piece["before"]) + len(piece["text"]) for piece in pieces])
        assert ends.tolist() == [word.end for word in expected]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_right_text_is_cut_into_the_pieces_that_it_was_made_of(
    language: str, tables: dict[str, Any]
):
    ask = """
        const shape = (pieces) => JSON.stringify(pieces.map(({ text, before }) => [text, before]));
        const written = N.filter((n) => n % 7 === 0).map((n) => W.write(n, given.table));
        written.filter((pieces) => shape(W.cut(W.textOf(pieces), given.table)) !== shape(pieces))"""
    assert node(ask, table=tables[language]) == []


@pytest.mark.parametrize(("source", "target"), [("de", "en"), ("fr", "da"), ("en", "fr")])
def test_the_true_alignment_is_that_of_the_places(source: str, target: str, tables: dict[str, Any]):
    ask = "given.n.map((n) => W.alignment(W.write(n, given.a), W.write(n, given.b)))"
    some = range(0, 10_000, 7)
    found = node(ask, n=[*some], a=tables[source], b=tables[target])
    for number, aligned in zip(some, found, strict=True):
        read = words(number, source)
        assert aligned == [
            [at for at, other in enumerate(read) if word.says & other.says]
            for word in words(number, target)
        ]


def test_what_reaches_over_what(tables: dict[str, Any]):
    """In 21, "twenty" reaches over "ein"; between two languages of one order nothing does."""
    ask = "given.ways.map(([n, a, b]) => W.reaches(W.alignment(W.write(n, given.t[a]), W.write(n, given.t[b]))))"
    ways = [
        (21, "de", "en"),
        (4721, "de", "en"),
        (21, "en", "de"),
        (21, "de", "da"),
        (20, "de", "en"),
    ]
    assert node(ask, t=tables, ways=ways) == [[0, 0], [5, 4], [0, 0], None, None]


@pytest.mark.parametrize(
    ("text", "wrong", "lost"),
    [
        ("four thousand, seven hundred and twenty-one", [], []),
        ("four thousand, six hundred and twenty-one", ["six"], ["seven"]),
        ("four thousand, seven hundred and twenty", [], ["one"]),
        ("four thousand, seven hundred and twenty-one-one", ["one"], []),
        ("xyz thousand, seven hundred and twenty-one", ["xyz"], ["four"]),
        ("four hundred and twenty-one", [], ["thousand", "seven"]),
        ("", [], ["four", "thousand", "seven", "hundred", "and", "twenty", "one"]),
    ],
)
def test_what_is_wrong_with_a_text(
    text: str, wrong: list[str], lost: list[str], tables: dict[str, Any]
):
    ask = "W.compared(W.cut(given.text, given.table), W.write(4721, given.table))"
    found = node(ask, text=text, table=tables["en"])
    assert [piece["text"] for piece in found["pieces"] if piece.get("wrong")] == wrong
    before = [text for piece in found["pieces"] for text in piece["missing"]]
    assert before + found["missing"] == lost
    says = {piece["text"]: piece["says"] for piece in found["pieces"] if not piece.get("wrong")}
    assert says.get("hundred", ["hundred"]) == ["hundred"]  # what is right keeps its meaning


def test_pieces_that_share_a_token_become_one(tables: dict[str, Any]):
    """And each token knows whose it is; a comma's or the end's token belongs to no piece."""
    ask = "given.cases.map(([n, language, tokens]) => W.joined(W.write(n, given.t[language]), tokens))"
    cases = [
        (4721, "de", ["viertausend", "siebenhundert", "ein", "undzwanzig"]),
        (
            4721,
            "en",
            ["fo", "ur", " thousand", ",", " seven", " hundred", " and", " twenty-", "one"],
        ),
        (81, "fr", ["quatre-v", "ingt-un"]),
    ]
    german, english, french = node(ask, t=tables, cases=cases)
    assert [piece["text"] for piece in german["pieces"]] == cases[0][2]
    assert german["owners"] == [0, 1, 2, 3]
    assert german["pieces"][1]["says"] == ["hundreds", "hundred"]
    assert german["pieces"][3]["says"] == ["tens"]
    assert [piece["text"] for piece in english["pieces"]] == [w.text for w in words(4721, "en")]
    assert english["owners"] == [0, 0, 1, -1, 2, 3, 4, 5, 6]
    assert [piece["text"] for piece in french["pieces"]] == ["quatre-vingt-un"]
    assert french["owners"] == [0, 0]


def test_weights_of_tokens_become_weights_of_pieces():
    """Summed over the tokens of a source piece, mean over those of a target piece; rows still sum to 1."""
    generator = np.random.default_rng(0)
    weights = generator.dirichlet(
        np.ones(5), size=4
    )  # four written tokens look at four and the end
    target, source = [0, 0, -1, 1], [0, 1, 1, 2, -1]
    found = np.array(
        node(
            "W.byPieces(given.w, given.target, given.source, 2, 3)",
            w=weights.ravel().tolist(),
            target=target,
            source=source,
        )
    )
    summed = np.stack(
        [weights[:, 0], weights[:, 1] + weights[:, 2], weights[:, 3], weights[:, 4]], 1
    )
    assert np.allclose(found, [(summed[0] + summed[1]) / 2, summed[3]])
    assert np.allclose(found.sum(axis=1), 1)
