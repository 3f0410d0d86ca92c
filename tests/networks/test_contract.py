"""What every network of the table promises, in one body of tests: a new one is tested by being listed.

The networks are built small where their plan allows it; `test_zoo.py` has what takes longer.
"""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from mos.networks.outputs import Outputs
from mos.networks.plan import Plan
from mos.networks.table import NETWORKS

ENTRIES = [(name, dims) for name, network in NETWORKS.items() for dims in network.dims]
CROP = {2: (32, 32), 3: (16, 16, 16)}
# None is a multiple of anything; the second is larger than the crop, as windows of the evaluation are.
ODD = {2: (29, 31), 3: (13, 15, 11)}
LARGER = {2: (33, 41), 3: (9, 18, 13)}
CHANNELS = (8, 8, 16, 16, 24)
SMALL_CHANNELS = {  # where only some numbers go together
    "segresnet": (8, 16, 32, 64),
    "unetr": (4, 8, 16, 32, 48),
    "swinunetr": (12, 24, 48, 96, 192),
}
# The encoder of the light tests; those that take another one only are left as they are.
SMALL_ENCODERS = {
    "dpt": "vit_tiny_patch16_224",
    "segformer": None,
    "fcn": None,
    "denseaspp": "resnet18",
}


def plan_of(name: str, dims: int, *, in_channels: int = 1, label_count: int = 2, **wishes) -> Plan:
    """A small plan that the network heeds."""
    takes = NETWORKS[name].takes
    if "channels" in takes:
        wishes = {"channels": SMALL_CHANNELS.get(name, CHANNELS)} | wishes
    if "encoder" in takes:
        wishes = {"encoder": SMALL_ENCODERS.get(name, small_encoder(name))} | wishes
    return Plan(
        in_channels=in_channels,
        label_count=label_count,
        crop_size=CROP[dims],
        spacing=(1.0,) * dims,
        **wishes,
    )


def small_encoder(name: str) -> str | None:
    """timm's ResNet for tests, of half a million parameters, where the default one is a ResNet or Res2Net."""
    return (
        "test_resnet" if (NETWORKS[name].encoder or "").startswith(("resnet", "res2net")) else None
    )


def build(name: str, dims: int, seed: int = 0, **wishes) -> nn.Module:
    torch.manual_seed(seed)
    return NETWORKS[name].build(plan_of(name, dims, **wishes))


def image(size, *, bs: int = 1, channels: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.rand(bs, channels, *size, generator=torch.Generator().manual_seed(seed))


def all_logits(answer) -> list[torch.Tensor]:
    """The logits, and those of further answers."""
    if isinstance(answer, Outputs):
        return [answer.logits, *(one.logits for one in answer.auxiliary)]
    return [answer]


@dataclass
class Built:
    """A network of the table, built once for all tests of it."""

    name: str
    dims: int
    network: nn.Module


@pytest.fixture(scope="module", params=ENTRIES, ids=lambda entry: f"{entry[0]}-{entry[1]}d")
def built(request) -> Built:
    """Every network in every dimension it declares: one image channel, two labels."""
    name, dims = request.param
    return Built(name, dims, build(name, dims))


def test_in_training_a_single_image_of_odd_size_moves_every_parameter(built):
    size, network = ODD[built.dims], built.network.train()
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():  # what begins as nothing lets nothing through
                parameter.normal_(std=0.05)
    unreached = dict(network.named_parameters())
    for seed in range(2):
        answer = network(image(size, seed=seed))
        check_answer(answer, size)
        sum((one - one.mean()).square().mean() for one in all_logits(answer)).backward()
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in network.parameters())
        unreached = {k: p for k, p in unreached.items() if p.grad is None or not p.grad.any()}
        if not unreached:
            break
        # A ReLU of one channel may be shut; it opens when what comes before it turns round.
        with torch.no_grad():
            for parameter in unreached.values():
                parameter.neg_()
    assert not unreached, f"no gradient reaches {sorted(unreached)}"
    network.zero_grad()


def check_answer(answer, size) -> None:
    """Logits of the image's size; what auxiliary answers say of themselves is true."""
    for one in all_logits(answer):
        assert one.shape[0] == 1 and tuple(one.shape[2:]) == size
        assert torch.isfinite(one).all()
    first = answer.logits if isinstance(answer, Outputs) else answer
    assert first.shape[1] == 2
    for one in answer.auxiliary if isinstance(answer, Outputs) else ():
        assert one.target in ("segment", "edge") and one.weight > 0
        assert one.logits.shape[1] in (1, 2)


def test_what_is_stored_makes_it_answer_the_same_at_the_size_of_a_larger_window(built):
    picture, network = image(LARGER[built.dims]), built.network.eval()
    with torch.no_grad():
        before = network(picture)
        stored = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        for tensor in network.state_dict().values():
            tensor.zero_()
        network.load_state_dict(stored)
        after = network(picture)
    assert isinstance(before, torch.Tensor) and before.shape == (1, 2, *LARGER[built.dims])
    assert torch.equal(before, after)
    # A tensor that is neither parameter nor buffer is in no file, and stays behind on another device.
    hidden = [
        f"{type(layer).__name__}.{name}"
        for layer in network.modules()
        for name, value in vars(layer).items()
        if isinstance(value, torch.Tensor) and value.numel()
    ]
    assert not hidden


def test_three_channels_and_37_labels_in_bf16(built):
    size = ODD[built.dims]
    network = build(built.name, built.dims, in_channels=3, label_count=37).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = network(image(size, channels=3))
    assert logits.shape == (1, 37, *size)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_what_the_table_says_of_a_network_is_whole(name):
    entry = NETWORKS[name]
    assert entry.title and entry.paper and 2010 <= entry.year <= 2030
    assert entry.dims in ((2,), (3,), (2, 3)) and set(entry.published) <= set(entry.dims)
    # Our own code is held against a count, or says why it is not; of a library's code that is the library's matter.
    assert entry.source != "own" or set(entry.published) == set(entry.dims) or entry.note
    assert set(entry.takes) <= {"channels", "norm", "dropout", "encoder"}
    assert bool(entry.encoder) == ("encoder" in entry.takes)


@pytest.mark.parametrize("norm", ["batch", "instance", "group"])
def test_a_network_that_takes_a_norm_has_that_one_and_trains_with_a_batch_of_one(norm):
    """One network of each way to put norms in: own, replaced in MONAI's, fused in timm's."""
    for name, wishes in (
        ("unet", {}),
        ("attunet", {}),
        ("timmunet", {"encoder": "mobilenetv3_small_050"}),
    ):
        network = build(name, 2, norm=norm, **wishes).train()
        sum(one.square().mean() for one in all_logits(network(image((16, 16))))).backward()
        kinds = {type(layer).__name__.lower() for layer in network.modules() if is_norm(layer)}
        assert kinds and all(norm in kind for kind in kinds), (name, kinds)


def is_norm(layer: nn.Module) -> bool:
    kinds = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.GroupNorm)
    return isinstance(layer, kinds)
