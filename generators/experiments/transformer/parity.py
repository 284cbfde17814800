"""Equality with code that many people trust: PyTorch's own modules, and Hugging Face's Marian.

Marian is the paper's model with other habits: where it differs is undone in `as_marian` and `marian_like`, in the
open.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from generators.experiment import Experiment
from generators.parity import worst_error
from implementations.transformer import (
    Decoding,
    MultiHeadAttention,
    Transformer,
    TransformerConfig,
    beam_search,
    causal,
    greedy,
)

if TYPE_CHECKING:
    from transformers import MarianMTModel

START, END, PADDING, FIRST_WORD = range(4)  # the padding is not 0, which Marian would take for none


def parity(
    seed: int,
    batch: int,
    source: int,
    target: int,
    vocabulary: int,
    d_model: int,
    n_heads: int,
    d_ff: int,
    n_layers: int,
) -> dict[str, Any]:
    """Largest differences to trusted code with the same weights, in float32.

    A difference is divided by the largest entry of what it is compared with, if that is above 1. `greedy` and `beam`
    are no errors but shares: of the tokens written, those that Marian writes too.
    """
    config = TransformerConfig(
        *(vocabulary, d_model, n_heads, d_ff, n_layers),
        dropout=0.0,
        context=2 * max(source, target),
        padding=PADDING,
    )
    attention = _attention_parity(
        config, torch.randn(batch, target, d_model), torch.randn(batch, source, d_model)
    )
    transformer = _transformer_parity(
        config, torch.randn(batch, source, d_model), torch.randn(batch, target, d_model)
    )
    read, written = sentences(config, batch, source), torch.randint(vocabulary, (batch, target))
    written[written == PADDING] = START
    model = half_learned(config, read)
    theirs = marian_like(model)
    marian = _marian_parity(model, theirs, read, written)
    cache = {"logits": _cache_parity(model, read, written)}
    groups = {"attention": attention, "transformer": transformer, "marian": marian, "cache": cache}
    worst = max(error for group in groups.values() for error in group.values())
    return {
        "worst": worst,
        **groups,
        "marian": {**marian, **_same_words(model, theirs, read)},
    }


def sentences(config: TransformerConfig, rows: int, length: int) -> Tensor:
    """Random words; each row is one word shorter than the row before, and padding fills it up."""
    words = torch.randint(FIRST_WORD, config.vocab_size, (rows, length))
    lengths = length - torch.arange(rows) % (length - 1)
    return words.masked_fill(torch.arange(length) >= lengths[:, None], PADDING)


def half_learned(
    config: TransformerConfig, source: Tensor, steps: int = 30, lr: float = 3e-3
) -> Transformer:
    """A model that has begun to learn random translations of these sources by heart.

    With random weights it would repeat one token for ever: what goes in comes out strongest, for the matrix that
    embeds is also the one that scores. Half learned, it writes various words, doubts them, and ends its rows at
    different times; so greedy and beam search have something to decide.
    """
    rows, length = source.shape
    target = nn.functional.pad(sentences(config, rows, length).flip(0), (1, 1), value=PADDING)
    target[:, 0] = START
    target[torch.arange(rows), (target != PADDING).sum(dim=1)] = END
    model = Transformer(config)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    for _ in range(steps):
        logits = model(source, target[:, :-1]).flatten(0, 1)
        loss = nn.functional.cross_entropy(logits, target[:, 1:].flatten(), ignore_index=PADDING)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.zero_grad()
    return model.eval()


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
        tensors = {"weight": norm.gain, "bias": norm.bias}
        theirs.get_submodule(f"norm{index}").load_state_dict(tensors)


def _differences(outputs: list[Tensor], inputs: list[Tensor]) -> dict[str, float]:
    """Worst errors of an output, and of the gradients of one random sum of it."""
    direction = torch.randn_like(outputs[0])
    ours, theirs = (torch.autograd.grad((out * direction).sum(), inputs) for out in outputs)
    return {"output": worst_error(outputs[:1], outputs[1:]), "gradient": worst_error(ours, theirs)}


# Marian -----------------------------------------------------------------------------------------------------

THEIR_NAMES = {
    "self_attention": "self_attn",
    "cross_attention": "encoder_attn",
    ".query.": ".q_proj.",
    ".key.": ".k_proj.",
    ".value.": ".v_proj.",
    ".output.": ".out_proj.",
    "feed_forward.expand": "fc1",
    "feed_forward.contract": "fc2",
    "add_attention.norm": "self_attn_layer_norm",
    "add_self.norm": "self_attn_layer_norm",
    "add_cross.norm": "encoder_attn_layer_norm",
    "add_feed_forward.norm": "final_layer_norm",
    "layer_norm.gain": "layer_norm.weight",
}


def as_marian(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our weights, or their gradients, by name: under Marian's names and in Marian's order of the features.

    Marian puts all sines of a position before all cosines; the paper has them in turn. Nothing in a Transformer knows
    the order of the d_model features, apart from the positions that are added to them: a norm looks at all of them
    alike, and every matrix can have its rows or columns in another order. So one permutation, of whatever reads from
    the d_model features or writes to them, turns our model into theirs.
    """
    found = {}
    for name, tensor in tensors.items():
        theirs = "shared.weight" if name == "embedding.weight" else name
        for old, new in THEIR_NAMES.items():
            theirs = theirs.replace(old, new)
        theirs = "model." + re.sub(r"^(encoder|decoder)", r"\1.layers", theirs)
        if any(part in name for part in ("output", "contract", "norm")):  # writes to the features
            found[theirs] = (
                in_marian_order(tensor.T).T if tensor.dim() == 2 else in_marian_order(tensor)
            )
        else:  # reads from them; the bias of `expand` belongs to the hidden units, which keep their order
            found[theirs] = in_marian_order(tensor) if tensor.dim() == 2 else tensor
    return found


