"""`--encoder_weights`: a published file of timm, torchvision or smp, put into the encoder of a network."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from timm.layers import resample_abs_pos_embed
from timm.models import adapt_input_conv
from torch import Tensor, nn

from mos.errors import BadInput
from mos.networks.encoders import encoder_of, published_names, weights_card

FLAG = "--encoder_weights"
# What stands before the names of an encoder in a file of a whole network, or of a training program.
_PREFIXES = ("", "module.", "model.", "encoder.", "encoder.model.", "backbone.", "module.backbone.")


def load_encoder(
    path: Path, network: nn.Module, name: str, read: Callable[[Path], Mapping[str, Tensor]]
) -> tuple[dict[str, Any], list[str]]:
    """Loads what fits of a weights file into the network's encoder.

    Args:
        name: of the encoder, for messages.
        read: gives the tensors of a weights file, such as `mos.engine.warm_start.read_weights`.

    Returns:
        The fields of `mos.engine.warm_start.Match`, of the encoder alone; and notes for the user.

    Raises:
        BadInput: there is no such file, nothing in it fits, or it holds nan or infinity.
    """
    if not path.is_file():
        raise BadInput(f"{FLAG} {path}: there is no such file; {_where(name)}")
    prefix, encoder = encoder_of(network)
    tensors = read(path)
    own, names = encoder.state_dict(), published_names(encoder)
    found = max(
        (_named(tensors, start) for start in _PREFIXES), key=lambda f: len(f.keys() & names)
    )
    matched, shapes, notes = {}, {}, []
    for published, mine in names.items():
        if published not in found:
            continue
        file, tensor = found[published], tensors[found[published]]
        if tensor.shape != own[mine].shape and _differs_in_channels(tensor, own[mine]):
            tensor, before = adapt_input_conv(own[mine].shape[1], tensor), tensor.shape[1]
            how = "summed" if own[mine].shape[1] == 1 else "repeated"
            notes.append(
                f"the first layer's {before} image channels are {how} to {own[mine].shape[1]}"
            )
        grid = getattr(encoder, "grid", None)
        if grid and published == "pos.embed" and tensor.dim() == 3:
            tensor = _fit_positions(tensor, grid)
            notes.append(
                f"positions are those of the file, stretched to {grid[0]} x {grid[1]} tokens"
            )
        if tensor.shape != own[mine].shape:
            shapes[prefix + mine] = (tuple(tensor.shape), tuple(own[mine].shape))
            continue
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise BadInput(f"{FLAG} {path}: {file} holds nan or infinity; download it again")
        matched[mine] = tensor
    sizes = {key: one.numel() for key, one in encoder.named_parameters()}
    share = sum(sizes.get(key, 0) for key in matched) / sum(sizes.values())
    if not share:
        raise BadInput(
            f"{FLAG} {path}: nothing in it fits the encoder {name}, which needs {next(iter(names))} and the like; "
            f"it holds {', '.join(sorted(tensors)[:3])}. Give --encoder the name the file is of; {_where(name)}"
        )
    # smp's encoders load only whole files of their own through their `load_state_dict`.
    nn.Module.load_state_dict(encoder, matched, strict=False)
    used = {found[key] for key, mine in names.items() if mine in matched}
    fields = {
        "matched": {prefix + key: tensor for key, tensor in matched.items()},
        "skipped": sorted(tensors.keys() - used),
        "reinitialised": [prefix + key for key in own if key not in matched],
        "shapes": shapes,
        "share": share,
    }
    return fields, [*notes, f"that is the encoder {name}; the rest of the network starts anew"]


def _named(tensors: Mapping[str, Tensor], start: str) -> dict[str, str]:
    """Names as `published_names` writes them -> names in the file, for those that begin so."""
    plain = (name for name in tensors if name.startswith(start))
    return {name.removeprefix(start).replace("_", "."): name for name in plain}


def _differs_in_channels(file: Tensor, own: Tensor) -> bool:
    """Whether both are a convolution of the image, pretrained in colour."""
    same = file.dim() == own.dim() == 4 and file.shape[0] == own.shape[0]
    return same and file.shape[2:] == own.shape[2:] and file.shape[1] == 3


def _fit_positions(file: Tensor, grid: Sequence[int]) -> Tensor:
    """Learnt positions (1, n, ch) of a square of tokens, perhaps with a class token before -> (1, h * w, ch)."""
    before = file.shape[1] - math.isqrt(file.shape[1]) ** 2
    fitted = resample_abs_pos_embed(file, new_size=list(grid), num_prefix_tokens=before)
    return fitted[:, before:]


def _where(name: str) -> str:
    card = weights_card(name)
    if card is None:
        return f"nobody publishes weights of {name} under that name; leave {FLAG} out, or take another --encoder"
    return (
        f"download model.safetensors from https://huggingface.co/{card} and give its path (torchvision's file of the "
        "same network serves too where it names its layers alike, as for ResNets)"
    )
