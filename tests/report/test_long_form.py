"""The CSV and Parquet files: every row, every column explained, the same numbers in both."""

import json

import pandas as pd
import pyarrow.parquet
import pytest
from tests.report.made_up_runs import build_tree, write_run

from run.baseline.cmd import summary


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = build_tree(tmp_path_factory.mktemp("checkpoint"))
    summary.main(["--checkpoint_folder", str(root)])
    return root / "summary"


def test_csv_and_parquet_hold_the_same(written):
    for name in ("cases", "epochs"):
        csv = pd.read_csv(written / f"{name}.csv", dtype={"fold": str})
        parquet = pd.read_parquet(written / f"{name}.parquet")
        assert list(csv.columns) == list(parquet.columns) and len(csv) > 0
        for key in ("run", "fold", "dice", "stage", "epoch"):
            pd.testing.assert_series_equal(csv[key], parquet[key], check_exact=True)


def test_infinite_and_missing_are_told_apart(written):
    cases = pd.read_csv(written / "cases.csv")
    missed, absent = (cases[cases["state"] == state] for state in ("missed", "absent"))
    assert (missed["hd"] == float("inf")).all() and (missed["dice"] == 0).all() and len(missed)
    assert absent["dice"].isna().all() and len(absent)
    parquet = pyarrow.parquet.read_table(written / "cases.parquet")
    assert parquet["dice"].null_count == len(absent)


def test_every_epoch_of_every_run_is_there_and_one_is_shown(written):
    epochs = pd.read_parquet(written / "epochs.parquet")
    one = epochs.query("run == 'unet-2d-none' and fold == '0'")
    assert one.groupby("stage")["epoch"].apply(list).to_dict() == {
        stage: [1, 2, 3, 4, 5, 6] for stage in ("train", "valid", "test")
    }
    assert set(one.loc[one["shown"], "epoch"]) == {5}
    best = one.query("stage == 'valid'").set_index("epoch")["dice"].idxmax()
    assert best == 5


def test_every_column_is_explained(written):
    columns = pd.read_csv(written / "columns.csv")
    assert columns["meaning"].notna().all()
    known = {file: set(part["column"]) for file, part in columns.groupby("file")}
    for file in ("cases", "result", "comparisons", "ranking"):
        there = set(pd.read_csv(written / f"{file}.csv", nrows=1).columns)
        assert {
            name for name in there - known[file] if not name.startswith("share_")
        } == set(), file
    metadata = pyarrow.parquet.read_schema(written / "cases.parquet").field("hd").metadata
    assert metadata[b"unit"] == b"mm" and b"95th percentile" in metadata[b"meaning"]


def test_a_run_that_logged_nothing_and_one_without_seed_are_no_obstacle(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none")
    (folder / "metric.jsonl").unlink()
    (folder / "run.json").write_text(json.dumps({"task": "baseline"}))
    summary.main(["--checkpoint_folder", str(tmp_path)])
    assert len(pd.read_csv(tmp_path / "summary" / "cases.csv")) == 8
    assert pd.read_csv(tmp_path / "summary" / "cases.csv")["seed"].isna().all()
    assert len(pd.read_csv(tmp_path / "summary" / "epochs.csv")) == 0


def test_the_second_summary_writes_the_same_numbers(tmp_path):
    root = build_tree(tmp_path / "runs")
    names = "result.csv cases.csv epochs.csv comparisons.csv ranking.csv cases.parquet".split()
    found = []
    for arguments in ([], [], ["--use_cache", "false"]):
        summary.main(["--checkpoint_folder", str(root), *arguments])
        found.append([(root / "summary" / name).read_bytes() for name in names])
    assert found[0] == found[1] == found[2]
