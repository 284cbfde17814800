"""What bytes can do and what they cost: every text comes back, and some scripts pay more than others."""

import random
from collections.abc import Iterator

from babel import Locale

from generators.data import LANGUAGES, in_words
from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.gpt2.small import documents
from generators.record import Record
from implementations.gpt2 import ByteTokenizer, to_bytes

# Written to break a tokenizer: white space of every kind, joined and reversed text, control characters, what looks
# like a special token or an escape, characters of four bytes, and one base letter under forty accents.
HOSTILE = (
    "",
    " ",
    "  \n\t \r\n\x0b\x0c",
    "\u00a0\u1680\u2003\u2028\u2029\u202f\u205f\u3000",
    "\x00\x01\x1f\x7f\x85\u200b\u200d\u2060\ufeff",
    "don't DON'T we'll WE'LL it'S 'tis ''s",
    "<|endoftext|> <unk> </w> \\u0041 \\x41 %41 &#65; \ufffd",
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "e" + "\u0301" * 40,
    "\u0130\u0131\u017f\u1e9e\ufb01\u01c5 \u00df",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466\U0001f3f4\U000e0067\U000e007f",
    "\U0001f1e9\U0001f1ea\u2764\ufe0f\U0010ffff\ufdd0\uffff",
    "\u0e01\u0e33\u0e19\u0e31\u0e19 \u0f68\u0f7c\u0f7e \u1780\u17d2\u1798 \uac00\u1100\u1161",
    "1\u00bd\u0664\u4e03\u2167\U0001d7d8 1,000.50",
    "a" * 1000 + " " * 1000 + "\n" * 100,
)
# Halves of surrogate pairs, which are no characters at all.
HALVES = (chr(0xD800), chr(0xDFFF), f"a{chr(0xDC80)}b", chr(0xDC00) + chr(0xD800))

# Languages by their codes in Unicode's locale data, English first; behind the seventh, one or two for each script.
SCRIPTS = (
    *("en", "de", "fr", "da", "pl", "tr", "vi", "el", "ru", "hy", "he", "ar", "am", "ka"),
    *("hi", "bn", "ta", "si", "th", "lo", "my", "km", "ko", "ja", "zh"),
)


def texts(count: int, longest: int, chance: random.Random) -> Iterator[str]:
    """Hostile texts, and random ones from all characters of Unicode, halves of pairs aside."""
    yield from HOSTILE
    for _ in range(count):
        points = [chance.choice((0x80, 0x800, 0x10000, 0x110000)) for _ in range(longest)]
        drawn = [chr(chance.randrange(end)) for end in points[: chance.randrange(longest + 1)]]
        yield "".join(char for char in drawn if not 0xD800 <= ord(char) <= 0xDFFF)


def names(locale: str, kind: str) -> str:
    """The names of all territories, or languages, that English has a name for, one a line."""
    known = Locale(locale).territories if kind == "territories" else Locale(locale).languages
    wanted = Locale("en").territories if kind == "territories" else Locale("en").languages
    return "\n".join(known[key] for key in sorted(wanted) if key in known)


