"""Contestants and workloads of the Transformer: training steps at three lengths, and cached generation.

Every model has the same sizes, the same batch (padded, so that masks have work to do), the same loss and AdamW, and
no dropout. Each library builds its own model; where its default activation is another, it gets the paper's ReLU,
and where it does not tie embeddings and output by itself, they are tied.
"""

import copy
import functools
import math
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
from implementations.transformer import (
    Transformer,
    TransformerConfig,
    causal,
    greedy,
    positions,
)

QUESTION = (
    "How fast is our Transformer beside the libraries that people use, and what is the limit?"
)
SETTINGS_OF_RUN = {
    "lengths": [32, 128, 512],
    "positions": 2048,  # of the target, in one training step
    "vocab_size": 1024,
    "d_model": 256,
    "n_heads": 4,
    "d_ff": 1024,
    "n_layers": 3,
    "lr": 3e-4,
    "source": 64,  # tokens read before generation, batch 1
    "written": 128,  # tokens generated
    "checked_steps": 20,
}
PADDING, START = 0, 1
FORMS = ("sdpa", "eager")  # of attention in `transformers`: fused, and written out
TOLERANCE = 1e-3  # how far, relatively, a loss in fast precision may be from the default's
GOALS = [
    *(
        Goal(f"step_{length}.{setting}.ratio_fastest", 1.0)
        for length in SETTINGS_OF_RUN["lengths"]
        for setting in SETTINGS
    ),
    Goal("step_32.best_against_best.ratio", 1.0),
    Goal("step_128.best_against_best.ratio", 1.1),
    Goal("step_512.best_against_best.ratio", 1.0),
    Goal("generation.default.ratio_fastest", 1.35),
    Goal("generation.fast.ratio_fastest", 1.35),
    Goal("generation.best_against_best.ratio", 1.35),
]


def config_of(context: int, settings: dict[str, Any]) -> TransformerConfig:
    """The sizes that all contestants share."""
    names = ("vocab_size", "d_model", "n_heads", "d_ff", "n_layers")
    sizes = {name: settings[name] for name in names}
    return TransformerConfig(**sizes, dropout=0.0, context=context, padding=PADDING)


# The models: each library's own, called with a padded source and a target ------------------------------------


class TorchTransformer(nn.Module):
    """`torch.nn.Transformer` with what it leaves to its user: embeddings, positions, masks, output."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        nn.init.normal_(self.embedding.weight, std=config.d_model**-0.5)
        sizes = (config.d_model, config.n_heads, config.n_layers, config.n_layers, config.d_ff)
        self.layers = nn.Transformer(*sizes, dropout=0.0, batch_first=True)
        self.scale = math.sqrt(config.d_model)
        self.register_buffer("positions", positions(config.context, config.d_model))
        self.register_buffer(
            "hidden", nn.Transformer.generate_square_subsequent_mask(config.context)
        )

    def embed(self, tokens: Tensor) -> Tensor:
        """Scaled embeddings plus positions."""
        return self.embedding(tokens) * self.scale + self.positions[: tokens.shape[1]]

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits."""
        length = target.shape[1]
        padded = source == PADDING
        x = self.layers(
            self.embed(source),
            self.embed(target),
            tgt_mask=self.hidden[:length, :length],
            tgt_is_causal=True,
            src_key_padding_mask=padded,
            memory_key_padding_mask=padded,
        )
        return x @ self.embedding.weight.T


def hugging_face(family: str, attention: str, config: TransformerConfig) -> nn.Module:
    """Marian or BART from `transformers`, with random weights."""
    import transformers

    families = {
        "marian": (transformers.MarianConfig, transformers.MarianMTModel),
        "bart": (transformers.BartConfig, transformers.BartForConditionalGeneration),
    }
    make_config, make_model = families[family]
    side = {"layers": config.n_layers, "attention_heads": config.n_heads, "ffn_dim": config.d_ff}
    sides = {f"{end}_{name}": side[name] for end in ("encoder", "decoder") for name in side}
    no_dropout = dict.fromkeys(("dropout", "attention_dropout", "activation_dropout"), 0.0)
    model = make_model(
        make_config(
            vocab_size=config.vocab_size,
            d_model=config.d_model,
            max_position_embeddings=config.context,
            activation_function="relu",
            scale_embedding=True,
            pad_token_id=PADDING,
            bos_token_id=START,
            eos_token_id=None,
            forced_eos_token_id=None,
            decoder_start_token_id=START,
            attn_implementation=attention,
            **sides,
            **no_dropout,
        )
    )
    if (
        family == "marian"
    ):  # its positions are sines and cosines, though they are kept as a parameter
        for coder in (model.get_encoder(), model.get_decoder()):
            coder.embed_positions.requires_grad_(False)
    return model


