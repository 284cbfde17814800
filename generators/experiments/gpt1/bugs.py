"""The bug gallery: mistakes in one small language model, its tokens and its tuning, and what each looks like."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.data import masked, prose
from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.gpt1.fine_tuning import accuracy, inputs
from generators.experiments.gpt1.task import (
    CLASSES,
    Example,
    config_for,
    labelled,
    shuffled_batches,
    some,
    texts,
    vocabulary,
    windows,
)
from generators.record import Record
from generators.training import training
from implementations.gpt1 import (
    GPT1,
    FeedForward,
    FineTuned,
    Pair,
    Symbol,
    apply_merges,
    fine_tuning_loss,
    next_token_loss,
    spell,
)
from implementations.transformer import TransformerConfig


class MaskShifted(GPT1):
    """`tril(diagonal=1)`: each position sees the next token, which it is to predict."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.visible = torch.ones_like(self.visible).tril(1)


class NoPositions(GPT1):
    """Nothing says where a token stands, but for what the mask lets it see."""

    def embed(self, tokens: Tensor) -> Tensor:
        """Leave out the positions."""
        return self.tokens(tokens)


class OutputNotTied(GPT1):
    """Tokens are scored by a matrix of their own."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.output = nn.Parameter(self.tokens.weight.detach().clone())

    def logits(self, features: Tensor) -> Tensor:
        """Score with the second matrix."""
        return features @ self.output.T


class ErfFeedForward(FeedForward):
    """GELU through the error function, which is the default of `F.gelu`."""

    def forward(self, x: Tensor) -> Tensor:
        """Use the other form."""
        return self.contract(F.gelu(self.expand(x)))


class OtherGelu(GPT1):
    """The other form of GELU in every block."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        for block in self.blocks:
            other = ErfFeedForward(config)
            other.load_state_dict(block.feed_forward.state_dict())
            block.feed_forward = other


def labels_not_shifted(logits: Tensor, tokens: Tensor) -> Tensor:
    """Each position is asked for the token that it has just read."""
    return F.cross_entropy(logits.flatten(0, 1), tokens.flatten())


MODELS: dict[str, type[GPT1]] = {
    "right": GPT1,
    "mask_shifted": MaskShifted,
    "labels_not_shifted": GPT1,
    "no_positions": NoPositions,
    "output_not_tied": OutputNotTied,
    "other_gelu": OtherGelu,
}


