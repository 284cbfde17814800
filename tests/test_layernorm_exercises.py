"""The worked answers on layer norm compute what the model computes; what the grader says of the proof.

What holds of every paper's exercises stands in `test_exercises.py`.
"""

from pathlib import Path

import pytest
import torch
from layernorm_answers import WRONG_ANSWERS, lstm
from torch.nn import functional as F

from exercises.__main__ import grade
from exercises.answers import layernorm as answers
from implementations.layernorm import (
    BatchNorm,
    LSTMCell,
    layer_norm,
    layer_norm_backward,
    weight_norm,
)

B, T, I, H, O = 4, 5, 3, 7, 6


# The answers are the model's ---------------------------------------------------------------------


def test_the_norms_are_what_the_model_computes(exact):
    x, gain, bias = torch.randn(B, T, H), torch.randn(H), torch.randn(H)
    expected = layer_norm(x, gain, bias, 0.3)
    torch.testing.assert_close(answers.layer_norm(x, gain, bias, 0.3), expected)
    torch.testing.assert_close(answers.rms_norm(x, gain, 0.3), F.rms_norm(x, (H,), gain, 0.3))
    v, g = torch.randn(H, I), torch.randn(H)
    torch.testing.assert_close(answers.weight_norm(v, g), weight_norm(v, g))
    plain = layer_norm(x[0, 0], torch.ones(H), torch.zeros(H), 0.0)
    assert answers.standardise(x[0, 0].tolist()) == pytest.approx(plain.tolist())


def test_batch_norm_is_what_the_model_computes(exact):
    norm = BatchNorm(H, epsilon=0.3, momentum=0.2)
    kept = norm.running_mean.clone(), norm.running_variance.clone()
    for training in (True, True, False):
        x = torch.randn(B, H)
        y, *kept = answers.batch_norm(x, norm.gain, norm.bias, *kept, training, 0.2, 0.3)
        torch.testing.assert_close(y, norm.train(training)(x))
        torch.testing.assert_close(kept, [norm.running_mean, norm.running_variance])


def test_a_step_of_the_lstm_is_what_the_model_computes(exact):
    cell = LSTMCell(I, H)
    x, h, c = torch.randn(B, I), torch.randn(B, H), torch.randn(B, H)
    matrices = cell.from_input.weight.T, cell.from_hidden.weight.T, cell.bias
    norms = cell.norm_input, cell.norm_hidden, cell.norm_cell
    torch.testing.assert_close(answers.lstm_step(x, h, c, *matrices, *norms), cell(x, h, c))


def test_a_folded_layer_norm_is_a_bare_rms_norm(exact):
    shapes = [(I, H), (H,), (H,), (H,), (H, O), (O,)]
    w_1, b_1, gain, bias, w_2, b_2 = weights = [torch.randn(shape) for shape in shapes]
    x = torch.randn(B, I)
    expected = layer_norm(x @ w_1 + b_1, gain, bias, 0.3) @ w_2 + b_2
    w_1, b_1, w_2, b_2 = answers.fold(*weights)
    found = F.rms_norm(x @ w_1 + b_1, (H,), eps=0.3) @ w_2 + b_2
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("factor", [0.25, 5.0])
def test_the_proof_is_what_a_measurement_finds(exact, factor):
    weight, wanted = torch.randn(H, I), torch.randn(B, H)
    start = torch.randn(B, I)

    def measured(weight):
        weight, x = weight.clone().requires_grad_(), start.clone().requires_grad_()
        y = layer_norm(x @ weight.T, torch.ones(H), torch.zeros(H), 0.0)
        ((y - wanted) ** 2).sum().backward()
        step = weight.detach() - 1e-4 * weight.grad
        turn = torch.acos((step * weight).sum() / step.norm() / weight.norm())
        return y.norm(), weight.grad.norm(), x.grad.norm(), turn

    before, after = measured(weight), measured(factor * weight)
    found = [(new / old).item() for new, old in zip(after, before, strict=True)]
    assert found == pytest.approx(answers.growing_weights(factor), rel=1e-4)


def test_the_gradient_by_hand_is_the_models(exact):
    grad, x, gain = torch.randn(B, H), torch.randn(B, H), torch.randn(H)
    expected = layer_norm_backward(grad, x, gain, 0.3)
    torch.testing.assert_close(answers.layer_norm_backward(grad, x, gain, 0.3), expected)


# The messages ------------------------------------------------------------------------------------


def message(name, answer):
    """What the grader says of one answer."""
    module = type("Answers", (), {name: staticmethod(answer)})
    return grade("layernorm", module, Path("my/layernorm.py"))[name][1]


@pytest.mark.parametrize(
    ("summed", "words"),
    [
        (lambda a, s, b, n, m: n(a + s) + b, "normalised together"),
        (lambda a, s, b, n, m: n(a + b) + m(s), "before a norm"),
    ],
)
def test_a_mistake_is_recognised_on_the_other_side_too(summed, words):
    assert words in message("lstm_step", lstm(summed))


def test_no_message_on_the_proof_gives_a_number_away():
    told = [message(name, one) for name, one, _ in WRONG_ANSWERS if name == "growing_weights"]
    told += [message("growing_weights", lambda f: [1, None, 1, 1])]
    assert all("Number" in one or "four numbers" in one for one in told)
    for given in ("0.", "1 /", "**", "divided", "inverse", "square"):
        assert not any(given in one for one in told)
