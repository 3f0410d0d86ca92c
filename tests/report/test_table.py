"""The numbers in the tables, worked out by hand from the made-up runs."""

import math

import pytest

from mos.report import export, table
from mos.report.collect import collect
from mos.report.data import plain
from mos.report.run_record import parse_run_name
from tests.report.made_up_runs import FOLDS, write_metrics, write_run

PRETRAIN = "unet[s]-3d-acdc,mnms[pretrain]"


@pytest.fixture(scope="module")
def collection(tree):
    return collect(tree, "baseline")


def by_run(lines, **where):
    wanted = [l for l in lines if all(getattr(l, k) == v for k, v in where.items())]
    assert len({line.run for line in wanted}) == len(wanted)
    return {line.run: line for line in wanted}


def test_folds_are_pooled_by_case(collection):
    line = by_run(table.overview(collection))["unet-2d-none"]
    assert (line.cases, line.patients, line.folds) == (8, 6, ("0", "1"))
    # Label 1 falls from 0.80 by 0.02 a case, label 2 is 0.1 lower; a2 misses label 2, b1 has none.
    fold_0 = [0.75, (0.78 + 0) / 2, 0.76, 0.69]
    fold_1 = [0.75, 0.73, 0.71, 0.69]
    assert line.metrics["dice"].mean == pytest.approx(sum(fold_0 + fold_1) / 8)


def test_missed_and_invented_are_counted_of_those_that_could_be(collection):
    lines = by_run(table.overview(collection))
    missing, inventing = lines["unet-2d-none"], lines[PRETRAIN]
    assert (missing.missed, missing.in_reference, missing.invented) == (1, 15, 0)
    assert (inventing.invented, inventing.not_in_reference, inventing.missed) == (1, 2, 0)


def test_a_distance_leaves_infinite_cases_out_and_says_how_many(collection):
    hd = by_run(table.overview(collection))["unet-2d-none"].metrics["hd"]
    assert (hd.count, hd.infinite, hd.undefined) == (7, 1, 0)
    assert math.isfinite(hd.mean)


def test_leaving_out_the_missed_ones_does_not_make_a_distance_best(collection):
    lines = by_run(table.overview(collection))
    assert lines[PRETRAIN].metrics["hd"].mean < lines["resunet-2d-none"].metrics["hd"].mean
    assert "hd" in lines["resunet-2d-none"].best and "hd" not in lines[PRETRAIN].best
    assert "dice" in lines[PRETRAIN].best


def test_a_run_on_other_cases_is_not_compared(collection):
    line = by_run(table.overview(collection))["resunet-3d-none"]
    assert not line.comparable and not line.best


def test_a_fold_without_scores_keeps_its_row(collection):
    lines = by_run(table.per_fold(collection), fold="1")
    assert set(lines) == {"resunet-2d-none", "resunet-3d-none", "unet-2d-none", PRETRAIN}
    assert lines["resunet-3d-none"].cases == 0


def test_a_label_in_neither_is_left_out_of_its_mean(collection):
    line = by_run(table.per_label(collection), label=2)["resunet-2d-none"]
    assert line.metrics["dice"].undefined == 1 and line.metrics["dice"].count == 7
    assert line.metrics["dice"].mean == pytest.approx(
        (0.70 + 0.68 + 0.64 + 0.7 + 0.68 + 0.66 + 0.64) / 7
    )


def test_a_zero_shot_case_scored_by_two_folds_counts_once_with_its_mean(tmp_path):
    for fold, base in (("0", 0.6), ("1", 0.8)):
        folder = write_run(tmp_path, "unet-2d-none", setting=f"demo-{fold}")
        special = {("z", 2): "absent"}
        write_metrics(folder / "epoch-0005" / "zeroshot-metrics.pt", {"z": "z"}, [base], special)
    (line,) = [l for l in table.overview(collect(tmp_path, "baseline")) if l.stage == "zeroshot"]
    assert line.cases == 1 and line.metrics["dice"].mean == pytest.approx(0.7)


def test_folds_stand_together_because_their_runs_are_compared(collection):
    lines = table.per_fold(collection)
    assert [line.fold for line in lines] == ["0"] * 4 + ["1"] * 4
    assert [line.run for line in lines[:2]] == ["resunet-2d-none", "resunet-3d-none"]


def test_nothing_is_best_where_all_are_equal(tmp_path):
    for name in ("unet-2d-none", "unet-3d-none"):
        write_run(tmp_path, name, parts=dict(parse_run_name(name)))
    for line in table.overview(collect(tmp_path, "baseline")):
        assert line.comparable and not line.best


def test_a_run_that_missed_everything_leaves_the_best_distance_to_the_other(tmp_path):
    all_missed = {(case, label): "missed" for case in FOLDS["0"] for label in (1, 2)}
    write_run(tmp_path, "unet-2d-none", special=all_missed)
    write_run(tmp_path, "unet-3d-none")
    lines = by_run(table.overview(collect(tmp_path, "baseline")))
    assert lines["unet-2d-none"].metrics["hd"].count == 0 and not lines["unet-2d-none"].best
    assert {"hd", "msd", "dice"} <= lines["unet-3d-none"].best


def test_rows_stand_by_network_then_2d_before_3d_then_without_auxiliary_data_first(tmp_path):
    wanted = ["unet-2d-none", "unet-2d-acdc", "unet-3d-none", "unet[s]-2d-none", "xnet-2d-none"]
    for name in reversed(wanted):
        write_run(tmp_path, name, parts=dict(parse_run_name(name)))
    collection = collect(tmp_path, "baseline")
    assert [line.run for line in table.overview(collection)] == wanted
    assert [line.run for line in table.per_fold(collection)] == wanted
    lines = table.per_label(collection)
    assert [line.run for line in lines] == wanted * 2
    assert [line.label for line in lines] == [1] * 5 + [2] * 5


def test_the_terminal_table_marks_the_best_and_the_left_out(collection):
    text = export.overview_text(table.overview(collection))
    (row,) = [line for line in text.splitlines() if line.startswith("unet[s]")]
    assert "0.776 ± 0.134*" in row and "(-1)" in row


def test_data_for_json_has_no_nan():
    line = table.Line(
        **dict.fromkeys(["dataset", "stage", "run", "network"], ""),
        tag="",
        dims="",
        aux="",
        postfix="",
        folds=("0",),
        best=frozenset({"hd", "dice"}),
    )
    data = plain([line, math.nan, math.inf, {1: 0.5}])
    assert data[0]["best"] == ["dice", "hd"] and data[0]["folds"] == ["0"]
    assert data[1:] == [None, None, {"1": 0.5}]
