"""The engine of live models against PyTorch and itself, and against files and texts that mean it ill.

Every test takes the text of engine.js, so that the same test can judge a text with a bug in it.
"""

import copy
import json
import math
import re
from collections.abc import Callable

import pytest
import torch
from live_engine_fixtures import (
    DECODERS,
    ENGINE,
    PAGE_SPLIT,
    TRANSLATORS,
    Case,
    byte_merges,
    config_of,
    decoded,
    decoder,
    enliven,
    gates_of,
    hostile,
    in_node,
    merges_of,
    tokens_of,
    translated,
    translator,
    with_gates,
)

from generators.data import LANGUAGES, byte_pairs, in_words
from generators.weights import live_bytes
from implementations.gpt2 import GPT2, ByteTokenizer, next_token, to_bytes
from implementations.transformer import Transformer, TransformerConfig, greedy

LOGITS, ATTENTION = 3e-5, 5e-6  # how far single precision may lead PyTorch and us apart
PARTS = ("encoder", "self", "cross")

# What the lines in the tests share.
ALL = "const all = (f, g) => g.map((row, l) => row.map((_, h) => f(l, h)));\n"
SET = "const set = (m, g, p = []) => g.forEach((row, l) => row.forEach((v, h) => m.setGate(...p, l, h, v)));\n"
SAME = """const same = (a, b) => {
  const bits = (x) => new Uint32Array(x.buffer, x.byteOffset, x.length);
  const [one, other] = [bits(a), bits(b)];
  return one.length === other.length && one.every((word, at) => word === other[at]);
};
const differences = (a, b, gates, names) => {
  const wrong = same(a.logits, b.logits) ? [] : ["logits"];
  const compare = (name, l, h) => {
    try {
      return same(a[name](l, h), b[name](l, h)) ? [] : [name + " " + l + "." + h];
    } catch (error) {
      return [name + ": " + error.message]; // such as a row that is too long
    }
  };
  return wrong.concat(names.flatMap((name) => gates.flatMap((row, l) => row.flatMap((_, h) => compare(name, l, h)))));
};
"""


@pytest.fixture
def engine() -> str:
    """The engine as readers get it."""
    return ENGINE.read_text(encoding="utf-8")


def gap(ours, theirs: torch.Tensor) -> float:
    """The largest difference; what comes by head is put together first."""
    if isinstance(ours, list):
        ours = torch.stack([torch.stack(heads) for heads in ours])
    assert ours.numel() == theirs.numel()
    return (ours.view(theirs.shape) - theirs).abs().max().item()


# Numbers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", DECODERS)
def test_the_decoder_equals_pytorch(engine, size):
    case, config = decoder(size), DECODERS[size][0]
    cases = [
        {"ids": tokens_of(length, config, length), "gates": gates_of(kind, config, length)}
        for length in (1, 2, 7, 20, 33, config.context)
        for kind in ("on", "off", "between")
    ]
    lines = f"""{ALL}{SET} return given.cases.map(({{ ids, gates }}) => {{
      const m = load("file");
      set(m, gates);
      const r = m.run(ids), of = (f) => all(f, gates);
      return {{ length: r.length, logits: r.logits, attention: of(r.attention),
                query: of(r.query), key: of(r.key), value: of(r.value) }};
    }});"""
    for asked, ours in zip(
        cases, in_node(engine, lines, {"file": case.file()}, cases=cases), strict=True
    ):
        theirs = decoded(case.model, asked["ids"], asked["gates"])
        assert ours["length"] == len(asked["ids"])
        assert gap(ours["attention"], theirs["attention"]) < ATTENTION
        for name in ("logits", "query", "key", "value"):
            assert gap(ours[name], theirs[name]) < LOGITS, name


