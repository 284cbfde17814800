"""Telling libraries apart without a label: which continuation does the language model find likely?"""

from typing import Any

import torch
from torch import Tensor

from generators.data import LIBRARIES
from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.gpt1.pretraining import SIZES, SMALL_SIZES, new_model, weights_of
from generators.experiments.gpt1.task import CLASSES, Example, labelled, vocabulary
from generators.record import Record
from implementations.gpt1 import GPT1, BytePairs, Tokens, batch_of

# What somebody who knows the libraries would expect to read on. No library is named: names are masked.
PHRASES = {
    "numpy": "ndarray, dtype",
    "scikit-learn": "n_samples, n_features",
    "scipy": "stats distribution",
    "sympy": "expression >>> from",
    "torch": "Tensor",
}


def zero_shot(
    seed: int,
    language_model: dict[str, Tensor],
    merges: int,
    sample: int,
    room: int,
    context: int,
    **sizes: int,
) -> dict[str, Any]:
    """Accuracy on unseen files at points of pre-training, 0 being an untrained model.

    The score of a library is the mean log-likelihood of its phrase's tokens behind the text, less its mean over all
    texts and divided by its standard deviation over them, because some phrases are likely behind anything. That
    uses the texts without their labels.
    """
    known = vocabulary(merges, sample)
    tested = labelled("test", merges, sample)
    model = new_model(known, context, n_hidden=0, **sizes)
    labels = torch.tensor([label for _, label in tested])
    steps = language_model["curve.step"].long().tolist()
    found, plain = [], []
    for point in range(len(steps)):
        model.load_state_dict(weights_of(language_model, f"kept.{point}."))
        scores = phrase_scores(model.eval(), known, tested, room)
        even = (scores - scores.mean(dim=0)) / scores.std(dim=0)
        found.append((even.argmax(dim=1) == labels).double().mean().item())
        plain.append((scores.argmax(dim=1) == labels).double().mean().item())
    return {
        "step": steps,
        "accuracy": found,
        "not_evened": plain,
        "end": found[-1],
        "above_chance": found[-1] - 1 / CLASSES,
        "risen": found[-1] - found[1],
        "chance": 1 / CLASSES,
        "tested": len(tested),
    }


@torch.no_grad()
def phrase_scores(model: GPT1, known: BytePairs, examples: list[Example], room: int) -> Tensor:
    """Mean log-likelihood of each library's phrase behind as many tokens of each text: texts, libraries."""
    columns = []
    for library in LIBRARIES:
        phrase = known.encode(PHRASES[library])[: model.config.context - room]
        starts = [text[:room] for text, _ in examples]
        parts = [
            behind(model, starts[first : first + 64], phrase) for first in range(0, len(starts), 64)
        ]
        columns.append(torch.cat(parts))
    return torch.stack(columns, dim=1).double()


def behind(model: GPT1, texts: list[Tokens], phrase: Tokens) -> Tensor:
    """Mean log-likelihood of a phrase's tokens behind each of some texts."""
    tokens, _ = batch_of([[*text, *phrase] for text in texts], model.config.context)
    log_p = model(tokens).log_softmax(dim=-1)
    lengths = torch.tensor([len(text) for text in texts])
    places = lengths[:, None] - 1 + torch.arange(len(phrase))
    rows = torch.arange(len(texts))[:, None]
    return log_p[rows, places, torch.tensor(phrase)].mean(dim=1)


EXPERIMENTS = {
    "zero_shot": Experiment(
        question="Does the language model tell libraries apart before anything has been tuned, and more and more so?",
        run=zero_shot,
        settings=dict(merges=512, sample=40, room=44, **SIZES),
        smoke=dict(merges=40, sample=2000, room=8, **SMALL_SIZES),
        stages=("language_model",),
        tolerance=dict.fromkeys(("accuracy", "not_evened", "end", "above_chance", "risen"), 0.2),
    ),
}


def grows(record: Record) -> str:
    """Holds if at the end it is above chance and above the first point of pre-training, both intervals above 0.

    In part if one of the two is so.
    """
    facts = [record["above_chance"].low > 0, record["risen"].low > 0]
    return HOLDS if all(facts) else IN_PART if any(facts) else FAILS


CLAIMS = [
    Claim(
        id="E5",
        text="What a language model can do without tuning grows steadily during pre-training.",
        where="Section 5 and Figure 2, right",
        experiment="gpt1.zero_shot",
        did="For each library a phrase that its users would expect; the text goes to the one whose phrase is most "
        "likely behind it. The number is the accuracy at the end, of five libraries.",
        rule=Rule(grows, forecast=0.25),
        measured="end:pct",
    ),
]