def in_marian_order(x: Tensor) -> Tensor:
    """The last axis, from sine and cosine in turn to all sines and then all cosines."""
    return torch.cat([x[..., 0::2], x[..., 1::2]], dim=-1)


def marian_like(ours: Transformer) -> "MarianMTModel":
    """Hugging Face's Marian with our weights, nothing downloaded.

    Set so that it computes the paper's model: ReLU, embeddings scaled by the root of the width and one matrix for all
    three, no dropout, no token forced at the end, and a start token of its own instead of the padding. Zero, as the
    paper has none of them: the biases of attention, and `final_logits_bias`.
    """
    from transformers import MarianConfig, MarianMTModel

    config = ours.config
    theirs = MarianMTModel(
        MarianConfig(
            vocab_size=config.vocab_size,
            d_model=config.d_model,
            encoder_layers=config.n_layers,
            decoder_layers=config.n_layers,
            encoder_attention_heads=config.n_heads,
            decoder_attention_heads=config.n_heads,
            encoder_ffn_dim=config.d_ff,
            decoder_ffn_dim=config.d_ff,
            max_position_embeddings=config.context,
            activation_function="relu",
            dropout=0.0,
            scale_embedding=True,
            share_encoder_decoder_embeddings=True,
            pad_token_id=config.padding,
            decoder_start_token_id=START,
            eos_token_id=END,
            forced_eos_token_id=None,
            attn_implementation="eager",
        )
    ).eval()
    weights = as_marian(dict(ours.named_parameters()))
    with torch.no_grad():
        for name, theirs_only in theirs.named_parameters():
            if name in weights:
                theirs_only.copy_(weights.pop(name))
            elif name.endswith("_proj.bias"):
                theirs_only.zero_()
            elif not name.endswith("embed_positions.weight"):
                raise ValueError(f"Marian has a weight {name} that ours has not")
        theirs.final_logits_bias.zero_()
    if weights:
        raise ValueError(f"Marian has no weights {sorted(weights)}")
    return theirs