@pytest.mark.parametrize("size", TRANSLATORS)
def test_the_translator_equals_pytorch(engine, size):
    case, config = translator(size), TRANSLATORS[size][0]
    lengths = [(1, 1), (2, 7), (7, 2), (20, 33), (config.context, config.context)]
    cases = [
        {
            "source": tokens_of(source, config, source),
            "target": tokens_of(target, config, target + 100),
            "gates": {part: gates_of(kind, config, source + n) for n, part in enumerate(PARTS)},
        }
        for source, target in lengths
        for kind in ("on", "off", "between")
    ]
    lines = f"""{ALL}{SET} return given.cases.map(({{ source, target, gates }}) => {{
      const m = load("file");
      for (const part in gates) set(m, gates[part], [part]);
      const r = m.run(source, target), of = (f) => all(f, gates.self);
      return {{ length: r.length, logits: r.logits, encoder: of(r.encoder), self: of(r.self), cross: of(r.cross) }};
    }});"""
    for asked, ours in zip(
        cases, in_node(engine, lines, {"file": case.file()}, cases=cases), strict=True
    ):
        theirs = translated(case.model, **asked)
        assert ours["length"] == len(asked["target"])
        assert gap(ours["logits"], theirs["logits"]) < LOGITS
        for part in PARTS:
            assert gap(ours[part], theirs[part]) < ATTENTION, part


