"""A case's table of scores, its means, and a split's summary that hides nothing."""

import dataclasses
import warnings

import numpy as np
import pytest

from mos.errors import BadInput
from mos.metrics import segmentation
from mos.metrics.segmentation import (
    case_means,
    from_counts,
    score_case,
    split_summary,
)
from mos.metrics.table import KEYS as KEYS_OF_TABLE, METRICS
from mos.metrics.tolerance import parse_tolerances

NAMES = "dice iou hd msd nsd precision recall volume_error tp fp fn nsd_tolerance".split()
KEYS = [f"raw_{name}" for name in NAMES]


@pytest.fixture(autouse=True)
def no_warning_is_given():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def case(*marks, shape=(4, 6, 6)):
    """A label map from (label, slice index): a 3x3 square of that label in that slice."""
    volume = np.zeros(shape, np.uint8)
    for label, index in marks:
        volume[index, 1:4, 1:4] = label
    return volume


def stack(*tables):
    return {name: np.stack([table[name] for table in tables]) for name in tables[0]}


def test_a_table_has_a_column_per_label_and_nan_where_nothing_is_scored():
    table = score_case(case((1, 0), (3, 2)), case((1, 0), (3, 3)), [1, 3], 5, (10, 1, 1))
    assert list(table) == KEYS
    for values in table.values():
        assert values.shape == (5,) and values.dtype == np.float64
        assert np.isnan(values[[0, 2, 4]]).all()
    assert table["raw_dice"][[1, 3]].tolist() == [1, 0]
    assert table["raw_hd"][[1, 3]].tolist() == [0, 10]
    assert table["raw_msd"][[1, 3]].tolist() == [0, 10]
    assert [table[f"raw_{name}"][3] for name in ("tp", "fp", "fn")] == [0, 9, 9]


@pytest.mark.parametrize(
    "prediction, reference, share, distance, volume, counts",
    [
        (case(), case(), np.nan, np.nan, np.nan, (0, 0, 0)),
        (case(), case((1, 0)), 0, np.inf, 1, (0, 0, 9)),
        (case((1, 0)), case(), 0, np.inf, np.inf, (0, 9, 0)),
    ],
    ids=["absent in both", "missed", "invented"],
)
def test_every_empty_case_has_its_value(prediction, reference, share, distance, volume, counts):
    table = score_case(prediction, reference, [1], 2, (10, 1, 1))
    got = [table[name][1] for name in KEYS]
    shares = [share, share, distance, distance, share, share, share, volume]
    np.testing.assert_equal(got, [*shares, *counts, 2])


def test_precision_recall_and_volume_error_are_found_by_eye():
    prediction, reference = case((1, 0), (1, 1), (1, 2)), case((1, 0))  # 27 voxels for 9
    table = score_case(prediction, reference, [1], 2, (10, 1, 1))
    assert table["raw_precision"][1] == pytest.approx(9 / 27)
    assert table["raw_recall"][1] == 1
    assert table["raw_volume_error"][1] == 2
    smaller = score_case(reference, prediction, [1], 2, (10, 1, 1))
    assert smaller["raw_precision"][1] == 1
    assert smaller["raw_recall"][1] == pytest.approx(9 / 27)
    assert smaller["raw_volume_error"][1] == pytest.approx(18 / 27)


def test_too_large_and_too_small_volumes_do_not_cancel():
    large = score_case(case((1, 0), (1, 1)), case((1, 0)), [1], 2, (10, 1, 1))
    small = score_case(case(), case((1, 0)), [1], 2, (10, 1, 1))
    assert split_summary(stack(large, small))["volume_error"] == 1


def test_the_tolerance_of_nsd_is_that_of_the_label_and_is_kept():
    prediction, reference = case((1, 0), (2, 2)), case((1, 1), (2, 3))  # one slice, 3 mm, off
    tolerance = parse_tolerances("2,2:3", 3)
    table = score_case(prediction, reference, [1, 2], 3, (3, 1, 1), tolerance)
    assert table["raw_nsd"][1:].tolist() == [0, 1]
    assert table["raw_nsd_tolerance"][1:].tolist() == [2, 3]


@pytest.mark.parametrize("text", ["0", "-1", "x", "2,:3", "2,0:3", "2,a:3", "nan", "inf"])
def test_a_tolerance_that_is_none_is_refused(text):
    with pytest.raises(BadInput, match="--nsd_tolerance .*such as 2"):
        parse_tolerances(text)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.key)
