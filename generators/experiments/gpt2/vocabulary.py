"""What the split pattern is for: vocabularies with it, without its leading space, and without any, at equal size."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import regex

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.gpt2.small import documents
from generators.record import Record
from implementations.gpt2 import SPLIT, ByteTokenizer, to_bytes

LINES = r"[^\n]*\n|[^\n]+"  # no pattern would make one word of a text, on which nobody can wait
# What merges are learnt from and what they are applied to. Without a pattern they are applied to lines, and learnt
# from pieces of lines, 24 characters long, for a merge costs the length of all words that have it: of 24 pairs one is
# lost.
PATTERNS = {
    "pattern": (SPLIT, SPLIT),
    "no_space": (SPLIT.replace(" ?", ""), SPLIT.replace(" ?", "")),
    "lines": (r"[^\n]{1,24}\n?|\n", LINES),
}
WORD = regex.compile(r"[^\p{L}]*(\p{L}{3,})[^\p{L}]*")


def learn(texts: Sequence[str], merges: int, arm: str) -> ByteTokenizer:
    """A vocabulary with one of the patterns."""
    learnt_from, applied_to = PATTERNS[arm]
    return ByteTokenizer(ByteTokenizer.learn(texts, merges, learnt_from).merges, applied_to)


def variants(symbols: Sequence[bytes]) -> dict[str, list[str]]:
    """Word -> the tokens that are this word and nothing else but what is no letter, where there are several.

    A word has three letters at least and stands in one piece. A leading space makes no variant, for the pattern
    allows it: `dog` and ` dog` are one, `dog.`, `dog!` and `(dog` three more.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    for symbol in symbols:
        token = symbol.decode(errors="replace").removeprefix(" ")
        if word := WORD.fullmatch(token):
            found[word[1]].add(token)
    return {word: sorted(tokens) for word, tokens in found.items() if len(tokens) > 1}


def counted(
    model_of: Sequence[list[int]], unseen: Sequence[list[int]], size: int
) -> dict[str, float]:
    """Bits that unseen texts cost a model of single tokens, and one of pairs of neighbours mixed with it by halves.

    Both count one more of every token, so that none is impossible.
    """
    single = Counter(token for text in model_of for token in text)
    pairs = Counter(pair for text in model_of for pair in pairwise(text))
    total, firsts = (
        single.total() + size,
        Counter(token for text in model_of for token in text[:-1]),
    )
    bits = {"single": 0.0, "pairs": 0.0}
    for text in unseen:
        for before, token in zip([-1, *text[:-1]], text, strict=True):
            p = (single[token] + 1) / total
            after = pairs[before, token] / firsts[before] if firsts[before] else p
            bits["single"] -= math.log2(p)
            bits["pairs"] -= math.log2((p + after) / 2)
    return bits


def split_pattern(
    seed: int, source: str, characters: int, unseen_characters: int, merges: int
) -> dict[str, Any]:
    """Each vocabulary's variants of words, tokens per byte, and bits per byte that counts over it give.

    Vocabularies are of one size and learnt from the same texts; the counts are taken from these texts too, and tested
    on files that are none of them. `more` is what a vocabulary has more than the one with the whole pattern.
    """
    learnt_from = documents(source, "train", characters, seed)
    unseen = documents(source, "held_out", unseen_characters, seed)
    size = sum(len(to_bytes(text)) for text in unseen)
    found: dict[str, dict[str, float]] = {}
    examples = {}
    for arm in PATTERNS:
        tokenizer = learn(learnt_from, merges, arm)
        encoded, held = ([tokenizer.encode(t) for t in part] for part in (learnt_from, unseen))
        learnt = tokenizer.symbols[256:-1]
        several = variants(learnt)
        most = sorted(several.values(), key=lambda tokens: (-len(tokens), tokens))[:5]
        examples[arm] = [" | ".join(tokens) for tokens in most]
        bits = counted(encoded, held, len(tokenizer))
        found[arm] = {
            "vocabulary": len(tokenizer),
            "variants": sum(len(tokens) - 1 for tokens in several.values()),
            "several_words": sum(words_in(symbol) > 1 for symbol in learnt),
            "tokens_per_byte": sum(map(len, held)) / size,
            **{f"bits_{name}": value / size for name, value in bits.items()},
        }
    return {
        **{name: {arm: each[name] for arm, each in found.items()} for name in found["pattern"]},
        "more": {
            name: {arm: found[arm][name] - found["pattern"][name] for arm in ("no_space", "lines")}
            for name in found["pattern"]
        },
        "examples": examples,
    }


def words_in(symbol: bytes) -> int:
    """How many runs of letters a token has."""
    return len(regex.findall(r"\p{L}+", symbol.decode(errors="replace")))


EXPERIMENTS = {
    "split_pattern": Experiment(
        question="What does it change to cut texts by a pattern before pairs are merged?",
        run=split_pattern,
        settings=dict(source="prose", characters=300_000, unseen_characters=60_000, merges=1000),
        smoke=dict(source="numbers", characters=2000, unseen_characters=300, merges=30),
        tolerance=dict.fromkeys(("tokens_per_byte", "bits_single", "bits_pairs", "more"), 1e-10),
    ),
}


def better_vocabulary(record: Record) -> str:
    """Holds if with the pattern fewer tokens are variants of words and pairs of tokens cost fewer bits per byte.

    Paired intervals above 0, against lines. In part if only one of the two is so.
    """
    fewer = record["more.variants.lines"].low > 0
    cheaper = record["more.bits_pairs.lines"].low > 0
    return HOLDS if fewer and cheaper else IN_PART if fewer or cheaper else FAILS


def space_shortens(record: Record) -> str:
    """Holds if without the leading space unseen text has a tenth more tokens at least, by the interval of the ratio.

    In part if it has more, by a paired interval.
    """
    least = record["more.tokens_per_byte.no_space"].low
    if least >= 0.1 * record["tokens_per_byte.pattern"].high:
        return HOLDS
    return IN_PART if least > 0 else FAILS


def pattern_lengthens(record: Record) -> str:
    """Holds if lines without a pattern have fewer tokens per byte of unseen text, by a paired interval."""
    return HOLDS if record["more.tokens_per_byte.lines"].high < 0 else FAILS


CLAIMS = [
    Claim(
        id="F7",
        text="Cutting text by a pattern before merging gives a better vocabulary.",
        where="Section 2.2",
        experiment="gpt2.split_pattern",
        did="Learnt 1,000 merges of the same docstrings with the released pattern and of whole lines; counted tokens "
        "that are a word with something else on it, and the bits per byte of unseen files under counts of pairs of "
        "tokens. No network was trained. The number is how many more such tokens lines have.",
        rule=Rule(better_vocabulary, forecast=0.85),
        measured="more.variants.lines:int",
    ),
    Claim(
        id="F7x",
        text="Letting a word carry the space before it shortens text.",
        where="Section 2.2",
        experiment="gpt2.split_pattern",
        did="The same with a pattern that cuts spaces off. The number is how many tokens more a byte gets then.",
        rule=Rule(space_shortens, forecast=0.95),
        measured="more.tokens_per_byte.no_space:f3",
    ),
    Claim(
        id="L16",
        text="The pattern is no compression: without it the same number of merges writes text in fewer tokens.",
        where="our own",
        experiment="gpt2.split_pattern",
        did="Tokens per byte of unseen files with merges of whole lines, less those with the pattern.",
        rule=Rule(pattern_lengthens, forecast=0.9),
        measured="more.tokens_per_byte.lines:f3",
    ),
]
