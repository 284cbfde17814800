"""Where a module calls a faster kernel, the kernel must say what the definition says, gradients too."""

import pytest
import torch
from torch import Tensor

from implementations.transformer import (
    Transformer,
    TransformerConfig,
    attend,
    attention,
    causal,
    greedy,
)

B, H, T, S, K, V = 2, 3, 5, 7, 4, 23  # every axis has a size of its own
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


@pytest.fixture(params=["highest", "medium"])
def precision(request):
    """Either precision of matrix products: each chooses another kernel."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision(before)


def padding(keys: int) -> Tensor:
    """The second row of the batch ends two keys early."""
    visible = torch.ones(B, 1, 1, keys, dtype=torch.bool)
    visible[1, ..., -2:] = False
    return visible


def nothing_visible(keys: int) -> Tensor:
    """The first row of the batch is padding throughout, the second has one query that may look nowhere."""
    visible = torch.ones(B, 1, T, keys, dtype=torch.bool)
    visible[0] = False
    visible[1, 0, 2] = False
    return visible


MASKS = {
    "none": lambda keys: None,
    "padding": padding,
    "causal": lambda keys: causal(keys)[:, :, -T:],
    "causal and padding": lambda keys: causal(keys)[:, :, -T:] & padding(keys),
    "nothing visible": nothing_visible,
    "by head": lambda keys: torch.rand(B, H, T, keys) < 0.5,
}


def answers(kernel, keys: int, dtype: torch.dtype, visible: Tensor | None) -> dict[str, Tensor]:
    """The mixed values of random inputs, and the gradients of a random sum of them."""
    generator = torch.Generator().manual_seed(1)
    shapes = {"q": (B, T, H, K), "k": (B, keys, H, K), "v": (B, keys, H, K)}
    # Transposed views, as the module hands them over.
    parts = {
        name: torch.randn(shape, generator=generator, dtype=dtype).transpose(1, 2).requires_grad_()
        for name, shape in shapes.items()
    }
    mixed = kernel(*parts.values(), visible)
    (mixed * torch.randn(mixed.shape, generator=generator, dtype=dtype)).sum().backward()
    return {"mixed": mixed.detach(), **{name: part.grad for name, part in parts.items()}}


@pytest.mark.parametrize("keys", [S, 600], ids=["few keys", "many keys"])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float64", "float32"])
def test_the_kernel_says_what_the_equation_says(precision, dtype, mask, keys):
    torch.manual_seed(0)
    visible = MASKS[mask](keys)
    fast = answers(attend, keys, dtype, visible)
    plain = answers(lambda *parts: attention(*parts)[0], keys, dtype, visible)
    for name, right in plain.items():
        assert fast[name].isfinite().all(), name
        worst = (fast[name] - right).abs().max().item()
        assert worst <= TOLERANCE[dtype] * max(1.0, right.abs().max().item()), name


@pytest.mark.parametrize("keys", [S, 600], ids=["few keys", "many keys"])
def test_a_query_that_may_look_nowhere_gets_zeros_and_moves_nothing(precision, keys):
    found = answers(attend, keys, torch.float32, nothing_visible(keys))
    assert found["mixed"][0].abs().max() == 0
    assert found["mixed"][1, :, 2].abs().max() == 0
    assert found["q"][0].abs().max() == 0
    assert found["k"][0].abs().max() == found["v"][0].abs().max() == 0
    assert found["q"][1, :, 2].abs().max() == 0


def test_what_greedy_writes_can_be_trained_on():
    config = TransformerConfig(
        V, d_model=12, n_heads=H, d_ff=18, n_layers=1, dropout=0.0, context=8
    )
    model = Transformer(config)
    source = torch.randint(1, V, (B, T))
    written = greedy(model.eval(), source, torch.tensor([1, 1]), end=-1, max_length=S)
    model(written, source).sum().backward()
    assert not written.is_inference()
    assert model.embedding.weight.grad.abs().max() > 0
