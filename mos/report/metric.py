"""The metrics of the report: those of a task, or those that a table has columns of."""

from collections.abc import Iterable

from mos.metrics.table import COUNTS as COUNTS, KEYS as KEYS, METRICS as METRICS, METRICS_OF
from mos.metrics.table import Metric as Metric, PointMetric as PointMetric

BY_KEY: dict[str, Metric] = {m.key: m for metrics in METRICS_OF.values() for m in metrics}


def metrics_of(task: str) -> tuple[Metric, ...]:
    """The metrics of a task, the one that picks an epoch first; those of segmentation where none are listed."""
    return METRICS_OF.get(task, METRICS)


def metrics_in(names: Iterable[str]) -> tuple[Metric, ...]:
    """The metrics among `names`, such as the columns of a table, in the order of the tables of metrics."""
    names = frozenset(names)
    return tuple(metric for key, metric in BY_KEY.items() if key in names)


def of_points(metrics: Iterable[Metric]) -> bool:
    """Whether it is landmarks that are scored, not the structures of a segmentation."""
    return any(isinstance(metric, PointMetric) for metric in metrics)