def _marian_parity(
    ours: Transformer, theirs: "MarianMTModel", source: Tensor, target: Tensor
) -> dict[str, float]:
    """Worst errors of the encoder's output, the logits, and the gradients of all weights that both have."""
    real = source != ours.config.padding
    memory, _ = ours.encode(source)
    logits = ours(source, target)
    answer = theirs(input_ids=source, attention_mask=real.long(), decoder_input_ids=target)
    direction = torch.randn_like(logits)
    (logits * direction).sum().backward()
    (answer.logits * direction).sum().backward()
    our_gradients = as_marian({name: weight.grad for name, weight in ours.named_parameters()})
    their_gradients = [theirs.get_parameter(name).grad for name in our_gradients]
    return {
        # What stands at padding is seen by nobody.
        "encoder": worst_error(
            [in_marian_order(memory)[real]], [answer.encoder_last_hidden_state[real]]
        ),
        "logits": worst_error([logits], [answer.logits]),
        "gradient": worst_error(our_gradients.values(), their_gradients),
    }


def _same_words(ours: Transformer, theirs: "MarianMTModel", source: Tensor) -> dict[str, float]:
    """The share of tokens that both write, greedily and with a beam of 4."""
    longest = ours.config.context - 1
    start = torch.full((len(source),), START)
    return {
        "greedy": share_equal(
            greedy(ours, source, start, END, longest), marian_writes(theirs, source, longest)
        ),
        "beam": share_equal(
            beam_search(ours, source, start, END, longest, beam=4, alpha=0.0),
            marian_writes(theirs, source, longest, num_beams=4),
        ),
    }


@torch.no_grad()
def marian_writes(
    theirs: "MarianMTModel", source: Tensor, longest: int, num_beams: int = 1
) -> Tensor:
    """What Marian writes after its start token.

    With a beam: without a length penalty, for theirs is another (the length itself to the power of alpha); and with
    `early_stopping`, which ends a row as soon as `num_beams` translations have finished, as ours does.
    """
    beam = dict(num_beams=num_beams, length_penalty=0.0, early_stopping=True)
    return theirs.generate(
        input_ids=source,
        attention_mask=(source != theirs.config.pad_token_id).long(),
        max_new_tokens=longest,
        do_sample=False,
        **(beam if num_beams > 1 else {}),
    )[:, 1:]


def share_equal(ours: Tensor, theirs: Tensor) -> float:
    """The share of equal tokens among those that either has written."""
    longest = max(ours.shape[1], theirs.shape[1])
    ours, theirs = (
        nn.functional.pad(row, (0, longest - row.shape[1]), value=PADDING) for row in (ours, theirs)
    )
    written = (ours != PADDING) | (theirs != PADDING)
    return (ours == theirs)[written].double().mean().item()


@torch.no_grad()
def _cache_parity(model: Transformer, source: Tensor, target: Tensor) -> float:
    """Worst error of the logits when each is computed from the cache, against all at once."""
    decoding = Decoding(model, source)
    steps = [decoding.step(token[:, None]) for token in target.unbind(dim=1)]
    return worst_error([torch.stack(steps, dim=1)], [model(source, target)])


EXPERIMENTS = {
    "parity": Experiment(
        question="How far are outputs, gradients and translations from those of trusted code with the same weights?",
        run=parity,
        settings=dict(
            batch=6,
            source=11,
            target=7,
            vocabulary=50,
            d_model=64,
            n_heads=4,
            d_ff=128,
            n_layers=3,
        ),
        smoke=dict(batch=2, n_layers=1),
        kind="parity",
        tolerance={
            **dict(worst=1e-5, attention=1e-5, transformer=1e-5, marian=1e-5, cache=1e-5),
            # One near tie that falls the other way on another processor changes all the words after it.
            **{"marian.greedy": 0.5, "marian.beam": 0.5},
        },
    ),
}
