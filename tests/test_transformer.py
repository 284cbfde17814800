"""What must be true of `implementations/transformer.py`: who sees what, positions, training, sizes, errors.

Parity, decoding and bugs on purpose have test files of their own.
"""

import doctest
import math
from dataclasses import replace

import pytest
import torch
from parity_cases import pull_back
from torch import Tensor
from torch.nn import functional as F
from transformer_cases import (
    CONFIG,
    CONTEXT,
    F_,
    PADDING,
    B,
    D,
    H,
    K,
    S,
    T,
    V,
    printed_embedding,
    small_model,
    source_with_padding,
    tokens,
)

from implementations import transformer
from implementations.transformer import (
    PAPER,
    PAPER_BIG,
    TINY,
    MultiHeadAttention,
    Transformer,
    TransformerConfig,
    attention,
    beam_search,
    causal,
    greedy,
    label_smoothing,
    learning_rate,
    positions,
)


@pytest.fixture
def model(exact) -> Transformer:
    """A small model with random weights."""
    return small_model()


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
        weights = module.weights(torch.randn(B, T, D), source, mask)
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
    embedded = printed_embedding(torch.zeros(1, D), torch.zeros(1, CONTEXT, dtype=torch.long))[0]
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


# Training --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("config", "peak"), [(PAPER, 7.0e-4), (PAPER_BIG, 4.9e-4)])
def test_the_learning_rate_peaks_at_step_4000(config, peak):
    rates = [learning_rate(step, config.d_model) for step in range(1, 20_001)]
    assert max(rates) == rates[3999]
    assert round(rates[3999], 5) == peak
    assert rates[999] == pytest.approx(rates[3999] / 4)  # a line up to there
    assert rates[15_999] == pytest.approx(rates[3999] / 2)  # the inverse root after it
    assert learning_rate(8, 1, warmup=8) == pytest.approx(8**-0.5)


def smoothing_case(epsilon: float) -> None:
    """Compare value and gradient of the loss with PyTorch's, some targets being padding."""
    logits = (3 * torch.randn(B * T, V)).requires_grad_()
    target = tokens(1, B * T)[0]
    target[::3] = PADDING
    ours = transformer.label_smoothing(logits, target, epsilon, PADDING)
    theirs = F.cross_entropy(logits, target, label_smoothing=epsilon, ignore_index=PADDING)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (ours, theirs)]
    assert abs(ours - theirs).item() <= 1e-12
    assert (gradients[0] - gradients[1]).abs().max() <= 1e-12
    assert (gradients[0][target == PADDING] == 0).all()


def test_label_smoothing_equals_torch(exact):
    for epsilon in (0.0, 0.1, 0.9):
        smoothing_case(epsilon)


def test_label_smoothing_wants_a_finite_lead_of_the_right_token(exact):
    """Claim S8: the best logit of the right token is log(((1 - e) K + e) / e) above all others."""
    epsilon = 0.1
    gap = math.log(((1 - epsilon) * V + epsilon) / epsilon)
    right = torch.tensor([5])

    def slope(lead: float) -> float:
        logits = torch.zeros(1, V)
        logits[0, right] = lead
        logits.requires_grad_()
        loss = transformer.label_smoothing(logits, right, epsilon, PADDING)
        return torch.autograd.grad(loss, logits)[0].abs().max().item()

    assert slope(gap) <= 1e-12
    assert slope(gap - 0.1) > 1e-3
    assert slope(gap + 0.1) > 1e-3  # more of the right token is worse, unlike without smoothing


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


@pytest.mark.parametrize(
    "bad", [{"dropout": 1.0}, {"dropout": -0.1}, {"padding": V}, {"padding": -1}]
)
def test_a_configuration_without_sense_is_refused(bad):
    with pytest.raises(ValueError, match=r"is no (probability|token)"):
        replace(CONFIG, **bad)


