"""What is lost when one head is switched off, and when one source word is hidden: held against what the maps say."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from generators.data import LANGUAGES
from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.transformer.alignment import (
    Sentence,
    agreements,
    cross_attention_maps,
    evenly,
    sentence,
)
from generators.experiments.transformer.task import (
    DIRECTIONS,
    FIRST_LANGUAGE,
    PADDING,
    Corpus,
    corpus,
    started,
    trimmed,
)
from generators.experiments.transformer.translator import (
    SIZES,
    SMALL_SIZES,
    SMALL_TASK,
    TASK,
    trained_translator,
)
from generators.record import Record
from implementations.transformer import MultiHeadAttention, Transformer, causal

KINDS = ("encoder", "decoder", "cross")


def attentions(model: Transformer) -> dict[str, list[MultiHeadAttention]]:
    """The attentions of a model by kind, each from the first layer to the last."""
    return {
        "encoder": [layer.self_attention for layer in model.encoder],
        "decoder": [layer.self_attention for layer in model.decoder],
        "cross": [layer.cross_attention for layer in model.decoder],
    }


@contextmanager
def switched_off(module: MultiHeadAttention, head: int) -> Iterator[None]:
    """Let one head contribute nothing: its columns of the output matrix are zero inside the block."""
    width = module.output.in_features // module.n_heads
    mine = slice(head * width, (head + 1) * width)
    with torch.no_grad():
        kept = module.output.weight[:, mine].clone()
        module.output.weight[:, mine] = 0.0
        try:
            yield
        finally:
            module.output.weight[:, mine] = kept


def pairs(data: Corpus, numbers: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Source and target (from its start token on) of the numbers, one batch for each direction."""
    return [
        (
            trimmed(data.tokens[source, numbers]),
            started(torch.full_like(numbers, target), trimmed(data.tokens[target, numbers])),
        )
        for source, target in DIRECTIONS
    ]


@torch.no_grad()
def answered(model: Transformer, batches: list[tuple[Tensor, Tensor]]) -> Tensor:
    """1.0 where greedy decoding would be right to the last letter: direction, number.

    One pass is enough: greedy writes the right answer exactly if each token is the likeliest after the right ones.
    """
    hits = []
    for source, target in batches:
        best = model(source, target[:, :-1]).argmax(dim=-1)
        wanted = target[:, 1:]
        hits.append(((best == wanted) | (wanted == PADDING)).all(dim=1))
    return torch.stack(hits).double()


