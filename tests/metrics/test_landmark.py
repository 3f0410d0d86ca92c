"""Radial errors in mm by hand: scales per image, masked points, radii."""

import numpy as np
import pytest

from mos.metrics.landmark import case_means, radial_errors, score_points, split_summary

REFERENCE = np.array([[[10.0, 10.0], [20.0, 10.0]], [[5.0, 5.0], [np.nan, np.nan]]])
PREDICTED = np.array([[[13.0, 14.0], [20.0, 10.0]], [[5.0, 35.0], [1.0, 1.0]]])
VISIBLE = np.array([[1, 1], [1, 0]])
SCALE = np.array([[0.4, 0.4], [0.1, 0.1]])


def test_a_triangle_of_three_four_five_at_each_images_own_scale():
    error = radial_errors(PREDICTED, REFERENCE, VISIBLE, SCALE)
    assert error[0].tolist() == pytest.approx([2.0, 0.0])
    assert error[1, 0] == pytest.approx(3.0) and np.isnan(error[1, 1])


def test_pixels_that_are_no_squares_have_two_scales():
    scale = np.array([[0.4, 0.2], [0.1, 0.1]])
    error = radial_errors(PREDICTED, REFERENCE, VISIBLE, scale)
    assert error[0, 0] == pytest.approx(np.hypot(1.2, 0.8))


def test_each_radius_takes_in_what_lies_on_it():
    raw = score_points(PREDICTED, REFERENCE, VISIBLE, SCALE)
    assert set(raw) == {"raw_mre", "raw_sdr2", "raw_sdr25", "raw_sdr3", "raw_sdr4"}
    assert raw["raw_sdr2"][0].tolist() == [1.0, 1.0] and raw["raw_sdr25"][1, 0] == 0
    assert raw["raw_sdr3"][1, 0] == 1 and np.isnan(raw["raw_sdr3"][1, 1])


def test_the_mean_of_a_case_is_over_its_visible_points_and_that_of_a_split_over_all_points():
    raw = score_points(PREDICTED, REFERENCE, VISIBLE, SCALE)
    assert case_means(raw)["mre"].tolist() == pytest.approx([1.0, 3.0])
    assert case_means(raw)["sdr2"].tolist() == pytest.approx([1.0, 0.0])
    summary = split_summary(raw)
    assert summary["mre_points"] == pytest.approx(5 / 3) and summary["points"] == 3
    assert summary["mre_median"] == pytest.approx(2.0)
    assert summary["mre_sd"] == pytest.approx(np.std([2, 0, 3], ddof=1))


def test_a_case_without_a_visible_point_has_no_score():
    raw = score_points(PREDICTED, REFERENCE, np.zeros((2, 2)), SCALE)
    assert np.isnan(case_means(raw)["mre"]).all() and split_summary(raw)["points"] == 0
    assert np.isnan(split_summary(raw)["mre_median"])


def test_a_prediction_that_is_no_number_is_the_worst_there_is():
    predicted = PREDICTED.copy()
    predicted[0, 0] = np.nan
    raw = score_points(predicted, REFERENCE, VISIBLE, SCALE)
    assert raw["raw_mre"][0, 0] == np.inf and raw["raw_sdr4"][0, 0] == 0


@pytest.mark.parametrize(
    "change, told",
    [
        ({"scale": np.array([[0.4, 0.4], [0.0, 0.1]])}, "positive mm per pixel"),
        ({"visible": np.ones((2, 2))}, "no reference"),
        ({"predicted": PREDICTED[:, :1]}, "points are"),
    ],
)
def test_what_cannot_be_measured_is_an_error(change, told):
    given = {"predicted": PREDICTED, "reference": REFERENCE, "visible": VISIBLE, "scale": SCALE}
    with pytest.raises(ValueError, match=told):
        radial_errors(**given | change)
