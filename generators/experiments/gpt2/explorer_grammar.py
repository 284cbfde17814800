"""A grammar of ours for the attention explorer: sentences whose next word is known, because a rule says it.

Every task makes sentences by chance. Some combinations (which words, which two names, which order of brackets) are
kept for testing, the same ones for ever: none of them is ever in a sentence to learn from.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from generators.files import digest

# fmt: off
NOUNS = [
    "lamp", "owl", "kite", "cat", "dog", "fox", "hen", "cow", "key", "box", "hat", "cup", "pen", "bag", "book", "boat",
    "ball", "bell", "drum", "tree", "rock", "star", "road", "door",
]
COLOURS = ["red", "blue", "green", "old", "new", "big"]
NAMES = [
    "Ann", "Tom", "Sam", "Eva", "Ben", "Kim", "Max", "Lea", "Ida", "Jon", "Mia", "Leo", "Pam", "Ned", "Zoe", "Ray",
]
NEAR = ["near", "on", "by", "with"]
DID = ["met", "sat", "ran", "ate"]
CLOSERS = {"(": ")", "[": "]", "{": "}", "<": ">", '"': '"', "'": "'"}
# fmt: on


@dataclass(frozen=True)
class Case:
    """A beginning whose next word is known."""

    task: str
    prompt: str
    answer: str  # with the blank before it
    evidence: tuple[int, int]  # where in the prompt (characters) the answer can be read off


@dataclass(frozen=True)
class Sentence:
    """A sentence to learn from, and the places where it can be asked for its next word."""

    text: str
    key: str  # what must not be in both parts
    cases: tuple[Case, ...] = ()


def kept_for_testing(key: str) -> bool:
    """One combination in eight."""
    return int(digest(f"explorer {key}")[:8], 16) % 8 == 0


def listed(task: str, words: list[str], times: int) -> Sentence:
    """A list that is read and then repeated; asked for at its last word."""
    first = "Read: " + " ".join(words)
    asked = f"{first}. Repeat: " + " ".join(words[:-1])
    where = (len(first) - len(words[-1]) - 1, len(first))
    case = Case(task, asked, f" {words[-1]}", where)
    text = first + "." + f" Repeat: {' '.join(words)}." * times
    return Sentence(text, f"{task} {' '.join(words)}", (case,))


def word_list(draw: random.Random) -> Sentence:
    """Three to six different words."""
    return listed("list", draw.sample(NOUNS + COLOURS, draw.randint(3, 6)), draw.randint(1, 3))


def number_list(draw: random.Random) -> Sentence:
    """Three to five different numbers below 100."""
    return listed("numbers", [str(n) for n in draw.sample(range(100), draw.randint(3, 5))], draw.randint(1, 3))


def invented_list(draw: random.Random) -> Sentence:
    """Words that do not exist, so that copying cannot lean on knowing them."""
    words = [
        "".join(draw.choice(letters) for letters in ("bdfgklmnprstvz", "aeiou") * 2)
        for _ in range(draw.randint(3, 4))
    ]
    return listed("invented", words, draw.randint(1, 3))


def several(noun: str) -> str:
    """The plural."""
    return noun + ("es" if noun.endswith("x") else "s")


def agreement(draw: random.Random) -> Sentence:
    """A verb that agrees with the first noun, not with the last."""
    noun, *others = draw.sample(NOUNS, draw.choice([1, 2, 2, 2, 3]))
    many = draw.random() < 0.5
    subject = f"The {several(noun) if many else noun}"
    between = ""
    for other in others:
        between += f" {draw.choice(NEAR)} the {draw.choice([other, several(other)])}"
    verb = " are" if many else " is"
    case = Case("agreement", subject + between, verb, (3, len(subject)))
    # Only where the nearest noun would mislead is it a test.
    misleads = bool(others) and between.endswith("s") != many
    rest = f" {draw.choice(COLOURS)}."
    key = "agreement " + " ".join([noun, *others[-1:]])
    return Sentence(subject + between + verb + rest, key, (case,) if misleads else ())


def nested(draw: random.Random) -> Sentence:
    """Brackets and quotes around a word, closed in the reverse order; asked for at the last one."""
    openers = [draw.choice([*CLOSERS]) for _ in range(draw.randint(1, 5))]
    text = "Close: " + " ".join(openers) + " " + draw.choice(NOUNS)
    closers = [CLOSERS[opener] for opener in reversed(openers)]
    asked = " ".join([text, *closers[:-1]])
    task = "quotes" if openers[0] in "\"'" else "brackets"
    cases = (Case(task, asked, f" {closers[-1]}", (6, 8)),) if len(openers) > 2 else ()
    # The first few kinds in their order; short ones are too few to keep any back.
    key = "nested " + "".join(openers) if len(openers) > 2 else ""
    return Sentence(f"{asked} {closers[-1]}", key, cases)


def giving(draw: random.Random) -> Sentence:
    """Two people; one gives something, so the other one gets it."""
    pair = draw.sample(NAMES, 2)
    start = f"When {pair[0]} and {pair[1]} {draw.choice(DID)},"
    giver = draw.randrange(2)
    text, cases = start, []
    for turn in range(draw.randint(1, 3)):
        text += (" " if not turn else " Then ") + f"{pair[giver]} gave a {draw.choice(NOUNS)} to"
        if not turn:
            place = start.index(f" {pair[1 - giver]} ")
            span = (place, place + 1 + len(pair[1 - giver]))
            cases.append(Case("giving", text, f" {pair[1 - giver]}", span))
        text += f" {pair[1 - giver]}."
        giver = draw.randrange(2)
    return Sentence(text, "names " + " ".join(sorted(pair)), tuple(cases))


def having(draw: random.Random) -> Sentence:
    """Two people with one thing each; who has the one that is asked for?"""
    pair, things = draw.sample(NAMES, 2), draw.sample(NOUNS, 2)
    text = "Now" + " and".join(
        f" {name} has a {thing}" for name, thing in zip(pair, things, strict=True)
    )
    which = draw.randrange(2)
    asked = f"{text}. The {things[which]} is with"
    place = text.index(f" {pair[which]} ")
    case = Case("having", asked, f" {pair[which]}", (place, place + 1 + len(pair[which])))
    return Sentence(f"{asked} {pair[which]}.", "names " + " ".join(sorted(pair)), (case,))


MAKERS: dict[str, Callable[[random.Random], Sentence]] = {
    "word_list": word_list,
    "number_list": number_list,
    "invented_list": invented_list,
    "agreement": agreement,
    "nested": nested,
    "giving": giving,
    "having": having,
}


def to_learn_from(draw: random.Random, shares: dict[str, float]) -> Iterator[str]:
    """Sentences, endlessly; each maker as often as its share says."""
    names, chances = [*shares], [*shares.values()]
    while True:
        sentence = MAKERS[draw.choices(names, chances)[0]](draw)
        if not sentence.key or not kept_for_testing(sentence.key):
            yield sentence.text


def held_out_cases(tasks: list[str], count: int) -> dict[str, list[Case]]:
    """The first `count` different cases of each task that nobody learns from."""
    draw = random.Random(0)
    found: dict[str, dict[str, Case]] = {task: {} for task in tasks}
    while min(map(len, found.values())) < count:
        for make in MAKERS.values():
            sentence = make(draw)
            if sentence.key and kept_for_testing(sentence.key):
                for case in sentence.cases:
                    if case.task in found and len(found[case.task]) < count:
                        found[case.task].setdefault(case.prompt, case)
    return {task: [*cases.values()] for task, cases in found.items()}
