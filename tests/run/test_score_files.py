"""cmd/score: a 2x4 picture with an answer found by eye, and files that do not belong together."""

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk

from mos.errors import BadInput
from run.baseline.cmd.score import main

# L5 (1) is hit in three of four voxels, S1 (2) is missed, a disc (3) invented, 4 is in neither.
REFERENCE = [[1, 1, 0, 2], [1, 1, 0, 2]]
PREDICTION = [[1, 1, 0, 0], [1, 3, 1, 0]]


def write(path, values, spacing=(1, 1, 1), turned=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(np.array([values], np.uint8))
    image.SetSpacing(spacing)
    sitk.WriteImage(sitk.DICOMOrient(image, "RPI") if turned else image, str(path))


@pytest.fixture
def score(tmp_path):
    """Two cases, `a` as above and `b` all right, and a call of cmd/score."""
    write(tmp_path / "out" / "a.nii.gz", PREDICTION)
    write(tmp_path / "ref" / "a_seg.nii.gz", REFERENCE, turned=True)
    write(tmp_path / "out" / "b.nii.gz", REFERENCE)
    write(tmp_path / "ref" / "b_seg.nii.gz", REFERENCE)

    def call(**options):
        given = {"predictions": tmp_path / "out", "labels": f"{tmp_path}/ref/*"} | options
        main([f"--{key}={value}" for key, value in given.items()])
        return {
            name: list(csv.DictReader((tmp_path / "out" / f"{name}.csv").open()))
            for name in ("scores", "scores-cases", "scores-labels")
        }

    return call


def test_every_case_and_label_has_its_rates_and_a_label_in_neither_has_none(score):
    tables = score(label_names="1:L5,2:S1,3:disc,4:L6")
    rows = {(row["case"], row["name"]): row for row in tables["scores"]}
    hit = rows["a", "L5"]
    assert [int(hit[key]) for key in ("tp", "fp", "fn", "tn")] == [3, 1, 1, 3]
    numbers = [float(hit[key]) for key in ("dice", "iou", "recall", "fp_rate", "fn_rate")]
    assert numbers == pytest.approx([6 / 8, 3 / 5, 3 / 4, 1 / 4, 1 / 4])
    missed = [float(rows["a", "S1"][key]) for key in ("dice", "recall", "fp_rate", "fn_rate")]
    assert missed == [0, 0, 0, 1]
    invented = [float(rows["a", "disc"][key]) for key in ("dice", "iou", "recall", "fn_rate")]
    assert invented == [0, 0, 0, 1]
    assert float(rows["a", "disc"]["fp_rate"]) == pytest.approx(1 / 8)
    assert rows["a", "L6"]["dice"] == rows["a", "L6"]["tp"] == ""
    assert rows["b", "disc"]["dice"] == "", "absent in b"


def test_means_leave_out_what_is_not_scored_and_say_how_often_a_label_was_missed(score):
    tables = score(label_names="1:L5,2:S1,3:disc,4:L6")
    a, b = tables["scores-cases"]
    assert (a["case"], a["labels_scored"], b["labels_scored"]) == ("a", "3", "2")
    assert float(a["dice"]) == pytest.approx(0.25) and float(b["dice"]) == 1
    labels = {row["name"]: row for row in tables["scores-labels"]}
    assert float(labels["L5"]["dice"]) == pytest.approx((0.75 + 1) / 2)
    assert (labels["S1"]["missed"], labels["S1"]["cases_scored"]) == ("1", "2")
    assert (labels["disc"]["invented"], labels["disc"]["cases_scored"]) == ("1", "1")
    assert labels["L6"]["dice"] == "" and labels["L6"]["cases_scored"] == "0"


def test_without_names_every_id_is_scored_and_a_label_may_be_renumbered(score, tmp_path):
    ids = lambda tables: [row["label"] for row in tables["scores-labels"]]  # noqa: E731
    assert ids(score()) == ["1", "2", "3"]
    before = [row["invented"] for row in score()["scores-labels"]]
    after = [row["invented"] for row in score(label_map="1:1,2:3")["scores-labels"]]
    assert (before, after) == (["0", "0", "1"], ["0", "1", "0"]), "b's 2 is no longer in its label"


def test_names_and_renumbering_come_from_predict_json(score, tmp_path):
    run = {"labels": {"0": "background", "1": "L5", "2": "S1"}, "predicted_labels": [0, 1, 2]}
    record = {
        "runs": {"aa": run | {"label_map": {"1": 2, "2": 1}, "setting": "spine-0"}},
        "images": {name: {"weights_sha256": "aa"} for name in "ab"},
    }
    (tmp_path / "out" / "predict.json").write_text(json.dumps(record))
    rows = score()["scores-labels"]
    assert [row["name"] for row in rows] == ["L5", "S1"]
    assert float(rows[0]["dice"]) == 0, "label 1 of the files is id 2 here"
    record["runs"]["bb"] = {"labels": {"1": "knee"}, "predicted_labels": [0, 1], "label_map": {}}
    record["images"]["b"] = {"weights_sha256": "bb"}
    (tmp_path / "out" / "predict.json").write_text(json.dumps(record))
    with pytest.raises(BadInput, match="ids mean different things"):
        score()


def test_twenty_labels_are_told_apart(score, tmp_path):
    ids = np.arange(20).reshape(4, 5)
    for folder, name in (("out", "c"), ("ref", "c_seg")):
        write(tmp_path / folder / f"{name}.nii.gz", ids)
    rows = [row for row in score()["scores"] if row["case"] == "c"]
    assert [row["label"] for row in rows] == [str(n) for n in range(1, 20)]
    assert {row["dice"] for row in rows} == {"1.000000"} and {row["tn"] for row in rows} == {"19"}


def test_segmentations_are_not_scored_against_themselves(score, tmp_path):
    with pytest.raises(BadInput, match="was written by a network"):
        score(labels=f"{tmp_path}/out/*.nii.gz")


def test_a_segmentation_without_label_and_a_label_on_another_grid_are_refused(score, tmp_path):
    write(tmp_path / "ref" / "b_seg.nii.gz", REFERENCE, spacing=(2, 1, 1))
    with pytest.raises(BadInput, match="b_seg.nii.gz lie on different grids"):
        score()
    (tmp_path / "ref" / "b_seg.nii.gz").unlink()
    with pytest.raises(BadInput, match="1 of 2 images have no partner"):
        score()
    with pytest.raises(BadInput, match="--labels .*nothing.*no image file"):
        score(labels=f"{tmp_path}/nothing/*")