class HuggingFace(nn.Module):
    """The same call for a model of `transformers`."""

    def __init__(self, family: str, attention: str, config: TransformerConfig) -> None:
        super().__init__()
        self.model = hugging_face(family, attention, config)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits."""
        return self.model(
            input_ids=source,
            attention_mask=(source != PADDING).long(),
            decoder_input_ids=target,
            use_cache=False,
        ).logits


class XTransformer(nn.Module):
    """`x_transformers.XTransformer`; its wrapper would compute the loss, so its decoder is called directly."""

    def __init__(self, flash: bool, config: TransformerConfig) -> None:
        super().__init__()
        import x_transformers

        side = {
            "num_tokens": config.vocab_size,
            "max_seq_len": config.context,
            "depth": config.n_layers,
            "heads": config.n_heads,
            "attn_dim_head": config.d_model // config.n_heads,
            "attn_flash": flash,
            "ff_mult": config.d_ff / config.d_model,
            "ff_custom_activation": nn.ReLU(),
        }
        self.model = x_transformers.XTransformer(
            dim=config.d_model,
            tie_token_emb=True,
            **{f"{end}_{name}": value for end in ("enc", "dec") for name, value in side.items()},
        )
        self.model.decoder.net.to_logits.weight = self.model.encoder.token_emb.emb.weight

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits."""
        visible = source != PADDING
        memory = self.model.encoder(source, mask=visible, return_embeddings=True)
        return self.model.decoder.net(target, context=memory, context_mask=visible)


class Labml(nn.Module):
    """The Transformer of `labml_nn`, which counts positions first and batch second."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        from labml_nn.transformers import feed_forward, mha, models

        def layer(attends_to_source: bool) -> nn.Module:
            attention = functools.partial(
                mha.MultiHeadAttention, config.n_heads, config.d_model, dropout_prob=0.0
            )
            return models.TransformerLayer(
                d_model=config.d_model,
                self_attn=attention(),
                src_attn=attention() if attends_to_source else None,
                feed_forward=feed_forward.FeedForward(config.d_model, config.d_ff, dropout=0.0),
                dropout_prob=0.0,
            )

        embed = models.EmbeddingsWithPositionalEncoding(
            config.d_model, config.vocab_size, config.context
        )
        self.model = models.EncoderDecoder(
            models.Encoder(layer(False), config.n_layers),
            models.Decoder(layer(True), config.n_layers),
            embed,
            embed,
            models.Generator(config.vocab_size, config.d_model),
        )
        self.model.generator.projection.weight = embed.linear.weight
        self.register_buffer("visible", causal(config.context)[0, 0, :, :, None])  # T S 1

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits."""
        length = target.shape[1]
        seen = (source != PADDING).T[None]  # 1 S B
        x = self.model(source.T, target.T, seen, self.visible[:length, :length])
        return self.model.generator(x).transpose(0, 1)


def models(config: TransformerConfig) -> dict[str, dict[str, Callable[[], nn.Module]]]:
    """Contestant -> form -> how to build it."""
    return {
        OURS: {"": lambda: Transformer(config)},
        "torch": {"": lambda: TorchTransformer(config)},
        **{
            family: {form: functools.partial(HuggingFace, family, form, config) for form in FORMS}
            for family in ("marian", "bart")
        },
        "x_transformers": {
            "explicit": lambda: XTransformer(False, config),
            "flash": lambda: XTransformer(True, config),
        },
        "labml": {"": lambda: Labml(config)},
    }


# A training step --------------------------------------------------------------------------------------------


