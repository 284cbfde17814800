"""Random models in the file that pages read, what PyTorch makes of them, and a Node that runs the engine on them."""

import base64
import copy
import functools
import json
import math
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import torch

from generators.files import ROOT
from generators.site.tex import node
from generators.weights import live_bytes, restored, rounded
from implementations.gpt2 import GPT2, ByteTokenizer
from implementations.layernorm import LayerNorm
from implementations.transformer import Transformer, TransformerConfig, causal

ENGINE = ROOT / "docs" / "assets" / "js" / "engine.js"
RUNNER = Path(__file__).with_name("live_engine.mjs")
PAGE_SPLIT = r" ?[A-Za-z]+| ?[0-9]+| ?[^A-Za-z0-9 \n\t\r]+|[ \n\t\r]+"


def in_node(engine: str, lines: str, files: dict[str, bytes] | None = None, **given):
    """What some lines return, run after a text of the engine; they see load, buffer, refusal, Live and `given`."""
    job = {
        "engine": engine,
        "files": {name: base64.b64encode(raw).decode() for name, raw in (files or {}).items()},
        "lines": lines,
        "given": given,
    }
    done = subprocess.run(
        [node(), RUNNER],
        input=json.dumps(job).encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            done.stderr.decode()
        )  # no AssertionError: a bug that crashes was not measured
    return json.loads(done.stdout, object_hook=_unpacked)


def _unpacked(value: dict):
    if set(value) != {"f32"}:
        return value
    raw = base64.b64decode(value["f32"])
    return torch.frombuffer(bytearray(raw), dtype=torch.float32) if raw else torch.empty(0)


# Sizes: the smallest, one where nothing is a multiple of four, and one like the page's own (867k parameters).
DECODERS = {
    "smallest": (TransformerConfig(257, 4, 1, 4, 1, dropout=0.0, context=33), 1e-5),
    "uneven": (TransformerConfig(303, 30, 3, 54, 2, dropout=0.0, context=40), 1e-2),
    "page": (TransformerConfig(513, 128, 4, 512, 4, dropout=0.0, context=64), 1e-5),
}
TRANSLATORS = {
    "smallest": (TransformerConfig(5, 4, 1, 4, 1, dropout=0.0, context=33), 1e-5),
    "uneven": (TransformerConfig(71, 30, 3, 54, 2, dropout=0.0, context=40), 1e-2),
    "page": (TransformerConfig(339, 96, 4, 384, 3, dropout=0.0, context=64), 1e-5),
}


def config_of(config: TransformerConfig, epsilon: float) -> dict:
    """The config of a file."""
    names = ("vocab_size", "d_model", "n_heads", "d_ff", "n_layers", "context")
    return {**{name: getattr(config, name) for name in names}, "epsilon": epsilon}


def enliven(model: torch.nn.Module, epsilon: float, seed: int) -> tuple[torch.nn.Module, dict]:
    """Give every weight a size as after training, round them all; the model with them, and what is kept."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, tensor in model.state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("gain"):
            state[name] = noise  # of both signs, or greedy decoding repeats what it is fed
        elif tensor.ndim < 2:
            state[name] = (0.05 if "norm" in name else 0.3) * noise
        else:
            state[name] = (
                noise
                * (1.5 if "query" in name or "key" in name else 1.0)
                / math.sqrt(tensor.shape[1])
            )
    kept = rounded(state)
    model.load_state_dict(restored(kept))
    for part in model.modules():
        if isinstance(part, LayerNorm):
            part.epsilon = epsilon
    return model.eval(), kept


@functools.cache
def merges_of(n_merges: int) -> ByteTokenizer:
    """Merges within and across all sorts of characters, learnt from the strings that they are tried on."""
    return ByteTokenizer.learn(hostile(0), n_merges, PAGE_SPLIT)


def byte_merges(tokenizer: ByteTokenizer) -> list[list[int]]:
    """Its merges as the file has them: pairs of tokens."""
    return [[tokenizer.number[left], tokenizer.number[right]] for left, right in tokenizer.merges]


class Case(NamedTuple):
    """A random model, its weights as kept, and what its file says."""

    model: Any
    kept: dict[str, torch.Tensor]
    live: dict[str, Any]

    def file(self) -> bytes:
        """The file that a page reads."""
        return live_bytes(self.kept, self.live)


@functools.cache
def decoder(size: str) -> Case:
    """A random GPT-2."""
    config, epsilon = DECODERS[size]
    model, kept = enliven(GPT2(config), epsilon, seed=1)
    tokenizer = {"kind": "bytes", "merges": byte_merges(merges_of(config.vocab_size - 257))}
    live = {"kind": "gpt2", "config": config_of(config, epsilon), "tokenizer": tokenizer}
    return Case(model, kept, {**live, "page": {"presets": []}})


@functools.cache
def translator(size: str) -> Case:
    """A random Transformer, whose tokens are single characters."""
    config, epsilon = TRANSLATORS[size]
    model, kept = enliven(Transformer(config), epsilon, seed=2)
    symbols = [chr(97 + token) for token in range(config.vocab_size)]
    tokenizer = {"kind": "characters", "symbols": symbols, "merges": []}
    live = {"kind": "transformer", "config": config_of(config, epsilon), "tokenizer": tokenizer}
    return Case(model, kept, {**live, "page": {}})


def tokens_of(length: int, config: TransformerConfig, seed: int) -> list[int]:
    """Random tokens, none of them padding."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, config.vocab_size, (length,), generator=generator).tolist()


