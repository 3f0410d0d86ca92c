"""The layers our own networks are made of, in 2-D or 3-D, so that one class serves both."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from mos.errors import BadInput
from mos.networks.norms import norm_layer
from mos.networks.plan import Plan

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_MAX_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_AVG_POOL = {2: nn.AvgPool2d, 3: nn.AvgPool3d}
_GLOBAL_POOL = {2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
_DROPOUT = {2: nn.Dropout2d, 3: nn.Dropout3d}
Size = int | Sequence[int]


@dataclass(frozen=True)
class Layers:
    """Layers of one network.

    Attributes:
        dims: 2 or 3.
        norm: makes the norm for a number of channels.
    """

    dims: int
    norm: Callable[[int], nn.Module]

    @classmethod
    def of(cls, plan: Plan) -> "Layers":
        """The layers a plan asks for."""
        return cls(plan.dims, norm_layer(plan, plan.dims))

    def conv(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Size = 3,
        *,
        stride: Size = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> nn.Module:
        """A convolution that keeps the size, but for its stride. Without bias, as a norm follows most."""
        kernel = self._each(kernel)
        return _CONV[self.dims](
            in_channels,
            out_channels,
            kernel,
            stride=self._each(stride),
            padding=tuple(dilation * (n // 2) for n in kernel),
            dilation=dilation,
            groups=groups,
            bias=bias,
        )

    def conv_norm(
        self, in_channels: int, out_channels: int, kernel: Size = 3, **options
    ) -> nn.Sequential:
        """Convolution and norm."""
        conv = self.conv(in_channels, out_channels, kernel, **options)
        return nn.Sequential(conv, self.norm(out_channels))

    def conv_norm_relu(
        self, in_channels: int, out_channels: int, kernel: Size = 3, **options
    ) -> nn.Sequential:
        """Convolution, norm and ReLU."""
        return self.conv_norm(in_channels, out_channels, kernel, **options).append(nn.ReLU())

    def norm_relu_conv(
        self, in_channels: int, out_channels: int, kernel: Size = 3, **options
    ) -> nn.Sequential:
        """Norm, ReLU and convolution: the pre-activated order of He et al. 2016."""
        conv = self.conv(in_channels, out_channels, kernel, **options)
        return nn.Sequential(self.norm(in_channels), nn.ReLU(), conv)

    def grow(
        self, in_channels: int, out_channels: int, stride: Size = 2, *, bias: bool = True
    ) -> nn.Module:
        """A transposed convolution whose kernel is its stride: every axis grows by its stride."""
        stride = self._each(stride)
        return _TRANSPOSED[self.dims](in_channels, out_channels, stride, stride, bias=bias)

    def max_pool(self, stride: Size = 2) -> nn.Module:
        """The largest value of each block of `stride`."""
        return _MAX_POOL[self.dims](self._each(stride))

    def avg_pool(self, kernel: int, stride: int = 1) -> nn.Module:
        """A running mean over an odd kernel, of the values inside the image."""
        return _AVG_POOL[self.dims](kernel, stride, kernel // 2, count_include_pad=False)

    def global_pool(self) -> nn.Module:
        """The mean over all axes, one value a channel."""
        return _GLOBAL_POOL[self.dims](1)

    def dropout(self, probability: float) -> nn.Module:
        """Drops whole channels."""
        return _DROPOUT[self.dims](probability)

    def _each(self, value: Size) -> tuple[int, ...]:
        return (value,) * self.dims if isinstance(value, int) else tuple(value)


def halvings(plan: Plan, count: int) -> list[tuple[int, ...]]:
    """Strides of `count` halvings that follow the voxel's shape; papers with cubic voxels have 2 throughout.

    An axis is halved while its voxels are less than twice as long as the shortest that can be halved
    and more than one of them is left: 10 mm slices wait until their pixels have caught up.
    """
    now, mm = list(plan.crop_size), list(plan.spacing)
    strides = []
    for _ in range(count):
        able = [n > 1 for n in now]
        shortest = min((m for m, ok in zip(mm, able, strict=True) if ok), default=0.0)
        stride = tuple(2 if ok and m < 2 * shortest else 1 for ok, m in zip(able, mm, strict=True))
        now = [math.ceil(n / s) for n, s in zip(now, stride, strict=True)]
        mm = [m * s for m, s in zip(mm, stride, strict=True)]
        strides.append(stride)
    return strides


def total_stride(strides: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """What each axis is divided by in all."""
    return tuple(math.prod(column) for column in zip(*strides, strict=True))


def widths(plan: Plan, usual: Sequence[int], least: int = 2) -> tuple[int, ...]:
    """Features per level: the plan's, or the paper's.

    Raises:
        BadInput: fewer levels than the network can be built of.
    """
    channels = tuple(plan.channels or usual)
    if len(channels) < least:
        given, usual = (",".join(map(str, values)) for values in (channels, usual))
        raise BadInput(
            f"--model_channels {given}: this network needs {least} levels or more, such as --model_channels {usual}"
        )
    return channels