def padded_batch(length: int, rows: int, vocab_size: int) -> tuple[Tensor, Tensor]:
    """Random sources and targets, each row between three quarters of `length` and all of it."""
    generator = torch.Generator().manual_seed(0)
    source = torch.randint(2, vocab_size, (rows, length), generator=generator)
    target = torch.randint(2, vocab_size, (rows, length + 1), generator=generator)
    target[:, 0] = START
    last = torch.randint(3 * length // 4, length + 1, (rows, 1), generator=generator)
    source[torch.arange(length) >= last] = PADDING
    target[torch.arange(length + 1) > last] = PADDING
    return source, target


def trainer(model: nn.Module, source: Tensor, target: Tensor, lr: float) -> Callable[[], float]:
    """A training step of a model on one batch; the same for all contestants."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, fused=True)

    def step() -> float:
        logits = model(source, target[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=PADDING)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def leaks(model: nn.Module, source: Tensor, target: Tensor) -> bool:
    """Whether padding, or target tokens to come, change a model's first outputs: then its masks are not right."""
    row = int((source != PADDING).sum(dim=1).argmin())
    source, target = source[row : row + 1], target[row : row + 1, :-1]
    seen = int((source != PADDING).sum())
    with torch.no_grad():
        whole = model(source, target)[:, : seen // 2]
        alone = model(source[:, :seen], target[:, : seen // 2])
    return bool((whole - alone).abs().max() > 1e-3 * alone.abs().max())


def trained(make: Callable[[], nn.Module], source: Tensor, target: Tensor, lr: float) -> Ready:
    """Build a model and make sure that its masks are right and that it trains."""
    torch.manual_seed(0)
    model = make().train()
    if leaks(model, source, target):
        raise ValueError("its outputs depend on what its masks should hide")
    return training(model, trainer(model, source, target, lr))


def work_of_a_step(length: int, config: TransformerConfig) -> float:
    """Operations that one position of a training step needs, source and target being equally long.

    Three times those of the forward pass, where a weight costs two and a query of attention 4 S D; causal
    attention needs half of that.
    """
    d, f, n = config.d_model, config.d_ff, config.n_layers
    weights = n * (12 * d * d + 4 * d * f) + config.vocab_size * d
    return 6 * weights + 12 * n * (1 + 1 + 0.5) * length * d


def training_step(
    length: int, rounds: int, peak: float, settings: dict[str, Any]
) -> dict[str, Any]:
    """All contestants train on rows of one length."""
    config = config_of(max(settings["lengths"]), settings)
    rows = settings["positions"] // length
    batch = padded_batch(length, rows, config.vocab_size)
    contestants = [
        Contestant(
            name,
            {
                form: functools.partial(trained, make, *batch, settings["lr"])
                for form, make in forms.items()
            },
        )
        for name, forms in models(config).items()
    ]
    work = work_of_a_step(length, config)
    return learned(compete(contestants, rounds, rows * length, work, peak))


# Generation -------------------------------------------------------------------------------------------------


def generation(rounds: int, peak: float, settings: dict[str, Any]) -> dict[str, Any]:
    """Greedy decoding with a cache, one sentence at a time; nobody may end early."""
    read, written = settings["source"], settings["written"]
    config = config_of(max(settings["lengths"]), settings)
    source = padded_batch(read, 1, config.vocab_size)[0].clamp(min=START)  # no padding

    def ready(model: nn.Module, write: Callable[[nn.Module], Tensor]) -> Ready:
        model.eval()

        def work() -> float:
            found = write(model)[:, -written:]
            if found.shape != (1, written):
                raise ValueError(f"{found.shape[1]} tokens instead of {written}")
            return float(found.sum())

        work()
        return Ready(work, count(model))

    def we_write(model: nn.Module) -> Tensor:
        return greedy(model, source, torch.tensor([START]), end=-1, max_length=written)

    def they_write(model: nn.Module) -> Tensor:
        limits_of_length = {"max_new_tokens": written, "min_new_tokens": written}
        seen = torch.ones_like(source)
        return model.generate(
            source, attention_mask=seen, num_beams=1, do_sample=False, **limits_of_length
        )

    def theirs(family: str, form: str) -> Callable[[], Ready]:
        return lambda: ready(hugging_face(family, form, config), they_write)

    contestants = [
        Contestant(OURS, {"": lambda: ready(Transformer(config), we_write)}),
        *(
            Contestant(family, {form: theirs(family, form) for form in FORMS})
            for family in ("marian", "bart")
        ),
    ]
    d, f, n = config.d_model, config.d_ff, config.n_layers
    # The source's keys and values are there already, so cross-attention has two products left, not four.
    work = 2 * (n * (6 * d * d + 2 * d * f) + config.vocab_size * d) + 4 * n * d * (
        read + written / 2
    )
    return compete(contestants, rounds, written, work, peak)


# Is fast precision right? -----------------------------------------------------------------------------------


def ours_in_fast_precision(settings: dict[str, Any]) -> dict[str, Any]:
    """Our losses in fast precision beside the default's, from the same start on the same batch."""
    config = config_of(64, settings)
    batch = padded_batch(32, 16, config.vocab_size)
    torch.manual_seed(0)
    start = Transformer(config)

    def build_step() -> Callable[[], float]:
        return trainer(copy.deepcopy(start), *batch, settings["lr"])

    return fast_precision(build_step, settings["checked_steps"], TOLERANCE)


def run(rounds: int, **settings: Any) -> dict[str, Any]:
    """Everything, with the tables printed as they come."""
    found: dict[str, Any] = {
        "machine": limits(),
        "fast_precision": ours_in_fast_precision(settings),
    }
    print(f"limits: {found['machine']}\nfast precision: {found['fast_precision']}", flush=True)
    peak = 1e9 * max(found["machine"]["products"].values())
    for length in settings["lengths"]:
        found[f"step_{length}"] = training_step(length, rounds, peak, settings)
        print(
            f"\n{table(f'training step at length {length}', found[f'step_{length}'])}", flush=True
        )
    found["generation"] = generation(rounds, peak, settings)
    print(f"\n{table('generation, greedy, batch 1', found['generation'])}\n", flush=True)
    found |= judged(GOALS, found)
    found["versions"] = versions(["torch", "transformers", "x-transformers", "labml-nn"])
    found["gpu"] = "not measured on a GPU"
    return found
