"""`implementations/layernorm.py` computes what code that many people trust computes: values, gradients, statistics.

In float32 a LayerNorm calls PyTorch's kernel, in float64 it runs our own lines: both are compared.
"""

import pytest
import torch
from layernorm_cases import B, C, H, I, T, X, Y, gradients, randomised, summed_inputs, without_norms
from parity_cases import TOLERANCE, pull_back, worst_error
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from implementations.layernorm import (
    LSTM,
    BatchNorm,
    LayerNorm,
    LSTMCell,
    RecurrentCell,
    weight_norm,
)


def twin(x: Tensor) -> Tensor:
    """The same numbers, to collect a gradient of their own."""
    return x.detach().clone().requires_grad_()


def copy_affine(ours: LayerNorm | BatchNorm, theirs: nn.Module) -> None:
    """Give PyTorch's norm our gain and bias."""
    with torch.no_grad():
        theirs.weight.copy_(ours.gain)
        theirs.bias.copy_(ours.bias)


def assert_equal(ours: dict[str, Tensor], theirs: dict[str, Tensor], dtype: torch.dtype) -> None:
    """Hold the worst difference against the tolerance of the precision."""
    worst = worst_error(ours, theirs)
    print(f"worst error {worst:.1e}")  # pytest -rP shows it
    assert worst <= TOLERANCE[dtype]


# Norms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "leading"), [((H,), (B,)), ((H,), (B, T)), ((C, Y, X), (B,)), ((2,), (T,))], ids=str
)
@pytest.mark.parametrize("epsilon", [1e-5, 0.3])
def test_layer_norm_equals_torch(dtype, layer, leading, epsilon):
    ours = randomised(LayerNorm(layer, epsilon))
    theirs = nn.LayerNorm(layer, epsilon)
    copy_affine(ours, theirs)
    x = summed_inputs(*leading, *layer)
    z = twin(x)
    y, w = ours(x), theirs(z)
    pull_back([y])
    pull_back([w])
    found = {"y": y, "x": x.grad, "gain": ours.gain.grad, "bias": ours.bias.grad}
    expected = {"y": w, "x": z.grad, "gain": theirs.weight.grad, "bias": theirs.bias.grad}
    assert_equal(found, expected, dtype)


@pytest.mark.parametrize(
    ("space", "kind"),
    [((), nn.BatchNorm1d), ((T,), nn.BatchNorm1d), ((Y, X), nn.BatchNorm2d)],
    ids=["units", "sequences", "pictures"],
)
@pytest.mark.parametrize("momentum", [0.1, 0.4])
def test_batch_norm_equals_torch(dtype, space, kind, momentum):
    """In training, batch after batch, and then in use."""
    ours = randomised(BatchNorm(C, momentum=momentum))
    theirs = kind(C, momentum=momentum)
    copy_affine(ours, theirs)
    found, expected = {}, {}
    for step in range(5):
        ours.train(step < 3)
        theirs.train(step < 3)
        x = summed_inputs(B + step, C, *space)
        z = twin(x)
        y, w = ours(x), theirs(z)
        pull_back([y])
        pull_back([w])
        found |= {f"y {step}": y, f"x {step}": x.grad}
        expected |= {f"y {step}": w, f"x {step}": z.grad}
    found |= {"mean": ours.running_mean, "variance": ours.running_variance}
    expected |= {"mean": theirs.running_mean, "variance": theirs.running_var}
    found |= {"gain": ours.gain.grad, "bias": ours.bias.grad}
    expected |= {"gain": theirs.weight.grad, "bias": theirs.bias.grad}
    assert_equal(found, expected, dtype)


def test_weight_norm_equals_torch(dtype):
    theirs = parametrizations.weight_norm(nn.Linear(I, H, bias=False))
    length, direction = theirs.parametrizations.weight.parameters()
    with torch.no_grad():
        length.uniform_(0.5, 1.5)
    gain, v = twin(length[:, 0]), twin(direction)
    weight = weight_norm(v, gain)
    pull_back([weight])
    pull_back([theirs.weight])
    found = {"weight": weight, "gain": gain.grad, "direction": v.grad}
    expected = {"weight": theirs.weight, "gain": length.grad[:, 0], "direction": direction.grad}
    assert_equal(found, expected, dtype)


# Recurrent layers without their norms ----------------------------------------------------------


def in_torchs_order(gates: Tensor) -> Tensor:
    """From our forget, input, output, new to PyTorch's input, forget, new, output."""
    forget, take, give, new = gates.chunk(4)
    return torch.cat([take, forget, new, give])


def torch_names(cell: LSTMCell, suffix: str = "") -> dict[str, Tensor]:
    """Our weights under PyTorch's names; of its two biases, which are only ever added, the second is 0."""
    return {
        f"weight_ih{suffix}": in_torchs_order(cell.from_input.weight),
        f"weight_hh{suffix}": in_torchs_order(cell.from_hidden.weight),
        f"bias_ih{suffix}": in_torchs_order(cell.bias),
        f"bias_hh{suffix}": torch.zeros(4 * H),
    }


def torch_gradients(cell: LSTMCell, suffix: str = "") -> dict[str, Tensor]:
    """Our gradients under PyTorch's names; both biases have the same."""
    bias = in_torchs_order(cell.bias.grad)
    return {
        f"weight_ih{suffix}": in_torchs_order(cell.from_input.weight.grad),
        f"weight_hh{suffix}": in_torchs_order(cell.from_hidden.weight.grad),
        f"bias_ih{suffix}": bias,
        f"bias_hh{suffix}": bias,
    }


