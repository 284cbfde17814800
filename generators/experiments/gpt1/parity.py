"""Equality with Hugging Face's models, and with the byte pairs of `tokenizers`, on the same weights and merges."""

from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer, models
from torch import Tensor, nn
from torch.nn import functional as F

from generators.data import masked, prose
from generators.experiment import Claim, Experiment
from generators.experiments.gpt1.task import vocabulary
from generators.parity import worst_error
from implementations.gpt1 import (
    END_OF_WORD,
    GPT1,
    WORD,
    BytePairs,
    FineTuned,
    Special,
    batch_of,
    fine_tuning_loss,
    multiple_choice,
    next_token_loss,
)
from implementations.transformer import TransformerConfig

if TYPE_CHECKING:
    from transformers import OpenAIGPTConfig


def parity(
    seed: int,
    batch: int,
    length: int,
    n_tokens: int,
    d_model: int,
    n_heads: int,
    n_layers: int,
    merges: int,
    sample: int,
    every: int,
) -> dict[str, Any]:
    """Largest differences to trusted code with the same weights, in float32 and in float64.

    A difference is divided by the largest entry of what it is compared with, if that is above 1. `byte_pairs.words`
    were compared, `byte_pairs.different` came out otherwise.
    """
    # Their class has no width of its own for the feed-forward network: it is four times the model's.
    config = TransformerConfig(
        *(n_tokens, d_model, n_heads, 4 * d_model, n_layers), dropout=0.0, context=length
    )
    groups = {}
    for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
        torch.manual_seed(seed)
        read = torch.randint(n_tokens, (batch, length))
        one_head = _language_model(_random(GPT1(config), dtype), read)
        two_heads = _two_heads(_random(FineTuned(GPT1(config), 1, dropout=0.0), dtype))
        groups[name] = {**one_head, **two_heads}
    return {
        "worst": max(groups["float32"].values()),
        "worst_float64": max(groups["float64"].values()),
        **groups,
        "byte_pairs": _byte_pairs(vocabulary(merges, sample), every),
    }


def _random(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """All weights random, gains and biases too, so that none can be forgotten unseen."""
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.3)
    return model.to(dtype).eval()


def _language_model(ours: GPT1, read: Tensor) -> dict[str, float]:
    from transformers import OpenAIGPTLMHeadModel  # takes seconds

    theirs = OpenAIGPTLMHeadModel(_their_config(ours.config)).to(ours.tokens.weight.dtype).eval()
    _load(theirs, _as_theirs(ours, _values(ours)))
    mine, other = ours(read), theirs(read).logits
    next_token_loss(mine, read).backward()
    F.cross_entropy(other[:, :-1].flatten(0, 1), read[:, 1:].flatten()).backward()
    return {
        "logits": worst_error([mine], [other]),
        "gradient": _gradient_error(_as_theirs(ours, _gradients(ours)), theirs),
    }


def _two_heads(ours: FineTuned) -> dict[str, float]:
    """Multiple choice with the auxiliary loss: scores, and gradients of Eq. 5 at every weight."""
    from transformers import OpenAIGPTDoubleHeadsModel

    model, special = ours.model, Special(0, 1, 2)
    theirs = OpenAIGPTDoubleHeadsModel(_their_config(model.config))
    theirs = theirs.to(model.tokens.weight.dtype).eval()
    head = "multiple_choice_head.summary.weight"
    no_bias = {"multiple_choice_head.summary.bias": torch.zeros(1)}
    _load(theirs, {**_as_theirs(model, _values(model)), **no_bias, head: ours.head.weight})
    stories = [
        multiple_choice([4, 5, 6], [[7], [8, 9]], special),
        multiple_choice([10], [[3, 5], [11, 12]], special),
    ]
    read, real = batch_of([row for story in stories for row in story], model.config.context)
    labels = torch.tensor([1, 0])
    scores = ours.choose(read.view(2, 2, -1), real.view(2, 2, -1))
    fine_tuning_loss(scores, labels, model(read), read, real, weight=0.5).backward()
    last = (real.sum(dim=1) - 1).view(2, 2)
    answer = theirs(read.view(2, 2, -1), mc_token_ids=last)
    their_scores = answer.mc_logits.view(2, 2)
    wanted = read.masked_fill(~real, -100)[:, 1:]
    language = F.cross_entropy(answer.logits.flatten(0, 1)[:, :-1].flatten(0, 1), wanted.flatten())
    (F.cross_entropy(their_scores, labels) + 0.5 * language).backward()
    mine = {**_as_theirs(model, _gradients(model)), head: ours.head.weight.grad}
    return {
        "two_heads_scores": worst_error([scores], [their_scores]),
        "two_heads_gradient": _gradient_error(mine, theirs),
    }


