"""The metrics of the tables: title, unit, direction, and the definition the page prints."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How a metric is written and read."""

    key: str
    title: str
    unit: str
    higher_is_better: bool
    digits: int
    definition: str

    @property
    def header(self) -> str:
        arrow = "↑" if self.higher_is_better else "↓"
        return f"{self.title} {arrow}" + (f" ({self.unit})" if self.unit else "")


METRICS = (
    Metric(
        key="dice",
        title="Dice",
        unit="",
        higher_is_better=True,
        digits=3,
        definition="2TP / (2TP + FP + FN), from 0 to 1. Missed or invented: 0. In neither: not scored.",
    ),
    Metric(
        key="iou",
        title="IoU",
        unit="",
        higher_is_better=True,
        digits=3,
        definition="TP / (TP + FP + FN), from 0 to 1. Missed or invented: 0. In neither: not scored.",
    ),
    Metric(
        key="hd",
        title="HD95",
        unit="mm",
        higher_is_better=False,
        digits=2,
        definition="the larger of the two directed 95th percentiles of surface distance, in mm. "
        "Missed or invented: infinite. In neither: not scored.",
    ),
    Metric(
        key="msd",
        title="MSD",
        unit="mm",
        higher_is_better=False,
        digits=2,
        definition="average symmetric surface distance, both directions pooled, in mm. "
        "Missed or invented: infinite. In neither: not scored.",
    ),
)
KEYS = tuple(metric.key for metric in METRICS)
