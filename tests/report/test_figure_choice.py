"""Cases chosen by rule from the scores of the runs."""

import pytest

from mos.errors import BadInput
from mos.report.figure_choice import choose_cases

INF = float("inf")
# means over the runs: a .9, b .7, c .5, d .3, e .6
ONE = {"a": 0.9, "b": 0.8, "c": 0.1, "d": 0.3, "e": 0.6}
TWO = {"a": 0.9, "b": 0.6, "c": 0.9, "d": 0.3, "e": 0.6}


def chosen(*rules, runs=(ONE, TWO), higher=True):
    scores = {str(number): run for number, run in enumerate(runs)}
    return [(one.case, one.rule) for one in choose_cases(scores, rules, higher)]


def test_rules_by_eye():
    assert chosen("best", "median", "worst") == [("a", "best"), ("e", "median"), ("d", "worst")]
    assert chosen("disagreement") == [("c", "largest disagreement")]
    assert chosen("worst:2") == [("d", "worst 1"), ("c", "worst 2")]
    assert chosen("median:3") == [("e", "median 1"), ("b", "median 2"), ("c", "median 3")]


def test_less_is_better_for_distances():
    assert chosen("best", "worst", higher=False) == [("d", "best"), ("a", "worst")]


def test_a_missed_structure_is_worst_and_the_largest_disagreement():
    one, two = {"a": 3.0, "b": INF, "c": INF}, {"a": 4.0, "b": 2.0, "c": INF}
    runs = (one, two)
    assert chosen("worst", runs=runs, higher=False) == [("b", "worst")]  # of equals the first by id
    assert chosen("best", runs=runs, higher=False) == [("a", "best")]
    # Both miss c alike: they do not disagree.
    assert chosen("disagreement:3", runs=runs, higher=False)[2][0] == "c"


def test_rules_choose_among_cases_that_all_runs_scored():
    runs = ({"a": 0.9, "b": 0.5}, {"b": 0.4, "c": 0.1})
    assert chosen("best", "worst", runs=runs) == [("b", "best, worst")]
    assert chosen("c", "b", runs=runs) == [("c", ""), ("b", "")]
    assert chosen("all", runs=runs) == [("a", ""), ("b", ""), ("c", "")]
    runs = ({"a": 0.9, "b": float("nan")}, {"a": 0.2, "b": 0.1})
    assert chosen("worst", runs=runs) == [("a", "worst")]


def test_a_case_named_like_a_rule_is_the_case():
    assert chosen("best", runs=({"best": 0.1, "x": 0.9},)) == [("best", "")]


@pytest.mark.parametrize("word", ["wurst", "best:0", "best:x", "zz"])
def test_a_wrong_word_is_named_with_the_cases_there_are(word):
    with pytest.raises(BadInput, match=f"--cases {word}: needs best, .* such as a, b, c"):
        chosen(word)


def test_nothing_in_common_is_said():
    with pytest.raises(BadInput, match="no scored test case in common"):
        chosen("best", runs=({"a": 1.0}, {"b": 1.0}))
