"""Augmentation of a batch against MONAI's transforms, sample by sample: the same operations.

From uint8 volumes to a float image and a label map on the CPU. Every sample is cropped, flipped, changed in
contrast, brightness and gamma and gets noise; or it is rotated and scaled, bilinear in the image and nearest in
the label. A training does less of it: chance leaves most samples without most of this. On one thread: the
small batches gain little from more, and waiting threads would count as work.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from mos.data.augment import make_batch
from mos.data.draw import Draw
from tests.benchmark import is_quick, race, row

CASES = {
    # dims: (stored size, crop, batch)
    2: ((160, 160), (128, 128), 32),
    3: ((20, 160, 160), (16, 128, 128), 4),
}
REACH = {(2, False): 12, (2, True): 7, (3, False): 4, (3, True): 1.7}
ANGLE, SCALE, NOISE = 0.35, 0.2, 0.02
CPU = torch.device("cpu")


def ours(volumes: Tensor, crop: Sequence[int], turned: bool) -> Callable[[], tuple[Tensor, Tensor]]:
    """A batch as a training makes it, with chance as wide as MONAI's here."""
    random = np.random.default_rng(0)
    stored = np.array(volumes.shape[2:])

    def draw() -> Draw:
        half = (np.array(crop) - 1) / 2
        if turned:
            return Draw((stored - 1) / 2, _turn(random, len(crop)))
        centre = random.integers(0, stored - crop + 1) + half
        flips = np.diag(random.choice([-1.0, 1.0], len(crop)))
        one, shift = random.uniform(0.75, 1.25), random.uniform(-0.1, 0.1)
        return Draw(centre, flips, one, shift, random.uniform(0.7, 1.5), NOISE)

    def batch() -> tuple[Tensor, Tensor]:
        draws = [draw() for _ in volumes]
        seeds = random.integers(0, 2**60, len(draws)).tolist()
        return make_batch(volumes, range(len(draws)), draws, seeds, crop, CPU)

    return batch


def _turn(random: np.random.Generator, dims: int) -> np.ndarray:
    """A rotation, in 3-D about all axes, and one scale."""
    turn = np.eye(dims)
    for first, second in [(0, 1)] if dims == 2 else [(1, 2), (0, 1), (0, 2)]:
        angle, one = random.uniform(-ANGLE, ANGLE), np.eye(dims)
        one[first, first] = one[second, second] = np.cos(angle)
        one[first, second], one[second, first] = -np.sin(angle), np.sin(angle)
        turn = turn @ one
    return turn * random.uniform(1 - SCALE, 1 + SCALE)


def monai(
    volumes: Tensor, crop: Sequence[int], turned: bool
) -> Callable[[], tuple[Tensor, Tensor]]:
    """MONAI's dictionary transforms, as its tutorials compose them."""
    import monai.transforms as mt

    both, dims = ["image", "label"], len(crop)
    if turned:
        steps = [
            mt.RandAffined(
                both,
                prob=1,
                rotate_range=[ANGLE] * (1 if dims == 2 else 3),
                scale_range=[SCALE] * dims,
                spatial_size=crop,
                mode=["bilinear", "nearest"],
                padding_mode="zeros",
            )
        ]
    else:
        steps = [mt.RandSpatialCropd(both, crop, random_size=False)]
        steps += [mt.RandFlipd(both, prob=0.5, spatial_axis=axis) for axis in range(dims)]
        steps += [
            mt.RandScaleIntensityd("image", 0.25, prob=1),
            mt.RandShiftIntensityd("image", 0.1, prob=1),
            mt.RandAdjustContrastd("image", prob=1, gamma=(0.7, 1.5)),
            mt.RandGaussianNoised("image", prob=1, std=NOISE),
        ]
    compose = mt.Compose(steps)

    def batch() -> tuple[Tensor, Tensor]:
        made = [compose({"image": one[:1].float() / 255, "label": one[1:]}) for one in volumes]
        image = torch.stack([torch.as_tensor(one["image"]) for one in made])
        return image, torch.stack([torch.as_tensor(one["label"])[0] for one in made]).long()

    return batch


def main() -> None:
    quick = is_quick(__doc__)
    torch.set_num_threads(1)
    for dims, (stored, crop, count) in CASES.items():
        volumes = torch.randint(0, 255, (count, 2, *stored), dtype=torch.uint8)
        volumes[:, 1] %= 4
        for turned in (False, True):
            contestants = {make.__name__: make(volumes, crop, turned) for make in (ours, monai)}
            for batch in contestants.values():
                image, label = batch()
                assert image.shape == (count, 1, *crop) and label.shape == (count, *crop)
            times = race(contestants, 4 if quick else 20)
            what = "rotate + scale" if turned else "crop + flip + intensity"
            name = f"augmentation, {dims}-D, {what}, batch {count} of {'x'.join(map(str, crop))}"
            row(name, times["ours"], times["monai"], "MONAI", REACH[dims, turned])


if __name__ == "__main__":
    main()
