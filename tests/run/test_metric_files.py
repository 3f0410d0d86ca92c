"""Metric files completed: what they lack, what stays, and that the old file is kept once."""

import os

import numpy as np
import pytest
import torch

from mos.engine.checkpoint import load_table, save_table
from mos.engine import replace
from mos.engine.replace import backup_path, is_replaced, replace_table
from mos.errors import BadInput
from mos.metrics.segmentation import score_case
from mos.metrics.tolerance import parse_tolerances
from run.baseline.metric_files import (
    agreement,
    fill_from_counts,
    join_rows,
    merge,
    missing_cells,
    take_rows,
    with_means,
)

NEW = ("nsd", "precision", "recall", "volume_error")
TWO_MM = parse_tolerances("2", 3)


def square(label, at):
    volume = np.zeros((2, 8, 8), np.uint8)
    volume[0, at : at + 3, 2:5] = label
    return volume


def scored(*pairs, tolerance=TWO_MM):
    """A table of labels 1 and 2 for (prediction, reference) maps."""
    rows = [score_case(p, r, [1, 2], 3, (8.0, 1.0, 1.0), tolerance) for p, r in pairs]
    raw = {key: torch.from_numpy(np.stack([row[key] for row in rows])) for key in rows[0]}
    names = {"case": [f"c{i}" for i in range(len(rows))]}
    names["patient"] = [f"p{i}" for i in range(len(rows))]
    return with_means(raw | names | {"epoch_losses": torch.zeros(len(rows), dtype=torch.float64)})


def four(tolerance=TWO_MM):
    """A hit one row off, a missed, an invented and an absent structure of label 1."""
    empty = np.zeros((2, 8, 8), np.uint8)
    pairs = [(square(1, 2), square(1, 3)), (empty, square(1, 2)), (square(1, 2), empty)]
    return scored(*pairs, (empty, empty), tolerance=tolerance)


def old(table, keys=NEW):
    """The table as it was written before these metrics were."""
    gone = {name for key in keys for name in (key, f"raw_{key}", f"raw_{key}_tolerance")}
    return {name: value for name, value in table.items() if name not in gone}


def same(a, b):
    assert a.keys() == b.keys()
    for key, value in a.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(value, b[key], rtol=0, atol=0, equal_nan=True)
        else:
            assert value == b[key]


def test_an_old_file_lacks_the_new_metrics_of_structures_that_are_in_either_map():
    assert missing_cells(four(), TWO_MM) == {}
    assert missing_cells(old(four()), TWO_MM) == {key: 3 for key in NEW}


def test_without_counts_the_cells_are_those_with_a_dice():
    table = old(four())
    for name in ("tp", "fp", "fn"):
        table.pop(f"raw_{name}")
    assert missing_cells(table, TWO_MM) == {key: 3 for key in NEW}
    assert fill_from_counts(table, missing_cells(table, TWO_MM)) is None


def test_counts_alone_give_precision_recall_and_volume_error_as_scoring_did():
    whole, table = four(), old(four())
    filled = fill_from_counts(table, missing_cells(table, TWO_MM))
    same(filled, old(whole, ("nsd",)))
    assert missing_cells(filled, TWO_MM) == {"nsd": 3}
    assert fill_from_counts(filled, {"nsd": 3}) is None


def test_scoring_again_completes_a_file_and_leaves_its_old_values():
    fresh, table = four(), old(four())
    table["raw_dice"][0, 1] += 1e-4  # another device turned a voxel over
    merged = merge(table, fresh, list(missing_cells(table, TWO_MM)))
    assert merged["raw_dice"][0, 1] == table["raw_dice"][0, 1] != fresh["raw_dice"][0, 1]
    assert missing_cells(merged, TWO_MM) == {}
    assert torch.equal(merged["raw_nsd"].nan_to_num(), fresh["raw_nsd"].nan_to_num())
    assert torch.equal(merged["nsd"].nan_to_num(), fresh["nsd"].nan_to_num())


def test_nsd_at_another_tolerance_counts_as_lacking_and_is_replaced_whole():
    half = parse_tolerances("0.5", 3)
    table, fresh = four(), four(half)
    assert missing_cells(table, half) == {"nsd": 3}
    merged = merge(table, fresh, ["nsd"])
    same(merged, fresh)
    assert merged["nsd"][0] < table["nsd"][0]


def test_the_old_file_is_kept_once(tmp_path):
    path = tmp_path / "test-metrics.pt"
    save_table(path, {"first": 1})
    for number in (2, 3):
        replace_table(path, {"first": number})
    assert load_table(path) == {"first": 3} and load_table(backup_path(path)) == {"first": 1}
    assert is_replaced(path)
    assert sorted(os.listdir(tmp_path)) == ["test-metrics.pt", "test-metrics.pt.bk"]


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_kill_between_keeping_the_old_and_writing_the_new_is_no_replacement(
    tmp_path, monkeypatch, hard_links
):
    path = tmp_path / "test-metrics.pt"
    save_table(path, {"first": 1})

    def killed(*_):
        raise KeyboardInterrupt

    def refuse(*_):
        raise OSError("no hard links here")

    with monkeypatch.context() as patch:
        patch.setattr(replace, "save_table", killed)
        if not hard_links:
            patch.setattr(replace.os, "link", refuse)
        with pytest.raises(KeyboardInterrupt):
            replace_table(path, {"first": 2})
    assert backup_path(path).exists() and not is_replaced(path)
    replace_table(path, {"first": 2})
    assert is_replaced(path) and load_table(backup_path(path)) == {"first": 1}


def test_a_file_never_replaced_is_not_replaced(tmp_path):
    assert not is_replaced(tmp_path / "test-metrics.pt")


def test_a_voxel_turned_over_agrees_and_another_prediction_does_not(tmp_path):
    table = four()
    found = agreement(table, four(), tmp_path)
    assert (found.cells, found.largest, found.is_close) == (3, 0, True)
    near = four()
    near["raw_dice"][0, 1] -= 0.002
    assert agreement(table, near, tmp_path).is_close
    far = four()
    far["raw_dice"][0, 1] -= 0.2
    assert not agreement(table, far, tmp_path).is_close
    gone = four()
    gone["raw_dice"][1, 1] = torch.nan
    assert agreement(table, gone, tmp_path).largest == 1


def test_a_file_of_other_cases_is_not_completed(tmp_path):
    other = four()
    other["case"][0] = "someone else"
    with pytest.raises(BadInput, match="other cases or labels"):
        agreement(four(), other, tmp_path / "test-metrics.pt")


def test_rows_of_several_tables_stand_below_one_another_and_come_apart_again():
    a, b = four(), scored((square(2, 2), square(2, 2)))
    joined = join_rows([a | {"set": ["a"] * 4}, old(b) | {"set": ["b"]}])
    assert joined["case"] == ["c0", "c1", "c2", "c3", "c0"] and joined["set"][-1] == "b"
    assert joined["dice"][4] == 1 and joined["raw_nsd"][4].isnan().all()
    assert (int(joined["missed"]), int(joined["invented"])) == (1, 1)
    assert missing_cells(joined, TWO_MM) == {"nsd": 1, "precision": 1, "recall": 1} | {
        "volume_error": 1
    }
    apart = take_rows(joined, range(4))
    apart.pop("set")
    same(apart, a)
    assert int(take_rows(joined, [4])["missed"]) == 0
