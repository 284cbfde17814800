"""Does a few words' hint switch the task? A language model that meets translations in running text, told or not."""

import functools
import itertools
import math
import random
from typing import Any

import torch
from torch import Tensor

from generators.data import NAMES, held_out, in_words, prose
from generators.experiment import FAILS, HOLDS, IN_PART, TOO_SMALL, Claim, Experiment, Rule
from generators.experiments.gpt2.corpus import EVERY, means, windows
from generators.record import Record
from generators.training import training
from implementations.gpt1 import batch_of, next_token_loss
from implementations.gpt2 import GPT2, ByteTokenizer
from implementations.transformer import TransformerConfig

LANGUAGES = ("de", "fr", "da")


def hinted(number: int, name: str) -> str:
    """What stands before a translation into the language of that name."""
    return f"{in_words(number, 'en')} in {name}:"


def bare(number: int) -> str:
    """What stands before a translation that does not say its language."""
    return f"{in_words(number, 'en')}:"


def answer(number: int, language: str) -> str:
    """A translation as it follows the colon, with what ends it."""
    return f" {in_words(number, language)}.\n"


@functools.cache
def running_text(
    limit: int, pieces: int, share: float, told: float
) -> tuple[ByteTokenizer, Tensor]:
    """A vocabulary, and the tokens of library prose with translations of numbers in it. Not to be changed in place.

    Args:
        limit: Numbers lie below it; one in ten never occurs.
        pieces: How many sentences the text has: translations, or two lines of library prose.
        share: How many of them are translations.
        told: How many of these name their language.
    """
    chance = random.Random(0)  # one text for all seeds
    lines = "\n".join(prose("train")[:: 4 * EVERY]).splitlines()
    numbers = [number for number in range(limit) if not held_out(number)]
    text = []
    for _ in range(pieces):
        if chance.random() < share:
            number, language = chance.choice(numbers), chance.choice(LANGUAGES)
            name = chance.random() < told
            before = hinted(number, NAMES[language]) if name else bare(number)
            text.append(before + answer(number, language))
        else:
            start = chance.randrange(len(lines) - 2)
            text.append("\n".join(lines[start : start + 2]) + "\n")
    known = ByteTokenizer.learn(text, 255)
    return known, torch.tensor([token for piece in text for token in known.encode(piece)])


@torch.no_grad()
def answered(
    model: GPT2, known: ByteTokenizer, prompts: list[str], answers: list[str]
) -> tuple[float, float]:
    """The share of the answers that the model would write, the likeliest token each time; and their bits per byte."""
    line_end = known.encode("\n")  # a line has ended before the prompt
    before = [line_end + known.encode(prompt) for prompt in prompts]
    after = [known.encode(text) for text in answers]
    both = [first + second for first, second in zip(before, after, strict=True)]
    rows, _ = batch_of(both, model.config.context)
    right, nats = 0, 0.0
    for row, first, second in zip(
        model.eval()(rows).log_softmax(dim=-1), before, after, strict=True
    ):
        at_answer = row[len(first) - 1 : len(first) + len(second) - 1]
        wanted = torch.tensor(second)
        right += int(torch.equal(at_answer.argmax(dim=-1), wanted))
        nats -= at_answer.gather(1, wanted[:, None]).sum().item()
    n_bytes = sum(len(text.encode()) for text in answers)
    return right / len(answers), nats / n_bytes / math.log(2)


