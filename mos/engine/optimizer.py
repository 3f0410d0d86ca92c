"""AdamW and its learning rate, a pure function of how far the run has come."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn


def make_optimizer(
    network: nn.Module, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019); vectors (norms, biases) are not decayed."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=learning_rate, fused=True)


def load_moments(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> str | None:
    """Brings back the moments of a stored optimiser; rate, decay and the like stay as they are.

    Args:
        saved: what `optimizer.state_dict()` was.

    Returns:
        Why they do not fit, in words, with nothing changed; None when they were brought back.
    """
    own = [p for group in optimizer.param_groups for p in group["params"]]
    # The state names parameters by their place.
    count = sum(len(group["params"]) for group in saved["param_groups"])
    if count != len(own):
        return f"holds moments of {count} tensors, the network learns {len(own)}"
    for place, moments in saved["state"].items():
        stored, needed = tuple(moments["exp_avg"].shape), tuple(own[place].shape)
        if stored != needed:
            return f"holds moments of shape {stored} where the network has {needed}"
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": saved["state"], "param_groups": groups})
    return None


def learning_rate_at(
    epoch: float,
    *,
    peak: float,
    warmup_epochs: float,
    schedule_epochs: int,
    kind: str = "cosine",
    parameter: Sequence[float] = (),
    gamma: float = 0.1,
    floor: float = 0.01,
) -> float:
    """The learning rate after `epoch` epochs, fractions included; nothing else enters.

    Beyond `schedule_epochs` the rate stays where the schedule ended, so that extending a finished
    run never makes it jump.

    Args:
        epoch: (global step) / (steps per epoch), from 0.
        peak: rate after the linear warm-up.
        warmup_epochs: length of the warm-up, in epochs.
        schedule_epochs: length of the whole schedule, warm-up included, in epochs.
        kind: cosine, poly, multistep or constant.
        parameter: multistep: ascending milestones in epochs; poly: the exponent, 0.9 by default.
        gamma: multistep: factor at each milestone.
        floor: cosine and poly: the smallest rate as a share of the peak.
    """
    if epoch < warmup_epochs:
        # Starts at a tenth: the first steps of Adam have no statistics to lean on.
        return peak * (0.1 + 0.9 * epoch / warmup_epochs)
    if kind == "constant":
        return peak
    if kind == "multistep":
        return peak * gamma ** sum(epoch >= milestone for milestone in parameter)
    span = max(schedule_epochs - warmup_epochs, 1e-9)
    progress = min(max((epoch - warmup_epochs) / span, 0.0), 1.0)
    if kind == "poly":
        share = (1 - progress) ** (parameter[0] if parameter else 0.9)
    elif kind == "cosine":
        share = 0.5 * (1 + math.cos(math.pi * progress))
    else:
        raise ValueError(f"unknown schedule {kind!r}")
    return peak * (floor + (1 - floor) * share)
