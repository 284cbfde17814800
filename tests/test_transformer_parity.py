"""`implementations/transformer.py` computes what code that many people trust computes: values and gradients."""

import copy
import math
import warnings

import pytest
import torch
from parity_cases import TOLERANCE, pull_back, worst_error
from torch import Tensor, nn
from torch.nn import functional as F
from transformer_cases import (
    CONFIG,
    F_,
    LAYERS,
    LONGEST,
    PADDING,
    ROWS,
    WRITER,
    B,
    D,
    H,
    K,
    S,
    T,
    V,
    lists,
    printed_embedding,
    source_with_padding,
    tokens,
    writers,
)

from generators.experiments.transformer import parity
from implementations.transformer import (
    EncoderLayer,
    MultiHeadAttention,
    Transformer,
    attention,
    beam_search,
    greedy,
    positions,
)

# Parity with PyTorch's own modules -------------------------------------------------------------


def torch_attention(ours: MultiHeadAttention) -> nn.MultiheadAttention:
    """PyTorch's module with our weights; its biases, which we do not have, are zero."""
    theirs = nn.MultiheadAttention(D, H, batch_first=True)
    with torch.no_grad():
        stacked = [ours.query.weight, ours.key.weight, ours.value.weight]
        theirs.in_proj_weight.copy_(torch.cat(stacked))
        theirs.out_proj.weight.copy_(ours.output.weight)
        theirs.in_proj_bias.zero_()
        theirs.out_proj.bias.zero_()
    return theirs


def attention_gradients(ours: MultiHeadAttention) -> dict[str, Tensor]:
    """Gradients of our weights under the names of PyTorch's."""
    stacked = [ours.query.weight.grad, ours.key.weight.grad, ours.value.weight.grad]
    return {"in": torch.cat(stacked), "out": ours.output.weight.grad}


def test_attention_equals_torch(dtype):
    ours = MultiHeadAttention(CONFIG)
    theirs = torch_attention(ours)
    hidden = torch.zeros(B, S, dtype=torch.bool)
    hidden[1, -2:] = True
    found = []
    for run in ("ours", "theirs"):
        torch.manual_seed(2)
        x, source = torch.randn(B, T, D), torch.randn(B, S, D)
        x.requires_grad_()
        source.requires_grad_()
        if run == "ours":
            asked = x, ours.keys_values(source), ~hidden[:, None, None]
            mixed, weights = ours(*asked), ours.weights(*asked)
        else:
            mixed, weights = theirs(
                x, source, source, key_padding_mask=hidden, average_attn_weights=False
            )
        pull_back([mixed, weights])
        found.append({"mixed": mixed, "weights": weights, "x": x.grad, "source": source.grad})
    found[0] |= attention_gradients(ours)
    found[1] |= {"in": theirs.in_proj_weight.grad, "out": theirs.out_proj.weight.grad}
    worst = worst_error(*found)
    print(f"worst error {worst:.1e}")  # pytest -rP shows it
    assert worst <= TOLERANCE[dtype]


def torch_transformer(ours: Transformer) -> nn.Transformer:
    """PyTorch's two stacks with our weights.

    Theirs end in one more LayerNorm each, which the paper does not have: it is taken out. Their
    attention has biases, which the paper's equations do not have: they are zero.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd number of heads rules out a fast path of theirs
        theirs = nn.Transformer(D, H, LAYERS, LAYERS, F_, dropout=0.0, batch_first=True)
    theirs.encoder.norm = None
    theirs.decoder.norm = None
    state = {}
    for stack, our_layers in (("encoder", ours.encoder), ("decoder", ours.decoder)):
        for depth, layer in enumerate(our_layers):
            for name, value in torch_names(layer).items():
                state[f"{stack}.layers.{depth}.{name}"] = value.detach().clone()
    theirs.load_state_dict(state)  # strict: a weight that is missing or left over is an error
    return theirs


def torch_names(layer: nn.Module) -> dict[str, Tensor]:
    """Our weights of one layer under PyTorch's names."""
    named = {
        "linear1.weight": layer.feed_forward.expand.weight,
        "linear1.bias": layer.feed_forward.expand.bias,
        "linear2.weight": layer.feed_forward.contract.weight,
        "linear2.bias": layer.feed_forward.contract.bias,
    }
    if isinstance(layer, EncoderLayer):
        attentions = {"self_attn": layer.self_attention}
        norms = [layer.add_attention, layer.add_feed_forward]
    else:
        attentions = {"self_attn": layer.self_attention, "multihead_attn": layer.cross_attention}
        norms = [layer.add_self, layer.add_cross, layer.add_feed_forward]
    for name, module in attentions.items():
        stacked = [module.query.weight, module.key.weight, module.value.weight]
        named[f"{name}.in_proj_weight"] = torch.cat(stacked)
        named[f"{name}.in_proj_bias"] = torch.zeros(3 * D)
        named[f"{name}.out_proj.weight"] = module.output.weight
        named[f"{name}.out_proj.bias"] = torch.zeros(D)
    for number, residual in enumerate(norms, start=1):
        named[f"norm{number}.weight"] = residual.norm.gain
        named[f"norm{number}.bias"] = residual.norm.bias
    return named


