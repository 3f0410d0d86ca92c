"""The rules of the report's scores are those of the training."""

import numpy as np
import pytest

from mos.metrics import segmentation
from mos.report import scores
from mos.report.metric import KEYS

NAN, INF = np.nan, np.inf


@pytest.fixture
def tables():
    """Eight cases of three labels: every sort of cell, as `score_case` writes it."""
    rng = np.random.default_rng(0)
    tp, fp, fn = rng.integers(0, 3, (3, 8, 4)).astype(float)
    tp[0], fp[0], fn[0] = 0, 0, 0  # a case with nothing in it
    for counts in (tp, fp, fn):
        counts[:, 0] = NAN  # background
        counts[3, 2] = NAN  # a label that this case is not scored on
    absent, one_sided = tp + fp + fn == 0, (tp == 0) & (fp + fn > 0)
    found = {"raw_tp": tp, "raw_fp": fp, "raw_fn": fn}
    for key in KEYS:
        values = np.where(
            one_sided, INF if key in ("hd", "msd", "volume_error") else 0, rng.random(tp.shape)
        )
        found[f"raw_{key}"] = np.where(absent | np.isnan(tp), NAN, values)
    return found


def test_the_mean_of_a_case_is_the_one_that_training_stores(tables):
    stored = segmentation.case_means(tables)
    for key in KEYS:
        np.testing.assert_array_equal(scores.case_means(tables[f"raw_{key}"]), stored[key])
    assert np.isnan(stored["dice"]).any() and np.isinf(stored["hd"]).any()


def test_missed_and_invented_are_those_that_training_logs(tables):
    state = scores.states(*(tables[f"raw_{key}"] for key in ("tp", "fp", "fn")))
    logged = segmentation.split_summary(tables)
    assert (state == "missed").sum() == logged["missed"] > 0
    assert (state == "invented").sum() == logged["invented"] > 0
    assert set(np.unique(state)) == set(scores.STATES)


def test_a_mean_leaves_nan_out_and_keeps_infinity():
    values = np.array([[0.2], [NAN], [0.6], [INF], [1.0], [NAN]])
    means = scores.group_means(values, np.array([0, 0, 0, 1, 1, 2]), 4)
    np.testing.assert_allclose(means[:, 0], [0.4, INF, NAN, NAN])
