"""Means, spreads and intervals against numbers worked out by hand."""

import math

import numpy as np
import pytest

from mos.report import statistics

INF, NAN = math.inf, math.nan


def test_mean_sd_and_standard_error_of_a_textbook_sample():
    values = [2, 4, 4, 4, 5, 5, 7, 9]
    assert statistics.mean(values) == 5
    assert statistics.sd(values) == pytest.approx(math.sqrt(32 / 7))
    assert statistics.standard_error(values) == pytest.approx(math.sqrt(32 / 7 / 8))


def test_a_missed_case_is_left_out_and_counted():
    about = statistics.describe([1.0, 3.0, INF, NAN], ["a", "b", "c", "d"])
    assert (about.count, about.infinite, about.undefined, about.left_out) == (2, 1, 1, 2)
    assert about.mean == 2


def test_one_value_has_a_mean_but_no_spread_and_none_has_neither():
    one = statistics.describe([0.5], ["a"])
    assert one.mean == 0.5 and math.isnan(one.sd) and math.isnan(one.low)
    assert math.isnan(statistics.describe([], []).mean)


def test_the_interval_is_near_the_one_of_the_normal_law():
    # 101 patients at 0, 0.01 ... 1: sd 0.293, standard error 0.02915, 1.96 of it 0.0571.
    values = [i / 100 for i in range(101)]
    low, high = statistics.bootstrap_interval(values, [str(i) for i in range(101)])
    assert low == pytest.approx(0.5 - 0.0571, abs=0.004)
    assert high == pytest.approx(0.5 + 0.0571, abs=0.004)


def test_the_interval_does_not_depend_on_the_order_of_cases():
    values, patients = [0.1, 0.9, 0.4, 0.6], ["a", "b", "c", "d"]
    forward = statistics.bootstrap_interval(values, patients)
    assert forward == statistics.bootstrap_interval(values[::-1], patients[::-1])


def test_repeating_every_case_of_a_patient_does_not_narrow_the_interval():
    values, patients = [0.2, 0.5, 0.8, 0.9], ["a", "b", "c", "d"]
    once = statistics.bootstrap_interval(values, patients)
    assert statistics.bootstrap_interval(values * 10, patients * 10) == pytest.approx(once)


def test_the_interval_is_that_of_drawing_patients_one_by_one():
    values, patients = [0.1, 0.9, 0.4, 0.6, 0.3], ["b", "a", "b", "c", "c"]
    of = {"a": [0.9], "b": [0.1, 0.4], "c": [0.6, 0.3]}
    means = []
    for draw in np.random.default_rng(3).integers(3, size=(500, 3)):
        cases = [value for patient in draw for value in of["abc"[patient]]]
        means.append(sum(cases) / len(cases))
    interval = statistics.bootstrap_interval(values, patients, draws=500, seed=3)
    assert interval == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


def test_two_equal_patients_leave_no_doubt_and_one_patient_no_interval():
    assert statistics.bootstrap_interval([0.7, 0.7], ["a", "b"]) == pytest.approx((0.7, 0.7))
    assert math.isnan(statistics.bootstrap_interval([0.6, 0.7], ["a", "a"])[0])
