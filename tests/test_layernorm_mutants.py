"""Well-known bugs, put into `implementations/layernorm.py` one at a time: each makes a named test fail."""

from collections.abc import Callable

import pytest
import test_layernorm as invariants
import test_layernorm_parity as parity
import test_transformer_parity as transformer_parity
import torch
from layernorm_cases import B, H
from mutants import assert_caught

from implementations import layernorm
from implementations.layernorm import BatchNorm, LayerNorm, LSTMCell


def replace_normalise(patch: pytest.MonkeyPatch, sigma_of: Callable) -> None:
    """Divide by something else: a function of the variance, of how many were averaged, and of epsilon."""

    def wrong(x, axes, epsilon=layernorm.EPSILON):
        deviation = x - x.mean(axes, keepdim=True)
        variance = deviation.square().mean(axes, keepdim=True)
        sigma = sigma_of(variance, x.numel() // variance.numel(), epsilon)
        return deviation / sigma, sigma

    patch.setattr(layernorm, "normalise", wrong)


def variance_unbiased(patch: pytest.MonkeyPatch) -> None:
    """`x.std()` divides by H - 1 unless told otherwise."""
    replace_normalise(patch, lambda variance, n, epsilon: (variance * n / (n - 1) + epsilon).sqrt())


def epsilon_outside_the_root(patch: pytest.MonkeyPatch) -> None:
    """Added to the deviation instead of the variance, it weighs 1e-5 where it should weigh 3e-3."""
    replace_normalise(patch, lambda variance, n, epsilon: variance.sqrt() + epsilon)


def mean_left_in(patch: pytest.MonkeyPatch) -> None:
    """Only the deviation is divided out: the mean stays, divided too."""

    def wrong(x, axes, epsilon=layernorm.EPSILON):
        sigma = (x.var(axes, correction=0, keepdim=True) + epsilon).sqrt()
        return x / sigma, sigma

    patch.setattr(layernorm, "normalise", wrong)


def averaged_over_the_batch(patch: pytest.MonkeyPatch) -> None:
    """The first axis instead of the last: batch norm under another name."""
    patch.setattr(layernorm, "last_axes", lambda gain: (0,))


def constants_in_the_backward_pass(patch: pytest.MonkeyPatch) -> None:
    """Mean and deviation are taken for constants, as if they did not move with x."""

    def wrong(grad, x, gain, epsilon=layernorm.EPSILON):
        _, sigma = layernorm.normalise(x, layernorm.last_axes(gain), epsilon)
        _, *rest = right(grad, x, gain, epsilon)
        return grad * gain / sigma, *rest

    right = layernorm.layer_norm_backward
    patch.setattr(layernorm, "layer_norm_backward", wrong)


def deviation_constant_in_the_backward_pass(patch: pytest.MonkeyPatch) -> None:
    """The term along the normalised input is forgotten: the gradient still sums to 0."""

    def wrong(grad, x, gain, epsilon=layernorm.EPSILON):
        axes = layernorm.last_axes(gain)
        _, sigma = layernorm.normalise(x, axes, epsilon)
        delta = grad * gain
        _, *rest = right(grad, x, gain, epsilon)
        return (delta - delta.mean(axes, keepdim=True)) / sigma, *rest

    right = layernorm.layer_norm_backward
    patch.setattr(layernorm, "layer_norm_backward", wrong)


def gain_forgotten_in_the_backward_pass(patch: pytest.MonkeyPatch) -> None:
    """Seen by nobody as long as the gain is 1, where it starts."""
    right = layernorm.layer_norm_backward
    patch.setattr(
        layernorm,
        "layer_norm_backward",
        lambda grad, x, gain, epsilon: (
            right(grad, x, torch.ones_like(gain), epsilon)[0],
            *right(grad, x, gain, epsilon)[1:],
        ),
    )


def batch_statistics_in_use(patch: pytest.MonkeyPatch) -> None:
    """Evaluation goes on normalising by the batch at hand."""
    right = BatchNorm.forward

    def wrong(self, x):
        was = self.training
        try:
            return right(self.train(), x)
        finally:
            self.train(was)

    patch.setattr(BatchNorm, "forward", wrong)


def biased_variance_kept(patch: pytest.MonkeyPatch) -> None:
    """The batch is divided by the right variance, but the one kept for later is too small."""
    right = BatchNorm.forward

    def wrong(self, x):
        before, n = self.running_variance.clone(), x.numel() // x.shape[1]
        y = right(self, x)
        if self.training:
            kept = (1 - self.momentum) * before
            self.running_variance.copy_(kept + (self.running_variance - kept) * (n - 1) / n)
        return y

    patch.setattr(BatchNorm, "forward", wrong)


class PerGate(LayerNorm):
    """A norm of 4H units that normalises each quarter by itself."""

    def forward(self, x):
        """Four means and deviations; gain and bias as they were."""
        quarters, _ = layernorm.normalise(x.unflatten(-1, (4, -1)), (-1,), self.epsilon)
        return self.gain * quarters.flatten(-2) + self.bias


def gates_normalised_one_by_one(patch: pytest.MonkeyPatch) -> None:
    """Four norms of H units instead of one of 4H: common in code, not in the paper."""
    right = LSTMCell.__init__

    def wrong(self, n_inputs, n_hidden):
        right(self, n_inputs, n_hidden)
        self.norm_input, self.norm_hidden = PerGate(4 * n_hidden), PerGate(4 * n_hidden)

    patch.setattr(LSTMCell, "__init__", wrong)


def cell_carried_on_normalised(patch: pytest.MonkeyPatch) -> None:
    """What leaves the cell is normalised, and so is what stays."""
    right = LSTMCell.forward

    def wrong(self, x, h, c):
        h, c = right(self, x, h, c)
        return h, self.norm_cell(c)

    patch.setattr(LSTMCell, "forward", wrong)


# How it is broken -> the test that sees it, and what pytest would give to that test.
CAUGHT_BY: dict[Callable, tuple[Callable, Callable[[], dict]]] = {
    variance_unbiased: (
        invariants.test_the_variance_divides_by_the_number_of_units,
        lambda: {"exact": None},
    ),
    epsilon_outside_the_root: (
        invariants.test_epsilon_stands_inside_the_root,
        lambda: {"exact": None},
    ),
    mean_left_in: (
        invariants.test_every_step_of_a_sequence_is_normalised_by_itself,
        lambda: {"exact": None},
    ),
    averaged_over_the_batch: (
        invariants.test_no_example_depends_on_another,
        lambda: {"dtype": torch.float64, "layer": (H,)},
    ),
    constants_in_the_backward_pass: (
        invariants.test_what_was_removed_gets_no_gradient,
        lambda: {"exact": None},
    ),
    deviation_constant_in_the_backward_pass: (
        invariants.test_the_gradient_by_hand_is_the_slope,
        lambda: {"exact": None, "layer": (H,), "leading": (B,), "epsilon": layernorm.EPSILON},
    ),
    gain_forgotten_in_the_backward_pass: (
        parity.test_layer_norm_equals_torch,
        lambda: {"dtype": torch.float64, "layer": (H,), "leading": (B,), "epsilon": 0.3},
    ),
    batch_statistics_in_use: (
        invariants.test_batch_norm_in_use_takes_what_was_kept,
        lambda: {"exact": None, "space": ()},
    ),
    biased_variance_kept: (
        invariants.test_the_newest_batch_has_the_share_of_the_momentum,
        lambda: {"exact": None},
    ),
    gates_normalised_one_by_one: (
        parity.test_the_normalised_lstm_equals_an_independent_one,
        lambda: {"dtype": torch.float64},
    ),
    cell_carried_on_normalised: (
        invariants.test_the_cells_own_path_is_not_normalised,
        lambda: {"exact": None},
    ),
}


@pytest.mark.parametrize("bug", CAUGHT_BY, ids=lambda bug: bug.__name__)
def test_each_bug_is_caught_by_a_test_with_a_name(bug, exact, monkeypatch):
    catching, fixtures = CAUGHT_BY[bug]
    assert_caught(lambda: catching(**fixtures()), bug, monkeypatch)


@pytest.mark.parametrize(
    "bug", [constants_in_the_backward_pass, deviation_constant_in_the_backward_pass]
)
def test_the_transformers_parity_in_float64_stands_on_our_gradient(bug, exact, monkeypatch):
    transformer_parity.test_transformer_equals_torch(torch.float64)
    bug(monkeypatch)
    with pytest.raises(AssertionError):
        transformer_parity.test_transformer_equals_torch(torch.float64)


def test_in_float32_the_transformer_runs_the_kernel_and_not_our_lines(monkeypatch):
    torch.manual_seed(0)
    deviation_constant_in_the_backward_pass(monkeypatch)
    variance_unbiased(monkeypatch)
    transformer_parity.test_transformer_equals_torch(torch.float32)
