"""Rankings of a few runs on a few patients, whose answers can be counted by hand."""

import numpy as np
import pytest
from scipy import stats

from mos.report import rank_methods, ranking
from mos.report.rank_methods import kendall, rank_three_ways
from mos.report.ranking import rankings
from mos.report.sheet import sheets
from mos.report.statistics import times_drawn
from tests.report.score_rows import contenders_of, rows_of

INF, NAN = np.inf, np.nan


def ranked(scores, *, patient=None, higher_is_better=True, **options):
    scores = np.array(scores, dtype=float)
    patient = np.arange(scores.shape[1]) if patient is None else np.array(patient)
    return rank_three_ways(scores, patient, higher_is_better=higher_is_better, **options)


def test_means_and_ranks_may_disagree_about_the_best():
    # One failure costs the first its mean, but on three of four patients it is ahead.
    found = ranked([[0.9, 0.9, 0.9, 0.1], [0.8, 0.8, 0.8, 0.8], [0.7, 0.7, 0.7, 0.7]])
    means, places = found["aggregate-then-rank"], found["rank-then-aggregate"]
    assert means.scores == pytest.approx((0.7, 0.8, 0.7)) and means.ranks == (2, 1, 2)
    assert places.scores == pytest.approx((1.5, 1.75, 2.75)) and places.ranks == (1, 2, 3)


def test_of_distances_the_one_with_fewest_missed_is_first_and_equal_ones_share_a_rank():
    found = ranked(
        [[1, 1, INF], [5, 5, 5], [2, 2, INF], [5, 5, 5]], higher_is_better=False, draws=50
    )
    method = found["aggregate-then-rank"]
    assert method.ranks == (3, 1, 4, 1) and method.scores == (1, 5, 2, 5)
    # Patients 1 and 2: ranks 1, 3.5, 2, 3.5; patient 3: 3.5, 1.5, 3.5, 1.5.
    assert found["rank-then-aggregate"].scores == pytest.approx(
        (5.5 / 3, 8.5 / 3, 7.5 / 3, 8.5 / 3)
    )


def test_finding_nothing_where_there_is_nothing_has_the_best_rank():
    found = ranked([[NAN, 0.7], [0.0, 0.8]], draws=20)
    assert found["rank-then-aggregate"].scores == (1.5, 1.5)


def test_several_cases_of_a_patient_are_one_rank_and_many_values_of_a_mean():
    found = ranked([[0.9, 0.9, 0.9, 0.1], [0.8, 0.8, 0.8, 0.8]], patient=[0, 0, 0, 1], draws=20)
    assert found["rank-then-aggregate"].scores == (1.5, 1.5)
    assert found["aggregate-then-rank"].scores == pytest.approx((0.7, 0.8))


def test_a_contender_is_ranked_by_how_many_others_it_beats_significantly():
    base = np.linspace(0.5, 0.7, 12)
    jitter = np.linspace(0, 0.01, 12)
    small = 0.002 * np.resize([1, -1.01], 12) * np.arange(1, 13)
    found = ranked([base + 0.1 + jitter, base + small, base, base - 0.1 - jitter])["test-based"]
    # The middle two cannot be told apart, both beat the last and are beaten by the first.
    assert found.scores == pytest.approx((1, 1 / 3, 1 / 3, 0)) and found.ranks == (1, 2, 2, 4)


def test_the_test_of_drawn_patients_is_scipy_s_of_patients_written_out_as_often():
    rng = np.random.default_rng(4)
    delta = rng.integers(-4, 7, 60).astype(float)
    times = times_drawn(60, 5, 1)
    p, ahead = rank_methods._drawn_tests(delta, times)
    for row, one_p, one_ahead in zip(times.astype(int), p, ahead):
        written_out = np.repeat(delta, row)
        expected = stats.wilcoxon(written_out, method="asymptotic")
        assert one_p == pytest.approx(expected.pvalue)
        greater = stats.wilcoxon(written_out, method="asymptotic", alternative="greater")
        number = (written_out != 0).sum()
        assert one_ahead == pytest.approx(greater.statistic - number * (number + 1) / 4)


def test_shares_of_ranks_are_those_of_patients_drawn_one_by_one():
    scores = np.array([[0.9, 0.2, 0.6, 0.7], [0.5, 0.8, 0.55, 0.5]])
    found = ranked(scores, draws=300)
    firsts = places = 0
    for row in times_drawn(4, 300, 0).astype(int):
        mine = np.repeat(scores, row, axis=1)
        firsts += mine[0].mean() > mine[1].mean() - 1e-12
        places += (mine[0] > mine[1]).mean() >= 0.5
    assert found["aggregate-then-rank"].shares[0][0] == firsts / 300
    assert found["rank-then-aggregate"].shares[0][0] == places / 300
    assert 0 < firsts < 300 and sum(found["aggregate-then-rank"].shares[0]) == 1


def test_an_order_that_every_patient_agrees_on_is_stable():
    found = ranked([[0.9, 0.8, 0.95], [0.7, 0.6, 0.75], [0.5, 0.4, 0.55]])
    for name in ("aggregate-then-rank", "rank-then-aggregate"):
        method = found[name]
        assert method.shares == ((1, 0, 0), (0, 1, 0), (0, 0, 1))
        assert (method.low, method.high, method.median) == ((1, 2, 3),) * 3
        assert (method.tau, method.tau_low, method.tau_high) == pytest.approx((1, 1, 1))
    # Three patients prove nothing: no one is beaten, all share the first rank, and tau has no value.
    assert found["test-based"].ranks == (1, 1, 1)


def test_kendall_s_tau_is_scipy_s_with_and_without_ties():
    rng = np.random.default_rng(0)
    ranks, others = rng.integers(1, 5, 8), rng.integers(1, 6, (20, 8))
    expected = [stats.kendalltau(ranks, row).statistic for row in others]
    assert kendall(ranks, others) == pytest.approx(expected)
    assert np.isnan(kendall(ranks, np.ones((1, 8), int))).all()


def tree(runs, **options):
    rows = rows_of(runs, **options)
    return rankings(sheets(rows, contenders_of(rows)))


def test_runs_with_other_cases_than_most_are_not_ranked():
    runs = {name: dict(a=0.5, b=value, c=0.6) for name, value in (("p", 0.6), ("q", 0.7))}
    (found,) = tree(runs | {"r": dict(a=0.99)})
    assert (found.contenders, found.left_out) == (("q", "p"), ("r",))
    assert (found.cases, found.patients, found.critical_difference) == (3, 3, None)


def test_of_too_many_runs_the_best_are_ranked(monkeypatch):
    monkeypatch.setattr(ranking, "LIMIT", 3)
    (found,) = tree({f"run{i}": dict(a=0.5 + i / 10, b=0.4 + i / 100) for i in range(5)})
    assert found.contenders == ("run4", "run3", "run2") and found.left_out == ("run0", "run1")
    assert found.critical_difference.contenders == found.contenders


def test_one_run_or_one_patient_is_no_ranking():
    assert tree({"one": dict(a=0.5, b=0.6)}) == []
    assert tree({"one": dict(a1=0.5, a2=0.6), "two": dict(a1=0.5, a2=0.6)}) == []
