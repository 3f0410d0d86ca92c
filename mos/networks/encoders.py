"""Encoders by name: feature pyramids from timm, the input they expect, and where their weights are published.

A network that takes an encoder (`takes=("encoder", ...)` in the table) has it as its submodule `encoder`: that is
where pretrained weights go.
"""

import copy
import difflib
from collections.abc import Sequence

import timm
import torch
from torch import Tensor, nn

from mos.errors import BadInput
from mos.networks.norms import Activated, replace_norms
from mos.networks.plan import Plan

_WRAPPERS = {"model", "body"}  # what timm and smp put around a network of theirs
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Standardise(nn.Module):
    """(x - mean) / std as pretraining had it, for images in 0..1; another number of channels gets the average.

    Args:
        mean, std: of the three colours.
    """

    def __init__(self, in_channels: int, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            three = torch.tensor(tuple(values)).view(1, 3, 1, 1)
            fitting = three if in_channels == 3 else three.mean(1, keepdim=True)
            self.register_buffer(name, fitting, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """(bs, in_channels, h, w) -> the same."""
        return (image - self.mean) / self.std


class Encoder(nn.Module):
    """A timm network without its classifier: (bs, in_channels, h, w) -> feature maps, finest first.

    Args:
        name: as timm has it, such as `resnet50` or `res2net50_26w_4s`.
        plan: for its channels and norm; its `encoder` is not read.
        stages: how many feature maps, counted from the coarsest.
        output_stride: pixels of the image for one of the coarsest map; 8 and 16 dilate instead of halving.

    Attributes:
        channels: features of each map.
        strides: pixels of the image for one of each map.

    Raises:
        BadInput: timm has no such network, or not with these stages or this stride.
    """

    def __init__(self, name: str, plan: Plan, *, stages: int = 4, output_stride: int = 32):
        super().__init__()
        wish = {} if output_stride == 32 else {"output_stride": output_stride}
        try:
            body = timm.create_model(
                name,
                pretrained=False,
                features_only=True,
                in_chans=plan.in_channels,
                out_indices=tuple(range(-stages, 0)),
                **wish,
            )
        except (RuntimeError, TypeError, ValueError, AssertionError, IndexError) as error:
            raise refusal(name, f"{stages} feature maps, stride {output_stride}", error) from error
        self.channels: list[int] = body.feature_info.channels()
        self.strides: list[int] = body.feature_info.reduction()
        if len(self.channels) != stages or self.strides[-1] != output_stride:
            raise refusal(name, f"{stages} feature maps, stride {output_stride}")
        config = timm.get_pretrained_cfg(name)
        self.standardise = Standardise(plan.in_channels, config.mean, config.std)
        self._last = getattr(body, "output_fmt", None) == "NHWC"
        self.body = replace_norms(body, plan.norm)
        if plan.encoder:
            check_any_size(self, plan, name)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(bs, in_channels, h, w) in 0..1 -> (bs, ch, h / stride, w / stride) for each stage."""
        features = self.body(self.standardise(image))
        return [one.permute(0, 3, 1, 2) for one in features] if self._last else features


def refusal(name: str, needed: str, error: Exception | None = None) -> BadInput:
    """The message for an encoder that cannot be had."""
    known = timm.list_models()
    base = name.removeprefix("tu-").partition(".")[0]
    if base not in known:
        near = difflib.get_close_matches(base, known, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "resnet34 is one"
        return BadInput(f"--encoder {name}: neither timm nor smp has it; {hint}")
    reason = f" ({str(error).splitlines()[0]})" if error and str(error) else ""
    return BadInput(
        f"--encoder {name}: cannot serve here, this network needs {needed}{reason}; take a convolutional one such "
        "as resnet34, resnet50 or res2net50_26w_4s"
    )


def check_any_size(network: nn.Module, plan: Plan, name: str) -> None:
    """Refuses an encoder that takes one image size alone, by shapes, without computing anything.

    Raises:
        BadInput: an image of another size than the encoder was made for would be an error.
    """
    shapes = copy.deepcopy(network).to("meta").eval()
    try:
        with torch.no_grad():
            for size in ((128, 128), (160, 224)):  # PAN pools smaller ones away
                shapes(torch.empty(1, plan.in_channels, *size, device="meta"))
    except NotImplementedError:
        return  # a layer that cannot tell shapes without numbers
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise refusal(name, "an encoder for images of any size", error) from error


def encoder_of(network: nn.Module) -> tuple[str, nn.Module]:
    """The submodule `encoder` of a built network, and what stands before its tensors' names there."""
    for name, module in network.named_modules():
        if name.rpartition(".")[2] == "encoder":
            return name + ".", module
    raise LookupError("a network that takes an encoder has it as its submodule `encoder`")


def published_names(encoder: nn.Module) -> dict[str, str]:
    """An encoder's tensors as a published file may name them, with `_` for a dot, -> as it names them.

    timm writes `stages.0.` and, for feature maps, `stages_0.`; a norm and its activation are
    one layer there, here two.
    """
    plain = {}
    fused = [name + "." for name, one in encoder.named_modules() if isinstance(one, Activated)]
    for own in encoder.state_dict():
        name = own
        for start in fused:
            if own.startswith(start + "norm."):
                name = start + own.removeprefix(start + "norm.")
        plain[own] = name
    while (
        len(tops := {name.partition(".")[0] for name in plain.values()}) == 1 and tops <= _WRAPPERS
    ):
        plain = {own: name.partition(".")[2] for own, name in plain.items()}
    return {name.replace("_", "."): own for own, name in plain.items()}


def weights_card(name: str) -> str | None:
    """The model card on the Hugging Face hub that has pretrained weights of an encoder; None: none."""
    base = name.removeprefix("tu-")
    if timm.is_model(base):
        config = timm.get_pretrained_cfg(base)
        return config.hf_hub_id if config else None
    from segmentation_models_pytorch.encoders import encoders

    settings = encoders.get(base, {}).get("pretrained_settings") or {}
    return next((one["repo_id"] for one in settings.values()), None)