def round_trip(
    source: str, characters: int, merges: int, count: int, longest: int, numbers: int
) -> dict[str, object]:
    """Texts that do not come back, and what texts of many languages cost in tokens.

    `price` is the tokens of a language's list of territories over those of the English list, and has three factors:
    how many characters the list has, how many bytes a character has, how many tokens a byte gets. Once with a
    vocabulary of English docstrings, once with one learnt from the names of languages in all these languages alike.
    """
    chance = random.Random(0)
    learnt_from = documents(source, "train", characters, seed=0)
    tokenizer = ByteTokenizer.learn(learnt_from, merges)
    tested = list(texts(count, longest, chance))
    unseen = documents(source, "held_out", characters // 10, seed=0)
    raw = [chance.randbytes(chance.randrange(longest)) for _ in range(count)]
    halves = [tokenizer.decode(tokenizer.encode(text)) for text in HALVES]
    mixed = ByteTokenizer.learn(evenly([names(locale, "languages") for locale in SCRIPTS]), merges)
    english = names("en", "territories")
    seen = {character for text in learnt_from for character in text}
    lists = {locale: names(locale, "territories") for locale in SCRIPTS}
    written = {
        name: "\n".join(in_words(number, name) for number in range(numbers)) for name in LANGUAGES
    }
    price = {
        name: {
            locale: len(known.encode(text)) / len(known.encode(english))
            for locale, text in lists.items()
        }
        for name, known in (("prose", tokenizer), ("mixed", mixed))
    }
    return {
        "failures": sum(tokenizer.decode(tokenizer.encode(text)) != text for text in tested)
        + sum(tokenizer.decode(tokenizer.encode(text)) != text for text in unseen),
        "texts": len(tested) + len(unseen),
        "bytes_misread": sum(
            tokenizer.decode(text) != text.decode(errors="replace") for text in raw
        ),
        "bytes_texts": len(raw),
        "halves_replaced": sum("\ufffd" in text for text in halves),
        "halves": len(HALVES),
        "tokens_per_byte": {
            "prose": tokens_per_byte(tokenizer, unseen),
            "prose_mixed": tokens_per_byte(mixed, unseen),
            **{
                f"numbers_{name}": tokens_per_byte(tokenizer, [text])
                for name, text in written.items()
            },
            "random": tokens_per_byte(tokenizer, tested[len(HOSTILE) :]),
        },
        "tokens_per_character": {
            locale: len(tokenizer.encode(text)) / len(text) for locale, text in lists.items()
        },
        "bytes_per_character": {
            locale: len(to_bytes(text)) / len(text) for locale, text in lists.items()
        },
        "characters": {locale: len(text) / len(english) for locale, text in lists.items()},
        "bytes": {
            locale: len(to_bytes(text)) / len(to_bytes(english)) for locale, text in lists.items()
        },
        "price": price,
        "dearest": {name: max(each.values()) for name, each in price.items()},
        "unknown": {
            locale: sum(character not in seen for character in text) / len(text)
            for locale, text in lists.items()
        },
    }


def evenly(texts: list[str]) -> list[str]:
    """Of each text as many lines from its beginning as give it no more bytes than the smallest one has."""
    least = min(len(to_bytes(text)) for text in texts)
    kept = []
    for text in texts:
        room, lines = least, []
        for line in text.split("\n"):
            room -= len(to_bytes(line)) + 1
            if room < -1:
                break
            lines.append(line)
        kept.append("\n".join(lines))
    return kept


def tokens_per_byte(tokenizer: ByteTokenizer, some: list[str]) -> float:
    """How many tokens a byte gets; 1 without merges."""
    return sum(len(tokenizer.encode(text)) for text in some) / sum(
        len(to_bytes(text)) for text in some
    )


EXPERIMENTS = {
    "round_trip": Experiment(
        question="Does every text come back from bytes and merges, and what does it cost in which script?",
        run=round_trip,
        settings=dict(
            source="prose", characters=1_000_000, merges=2000, count=2000, longest=40, numbers=1000
        ),
        smoke=dict(source="numbers", characters=2000, merges=50, count=20, longest=10, numbers=20),
        seeds=(),
        kind="exact",
    ),
}


def nothing_lost(record: Record) -> str:
    """Holds if no text fails to come back and no random bytes are read otherwise than Python reads them."""
    return HOLDS if record["failures"].max == record["bytes_misread"].max == 0 else FAILS


def one_price(record: Record) -> str:
    """Holds if no language pays more than half as much again as English, with the vocabulary of English prose.

    In part if that is so only with the vocabulary learnt from all languages alike.
    """
    if record["dearest.prose"].max <= 1.5:
        return HOLDS
    return IN_PART if record["dearest.mixed"].max <= 1.5 else FAILS


def mostly_the_merges(record: Record) -> str:
    """Holds if the even vocabulary takes away more than half of what each dear language pays beyond English.

    Dear are those that pay twice the price of English or more. In part if that is so for half of them.
    """
    prices = record.runs[0]["price"]
    dear = [locale for locale, price in prices["prose"].items() if price >= 2]
    halved = [prices["mixed"][each] - 1 < (prices["prose"][each] - 1) / 2 for each in dear]
    if not dear:
        return FAILS
    return HOLDS if all(halved) else IN_PART if 2 * sum(halved) >= len(dear) else FAILS


CLAIMS = [
    Claim(
        id="F2",
        text="Text in bytes needs no unknown token: whatever can be written comes back.",
        where="Section 2.2",
        experiment="gpt2.round_trip",
        did="Encoded and decoded texts written to break a tokenizer, 2,000 random ones from all of Unicode, and "
        "unseen docstrings; read 2,000 random strings of bytes as tokens. The number is how many texts came back "
        "changed.",
        rule=Rule(nothing_lost, forecast=0.98),
        measured="failures:int",
    ),
    Claim(
        id="L15",
        text="What makes a script dear is not its bytes but what the merges were learnt from.",
        where="our own",
        experiment="gpt2.round_trip",
        did="Encoded the names of all territories in 25 languages with 2,000 merges of English docstrings, and with "
        "2,000 of the names of languages in all 25. The number is the tokens of the dearest list over the English "
        "one's with the second vocabulary.",
        rule=Rule(mostly_the_merges, forecast=0.95),
        measured="dearest.mixed:f2",
    ),
    Claim(
        id="N15",
        text="Byte pairs treat all languages alike.",
        where="said of vocabularies over bytes, which know every character",
        experiment="gpt2.round_trip",
        did="Encoded the names of all territories in 25 languages with 2,000 merges of English docstrings. The "
        "number is the tokens of the dearest list over those of the English one.",
        rule=Rule(one_price, forecast=0.01),
        measured="dearest.prose:f2",
        said=True,
    ),
]
