"""Contestants and workloads of GPT-2: a training step at two sizes, and cached generation.

Everybody has the same sizes, batch, loss and AdamW, norms at the entrance of each sub-layer and one more at the end,
GELU, tied output and no dropout. Each library builds its own model and keeps its own habits where these do not say
otherwise: `litgpt` turns queries and keys instead of adding positions, `x-transformers` has no biases in attention.
"""

import copy
import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.bench import (
    OURS,
    SETTINGS,
    Contestant,
    Goal,
    Ready,
    compete,
    count,
    fast_precision,
    judged,
    learned,
    limits,
    table,
    training,
    versions,
)
from implementations.gpt1 import gelu
from implementations.gpt2 import GPT2, generate
from implementations.transformer import TransformerConfig

QUESTION = "How fast is our GPT-2 beside the libraries that people use, and what is the limit?"
SETTINGS_OF_RUN = {
    "sizes": {
        "s": {
            "n_layers": 4,
            "d_model": 128,
            "n_heads": 4,
            "vocab_size": 256,
            "length": 128,
            "rows": 16,
        },
        "m": {
            "n_layers": 6,
            "d_model": 384,
            "n_heads": 6,
            "vocab_size": 512,
            "length": 256,
            "rows": 8,
        },
    },
    "lr": 3e-4,
    "prompt": 16,  # tokens read before generation, batch 1, size m
    "written": 256,  # tokens generated
    "checked_steps": 20,
}
FORMS = ("sdpa", "eager")  # of attention in `transformers`: fused, and written out
TOLERANCE = 1e-3  # how far, relatively, a loss in fast precision may be from the default's
GOALS = [
    *(Goal(f"step_{size}.{setting}.ratio_fastest", 1.0) for size in "sm" for setting in SETTINGS),
    Goal("step_s.best_against_best.ratio", 1.3),
    Goal("step_m.best_against_best.ratio", 1.05),
    *(Goal(f"generation.{setting}.ratio_fastest", 1.35) for setting in SETTINGS),
]


def config_of(size: dict[str, int], context: int) -> TransformerConfig:
    """The sizes that all contestants share."""
    names = ("vocab_size", "d_model", "n_heads", "n_layers")
    shared = {name: size[name] for name in names}
    return TransformerConfig(**shared, d_ff=4 * size["d_model"], dropout=0.0, context=context)


# The models: each library's own, from tokens to logits --------------------------------------------------------


class TorchGPT(nn.Module):
    """`torch.nn.TransformerEncoder` with a mask, and what it leaves to its user: embeddings, positions, output."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocab_size, config.d_model)
        self.positions = nn.Embedding(config.context, config.d_model)
        for table_ in (self.tokens, self.positions):
            nn.init.normal_(table_.weight, std=0.02)
        layer = nn.TransformerEncoderLayer(
            config.d_model,
            config.n_heads,
            config.d_ff,
            dropout=0.0,
            activation=gelu,
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(
            layer, config.n_layers, nn.LayerNorm(config.d_model), enable_nested_tensor=False
        )
        self.register_buffer(
            "hidden", nn.Transformer.generate_square_subsequent_mask(config.context)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits."""
        length = tokens.shape[1]
        x = self.tokens(tokens) + self.positions.weight[:length]
        x = self.layers(x, mask=self.hidden[:length, :length], is_causal=True)
        return x @ self.tokens.weight.T


def hugging_face(attention: str, config: TransformerConfig) -> nn.Module:
    """GPT-2 from `transformers`, with random weights."""
    import transformers

    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=config.vocab_size,
            n_positions=config.context,
            n_embd=config.d_model,
            n_layer=config.n_layers,
            n_head=config.n_heads,
            n_inner=config.d_ff,
            **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0),
            bos_token_id=0,
            eos_token_id=0,
            attn_implementation=attention,
        )
    )


