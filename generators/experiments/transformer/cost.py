"""What length costs: attention and a whole layer, and decoding with and without a cache.

All times are processor time of one thread, so that other work on the machine hardly counts; what is compared is
measured in turn, in rotating order, and said as median and quartiles over rounds.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.transformer.warmup import exponent
from generators.record import Record
from implementations.transformer import (
    Decoding,
    EncoderLayer,
    KeysValues,
    Transformer,
    TransformerConfig,
    attention,
    causal,
)

VOCABULARY = 1024


# Measuring -------------------------------------------------------------------------------------------------


def in_turn(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of one thread that each work takes, round by round; each round begins with another one."""
    names = list(works)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for work in works.values():
        work()  # the first time is slower: memory is fetched, kernels are chosen
    for number in range(rounds):
        first = number % len(names)
        for name in [*names[first:], *names[:first]]:
            started = time.process_time()
            works[name]()
            taken[name].append(time.process_time() - started)
    return taken


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles, with four digits."""
    points = torch.tensor(values, dtype=torch.float64).quantile(
        torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    )
    names = ("q1", "median", "q3")
    return {name: float(f"{p:.4g}") for name, p in zip(names, points.tolist(), strict=True)}


def kept_for_backward(work: Callable[[], Tensor], parameters: Sequence[Tensor] = ()) -> int:
    """Bytes that a forward pass keeps for its backward pass, each piece of memory once, parameters not counted."""
    known = {parameter.untyped_storage().data_ptr() for parameter in parameters}
    pieces: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            pieces[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = work()  # alive until all is counted, or its memory would be used twice
    kept = sum(pieces.values())
    del output
    return kept


# Attention and a layer against length ------------------------------------------------------------------------


def fused_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """PyTorch's kernel, which never holds all weights at once."""
    return F.scaled_dot_product_attention(q, k, v)


