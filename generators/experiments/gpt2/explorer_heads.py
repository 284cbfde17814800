"""What a model says of prompts with a known answer, and what its heads do: where they look, and what they cost."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from generators.experiments.gpt2.explorer_grammar import Case
from generators.experiments.gpt2.explorer_model import vocabulary
from generators.experiments.transformer.heads_off import rank_correlation, switched_off
from generators.experiments.transformer.maps import kept_maps
from implementations.gpt2 import GPT2

# Prompts ----------------------------------------------------------------------------------------------------


class Prompts:
    """Cases of one task as a batch: prompt and answer, filled up behind; what comes later is seen by nobody."""

    def __init__(self, cases: list[Case]) -> None:
        known = vocabulary()
        prompts = [known.encode(case.prompt) for case in cases]
        whole = [known.encode(case.prompt + case.answer) for case in cases]
        longest = max(map(len, whole))
        self.cases = cases
        self.last = torch.tensor(
            [len(prompt) - 1 for prompt in prompts]
        )  # where the answer is asked
        self.tokens = torch.tensor([[*row, *[0] * (longest - len(row))] for row in whole])
        places = torch.arange(longest)
        ends = torch.tensor([len(row) for row in whole])
        self.prompt = places <= self.last[:, None]  # B T
        self.asked = (places >= self.last[:, None]) & (places < ends[:, None] - 1)
        self.evidence = torch.tensor(
            [evidence(row, case, longest) for row, case in zip(whole, cases, strict=True)]
        )

    @torch.no_grad()
    def bits(self, model: GPT2) -> tuple[Tensor, Tensor]:
        """The surprise at each answer, in bits, and whether it is the likeliest: B each."""
        logits = model(self.tokens)[:, :-1]
        targets = self.tokens[:, 1:]
        nats = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
        asked = self.asked[:, :-1]
        right = (logits.argmax(dim=-1) == targets) | ~asked
        return (nats * asked).sum(dim=1) / math.log(2), right.all(dim=1).double()

    def maps(self, model: GPT2) -> Tensor:
        """Where every head looks: L B H T T."""
        with kept_maps(block.attention for block in model.blocks) as maps:
            model(self.tokens)
        return torch.stack(maps)

    def on_evidence(self, maps: Tensor) -> Tensor:
        """How much of its attention the last word of a prompt gives to where the answer stands: L B H."""
        rows = torch.arange(len(self.last))
        at_last = maps[:, rows, :, self.last]  # B L H T
        return (at_last * self.evidence[:, None, None]).sum(dim=-1).transpose(0, 1)


def evidence(tokens: list[int], case: Case, length: int) -> list[float]:
    """1 at every token that shares characters with where the answer can be read off."""
    symbols, start, found = vocabulary().symbols, 0, []
    for token in tokens:
        end = start + len(symbols[token])
        found.append(float(case.evidence[0] < end and start < case.evidence[1]))
        start = end
    return found + [0.0] * (length - len(found))


# Heads ------------------------------------------------------------------------------------------------------

KINDS = ("previous token", "first token", "itself", "induction")


def looks(prompts: Prompts, maps: Tensor) -> dict[str, Tensor]:
    """Sums over the words of all prompts, and how many they are, for `described`: name -> L H, and counts."""
    at = prompts.prompt.clone()
    at[:, :2] = False  # the second word's previous one is the first
    length = maps.shape[-1]
    places = torch.arange(length)
    before = torch.zeros(length, length)
    before[places[1:], places[:-1]] = 1.0
    first = torch.zeros(length, length)
    first[:, 0] = 1.0
    tokens = prompts.tokens
    seen = (
        (tokens[:, :, None] == tokens[:, None]).float().tril(diagonal=-1)
    )  # the same word, earlier
    after_seen = F.pad(seen, (1, 0))[:, :, :-1]  # the word behind it
    again = at & (after_seen.sum(dim=-1) > 0)
    masks = {
        "previous token": before.expand(len(tokens), -1, -1),
        "first token": first.expand(len(tokens), -1, -1),
        "itself": torch.eye(length).expand(len(tokens), -1, -1),
        "induction": after_seen,
    }
    found = {}
    for kind, mask in masks.items():
        where = again if kind == "induction" else at
        shares = (maps * mask[None, :, None]).sum(dim=-1)  # L B H T
        found[kind] = (shares * where[None, :, None]).sum(dim=(1, 3))
        found[f"{kind} words"] = where.sum()
    entropy = -(maps * maps.clamp(min=1e-12).log2()).sum(dim=-1)
    found["entropy"] = (entropy * at[None, :, None]).sum(dim=(1, 3))
    found["sharpness"] = (maps.amax(dim=-1) * at[None, :, None]).sum(dim=(1, 3))
    found["words"] = at.sum()
    return found


def described(sums: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Means over all words of all tasks: each kind's share of the attention, entropy in bits, largest weight. L H."""
    total = {name: sum(each[name] for each in sums) for name in sums[0]}
    means = {kind: total[kind] / total[f"{kind} words"] for kind in KINDS}
    return means | {name: total[name] / total["words"] for name in ("entropy", "sharpness")}


