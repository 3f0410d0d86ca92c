"""Comparisons of runs on small trees whose answers can be counted."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mos.report import compare as module
from mos.report.compare import compare
from mos.report.sheet import sheets
from mos.report.statistics import bootstrap_interval
from tests.report.score_rows import contenders_of, rows_of

INF = math.inf


def comparisons(rows, **options):
    contenders = contenders_of(rows, **options)
    return compare(sheets(rows, contenders), contenders)


def only(found, *, metric="dice", label=None):
    (entry,) = [one for one in found.entries if (one.metric, one.label) == (metric, label)]
    return entry


def test_cases_are_paired_by_id_whatever_their_order_and_however_many_a_run_lacks():
    rows = rows_of(
        {
            "one": {"a1": 0.9, "b1": 0.8, "c1": 0.7, "d1": 0.1},
            "two": {"e1": 0.99, "c1": 0.6, "a1": 0.8, "b1": 0.7, "f1": 0.98},
        }
    )
    entry = only(comparisons(rows))
    assert (entry.cases, entry.only_first, entry.only_second) == (3, 1, 2)
    assert entry.difference == pytest.approx(0.1) and entry.first_mean == pytest.approx(0.8)
    assert (entry.first, entry.second, entry.favours) == ("one", "two", "one")
    assert (entry.first_better, entry.second_better, entry.rank_biserial) == (3, 0, 1)
    assert entry.p == 0.25  # three signs: 2 / 2^3


def test_the_numbers_are_scipy_s_and_those_of_the_interval_of_a_mean():
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.8, 0.1, 30), rng.normal(0.78, 0.1, 30)
    cases = [f"case {i:02d}" for i in range(30)]
    patients = {case: case for case in cases}
    rows = rows_of(
        {"one": dict(zip(cases, first)), "two": dict(zip(cases, second))}, patients=patients
    )
    entry = only(comparisons(rows))
    t, wilcoxon = stats.ttest_rel(first, second), stats.wilcoxon(first, second)
    assert (entry.t, entry.t_p) == pytest.approx((t.statistic, t.pvalue))
    assert (entry.wilcoxon, entry.p) == pytest.approx((wilcoxon.statistic, wilcoxon.pvalue))
    assert (entry.low, entry.high) == pytest.approx(bootstrap_interval(first - second, cases))


def test_several_cases_of_a_patient_are_one_patient_to_the_tests():
    rows = rows_of(
        {
            "one": {"a1": 0.9, "a2": 0.9, "a3": 0.9, "b1": 0.5, "c1": 0.6},
            "two": {"a1": 0.8, "a2": 0.7, "a3": 0.6, "b1": 0.6, "c1": 0.58},
        }
    )
    entry = only(comparisons(rows))
    # By patient: a 0.2, b -0.1, c 0.02; by case 0.1 0.2 0.3 -0.1 0.02.
    expected = stats.ttest_1samp([0.2, -0.1, 0.02], 0)
    assert (entry.cases, entry.patients, entry.rank_patients) == (5, 3, 3)
    assert (entry.t, entry.t_p) == pytest.approx((expected.statistic, expected.pvalue))
    assert (entry.difference, entry.wilcoxon) == pytest.approx((0.52 / 5, 2))
    assert entry.dz == pytest.approx(np.mean([0.2, -0.1, 0.02]) / np.std([0.2, -0.1, 0.02], ddof=1))
    interval = bootstrap_interval([0.1, 0.2, 0.3, -0.1, 0.02], ["a", "a", "a", "b", "c"])
    assert (entry.low, entry.high) == pytest.approx(interval)


def test_a_missed_structure_is_left_out_of_the_mean_but_worst_in_ranks():
    rows = rows_of(
        {
            "one": {"a": 2.0, "b": 3.0, "c": "missed", "d": "missed"},
            "two": {"a": 2.5, "b": 3.7, "c": 9.0, "d": "missed"},
        },
        key="hd",
    )
    entry = only(comparisons(rows), metric="hd")
    assert (entry.cases, entry.infinite, entry.difference) == (2, 2, pytest.approx(-0.6))
    # Ranks: a 0.5 and b 0.7 for one, c infinitely for two, d a tie.
    assert (entry.first_better, entry.second_better, entry.rank_patients) == (2, 1, 4)
    assert entry.wilcoxon == 3 and entry.rank_biserial == 0 and entry.favours == ""


def test_finding_nothing_where_there_is_nothing_beats_inventing_something():
    rows = rows_of(
        {
            "one": {"a": "absent", "b": "absent", "c": 0.7},
            "two": {"a": "invented", "b": "absent", "c": 0.7},
        }
    )
    entry = only(comparisons(rows))
    assert (entry.cases, entry.undefined, entry.difference) == (1, 2, 0)
    assert (entry.first_better, entry.second_better, entry.favours) == (1, 0, "one")


def test_an_unknown_score_is_no_verdict():
    rows = rows_of(
        {"one": {"a": "unknown", "b": 0.8, "c": 0.7}, "two": {"a": 0.1, "b": 0.9, "c": 0.9}}
    )
    entry = only(comparisons(rows))
    assert (entry.cases, entry.rank_patients, entry.only_second) == (2, 2, 1)


def test_only_labels_that_both_were_scored_on_count():
    rows = rows_of(
        {
            "one": {"a": {1: 0.9, 2: 0.1}, "b": {1: 0.8, 2: 0.1}},
            "two": {"a": {1: 0.8}, "b": {1: 0.7}},
        }
    )
    entry = only(comparisons(rows))
    assert entry.first_mean == pytest.approx(0.85) and entry.difference == pytest.approx(0.1)


def test_holm_counts_all_pairs_of_a_metric_and_for_labels_all_labels_too():
    rng = np.random.default_rng(2)
    scores = {
        run: {f"{c}": {1: float(rng.random()), 2: float(rng.random())} for c in "abcdefgh"}
        for run in ("one", "two", "three")
    }
    found = comparisons(rows_of(scores)).entries
    for label, family in ((None, 3), (1, 6)):
        mine = [one for one in found if (one.label is None) == (label is None)]
        assert {one.family for one in mine} == {family} and len(mine) == family
        smallest = min(mine, key=lambda one: one.p)
        assert smallest.p_holm == pytest.approx(min(1, smallest.p * family))
        smallest = min(mine, key=lambda one: one.t_p)
        assert smallest.t_p_holm == pytest.approx(min(1, smallest.t_p * family))


def test_a_comparison_is_found_from_both_sides():
    found = comparisons(rows_of({"one": dict(a=2.0, b=3.0), "two": dict(a=3.0, b=3.5)}, key="msd"))
    there = found.between("heart", "test", None, "msd", "one", "two")
    back = found.between("heart", "test", None, "msd", "two", "one")
    assert there.difference == -back.difference == -0.75 and there.favours == back.favours == "one"
    assert (there.first_better, back.second_better) == (2, 2) and back.rank_biserial == 1
    assert (back.low, back.high) == (-there.high, -there.low) and back.turned() == there
    assert found.between("heart", "test", 1, "dice", "one", "two") is None


def test_runs_that_do_not_differ_from_the_best_are_named():
    cases = [f"p{i}" for i in range(12)]
    of = {case: case for case in cases}
    base = np.linspace(0.6, 0.9, 12)
    rows = rows_of(
        {
            "best": dict(zip(cases, base + 0.05)),
            "close": dict(zip(cases, base + 0.05 * np.resize([3, -1.05], 12))),
            "worse": dict(zip(cases, base - np.linspace(0.01, 0.02, 12))),
        },
        patients=of,
    )
    found = comparisons(rows)
    same = found.same_as("heart", "test", None, "dice", "best", ["best", "close", "worse", "else"])
    assert same == {"close"}


def test_seeds_of_one_training_count_with_their_mean_and_are_not_compared_with_each_other():
    rows = rows_of(
        {
            "one": dict(a=0.8, b=0.6),
            "one[seed1]": dict(a=0.9, b=0.8),
            "two": dict(a=0.5, b=0.5),
        }
    )
    found = comparisons(rows, teams={"one": ["one", "one[seed1]"]})
    entry = only(found)
    assert entry.first_mean == pytest.approx((0.85 + 0.7) / 2)
    assert found.between("heart", "test", None, "dice", "one[seed1]", "two") == entry
    assert found.between("heart", "test", None, "dice", "one[seed1]", "one") is None
    assert found.same_as("heart", "test", None, "dice", "one", ["one[seed1]"]) == {"one[seed1]"}


def test_a_case_that_several_folds_scored_counts_once_with_their_mean():
    scores = {"one": dict(a=0.8, b=0.6), "two": dict(a=0.5, b=0.5)}
    other = {"one": dict(a=0.6, b=0.6), "two": dict(a=0.5, b=0.3)}
    rows = pd.concat(
        [
            rows_of(scores, stage="zeroshot mnms"),
            rows_of(other, stage="zeroshot mnms", fold="1"),
        ]
    )
    entry = only(comparisons(rows))
    assert entry.stage == "zeroshot mnms" and entry.cases == 2
    assert (entry.first_mean, entry.second_mean) == pytest.approx((0.65, 0.45))


def test_a_large_family_is_compared_with_the_best_alone_and_that_is_said(monkeypatch):
    monkeypatch.setattr(module, "LIMIT", 3)
    runs = {f"run{i}": dict(a=0.5 + i / 100, b=0.4 + i / 100, c=0.3) for i in range(4)}
    found = comparisons(rows_of(runs))
    mine = [one for one in found.entries if one.label is None]
    assert {one.first for one in mine} == {"run3"} and len(mine) == 3 == mine[0].family
    assert "4 runs are too many to compare every pair" in found.notices[-1].text


def test_patients_too_few_for_any_verdict_are_told():
    runs = {
        run: {case: base + place / 50 for place, case in enumerate("abcdef")}
        for run, base in (("one", 0.5), ("two", 0.6))
    }
    # 6 patients: 2 / 2^6 = 0.031. 5 patients, or 6 and three pairs, cannot get below 0.05.
    assert comparisons(rows_of(runs)).notices == ()
    fewer = {run: {case: of[case] for case in "abcde"} for run, of in runs.items()}
    (notice,) = comparisons(rows_of(fewer)).notices
    assert notice.text == (
        "test: with 5 patients and 1 pair no difference can be significant: the smallest p of "
        "Wilcoxon's test, corrected, is 0.062"
    )
    (notice,) = comparisons(rows_of(runs | {"three": runs["one"]})).notices
    assert notice.text.startswith(
        "test: with 6 patients and 3 pairs no difference can be significant"
    )


def test_runs_without_a_shared_case_are_not_compared():
    assert comparisons(rows_of({"one": dict(a=0.8), "two": dict(b=0.5)})).entries == ()
    assert comparisons(rows_of({"one": dict(a=0.8)})).entries == ()


@pytest.mark.parametrize("key", ["dice", "hd"])
def test_every_number_of_a_messy_tree_is_that_of_a_plain_loop(key):
    rng = np.random.default_rng(7)
    scores = {}
    for run in ("one", "two", "three", "four"):
        scores[run] = {}
        for case in (f"{patient}{i}" for patient in "abcdefghij" for i in range(2)):
            if rng.random() < 0.1:
                continue  # a case the run lacks
            scores[run][case] = {
                label: (
                    str(rng.choice(["missed", "unknown", "absent"]))
                    if rng.random() < 0.1
                    else float(np.round(rng.random(), 2))
                )
                for label in (1, 2, 3)
                if rng.random() < 0.97
            }
    found = comparisons(rows_of(scores, key=key))
    sign = {"dice": 1, "hd": -1}[key]
    value = {"missed": {"dice": 0.0, "hd": INF}[key], "absent": math.nan}
    for one, two in itertools.combinations(scores, 2):
        delta, better, undefined, infinite = {}, {}, 0, 0
        utilities = {}
        for case in sorted(set(scores[one]) & set(scores[two])):
            means = []
            labels = [
                label
                for label in (1, 2, 3)
                if all(scores[run][case].get(label, "unknown") != "unknown" for run in (one, two))
            ]
            for run in (one, two):
                cells = [scores[run][case][label] for label in labels]
                cells = [value.get(cell, cell) for cell in cells]
                cells = [cell for cell in cells if not math.isnan(cell)]
                means.append(sum(cells) / len(cells) if cells else math.nan)
            if not labels:
                continue
            utilities.setdefault(case[0], []).append(means)
            if any(map(math.isnan, means)):
                undefined += 1
            elif any(map(math.isinf, means)):
                infinite += 1
            else:
                delta.setdefault(case[0], []).append(means[0] - means[1])
        ranked = []
        for of in utilities.values():
            both = []
            for side in zip(*of):
                side = [mean for mean in side if not math.isnan(mean)]
                both.append(sign * sum(side) / len(side) if side else INF)
            ranked.append(0.0 if both[0] == both[1] else sign * (both[0] - both[1]))
        entry = found.between("heart", "test", None, key, one, two)
        every = [one for of in delta.values() for one in of]
        assert (entry.cases, entry.patients) == (len(every), len(delta))
        assert (entry.undefined, entry.infinite) == (undefined, infinite)
        assert entry.difference == pytest.approx(np.mean(every))
        t = stats.ttest_1samp([np.mean(of) for of in delta.values()], 0)
        assert (entry.t, entry.t_p) == pytest.approx((t.statistic, t.pvalue))
        ranks = np.array([r for r in np.round(ranked, 10) if r])
        size = stats.rankdata(np.abs(ranks))
        plus, minus = size[ranks > 0].sum(), size[ranks < 0].sum()
        assert entry.wilcoxon == min(plus, minus) and entry.rank_patients == len(ranked)
        assert entry.rank_biserial == pytest.approx((plus - minus) / (plus + minus))
        exact = [sum(of) for of in itertools.product(*((0, r) for r in size))]
        expected = 2 * np.mean(np.array(exact) <= min(plus, minus) + 1e-9)
        assert entry.p == pytest.approx(min(1, expected))
        owners = [name for name, of in sorted(delta.items()) for _ in of]
        sorted_values = [one for _, of in sorted(delta.items()) for one in of]
        interval = bootstrap_interval(sorted_values, owners)
        assert (entry.low, entry.high) == pytest.approx(interval)
