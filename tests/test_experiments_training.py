"""What must be true of the experiments on training and cost: smoothing, warm-up, time and memory."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from generators.experiments.transformer import cost, recurrence, smoothing, warmup
from generators.experiments.transformer.architecture import weights
from generators.experiments.transformer.task import corpus, loss_on
from implementations.layernorm import LayerNorm
from implementations.transformer import (
    Transformer,
    TransformerConfig,
    causal,
    greedy,
    learning_rate,
)

CONFIG = TransformerConfig(
    23, d_model=12, n_heads=3, d_ff=18, n_layers=2, dropout=0.0, context=11, padding=0
)
SOURCE = torch.tensor([[3, 4, 5, 6, 0], [7, 8, 9, 10, 11]])
TARGET = torch.tensor([[1, 4, 2], [1, 5, 9]])


@pytest.fixture(autouse=True)
def _seed():
    """Every test begins from the same random numbers."""
    torch.manual_seed(0)


def unlike(model: nn.Module) -> nn.Module:
    """The same model with gains and shifts of its norms that are not 1 and 0."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, LayerNorm):
                module.gain.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
    return model


# Smoothing -------------------------------------------------------------------------------------------------


def test_calibration_error_of_a_case_worked_by_hand():
    sure = torch.tensor([0.15, 0.15, 0.55, 0.95, 1.0])
    right = torch.tensor([False, True, True, True, True])
    error, table = smoothing.calibration(sure, right, bins=10)
    # Bins: two at 0.15 of which half are right; one at 0.55, right; two at 0.975 on average, both right.
    assert error == pytest.approx(0.4 * 0.35 + 0.2 * 0.45 + 0.4 * 0.025)
    assert table == [[0.15, 0.5, 0.4], [0.55, 1.0, 0.2], [0.975, 1.0, 0.4]]


def test_few_numbers_are_learnt_and_all_others_tested():
    data = corpus(100, 30)
    few = smoothing.with_few(data, 20, seed=3)
    learnt, tested = set(few.trained.tolist()), set(few.tested.tolist())
    assert len(learnt) == 20
    assert not learnt & tested
    assert learnt | tested == set(range(100))
    assert set(data.tested.tolist()) <= tested
    assert set(smoothing.with_few(data, 20, seed=4).trained.tolist()) != learnt


def test_answers_are_those_of_the_model_without_its_padding():
    data = corpus(100, 30)
    config = replace(
        CONFIG, vocab_size=data.tokenizer.get_vocab_size(), context=data.width + 1, dropout=0.3
    )
    log_p, wanted = smoothing.answers(Transformer(config), data, data.tested)
    assert len(log_p) == len(wanted) == int((data.tokens[1, data.tested] != 0).sum())
    assert torch.allclose(log_p.exp().sum(dim=1), torch.ones(len(log_p)), atol=1e-5)


# Warm-up ---------------------------------------------------------------------------------------------------


def test_the_post_norm_arm_is_the_model_itself():
    assert warmup.NORMS["post"] is Transformer


def test_the_twin_with_norms_first_starts_from_the_same_weights():
    torch.manual_seed(5)
    post = Transformer(CONFIG)
    torch.manual_seed(5)
    pre = warmup.PreNormTransformer(CONFIG)
    ours = sorted(p.sum().item() for p in post.parameters() if p.ndim > 1)
    assert ours == sorted(p.sum().item() for p in pre.parameters() if p.ndim > 1)
    assert weights(pre) == weights(post) + 4 * CONFIG.d_model


def test_the_twin_computes_what_its_formula_says():
    model = unlike(warmup.PreNormTransformer(CONFIG))
    visible = (SOURCE != 0)[:, None, None, :]
    x = model.embed(SOURCE)
    for layer in model.encoder:
        attention, norm = layer.self_attention.sublayer, layer.self_attention.norm
        x = x + attention(norm(x), attention.keys_values(norm(x)), visible)
        feed_forward, norm = layer.feed_forward.sublayer, layer.feed_forward.norm
        x = x + feed_forward.contract(feed_forward.expand(norm(x)).relu())
    memory = model.encoder_norm(x)
    x = model.embed(TARGET)
    for layer in model.decoder:
        attention, norm = layer.self_attention.sublayer, layer.self_attention.norm
        x = x + attention(norm(x), attention.keys_values(norm(x)), causal(3))
        attention, norm = layer.cross_attention.sublayer, layer.cross_attention.norm
        x = x + attention(norm(x), attention.keys_values(memory), visible)
        feed_forward, norm = layer.feed_forward.sublayer, layer.feed_forward.norm
        x = x + feed_forward(norm(x))
    expected = model.decoder_norm(x) @ model.embedding.weight.T
    assert torch.allclose(model(SOURCE, TARGET), expected, atol=1e-5)


def test_the_twin_decodes_with_a_cache_as_without():
    model = unlike(warmup.PreNormTransformer(CONFIG)).eval()
    written = greedy(model, SOURCE, torch.tensor([1, 1]), end=22, max_length=5)
    target = torch.cat([torch.tensor([[1], [1]]), written], dim=1)
    assert torch.equal(model(SOURCE, target[:, :-1]).argmax(dim=-1), written)


