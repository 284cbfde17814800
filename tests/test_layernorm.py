"""What must be true of `implementations/layernorm.py`: gradients, numbers by hand, who depends on whom, errors.

Parity and bugs on purpose have test files of their own.
"""

import doctest
import math

import pytest
import torch
from layernorm_cases import (
    B,
    C,
    H,
    I,
    T,
    X,
    Y,
    gradients,
    randomised,
    summed_inputs,
)
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F
from transformer_cases import CONFIG, LAYERS

from generators import fingerprint
from generators.experiments.transformer import EXPERIMENTS
from implementations import layernorm
from implementations.layernorm import (
    EPSILON,
    LSTM,
    BatchNorm,
    LayerNorm,
    LSTMCell,
    RecurrentCell,
    layer_norm,
    layer_norm_backward,
    layer_norm_forward,
    normalise,
    weight_norm,
)
from implementations.transformer import Residual, Transformer

# Gradients -------------------------------------------------------------------------------------

# A layer's shape, and what stands before it. Two units are the hardest: normalised they are -1 and 1
# whatever they were, so that nothing but epsilon is left of their gradient.
SHAPES = [
    ((2,), (B,)),
    ((2,), (B, T)),
    ((3,), ()),
    ((3,), (B, T)),
    ((H,), (B,)),
    ((H,), (Y, B, T)),
    ((C, Y, 3), ()),
    ((C, Y, 3), (B,)),
]
each_shape = pytest.mark.parametrize(("layer", "leading"), SHAPES, ids=str)
each_epsilon = pytest.mark.parametrize("epsilon", [EPSILON, 0.7])


def layer_norm_inputs(layer: tuple[int, ...], leading: tuple[int, ...]) -> tuple[Tensor, ...]:
    """An input with a gain and a bias that are not at their start."""
    return summed_inputs(*leading, *layer), summed_inputs(*layer), summed_inputs(*layer)


@each_epsilon
@each_shape
def test_the_gradient_by_hand_is_the_slope(exact, layer, leading, epsilon):
    inputs = layer_norm_inputs(layer, leading)
    assert gradcheck(layer_norm, (*inputs, epsilon), raise_exception=False, fast_mode=True)


@pytest.mark.parametrize(("layer", "leading"), [((2,), (T,)), ((3,), (B,)), ((H,), ())], ids=str)
def test_the_gradient_by_hand_is_the_slope_in_every_direction(exact, layer, leading):
    inputs = layer_norm_inputs(layer, leading)
    assert gradcheck(layer_norm, (*inputs, 0.7), raise_exception=False)


@each_epsilon
@each_shape
def test_the_gradient_by_hand_has_the_right_slope_itself(exact, layer, leading, epsilon):
    inputs = layer_norm_inputs(layer, leading)
    assert gradgradcheck(layer_norm, (*inputs, epsilon), raise_exception=False, fast_mode=True)


@each_epsilon
@each_shape
def test_the_gradient_by_hand_is_autograds(exact, layer, leading, epsilon):
    inputs = layer_norm_inputs(layer, leading)
    grad = torch.randn(*leading, *layer)
    theirs = torch.autograd.grad(layer_norm_forward(*inputs, epsilon), inputs, grad)
    ours = layer_norm_backward(grad, *inputs[:2], epsilon)
    for found, expected in zip(ours, theirs, strict=True):
        assert found.shape == expected.shape
        assert (found - expected).abs().max() <= 1e-12


def test_what_was_removed_gets_no_gradient(exact):
    """Neither a shift of x nor a change of its scale changes the output, so the gradient is across both."""
    x, gain, bias = layer_norm_inputs((H,), (B, T))
    layer_norm(x, gain, bias, 0.0).backward(torch.randn(B, T, H))
    assert x.grad.abs().max() > 0.1
    assert x.grad.sum(dim=-1).abs().max() <= 1e-12
    assert (x.grad * x).sum(dim=-1).abs().max() <= 1e-12


def test_half_the_spread_doubles_the_gradient(exact):
    x, gain, _ = layer_norm_inputs((H,), (B,))
    grad = torch.randn(B, H)
    large, small = (layer_norm_backward(grad, a, gain, 0.0)[0] for a in (x, x / 2))
    assert (small - 2 * large).abs().max() <= 1e-12


# Numbers by hand -------------------------------------------------------------------------------


def test_the_variance_divides_by_the_number_of_units(exact):
    """Of 1 and 3 it is 1, where a division by H - 1 would give 2; of 0, 3 and 6 it is 6, not 9."""
    assert normalised([1.0, 3.0]) == [-1.0, 1.0]
    assert normalised([0.0, 3.0, 6.0]) == pytest.approx([-3 / 6**0.5, 0.0, 3 / 6**0.5], abs=1e-15)


