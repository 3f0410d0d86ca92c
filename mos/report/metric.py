"""The metrics of the tables are those of `mos.metrics.table`, in its order."""

from mos.metrics.table import COUNTS as COUNTS, KEYS as KEYS, METRICS as METRICS, Metric as Metric
