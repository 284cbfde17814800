"""The bug gallery: mistakes in models, caches, vocabularies and sampling, and what each looks like from outside.

The texts are lists of numbers in words, each in one of four languages: what a model writes is right or wrong.
"""

import random
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from generators.data import LANGUAGES, held_out, in_words
from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.gpt2.broken import (
    IN_TRAINING,
    IN_USE,
    SAMPLING,
    Distribution,
    MaskNotOffset,
    PositionsNotOffset,
    TextOrder,
    caches_of,
    drawn,
    in_chunks,
    started_as,
)
from generators.experiments.gpt2.small import bits_per_byte, stream, train
from generators.record import Record
from implementations.gpt2 import GPT2, ByteTokenizer, next_token
from implementations.transformer import TransformerConfig

CHUNK = 8  # tokens that are read at once where more than one is

# The texts --------------------------------------------------------------------------------------------------


def lists(limit: int, count: int, lines: int, seed: int, unseen: bool) -> list[tuple[str, str]]:
    """Lists of numbers below `limit`, each in one language: (language, text), the languages in turn.

    Args:
        limit: The largest number, plus one.
        count: How many lists.
        lines: Numbers in a list, one a line.
        seed: Of the numbers.
        unseen: Whether they are of those kept for testing, or of the others.
    """
    chance = random.Random(seed)
    numbers = [number for number in range(limit) if held_out(number) == unseen]
    made = []
    for index in range(count):
        language = LANGUAGES[index % len(LANGUAGES)]
        chosen = chance.choices(numbers, k=lines)
        made.append((language, "".join(f"{in_words(each, language)}\n" for each in chosen)))
    return made


@torch.no_grad()
def written(
    model: GPT2,
    prompts: Tensor,
    length: int,
    by: Distribution,
    chunk: int,
    before: Tensor | None = None,
) -> Tensor:
    """What a model writes after prompts, drawn token by token; the prompt is read `chunk` tokens at a time."""
    caches = caches_of(model.eval())
    if before is not None:
        model.features(before, caches)
    for part in prompts.split(chunk, dim=1):
        features = model.features(part, caches)
    tokens = []
    for _ in range(length):
        tokens.append(drawn(by(model.logits(features[:, -1]))))
        features = model.features(tokens[-1], caches)
    return torch.cat(tokens, dim=1)


def share_right(
    tokenizer: ByteTokenizer, prompts: Tensor, tokens: Tensor, right: Sequence[set[str]]
) -> float:
    """Of the lines brought to their end, the share of right ones; the end of a text amid a line is wrong."""
    wrote = good = 0
    for prompt, row, known in zip(prompts.tolist(), tokens.tolist(), right, strict=True):
        ended = tokenizer.end_of_text in row
        row = row[: row.index(tokenizer.end_of_text)] if ended else row
        given = tokenizer.decode(prompt).count(
            "\n"
        )  # the last line of the prompt is the model's to end
        *lines, rest = tokenizer.decode([*prompt, *row]).split("\n")
        lines = lines[given:] + ([rest] if ended and rest else [])
        wrote += len(lines)
        good += sum(line in known for line in lines)
    return good / max(1, wrote)


# The experiment -----------------------------------------------------------------------------------------------