def normalised(x: list[float], epsilon: float = 0.0) -> list[float]:
    """Layer norm with gains of 1 and biases of 0."""
    units = len(x)
    return layer_norm(torch.tensor(x), torch.ones(units), torch.zeros(units), epsilon).tolist()


def test_epsilon_stands_inside_the_root(exact):
    """Of 1 and 7 the variance is 9: with 16 more the root is 5. Outside it would be 3 + 16."""
    assert normalised([1.0, 7.0], epsilon=16.0) == pytest.approx([-0.6, 0.6], abs=1e-15)
    x, gain = torch.tensor([1.0, 7.0]), torch.ones(2)
    grad, _, _ = layer_norm_backward(torch.tensor([1.0, 0.0]), x, gain, epsilon=16.0)
    assert grad.tolist() == pytest.approx([0.064, -0.064], abs=1e-15)  # (0.5 - 0.6 * 0.3) / 5


def test_gain_and_bias_come_after(exact):
    y = layer_norm(
        torch.tensor([1.0, 3.0]), torch.tensor([2.0, 5.0]), torch.tensor([0.5, -1.0]), 0.0
    )
    assert y.tolist() == [-1.5, 4.0]


def test_equal_inputs_give_the_bias_and_a_finite_gradient(dtype):
    norm = randomised(LayerNorm(H))
    x = torch.full((B, H), 3.0, requires_grad=True)
    y = norm(x)
    y.square().sum().backward()
    assert torch.equal(y, norm.bias.expand(B, H))
    assert x.grad.isfinite().all()


def test_layer_norm_and_batch_norm_differ_in_the_axes_alone(exact):
    x = summed_inputs(B, H)
    units, _ = normalise(x.T, (-1,))
    assert (BatchNorm(H)(x) - units.T).abs().max() <= 1e-12


# Who depends on whom ---------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [(H,), (C, Y, X)], ids=str)
def test_no_example_depends_on_another(dtype, layer):
    norm = randomised(LayerNorm(layer))
    x = summed_inputs(B, *layer)
    together = norm(x)
    alone = torch.cat([norm(x[b : b + 1]) for b in range(B)])
    assert (together - alone).abs().max() <= torch.finfo(dtype).eps * 10
    together[1].square().sum().backward()
    moved = x.grad.flatten(1).abs().amax(dim=1) > 0
    assert moved.tolist() == [b == 1 for b in range(B)]


def test_every_step_of_a_sequence_is_normalised_by_itself(exact):
    y = LayerNorm(H)(summed_inputs(B, T, H))
    assert y.mean(dim=-1).abs().max() <= 1e-12
    assert (y.square().mean(dim=-1) - 1).abs().max() <= 1e-3  # short of 1 by epsilon


def test_all_units_of_a_picture_are_one_layer(exact):
    y = LayerNorm((C, Y, X))(summed_inputs(B, C, Y, X))
    assert y.mean(dim=(1, 2, 3)).abs().max() <= 1e-12
    assert y.mean(dim=(2, 3)).abs().max() > 0.01  # not each channel by itself


@pytest.mark.parametrize(
    ("module", "inputs"),
    [
        (LayerNorm(H), (B, H)),
        (RecurrentCell(I, H), ((B, I), (B, H))),
        (LSTM(I, H), (B, T, I)),
    ],
    ids=lambda module: type(module).__name__,
)
def test_training_and_use_compute_the_same(module, inputs):
    torch.manual_seed(0)
    shapes = inputs if isinstance(inputs[0], tuple) else (inputs,)
    given = [summed_inputs(*shape) for shape in shapes]
    assert not list(module.buffers())
    assert torch.equal(first(module.train()(*given)), first(module.eval()(*given)))


def first(output: Tensor | tuple) -> Tensor:
    """The output itself, or the first of several."""
    return output if isinstance(output, Tensor) else output[0]


# Batch norm, for contrast ----------------------------------------------------------------------


def trained_batch_norm(*space: int) -> BatchNorm:
    """A batch norm that has seen a few batches, in evaluation mode."""
    norm = randomised(BatchNorm(C))
    for _ in range(3):
        norm(summed_inputs(B, C, *space))
    return norm.eval()


@pytest.mark.parametrize("space", [(), (X, Y)], ids=str)
def test_batch_norm_in_use_takes_what_was_kept(exact, space):
    norm = trained_batch_norm(*space)
    kept = norm.running_mean.clone(), norm.running_variance.clone()
    x = summed_inputs(B, C, *space)
    units = (1, C, *[1] * len(space))
    mean, variance, gain, bias = (part.view(units) for part in (*kept, norm.gain, norm.bias))
    expected = gain * (x - mean) / (variance + EPSILON).sqrt() + bias
    assert (norm(x) - expected).abs().max() <= 1e-12
    assert torch.equal(norm.running_mean, kept[0])  # and keeps nothing of it
    assert torch.equal(norm.running_variance, kept[1])


