"""What comparisons, rankings and seeds look like in files and in a terminal."""

import json

import pandas as pd
import pytest

from mos.report import export_analysis
from mos.report.analysis import Analysis
from mos.report.compare import compare
from mos.report.data import plain
from mos.report.ranking import rankings
from mos.report.seed_table import seed_lines
from mos.report.sheet import sheets
from run.baseline.cmd import summary
from tests.report.made_up_runs import build_crowd
from tests.report.opened_page import whole
from tests.report.score_rows import contenders_of, rows_of

RUNS = {
    "one": {c: 0.9 - i / 50 for i, c in enumerate("abcdefgh")},
    "two": {c: 0.8 - i / 40 for i, c in enumerate("abcdefgh")},
    "three": {c: 0.7 - i / 30 for i, c in enumerate("abcdefgh")},
}


def analysis(rows, **options) -> Analysis:
    contenders = contenders_of(rows, **options)
    found = sheets(rows, contenders)
    return Analysis(
        contenders=tuple(contenders),
        comparisons=compare(found, contenders),
        rankings=tuple(rankings(found)),
        seeds=tuple(seed_lines(found)),
    )


def test_comparisons_are_rows_with_their_verdict():
    frame = export_analysis.frames(analysis(rows_of(RUNS)))["comparisons.csv"]()
    every = frame[frame["label"].isna()]
    assert list(every["first"] + every["second"]) == ["onethree", "onetwo", "threetwo"]
    assert list(every["better"]) == ["one", "one", "two"]
    # Eight patients of one mind: p is 2 / 2^8, times the three pairs.
    assert list(every["p_holm"]) == pytest.approx([6 / 256] * 3) and every["significant"].all()
    assert set(frame["label"].dropna()) == {1}


def test_a_ranking_is_a_row_per_way_and_contender_with_the_share_of_each_rank():
    frame = export_analysis.frames(analysis(rows_of(RUNS)))["ranking.csv"]()
    means = frame[frame["method"] == "aggregate-then-rank"]
    assert list(means["contender"]) == ["one", "two", "three"] and list(means["rank"]) == [1, 2, 3]
    assert list(means["share_1"]) == [1, 0, 0] and list(means["mean_rank"]) == [1, 2, 3]
    assert (means["friedman_chi2"] == 16).all()  # n (k - 1) where all agree


def test_repeated_trainings_are_rows_with_the_mean_of_each_seed():
    found = analysis(rows_of(RUNS), teams={"one": ["one", "two"]})
    frame = export_analysis.frames(found)["seeds.csv"]()
    dice = frame[frame["metric"] == "dice"].iloc[0]
    assert (dice["contender"], dice["seeds"], dice["means"]) == ("one", "0 1", "0.83 0.7125")


def test_result_json_has_what_json_knows_and_no_comparison_label_by_label():
    data = plain(export_analysis.analysis_data(analysis(rows_of(RUNS))))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert [one["label"] for one in data["comparisons"]] == [None] * 3
    assert data["rankings"][0]["methods"]["test-based"]["scores"] == [1, 0.5, 0]


def test_the_terminal_is_told_who_is_first_and_how_much_of_it_is_certain():
    text = export_analysis.analysis_text(analysis(rows_of(RUNS)))
    assert text == (
        "heart, dice: one is first of 3; 3 of 3 pairs differ significantly (Wilcoxon, Holm)"
    )


def test_a_tree_of_one_run_has_empty_files_with_their_columns():
    frames = export_analysis.frames(analysis(rows_of({"one": RUNS["one"]})))
    made = [make() for make in frames.values()]
    assert all(isinstance(f, pd.DataFrame) and not len(f) and len(f.columns) for f in made)
    assert export_analysis.analysis_text(analysis(rows_of({"one": RUNS["one"]}))) == ""


def test_a_ranking_without_order_is_not_shown_as_a_stable_one(tmp_path):
    root = build_crowd(tmp_path, {"unet": 0.8}, patients=4)
    summary.main(["--checkpoint_folder", str(root)])
    page = whole(root / "summary" / "result.html")
    assert "test-based: no run is significantly better than another" in page
    assert "<strong>test: with 4 patients and 3 pairs no difference can be significant" in page
    (table,) = (root / "summary").rglob("ranking-dice.tex")
    assert "All share rank 1, there is no order: tests." in " ".join(table.read_text().split())