def gates_of(kind: str, config: TransformerConfig, seed: int) -> list[list[float]]:
    """For each layer and head: all on, on or off by chance, or anything between."""
    generator = torch.Generator().manual_seed(seed)
    chance = torch.rand(config.n_layers, config.n_heads, generator=generator)
    return {"on": torch.ones_like(chance), "off": (chance > 0.5).float(), "between": chance}[
        kind
    ].tolist()


def gated(
    model: torch.nn.Module, attentions: list[torch.nn.Module], gates: list[list[float]]
) -> None:
    """Scale the columns of each head in the output matrices: what a gate does to that head's output."""
    with torch.no_grad():
        for attention, row in zip(attentions, gates, strict=True):
            width = attention.output.weight.shape[1] // len(row)
            attention.output.weight *= torch.tensor(row).repeat_interleave(width)


@torch.no_grad()
def decoded(model: GPT2, tokens: list[int], gates: list[list[float]]) -> dict[str, torch.Tensor]:
    """Logits (T V), and weights, query, key and value of every head (L H T .), by PyTorch."""
    model = copy.deepcopy(model)
    gated(model, [block.attention for block in model.blocks], gates)
    ids = torch.tensor([tokens])
    visible = causal(len(tokens))
    x = model.embed(ids)
    seen: dict[str, list] = {"attention": [], "query": [], "key": [], "value": []}
    for block in model.blocks:
        normed, part = block.norm_attention(x), block.attention
        keys_values = part.keys_values(normed)
        seen["attention"].append(part.weights(normed, keys_values, visible)[0])
        seen["query"].append(part.heads(part.query(normed))[0])
        seen["key"].append(keys_values.k[0])
        seen["value"].append(keys_values.v[0])
        x = block(x, visible)
    return {"logits": model(ids)[0], **{name: torch.stack(all_) for name, all_ in seen.items()}}


@torch.no_grad()
def translated(
    model: Transformer, source: list[int], target: list[int], gates: dict[str, list[list[float]]]
) -> dict[str, torch.Tensor]:
    """Logits (T V) given the target, and the weights of the three attentions (L H . .), by PyTorch."""
    model = with_gates(model, gates)
    ids, written = torch.tensor([source]), torch.tensor([target])
    visible = causal(len(target))
    seen: dict[str, list] = {"encoder": [], "self": [], "cross": []}
    x = model.embed(ids)
    for layer in model.encoder:
        part = layer.self_attention
        seen["encoder"].append(part.weights(x, part.keys_values(x))[0])
        x = layer(x)
    memory, x = x, model.embed(written)
    for layer in model.decoder:
        own, offered = (
            layer.self_attention.keys_values(x),
            layer.cross_attention.keys_values(memory),
        )
        seen["self"].append(layer.self_attention.weights(x, own, visible)[0])
        middle = layer.add_self(x, layer.self_attention(x, own, visible))
        seen["cross"].append(layer.cross_attention.weights(middle, offered)[0])
        x = layer(x, own, offered, visible)
    return {
        "logits": model(ids, written)[0],
        **{name: torch.stack(all_) for name, all_ in seen.items()},
    }


def with_gates(model: Transformer, gates: dict[str, list[list[float]]]) -> Transformer:
    """A copy with gates on its three kinds of attention."""
    model = copy.deepcopy(model)
    gated(model, [layer.self_attention for layer in model.encoder], gates["encoder"])
    gated(model, [layer.self_attention for layer in model.decoder], gates["self"])
    gated(model, [layer.cross_attention for layer in model.decoder], gates["cross"])
    return model


# Characters that tokenizers stumble over.
ALPHABET = [
    *"abcXYZ0189 \n\t\r.,;!?'\"\\",
    *"éßøñ中文かなعربعִבрус",
    *"😀👩‍👧🇩🇪☕️",
    *(
        chr(code)
        for code in (0, 8, 11, 12, 0x7F, 0x85, 0xA0, 0xAD, 0x1680, 0x180E, 0x2003, 0x2028, 0x2029)
    ),
    *(
        chr(code)
        for code in (0x1C, 0x1D, 0x1E, 0x1F, 0x202E, 0x202F, 0x205F, 0x3000, 0xFEFF, 0xFFFD, 0xFFFF)
    ),
    *(
        chr(code)
        for code in (0x301, 0x308, 0x200B, 0x200D, 0x661, 0xBD, 0xE000, 0xF8FF, 0x10FFFD, 0x1D7D8)
    ),
    *(chr(code) for code in (0xD800, 0xD83D, 0xDBFF, 0xDC00, 0xDE00, 0xDFFF)),  # halves of pairs
]


@functools.cache
def hostile(seed: int) -> list[str]:
    """3,000 random strings of these characters, with repetitions, so that there is something to merge."""
    generator = torch.Generator().manual_seed(seed)
    texts = []
    for _ in range(3000):
        length = int(torch.randint(0, 12, (), generator=generator))
        few = torch.randint(len(ALPHABET), (1 + length // 2,), generator=generator)
        picks = few[torch.randint(len(few), (length,), generator=generator)].tolist()
        texts.append("".join(ALPHABET[pick] for pick in picks))
    return texts