def explicit_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Equation 1 as it stands."""
    return attention(q, k, v)[0]


def length_cost(
    lengths: list[int],
    positions: int,
    d_model: int,
    n_heads: int,
    d_ff: int,
    rounds: int,
    long: int,
) -> dict[str, Any]:
    """Forward and backward pass of attention, explicit and fused, and of an encoder layer, at several lengths.

    Every pass works on `positions` positions, cut into sequences of one length; time and memory are those of one
    sequence. Exponents are fitted to the lengths up to `long` ("short") and to those beyond it ("long"): there the
    layer's attention changes over to the fused kernel.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = TransformerConfig(
        VOCABULARY, d_model, n_heads, d_ff, n_layers=1, dropout=0.0, context=max(lengths)
    )
    layer = EncoderLayer(config)
    passes: dict[str, Callable[[], Tensor]] = {}
    for length in lengths:
        batch = positions // length
        x = torch.randn(batch, length, d_model, requires_grad=True)
        qkv = [
            torch.randn(batch, n_heads, length, d_model // n_heads, requires_grad=True)
            for _ in range(3)
        ]
        passes[f"explicit_{length}"] = partial(explicit_attention, *qkv)
        passes[f"fused_{length}"] = partial(fused_attention, *qkv)
        passes[f"layer_{length}"] = partial(layer, x)
    there_and_back = {name: partial(back_and_forth, forward) for name, forward in passes.items()}
    taken = in_turn(there_and_back, rounds)
    ranges = {
        "short": [index for index, length in enumerate(lengths) if length <= long],
        "long": [index for index, length in enumerate(lengths) if length > long],
    }
    measured: dict[str, Any] = {
        "exponent": {},
        "memory_exponent": {},
        "seconds": {},
        "bytes": {},
        "lengths": lengths,
    }
    for kind in ("explicit", "fused", "layer"):
        each = [  # length, round
            [value * length / positions for value in taken[f"{kind}_{length}"]]
            for length in lengths
        ]
        held = [
            kept_for_backward(passes[f"{kind}_{length}"], list(layer.parameters()))
            / (positions // length)
            for length in lengths
        ]
        measured["seconds"][kind] = [spread(values) for values in each]
        measured["bytes"][kind] = held
        measured["exponent"][kind] = {
            name: spread(exponents_by_round(lengths, each, some)) for name, some in ranges.items()
        }
        measured["memory_exponent"][kind] = {
            name: exponent([lengths[index] for index in some], [held[index] for index in some])
            for name, some in ranges.items()
        }
    return measured


def back_and_forth(forward: Callable[[], Tensor]) -> None:
    """A forward and a backward pass."""
    forward().sum().backward()


def exponents_by_round(lengths: list[int], each: list[list[float]], some: list[int]) -> list[float]:
    """The exponent that some of the lengths give, of every round; `each` is length, round."""
    across = [lengths[index] for index in some]
    return [exponent(across, times) for times in zip(*(each[index] for index in some), strict=True)]


# Decoding ----------------------------------------------------------------------------------------------------


def without_cache(
    model: Transformer, memory: Tensor, memory_visible: Tensor, written: Tensor
) -> Tensor:
    """Logits of the next token, every written position computed anew."""
    x = model.embed(written)
    visible = causal(written.shape[1])
    for layer in model.decoder:
        x = layer(
            x,
            layer.self_attention.keys_values(x),
            layer.cross_attention.keys_values(memory),
            visible,
            memory_visible,
        )
    return model.logits(x[:, -1:])[:, 0]


@torch.no_grad()
def cache(batch: int, source: int, written: int, **sizes: int) -> dict[str, Any]:
    """Largest difference of the logits with and without the cache, token by token, in one random model."""
    torch.manual_seed(0)
    config = TransformerConfig(VOCABULARY, dropout=0.0, context=max(source, written), **sizes)
    model = Transformer(config).eval()
    read = torch.randint(1, VOCABULARY, (batch, source))
    read[1:, source // 2 :] = config.padding  # one row is whole, the others are half padding
    tokens = torch.randint(1, VOCABULARY, (batch, written))
    decoding = Decoding(model, read)
    memory, visible = model.encode(read)
    differences = [
        (
            decoding.step(tokens[:, t : t + 1])
            - without_cache(model, memory, visible, tokens[:, : t + 1])
        )
        .abs()
        .max()
        .item()
        for t in range(written)
    ]
    return {"worst": max(differences), "written": written}


def filled(model: Transformer, source: Tensor, length: int) -> Decoding:
    """A translation that stands at this length; what its cache holds is random, for time does not depend on it."""
    decoding = Decoding(model, source)
    config = model.config
    shape = (len(source), config.n_heads, length, config.d_model // config.n_heads)
    decoding.written = [KeysValues(torch.randn(shape), torch.randn(shape)) for _ in model.decoder]
    decoding.length = length
    return decoding


def go_on(decoding: Decoding, tokens: Tensor) -> None:
    """Write some tokens, and take them back."""
    written, length = list(decoding.written), decoding.length
    for token in tokens.split(1, dim=1):
        decoding.step(token)
    decoding.written, decoding.length = written, length


@torch.no_grad()
def decoding_cost(
    lengths: list[int], batch: int, source: int, tokens: int, rounds: int, long: int, **sizes: int
) -> dict[str, Any]:
    """Time of one more token after so many, with and without the cache; exponents of the lengths beyond `long`."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = TransformerConfig(
        VOCABULARY, dropout=0.0, context=max([*lengths, source]) + tokens, **sizes
    )
    model = Transformer(config).eval()
    read = torch.randint(1, VOCABULARY, (batch, source))
    memory, visible = model.encode(read)
    newest = torch.randint(1, VOCABULARY, (batch, tokens))
    works: dict[str, Callable[[], object]] = {}
    for length in lengths:
        written = torch.randint(1, VOCABULARY, (batch, length))
        works[f"with_{length}"] = partial(go_on, filled(model, read, length), newest)
        works[f"without_{length}"] = partial(without_cache, model, memory, visible, written)
    taken = in_turn(works, rounds)
    each = {  # length, round
        "with": [[value / tokens for value in taken[f"with_{length}"]] for length in lengths],
        "without": [taken[f"without_{length}"] for length in lengths],
    }
    last = [index for index, length in enumerate(lengths) if length > long]
    return {
        "exponent": {
            kind: spread(exponents_by_round(lengths, times, last)) for kind, times in each.items()
        },
        "seconds": {kind: [spread(values) for values in times] for kind, times in each.items()},
        "gain": spread(
            [slow / fast for slow, fast in zip(each["without"][-1], each["with"][-1], strict=True)]
        ),
        "lengths": lengths,
    }


EXPERIMENTS = {
    "length_cost": Experiment(
        question="How do time and memory of attention, and of a whole layer, grow with the length?",
        run=length_cost,
        settings=dict(
            lengths=[64, 128, 256, 512, 1024, 2048],
            positions=2048,
            d_model=256,
            n_heads=4,
            d_ff=1024,
            rounds=5,
            long=512,
        ),
        smoke=dict(
            lengths=[8, 16, 32, 64], positions=64, d_model=8, n_heads=2, d_ff=16, rounds=2, long=16
        ),
        seeds=(),
        kind="timing",
        exclusive=True,
    ),
    "cache": Experiment(
        question="Do logits come out the same when keys and values are kept instead of computed anew?",
        run=cache,
        settings=dict(batch=3, source=20, written=60, d_model=64, n_heads=4, d_ff=256, n_layers=3),
        smoke=dict(written=4, d_model=8, d_ff=16, n_layers=1),
        seeds=(),
        kind="exact",
        tolerance=dict(worst=1e-5),
    ),
    "decoding_cost": Experiment(
        question="What does one more token cost, with and without a cache of keys and values?",
        run=decoding_cost,
        settings=dict(
            lengths=[64, 128, 256, 512, 1024, 2048, 4096],
            batch=4,
            source=32,
            tokens=8,
            rounds=4,
            long=512,  # up to it attention is explicit, beyond it fused
            d_model=64,
            n_heads=4,
            d_ff=256,
            n_layers=2,
        ),
        smoke=dict(
            lengths=[4, 8, 16], batch=2, source=4, tokens=2, rounds=2, long=4, d_model=8, d_ff=16
        ),
        seeds=(),
        kind="timing",
        exclusive=True,
    ),
}


def quadratic(record: Record) -> str:
    """Holds if the time of a whole layer grows at least with the power 1.8 of the length, up to 512 positions.

    In part if that is so only beyond 512, or only for attention alone, or only for the memory of the explicit form;
    medians of the fitted exponents.
    """
    if record["exponent.layer.short.median"].mean >= 1.8:
        return HOLDS
    others = [
        record["exponent.layer.long.median"],
        record["exponent.explicit.long.median"],
        record["exponent.fused.long.median"],
    ]
    memory = record["memory_exponent.explicit.long"].mean
    return IN_PART if max(*(other.mean for other in others), memory) >= 1.8 else FAILS


def same_logits(record: Record) -> str:
    """Holds if no logit differs by more than 1e-5, in float32."""
    return HOLDS if record["worst"].max <= 1e-5 else FAILS


def linear_and_quadratic(record: Record) -> str:
    """Holds if the time of a token grows linearly with the length with a cache, and quadratically without.

    Beyond 512 tokens, the fitted exponents (medians) lie within 0.35 of 1 and of 2. In part if the exponent
    without the cache is larger by 0.5 at least.
    """
    kept, anew = (record[f"exponent.{kind}.median"].mean for kind in ("with", "without"))
    if abs(kept - 1) <= 0.35 and abs(anew - 2) <= 0.35:
        return HOLDS
    return IN_PART if anew - kept >= 0.5 else FAILS


CLAIMS = [
    Claim(
        id="S20",
        text="Keeping keys and values changes nothing in the logits.",
        where="Shazeer 2019, Section 2; released code of GPT-2",
        experiment="transformer.cache",
        did="Sixty tokens written by a random model of three plus three layers, once with the cache and once with "
        "every position computed anew; float32.",
        rule=Rule(same_logits, forecast=0.97),
        measured="worst:sci",
    ),
    Claim(
        id="S21",
        text="With a cache the time of a token grows linearly with the length, without it quadratically.",
        where="Shazeer 2019, Section 2",
        experiment="transformer.decoding_cost",
        did="Time of one more token after 64 to 4,096 others, four rows at a time, two plus two layers of width 64. "
        "The number is the exponent with the cache, beyond 512.",
        rule=Rule(linear_and_quadratic, forecast=0.75),
        measured="exponent.with.median:f2",
    ),
    Claim(
        id="P3",
        text="Attention makes the cost quadratic in the length, O(n²).",
        where="said everywhere; Table 1 says O(n² d) of a self-attention layer",
        experiment="transformer.length_cost",
        did="Forward and backward pass of an encoder layer of width 256, 64 to 2,048 positions; one thread. "
        "The number is the fitted exponent up to 512.",
        rule=Rule(quadratic, forecast=0.03),
        measured="exponent.layer.short.median:f2",
        said=True,
    ),
]
