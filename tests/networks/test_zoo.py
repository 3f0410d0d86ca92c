"""What takes longer of the promises of every network: run with `.scripts/test -m zoo`.

Built as a run would build it, not small. `-k unet-2d` picks one.
"""

from functools import cache

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mos.data.phantom import make_volume
from mos.networks.outputs import Outputs
from mos.networks.plan import Plan
from mos.networks.table import NETWORKS

pytestmark = pytest.mark.zoo
ENTRIES = [(name, dims) for name, network in NETWORKS.items() for dims in network.dims]
each = pytest.mark.parametrize(("name", "dims"), ENTRIES, ids=[f"{n}-{d}d" for n, d in ENTRIES])
PUBLISHED = [(n, d) for n, d in ENTRIES if d in NETWORKS[n].published]
LABELS = 5  # of the phantom, background included
STEPS = 400
SLOW = {"enet": 1600, "miniseg": 1600}  # small, deep and narrow ones need more
LOOK_EVERY = 10  # steps; it stops where it has learnt them
FAT = 1
# Fat is a line of a pixel or two here. Logits for every fourth or eighth pixel, interpolated, cannot draw it, whatever
# the network: fitted without one they reach 0.85 and 0.68 there (the heart's labels: 0.99 and 0.95). So fat is not
# asked of them, and those of every eighth pixel get larger pictures, in which they could reach 0.98.
EVERY_FOURTH = {"gff", "fpn", "pan", "deeplabv3plus", "upernet", "segformer"}
EVERY_EIGHTH = {"danet", "ccnet", "emanet", "ocnet", "ann", "psanet", "denseaspp", "bisenetv2"}
EVERY_EIGHTH |= {"fcn", "pspnet", "deeplabv3", "pranet", "caranet", "infnet"}
SIZE, LARGER = 64, 96


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As many of these run at once as there are cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(name: str, dims: int, crop_size=None, **wishes) -> nn.Module:
    torch.manual_seed(0)
    given = {"in_channels": 1, "label_count": 2} | wishes
    size = tuple(crop_size or (64, 64, 64)[:dims])
    plan = Plan(crop_size=size, spacing=(1.0,) * dims, **given)
    return NETWORKS[name].build(plan)


@pytest.mark.parametrize(
    ("name", "dims"), PUBLISHED, ids=[f"{name}-{dims}d" for name, dims in PUBLISHED]
)
def test_it_has_the_parameters_that_were_published(name, dims):
    said = NETWORKS[name].published[dims]
    network = build(
        name,
        dims,
        said.crop_size,
        in_channels=said.in_channels,
        label_count=said.label_count,
        channels=said.channels,
        norm=said.norm,
        encoder=said.encoder,
    )
    parameters = sum(p.numel() for p in network.parameters())
    assert parameters == pytest.approx(said.parameters, rel=0.02), f"{parameters:,}; {said.where}"


@each
def test_it_compiles_without_a_break_in_its_graph(name, dims):
    """`torch.compile` sees the whole network; what it makes of the graph is the compiler's matter."""
    reason = NETWORKS[name].no_compile
    size = (64, 64) if dims == 2 else (32, 32, 32)
    network = build(name, dims, size).eval()
    torch._dynamo.reset()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    picture = torch.rand(1, 1, *size)
    with torch.no_grad():
        if reason:
            with pytest.raises(Exception, match="(?i)dynamo|graph|unsupported|trac"):
                compiled(picture)
            return
        assert torch.allclose(compiled(picture), network(picture), atol=1e-5)


@pytest.fixture(scope="module")
def one_of_several():
    """A process group with nobody else in it: what wraps a network then asks of it all that it asks among several."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@each
def test_several_processes_can_train_it(name, dims, one_of_several):
    """A parameter without a gradient, also one that only a further answer uses, is refused in the second step."""
    size = (32, 32) if dims == 2 else (16, 16, 16)
    network = DistributedDataParallel(build(name, dims, size).train())
    for _ in range(2):
        answer = network(torch.rand(1, 1, *size))
        outputs = answer if isinstance(answer, Outputs) else Outputs(answer)
        logits = [outputs.logits, *(one.logits for one in outputs.auxiliary)]
        sum(one.square().mean() for one in logits).backward()


@cache
def phantoms(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The slice with most label of four patients, 192 mm wide: images (4, 1, h, w) in 0..1, labels (4, h, w)."""
    images, labels = [], []
    for number in range(4):
        mm = 192 / size
        volume = make_volume(f"zoo{number}", shape=(12, size, size), spacing=(10.0, mm, mm))
        most = int((volume.segment > 0).sum((1, 2)).argmax())
        images.append(torch.from_numpy(volume.image[most]) / 255)
        labels.append(torch.from_numpy(volume.segment[most]).long())
    return torch.stack(images)[:, None], torch.stack(labels)


@each
def test_it_learns_four_pictures_of_the_phantom_by_heart(name, dims):
    """Mean dice of the labels above 0.95 (of the heart's, where logits are coarse); a 3-D network gets each
    slice eight times on top of itself."""
    images, labels = phantoms(LARGER if name in EVERY_EIGHTH else SIZE)
    if dims == 3:
        images = images[:, :, None].expand(-1, -1, 8, -1, -1).contiguous()
        labels = labels[:, None].expand(-1, 8, -1, -1).contiguous()
    network = build(name, dims, tuple(images.shape[2:]), label_count=LABELS).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.0)
    steps = SLOW.get(name, STEPS)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1e-3, total_steps=steps, pct_start=0.1
    )
    reached = 0.0
    for step in range(steps):
        answer = network(images)
        outputs = answer if isinstance(answer, Outputs) else Outputs(answer)
        loss = loss_of(outputs.logits, labels)
        for one in outputs.auxiliary:
            if one.target == "segment":
                loss = loss + one.weight * loss_of(one.logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % LOOK_EVERY == LOOK_EVERY - 1:
            coarse = name in EVERY_FOURTH | EVERY_EIGHTH
            scored = {*range(1, LABELS)} - ({FAT} if coarse else set())
            reached = max(reached, dice(network, images, labels, scored))
            network.train()
            if reached > 0.95:
                return
    assert reached > 0.95, f"dice {reached:.3f} after {steps} steps"


def loss_of(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy and Dice; logits of one channel tell foreground."""
    if logits.shape[1] == 1:
        logits = torch.cat([torch.zeros_like(logits), logits], 1)
        labels = (labels > 0).long()
    chances = logits.softmax(1)
    target = nn.functional.one_hot(labels, logits.shape[1]).movedim(-1, 1).to(chances.dtype)
    axes = (0, *range(2, logits.dim()))
    overlap = (chances * target).sum(axes)
    score = (2 * overlap + 1) / (chances.sum(axes) + target.sum(axes) + 1)
    return nn.functional.cross_entropy(logits, labels) + 1 - score[1:].mean()


def dice(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, scored: set[int]) -> float:
    """Mean over the scored labels that are in the pictures, in eval mode."""
    with torch.no_grad():
        found = network.eval()(images).argmax(1)
    scores = []
    for label in labels.unique().tolist():
        if label in scored:
            one, two = found == label, labels == label
            scores.append(2 * float((one & two).sum()) / float(one.sum() + two.sum()))
    return sum(scores) / len(scores)