def _their_config(config: TransformerConfig) -> "OpenAIGPTConfig":
    from transformers import OpenAIGPTConfig

    return OpenAIGPTConfig(
        vocab_size=config.vocab_size,
        n_positions=config.context,
        n_embd=config.d_model,
        n_layer=config.n_layers,
        n_head=config.n_heads,
        num_labels=1,
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop", "summary_first_dropout"), 0.0),
    )


def _values(model: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach() for name, weight in model.named_parameters()}


def _gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: weight.grad for name, weight in model.named_parameters()}


def _as_theirs(model: GPT1, ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights, or gradients, under their names; their layers keep matrices as (in, out), ours as (out, in)."""
    named = {
        "transformer.tokens_embed.weight": ours["tokens.weight"],
        "transformer.positions_embed.weight": ours["positions.weight"],
        "lm_head.weight": ours["tokens.weight"],  # one matrix, two names
    }
    for depth in range(model.config.n_layers):
        block, there = f"blocks.{depth}", f"transformer.h.{depth}"
        for kind in ("weight", "bias"):
            thirds = [
                ours[f"{block}.attention.{which}.{kind}"] for which in ("query", "key", "value")
            ]
            layers = {
                "attn.c_attn": torch.cat(thirds),
                "attn.c_proj": ours[f"{block}.attention.output.{kind}"],
                "mlp.c_fc": ours[f"{block}.feed_forward.expand.{kind}"],
                "mlp.c_proj": ours[f"{block}.feed_forward.contract.{kind}"],
            }
            named |= {
                f"{there}.{name}.{kind}": tensor.T if kind == "weight" else tensor
                for name, tensor in layers.items()
            }
        for number, norm in enumerate(("add_attention", "add_feed_forward"), start=1):
            named[f"{there}.ln_{number}.weight"] = ours[f"{block}.{norm}.norm.gain"]
            named[f"{there}.ln_{number}.bias"] = ours[f"{block}.{norm}.norm.bias"]
    return named


def _load(theirs: nn.Module, weights: dict[str, Tensor]) -> None:
    """All weights, and nothing but weights: what is left over may only be the mask that they keep as a buffer."""
    left = theirs.load_state_dict(weights, strict=False)
    forgotten = [name for name in left.missing_keys if not name.endswith("attn.bias")]
    if left.unexpected_keys or forgotten:
        raise ValueError(f"weights without a match: {left.unexpected_keys} {forgotten}")


def _gradient_error(ours: dict[str, Tensor], theirs: nn.Module) -> float:
    """Over every parameter of theirs but the bias that our head does not have."""
    names = [name for name, _ in theirs.named_parameters() if not name.endswith("summary.bias")]
    other = dict(theirs.named_parameters())
    return worst_error([ours[name] for name in names], [other[name].grad for name in names])


def _byte_pairs(ours: BytePairs, every: int) -> dict[str, int]:
    """Words of held-out files that the package cuts differently, given the same merges."""
    theirs = Tokenizer(
        models.BPE(ours.number, ours.merges, end_of_word_suffix=END_OF_WORD, unk_token="<unk>")
    )
    texts = " ".join(masked(text) for text in prose("held_out")[::every])
    # They add the mark to the last character of what they are given, so each word goes alone.
    words = sorted(set(WORD.findall(texts)))
    different = [word for word in words if theirs.encode(word).ids != ours.encode(word)]
    return {"words": len(words), "different": len(different)}


EXPERIMENTS = {
    "parity": Experiment(
        question="How far are outputs, gradients and byte pairs from those of Hugging Face with the same weights?",
        run=parity,
        settings=dict(
            batch=3,
            length=12,
            n_tokens=40,
            d_model=24,
            n_heads=3,
            n_layers=3,
            merges=512,
            sample=40,
            every=4,
        ),
        smoke=dict(
            batch=2,
            length=8,
            n_tokens=20,
            d_model=8,
            n_heads=2,
            n_layers=1,
            merges=40,
            sample=2000,
            every=400,
        ),
        kind="parity",
        tolerance=dict(worst=1e-5, worst_float64=1e-12, float32=1e-5, float64=1e-12),
    ),
}

CLAIMS: list[Claim] = []
