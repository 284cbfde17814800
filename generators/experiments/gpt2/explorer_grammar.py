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
    "lamp", "owl", "kite", "cat", "dog", "fox", "hen", "cow", "key", "box", "hat", "cup", "pen", "bag", "book",
    "boat", "ball", "bell", "drum", "tree", "rock", "star", "road", "door",
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

    text: str  # every word that a rule determines is between two marks
    key: str  # what must not be in both parts; empty for sentences too simple to keep any back
    cases: tuple[Case, ...] = ()


MARK = "\x01"


def known(word: str) -> str:
    """A word that follows from what stands before it, marked as such."""
    return f"{MARK}{word}{MARK}"


def kept_for_testing(key: str) -> bool:
    """One combination in eight."""
    return int(digest(f"explorer {key}")[:8], 16) % 8 == 0


def word_list(draw: random.Random) -> Sentence:
    """Three to six different words, read and then repeated; asked for at the last one."""
    words = draw.sample(NOUNS + COLOURS + NAMES, draw.randint(3, 6))
    first = "Read: " + " ".join(words)
    where = (len(first) - len(words[-1]) - 1, len(first))
    asked = f"{first}. Repeat: " + " ".join(words[:-1])
    again = f" Repeat: {words[0]}" + "".join(known(f" {word}") for word in words[1:]) + "."
    case = Case("list", asked, f" {words[-1]}", where)
    text = f"{first}." + again * draw.randint(1, 3)
    return Sentence(text, f"list {' '.join(words)}", (case,))


def several(noun: str) -> str:
    """The plural."""
    return noun + ("es" if noun.endswith("x") else "s")


def agreement(draw: random.Random) -> Sentence:
    """A verb that agrees with the first noun, whatever stands between; asked for where the last noun misleads."""
    noun, *others = draw.sample(NOUNS, draw.choice([1, 2, 2, 2, 3]))
    many = draw.random() < 0.5
    subject = f"The {several(noun) if many else noun}"
    between = ""
    for other in others:
        between += f" {draw.choice(NEAR)} the {draw.choice([other, several(other)])}"
    verb = " are" if many else " is"
    case = Case("agreement", subject + between, verb, (3, len(subject)))
    misleads = bool(others) and between.endswith("s") != many
    text = f"{subject}{between}{known(verb)} {draw.choice(COLOURS)}."
    return Sentence(text, " ".join(["agreement", noun, *others[-1:]]), (case,) if misleads else ())


def nested(draw: random.Random) -> Sentence:
    """Brackets and quotes around a word, closed in the reverse order; asked for at the last one."""
    openers = [draw.choice([*CLOSERS]) for _ in range(draw.randint(1, 5))]
    closers = [CLOSERS[opener] for opener in reversed(openers)]
    start = f"Close: {' '.join(openers)} {draw.choice(NOUNS)}"
    text = start + "".join(known(f" {closer}") for closer in closers)
    if len(openers) < 3:
        return Sentence(text, "")
    task = "quotes" if openers[0] in "\"'" else "brackets"
    case = Case(task, " ".join([start, *closers[:-1]]), f" {closers[-1]}", (6, 8))
    return Sentence(text, f"nested {''.join(openers)}", (case,))


def giving(draw: random.Random) -> Sentence:
    """Two people; one gives something, so the other one gets it; asked for at the first gift."""
    pair = draw.sample(NAMES, 2)
    text = f"When {pair[0]} and {pair[1]} {draw.choice(DID)},"
    cases: list[Case] = []
    for turn in range(draw.randint(1, 3)):
        giver = draw.randrange(2)
        gets = f" {pair[1 - giver]}"
        text += f"{' Then' if turn else ''} {pair[giver]} gave the {draw.choice(NOUNS)} to"
        if not turn:
            place = text.index(f"{gets} ")
            cases.append(Case("giving", text, gets, (place, place + len(gets))))
        text += f"{known(gets)}."
    return Sentence(text, f"names {' '.join(sorted(pair))}", tuple(cases))


MAKERS: dict[str, Callable[[random.Random], Sentence]] = {
    "word_list": word_list,
    "agreement": agreement,
    "nested": nested,
    "giving": giving,
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


# What the page offers -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Preset:
    """A case to begin with, kept for testing like the others."""

    name: str
    rule: str  # what a reader should know
    key: str
    case: Case


def preset(name: str, rule: str, key: str, *case: str) -> Preset:
    """A preset; the case is its task, prompt, answer, and the first words of the prompt that say the answer."""
    task, prompt, answer, read_off = case
    start = prompt.index(read_off)
    return Preset(name, rule, key, Case(task, prompt, answer, (start, start + len(read_off))))


# fmt: off
PRESETS = {each.case.task: each for each in (
    preset("A list, repeated", "The list goes on as it went the first time.", "list owl lamp red kite",
           "list", "Read: owl lamp red kite. Repeat: owl lamp red", " kite", " kite"),
    preset("A verb and its subject", "The verb agrees with the first noun, not with the nearest.",
           "agreement cat box", "agreement", "The cats near the box", " are", " cats"),
    preset("Brackets", "What was opened last is closed first.", "nested ([{",
           "brackets", "Close: ( [ { star } ]", " )", " ("),
    preset("Quotation marks", "The same, with a mark that opens and closes alike.", 'nested "([',
           "quotes", 'Close: " ( [ owl ] )', ' "', ' "'),
    preset("Two people, one gift", "Who gives does not get.", "names Eva Tom",
           "giving", "When Eva and Tom met, Tom gave the key to", " Eva", " Eva"),
)}
# fmt: on
TASKS = [*PRESETS]