def bugs(
    seed: int,
    merges: int,
    sample: int,
    every: int,
    batch: int,
    steps: int,
    warmup: int,
    points: int,
    lr: float,
    prompts: int,
    labels: int,
    tuning_steps: int,
    shown: int,
    **sizes: int,
) -> dict[str, Any]:
    """Training loss at the end, and nats for a token of unseen files when it is really unseen, by bug.

    A model that writes does not have the next token yet. So it is judged on prompts that end before the token that it
    has to predict; `gap` is that less its training loss. `accuracy` is of the tuning with and without the bug, and
    `tokens_per_word` of the vocabulary.
    """
    data = texts(merges, sample, every)
    config = config_for(data.vocabulary, **sizes)
    torch.manual_seed(seed)
    asked = next(windows(data.held_out, prompts, config.context))
    loss, nats, curves, written = {}, {}, {}, {}
    models: dict[str, GPT1] = {}
    for bug, make in MODELS.items():
        torch.manual_seed(seed)
        models[bug] = model = make(config)
        loss_fn = labels_not_shifted if bug == "labels_not_shifted" else next_token_loss
        torch.manual_seed(seed)
        stretches = windows(data.trained, batch, config.context)
        curve = [
            value
            for _, value in training(
                model,
                lambda tokens: loss_fn(model(tokens), tokens),  # noqa: B023
                stretches,
                steps,
                lr,
                warmup,
            )
        ]
        model.eval()
        width = steps // points
        curves[bug] = [
            round(sum(curve[first : first + width]) / width, 4)
            for first in range(0, width * points, width)
        ]
        tail = curve[-max(1, steps // 10) :]
        loss[bug] = sum(tail) / len(tail)
        nats[bug] = nats_of_unseen(model, asked)
        written[bug] = data.vocabulary.decode(continued(model, asked[0, :8].tolist(), shown))
    return {
        "loss": loss,
        "nats": nats,
        "gap": {bug: nats[bug] - loss[bug] for bug in MODELS},
        "nats_above": {bug: nats[bug] - nats["right"] for bug in MODELS if bug != "right"},
        "loss_above": {bug: loss[bug] - loss["right"] for bug in MODELS if bug != "right"},
        "curves": curves,
        "written": {"prompt": data.vocabulary.decode(asked[0, :8].tolist()), **written},
        **_tuning(seed, models["right"], labels, tuning_steps, batch, lr, merges, sample),
        **_wrong_merges(merges, sample, every),
    }


@torch.no_grad()
def nats_of_unseen(model: GPT1, tokens: Tensor) -> float:
    """What the token behind a prompt costs, for prompts of several lengths from half the context on."""
    context = tokens.shape[1]
    costs = [
        F.cross_entropy(model(tokens[:, :length])[:, -1], tokens[:, length])
        for length in range(context // 2, context, 8)
    ]
    return torch.stack(costs).mean().item()


@torch.no_grad()
def continued(model: GPT1, prompt: list[int], count: int) -> list[int]:
    """The likeliest tokens behind a prompt, one after the other."""
    tokens = list(prompt)
    for _ in range(count):
        window = torch.tensor([tokens[-model.config.context :]])
        tokens.append(int(model(window)[0, -1].argmax()))
    return tokens[len(prompt) :]


# Tuning -----------------------------------------------------------------------------------------------------


class ReadAtTheEnd(FineTuned):
    """The features at the last position of the batch: padding, wherever a text is not the longest."""

    def summary(self, features: Tensor, real: Tensor) -> Tensor:
        """Take the last position."""
        return features[:, -1]


def _tuning(
    seed: int,
    model: GPT1,
    labels: int,
    steps: int,
    batch: int,
    lr: float,
    merges: int,
    sample: int,
) -> dict[str, Any]:
    """Accuracy of classifiers that start from one model, and the auxiliary loss that each reports at the end."""
    tested = labelled("test", merges, sample)
    torch.manual_seed(seed)
    examples = some(labelled("train", merges, sample), labels)
    found, auxiliary = {}, {}
    for bug, kind in (
        ("tuned_right", FineTuned),
        ("read_at_padding", ReadAtTheEnd),
        ("padding_counted", FineTuned),
    ):
        torch.manual_seed(seed)
        twin = GPT1(model.config)
        twin.load_state_dict(model.state_dict())
        net = kind(twin, CLASSES)
        reported: list[float] = []

        def loss_of(batch_: Sequence[Example]) -> Tensor:
            tokens, real, wanted = inputs(batch_, model.config.context)
            counted = torch.ones_like(real) if bug == "padding_counted" else real  # noqa: B023
            scores, logits = net(tokens, real)  # noqa: B023
            reported.append(next_token_loss(logits.detach(), tokens, counted).item())  # noqa: B023
            return fine_tuning_loss(scores, wanted, logits, tokens, counted)

        batches = shuffled_batches(examples, batch)
        for _ in training(net, loss_of, batches, steps, lr, warmup=steps // 10):
            pass
        found[bug] = accuracy(net.eval(), tested)
        tail = reported[-max(1, steps // 10) :]
        auxiliary[bug] = sum(tail) / len(tail)
    return {
        "accuracy": found,
        "lost": {
            bug: found["tuned_right"] - each for bug, each in found.items() if bug != "tuned_right"
        },
        "auxiliary": auxiliary,
    }


# Merges -----------------------------------------------------------------------------------------------------


def merged_as_it_comes(symbols: Sequence[Symbol], rank: Mapping[Pair, int]) -> list[Symbol]:
    """Join the first pair that is a merge, again and again: the order of the text instead of the merges' own."""
    joined = list(symbols)
    place = 0
    while place < len(joined) - 1:
        if (joined[place], joined[place + 1]) in rank:
            joined[place : place + 2] = [joined[place] + joined[place + 1]]
            place = max(0, place - 1)
        else:
            place += 1
    return joined


def _wrong_merges(merges: int, sample: int, every: int) -> dict[str, Any]:
    """Tokens of a word of unseen files, and the share of words that are cut otherwise."""
    known = vocabulary(merges, sample)
    rank = {pair: number for number, pair in enumerate(known.merges)}
    held_out = [masked(text) for text in prose("held_out")[:: 4 * every]]
    counts = Counter(word for text in held_out for word in spell(text))
    right = {word: apply_merges(word, rank) for word in counts}
    wrong = {word: merged_as_it_comes(word, rank) for word in counts}
    total = counts.total()
    lengths = {
        bug: sum(len(cuts[word]) * count for word, count in counts.items()) / total
        for bug, cuts in (("by_rank", right), ("as_it_comes", wrong))
    }
    changed = sum(count for word, count in counts.items() if right[word] != wrong[word])
    return {"tokens_per_word": lengths, "cut_otherwise": changed / total}


EXPERIMENTS = {
    "bugs": Experiment(
        question="What do well-known bugs look like from outside: in the loss, and in what the model is good for?",
        run=bugs,
        settings=dict(
            merges=512,
            sample=40,
            every=4,
            batch=8,
            steps=200,
            warmup=50,
            points=20,
            lr=4e-3,
            prompts=64,
            labels=240,
            tuning_steps=60,
            shown=24,
            context=64,
            d_model=48,
            n_heads=3,
            d_ff=192,
            n_layers=2,
        ),
        smoke=dict(
            merges=40,
            sample=2000,
            every=400,
            batch=2,
            steps=4,
            warmup=1,
            points=2,
            prompts=2,
            labels=10,
            tuning_steps=2,
            shown=3,
            context=16,
            d_model=6,
            d_ff=12,
            n_layers=1,
        ),
        tolerance=dict(
            loss=1.0,
            nats=4.0,
            gap=4.0,
            nats_above=4.0,
            loss_above=1.0,
            curves=2.0,
            written=None,
            accuracy=0.3,
            lost=0.4,
            auxiliary=1.0,
            tokens_per_word=1e-10,
            cut_otherwise=1e-10,
        ),
    ),
}


def low_loss_is_good(record: Record) -> str:
    """Holds if of the models that train to a lower loss than the right one, none predicts unseen tokens worse.

    Lower, worse: the paired intervals lie on that side of 0. It does not hold if any does; in part if no model trains
    to a lower loss.
    """
    lower = [bug for bug in MODELS if bug != "right" and record[f"loss_above.{bug}"].high < 0]
    worse = [bug for bug in lower if record[f"nats_above.{bug}"].low > 0]
    return FAILS if worse else HOLDS if lower else IN_PART


def gelu_is_gelu(record: Record) -> str:
    """Holds if the other form changes the nats of an unseen token by less than 0.05, the whole paired interval.

    In part if only the mean does.
    """
    change = record["nats_above.other_gelu"]
    if change.low > -0.05 and change.high < 0.05:
        return HOLDS
    return IN_PART if abs(change.mean) < 0.05 else FAILS


CLAIMS = [
    Claim(
        id="N24",
        text="A language model whose training loss is lower is the better one.",
        where="said when a change makes the loss fall",
        experiment="gpt1.bugs",
        did="Small models, each with one bug; their training loss, and what a token costs that they have really not "
        "seen. The number is that cost with the mask shifted by one, less the right model's.",
        rule=Rule(low_loss_is_good, forecast=0.02),
        measured="nats_above.mask_shifted:f2",
        said=True,
    ),
    Claim(
        id="N25",
        text="It does not matter which of the two forms of GELU is used.",
        where="said of the tanh in the authors' code",
        experiment="gpt1.bugs",
        did="The same small model from the same weights on the same batches with the error function. The number is "
        "what it adds to the cost of an unseen token, in nats.",
        rule=Rule(gelu_is_gelu, forecast=0.93),
        measured="nats_above.other_gelu:f3",
        said=True,
    ),
]