def test_batch_norm_mixes_the_examples_in_training_only(exact):
    norm = trained_batch_norm()
    x = summed_inputs(B, C)
    assert (norm(x)[:1] - norm(x[:1])).abs().max() <= 1e-12
    norm.train()
    assert (norm(x)[:2] - norm(x[:2])).abs().max() > 0.1


def test_the_newest_batch_has_the_share_of_the_momentum(exact):
    """The batch's variance is kept unbiased: of 1 and 3 it is 2, of which a quarter is kept."""
    norm = BatchNorm(1, momentum=0.25)
    norm(torch.tensor([[1.0], [3.0]]))
    assert norm.running_mean.item() == pytest.approx(0.5)
    assert norm.running_variance.item() == pytest.approx(0.75 + 0.5)


def test_the_statistics_are_no_part_of_the_gradient(exact):
    norm = BatchNorm(C)
    norm(summed_inputs(B, C)).sum().backward()
    assert not norm.running_mean.requires_grad
    assert not norm.running_variance.requires_grad
    assert set(norm.state_dict()) == {"gain", "bias", "running_mean", "running_variance"}


def test_weight_norm_separates_direction_and_length(exact):
    direction, gain = summed_inputs(H, I), summed_inputs(H)
    weight = weight_norm(direction, gain)
    assert (weight.norm(dim=1) - gain.abs()).abs().max() <= 1e-12
    assert (weight - weight_norm(5 * direction, gain)).abs().max() <= 1e-12


# Recurrent layers ------------------------------------------------------------------------------


def test_the_layer_goes_along_the_sequence_from_zeros(exact):
    layer = randomised(LSTM(I, H))
    x = summed_inputs(B, T, I)
    states, (last, cell) = layer(x)
    h = c = torch.zeros(B, H)
    for t in range(T):
        h, c = layer.cell(x[:, t], h, c)
        assert torch.equal(states[:, t], h)
    assert torch.equal(last, h)
    assert torch.equal(cell, c)


def test_no_step_depends_on_a_later_one(exact):
    layer = randomised(LSTM(I, H))
    x = summed_inputs(B, T, I)
    layer(x)[0][:, 2].square().sum().backward()
    moved = x.grad.abs().amax(dim=(0, 2)) > 0
    assert moved.tolist() == [t <= 2 for t in range(T)]


def test_the_cells_own_path_is_not_normalised(exact):
    """With the forget gate open and the input gate shut, a cell keeps what it has, whatever its mean is."""
    cell = randomised(LSTMCell(I, H))
    with torch.no_grad():
        cell.bias[:H], cell.bias[H : 2 * H] = 60.0, -60.0
    kept = summed_inputs(B, H)
    _, c = cell(summed_inputs(B, I), summed_inputs(B, H), kept)
    assert (c - kept).abs().max() <= 1e-12


def test_larger_recurrent_weights_change_nothing(exact):
    """Each sum is normalised by itself: the growth of either matrix is taken out again."""
    cell = randomised(LSTMCell(I, H))
    for norm in (cell.norm_input, cell.norm_hidden):
        norm.epsilon = 0.0
    given = summed_inputs(B, I), summed_inputs(B, H), summed_inputs(B, H)
    before = cell(*given)
    with torch.no_grad():
        cell.from_hidden.weight *= 30.0
        cell.from_input.weight *= 0.2
    for old, new in zip(before, cell(*given), strict=True):
        assert (old - new).abs().max() <= 1e-12


@pytest.mark.parametrize("cell", [LSTMCell, RecurrentCell])
def test_every_weight_of_a_cell_gets_a_gradient(exact, cell):
    module = cell(I, H)
    given = [summed_inputs(B, H) for _ in range(2 if cell is LSTMCell else 1)]
    # Twice, for only the second step sees what the first has left.
    for _ in range(2):
        out = module(summed_inputs(B, I), *given)
        given = list(out) if isinstance(out, tuple) else [out]
    sum(part.square().sum() for part in given).backward()
    assert all(grad.abs().max() > 0 for grad in gradients(module).values())


# Where it starts, what it refuses --------------------------------------------------------------


