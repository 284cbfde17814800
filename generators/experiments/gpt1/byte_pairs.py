"""The vocabulary: what it cannot write, and how its size shortens a text."""

from itertools import pairwise
from typing import Any

from generators.data import masked, prose
from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.gpt1.task import vocabulary
from generators.record import Record
from implementations.gpt1 import BytePairs


def byte_pairs(merges: list[int], sample: int, every: int) -> dict[str, Any]:
    """Texts of files that the merges were not learnt from: what comes back, and how long they are.

    `known` is the share of texts all of whose characters the vocabulary has; of those, `round_trip` is the share that
    is decoded exactly, white space written as one space.
    """
    learnt = vocabulary(max(merges), sample)
    characters = [each for each in learnt.symbols if len(each.removesuffix("</w>")) == 1]
    texts = [masked(text) for text in prose("held_out")[::every]]
    plain = [" ".join(text.split()) for text in texts]
    readable = [text for text in plain if 0 not in learnt.encode(text)]
    words = sum(len(text.split()) for text in plain)
    tokens_per_word = {}
    for count in merges:
        known = BytePairs(characters, learnt.merges[:count])
        tokens_per_word[str(count)] = sum(len(known.encode(text)) for text in plain) / words
    shorter = [*tokens_per_word.values()]
    return {
        "tokens_per_word": tokens_per_word,
        "least_step": min(one - other for one, other in pairwise(shorter)),
        "round_trip": sum(learnt.decode(learnt.encode(text)) == text for text in readable)
        / len(readable),
        "known": len(readable) / len(plain),
        "texts": len(plain),
        "words": words,
        "characters": len({each.removesuffix("</w>") for each in characters}),
        "learnt": [" + ".join(pair) for pair in (*learnt.merges[:8], *learnt.merges[-8:])],
    }


EXPERIMENTS = {
    "byte_pairs": Experiment(
        question="Is every text written and read back, and how many tokens does a word take?",
        run=byte_pairs,
        settings=dict(merges=[0, 64, 128, 256, 512, 1024, 2048], sample=40, every=8),
        smoke=dict(merges=[0, 20, 40], sample=2000, every=400),
        seeds=(),
        kind="exact",
        tolerance=dict(tokens_per_word=1e-10, least_step=1e-10, round_trip=1e-10, known=1e-10),
    ),
}


def reads_back(record: Record) -> str:
    """Holds if every text over known characters comes back exactly."""
    return HOLDS if record["round_trip"].min == 1 else FAILS


def shortens(record: Record) -> str:
    """Holds if each larger number of merges makes the texts shorter; in part if the largest does."""
    if record["least_step"].min > 0:
        return HOLDS
    counts = [str(count) for count in record.settings["merges"]]
    first, last = (record[f"tokens_per_word.{count}"].mean for count in (counts[0], counts[-1]))
    return IN_PART if last < first else FAILS


CLAIMS = [
    Claim(
        id="S9",
        text="Byte pairs write any text over the characters that they know, and read it back exactly.",
        where="Sennrich et al. 2016, Section 3.2",
        experiment="gpt1.byte_pairs",
        did="Docstrings of unseen files, white space written as one space. The number is the share that comes back "
        "exactly.",
        rule=Rule(reads_back, forecast=0.9),
        measured="round_trip:pct",
    ),
    Claim(
        id="S10",
        text="The more merges, the fewer tokens a word takes.",
        where="Sennrich et al. 2016, Section 3.2 and Table 1",
        experiment="gpt1.byte_pairs",
        did="No merge to 2,048, the same texts. The number is the tokens of a word with 512 merges.",
        rule=Rule(shortens, forecast=0.98),
        measured="tokens_per_word.512:f2",
    ),
]