@pytest.mark.parametrize("epsilon", [-0.1, 1.0])
def test_smoothing_needs_a_probability(exact, epsilon):
    with pytest.raises(ValueError, match="is no probability below 1"):
        label_smoothing(torch.zeros(2, V), torch.tensor([1, 2]), epsilon, PADDING)


def test_steps_are_counted_from_one():
    with pytest.raises(ValueError, match="step is 0; updates are counted from 1"):
        learning_rate(0, 512)


@pytest.mark.parametrize("write", [greedy, beam_search])
def test_a_translation_has_at_least_one_token(model, write):
    with pytest.raises(ValueError, match="max_length is 0"):
        write(model, tokens(B, S), torch.tensor([0, 1]), end=-1, max_length=0)


@pytest.mark.parametrize("beam", [0, V])
def test_a_beam_must_fit_the_vocabulary(model, beam):
    with pytest.raises(ValueError, match=f"a beam of {beam} is not between"):
        beam_search(model, tokens(B, S), torch.tensor([0, 1]), -1, max_length=3, beam=beam)


def test_a_penalty_has_no_sign(model):
    with pytest.raises(ValueError, match=r"alpha is -1\.0"):
        beam_search(model, tokens(B, S), torch.tensor([0, 1]), -1, max_length=3, alpha=-1.0)


@pytest.mark.parametrize("write", [greedy, beam_search])
def test_decoding_beyond_the_context_is_refused(model, write):
    with pytest.raises(ValueError, match=f"exceeds the context of {CONTEXT}"):
        write(model, tokens(B, S), torch.tensor([0, 1]), end=-1, max_length=CONTEXT + 1)


# It learns -------------------------------------------------------------------------------------

START, END, LETTERS = 1, 2, 8
SMALL = TransformerConfig(
    LETTERS + 3, d_model=32, n_heads=2, d_ff=64, n_layers=1, dropout=0.0, context=8
)
STEPS = {"copy": 300, "reverse": 400}


def words(task: str, rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Words of 2 to 6 letters, and the same or backwards after START and before END; 0 fills up."""
    source = torch.zeros(rows, 6, dtype=torch.long)
    target = torch.zeros(rows, 8, dtype=torch.long)
    target[:, 0] = START
    for row in range(rows):
        length = int(torch.randint(2, 7, (1,), generator=generator))
        word = torch.randint(3, LETTERS + 3, (length,), generator=generator)
        source[row, :length] = word
        target[row, 1 : length + 1] = word if task == "copy" else word.flip(0)
        target[row, length + 1] = END
    return source, target


def learn(model: Transformer, task: str, steps: int) -> float:
    """Train on 4,096 words; return the last loss."""
    source, target = words(task, 4096, torch.Generator().manual_seed(1))
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


def exact_matches(model: Transformer, task: str) -> float:
    """The share of new words that it writes without a mistake."""
    source, target = words(task, 200, torch.Generator().manual_seed(3))
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


@pytest.mark.parametrize("task", STEPS)
def test_it_learns(small, task):
    learn(small, task, STEPS[task])
    assert exact_matches(small, task) == 1.0


@pytest.mark.parametrize("task", STEPS)
def test_it_does_not_learn_without_positions(small, task):
    small.positions.zero_()
    learn(small, task, STEPS[task])
    assert exact_matches(small, task) < 0.2


@pytest.mark.parametrize("task", STEPS)
def test_it_does_not_learn_when_it_may_read_the_answer(small, task, monkeypatch):
    monkeypatch.setattr(
        transformer, "causal", lambda length, device=None: causal(length, device) | True
    )
    loss = learn(small, task, steps=200)
    assert loss < 0.05  # the loss looks excellent: nothing but decoding shows the leak
    assert exact_matches(small, task) < 0.2


def test_the_examples_in_the_docstrings_are_true():
    result = doctest.testmod(transformer)
    assert result.attempted >= 4
    assert result.failed == 0