@torch.no_grad()
def sharpness(model: Transformer, batches: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Mean of the largest weight in each row of each head's map: kind -> layer, head."""
    seen: dict[str, list[list[Tensor]]] = {}
    hooks = []
    for kind, modules in attentions(model).items():
        seen[kind] = [[] for _ in modules]
        for depth, module in enumerate(modules):
            hooks.append(
                module.register_forward_hook(
                    lambda module, inputs, output, to=seen[kind][depth]: to.append(
                        module.weights(*inputs).amax(dim=-1)  # B H T
                    )
                )
            )
    for source, target in batches:
        model(source, target[:, :-1])
    for hook in hooks:
        hook.remove()
    rows = {"encoder": 0, "decoder": 1, "cross": 1}  # padding among the queries does not count
    real = [
        [pair[0] != PADDING for pair in batches],
        [pair[1][:, 1:] != PADDING for pair in batches],
    ]
    return {
        kind: torch.stack(
            [
                torch.cat(
                    [
                        top.transpose(1, 2)[mask]
                        for top, mask in zip(layer, real[rows[kind]], strict=True)
                    ]
                ).mean(dim=0)
                for layer in layers
            ]
        )
        for kind, layers in seen.items()
    }


@torch.no_grad()
def cost_of_hiding(model: Transformer, source: Sentence, target: Sentence, language: int) -> Tensor:
    """What each target token loses in log-probability when one source token is hidden from the writer: T S."""
    memory, visible = model.encode(torch.tensor([source.ids]))
    count = len(source.ids)
    hidden = torch.cat([visible, visible & ~torch.eye(count, dtype=torch.bool)[:, None, None]])
    written = torch.tensor([[FIRST_LANGUAGE + language, *target.ids[:-1]]])
    x = model.embed(written).expand(count + 1, -1, -1)
    memory = memory.expand(count + 1, -1, -1)
    for layer in model.decoder:
        x = layer(
            x,
            layer.self_attention.keys_values(x),
            layer.cross_attention.keys_values(memory),
            causal(written.shape[1]),
            hidden,
        )
    log_p = model.logits(x).log_softmax(dim=-1)
    right = torch.tensor(target.ids)[None, :, None].expand(count + 1, -1, 1)
    log_p = log_p.gather(2, right)[..., 0]  # (none hidden, each hidden), T
    return (log_p[0] - log_p[1:]).T


def ranks(values: Tensor) -> Tensor:
    """Ranks from 0, equal values sharing the mean of theirs."""
    less = (values[None] < values[:, None]).sum(dim=1)
    equal = (values[None] == values[:, None]).sum(dim=1)
    return less + (equal - 1) / 2


def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's; 0 where one of the two is constant."""
    both = torch.stack([ranks(a), ranks(b)]).double()
    both = both - both.mean(dim=1, keepdim=True)
    size = both.norm(dim=1).prod().item()
    return (both[0] @ both[1]).item() / size if size else 0.0


def heads_off(
    seed: int,
    translator: dict[str, Tensor],
    limit: int,
    merges: int,
    every: int,
    compared: int,
    **sizes: int,
) -> dict[str, Any]:
    """Accuracy lost without each head beside how sharp its map is; words that matter beside words looked at."""
    data = corpus(limit, merges)
    model = trained_translator(translator, data, **sizes)
    batches = pairs(data, data.tested[::every])
    whole = answered(model, batches).mean().item()
    lost = {}
    for kind, modules in attentions(model).items():
        table = []
        for module in modules:
            row = []
            for head in range(module.n_heads):
                with switched_off(module, head):
                    row.append(whole - answered(model, batches).mean().item())
            table.append(row)
        lost[kind] = table
    sharp = sharpness(model, batches)
    looked, crucial, chance, aligned = [], [], [], []
    for number in evenly(data.tested, compared):
        sentences = [sentence(data, number, language) for language in LANGUAGES]
        for s, t in DIRECTIONS:
            pair = sentences[s], sentences[t]
            maps = cross_attention_maps(model, *pair, t)
            cost = cost_of_hiding(model, *pair, t)
            looked.append(maps[-1].mean(dim=0).argmax(dim=-1) == cost.argmax(dim=-1))
            aligned.append(agreements(cost, *pair))
            chance.append(torch.full((len(cost),), 1 / cost.shape[1]))
            crucial.append(cost.amax(dim=-1))
    all_lost = torch.tensor([lost[kind] for kind in KINDS], dtype=torch.float64).flatten()
    all_sharp = torch.stack([sharp[kind] for kind in KINDS]).flatten()
    order = all_lost.argsort(descending=True)
    return {
        "accuracy": whole,
        "lost": {k: [[round(v, 5) for v in row] for row in rows] for k, rows in lost.items()},
        "sharpness": {
            k: [[round(v, 4) for v in row] for row in rows.tolist()] for k, rows in sharp.items()
        },
        "heads": len(all_lost),
        "free_heads": int((all_lost < 0.01).sum()),
        "worst": all_lost.max().item(),
        "rank_correlation": rank_correlation(all_sharp, all_lost),
        "rank_correlation_by_kind": {
            kind: rank_correlation(
                sharp[kind].flatten(), torch.tensor(lost[kind], dtype=torch.float64).flatten()
            )
            for kind in KINDS
        },
        "sharpest_costs": all_lost[all_sharp.argmax()].item(),
        "costliest_is_as_sharp_as": all_sharp[order[0]].item(),
        "sharpest": all_sharp.max().item(),
        "looked_at_is_crucial": torch.cat(looked).double().mean().item(),
        "crucial_is_aligned": torch.cat(aligned).double().mean().item(),
        "chance": torch.cat(chance).mean().item(),
        "nothing_crucial": (torch.cat(crucial) < 0.01).double().mean().item(),
    }


EXPERIMENTS = {
    "heads_off": Experiment(
        question="Do the heads whose maps look important matter, and the words that get the weight?",
        run=heads_off,
        settings={**TASK, **SIZES, "every": 4, "compared": 20},
        smoke={**SMALL_TASK, **SMALL_SIZES, "every": 4, "compared": 2},
        stages=("translator",),
        tolerance=dict(
            accuracy=0.02,
            lost=1.0,
            sharpness=1.0,
            heads=0.0,
            free_heads=24,
            worst=1.0,
            rank_correlation=1.0,
            rank_correlation_by_kind=2.0,
            sharpest_costs=1.0,
            costliest_is_as_sharp_as=1.0,
            sharpest=0.3,
            looked_at_is_crucial=0.4,
            crucial_is_aligned=0.4,
            chance=1e-6,
            nothing_crucial=0.5,
        ),
    ),
}


def maps_show_importance(record: Record) -> str:
    """Holds if both heads and words with large weights are those that matter; in part if one of the two is so.

    Heads: sharper ones cost more, with a rank correlation of at least 0.5 over all heads. Words: the source token
    with the largest weight is the one whose hiding costs most, for 80 % of all words. Both at the lower end of the
    interval.
    """
    heads = record["rank_correlation"].low >= 0.5
    words = record["looked_at_is_crucial"].low >= 0.8
    return HOLDS if heads and words else IN_PART if heads or words else FAILS


CLAIMS = [
    Claim(
        id="P5",
        text="Attention shows what is important.",
        where="said of attention maps since Bahdanau et al. 2015, Section 3.1; Jain and Wallace (2019) disagree",
        experiment="transformer.heads_off",
        did="Switched off each head and compared what was lost with the sharpness of its map; hid each source word "
        "from the writer and compared what that cost with the weight. The number is the share of words whose "
        "most looked-at source word is the one whose hiding costs most.",
        rule=Rule(maps_show_importance, forecast=0.2),
        measured="looked_at_is_crucial:pct",
        said=True,
    ),
]
