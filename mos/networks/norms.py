"""Normalisation layers that also train where one value per channel is left, and how to put them in.

After global pooling of a batch of one there is nothing to take statistics of: PyTorch's layers
refuse, or answer 0. There batch norm uses what it has learnt so far; instance and group norm leave the value.
"""

import math
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from mos.networks.plan import Norm, Plan

_GROUPS = 8
_BATCH_NORM = nn.modules.batchnorm._BatchNorm
_INSTANCE_NORM = nn.modules.instancenorm._InstanceNorm


class _BatchNorm:
    """Batch norm; in training a single value per channel is normalised with the running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, *size) -> the same."""
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        return super().forward(x)


class BatchNorm1d(_BatchNorm, nn.BatchNorm1d):
    """For (bs, ch) and (bs, ch, n)."""


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    """For (bs, ch, h, w)."""


class BatchNorm3d(_BatchNorm, nn.BatchNorm3d):
    """For (bs, ch, d, h, w)."""


class _InstanceNorm:
    """Instance norm; a channel of one value keeps it, scaled and shifted."""

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, *size) -> the same."""
        if x.shape[2:].numel() > 1:
            return super().forward(x)
        if self.weight is None:
            return x
        shape = (1, -1, *(1,) * (x.dim() - 2))
        return x * self.weight.view(shape) + self.bias.view(shape)


class InstanceNorm1d(_InstanceNorm, nn.InstanceNorm1d):
    """For (bs, ch, n), and (bs, ch) as it is."""

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch) or (bs, ch, n) -> the same."""
        return super().forward(x[..., None])[..., 0] if x.dim() == 2 else super().forward(x)


class InstanceNorm2d(_InstanceNorm, nn.InstanceNorm2d):
    """For (bs, ch, h, w)."""


class InstanceNorm3d(_InstanceNorm, nn.InstanceNorm3d):
    """For (bs, ch, d, h, w)."""


class GroupNorm(nn.GroupNorm):
    """Group norm; a group of one value keeps it, scaled and shifted."""

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, *size) -> the same."""
        if x[0].numel() > self.num_groups:
            return super().forward(x)
        shape = (1, -1, *(1,) * (x.dim() - 2))
        return x * self.weight.view(shape) + self.bias.view(shape)


_BATCH = {1: BatchNorm1d, 2: BatchNorm2d, 3: BatchNorm3d}
_INSTANCE = {1: InstanceNorm1d, 2: InstanceNorm2d, 3: InstanceNorm3d}


def norm_layer(norm: Norm | Plan, dims: int) -> Callable[[int], nn.Module]:
    """What makes a norm for a number of channels.

    Args:
        norm: batch, instance or group (of at least two channels each, at most 8 groups), or a plan that says it.
        dims: spatial axes, 1 to 3.
    """
    if isinstance(norm, Plan):
        norm = norm.norm
    if norm == "batch":
        return _BATCH[dims]
    if norm == "instance":
        return lambda channels: _INSTANCE[dims](channels, affine=True)
    return lambda channels: GroupNorm(_group_count(channels), channels)


def _group_count(channels: int) -> int:
    """Up to 8 groups that share the channels evenly. A group of one channel would be an instance norm."""
    groups = math.gcd(_GROUPS, channels)
    return groups // 2 if 1 < groups == channels else groups


class Activated(nn.Module):
    """A norm and the activation that a library has in the same layer (timm's BatchNormAct2d)."""

    def __init__(self, norm: nn.Module, act: nn.Module):
        super().__init__()
        self.norm = norm
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """(bs, ch, *size) -> the same."""
        return self.act(self.norm(x))


def replace_norms(module: nn.Module, norm: Norm | None) -> nn.Module:
    """Puts norms of the kind asked for in place of a library network's batch, instance and group norms.

    Scales, shifts, momentum and epsilon are kept. Layer norms stay: they are no choice of the network's user.

    Args:
        norm: None: each stays what it is, and trains where one value per channel is left.

    Returns:
        The module itself, changed; or its replacement where it is a norm.
    """
    for name, child in module.named_children():
        changed = replace_norms(child, norm)
        if changed is not child:
            setattr(module, name, changed)
    if isinstance(module, nn.GroupNorm):
        # timm calls a norm over all channels GroupNorm(1): that is the layer norm of a network such as PoolFormer.
        if module.num_groups == 1 or not module.affine:
            return module
        made = GroupNorm(module.num_groups, module.num_channels)
        if norm not in (None, "group"):
            made = norm_layer(norm, 2)(module.num_channels)
    elif isinstance(module, _BATCH_NORM):
        made = norm_layer(norm or "batch", _dims_of(module))(module.num_features)
    elif isinstance(module, _INSTANCE_NORM):
        if norm is None and not module.affine:
            made = _INSTANCE[_dims_of(module)](module.num_features)
        else:
            made = norm_layer(norm or "instance", _dims_of(module))(module.num_features)
    else:
        return module
    made.eps = module.eps
    if isinstance(made, _BATCH_NORM) and isinstance(module, _BATCH_NORM):
        made.momentum = module.momentum
    if module.weight is not None:
        made.weight.data.copy_(module.weight.data)
        made.bias.data.copy_(module.bias.data)
    act = getattr(module, "act", None)
    return made if act is None else Activated(made, nn.Sequential(module.drop, act))


def _dims_of(module: nn.Module) -> int:
    kinds = ((nn.BatchNorm1d, nn.InstanceNorm1d), (nn.BatchNorm2d, nn.InstanceNorm2d))
    return next((dims for dims, kind in enumerate(kinds, 1) if isinstance(module, kind)), 3)