def test_warm_is_the_paper_s_schedule_and_cold_holds_its_peak():
    warm, cold = (warmup.paced(3e-3, 64, ramp=50, warm=warm) for warm in (True, False))
    scale = 3e-3 / learning_rate(50, 64, 50)
    for step in (1, 10, 50, 51, 200):
        assert warm(step) == pytest.approx(scale * learning_rate(step, 64, 50))
    assert cold(1) == cold(50) == pytest.approx(warm(50)) == pytest.approx(3e-3)
    assert cold(51) == warm(51)
    assert warm(1) == pytest.approx(3e-3 / 50)


def test_the_last_gradient_is_that_of_the_whole_backward_pass():
    model = Transformer(CONFIG)
    target = torch.cat([TARGET, torch.tensor([[8], [0]])], dim=1)
    loss_on(model)((SOURCE, target)).backward()
    expected = model.decoder[-1].feed_forward.contract.weight.grad.norm().item()
    frozen = model.requires_grad_(False)
    assert warmup.last_gradient(frozen, (SOURCE, target)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("power", [-0.5, 0.0, 1.0, 2.0])
def test_an_exact_power_law_gives_its_exponent(power):
    x = [2, 4, 8, 64]
    assert warmup.exponent(x, [3 * value**power for value in x]) == pytest.approx(power, abs=1e-12)


# Cost ------------------------------------------------------------------------------------------------------


def test_works_take_turns_and_each_round_begins_with_another():
    calls = []
    works = {name: lambda name=name: calls.append(name) for name in "abc"}
    taken = cost.in_turn(works, rounds=3)
    assert "".join(calls) == "abc" + "abc" + "bca" + "cab"  # the first pass is not timed
    assert {name: len(times) for name, times in taken.items()} == dict.fromkeys("abc", 3)


def test_spread_is_the_median_and_the_quartiles():
    assert cost.spread([5.0, 1.0, 2.0, 4.0, 3.0]) == {"q1": 2.0, "median": 3.0, "q3": 4.0}


def test_what_is_kept_for_the_backward_pass_is_counted_once_and_without_parameters():
    x, w = torch.randn(10, 4, requires_grad=True), torch.randn(4, 4, requires_grad=True)
    # The product keeps x and w, the exponential its own output (10 x 4 numbers of 4 bytes), which the sum
    # of its square keeps again.
    assert cost.kept_for_backward(lambda: (x @ w).exp().square().sum(), [w]) == 2 * 10 * 4 * 4


def test_explicit_attention_keeps_a_square_and_the_fused_kernel_does_not():
    kept = {}
    for length in (256, 512):
        qkv = [torch.randn(1, 1, length, 4, requires_grad=True) for _ in range(3)]
        for form in (cost.explicit_attention, cost.fused_attention):
            kept[form, length] = cost.kept_for_backward(lambda form=form, qkv=qkv: form(*qkv))
    assert kept[cost.explicit_attention, 512] > 3.5 * kept[cost.explicit_attention, 256]
    assert kept[cost.fused_attention, 512] == 2 * kept[cost.fused_attention, 256]


def test_without_a_cache_the_logits_are_those_of_the_model():
    model = Transformer(CONFIG)
    memory, visible = model.encode(SOURCE)
    last = cost.without_cache(model, memory, visible, TARGET)
    assert torch.allclose(last, model(SOURCE, TARGET)[:, -1], atol=1e-6)


def test_going_on_leaves_a_translation_where_it_was():
    decoding = cost.filled(Transformer(CONFIG), SOURCE, 6)
    past = list(decoding.written)
    cost.go_on(decoding, TARGET)
    assert decoding.length == 6
    assert all(now is then for now, then in zip(decoding.written, past, strict=True))
    assert past[0].k.shape == (2, CONFIG.n_heads, 6, CONFIG.d_model // CONFIG.n_heads)


def test_recurrent_models_have_the_transformer_s_count_of_parameters():
    settings = recurrence.EXPERIMENTS["recurrence"].settings
    sizes = {key: settings[key] for key in ("d_model", "n_heads", "d_ff", "n_layers")}
    config = TransformerConfig(
        cost.VOCABULARY, dropout=0.0, context=max(settings["lengths"]), **sizes
    )
    with torch.device("meta"):
        ours = weights(Transformer(config))
    for make in (recurrence.FusedLSTM, recurrence.InputFeedingLSTM):
        theirs = weights(recurrence.of_like_size(make, settings["lstm_layers"], ours))
        assert abs(theirs / ours - 1) < 0.05


def test_input_feeding_without_its_feed_is_the_fused_model():
    fused, feeding = recurrence.FusedLSTM(8, 2), recurrence.InputFeedingLSTM(8, 2)
    feeding.embedding, feeding.encoder, feeding.attention = (
        fused.embedding,
        fused.encoder,
        fused.attention,
    )
    with torch.no_grad():
        for depth, cell in enumerate(feeding.decoder):
            weight = getattr(fused.decoder, f"weight_ih_l{depth}")
            cell.weight_ih.zero_()[:, :8].copy_(weight)  # the other columns read what is fed
            cell.weight_hh.copy_(getattr(fused.decoder, f"weight_hh_l{depth}"))
            cell.bias_ih.copy_(getattr(fused.decoder, f"bias_ih_l{depth}"))
            cell.bias_hh.copy_(getattr(fused.decoder, f"bias_hh_l{depth}"))
    assert torch.allclose(feeding(SOURCE, TARGET), fused(SOURCE, TARGET), atol=1e-5)
