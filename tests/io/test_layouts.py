"""Images find their labels and their patients, and what is left over is named."""

import json

import pytest

from mos.errors import BadInput
from mos.io.layouts import find_msd, find_nnunet, find_pairs


def touch(folder, *names):
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")


def pairs(found):
    return {case.id: (case.images[0].name, case.label and case.label.name) for case in found.cases}


def test_equal_names_in_two_folders_pair(tmp_path):
    touch(tmp_path, "i/a.nii.gz", "i/b.nii.gz", "l/a.nii.gz", "l/b.mha")
    found = find_pairs([f"{tmp_path}/i/*"], f"{tmp_path}/l/*", None)
    assert pairs(found) == {"a": ("a.nii.gz", "a.nii.gz"), "b": ("b.nii.gz", "b.mha")}
    assert [case.patient for case in found.cases] == ["a", "b"]


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("{}.nii.gz", "{}_gt.nii.gz"),
        ("{}_0000.nii.gz", "{}.nii.gz"),
        ("image_{}.nii.gz", "label_{}.nii.gz"),
        ("{}/image.nii.gz", "{}/label.nii.gz"),
        ("{}/scan.mha", "masks/{}-seg.nii.gz"),
    ],
)
def test_names_that_differ_by_a_fixed_beginning_and_ending_pair(tmp_path, image, label):
    names = ["patient001_frame01", "patient001_frame12", "patient011_frame01", "patient101_frame10"]
    touch(tmp_path, *(image.format(n) for n in names), *(label.format(n) for n in names))
    found = find_pairs(
        [f"{tmp_path}/{image.format('patient*')}"],
        f"{tmp_path}/{label.format('patient*')}",
        r"(patient\d+)",
    )
    assert len(found.cases) == 4
    for case in found.cases:
        name = next(n for n in names if n in str(case.images[0]))
        assert str(case.label) == f"{tmp_path}/{label.format(name)}"
        assert case.patient == name[:10]


def test_labels_beside_the_images_are_not_taken_for_images(tmp_path):
    touch(tmp_path, "a.nii.gz", "a_gt.nii.gz", "b.nii.gz", "b_gt.nii.gz")
    found = find_pairs([f"{tmp_path}/*.nii.gz"], f"{tmp_path}/*_gt.nii.gz", None)
    assert pairs(found) == {
        "a": ("a.nii.gz", "a_gt.nii.gz"),
        "b": ("b.nii.gz", "b_gt.nii.gz"),
    }


def test_an_image_without_label_and_a_label_without_image_are_named(tmp_path):
    touch(tmp_path, "i/a.nii", "i/b.nii", "i/c.nii", "l/b.nii", "l/c.nii")
    with pytest.raises(BadInput, match=r"1 of 3 images have no partner, such as .*a\.nii"):
        find_pairs([f"{tmp_path}/i/*"], f"{tmp_path}/l/*", None)
    touch(tmp_path, "l/a.nii", "l/d.nii")
    with pytest.raises(BadInput, match=r"1 of 4 files have no image, such as .*d\.nii"):
        find_pairs([f"{tmp_path}/i/*"], f"{tmp_path}/l/*", None)


def test_a_glob_for_each_channel(tmp_path):
    touch(tmp_path, "p1_FLAIR.nii", "p1_T1.nii", "p2_FLAIR.nii", "p2_T1.nii")
    found = find_pairs([f"{tmp_path}/*_FLAIR.nii", f"{tmp_path}/*_T1.nii"], None, r"p\d")
    assert [[f.name for f in case.images] for case in found.cases] == [
        ["p1_FLAIR.nii", "p1_T1.nii"],
        ["p2_FLAIR.nii", "p2_T1.nii"],
    ]
    assert [case.patient for case in found.cases] == ["p1", "p2"]


def test_series_folders_are_cases(tmp_path):
    touch(tmp_path, "d/one/IM1", "d/two/IM1", "l/one.nii.gz", "l/two.nii.gz")
    found = find_pairs([f"{tmp_path}/d/*/"], f"{tmp_path}/l/*", None)
    assert pairs(found) == {"one": ("one", "one.nii.gz"), "two": ("two", "two.nii.gz")}


def test_a_pattern_that_finds_no_patient_is_refused(tmp_path):
    touch(tmp_path, "a.nii")
    with pytest.raises(BadInput, match="finds nothing in"):
        find_pairs([f"{tmp_path}/*.nii"], None, r"case(\d+)")
    with pytest.raises(BadInput, match="no regular expression"):
        find_pairs([f"{tmp_path}/*.nii"], None, "(")
    with pytest.raises(BadInput, match="matches no file"):
        find_pairs([f"{tmp_path}/*.mha"], None, None)


def test_a_decathlon_folder_with_and_without_its_json(tmp_path):
    touch(tmp_path, "imagesTr/h_1.nii.gz", "imagesTr/._h_1.nii.gz", "labelsTr/h_1.nii.gz")
    assert pairs(find_msd(tmp_path, None)) == {"h_1": ("h_1.nii.gz", "h_1.nii.gz")}
    entry = {"image": "./imagesTr/h_1.nii.gz", "label": "./labelsTr/h_1.nii.gz"}
    text = {"labels": {"0": "background", "1": "anterior"}, "training": [entry]}
    (tmp_path / "dataset.json").write_text(json.dumps(text))
    found = find_msd(tmp_path, None)
    assert pairs(found) == {"h_1": ("h_1.nii.gz", "h_1.nii.gz")}
    assert found.label_names == {0: "background", 1: "anterior"}
    text["training"].append({"image": "imagesTr/h_2.nii.gz", "label": "labelsTr/h_2.nii.gz"})
    (tmp_path / "dataset.json").write_text(json.dumps(text))
    with pytest.raises(BadInput, match="h_2.nii.gz: listed in"):
        find_msd(tmp_path, None)


@pytest.mark.parametrize(
    "labels", [{"0": "background", "1": "liver"}, {"background": 0, "liver": 1}]
)
def test_an_nnunet_folder_of_either_version(tmp_path, labels):
    touch(tmp_path, "imagesTr/a_b_0000.nii.gz", "imagesTr/a_b_0001.nii.gz", "labelsTr/a_b.nii.gz")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    found = find_nnunet(tmp_path, None)
    assert [f.name for f in found.cases[0].images] == ["a_b_0000.nii.gz", "a_b_0001.nii.gz"]
    assert found.cases[0].id == "a_b" and found.label_names == {0: "background", 1: "liver"}
    touch(tmp_path, "imagesTr/c_0000.nii.gz")
    with pytest.raises(BadInput, match="case c has channels"):
        find_nnunet(tmp_path, None)