def test_gains_start_at_one_and_biases_at_zero():
    for norm in (LayerNorm((C, Y)), BatchNorm(C)):
        assert torch.equal(norm.gain, torch.ones_like(norm.gain))
        assert torch.equal(norm.bias, torch.zeros_like(norm.bias))
    assert LayerNorm((C, Y)).gain.shape == (C, Y)
    assert LayerNorm(H).gain.shape == (H,)
    bound = 1 / math.sqrt(H)
    for weight in (LSTMCell(I, H).from_input.weight, LSTMCell(I, H).from_hidden.weight):
        assert 0.9 * bound < weight.abs().max() <= bound


@pytest.mark.parametrize("shape", [(), 0, (C, 0)])
def test_a_layer_without_units_is_refused(shape):
    with pytest.raises(ValueError, match="has no units to normalise"):
        LayerNorm(shape)


@pytest.mark.parametrize("shape", [(1, C), (1, C, 1, 1)], ids=str)
def test_batch_norm_refuses_to_learn_from_one_value(shape):
    norm = BatchNorm(C)
    with pytest.raises(ValueError, match=r"more than one value a unit, got \[1, 6"):
        norm(torch.randn(shape))
    assert norm.eval()(torch.randn(shape)).shape == shape


def test_one_picture_has_values_enough():
    assert BatchNorm(C)(torch.randn(1, C, 1, X)).shape == (1, C, 1, X)


# It learns -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("norm", "learned"), [(LayerNorm, True), (nn.Identity, False)])
def test_it_learns_where_the_weights_start_too_small(norm, learned):
    """Exclusive or, from weights at a tenth: without a norm hardly anything arrives at the other end."""
    torch.manual_seed(0)
    layers = []
    for n_inputs in (2, 16, 16, 16):
        layer = nn.Linear(n_inputs, 16, bias=False)
        nn.init.normal_(layer.weight, std=0.1 / n_inputs**0.5)
        layers += [layer, norm(16), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(16, 2))
    x = torch.randn(128, 2)
    target = (x.prod(dim=1) > 0).long()
    for _ in range(150):
        loss = F.cross_entropy(model(x), target)
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for weight in model.parameters():
                weight -= 0.05 * weight.grad
    assert (loss.item() < 0.25) if learned else (loss.item() > 0.65)  # chance is 0.69


# The Transformer stands on it ------------------------------------------------------------------


def test_every_norm_of_the_transformer_is_this_one():
    model = Transformer(CONFIG)
    around = [module for module in model.modules() if isinstance(module, Residual)]
    assert len(around) == LAYERS * (2 + 3)
    assert all(type(module.norm) is LayerNorm for module in around)
    assert sum("Norm" in type(module).__name__ for module in model.modules()) == len(around)


@pytest.fixture
def meaning_after(tmp_path, monkeypatch):
    """What a Transformer's training would mean after an edit of `implementations/layernorm.py`."""
    right = fingerprint.source_of
    text = right("implementations.layernorm").read_text(encoding="utf-8")
    edited = tmp_path / "layernorm.py"
    monkeypatch.setattr(
        fingerprint,
        "source_of",
        lambda module: edited if module == "implementations.layernorm" else right(module),
    )

    def meaning(old: str = "", new: str = "") -> str:
        assert not old or text.count(old) == 1, old
        edited.write_text(text.replace(old, new) if old else text, encoding="utf-8")
        fingerprint.forget()
        return fingerprint.fingerprint(EXPERIMENTS["translation"].run)

    yield meaning
    fingerprint.forget()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(variance + epsilon).sqrt()", "variance.sqrt() + epsilon"),
        ("gain * normalised + bias", "gain * normalised - bias"),
        ("centred - normalised * along", "centred + normalised * along"),
        ("EPSILON = 1e-5", "EPSILON = 1e-6"),
        ("return F.layer_norm(x,", "return F.layer_norm(-x,"),
        ("range(-gain.ndim, 0)", "range(-gain.ndim, -1)"),
    ],
    ids=["normalise", "forward", "backward", "epsilon", "the kernel", "the axes"],
)
def test_an_operator_of_the_norm_changes_what_a_transformers_training_means(
    meaning_after, old, new
):
    assert meaning_after(old, new) != meaning_after()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("gain[:, None] * direction /", "gain[:, None] + direction /"),
        ("n_values / (n_values - 1)", "n_values / n_values"),
        ("forget.sigmoid() * c +", "forget.sigmoid() * c -"),
        ("  # divides by H, not by H - 1", ""),
    ],
    ids=["weight norm", "batch norm", "the LSTM", "a comment"],
)
def test_what_a_transformer_does_not_use_changes_nothing(meaning_after, old, new):
    assert meaning_after(old, new) == meaning_after()


def test_the_examples_in_the_docstrings_are_true():
    result = doctest.testmod(layernorm)
    assert result.attempted >= 3
    assert result.failed == 0
