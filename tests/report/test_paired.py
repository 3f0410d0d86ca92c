"""Tests of differences against R's examples, scipy and counts made by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from mos.report.paired import holm, midranks, signed_rank_tests, t_tests

INF, NAN = math.inf, math.nan
# R, ?sleep: extra hours of sleep of ten patients with two drugs (Student 1908).
DRUG_1 = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
DRUG_2 = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
# R, ?wilcox.test: depression scale at two visits (Hollander & Wolfe 1973, 29f).
FIRST_VISIT = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
SECOND_VISIT = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])


def test_the_paired_t_test_of_r_s_sleep_data():
    found = t_tests((DRUG_1 - DRUG_2)[None])
    assert found.t[0] == pytest.approx(-4.0621, abs=5e-5)
    assert found.p[0] == pytest.approx(0.002833, abs=5e-7)
    assert found.dz[0] == pytest.approx(-1.58 / np.std(DRUG_1 - DRUG_2, ddof=1))


def test_the_t_test_is_scipy_s_for_every_row_whatever_is_missing():
    rng = np.random.default_rng(0)
    differences = rng.normal(0.1, 1, (20, 30))
    differences[rng.random((20, 30)) < 0.2] = NAN
    found = t_tests(differences)
    for row, t, p in zip(differences, found.t, found.p):
        expected = stats.ttest_1samp(row[~np.isnan(row)], 0)
        assert (t, p) == pytest.approx((expected.statistic, expected.pvalue))


def test_a_t_test_of_equal_differences_is_certain_of_zeros_it_is_not_and_one_is_no_test():
    found = t_tests(np.array([[0.1, 0.1, 0.1 + 1e-15], [0, 0, 0], [0.3, NAN, NAN]]))
    assert found.t.tolist()[:2] == [INF, 0] and found.p.tolist()[:2] == [0, 1]
    assert found.dz.tolist()[:2] == [INF, 0]
    assert math.isnan(found.t[2]) and math.isnan(found.p[2]) and found.count[2] == 1


def test_the_signed_rank_test_of_r_s_depression_data():
    found = signed_rank_tests((FIRST_VISIT - SECOND_VISIT)[None])
    assert (found.plus[0], found.minus[0]) == (40, 5)  # R: V = 40
    assert found.p[0] == pytest.approx(0.0390625)  # R: p = 0.01953 one-sided
    assert found.rank_biserial[0] == pytest.approx(35 / 45)
    assert (found.positive[0], found.negative[0]) == (7, 2)


def test_tied_differences_have_the_p_value_that_counting_all_signs_gives():
    row = np.array([1, 1, 1, -1, 2, 2, 3, -3, 0])
    ranks = [2.5, 2.5, 2.5, 2.5, 5.5, 5.5, 7.5, 7.5]
    sums = [
        sum(rank for rank, sign in zip(ranks, signs) if sign)
        for signs in itertools.product((0, 1), repeat=8)
    ]
    plus = 36 - 2.5 - 7.5
    expected = 2 * sum(total >= plus for total in sums) / 256
    found = signed_rank_tests(row[None])
    assert (found.plus[0], found.minus[0]) == (plus, 10)
    assert found.p[0] == pytest.approx(expected)
    exact = stats.wilcoxon(row[row != 0], method=stats.PermutationMethod(n_resamples=INF))
    assert found.p[0] == pytest.approx(exact.pvalue)


@pytest.mark.parametrize("count", [5, 20, 50, 51, 200])
def test_the_signed_rank_test_is_scipy_s(count):
    rows = np.random.default_rng(count).normal(0.2, 1, (8, count))
    found = signed_rank_tests(rows)
    method = "exact" if count <= 50 else "asymptotic"
    expected = stats.wilcoxon(rows, axis=1, method=method)
    assert found.p == pytest.approx(expected.pvalue)
    assert np.minimum(found.plus, found.minus) == pytest.approx(expected.statistic)


def test_many_tied_differences_and_zeros_have_scipy_s_p_value():
    rows = np.random.default_rng(1).integers(-3, 5, (6, 150)).astype(float)
    expected = stats.wilcoxon(rows, axis=1, method="asymptotic")
    assert signed_rank_tests(rows).p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("count", [8, 80])
def test_an_infinite_difference_has_the_largest_rank_and_two_share_theirs(count):
    row = np.arange(1.0, count + 1) / count
    far = row.copy()
    far[-1], far[-2] = INF, -INF
    close = row.copy()
    close[-1], close[-2] = 9, -9
    infinite, large = signed_rank_tests(far[None]), signed_rank_tests(close[None])
    assert infinite.minus[0] == large.minus[0] == count - 0.5
    assert infinite.p[0] == large.p[0] and 0 < infinite.p[0] < 1


def test_rounding_errors_are_neither_differences_nor_untie_them():
    noisy = signed_rank_tests(np.array([[0.3 - 0.1, 0.2, -0.2, 0.1 + 0.2 - 0.3]]))
    plain = signed_rank_tests(np.array([[0.2, 0.2, -0.2, 0]]))
    assert noisy.p[0] == plain.p[0] and noisy.positive[0] == 2


def test_no_difference_is_no_evidence_and_no_value_no_test():
    found = signed_rank_tests(np.array([[0.0, 0, 0], [NAN, 0, NAN], [NAN] * 3]))
    assert found.p[:2].tolist() == [1, 1] and math.isnan(found.p[2])
    assert found.rank_biserial.tolist() == [0, 0, 0]


def test_holm_by_hand():
    # 0.005 * 4, 0.01 * 3, 0.03 * 2, 0.04 * 1 raised to the one before: R's p.adjust says the same.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_counts_only_tests_that_were_made_and_stops_at_one():
    found = holm(np.array([[0.02, NAN, 0.6], [0.9, 0.8, 0.7]]))
    assert found[0, [0, 2]] == pytest.approx([0.04, 0.6]) and math.isnan(found[0, 1])
    assert found[1].tolist() == [1, 1, 1]


def test_midranks_are_scipy_s_infinities_included():
    values = np.array([[3, 1, 3, INF, 2, INF], [5, 5, 5, 5, 5, 5], [0, 6, 5, 4, 3, 1]], float)
    ranks, ties = midranks(values)
    assert ranks.tolist() == stats.rankdata(values, axis=1).tolist()
    assert ties[0].tolist() == [2, 1, 2, 2, 1, 2] and (ties[1] == 6).all()
