"""What needs no training: an identity of the positional code, and equality with PyTorch's own modules."""

from typing import Any

import torch
from torch import Tensor, nn

from generators.experiment import FAILS, HOLDS, Claim, Experiment, Rule
from generators.record import Record
from implementations.transformer import (
    MultiHeadAttention,
    Transformer,
    TransformerConfig,
    causal,
    positions,
)


def position_shift(d_model: int, length: int, shifts: list[int]) -> dict[str, Any]:
    r"""Largest error of $PE_{pos + k} = M_k PE_{pos}$; $M_k$ rotates each pair of features by $k \omega_i$."""
    torch.set_default_dtype(torch.float64)
    try:
        code = positions(length + max(shifts), d_model)
        frequency = 10_000 ** -(torch.arange(0, d_model, 2) / d_model)
        errors = {}
        for shift in shifts:
            sine, cosine = (shift * frequency).sin(), (shift * frequency).cos()
            rotated = torch.stack(
                [
                    code[:length, 0::2] * cosine + code[:length, 1::2] * sine,
                    code[:length, 1::2] * cosine - code[:length, 0::2] * sine,
                ],
                dim=-1,
            ).flatten(1)
            errors[str(shift)] = (rotated - code[shift : shift + length]).abs().max().item()
    finally:
        torch.set_default_dtype(torch.float32)
    return {"worst": max(errors.values()), "by_shift": errors}


def parity(
    seed: int,
    batch: int,
    source: int,
    target: int,
    d_model: int,
    n_heads: int,
    d_ff: int,
    n_layers: int,
) -> dict[str, Any]:
    """Largest difference to PyTorch's own modules with the same weights: outputs and gradients, float32."""
    config = TransformerConfig(
        50, d_model, n_heads, d_ff, n_layers, dropout=0.0, context=max(source, target)
    )
    attention = _attention_parity(
        config, torch.randn(batch, target, d_model), torch.randn(batch, source, d_model)
    )
    transformer = _transformer_parity(
        config, torch.randn(batch, source, d_model), torch.randn(batch, target, d_model)
    )
    errors = {"attention": attention, "transformer": transformer}
    return {"worst": max(error for group in errors.values() for error in group.values()), **errors}


def _attention_parity(config: TransformerConfig, x: Tensor, memory: Tensor) -> dict[str, float]:
    ours = MultiHeadAttention(config)
    theirs = nn.MultiheadAttention(config.d_model, config.n_heads, batch_first=True)
    copy_attention(ours, theirs)
    x, memory = x.requires_grad_(), memory.requires_grad_()
    outputs = [
        ours(x, ours.keys_values(memory)),
        theirs(x, memory, memory, need_weights=False)[0],
    ]
    return _differences(outputs, [x, memory])


def _transformer_parity(
    config: TransformerConfig, source: Tensor, target: Tensor
) -> dict[str, float]:
    ours = Transformer(config)
    theirs = nn.Transformer(
        config.d_model,
        config.n_heads,
        config.n_layers,
        config.n_layers,
        config.d_ff,
        dropout=0.0,
        batch_first=True,
    )
    theirs.encoder.norm = theirs.decoder.norm = (
        None  # torch adds a norm after each stack that the paper lacks
    )
    for mine, other in zip(
        [*ours.encoder, *ours.decoder],
        [*theirs.encoder.layers, *theirs.decoder.layers],
        strict=True,
    ):
        copy_layer(mine, other)
    source, target = source.requires_grad_(), target.requires_grad_()
    visible = causal(target.shape[1])
    memory = source
    for layer in ours.encoder:
        memory = layer(memory)
    x = target
    for layer in ours.decoder:
        x = layer(
            x,
            layer.self_attention.keys_values(x),
            layer.cross_attention.keys_values(memory),
            visible,
        )
    return _differences([x, theirs(source, target, tgt_mask=~visible[0, 0])], [source, target])


def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    """Give torch's attention our weights; its biases, which the paper's equations lack, become zero."""
    with torch.no_grad():
        theirs.in_proj_weight.copy_(
            torch.cat([ours.query.weight, ours.key.weight, ours.value.weight])
        )
        theirs.out_proj.weight.copy_(ours.output.weight)
        theirs.in_proj_bias.zero_()
        theirs.out_proj.bias.zero_()


def copy_layer(ours: nn.Module, theirs: nn.Module) -> None:
    """Give a layer of torch's encoder or decoder our weights."""
    copy_attention(ours.self_attention, theirs.self_attn)
    norms = [ours.add_feed_forward.norm]
    if isinstance(theirs, nn.TransformerDecoderLayer):
        copy_attention(ours.cross_attention, theirs.multihead_attn)
        norms = [ours.add_self.norm, ours.add_cross.norm, *norms]
    else:
        norms = [ours.add_attention.norm, *norms]
    theirs.linear1.load_state_dict(ours.feed_forward.expand.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.contract.state_dict())
    for index, norm in enumerate(norms, start=1):
        theirs.get_submodule(f"norm{index}").load_state_dict(norm.state_dict())


def _differences(outputs: list[Tensor], inputs: list[Tensor]) -> dict[str, float]:
    """Largest absolute difference of two outputs, and of the gradients of one random sum of each."""
    ours, theirs = outputs
    direction = torch.randn_like(ours)
    gradients = zip(
        *(torch.autograd.grad((output * direction).sum(), inputs) for output in outputs),
        strict=True,
    )
    return {
        "output": (ours - theirs).abs().max().item(),
        "gradient": max((mine - other).abs().max().item() for mine, other in gradients),
    }


EXPERIMENTS = {
    "position_shift": Experiment(
        question="Is a shift by k positions one fixed linear map of the positional code?",
        run=position_shift,
        settings=dict(d_model=512, length=512, shifts=[1, 2, 10, 100, 1000]),
        smoke=dict(d_model=8, length=4, shifts=[1, 2]),
        seeds=(),
        kind="exact",
        tolerance=dict(worst=1e-10, by_shift=1e-10),
    ),
    "parity": Experiment(
        question="How far are outputs and gradients from those of PyTorch's modules with the same weights?",
        run=parity,
        settings=dict(batch=3, source=11, target=7, d_model=64, n_heads=4, d_ff=128, n_layers=3),
        smoke=dict(n_layers=1),
        kind="parity",
        tolerance=dict(worst=1e-5, attention=1e-5, transformer=1e-5),
    ),
}


def is_exact(record: Record) -> str:
    """Holds if the identity is met to 1e-10 in float64."""
    return HOLDS if record["worst"].max <= 1e-10 else FAILS


CLAIMS = [
    Claim(
        id="A4",
        text="A shift by k positions is one fixed linear map of the sinusoidal code.",
        where="Section 3.5",
        experiment="transformer.position_shift",
        did="Built the rotation and compared in float64, for shifts from 1 to 1,000.",
        rule=Rule(is_exact, forecast=0.99),
        measured="worst:sci",
    ),
]
