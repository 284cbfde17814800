"""Weights for live models: matrices as whole numbers of eight bits, in a file that carries what a page needs to know.

A matrix NAME is kept as NAME (int8) and NAME.scale (float32, one for each row); its values are their product. All
else is kept as it is. Weights are rounded before anybody uses them, so that Python and the page compute with the same
numbers. To read such a file, safetensors is enough:

    with safe_open("explorer.safetensors", "pt") as file:
        kept = {name: file.get_tensor(name) for name in file.keys()}
        live = json.loads(file.metadata()["live"])
    state = {
        name: tensor * kept[f"{name}.scale"][:, None] if f"{name}.scale" in kept else tensor
        for name, tensor in kept.items()
        if not name.endswith(".scale")
    }
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from generators.files import Damaged, canonical, write_atomically

SCALE = ".scale"
LARGEST = 127  # -128 is not used: rounding treats both signs alike


def rounded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights as they are kept: each row of a matrix as whole numbers from -127 to 127, and its scale.

    Raises:
        ValueError: a tensor of more than two axes, a value that is not finite, or a name that ends in `.scale`.
    """
    kept: dict[str, Tensor] = {}
    for name, tensor in state.items():
        tensor = tensor.detach().float()
        if name.endswith(SCALE) or tensor.ndim > 2 or not tensor.isfinite().all():
            raise ValueError(f"{name} of shape {[*tensor.shape]} cannot be kept in eight bits")
        if tensor.ndim < 2:
            kept[name] = tensor.clone()
            continue
        scale = tensor.abs().amax(dim=1) / LARGEST
        divisor = torch.where(scale > 0, scale, 1.0)  # a row of zeros stays one
        whole = (tensor / divisor[:, None]).round().clamp(-LARGEST, LARGEST)
        kept[name], kept[name + SCALE] = whole.to(torch.int8), scale
    return kept


def restored(kept: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights that `rounded` kept, as floats again: what a model loads.

    Raises:
        Damaged: a scale without its matrix, or one without its scale.
    """
    state = {}
    for name, tensor in kept.items():
        scale = kept.get(name + SCALE)
        if name.endswith(SCALE):
            if name.removesuffix(SCALE) not in kept:
                raise Damaged(f"{name} has no matrix")
        elif tensor.dtype == torch.int8:
            if scale is None or scale.shape != tensor.shape[:1]:
                raise Damaged(f"{name} has no scale for each of its rows")
            state[name] = tensor * scale[:, None]
        else:
            state[name] = tensor
    return state


# In a stage: the weights as they were learnt, and as `rounded` keeps them; the latter are what an experiment ships.
LEARNT, LIVE = "learnt.", "live."


def both_of(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A model's weights as a stage keeps them: as they were learnt, and rounded."""
    learnt = {LEARNT + name: tensor for name, tensor in state.items()}
    return learnt | {LIVE + name: tensor for name, tensor in rounded(state).items()}


def part_of(stage: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    """The tensors of a stage under `LEARNT` or `LIVE`, by their own names."""
    return {name.removeprefix(part): t for name, t in stage.items() if name.startswith(part)}


def live_bytes(kept: dict[str, Tensor], live: dict[str, Any]) -> bytes:
    """A live model as a file: the same bytes for the same weights and facts."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in kept.items()}
    return save(plain, metadata={"live": canonical(live)})


def write_live(path: Path, kept: dict[str, Tensor], live: dict[str, Any]) -> None:
    """Write what `rounded` returned, with what the page needs to know: kind, config, tokenizer, page."""
    write_atomically(path, live_bytes(kept, live))


def read_kept(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights as `rounded` kept them, and what the file says about them.

    Raises:
        Damaged: the file is cut off, or is none of these.
    """
    raw = path.read_bytes()
    try:
        kept = load(raw)
        head = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
        live = json.loads(head["__metadata__"]["live"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise Damaged(f"{path}: not a whole live model ({error})") from error
    return kept, live


def read_live(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The same with the weights as floats, ready for `load_state_dict`."""
    kept, live = read_kept(path)
    return restored(kept), live
