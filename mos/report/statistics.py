"""What a column of scores amounts to: mean, spread, standard error, interval over patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

BOOTSTRAP_DRAWS = 2000


@dataclass(frozen=True, kw_only=True)
class Description:
    """A column of scores in numbers; each is nan where there are too few values for it."""

    count: int  # finite values, the ones described
    infinite: int  # left out: inf, a structure was missed or invented
    undefined: int  # left out: nan, nothing to score
    mean: float
    sd: float
    standard_error: float
    low: float  # 95 % interval of the mean, patients resampled
    high: float
    median: float = np.nan  # where it was asked for

    @property
    def left_out(self) -> int:
        return self.infinite + self.undefined


def describe(values: Sequence[float], patients: Sequence[str | int]) -> Description:
    """Describes the finite ones of `values` (n,), one per case; `patients` (n,) says whose case it is."""
    values = np.asarray(values, dtype=float)
    finite = np.isfinite(values)
    kept, owners = values[finite], np.asarray(patients)[finite]
    low, high = bootstrap_interval(kept, owners)
    return Description(
        count=len(kept),
        infinite=int(np.isinf(values).sum()),
        undefined=int(np.isnan(values).sum()),
        mean=mean(kept),
        sd=sd(kept),
        standard_error=standard_error(kept),
        low=low,
        high=high,
    )


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean of `values` (n,); nan for none."""
    return float(np.mean(values)) if len(values) else np.nan


def sd(values: Sequence[float]) -> float:
    """Sample standard deviation of `values` (n,), divided by n - 1; nan below two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else np.nan


def standard_error(values: Sequence[float]) -> float:
    """Standard error of the mean of `values` (n,), sd / sqrt(n); it takes cases as independent.

    Where patients have several cases they are not: `bootstrap_interval` takes that into account.
    """
    return sd(values) / float(np.sqrt(len(values))) if len(values) > 1 else np.nan


def bootstrap_interval(
    values: Sequence[float],
    patients: Sequence[str | int],
    *,
    confidence: float = 0.95,
    draws: int = BOOTSTRAP_DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean, drawing whole patients with replacement.

    The cases of one patient resemble each other, so they are drawn together (cluster bootstrap:
    Efron & Tibshirani 1993, chapters 8 and 13; Field & Welsh 2007).

    Args:
        values: (n,) finite scores, one per case.
        patients: (n,) whose case each is.

    Returns:
        low, high; nan, nan below two patients. The same values and patients, in any order, give
        the same interval.
    """
    means = _drawn_means(values, patients, draws, seed)
    return _interval(means, confidence)


def bootstrap_difference(
    values: Sequence[float],
    patients: Sequence[str | int],
    others: Sequence[float],
    other_patients: Sequence[str | int],
    *,
    confidence: float = 0.95,
    draws: int = BOOTSTRAP_DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of mean(values) - mean(others), two groups of different patients.

    Unpaired: the patients of each group are drawn on their own, as in `bootstrap_interval`.

    Args:
        values, others: (n,), (m,) finite scores, one per case.
        patients, other_patients: whose case each is.

    Returns:
        low, high; nan, nan where a group has fewer than two patients.
    """
    means = _drawn_means(values, patients, draws, seed)
    # Draws of its own: with those of the other group, two groups of one size would rise and fall as one.
    other_means = _drawn_means(others, other_patients, draws, seed + 1)
    if means is None or other_means is None:
        return np.nan, np.nan
    return _interval(means - other_means, confidence)


def _drawn_means(
    values: Sequence[float], patients: Sequence[str | int], draws: int, seed: int
) -> np.ndarray | None:
    """(draws,) means of the values of patients drawn with replacement; None below two patients."""
    names, owner = np.unique(np.asarray(patients), return_inverse=True)
    if len(names) < 2:
        return None
    totals = np.bincount(owner, weights=np.asarray(values, dtype=float))
    counts = np.bincount(owner)
    times = times_drawn(len(names), draws, seed)
    return (times @ totals) / (times @ counts)


def middle(means: np.ndarray, confidence: float) -> np.ndarray:
    """The quantiles between which `confidence` of each row of `means` (..., draws) lies: (2, ...)."""
    tail = (1 - confidence) / 2
    return np.quantile(means, [tail, 1 - tail], axis=-1)


def _interval(means: np.ndarray | None, confidence: float) -> tuple[float, float]:
    if means is None:
        return np.nan, np.nan
    low, high = middle(means, confidence)
    return float(low), float(high)


@lru_cache(maxsize=4)  # lines of a table mostly have as many patients as the line before
def times_drawn(count: int, draws: int, seed: int) -> np.ndarray:
    """(draws, count): how often each of `count` patients is drawn, `count` draws with replacement."""
    drawn = np.random.default_rng(seed).integers(count, size=(draws, count))
    places = drawn + np.arange(draws)[:, None] * count
    return np.bincount(places.ravel(), minlength=draws * count).reshape(draws, count).astype(float)
