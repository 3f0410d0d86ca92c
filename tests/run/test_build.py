"""cmd/build makes the files of formats.md from images and labels, or says what stands in the way."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from mos.data.bundle import open_bundle
from mos.errors import BadInput


def load(heart, name):
    return torch.load(heart / f"cache/dataset/baseline/baseline-{name}.pt", weights_only=True)


def test_five_folds_and_all_are_written_and_open(heart, build, capsys):
    build()
    tested = []
    for name in ("heart-0", "heart-1", "heart-2", "heart-3", "heart-4", "heart-all"):
        bundle = open_bundle(heart / f"cache/dataset/baseline/baseline-{name}.pt")
        assert bundle.tensors["train3d"].shape[1:] == (2, 6, 16, 24)
        tested += [case.id for case in bundle.cases["test3d"]]
    assert len(tested) == len(set(tested)) == 8
    assert (heart / "cache/dataset/baseline/baseline-heart.png").stat().st_size > 10_000
    said = capsys.readouterr().out
    assert "8 cases of 7 patients" in said and "spacing 8,1.5,1.5 mm (median" in said
    assert "no labelled voxel was cut off" in said
    assert f"label 1 label 1: {8 * 60} voxels in 8 cases" in said


def test_files_lie_turned_to_lps_with_positions_and_box(heart, build):
    build(folds=0)
    content = load(heart, "heart-all")
    cases = json.loads(content["manifest"])["cases"]["train3d"]
    row = next(i for i, case in enumerate(cases) if case["id"] == "patient001_a")
    source = sitk.ReadImage(str(heart / "labels/patient001_a_seg.nii.gz"))
    expected = sitk.GetArrayFromImage(source)[:, ::-1, ::-1]
    box = tuple(slice(*side) for side in cases[row]["box"])
    assert np.array_equal(content["train3d"][row, -1].numpy()[box], expected)
    assert content["train3daxis"][row][box[0]].tolist() == [0, 8, 16, 24, 32]
    assert torch.isnan(content["train3daxis"][row]).sum() == 1
    assert cases[row]["patient"] == "patient001" and cases[row]["original_shape"] == [5, 16, 18]


def test_several_processes_make_the_same_file_as_one(heart, build):
    build(name="one", folds=0)
    build(name="two", folds=0, jobs=2)
    one, two = load(heart, "one-all"), load(heart, "two-all")
    assert torch.equal(one["train3d"], two["train3d"])
    assert torch.equal(one["train2d"], two["train2d"])


def test_a_crop_through_the_label_is_said_aloud(heart, build, capsys):
    build(size="3,6,6", folds=0)
    said = capsys.readouterr().out
    assert "WARNING: --size cut off" in said and "larger --size" in said
    cases = json.loads(load(heart, "heart-all")["manifest"])["cases"]["train3d"]
    assert all(case["labels_cut"] > 0 for case in cases)


def test_labels_are_renumbered_named_and_dropped(heart, build):
    build(label_map="1:3,*:0", label_names="3:ventricle", folds=0)
    content = load(heart, "heart-all")
    assert json.loads(content["manifest"])["labels"] == {"0": "background", "3": "ventricle"}
    assert content["train3d"][:, -1].unique().tolist() == [0, 3]
    with pytest.raises(BadInput, match=r"case patient.*\.nii\.gz.*id 2 is not in --label_map"):
        build(label_map="1:3", folds=0, overwrite="true")


@pytest.mark.parametrize("kind", ["aux", "zeroshot", "pseudo"])
def test_other_kinds_are_one_file(heart, build, kind):
    build(kind=kind, labels=None if kind == "pseudo" else f"{heart}/labels/*")
    bundle = open_bundle(heart / "cache/dataset/baseline/baseline-heart.pt", kind)
    assert len(next(iter(bundle.cases.values()))) == 8


def test_an_existing_file_is_kept_unless_told_otherwise(heart, build):
    build(only_fold=0)
    with pytest.raises(BadInput, match="exists already; give --overwrite"):
        build(only_fold=0)
    build(only_fold=0, overwrite="true")


def test_image_and_label_of_different_grids_are_named(heart, build):
    file = heart / "labels/patient003_a_seg.nii.gz"
    label = sitk.ReadImage(str(file))
    label.SetOrigin((0, 0, 5))
    sitk.WriteImage(label, str(file))
    with pytest.raises(BadInput, match=r"(?s)case patient003_a .*different grids.*origin.*origin"):
        build()
    assert not list((heart / "cache").rglob("*.pt"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": ""}, "give the set a name"),
        ({"images": None}, "one of --images, --msd and --nnunet; found none"),
        ({"msd": "x"}, "found --images and --msd"),
        ({"labels": None}, "needs --labels"),
        ({"size": "16,16"}, "needs d,h,w"),
        ({"spacing": "1,1"}, "needs d,h,w in mm"),
        ({"percentiles": "99,1"}, "rising numbers"),
        ({"label_map": "1=2"}, "no pair of ids"),
        ({"patient": "none"}, "finds nothing in"),
        ({"folds": 9}, "needs 0 to 5"),
        ({"orientation": "XYZ"}, "three letters"),
        ({"label_names": "9:x"}, "names id 9"),
        ({"spacnig": "1,1,1"}, "unknown option --spacnig"),
    ],
)
def test_what_cannot_be_built_says_what_to_type(build, options, words):
    with pytest.raises(BadInput, match=words):
        build(**options)


def test_a_pattern_the_shell_filled_in_is_noticed(heart):
    from run.baseline.cmd.build import main

    files = sorted(map(str, (heart / "images").iterdir()))
    with pytest.raises(BadInput, match="Quote it"):
        main(["--name", "x", "--kind", "pseudo", "--images", *files])


def test_too_few_patients_are_refused_before_reading(heart, build):
    with pytest.raises(BadInput, match="1 patients found.*five folds need at least 5"):
        build(patient="(patient)")


@pytest.mark.slow
def test_real_cardiac_volumes_lose_nothing(shared_data, tmp_path, monkeypatch, capsys):
    from run.baseline.cmd.build import main

    monkeypatch.setenv("MOS_CACHE", str(tmp_path))
    folder = shared_data / "acdc_sax"
    words = [
        "--name=acdc",
        f"--images={folder}/patient0[0-2]*_frame01.nii.gz",
        f"--labels={folder}/patient0[0-2]*_frame01_gt.nii.gz",
    ]
    main([*words, r"--patient=(patient\d+)", "--spacing=10,1.5,1.5", "--folds=0"])
    assert "no labelled voxel was cut off" in capsys.readouterr().out
    content = torch.load(tmp_path / "dataset/baseline/baseline-acdc-all.pt", weights_only=True)
    assert len(content["train3d"]) == 5 and content["train3d"][:, -1].unique().tolist() == [
        0,
        1,
        2,
        3,
    ]