@pytest.mark.parametrize("size", TRANSLATORS)
def test_it_translates_as_greedy_does(engine, size):
    case, config = translator(size), TRANSLATORS[size][0]
    start, longest = 1, 12
    # Gates come in as well: they must count in every step.
    cases = []
    for number in range(6):
        kind = ("on", "between")[number % 2]
        gates = {part: gates_of(kind, config, number + n) for n, part in enumerate(PARTS)}
        source = tokens_of(1 + 5 * number, config, number)
        free = greedy(
            with_gates(case.model, gates), torch.tensor([source]), torch.tensor([start]), 2, longest
        )
        # An end that is written half way, where the model writes anything but one token.
        cases.append(
            {
                "source": source,
                "gates": gates,
                "end": int(free[0, longest // 2 - 1]) if free.shape[1] == longest else 2,
            }
        )
    lines = f"""{ALL}{SET} const m = load("file");
    return given.cases.map(({{ source, gates, end }}) => {{
      for (const part in gates) set(m, gates[part], [part]);
      const r = m.translate(source, given.start, end, given.longest);
      return {{ tokens: r.tokens, logits: r.logits, cross: all(r.cross, gates.cross) }};
    }});"""
    given = {"cases": cases, "start": start, "longest": longest}
    answers = in_node(engine, lines, {"file": case.file()}, **given)
    for asked, ours in zip(cases, answers, strict=True):
        gates, source = asked["gates"], asked["source"]
        model = with_gates(case.model, gates)
        theirs = greedy(
            model, torch.tensor([source]), torch.tensor([start]), asked["end"], longest
        )[0]
        assert ours["tokens"] == theirs.tolist()
        # Row t is the one that wrote token t.
        rows = translated(case.model, source, [start, *ours["tokens"][:-1]], gates)
        assert gap(ours["logits"], rows["logits"]) < LOGITS
        assert gap(ours["cross"], rows["cross"]) < ATTENTION
    if size != "smallest":
        assert len({token for ours in answers for token in ours["tokens"]}) > 5  # a real trial
        assert len({len(ours["tokens"]) for ours in answers}) > 1


# What is kept between runs --------------------------------------------------------------------------------------


def edits(config: TransformerConfig, count: int, seed: int) -> list[list[int]]:
    """A text under random edits: tokens appended, deleted, inserted, changed; now and then none or all are left."""
    generator = torch.Generator().manual_seed(seed)

    def draw(limit: int) -> int:
        return int(torch.randint(limit, (), generator=generator))

    tokens, states = tokens_of(config.context // 2, config, seed), []
    for _ in range(count):
        act, place = draw(6), draw(len(tokens) + 1)
        if act == 0:
            del tokens[place : place + 1 + draw(3)]
        elif act == 1 or not tokens:
            tokens[place:place] = tokens_of(1 + draw(3), config, draw(1000))
        elif act == 2:
            tokens[min(place, len(tokens) - 1)] = 1 + draw(config.vocab_size - 1)
        elif act == 3:
            tokens = tokens[: draw(len(tokens) + 1)]
        else:
            tokens = [*tokens, *tokens_of(1 + draw(2), config, draw(1000))]
        tokens = tokens[: config.context]
        states.append([*tokens])
    return states


def flips(config: TransformerConfig, count: int, seed: int) -> list[list[list[float]]]:
    """Gates that stay for some edits and then change."""
    kinds = ["on", "on", "off", "off", "between", "between", "between", "on"]
    return [gates_of(kinds[n % 8], config, seed + n // 3) for n in range(count)]


@pytest.mark.parametrize(("size", "count"), [("uneven", 30), ("page", 10)])
def test_a_run_after_edits_equals_a_fresh_one_bit_for_bit(engine, size, count):
    config = DECODERS[size][0]
    cases = [
        {"ids": ids, "gates": gates}
        for ids, gates in zip(edits(config, count, 5), flips(config, count, 5), strict=True)
    ]
    lines = f"""{SET}{SAME} let m = load("file");
    return given.cases.map(({{ ids, gates }}, step) => {{
      if (step % 7 === 6) m = m.fork();
      const fresh = load("file");
      set(m, gates);
      set(fresh, gates);
      const a = m.run(ids), b = fresh.run(ids);
      return differences(a, b, gates, ["attention", "query", "key", "value"]);
    }});"""
    assert in_node(engine, lines, {"file": decoder(size).file()}, cases=cases) == [[]] * count


@pytest.mark.parametrize(("size", "count"), [("uneven", 30), ("page", 6)])
def test_a_translation_after_edits_equals_a_fresh_one_bit_for_bit(engine, size, count):
    config = TRANSLATORS[size][0]
    sources = edits(config, count, 6)
    cases = [
        {
            "source": sources[n - n % 4] or [1],  # stays for four edits of the target
            "target": target,
            "gates": {part: flips(config, count, k)[n] for k, part in enumerate(PARTS)},
        }
        for n, target in enumerate(edits(config, count, 7))
    ]
    lines = f"""{SET}{SAME} let m = load("file");
    return given.cases.map(({{ source, target, gates }}, step) => {{
      if (step % 7 === 6) m = m.fork();
      const fresh = load("file");
      for (const part in gates) for (const model of [m, fresh]) set(model, gates[part], [part]);
      const a = m.run(source, target), b = fresh.run(source, target);
      return differences(a, b, gates.self, ["encoder", "self", "cross"]);
    }});"""
    assert in_node(engine, lines, {"file": translator(size).file()}, cases=cases) == [[]] * count


def test_only_what_changed_is_computed(engine):
    """Each position takes one tanh for each hidden unit, and each weight of attention one exponential."""
    config, small = DECODERS["uneven"][0], TRANSLATORS["uneven"][0]
    lines = """
    let calls = { tanh: 0, exp: 0 };
    for (const name of ["tanh", "exp"]) {
      const right = Math[name];
      Math[name] = (x) => (calls[name]++, right(x));
    }
    const count = (name, act) => ((calls[name] = 0), act(), calls[name]);
    const m = load("decoder"), t = load("translator"), { ids } = given;
    const inserted = [...ids.slice(0, 4), 7, ...ids.slice(4, 9)];
    const positions = [ids.slice(0, 9), ids.slice(0, 10), ids.slice(0, 10), inserted, ids.slice(0, 3)]
      .map((tokens) => count("tanh", () => m.run(tokens)));
    positions.push(count("tanh", () => m.fork().run(ids.slice(0, 4))));
    m.setGate(1, 0, 0.5);
    positions.push(count("tanh", () => m.run(ids.slice(0, 3))));
    t.run(given.source, given.source);
    return { positions, weights: count("exp", () => t.run(given.source, [...given.source, 5])) };"""
    files = {"decoder": decoder("uneven").file(), "translator": translator("uneven").file()}
    ids, source = tokens_of(12, config, 1), tokens_of(6, small, 1)
    assert ids[4] != 7
    found = in_node(engine, lines, files, ids=ids, source=source)
    hidden = config.d_ff * config.n_layers
    assert [calls / hidden for calls in found["positions"]] == [9, 1, 0, 6, 0, 1, 3]
    assert found["weights"] == small.n_layers * small.n_heads * (7 + 6)


def test_what_a_run_returned_stays_as_it_was(engine):
    lines = f"""{SAME} const m = load("file"), r = m.run(given.ids);
    const before = [r.logits.slice(), r.attention(1, 2), r.key(1, 0)];
    const fork = m.fork();
    fork.setGate(0, 0, 0);
    const off = fork.run(given.ids);
    m.setGate(0, 1, 0);
    m.run([3, ...given.ids]);
    m.setGate(0, 1, 1);
    return {{
      stays: [r.logits, r.attention(1, 2), r.key(1, 0)].map((now, at) => same(now, before[at])),
      off: same(off.logits, r.logits),
      back: same(m.run(given.ids).logits, r.logits),
      gates: [...m.gates, ...fork.gates],
    }};"""
    ids = tokens_of(8, DECODERS["uneven"][0], 1)
    found = in_node(engine, lines, {"file": decoder("uneven").file()}, ids=ids)
    assert found == {
        "stays": [True] * 3,
        "off": False,
        "back": True,
        "gates": [1] * 6 + [0] + [1] * 5,
    }


# Texts ----------------------------------------------------------------------------------------------------------

CHOSEN = [
    "",
    " ",
    "  two  spaces ",
    "naïve café 12 km",
    "\ufeffmark at the start",
    "a\u00a0b\u00a0\u00a0c",
    "\u0085\u0085x\u001c\u001d\u001e\u001fy",
    "one\u2028two\u2029three\u3000",
    "e\u0301\u0308\u0301 and \u0301",
    "שלום עולם",
    "\ud83d and \ude00 and \ud83d\ude00",
    "\udc00\ud800",
    "\ue000\uf8ff\U0010fffd",
    "👩‍👧‍👦 family",
    "<|endoftext|>",
    "١٢٣ ½ 𝟘",
]


def byte_file(tokenizer: ByteTokenizer) -> bytes:
    """The smallest model with these merges."""
    config = TransformerConfig(len(tokenizer), 4, 1, 4, 1, dropout=0.0, context=4)
    _, kept = enliven(GPT2(config), 1e-5, seed=0)
    about = {"kind": "bytes", "merges": byte_merges(tokenizer)}
    live = {"kind": "gpt2", "config": config_of(config, 1e-5), "tokenizer": about, "page": {}}
    return live_bytes(kept, live)


def test_bytes_are_merged_as_in_python(engine):
    tokenizer = merges_of(600)
    texts = [*CHOSEN, *hostile(1)]
    assert len(texts) > 3000
    lines = """const m = load("file");
    return given.texts.map((text) => {
      const ids = m.encode(text);
      return [ids, m.decode(ids)];
    });"""
    found = in_node(engine, lines, {"file": byte_file(tokenizer)}, texts=texts)
    assert [ids for ids, _ in found] == [tokenizer.encode(text) for text in texts]
    assert [back for _, back in found] == [to_bytes(text).decode() for text in texts]


def test_the_page_cuts_as_the_tokenizer_does(engine):
    assert f"/{PAGE_SPLIT}/gu" in engine


def test_a_merge_that_spells_what_another_does_gives_the_same_token(engine):
    a, b = b"a", b"b"
    tokenizer = ByteTokenizer([(a, b), (b, a), (a + b, a), (a, b + a), (a + b + a, b)], PAGE_SPLIT)
    texts = ["aba", "abab", "bab", "abaabab", "bbabaa", "babab"]
    lines = 'return given.texts.map(load("file").encode);'
    found = in_node(engine, lines, {"file": byte_file(tokenizer)}, texts=texts)
    assert found == [tokenizer.encode(text) for text in texts]


def test_parts_of_characters_can_be_read(engine):
    tokenizer = merges_of(600)
    generator = torch.Generator().manual_seed(0)
    texts = torch.randint(len(tokenizer), (400, 8), generator=generator).tolist()
    texts += [
        [*to_bytes("é😀")],
        [0xC3, 0x28, 0xE2, 0x82, 0xF4, 0x90, 0x80, 0x80, 0xED, 0xA0, 0x80],
        [],
    ]
    lines = """const m = load("file");
    return given.texts.map((ids) => [m.pieces(ids), m.decode(ids)]);"""
    found = in_node(engine, lines, {"file": byte_file(tokenizer)}, texts=texts)
    for ids, (pieces, text) in zip(texts, found, strict=True):
        assert pieces == [
            tokenizer.symbols[token].decode(errors="backslashreplace") for token in ids
        ]
        assert text == tokenizer.decode(ids)


def test_number_words_are_cut_as_the_library_does(engine):
    written = [
        in_words(number, language) for language in LANGUAGES for number in range(1, 3000, 13)
    ]
    tokenizer = byte_pairs(written, 200, ["<pad>", "<end>", *(f"<{name}>" for name in LANGUAGES)])
    symbols = [tokenizer.id_to_token(token) for token in range(tokenizer.get_vocab_size())]
    # Its merges are only in what it writes of itself.
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    config = TransformerConfig(len(symbols), 4, 1, 4, 1, dropout=0.0, context=4)
    _, kept = enliven(Transformer(config), 1e-5, seed=0)
    about = {"kind": "characters", "symbols": symbols, "merges": merges}
    live = {
        "kind": "transformer",
        "config": config_of(config, 1e-5),
        "tokenizer": about,
        "page": {},
    }
    texts = [in_words(number, language) for language in LANGUAGES for number in range(0, 3000, 7)]
    texts += ["", " ", "  zwei  drei ", "Zwölf!", "q\u00e9w x", "deux-cents deux\tcents", "😀een"]
    lines = """const m = load("file");
    return given.texts.map((text) => [m.encode(text), m.pieces(m.encode(text)), m.decode(m.encode(text))]);"""
    found = in_node(engine, lines, {"file": live_bytes(kept, live)}, texts=texts)
    for text, (ids, pieces, back) in zip(texts, found, strict=True):
        assert ids == tokenizer.encode(text).ids
        assert pieces == [symbols[token] for token in ids]
        assert back == "".join(letter for letter in text if letter in symbols)  # others are dropped


# Chance ---------------------------------------------------------------------------------------------------------


def test_probabilities_are_those_of_the_implementation(engine):
    generator = torch.Generator().manual_seed(0)
    logits = [
        4 * torch.randn(40, generator=generator),
        torch.tensor([2.0, 1.0, 2.0, 1.0, 0.0, 1.0]),
    ]
    settings = [
        {"temperature": temperature, **({"topK": k} if k else {})}
        for temperature in (0, 0.3, 1, 2.5)
        for k in (None, 1, 3, 4, 40, 100)
    ]
    lines = """return given.logits.map((row) => given.settings.map((setting) =>
      Live.probabilities(Float32Array.from(row), setting)));"""
    found = in_node(engine, lines, logits=[row.tolist() for row in logits], settings=settings)
    for row, answers in zip(logits, found, strict=True):
        for setting, ours in zip(settings, answers, strict=True):
            theirs = next_token(row[None], float(setting["temperature"]), setting.get("topK"))[0]
            assert gap(ours, theirs) < 1e-6, setting
            assert abs(ours.double().sum() - 1) < 1e-6
    plain = in_node(
        engine, "return Live.probabilities(Float32Array.from(given.row));", row=logits[0].tolist()
    )
    assert gap(plain, logits[0].softmax(dim=0)) < 1e-6


def mulberry32(seed: int, count: int) -> list[float]:
    """Tommy Ettinger's generator, on whole numbers without end that are cut to 32 bits."""
    numbers, full = [], 0xFFFFFFFF
    for _ in range(count):
        seed = (seed + 0x6D2B79F5) & full
        t = (seed ^ seed >> 15) * (seed | 1) & full
        t ^= (t + ((t ^ t >> 7) * (t | 61) & full)) & full
        numbers.append(((t ^ t >> 14) & full) / 2**32)
    return numbers


def test_a_seed_gives_everybody_the_same(engine):
    seeds = [0, 1, 42, 2**31 - 1, 2**32 - 1]
    lines = """return given.seeds.map((seed) => {
      const next = Live.random(seed);
      return Array.from({ length: 200 }, next);
    });"""
    assert in_node(engine, lines, seeds=seeds) == [mulberry32(seed, 200) for seed in seeds]


def test_tokens_are_drawn_as_often_as_they_are_likely(engine):
    given = [
        ([0, 0.5, 0, 0.25, 0.25, 0], [0.0, 0.4999, 0.5, 0.7499, 0.75, 0.9999], [1, 1, 3, 3, 4, 4]),
        ([0.25, 0.25, 0], [0.99], [1]),  # rounding may leave something over
        ([0, 1], [0.0], [1]),
    ]
    lines = """const next = Live.random(3), p = Float32Array.of(0.1, 0, 0.6, 0.3), counts = [0, 0, 0, 0];
    for (let n = 0; n < 20000; n++) counts[Live.sample(p, next)]++;
    const chosen = ([p, draws]) => draws.map((u) => Live.sample(Float32Array.from(p), () => u));
    return { counts, chosen: given.given.map(chosen) };"""
    found = in_node(engine, lines, given=given)
    assert found["chosen"] == [chosen for _, _, chosen in given]
    for count, share in zip(found["counts"], (0.1, 0, 0.6, 0.3), strict=True):
        assert abs(count - 20000 * share) <= 4 * math.sqrt(20000 * share * (1 - share))


def test_entropy_is_in_bits(engine):
    rows = [[1, 0], [0.5, 0.25, 0.25], [0.125] * 8]
    lines = "return given.rows.map((row) => Live.entropy(Float32Array.from(row)));"
    assert in_node(engine, lines, rows=rows) == [0, 1.5, 3]


# What is refused ------------------------------------------------------------------------------------------------


def changed(case: Case, change: Callable[[dict, dict], object]) -> bytes:
    """A file with one thing wrong."""
    kept, live = dict(case.kept), copy.deepcopy(case.live)
    change(kept, live)
    return live_bytes(kept, live)


def put(place: dict, **what) -> None:
    """Set entries, as a function."""
    place.update(what)


def test_a_file_that_is_not_right_is_refused_with_a_sentence(engine):
    right, other = decoder("uneven"), translator("uneven")
    whole = right.file()
    first = "blocks.0.attention.query.weight"
    cases: dict[str, tuple[bytes, str]] = {
        "kind": (
            changed(right, lambda _, live: put(live, kind="bert")),
            "a kind .* not know: bert",
        ),
        "prototype": (
            changed(right, lambda _, live: put(live, kind="toString")),
            "not know: toString",
        ),
        "key": (
            changed(right, lambda _, live: put(live["config"], dropout=0.1)),
            'config has "dropout"',
        ),
        "no key": (
            changed(right, lambda _, live: live["config"].pop("epsilon")),
            'config lacks "epsilon"',
        ),
        "no config": (changed(right, lambda _, live: put(live, config=None)), "no config"),
        "more": (
            changed(right, lambda _, live: put(live, licence="?")),
            'description has "licence"',
        ),
        "value": (
            changed(right, lambda _, live: put(live["config"], n_layers=1.5)),
            "n_layers of 1.5",
        ),
        "text": (changed(right, lambda _, live: put(live["config"], epsilon="e")), "epsilon of e"),
        "heads": (
            changed(right, lambda _, live: put(live["config"], n_heads=4)),
            "4 heads cannot share",
        ),
        "missing": (changed(right, lambda kept, _: kept.pop("norm.gain")), "norm.gain is missing"),
        "no scale": (
            changed(right, lambda kept, _: kept.pop(first + ".scale")),
            "query.weight.scale is missing",
        ),
        "extra": (
            changed(right, lambda kept, _: put(kept, spare=torch.ones(2))),
            "spare belongs to no part",
        ),
        "shape": (
            changed(right, lambda kept, _: put(kept, **{first: kept[first][:, :-1]})),
            r"query.weight is I8 \[30,29\], not I8 \[30,30\]",
        ),
        "type": (
            changed(right, lambda kept, _: put(kept, **{first: kept[first].float()})),
            r"query.weight is F32 \[30,30\], not I8",
        ),
        "other weights": (live_bytes(other.kept, right.live), "tokens.weight.scale is missing"),
        "layers": (
            changed(right, lambda _, live: put(live["config"], n_layers=1)),
            "blocks.1.* belongs to no part",
        ),
        "tokenizer": (
            changed(right, lambda _, live: put(live, tokenizer={"kind": "words"})),
            "kind .*: words",
        ),
        "no tokenizer": (
            changed(right, lambda _, live: put(live, tokenizer=None)),
            "kind .*: undefined",
        ),
        "size": (
            changed(right, lambda _, live: live["tokenizer"]["merges"].pop()),
            "302 tokens, and the model 303",
        ),
        "merge": (
            changed(right, lambda _, live: put(live["tokenizer"], merges=[[97, 256]])),
            "merges 97 and 256",
        ),
        "bare": (
            live_bytes(right.kept, right.live).replace(b'"live"', b'"dead"'),
            "no file of a live model",
        ),
        "picture": (b"\x10" + bytes(7) + b"\x89PNG" * 40, "no file of a live model"),
        "empty": (b"", "cut off: 8 bytes are needed, 0 came"),
        "text file": (b"<!doctype html>", "cut off"),
        **{
            f"cut at {at}": (whole[:at], "cut off")
            for at in (5, 8, 900, len(whole) // 2, len(whole) - 1)
        },
    }
    lines = """return given.names.map((name) => refusal(() => load(name)));"""
    files = {name: raw for name, (raw, _) in cases.items()}
    said = in_node(engine, lines, files, names=[*cases])
    for (name, (_, pattern)), message in zip(cases.items(), said, strict=True):
        assert re.search(pattern, message), f"{name}: {message}"
        assert message.endswith("."), name


def test_a_question_that_is_not_right_is_refused_with_a_sentence(engine):
    cases = {
        "m.run(Array(41).fill(1))": "41 tokens are more than the 40",
        "m.run([1, 303])": "no token 303",
        "m.run([-1])": "no token -1",
        "m.run([0.5])": "no token 0.5",
        "m.run(['a'])": "no token a",
        "m.decode([303])": "no token 303",
        "m.setGate(2, 0, 1)": "no head 0 in layer 2",
        "m.setGate(0, 3, 1)": "no head 3 in layer 0",
        "m.setGate(0, -1, 1)": "no head -1",
        "m.setGate(0, 0, 1.5)": "from 0 to 1, not to 1.5",
        "m.setGate(0, 0, NaN)": "not to NaN",
        "m.run([1]).attention(2, 0)": "no head 0 in layer 2",
        "m.run([1]).query(0, 3)": "no head 3 in layer 0",
        "t.setGate('middle', 0, 0, 1)": "no attention called middle",
        "t.run([], [1])": "nothing to translate",
        "t.run(Array(41).fill(1), [1])": "41 tokens are more than the 40",
        "t.run([1], [71])": "no token 71",
        "t.translate([1], 1, 2, 0)": "at least one token",
        "t.translate([1], 1, -1, 41)": "41 tokens are more than the 40",
        "Live.probabilities([1, 2], { temperature: -1 })": "temperature of -1",
        "Live.probabilities([1, 2], { temperature: NaN })": "temperature of NaN",
        "Live.probabilities([1, 2], { topK: 0 })": "0 likeliest",
    }
    lines = """const m = load("decoder"), t = load("translator");
    return given.asked.map((text) => refusal(new Function("m", "t", text).bind(null, m, t)));"""
    files = {"decoder": decoder("uneven").file(), "translator": translator("uneven").file()}
    said = in_node(engine, lines, files, asked=[*cases])
    for (asked, pattern), message in zip(cases.items(), said, strict=True):
        assert pattern in message, f"{asked}: {message}"


def test_nothing_is_an_answer_too(engine):
    lines = """const m = load("decoder"), t = load("translator"), r = m.run([]), q = t.run([1], []);
    const sizes = [r.logits, r.attention(0, 0), q.logits, q.cross(0, 0), q.encoder(0, 0)];
    return [r.length, q.length, ...sizes.map((array) => array.length)];"""
    files = {"decoder": decoder("uneven").file(), "translator": translator("uneven").file()}
    assert in_node(engine, lines, files) == [0, 0, 0, 0, 0, 0, 1]
