"""What must be true of `implementations/transformer.py`."""

import copy
import doctest
import math
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from implementations import transformer
from implementations.transformer import (
    PAPER,
    PAPER_BIG,
    TINY,
    Decoding,
    EncoderLayer,
    MultiHeadAttention,
    Transformer,
    TransformerConfig,
    attention,
    causal,
    greedy,
    positions,
)

# Every axis has a size of its own, so that two axes that change places are seen at once.
B, T, S, H, K, D, F_, V, CONTEXT = 2, 5, 7, 3, 4, 12, 18, 23, 11
LAYERS = 2
PADDING = 3  # not 0, so that a 0 written in the code by hand is seen
CONFIG = TransformerConfig(
    V, d_model=D, n_heads=H, d_ff=F_, n_layers=LAYERS, dropout=0.0, context=CONTEXT, padding=PADDING
)
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def dtype(request):
    """Run a test in both precisions."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    torch.manual_seed(0)
    yield request.param
    torch.set_default_dtype(before)


@pytest.fixture
def exact():
    """Run a test in float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)


@pytest.fixture
def model(exact) -> Transformer:
    """A small model with random weights."""
    return Transformer(CONFIG).eval()


def tokens(rows: int, length: int) -> Tensor:
    """Random tokens without padding."""
    drawn = torch.randint(V - 1, (rows, length))
    return drawn + (drawn >= PADDING)


def source_with_padding() -> Tensor:
    """A batch of sources, the second of which is two tokens shorter."""
    source = tokens(B, S)
    source[1, -2:] = PADDING
    return source


# Parity with PyTorch's own modules -------------------------------------------------------------


