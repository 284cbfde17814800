"""What the attention explorer needs beside the weights: configuration, vocabulary, presets, and a tour of five steps.

The tour is chosen by rule from what was measured, so that its sentences are true of these weights.
"""

from typing import Any

from generators.experiments.gpt2.explorer_grammar import PRESETS
from generators.experiments.gpt2.explorer_model import config_of, vocabulary

SPARED = 0.1  # bits; whoever costs less is not missed
SIZES = ("d_model", "n_heads", "d_ff", "n_layers", "context")


def page_of(measured: dict[str, Any], passes: float, **settings: Any) -> dict[str, Any]:
    """What the file says beside its weights; only presets whose task was learnt are in it."""
    sizes = {name: settings[name] for name in SIZES}
    known = vocabulary()
    numbers = [[known.number[first], known.number[second]] for first, second in known.merges]
    passed = [task for task in PRESETS if measured["scores"][task] >= passes]
    return {
        "kind": "gpt2",
        "config": {"vocab_size": config_of(**sizes).vocab_size, **sizes, "epsilon": 1e-5},
        "tokenizer": {"kind": "bytes", "merges": numbers},
        "page": {
            "presets": [preset_of(task, measured, passes) for task in passed],
            "heads": measured["heads"],
            "tour": tour(measured["presets"]["list"]) if "list" in passed else [],
            "finding": {**measured["list"], "rank_correlation": measured["rank_correlation"]},
        },
    }


def preset_of(task: str, measured: dict[str, Any], passes: float) -> dict[str, Any]:
    """One preset: its sentence, what should follow, how often such sentences are gone on with rightly."""
    shown = measured["presets"][task]
    layer, head = shown["head"]
    return {
        "id": task,
        "name": PRESETS[task].name,
        "text": PRESETS[task].case.prompt,
        "task": PRESETS[task].rule,
        "answer": PRESETS[task].case.answer,
        "score": measured["scores"][task],
        "threshold": passes,
        "shown": {"layer": layer, "head": head, "query": len(shown["tokens"]) - 1},
    }


def name(head: tuple[int, ...]) -> str:
    """A head as the page calls it, layers and heads counted from 1."""
    return f"{head[0] + 1}.{head[1] + 1}"


def tour(shown: dict[str, Any]) -> list[dict[str, Any]]:
    """Five steps on a repeated list: what comes next, who looks at it, without that head, without another, all costs.

    The heads are named by rule, from what they do on this very list. The looker gives the answer most of its
    attention over all lists; the rival gives it most here of those that cost less than a tenth of a bit; the missed
    one costs most.
    """
    words = [token.strip() for token in shown["tokens"]]
    answer, last = PRESETS["list"].case.answer.strip(), words[-1]
    costs, looks = shown["costs"], shown["looks"]
    heads = [(row, column) for row, line in enumerate(costs) for column in range(len(line))]
    looker = tuple(shown["head"])
    missed = max(heads, key=lambda head: of(costs, head))
    rival = max(
        (head for head in heads if head != looker and of(costs, head) < SPARED),
        key=lambda head: of(looks, head),
    )
    here = {"text": PRESETS["list"].case.prompt, "query": len(words) - 1, "off": []}
    on_looker = {**here, "layer": looker[0], "head": looker[1]}
    on_rival = {**here, "layer": rival[0], "head": rival[1]}
    on_missed = {**here, "layer": missed[0], "head": missed[1]}
    return [
        {
            "say": "The model has read four words and begun to repeat them. It now says which word comes next.",
            "button": "Let it predict",
            "set": {**on_looker, "view": "next"},
            "ask": "Which word has the longest bar, and is it the right one?",
        },
        {
            "say": f"To predict, each word looks back at earlier ones. This is where head {name(looker)} looks from "
            f"the last word, “{last}”.",
            "button": f"Show where {name(looker)} looks",
            "set": {**on_looker, "view": "lines"},
            "ask": "Which word does the thickest line reach? Is it the one that the model predicted?",
        },
        {
            "say": f"Head {name(looker)} gives “{answer}” {of(looks, looker):.0%} of its attention. A head that is "
            "switched off adds nothing, and all else stays.",
            "button": f"Switch {name(looker)} off",
            "set": {**on_looker, "off": [[*looker]], "view": "next"},
            "ask": f"What has become of the bar of “{answer}”?",
        },
        {
            "say": f"Head {name(rival)} gives “{answer}” {of(looks, rival):.0%} of its attention. Switch that "
            "one off instead.",
            "button": f"Switch {name(rival)} off",
            "set": {**on_rival, "off": [[*rival]], "view": "next"},
            "ask": f"What has become of the bar of “{answer}” this time? Can a head look hard and not matter?",
        },
        {
            "say": f"Now every head is switched off by itself. The model misses {name(missed)} most: without it "
            f"“{answer}” loses {of(costs, missed):.1f} bits, without {name(rival)} {of(costs, rival):.2f}.",
            "button": "Switch off one after the other",
            "set": {**on_missed, "view": "costs"},
            "ask": "In which layer are the heads that are missed? Then explore freely: other sentences, or your own.",
        },
    ]


def of(table: list[list[float]], head: tuple[int, ...]) -> float:
    """A head's number."""
    return table[head[0]][head[1]]
