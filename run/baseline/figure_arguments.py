"""The options of commands that draw figures: where to predict, and how pictures look."""

from dataclasses import dataclass
from typing import Literal

from mos.arguments import option
from mos.errors import BadInput
from mos.shapes import format_labels, parse_labels
from mos.stored_options import Precision

FORMATS = ("png", "pdf", "svg")


@dataclass(frozen=True, kw_only=True)
class FigureArguments:
    """Machine and look; a command adds what it draws."""

    colours: Literal["safe", "classic"] = option(
        "safe",
        "safe: readable for colour-blind people; classic: correct green, extra red, missed blue, hues "
        "62 degrees apart for labels",
    )
    outline: bool = option(False, "outlines instead of fills, where the image lies below")
    opacity: float = option(0.6, "of fills over the image, 0 to 1")
    labels: tuple[int, ...] = option(
        (),
        "labels of error maps, such as 1,3-5; none: those that are scored. With one label everything else "
        "counts as background",
        parse=parse_labels,
        format=format_labels,
    )
    channel: int = option(0, "image channel to show, from 0")
    dpi: int = option(200, "pixels per inch of PNG, and of pictures in PDF and SVG")
    formats: tuple[str, ...] = option(("png",), "any of png pdf svg")
    device: str = option("auto", "auto, cpu, cuda or cuda:1: where missing predictions are made")
    precision: Precision = option(
        "auto",
        "auto: as the run was trained, or fp32 where this device cannot",
    )
    threads: int = option(0, "CPU threads; 0: all cores")

    def check(self) -> None:
        """Raises BadInput for what can be seen without reading runs."""
        if not 0 <= self.opacity <= 1:
            raise BadInput(f"--opacity {self.opacity:g}: needs 0 (only image) to 1 (only colour)")
        if self.channel < 0:
            raise BadInput(f"--channel {self.channel}: needs 0 or more")
        if not 20 <= self.dpi <= 1200:
            raise BadInput(f"--dpi {self.dpi}: needs 20 to 1200")
        wrong = [name for name in self.formats if name not in FORMATS]
        if wrong or not self.formats:
            raise BadInput(f"--formats {' '.join(self.formats)}: needs any of {' '.join(FORMATS)}")