def worst_error(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """The largest difference between tensors, in units of each one's largest entry (at least 1)."""
    assert ours.keys() == theirs.keys()
    worst = 0.0
    for name, right in theirs.items():
        assert ours[name].shape == right.shape, name
        size = max(1.0, right.abs().max().item())
        worst = max(worst, (ours[name] - right).abs().max().item() / size)
    return worst


def pull_back(outputs: list[Tensor]) -> None:
    """Send the same random gradient into the outputs of either implementation."""
    generator = torch.Generator().manual_seed(1)
    for output in outputs:
        direction = torch.randn(output.shape, generator=generator, dtype=output.dtype)
        (output * direction).sum().backward(retain_graph=True)


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
            mixed, weights = ours(x, ours.keys_values(source), ~hidden[:, None, None])
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
        named[f"norm{number}.weight"] = residual.norm.weight
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


def torch_embed(embedding: Tensor, ids: Tensor) -> Tensor:
    """Scaled embeddings plus positions, each written out from the paper's formula."""
    code = torch.empty(ids.shape[1], D)
    for position in range(ids.shape[1]):
        for i in range(D // 2):
            angle = position / 10_000 ** (2 * i / D)
            code[position, 2 * i] = math.sin(angle)
            code[position, 2 * i + 1] = math.cos(angle)
    return F.embedding(ids, embedding) * D**0.5 + code


def test_transformer_equals_torch(dtype):
    ours = Transformer(CONFIG)
    theirs = torch_transformer(ours)
    embedding = ours.embedding.weight.detach().clone().requires_grad_()
    source, target = source_with_padding(), tokens(B, T)

    our_logits = ours(source, target)
    hidden = source == PADDING
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    written = theirs(
        torch_embed(embedding, source),
        torch_embed(embedding, target),
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


# Who sees what ---------------------------------------------------------------------------------


def captured_embeddings(model: Transformer, source: Tensor, target: Tensor):
    """Run the model; return its logits and the embedded source and target, which keep gradients."""
    seen = []

    def keep(_module, _inputs, output):
        output.retain_grad()
        seen.append(output)

    handle = model.dropout.register_forward_hook(keep)
    logits = model(source, target)
    handle.remove()
    return logits, *seen


def test_the_future_does_not_change_the_past(model):
    source, target = source_with_padding(), tokens(B, T)
    before = model(source, target)
    for t in range(1, T):
        changed = target.clone()
        changed[:, t:] = (changed[:, t:] + 1) % V
        after = model(source, changed)
        assert torch.equal(before[:, :t], after[:, :t])
        assert (before[:, t] - after[:, t]).abs().max() > 1e-3  # position t itself does change


def test_no_gradient_flows_from_the_past_to_the_future(model):
    for t in range(T):
        logits, _, embedded = captured_embeddings(model, source_with_padding(), tokens(B, T))
        logits[:, t].square().sum().backward()
        moved = embedded.grad.abs().amax(dim=(0, 2)) > 1e-9
        assert moved.tolist() == [position <= t for position in range(T)]


def test_the_encoder_reads_in_both_directions(model):
    source = tokens(1, S)
    memory, _ = model.encode(source)
    for place in (0, S - 1):
        changed = source.clone()
        changed[0, place] = (changed[0, place] + 1) % V
        again, _ = model.encode(changed)
        assert ((memory - again).abs().amax(dim=-1) > 1e-6).all()


def test_padding_changes_nothing(model):
    source, target = tokens(1, S - 2), tokens(1, T)
    padded = F.pad(source, (0, 2), value=PADDING)
    difference = (model(source, target) - model(padded, target)).abs().max().item()
    assert difference <= 1e-12


def test_what_padding_holds_changes_nothing(model):
    source, target = source_with_padding(), tokens(B, T)
    others = [token for token in range(V) if token != PADDING]
    before = model(source, target)[..., others]
    with torch.no_grad():
        model.embedding.weight[PADDING] += 5.0
    assert torch.equal(before, model(source, target)[..., others])


def test_no_gradient_flows_into_padding(model):
    source = source_with_padding()
    logits, embedded, _ = captured_embeddings(model, source, tokens(B, T))
    logits.square().sum().backward()
    moved = embedded.grad.abs().amax(dim=-1) > 0
    assert torch.equal(moved, source != PADDING)


def test_a_row_that_sees_nothing_gives_zeros_and_no_nan(exact):
    q, k, v = (torch.randn(B, H, n, K, requires_grad=True) for n in (T, S, S))
    visible = torch.ones(B, 1, T, S, dtype=torch.bool)
    visible[0, :, 2] = False
    mixed, weights = attention(q, k, v, visible)
    assert (mixed[0, :, 2] == 0).all()
    assert (weights[0, :, 2] == 0).all()
    pull_back([mixed, weights])
    for tensor in (q, k, v):
        assert tensor.grad.isfinite().all()


def test_a_source_of_padding_alone_gives_no_nan(model):
    source = torch.full((B, S), PADDING)
    logits = model(source, tokens(B, T))
    logits.square().sum().backward()
    assert logits.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


def test_rows_of_weights_sum_to_one(exact):
    module = MultiHeadAttention(CONFIG)
    visible = torch.rand(B, 1, T, S) < 0.5
    visible[..., 0] = True
    for mask in (None, visible):
        source = module.keys_values(torch.randn(B, S, D))
        _, weights = module(torch.randn(B, T, D), source, mask)
        assert weights.shape == (B, H, T, S)
        assert (weights.sum(dim=-1) - 1).abs().max() <= 1e-12
        assert (weights >= 0).all()
    assert (weights.masked_select(~visible) == 0).all()


# Positions -------------------------------------------------------------------------------------


def test_without_positions_the_encoder_does_not_know_the_order(model):
    source = tokens(B, S)
    order = torch.randperm(S, generator=torch.Generator().manual_seed(4))
    assert (model.encode(source)[0][:, order] - model.encode(source[:, order])[0]).abs().max() > 0.1
    model.positions.zero_()
    shuffled = model.encode(source[:, order])[0]
    assert (model.encode(source)[0][:, order] - shuffled).abs().max() <= 1e-12


def test_positions_are_the_printed_formula(exact):
    code = positions(CONTEXT, D)
    embedded = torch_embed(torch.zeros(1, D), torch.zeros(1, CONTEXT, dtype=torch.long))[0]
    assert code.shape == (CONTEXT, D)
    assert (code - embedded).abs().max() <= 1e-12


def test_a_shift_is_a_fixed_linear_map(exact):
    """Claim A4: one matrix, a rotation, moves every position by the same number of steps."""
    code = positions(64, D)
    for shift in (1, 7, 40):
        blocks = []
        for i in range(D // 2):
            angle = torch.tensor(shift / 10_000 ** (2 * i / D))
            sine, cosine = angle.sin(), angle.cos()
            blocks.append(torch.stack([cosine, sine, -sine, cosine]).view(2, 2))
        matrix = torch.block_diag(*blocks)
        assert (code[:-shift] @ matrix.T - code[shift:]).abs().max() <= 1e-12
        assert (matrix @ matrix.T - torch.eye(D)).abs().max() <= 1e-12


# Decoding --------------------------------------------------------------------------------------


@torch.no_grad()
def slow_greedy(model: Transformer, source: Tensor, start: int, end: int, most: int) -> list[int]:
    """Translate one unpadded source, computing everything again for each token."""
    written = [start]
    while len(written) <= most:
        best = model(source[None], torch.tensor([written]))[0, -1].argmax().item()
        written.append(best)
        if best == end:
            break
    return written[1:]


def test_the_cache_changes_no_logit(model):
    source, target = source_with_padding(), tokens(B, CONTEXT)
    decoding = Decoding(model, source)
    steps = [decoding.step(target[:, t : t + 1]) for t in range(CONTEXT)]
    worst = (torch.stack(steps, dim=1) - model(source, target)).abs().max().item()
    assert worst <= 1e-10


def test_cached_decoding_writes_what_uncached_decoding_writes(exact):
    # A fresh model repeats its last token, whose embedding is also its output weight; random signs
    # in the last norm end that. One row is padded, and each word in turn ends a translation: the
    # rows finish at different times.
    torch.manual_seed(2)
    model = Transformer(CONFIG).eval()
    for weight in model.decoder.parameters():
        if weight.dim() == 2:
            nn.init.normal_(weight, std=0.3)
    nn.init.normal_(model.decoder[-1].add_feed_forward.norm.weight)
    source, start = source_with_padding(), torch.tensor([0, 1])
    alone = [source[0], source[1, :-2]]
    free = [slow_greedy(model, alone[row], row, end=-1, most=CONTEXT) for row in range(B)]
    assert len(set(free[0] + free[1])) > 3
    for end in (-1, *sorted({*free[0], *free[1]})):
        expected = [slow_greedy(model, alone[row], row, end, most=CONTEXT) for row in range(B)]
        found = greedy(model, source, start, end, max_length=CONTEXT)
        longest = max(len(row) for row in expected)
        padded = [row + [PADDING] * (longest - len(row)) for row in expected]
        assert found.tolist() == padded


def test_evaluation_has_no_chance_in_it(exact):
    model = Transformer(TransformerConfig(V, D, H, F_, LAYERS, 0.5, CONTEXT))
    source, target = tokens(B, S), tokens(B, T)
    assert not torch.equal(model(source, target), model(source, target))
    model.eval()
    assert torch.equal(model(source, target), model(source, target))


# Sizes -----------------------------------------------------------------------------------------


def count(config: TransformerConfig) -> int:
    """The model's parameters, counted without making them."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in Transformer(config).parameters())


def expected_count(config: TransformerConfig, attention_biases: bool) -> int:
    """The same from arithmetic alone."""
    d, f = config.d_model, config.d_ff
    attending = 4 * (d * d + (d if attention_biases else 0))
    feeding = (d * f + f) + (f * d + d)
    norm = 2 * d
    encoder = attending + feeding + 2 * norm
    decoder = 2 * attending + feeding + 3 * norm
    return config.vocab_size * d + config.n_layers * (encoder + decoder)


@pytest.mark.parametrize(
    ("config", "printed", "with_biases"),
    [(PAPER, 65e6, 63.1e6), (PAPER_BIG, 213e6, 214.2e6)],
    ids=["base", "big"],
)
def test_the_papers_model_has_the_papers_size(config, printed, with_biases):
    assert count(config) == expected_count(config, attention_biases=False)
    assert round(expected_count(config, attention_biases=True), -5) == with_biases
    assert abs(count(config) / printed - 1) < 0.04


def test_the_papers_hyperparameters_are_as_printed():
    assert (PAPER.d_model, PAPER.n_heads, PAPER.d_ff, PAPER.n_layers) == (512, 8, 2048, 6)
    assert (PAPER.dropout, PAPER_BIG.dropout) == (0.1, 0.3)
    assert (PAPER_BIG.d_model, PAPER_BIG.n_heads, PAPER_BIG.d_ff) == (1024, 16, 4096)
    assert PAPER.vocab_size == PAPER_BIG.vocab_size == 37_000


@pytest.mark.parametrize("config", [TINY, CONFIG], ids=["tiny", "odd sizes"])
def test_embeddings_and_output_share_one_matrix(config):
    model = Transformer(config)
    assert [name for name, _ in model.named_parameters() if "embedding" in name] == [
        "embedding.weight"
    ]
    assert count(config) == expected_count(config, attention_biases=False)


# Bad input -------------------------------------------------------------------------------------


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="d_model 12 is not divisible by n_heads 5"):
        TransformerConfig(V, d_model=12, n_heads=5, d_ff=F_, n_layers=1, dropout=0.0, context=8)


def test_the_width_must_be_even():
    with pytest.raises(ValueError, match="d_model 9 is odd"):
        TransformerConfig(V, d_model=9, n_heads=3, d_ff=F_, n_layers=1, dropout=0.0, context=8)


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_sequence_beyond_the_context_is_refused(model, side):
    lengths = {"source": S, "target": T} | {side: CONTEXT + 1}
    with pytest.raises(ValueError, match=f"{CONTEXT + 1} tokens exceeds the context of {CONTEXT}"):
        model(tokens(B, lengths["source"]), tokens(B, lengths["target"]))


def test_decoding_beyond_the_context_is_refused(model):
    with pytest.raises(ValueError, match=f"exceeds the context of {CONTEXT}"):
        greedy(model, tokens(B, S), torch.tensor([0, 1]), end=-1, max_length=CONTEXT + 1)


# It learns -------------------------------------------------------------------------------------

START, END, LETTERS = 1, 2, 8
SMALL = TransformerConfig(
    LETTERS + 3, d_model=32, n_heads=2, d_ff=64, n_layers=1, dropout=0.0, context=8
)


def reversals(rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Words of 2 to 6 letters, and the same backwards after START and before END; 0 fills up."""
    source = torch.zeros(rows, 6, dtype=torch.long)
    target = torch.zeros(rows, 8, dtype=torch.long)
    target[:, 0] = START
    for row in range(rows):
        length = int(torch.randint(2, 7, (1,), generator=generator))
        word = torch.randint(3, LETTERS + 3, (length,), generator=generator)
        source[row, :length] = word
        target[row, 1 : length + 1] = word.flip(0)
        target[row, length + 1] = END
    return source, target


def learn(model: Transformer, steps: int = 400) -> float:
    """Train on reversals; return the last loss."""
    source, target = reversals(4096, torch.Generator().manual_seed(1))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01, betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.01, total_steps=steps)
    batches = torch.Generator().manual_seed(2)
    model.train()
    for _ in range(steps):
        rows = torch.randint(len(source), (64,), generator=batches)
        logits = model(source[rows], target[rows, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), target[rows, 1:].flatten(), ignore_index=0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return loss.item()


def exact_matches(model: Transformer) -> float:
    """The share of new words that it reverses without a mistake."""
    source, target = reversals(200, torch.Generator().manual_seed(3))
    start = torch.full((len(source),), START)
    found = greedy(model.eval(), source, start, END, max_length=7)
    found = F.pad(found, (0, 7 - found.shape[1]))
    return (found == target[:, 1:]).all(dim=1).double().mean().item()


@pytest.fixture
def small() -> Transformer:
    """A fresh small model; on one thread, which for such sizes is also the fastest."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield Transformer(SMALL)
    torch.set_num_threads(threads)


def test_it_learns_to_reverse(small):
    learn(small)
    assert exact_matches(small) == 1.0


def test_it_does_not_learn_to_reverse_without_positions(small):
    small.positions.zero_()
    learn(small)
    assert exact_matches(small) < 0.2


def test_it_does_not_learn_to_reverse_when_it_may_read_the_answer(small, monkeypatch):
    monkeypatch.setattr(
        transformer, "causal", lambda length, device=None: causal(length, device) | True
    )
    loss = learn(small, steps=200)
    assert loss < 0.05  # the loss looks excellent: nothing but decoding shows the leak
    assert exact_matches(small) < 0.2


def test_the_examples_in_the_docstrings_are_true():
    result = doctest.testmod(transformer)
    assert result.attempted >= 4
    assert result.failed == 0
