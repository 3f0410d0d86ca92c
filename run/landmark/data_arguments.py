"""The options that say which images a landmark run learns from, how large they are, and how they are moved."""

from dataclasses import dataclass

from mos.arguments import option
from mos.errors import BadInput
from mos.options import TrainingOptions, fill_in
from mos.shapes import format_numbers, parse_sizes


def parse_zoom(text: str) -> tuple[float, float]:
    """Reads `0.85,1.18` as the smallest and the largest magnification.

    Raises:
        BadInput: not two ascending positive numbers.
    """
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low, high = 0.0, 0.0
    if not 0 < low <= high < float("inf"):
        raise BadInput(
            f"magnification {text!r}: needs the smallest and the largest, such as 0.85,1.18"
        )
    return low, high


@dataclass(frozen=True, kw_only=True)
class DataArguments(TrainingOptions):
    """Dataset, image size, augmentation."""

    train_dataset: str = option(
        "phantom-0",
        "dataset: .cache/dataset/landmark/landmark-<name>.pt",
        env="SETTING",
        group="Data",
    )
    dataset_train_all: bool = option(
        False, "train on train, valid and test together; nothing is scored then"
    )
    image_side: int = option(
        512,
        "pixels of the longer side: larger images are reduced to it, aspect kept, smaller ones stay; it is in "
        "the run's name",
    )
    dataset_image_size: tuple[int, ...] | None = option(
        None,
        "h,w to train on, at most --image_side each: aspect is kept, the rest is 0; none: as --image_side says",
        parse=parse_sizes,
        format=format_numbers,
    )
    image_enhance_level: int = option(
        3, "0 as they are, 1 shifted, 2 and turned, scaled, mirrored if asked for, 3 and intensity"
    )
    image_rotation: float = option(15.0, "degrees by which images turn, to either side")
    image_zoom: tuple[float, float] = option(
        (0.85, 1.18),
        "smallest and largest magnification",
        parse=parse_zoom,
        format=format_numbers,
    )
    image_shift: float = option(0.05, "share of height and width by which images shift")
    image_bend: float = option(
        0.0,
        "elastic deformation: how far, as a share of the longer side, a 5 x 5 grid of knots moves; 0.02 where there "
        "are few images",
    )
    image_flip: bool = option(
        False,
        "mirror left and right in half of the samples, points of swap pairs changing places; not for oriented "
        "views such as lateral X-rays",
    )
    image_turned_share: float = option(
        0.8, "share of the samples that are turned and scaled, 0 to 1"
    )

    def filled(self, text: str) -> str:
        """The text with `{setting}` as SETTING and `{fold}` as its number; see `mos.options.fill_in`."""
        return fill_in(text, self.train_dataset)

    def size_for(self, stored: tuple[int, int]) -> tuple[int, int]:
        """(h, w) that images stored in this size are used in."""
        if self.dataset_image_size is not None:
            return self.dataset_image_size
        times = max(1.0, max(stored) / self.image_side)
        h, w = (max(1, round(side / times)) for side in stored)
        return h, w

    def check(self) -> None:
        """Checks what can be checked without data.

        Raises:
            BadInput: names the option, the value and the range.
        """
        super().check()
        if self.image_side < 16:
            raise BadInput(f"--image_side {self.image_side}: needs at least 16 pixels")
        size = self.dataset_image_size
        if size is not None and (len(size) != 2 or not 16 <= min(size) <= max(size)):
            raise BadInput(
                f"--dataset_image_size {format_numbers(size)}: needs h,w of 16 pixels or more, such as 256,208"
            )
        if size is not None and max(size) > self.image_side:
            raise BadInput(
                f"--dataset_image_size {format_numbers(size)}: is larger than --image_side {self.image_side}, which "
                f"names the run; give --image_side {max(size)} too"
            )
        if not 0 <= self.image_enhance_level <= 3:
            raise BadInput(f"--image_enhance_level {self.image_enhance_level}: needs 0, 1, 2 or 3")
        if not 0 <= self.image_rotation <= 180:
            raise BadInput(f"--image_rotation {self.image_rotation:g}: needs 0 to 180 degrees")
        for name, most in (("image_shift", 0.5), ("image_bend", 0.05), ("image_turned_share", 1.0)):
            if not 0 <= getattr(self, name) <= most:
                raise BadInput(f"--{name} {getattr(self, name):g}: needs 0 to {most:g}")