def hint(
    seed: int,
    limit: int,
    pieces: int,
    share: float,
    told: float,
    context: int,
    batch: int,
    steps: int,
    warmup: int,
    points: int,
    lr: float,
    **sizes: int,
) -> dict[str, Any]:
    """Translations of numbers that were never read, asked for with the right hint, none, a wrong or a misspelt one.

    `right.de.fr` is the share of French answers right after a hint at German, `bits` their bits per byte; the others
    are means over languages.
    """
    known, text = running_text(limit, pieces, share, told)
    torch.manual_seed(seed)
    model = GPT2(TransformerConfig(len(known), dropout=0.0, context=context, **sizes))
    rows = windows(text, batch, context)
    losses = [
        loss
        for _, loss in training(
            model, lambda tokens: next_token_loss(model(tokens), tokens), rows, steps, lr, warmup
        )
    ]
    numbers = [number for number in range(limit) if held_out(number)]
    answers = {code: [answer(number, code) for number in numbers] for code in LANGUAGES}
    names = {code: NAMES[code] for code in LANGUAGES}
    cut = {f"{code}_cut": name[:-1] for code, name in names.items()}
    small = {f"{code}_small": name.lower() for code, name in names.items()}
    prompts = {
        "none": [bare(number) for number in numbers],
        **{
            key: [hinted(number, name) for number in numbers]
            for key, name in {**names, **cut, **small}.items()
        },
    }
    right: dict[str, dict[str, float]] = {key: {} for key in prompts}
    bits: dict[str, dict[str, float]] = {key: {} for key in prompts}
    for key, asked in prompts.items():
        for code in LANGUAGES:
            right[key][code], bits[key][code] = answered(model, known, asked, answers[code])
    share_right, mean_bits = by_hint(right), by_hint(bits)
    return {
        "right": right,
        "bits": bits,
        "share_right": share_right,
        "mean_bits": mean_bits,
        "switches": share_right["with"] - share_right["without"],
        "better_than_wrong": share_right["with"] - share_right["wrong"],
        "misspelt_helps": share_right["cut"] - share_right["without"],
        "misspelt_costs": share_right["with"] - share_right["cut"],
        "tokens": {
            name: len(known.encode(f" {name}")) for name in (*names.values(), *cut.values())
        },
        "curve": means(losses, points),
        "tested": len(numbers),
    }


def by_hint(found: dict[str, dict[str, float]]) -> dict[str, float]:
    """Means over languages, by what stood before the answer: its hint, spelt well or not, none, or another's."""
    pairs = list(itertools.permutations(LANGUAGES, 2))
    own = {"with": "", "cut": "_cut", "small": "_small"}
    return {
        **{
            kind: sum(found[code + form][code] for code in LANGUAGES) / len(LANGUAGES)
            for kind, form in own.items()
        },
        "without": sum(found["none"].values()) / len(LANGUAGES),
        "wrong": sum(found[hinted_at][code] for hinted_at, code in pairs) / len(pairs),
    }


EXPERIMENTS = {
    "hint": Experiment(
        question="Do a few words in the text tell a language model which task to do?",
        run=hint,
        settings=dict(
            limit=300,
            pieces=12_000,
            share=0.85,
            told=0.75,
            context=64,
            batch=16,
            steps=600,
            warmup=30,
            points=20,
            lr=5e-3,
            d_model=64,
            n_heads=4,
            d_ff=256,
            n_layers=3,
        ),
        smoke=dict(
            limit=30,
            pieces=60,
            batch=2,
            steps=4,
            warmup=2,
            points=2,
            d_model=8,
            d_ff=16,
            n_layers=1,
        ),
        tolerance=dict(
            **dict.fromkeys(("right", "switches", "better_than_wrong"), 0.6),
            **dict.fromkeys(("misspelt_helps", "misspelt_costs", "share_right"), 0.6),
            bits=None,
            mean_bits=None,
            curve=1.0,
        ),
    ),
}


def hint_switches(record: Record) -> str:
    """Holds if the hint brings at least 10 points of right answers over none, and over a hint at another language.

    The lower ends of both paired intervals count. In part if only one. Too small if with the hint fewer than a tenth
    are right.
    """
    if record["share_right.with"].mean < 0.1:
        return TOO_SMALL
    parts = [record[name].low > 0.1 for name in ("switches", "better_than_wrong")]
    return HOLDS if all(parts) else IN_PART if any(parts) else FAILS


def a_letter_missing(record: Record) -> str:
    """Holds if with its last letter missing a hint helps by less than half of what the whole one does.

    In each run. In part if its loss against the whole hint lies above 0, by the paired interval.
    """
    if all(run["misspelt_helps"] < 0.5 * run["switches"] for run in record.runs):
        return HOLDS
    return IN_PART if record["misspelt_costs"].low > 0 else FAILS


CLAIMS = [
    Claim(
        id="F5",
        text="A few words in the text before tell a language model which task to do.",
        where="Section 3.6",
        experiment="gpt2.hint",
        did="Trained on library prose with numbers in English words and their translations in it, three in four "
        "behind the name of the language. Asked for numbers never read, with the name and without. The number is "
        "what the name adds to the right answers.",
        rule=Rule(hint_switches, forecast=0.85),
        measured="switches:pmpct",
    ),
    Claim(
        id="L14",
        text="A hint that lacks one letter is hardly a hint: its tokens are others.",
        where="our own",
        experiment="gpt2.hint",
        did="Asked the same models with the language's name less its last letter. The number is what that adds to "
        "the right answers over no name.",
        rule=Rule(a_letter_missing, forecast=0.85),
        measured="misspelt_helps:pmpct",
    ),
]
