"""A case's table of scores, its means, and a split's summary that hides nothing."""

import warnings

import numpy as np
import pytest

from mos.metrics.segmentation import case_means, score_case, split_summary

KEYS = ["raw_dice", "raw_iou", "raw_hd", "raw_msd", "raw_tp", "raw_fp", "raw_fn"]


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
    "prediction, reference, dice, distance, counts",
    [
        (case(), case(), np.nan, np.nan, (0, 0, 0)),
        (case(), case((1, 0)), 0, np.inf, (0, 0, 9)),
        (case((1, 0)), case(), 0, np.inf, (0, 9, 0)),
    ],
    ids=["absent in both", "missed", "invented"],
)
def test_every_empty_case_has_its_value(prediction, reference, dice, distance, counts):
    table = score_case(prediction, reference, [1], 2, (10, 1, 1))
    got = [table[name][1] for name in KEYS]
    np.testing.assert_equal(got, [dice, dice, distance, distance, *counts])


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
    assert summary == {
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
