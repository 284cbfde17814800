"""What the tests of GPT-1 and GPT-2 share: sizes, our weights under Hugging Face's names, hostile texts."""

import random
import unicodedata

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, OpenAIGPTConfig, OpenAIGPTLMHeadModel

from implementations.gpt1 import GPT1
from implementations.gpt2 import GPT2
from implementations.transformer import TransformerConfig

# Every axis has a size of its own.
B, T, H, K, D, F_, V, CONTEXT, LAYERS = 2, 7, 3, 4, 12, 20, 23, 11, 2
CONFIG = TransformerConfig(
    V, d_model=D, n_heads=H, d_ff=F_, n_layers=LAYERS, dropout=0.0, context=CONTEXT
)


def randomised(model: nn.Module) -> nn.Module:
    """All weights random and of ordinary size, gains and biases too, so that none can be forgotten unseen."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(0.5 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
    return model.eval()


def tokens(rows: int = B, length: int = T) -> Tensor:
    """Random tokens."""
    return torch.randint(V, (rows, length), generator=torch.Generator().manual_seed(4))


def assert_no_token_changes_the_past(model: GPT1) -> None:
    """A change at one place moves the logits there and behind it, and none before."""
    given = tokens()
    logits = model(given)
    for place in range(T):
        changed = given.clone()
        changed[:, place] = (changed[:, place] + 1) % V
        differs = (model(changed) - logits).abs().amax(dim=(0, 2)) > 1e-9
        assert differs.tolist() == [False] * place + [True] * (T - place)


def hugging_face(model: GPT1) -> nn.Module:
    """The Hugging Face model with our weights; their layers store matrices as (in, out)."""
    sizes = {"vocab_size": V, "n_positions": CONTEXT, "n_embd": D, "n_layer": LAYERS, "n_head": H}
    off = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    if isinstance(model, GPT2):
        theirs = GPT2LMHeadModel(GPT2Config(**sizes, **off, n_inner=F_))
    else:
        # GPT-1's class has no width of its own for the feed-forward network: it is four times the model's.
        theirs = OpenAIGPTLMHeadModel(OpenAIGPTConfig(**sizes, **off))
    missing = theirs.load_state_dict(theirs_named(model), strict=False)
    assert not missing.unexpected_keys
    assert {name.rpartition(".")[2] for name in missing.missing_keys} <= {"bias", "masked_bias"}
    assert not [name for name in missing.missing_keys if not name.endswith("attn.bias")]
    return theirs.eval()


def theirs_named(model: GPT1, of: str = "data") -> dict[str, Tensor]:
    """Our weights, or their gradients (`of="grad"`), under Hugging Face's names and in their layout."""

    def part(weight: nn.Parameter) -> Tensor:
        return weight.grad if of == "grad" else weight.data

    second = isinstance(model, GPT2)
    tables = ("wte", "wpe") if second else ("tokens_embed", "positions_embed")
    named = {
        f"transformer.{tables[0]}.weight": part(model.tokens.weight),
        f"transformer.{tables[1]}.weight": part(model.positions.weight),
        "lm_head.weight": part(model.tokens.weight),
    }
    for depth, block in enumerate(model.blocks):
        start = f"transformer.h.{depth}"
        a, f = block.attention, block.feed_forward
        thirds = (a.query, a.key, a.value)
        named[f"{start}.attn.c_attn.weight"] = torch.cat([part(x.weight) for x in thirds]).T
        named[f"{start}.attn.c_attn.bias"] = torch.cat([part(x.bias) for x in thirds])
        layers = {"attn.c_proj": a.output, "mlp.c_fc": f.expand, "mlp.c_proj": f.contract}
        for name, layer in layers.items():
            named[f"{start}.{name}.weight"] = part(layer.weight).T
            named[f"{start}.{name}.bias"] = part(layer.bias)
        norms = (
            (block.norm_attention, block.norm_feed_forward)
            if second
            else (block.add_attention.norm, block.add_feed_forward.norm)
        )
        for number, norm in enumerate(norms, start=1):
            named[f"{start}.ln_{number}.weight"] = part(norm.gain)
            named[f"{start}.ln_{number}.bias"] = part(norm.bias)
    if second:
        named["transformer.ln_f.weight"] = part(model.norm.gain)
        named["transformer.ln_f.bias"] = part(model.norm.bias)
    return named


def gradients(theirs: nn.Module) -> dict[str, Tensor]:
    """Their gradients by name; the tied output matrix under both of its names."""
    found = {name: weight.grad for name, weight in theirs.named_parameters()}
    table = next(name for name in found if name.endswith(("wte.weight", "tokens_embed.weight")))
    return {**found, "lm_head.weight": found[table]}


HOSTILE = [
    "",
    " ",
    "\n",
    "  two  spaces,  and   three ",
    "tabs\tand\r\nlines\n\n\n",
    "\u00a0no-break\u00a0space \u2003em \u3000wide \u0085next \ufeffmark \x1c\x1d\x1e\x1f",
    "\u200bzero width\u200d joins",
    "I'm, you're, he's, we'd, they'll, I've, don't; I'M, YOU'RE, DON'T",
    "naïve café e\u0301 o\u0308",
    "Ωmega Кот 北京 日本語 한국어 हिन्दी ไทย עברית العربية",
    "👩‍👩‍👧‍👦 🇩🇪 🏳️‍🌈 👍🏽",
    "x²+y³ ≤ ½ ① Ⅷ ٣ 1234567890 3.14",
    "\x00\x01\x7f",
    "\ue000\U000f0000 private",
    "<|endoftext|> <|endoftext|",
    "a" * 50 + "é" * 20 + " " * 30,
]


def random_texts(n: int, seed: int = 0) -> list[str]:
    """Texts of random characters from all of Unicode, white space and letters being more likely.

    Only of those that Python's tables know: newer ones are letters to one package and unassigned to another.
    """
    draw = random.Random(seed)
    spaces = [" ", " ", "\n", "\t", "\u00a0", "\u2028", "\u0085", "'s", "'"]
    texts = []
    for _ in range(n):
        pieces = []
        for _ in range(draw.randrange(1, 25)):
            kind = draw.random()
            code = draw.randrange(0x110000)
            if kind < 0.3:
                pieces.append(draw.choice(spaces))
            elif kind < 0.7 or unicodedata.category(chr(code)) in ("Cn", "Cs"):
                pieces.append(chr(draw.randrange(32, 0x250)))
            else:
                pieces.append(chr(code))
        texts.append("".join(pieces))
    return texts
