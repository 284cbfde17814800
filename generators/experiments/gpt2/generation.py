"""What the next token costs, with a cache of keys and values and without, by how many stand before it.

Times are processor time of one thread, measured in turn; said as median and quartiles over rounds.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.transformer.cost import exponents_by_round, in_turn, spread
from generators.record import Record
from implementations.gpt2 import GPT2, Generation
from implementations.transformer import KeysValues, TransformerConfig


def anew(model: GPT2, tokens: Tensor) -> Tensor:
    """The next token's logits, every position computed again."""
    return model.logits(model.features(tokens)[:, -1:])


def standing_at(model: GPT2, rows: int, length: int) -> Generation:
    """A text of this length under way; what its caches hold is random, for time does not depend on it."""
    generation = Generation(model)
    config = model.config
    shape = (rows, config.n_heads, length, config.d_model // config.n_heads)
    for cache in generation.caches:
        cache.followed_by(KeysValues(torch.randn(shape), torch.randn(shape)))
    return generation


def go_on(generation: Generation, tokens: Tensor) -> None:
    """Write some tokens, and take them back."""
    length = generation.caches[0].length
    for token in tokens.split(1, dim=1):
        generation.step(token)
    for cache in generation.caches:
        cache.length = length


@torch.inference_mode()
def generation_cost(
    lengths: list[int],
    tokens: int,
    rounds: int,
    short: int,
    vocabulary: int,
    **sizes: int,
) -> dict[str, Any]:
    """Time of one more token after so many, for one text; with the cache, a mean over `tokens` of them.

    `grown` is the time with the cache at a length over that at the shortest. Exponents are fitted to the lengths
    up to `short`, and to those from it on.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = TransformerConfig(vocabulary, dropout=0.0, context=max(lengths) + tokens, **sizes)
    model = GPT2(config).eval()
    newest = torch.randint(vocabulary, (1, tokens))
    works: dict[str, Callable[[], object]] = {}
    for length in lengths:
        works[f"with_{length}"] = partial(go_on, standing_at(model, 1, length), newest)
        works[f"without_{length}"] = partial(
            anew, model, torch.randint(vocabulary, (1, length + 1))
        )
    taken = in_turn(works, rounds)
    each = {  # length, round
        "with": [[value / tokens for value in taken[f"with_{length}"]] for length in lengths],
        "without": [taken[f"without_{length}"] for length in lengths],
    }
    ranges = {
        "short": [place for place, length in enumerate(lengths) if length <= short],
        "long": [place for place, length in enumerate(lengths) if length >= short],
    }
    return {
        "lengths": lengths,
        "seconds": {kind: [spread(values) for values in times] for kind, times in each.items()},
        "exponent": {
            kind: {
                name: spread(exponents_by_round(lengths, times, some))
                for name, some in ranges.items()
            }
            for kind, times in each.items()
        },
        "grown": {
            str(length): spread(
                [late / early for late, early in zip(times, each["with"][0], strict=True)]
            )
            for length, times in zip(lengths, each["with"], strict=True)
        },
        "gain": {
            str(length): spread([slow / fast for slow, fast in zip(*both, strict=True)])
            for length, *both in zip(lengths, each["without"], each["with"], strict=True)
        },
    }


EXPERIMENTS = {
    "generation_cost": Experiment(
        question="What does the next token cost, with a cache of keys and values and without?",
        run=generation_cost,
        settings=dict(
            lengths=[16, 32, 64, 128, 256, 512, 1024, 2048, 4096],
            tokens=16,
            rounds=5,
            short=512,
            vocabulary=512,
            d_model=64,
            n_heads=4,
            d_ff=256,
            n_layers=3,
        ),
        smoke=dict(
            lengths=[2, 4, 8],
            tokens=2,
            rounds=2,
            short=4,
            vocabulary=20,
            d_model=8,
            n_heads=2,
            d_ff=16,
            n_layers=1,
        ),
        seeds=(),
        kind="timing",
        exclusive=True,
    ),
}


def every_token_alike(record: Record) -> str:
    """Holds if with the cache a token after 4,096 others takes at most a quarter longer than one after 16.

    Medians of the ratio. In part if that is so after 512 others.
    """
    if record["grown.4096.median"].mean <= 1.25:
        return HOLDS
    return IN_PART if record["grown.512.median"].mean <= 1.25 else FAILS


CLAIMS = [
    Claim(
        id="N19",
        text="With a cache generation is linear: every token costs the same.",
        where="said of keys and values that are kept",
        experiment="gpt2.generation_cost",
        did="Time of the next token after 16 to 4,096 others, three blocks of width 64, one thread. The number is "
        "the time after 4,096 others over that after 16.",
        rule=Rule(every_token_alike, forecast=0.05),
        measured="grown.4096.median:f2",
        said=True,
    ),
]