def test_a_cell_without_norms_equals_torchs_lstm_cell(dtype):
    ours = without_norms(randomised(LSTMCell(I, H)))
    theirs = nn.LSTMCell(I, H)
    theirs.load_state_dict(torch_names(ours))
    given = [summed_inputs(B, I), summed_inputs(B, H), summed_inputs(B, H)]
    x, h, c = map(twin, given)
    y, w = ours(*given), theirs(x, (h, c))
    pull_back(list(y))
    pull_back(list(w))
    names = ("h", "c", "x", "from h", "from c")
    found = dict(zip(names, [*y, *(one.grad for one in given)], strict=True))
    expected = dict(zip(names, [*w, x.grad, h.grad, c.grad], strict=True))
    assert_equal(found | torch_gradients(ours), expected | gradients(theirs), dtype)


def test_a_layer_without_norms_equals_torchs_lstm(dtype):
    ours = without_norms(randomised(LSTM(I, H)))
    theirs = nn.LSTM(I, H, batch_first=True)
    theirs.load_state_dict(torch_names(ours.cell, "_l0"))
    x = summed_inputs(B, T, I)
    z = twin(x)
    y, (h, c) = ours(x)
    w, (last, cell) = theirs(z)
    pull_back([y, h, c])
    pull_back([w, last[0], cell[0]])
    found = {"y": y, "h": h, "c": c, "x": x.grad} | torch_gradients(ours.cell, "_l0")
    expected = {"y": w, "h": last[0], "c": cell[0], "x": z.grad} | gradients(theirs)
    assert_equal(found, expected, dtype)


def test_a_cell_without_norm_equals_torchs_rnn_cell(dtype):
    ours = without_norms(RecurrentCell(I, H))
    theirs = nn.RNNCell(I, H, bias=False)
    theirs.load_state_dict(
        {"weight_ih": ours.from_input.weight, "weight_hh": ours.from_hidden.weight}
    )
    given = [summed_inputs(B, I), summed_inputs(B, H)]
    x, h = map(twin, given)
    y, w = ours(*given), theirs(x, h)
    pull_back([y])
    pull_back([w])
    found = {"y": y, "x": given[0].grad, "h": given[1].grad}
    found |= {f"weight_{a}h": g for a, g in zip("ih", gradients(ours).values(), strict=True)}
    expected = {"y": w, "x": x.grad, "h": h.grad} | gradients(theirs)
    assert_equal(found, expected, dtype)


# Recurrent layers with their norms -------------------------------------------------------------


class WrittenAgain(nn.Module):
    """The supplementary material once more: PyTorch's norm, a product for each gate, a loop over the steps."""

    def __init__(self, ours: LSTMCell) -> None:
        super().__init__()
        self.norms = nn.ModuleDict()
        for name, units in (("norm_input", 4 * H), ("norm_hidden", 4 * H), ("norm_cell", H)):
            self.norms[name] = nn.LayerNorm(units)
            copy_affine(getattr(ours, name), self.norms[name])
        self.from_input = nn.Parameter(twin(ours.from_input.weight).T)
        self.from_hidden = nn.Parameter(twin(ours.from_hidden.weight).T)
        self.bias = nn.Parameter(twin(ours.bias))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The states of all steps, the last state, the last cell."""
        h, c, states = torch.zeros(B, H), torch.zeros(B, H), []
        for t in range(T):
            left = self.norms["norm_hidden"](h @ self.from_hidden)
            right = self.norms["norm_input"](x[:, t] @ self.from_input)
            sums = self.bias + right + left
            f, i = torch.sigmoid(sums[:, :H]), torch.sigmoid(sums[:, H : 2 * H])
            o, g = torch.sigmoid(sums[:, 2 * H : 3 * H]), torch.tanh(sums[:, 3 * H :])
            c = c * f + g * i
            h = o * torch.tanh(self.norms["norm_cell"](c))
            states.append(h)
        return torch.stack(states, dim=1), h, c


def test_the_normalised_lstm_equals_an_independent_one(dtype):
    ours = randomised(LSTM(I, H))
    theirs = WrittenAgain(ours.cell)
    x = summed_inputs(B, T, I)
    z = twin(x)
    y, (h, c) = ours(x)
    found = {"y": y, "h": h, "c": c}
    expected = dict(zip("yhc", theirs(z), strict=True))
    pull_back(list(found.values()))
    pull_back(list(expected.values()))
    found |= {"x": x.grad, "bias": ours.cell.bias.grad}
    expected |= {"x": z.grad, "bias": theirs.bias.grad}
    for name in ("from_input", "from_hidden"):
        found[name] = getattr(ours.cell, name).weight.grad.T
        expected[name] = getattr(theirs, name).grad
    for name, norm in theirs.norms.items():
        mine = getattr(ours.cell, name)
        found |= {f"{name} gain": mine.gain.grad, f"{name} bias": mine.bias.grad}
        expected |= {f"{name} gain": norm.weight.grad, f"{name} bias": norm.bias.grad}
    assert_equal(found, expected, dtype)


def test_the_normalised_recurrent_layer_equals_the_printed_equation(dtype):
    """Eq. 4, unit by unit; the epsilon is the only addition."""
    cell = randomised(RecurrentCell(I, H))
    x, h = summed_inputs(B, I), summed_inputs(B, H)
    a = h @ cell.from_hidden.weight.T + x @ cell.from_input.weight.T
    rows = []
    for b in range(B):
        mean = sum(a[b, i] for i in range(H)) / H
        sigma = (sum((a[b, i] - mean) ** 2 for i in range(H)) / H + cell.norm.epsilon) ** 0.5
        rows.append(cell.norm.gain / sigma * (a[b] - mean) + cell.norm.bias)
    assert_equal({"h": cell(x, h)}, {"h": torch.stack(rows).tanh()}, dtype)