def torch_gradients(layer: nn.Module) -> dict[str, Tensor]:
    """Our gradients of one layer under PyTorch's names, those of the biases we lack left out."""
    twin = copy.deepcopy(layer)
    for parameter, original in zip(twin.parameters(), layer.parameters(), strict=True):
        parameter.data = original.grad
    return {name: value for name, value in torch_names(twin).items() if not is_extra(name)}


def is_extra(name: str) -> bool:
    """Say whether PyTorch has this parameter and the paper does not."""
    return name.endswith(("in_proj_bias", "out_proj.bias"))


def test_transformer_equals_torch(dtype):
    ours = Transformer(CONFIG)
    theirs = torch_transformer(ours)
    embedding = ours.embedding.weight.detach().clone().requires_grad_()
    source, target = source_with_padding(), tokens(B, T)

    our_logits = ours(source, target)
    hidden = source == PADDING
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    written = theirs(
        printed_embedding(embedding, source),
        printed_embedding(embedding, target),
        tgt_mask=future,
        src_key_padding_mask=hidden,
        memory_key_padding_mask=hidden,
    )
    their_logits = written @ embedding.T
    pull_back([our_logits])
    pull_back([their_logits])

    left = {"logits": our_logits, "embedding": ours.embedding.weight.grad}
    right = {"logits": their_logits, "embedding": embedding.grad}
    for stack in ("encoder", "decoder"):
        for depth, layer in enumerate(getattr(ours, stack)):
            named = torch_gradients(layer).items()
            left |= {f"{stack}.layers.{depth}.{name}": value for name, value in named}
    right |= {name: weight.grad for name, weight in theirs.named_parameters() if not is_extra(name)}
    worst = worst_error(left, right)
    print(f"worst error {worst:.1e}")  # pytest -rP shows it
    assert worst <= TOLERANCE[dtype]


def test_attention_equals_the_fused_kernel(dtype):
    q, k, v = torch.randn(B, H, T, K), torch.randn(B, H, S, K), torch.randn(B, H, S, K)
    visible = torch.rand(B, 1, T, S) < 0.7
    visible[..., 0] = True
    mixed, _ = attention(q, k, v, visible)
    fused = F.scaled_dot_product_attention(q, k, v, attn_mask=visible)
    assert worst_error({"mixed": mixed}, {"mixed": fused}) <= TOLERANCE[dtype]


# Parity with Hugging Face's Marian -------------------------------------------------------------


def test_transformer_equals_marian(dtype):
    torch.manual_seed(3)
    source = parity.sentences(WRITER, ROWS, S)
    ours = parity.half_learned(WRITER, source, lr=1e-2)  # so that no norm is still at 1 and 0
    theirs = parity.marian_like(ours)
    assert theirs.dtype == dtype
    code = parity.in_marian_order(ours.positions)
    with torch.no_grad():
        for stack in (theirs.model.encoder, theirs.model.decoder):
            # Theirs are rounded to float32, whatever the model computes in: equal, but not to 1e-10.
            assert (stack.embed_positions.weight - code).abs().max() <= 1e-7
            stack.embed_positions.weight.copy_(code)
    target = torch.randint(parity.FIRST_WORD, V, (ROWS, T))
    real = source != parity.PADDING

    memory, _ = ours.encode(source)
    our_logits = ours(source, target)
    answer = theirs(input_ids=source, attention_mask=real.long(), decoder_input_ids=target)
    pull_back([our_logits])
    pull_back([answer.logits])

    gradients = {name: weight.grad for name, weight in ours.named_parameters()}
    left = parity.as_marian(gradients)
    right = {name: weight.grad for name, weight in theirs.named_parameters() if name in left}
    # What stands at padding differs in nothing that anybody sees; only real positions are compared.
    left |= {"memory": parity.in_marian_order(memory)[real], "logits": our_logits}
    right |= {"memory": answer.encoder_last_hidden_state[real], "logits": answer.logits}
    worst = worst_error(left, right)
    print(f"worst error {worst:.1e}")  # pytest -rP shows it
    assert worst <= TOLERANCE[dtype]


@pytest.mark.parametrize("beam", [1, 4])
def test_translations_equal_marians(exact, beam):
    for model, source, start in writers():
        theirs = parity.marian_like(model)
        expected = parity.marian_writes(theirs, source, LONGEST, num_beams=beam)
        if beam == 1:
            found = greedy(model, source, start, parity.END, LONGEST)
        else:
            found = beam_search(model, source, start, parity.END, LONGEST, beam, alpha=0.0)
        assert lists(found) == lists(expected)


def test_positions_in_marians_order_are_marians_formula(exact):
    code = torch.tensor(
        [
            [math.sin(t / 10_000 ** (2 * i / D)) for i in range(D // 2)]
            + [math.cos(t / 10_000 ** (2 * i / D)) for i in range(D // 2)]
            for t in range(LONGEST)
        ]
    )
    assert (parity.in_marian_order(positions(LONGEST, D)) - code).abs().max() <= 1e-12


def test_the_recorded_parity_is_within_its_tolerance():
    experiment = parity.EXPERIMENTS["parity"]
    torch.manual_seed(0)
    measured = experiment.run(0, **{**experiment.settings, **experiment.smoke})
    assert measured["worst"] <= experiment.tolerance["worst"]
    assert (measured["marian"]["greedy"], measured["marian"]["beam"]) == (1.0, 1.0)
    assert measured.keys() <= experiment.tolerance.keys()