def without_each(model: GPT2) -> Iterator[tuple[int, int]]:
    """Layer and head, each in turn; while the caller works with one, it is off."""
    for layer, block in enumerate(model.blocks):
        for head in range(model.config.n_heads):
            with switched_off(block.attention, head):
                yield layer, head


MOSTLY = 0.4  # the share of its attention from which on a head is said to do one thing mostly
Table = list[list[float]]  # a number for each head: layer, head


def without_heads(
    model: GPT2, prompts: dict[str, Prompts], whole: dict[str, Tensor]
) -> tuple[dict[str, Tensor], Tensor]:
    """What each head's absence costs at the answers of a task, in bits: L H; and what the others then look at.

    The latter, for lists: how much of its attention a head gives to where the answer stands, without the first.
    L H L H.
    """
    layers, n_heads = len(model.blocks), model.config.n_heads
    costs = {task: torch.zeros(layers, n_heads) for task in prompts}
    copying = torch.zeros(layers, n_heads, layers, n_heads)
    for layer, head in without_each(model):
        for task, batch in prompts.items():
            costs[task][layer, head] = (batch.bits(model)[0] - whole[task]).mean()
        lists = prompts["list"]
        copying[layer, head] = lists.on_evidence(lists.maps(model)).mean(dim=1)
    return costs, copying


def short(table: Tensor) -> Table:
    """A table for a record."""
    return [[round(value, 4) for value in row] for row in table.tolist()]


def heads(doing: dict[str, Tensor], cost: Tensor) -> list[list[dict[str, Any]]]:
    """What each head mostly does, how spread and how sharp its map is, and what its absence costs."""
    found = []
    for layer in range(len(cost)):
        row = []
        for head in range(len(cost[layer])):
            shares = {kind: doing[kind][layer, head].item() for kind in KINDS}
            most = max(shares, key=lambda kind: shares[kind])
            row.append(
                {
                    "kind": most if shares[most] >= MOSTLY else "mixed",
                    "share": round(shares[most], 4),
                    "entropy": round(doing["entropy"][layer, head].item(), 4),
                    "sharpness": round(doing["sharpness"][layer, head].item(), 4),
                    "cost": round(cost[layer, head].item(), 4),
                }
            )
        found.append(row)
    return found


def place(table: Tensor) -> tuple[int, int]:
    """Layer and head of the largest value."""
    layer, head = divmod(table.argmax().item(), table.shape[1])
    return layer, head


def list_circuit(
    looked: Tensor,
    costs: Tensor,
    copying: Tensor,
    about: list[list[dict[str, Any]]],
    previous: Tensor,
) -> dict[str, Any]:
    """In repeated lists: the head that looks hardest at the answer, the one that costs most, and who helps the first.

    The helper is the head of an earlier layer without which the first one looks least at the answer.
    """
    looker, costliest = place(looked), place(costs)
    found = {
        "looker": [*looker],
        "looker_looks": looked[looker].item(),
        "looker_costs": costs[looker].item(),
        "costliest": [*costliest],
        "costliest_looks": looked[costliest].item(),
        "costliest_costs": costs[costliest].item(),
        "looker_is_costliest": int(looker == costliest),
    }
    earlier = copying[: looker[0], :, looker[0], looker[1]]
    if not len(earlier):  # in the first layer nobody can help
        return {
            **found,
            "helper": [],
            "helper_kind": "",
            "helper_previous": 0.0,
            "looks_without_helper": looked[looker].item(),
            "left": 1.0,
        }
    helper = place(-earlier)
    return {
        **found,
        "helper": [*helper],
        "helper_kind": about[helper[0]][helper[1]]["kind"],
        "helper_previous": previous[helper].item(),
        "looks_without_helper": earlier[helper].item(),
        "left": (earlier[helper] / looked[looker]).item(),
    }


def sharpest(sharpness: Tensor, cost: Tensor) -> dict[str, Any]:
    """Whether sharp maps are those of the heads that matter, over all tasks."""
    sharp, costly = place(sharpness), place(cost)
    return {
        "rank_correlation": rank_correlation(sharpness.flatten(), cost.flatten()),
        "sharpest": [*sharp],
        "sharpest_costs": cost[sharp].item(),
        "sharpest_sharpness": sharpness[sharp].item(),
        "costliest": [*costly],
        "costliest_costs": cost[costly].item(),
        "costliest_sharpness": sharpness[costly].item(),
        "sharpest_is_costliest": int(sharp == costly),
    }