def test_a_metric_of_counts_is_filled_in_from_stored_counts_as_it_was_scored(metric):
    rng = np.random.default_rng(0)
    maps = rng.integers(0, 4, (6, 2, 3, 5, 6), np.uint8)
    maps[0], maps[1, 0], maps[2, 1] = 0, 0, 0
    scored = stack(*(score_case(p, r, [1, 3], 4, (3, 1, 1)) for p, r in maps))
    counts = {name: scored[f"raw_{name}"] for name in ("tp", "fp", "fn")}
    counts = {f"raw_{name}": values for name, values in counts.items()}
    if metric.needs == "counts":
        got = from_counts(counts, metric.key)
        np.testing.assert_array_equal(got, scored[f"raw_{metric.key}"])
        assert np.isnan(got).any() and np.isfinite(got).any()
    else:
        with pytest.raises(ValueError, match=f"needs {metric.needs}"):
            from_counts(counts, metric.key)


def test_a_metric_added_to_the_table_is_scored_averaged_and_summarised(monkeypatch):
    tp = dataclasses.replace(
        METRICS[0],
        key="overlapping",
        needs="maps",
        compute=lambda cell: (cell.prediction & cell.reference).sum(),
    )
    for name, value in (("METRICS", (*METRICS, tp)), ("KEYS", (*KEYS_OF_TABLE, "overlapping"))):
        monkeypatch.setattr(segmentation, name, value)
    table = score_case(case((1, 0)), case((1, 0)), [1], 2, (10, 1, 1))
    assert table["raw_overlapping"][1] == 9
    assert case_means(stack(table))["overlapping"].tolist() == [9]
    assert split_summary(stack(table))["overlapping"] == 9


def test_a_label_outside_the_list_counts_as_background_in_both_maps():
    rng = np.random.default_rng(0)
    prediction, reference = rng.integers(0, 4, (2, 5, 6, 7), np.uint8)
    without = [np.where(volume == 2, 0, volume) for volume in (prediction, reference)]
    full = score_case(prediction, reference, [1, 3], 4, (3, 1, 1))
    np.testing.assert_equal(full, score_case(*without, [1, 3], 4, (3, 1, 1)))


def test_a_label_the_network_does_not_have_is_refused():
    for labels in ([0], [2]):
        with pytest.raises(ValueError, match="ids from 1 to 1"):
            score_case(case(), case(), labels, 2, (1, 1, 1))


def test_a_case_mean_skips_nan_keeps_inf_and_is_nan_with_nothing_to_score():
    nan, inf = np.nan, np.inf
    raw = np.array([[nan, 1, 3], [nan, nan, 4], [nan, inf, 1], [nan, nan, nan], [nan, inf, inf]])
    means = case_means({f"raw_{name}": raw for name in ("dice", "iou", "hd", "msd")})
    assert list(means) == ["dice", "iou", "hd", "msd"]
    for values in means.values():
        np.testing.assert_equal(values, [2, 4, inf, nan, inf])


def test_no_cases_have_no_means():
    raw = {name: np.zeros((0, 3)) for name in KEYS}
    assert all(values.shape == (0,) for values in case_means(raw).values())
    summary = split_summary(raw)
    assert summary["cases"] == 0 and np.isnan(summary["dice"])


def test_a_summary_says_what_its_means_leave_out():
    def scored(prediction, reference):
        return score_case(prediction, reference, [1, 2], 3, (10, 1, 1))

    summary = split_summary(
        stack(
            scored(case((1, 0), (2, 2)), case((1, 0), (2, 2))),  # perfect
            scored(case((1, 0), (2, 2)), case((1, 1), (2, 2))),  # label 1 one slice off
            scored(case((1, 0)), case((1, 0), (2, 2))),  # label 2 missed
            scored(case((1, 0), (2, 2)), case((1, 0))),  # label 2 invented
            scored(case((2, 2)), case((1, 0))),  # 1 missed, 2 invented
            scored(case(), case()),  # nothing to score
        )
    )
    shown = {key: summary[key] for key in ("dice", "iou", "hd", "msd")}
    shown |= {key: value for key, value in summary.items() if key not in KEYS_OF_TABLE}
    assert shown == {
        "dice": pytest.approx((1 + 0.5 + 0.5 + 0.5 + 0) / 5),
        "iou": pytest.approx((1 + 0.5 + 0.5 + 0.5 + 0) / 5),
        "hd": pytest.approx((0 + 5) / 2),
        "msd": pytest.approx((0 + 5) / 2),
        "cases": 6,
        "infinite": 3,
        "unscored": 1,
        "missed": 2,
        "invented": 2,
    }


def test_one_empty_case_does_not_turn_a_splits_mean_into_nan():
    perfect = score_case(case((1, 0)), case((1, 0)), [1], 2, (1, 1, 1))
    empty = score_case(case(), case(), [1], 2, (1, 1, 1))
    assert split_summary(stack(perfect, empty))["dice"] == 1