class HuggingFace(nn.Module):
    """That model from tokens to logits alone; in training its cache would be work for nothing."""

    def __init__(self, attention: str, config: TransformerConfig) -> None:
        super().__init__()
        self.model = hugging_face(attention, config)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits."""
        return self.model(tokens, use_cache=False).logits


def x_transformers(flash: bool, config: TransformerConfig) -> nn.Module:
    """The decoder of `x-transformers`."""
    import x_transformers

    return x_transformers.TransformerWrapper(
        num_tokens=config.vocab_size,
        max_seq_len=config.context,
        tie_embedding=True,
        attn_layers=x_transformers.Decoder(
            dim=config.d_model,
            depth=config.n_layers,
            heads=config.n_heads,
            attn_dim_head=config.d_model // config.n_heads,
            attn_flash=flash,
            ff_mult=config.d_ff / config.d_model,
        ),
    )


class LitGPT(nn.Module):
    """The model of `litgpt` in the shape of a GPT-2, its positions aside."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        import litgpt

        self.model = litgpt.GPT(
            litgpt.Config(
                block_size=config.context,
                vocab_size=config.vocab_size,
                padded_vocab_size=config.vocab_size,
                n_layer=config.n_layers,
                n_head=config.n_heads,
                n_embd=config.d_model,
                intermediate_size=config.d_ff,
                parallel_residual=False,
                bias=True,
                norm_class_name="LayerNorm",
                mlp_class_name="GptNeoxMLP",
                gelu_approximate="tanh",
                lm_head_bias=False,
            )
        )
        self.model.lm_head.weight = self.model.transformer.wte.weight
        nn.init.normal_(self.model.lm_head.weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits."""
        return self.model(tokens)


class Labml(nn.Module):
    """The layers of `labml_nn`, which counts positions first and batch second."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        from labml_nn.transformers import feed_forward, mha, models

        layer = models.TransformerLayer(
            d_model=config.d_model,
            self_attn=mha.MultiHeadAttention(config.n_heads, config.d_model, dropout_prob=0.0),
            feed_forward=feed_forward.FeedForward(
                config.d_model, config.d_ff, dropout=0.0, activation=nn.GELU("tanh")
            ),
            dropout_prob=0.0,
        )
        self.layers = models.Encoder(layer, config.n_layers)
        self.tokens = nn.Embedding(config.vocab_size, config.d_model)
        self.positions = nn.Embedding(config.context, config.d_model)
        for table_ in (self.tokens, self.positions):
            nn.init.normal_(table_.weight, std=0.02)
        visible = torch.ones(config.context, config.context, dtype=torch.bool).tril()
        self.register_buffer("visible", visible[:, :, None])  # T S 1

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits."""
        length = tokens.shape[1]
        x = self.tokens(tokens.T) + self.positions.weight[:length, None]  # T B D
        x = self.layers(x, self.visible[:length, :length])
        return (x @ self.tokens.weight.T).transpose(0, 1)


def models(config: TransformerConfig) -> dict[str, dict[str, Callable[[], nn.Module]]]:
    """Contestant -> form -> how to build it."""
    return {
        OURS: {"": lambda: GPT2(config)},
        "torch": {"": lambda: TorchGPT(config)},
        "transformers": {form: functools.partial(HuggingFace, form, config) for form in FORMS},
        "x_transformers": {
            "explicit": lambda: x_transformers(False, config),
            "flash": lambda: x_transformers(True, config),
        },
        "litgpt": {"": lambda: LitGPT(config)},
        "labml": {"": lambda: Labml(config)},
    }


# A training step --------------------------------------------------------------------------------------------


def batch_of(size: dict[str, int]) -> Tensor:
    """Random tokens, one more a row than are read."""
    generator = torch.Generator().manual_seed(0)
    shape = (size["rows"], size["length"] + 1)
    return torch.randint(size["vocab_size"], shape, generator=generator)


def trainer(model: nn.Module, tokens: Tensor, lr: float) -> Callable[[], float]:
    """A training step of a model on one batch; the same for all contestants."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, fused=True)

    def step() -> float:
        logits = model(tokens[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def leaks(model: nn.Module, tokens: Tensor) -> bool:
    """Whether tokens to come change a model's first outputs: then its mask is not right."""
    half = tokens.shape[1] // 2
    with torch.no_grad():
        whole, alone = model(tokens[:1, :-1])[:, :half], model(tokens[:1, :half])
    return bool((whole - alone).abs().max() > 1e-3 * alone.abs().max())


def trained(make: Callable[[], nn.Module], tokens: Tensor, lr: float) -> Ready:
    """Build a model and make sure that its mask is right and that it trains."""
    torch.manual_seed(0)
    model = make().train()
    if leaks(model, tokens):
        raise ValueError("its outputs depend on tokens that its mask should hide")
    return training(model, trainer(model, tokens, lr))


def work_of_a_token(length: int, config: TransformerConfig) -> float:
    """Operations that a token of a training step needs: three times the forward pass, attention counted causally."""
    d, f, n = config.d_model, config.d_ff, config.n_layers
    return 6 * (n * (4 * d * d + 2 * d * f) + config.vocab_size * d) + 6 * n * length * d


def training_step(size: dict[str, int], rounds: int, peak: float, lr: float) -> dict[str, Any]:
    """All contestants train at one size."""
    config = config_of(size, size["length"])
    tokens = batch_of(size)
    contestants = [
        Contestant(
            name,
            {form: functools.partial(trained, make, tokens, lr) for form, make in forms.items()},
        )
        for name, forms in models(config).items()
    ]
    work = work_of_a_token(size["length"], config)
    return learned(compete(contestants, rounds, size["rows"] * size["length"], work, peak))


# Generation -------------------------------------------------------------------------------------------------


def generation(rounds: int, peak: float, settings: dict[str, Any]) -> dict[str, Any]:
    """Greedy writing with a cache, one text at a time."""
    read, written = settings["prompt"], settings["written"]
    size = settings["sizes"]["m"]
    config = config_of(size, read + written)
    prompt = batch_of({**size, "rows": 1, "length": read - 1}).clamp(min=1)

    def ready(model: nn.Module, write: Callable[[nn.Module], Tensor]) -> Ready:
        model.eval()

        def work() -> float:
            found = write(model)[:, read:]
            if found.shape != (1, written):
                raise ValueError(f"{found.shape[1]} tokens instead of {written}")
            return float(found.sum())

        work()
        return Ready(work, count(model))

    def we_write(model: nn.Module) -> Tensor:
        return generate(model, prompt, written, temperature=0.0)

    def they_write(model: nn.Module) -> Tensor:
        limits_of_length = {"max_new_tokens": written, "min_new_tokens": written}
        seen = torch.ones_like(prompt)
        return model.generate(
            prompt, attention_mask=seen, do_sample=False, pad_token_id=0, **limits_of_length
        )

    def theirs(form: str) -> Callable[[], Ready]:
        return lambda: ready(hugging_face(form, config), they_write)

    contestants = [
        Contestant(OURS, {"": lambda: ready(GPT2(config), we_write)}),
        Contestant("transformers", {form: theirs(form) for form in FORMS}),
    ]
    d, f, n = config.d_model, config.d_ff, config.n_layers
    work = 2 * (n * (4 * d * d + 2 * d * f) + config.vocab_size * d) + 4 * n * d * (
        read + written / 2
    )
    return compete(contestants, rounds, written, work, peak)


# Is fast precision right? -----------------------------------------------------------------------------------


def ours_in_fast_precision(settings: dict[str, Any]) -> dict[str, Any]:
    """Our losses in fast precision beside the default's, from the same start on the same batch."""
    size = settings["sizes"]["s"]
    torch.manual_seed(0)
    start = GPT2(config_of(size, size["length"]))
    tokens = batch_of(size)

    def build_step() -> Callable[[], float]:
        return trainer(copy.deepcopy(start), tokens, settings["lr"])

    return fast_precision(build_step, settings["checked_steps"], TOLERANCE)


def run(rounds: int, **settings: Any) -> dict[str, Any]:
    """Everything, with the tables printed as they come."""
    found: dict[str, Any] = {
        "machine": limits(),
        "fast_precision": ours_in_fast_precision(settings),
    }
    print(f"limits: {found['machine']}\nfast precision: {found['fast_precision']}", flush=True)
    peak = 1e9 * max(found["machine"]["products"].values())
    for name, size in settings["sizes"].items():
        found[f"step_{name}"] = training_step(size, rounds, peak, settings["lr"])
        print(f"\n{table(f'training step, size {name}', found[f'step_{name}'])}", flush=True)
    found["generation"] = generation(rounds, peak, settings)
    print(f"\n{table('generation, greedy, batch 1', found['generation'])}\n", flush=True)
    found |= judged(GOALS, found)
    found["versions"] = versions(["torch", "transformers", "x-transformers", "litgpt", "labml-nn"])
    found["gpu"] = "not measured on a GPU"
    return found
