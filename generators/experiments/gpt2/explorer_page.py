"""What the attention explorer needs beside the weights: configuration, vocabulary, presets, and a tour of five steps.

The tour is chosen by rule from what was measured, so that its sentences are true of these weights.
"""

from typing import Any

from generators.experiments.gpt2.explorer_grammar import PRESETS
from generators.experiments.gpt2.explorer_model import config_of, vocabulary

PREVIOUS = "previous token"
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
            "tour": tour(measured["presets"]["list"], measured["list"]) if "list" in passed else [],
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


def name(head: list[int]) -> str:
    """A head as the page calls it, layers and heads counted from 1."""
    return f"{head[0] + 1}.{head[1] + 1}"


def tour(shown: dict[str, Any], circuit: dict[str, Any]) -> list[dict[str, Any]]:
    """Five steps on a repeated list: what comes next, who looks at it, without that head, who is missed, who helps.

    Every head is named by rule: the looker looks hardest at the answer over all lists, the missed one costs most on
    this list, the helper is the earlier head without which the looker looks least at the answer over all lists.
    """
    words = [token.strip() for token in shown["tokens"]]
    answer, last = PRESETS["list"].case.answer.strip(), words[-1]
    layer, head = shown["head"]
    looker = name(shown["head"])
    costs, looks = shown["costs"], shown["looks"]
    places = [[row, column] for row, line in enumerate(costs) for column in range(len(line))]
    row, column = missed = max(places, key=lambda place: costs[place[0]][place[1]])
    here = {
        "text": PRESETS["list"].case.prompt,
        "query": len(words) - 1,
        "layer": layer,
        "head": head,
        "off": [],
    }
    start = (
        f"Now each head is switched off by itself. The model misses {name(missed)} most: without it “{answer}” loses "
        f"{costs[row][column]:.1f} bits"
    )
    return [
        {
            "say": "The model has read four words and begun to repeat them. It now says which word comes next.",
            "button": "Let it predict",
            "set": {**here, "view": "next"},
            "ask": "Which word has the longest bar, and is it the right one?",
        },
        {
            "say": f"To predict, each word looks back at earlier ones. This is where head {looker} looks from the "
            f"last word, “{last}”.",
            "button": f"Show where {looker} looks",
            "set": {**here, "view": "lines"},
            "ask": "Which word does the thickest line reach, and where does that word stand beside the first "
            f"“{last}”?",
        },
        {
            "say": f"Head {looker} gives “{answer}” {looks[layer][head]:.0%} of its attention. A head that is "
            "switched off adds nothing, and all else stays.",
            "button": f"Switch {looker} off",
            "set": {**here, "off": [[layer, head]], "view": "next"},
            "ask": f"Does “{answer}” still have the longest bar? How much shorter is it than before?",
        },
        {
            "say": f"{start}. It is also the one that looks hardest at “{answer}”."
            if missed == shown["head"]
            else f"{start}, without {looker} {costs[layer][head]:.1f}. Yet {name(missed)} gives “{answer}” only "
            f"{looks[row][column]:.0%} of its attention.",
            "button": "Switch each off in turn",
            "set": {**here, "layer": row, "head": column, "view": "costs"},
            "ask": f"Is the head that is missed most the one that looks hardest at “{answer}”?",
        },
        last_step(shown, circuit, here),
    ]


def last_step(
    shown: dict[str, Any], circuit: dict[str, Any], here: dict[str, Any]
) -> dict[str, Any]:
    """The earlier head that helps the looker, where it takes half of its attention along; else another sentence."""
    answer, helper, looker = PRESETS["list"].case.answer.strip(), circuit["helper"], shown["head"]
    looks = shown["looks"][looker[0]][looker[1]]
    left = shown["looks_without"][helper[0]][helper[1]] if helper else looks
    if left > looks / 2:
        return {
            "say": "Another sentence needs another look back: a verb agrees with its subject, not with what is near.",
            "button": "Show the verb",
            "set": {**here, "text": PRESETS["agreement"].case.prompt, "query": 0, "view": "map"},
            "ask": "Which cells far from the diagonal are dark? Then explore freely.",
        }
    does = ", which looks mostly at the word before," if circuit["helper_kind"] == PREVIOUS else ""
    return {
        "say": f"How does {name(looker)} find “{answer}”? With the help of {name(helper)}{does} in an earlier layer. "
        f"Without that one it gives “{answer}” {left:.0%} of its attention, no longer {looks:.0%}.",
        "button": f"Switch {name(helper)} off",
        "set": {**here, "off": [helper], "view": "lines"},
        "ask": f"Where does {name(looker)} look now? Then explore freely: other sentences, or your own words.",
    }