def bugs(
    seed: int,
    limit: int,
    count: int,
    lines: int,
    merges: int,
    held: int,
    prompt: int,
    samples: int,
    temperature: float,
    k: int,
    batch: int,
    steps: int,
    warmup: int,
    lr: float,
    **sizes: int,
) -> dict[str, Any]:
    """Training loss, bits per byte of unseen lists as in use, and right lines written, with and without each bug.

    Unseen lists are read with the cache, in pieces of `held` tokens. What is written follows the first `prompt`
    tokens of a list, drawn among the `k` likeliest. `moved` is the total variation distance between what a token is
    drawn by with a bug of the sampling, and rightly; what is missing from a sum counts as one more token.
    """
    texts = [text for _, text in lists(limit, count, lines, seed, unseen=False)]
    named = lists(limit, count // 4, lines, seed, unseen=True)
    unseen = [text for _, text in named]
    every = {name: {in_words(number, name) for number in range(limit)} for name in LANGUAGES}
    right_lines = [every[name] for name, _ in named]
    tokenizer = ByteTokenizer.learn(texts, merges)
    other = TextOrder(tokenizer.merges)
    config = TransformerConfig(len(tokenizer), dropout=0.0, **sizes)
    torch.manual_seed(seed)
    right = GPT2(config)
    started = started_as(right, GPT2)  # before it is trained

    def learn(model: GPT2, vocabulary: ByteTokenizer = tokenizer) -> list[float]:
        torch.manual_seed(seed)
        tokens = stream(map(vocabulary.encode, texts), vocabulary.end_of_text)
        return train(model, tokens, batch, steps, lr, warmup)

    def judged(
        model: GPT2,
        vocabulary: ByteTokenizer = tokenizer,
        chunk: int = 1,
        reused: bool = False,
        distribution: Distribution = next_token,
    ) -> tuple[float, float]:
        """Bits per byte, and the share of right lines."""
        torch.manual_seed(seed)
        room = config.context - held  # what a cache that is used again may hold already
        starts = torch.tensor([vocabulary.encode(text)[:room] for text in unseen])
        others = starts.roll(1, dims=0)  # in another language
        read = in_chunks(chunk, others[torch.arange(64) % len(others)] if reused else None)
        by = partial(distribution, temperature=temperature, k=k)
        prompts, earlier = (part.repeat(samples, 1) for part in (starts[:, :prompt], others))
        wrote = written(model, prompts, held - prompt, by, chunk, earlier if reused else None)
        return (
            bits_per_byte(model, vocabulary, unseen, held, read),
            share_right(vocabulary, prompts, wrote, right_lines * samples),
        )

    curves = {"right": learn(right)}
    found = {"right": judged(right)}
    for bug, kind in IN_TRAINING.items():
        torch.manual_seed(seed)
        model = started_as(started, kind)
        vocabulary = other if bug == "text_order" else tokenizer
        curves[bug] = learn(model, vocabulary)
        found[bug] = judged(model, vocabulary)
    found |= {
        "positions_not_offset": judged(started_as(right, PositionsNotOffset)),
        "mask_not_offset": judged(started_as(right, MaskNotOffset), chunk=CHUNK),
        "cache_reused": judged(right, reused=True),
        "text_order_in_use": judged(right, other),
        **{bug: judged(right, distribution=wrong) for bug, wrong in SAMPLING.items()},
    }
    last = max(1, steps // 10)
    loss = {arm: sum(curve[-last:]) / last for arm, curve in curves.items()}
    bits, valid = ({arm: pair[place] for arm, pair in found.items()} for place in (0, 1))
    return {
        "loss": loss,
        "loss_above": {bug: loss[bug] - loss["right"] for bug in IN_TRAINING},
        "bits": bits,
        "bits_above": {bug: bits[bug] - bits["right"] for bug in (*IN_TRAINING, *IN_USE)},
        "right": valid,
        "lost": {bug: valid["right"] - valid[bug] for bug in (*IN_TRAINING, *IN_USE)},
        "moved": moved(right, stream(map(tokenizer.encode, unseen), 0)[:held], temperature, k),
        "tokens_per_byte": {
            name: sum(len(known.encode(text)) for text in unseen)
            / sum(len(text.encode()) for text in unseen)
            for name, known in (("right", tokenizer), ("text_order", other))
        },
    }


@torch.no_grad()
def moved(model: GPT2, tokens: Tensor, temperature: float, k: int) -> dict[str, float]:
    """Total variation distance between right and wrong probabilities, a mean over positions of one text.

    What lacks to a sum of 1 counts as one more token.
    """
    logits = model(tokens[None])[0]
    wanted = next_token(logits, temperature, k)
    found = {}
    for bug, wrong in SAMPLING.items():
        p = wrong(logits, temperature, k)
        apart = (p - wanted).abs().sum(dim=-1) + (1 - p.sum(dim=-1))
        found[bug] = apart.mean().item() / 2
    return found


EXPERIMENTS = {
    "bugs": Experiment(
        question="What do well-known bugs look like from outside: in the loss, and in what the model writes?",
        run=bugs,
        settings=dict(
            limit=1000,
            count=160,
            lines=12,
            merges=150,
            held=32,
            prompt=12,
            samples=4,
            temperature=0.5,
            k=5,
            batch=8,
            steps=150,
            warmup=15,
            lr=1e-2,
            d_model=32,
            n_heads=4,
            d_ff=128,
            n_layers=2,
            context=64,
        ),
        smoke=dict(
            limit=100,
            count=16,
            lines=30,
            merges=40,
            batch=4,
            steps=4,
            warmup=2,
            d_model=8,
            n_heads=2,
            d_ff=16,
            n_layers=1,
        ),
        tolerance=dict(
            **dict.fromkeys(("loss", "loss_above", "bits", "bits_above"), 1.0),
            **dict.fromkeys(("right", "lost", "moved"), 0.4),
            tokens_per_byte=1e-10,
        ),
    ),
}


def loss_tells(record: Record) -> str:
    """Holds if with every bug in training the training loss ends above the right one's, the interval above 0.

    In part if that is so for at least half of them.
    """
    told = [record[f"loss_above.{bug}"].low > 0 for bug in IN_TRAINING]
    return HOLDS if all(told) else IN_PART if 2 * sum(told) >= len(told) else FAILS


def samples_tell(record: Record) -> str:
    """Holds if with every bug in use fewer lines are right, the interval above 0; in part with half of them."""
    told = [record[f"lost.{bug}"].low > 0 for bug in IN_USE]
    return HOLDS if all(told) else IN_PART if 2 * sum(told) >= len(told) else FAILS


def loss_deceives(record: Record) -> str:
    """Holds if merges in the order of the text end with a lower training loss and more bits per byte.

    Paired intervals. In part if only one of the two is so.
    """
    lower = record["loss_above.text_order"].high < 0
    worse = record["bits_above.text_order"].low > 0
    return HOLDS if lower and worse else IN_PART if lower or worse else FAILS


CLAIMS = [
    Claim(
        id="L17",
        text="A vocabulary applied wrongly lowers the training loss and makes the model worse.",
        where="our own",
        experiment="gpt2.bugs",
        did="Trained on lists of numbers in words with merges in the order of the text instead of their own. The "
        "number is how many bits a byte of unseen lists costs more.",
        rule=Rule(loss_deceives, forecast=0.9),
        measured="bits_above.text_order:f3",
    ),
    Claim(
        id="N16",
        text="A bug in a language model shows in its training loss.",
        where="said when somebody asks whether their own model is right",
        experiment="gpt2.bugs",
        did="Trained with each of six mistakes and compared the training loss at the end with the right one's. The "
        "number is how far the loss without the final norm lies above it.",
        rule=Rule(loss_tells, forecast=0.02),
        measured="loss_above.no_final_norm:f3",
        said=True,
    ),
    Claim(
        id="N17",
        text="Whoever reads what a model writes sees its bugs.",
        where="said of mistakes that the loss does not show",
        experiment="gpt2.bugs",
        did="A model trained rightly wrote on with each of seven mistakes in cache, vocabulary and sampling. "
        "The number is how many right lines it loses when new positions are counted from 0 again.",
        rule=Rule(samples_tell, forecast=0.1),
        measured="lost.positions_not_offset:pct",
        said=True,
    ),
]
