"""cmd/build on small sets: what it makes, and what it says of input that cannot be right."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from mos.data.landmark_bundle import SPLITS, open_landmarks
from mos.data.points import to_original
from mos.errors import BadInput
from run.landmark.cmd.build import main

H, W = 40, 32


def rows(count=10):
    """File, scale and three points for each picture, as lists that a test may spoil."""
    random = np.random.default_rng(1)
    points = random.uniform(3, 28, (count, 6)).round(2)
    return [[f"p{n:02d}.png", 0.1 + 0.01 * n, *points[n]] for n in range(count)]


def write(folder, lines, header="file,scale,p1x,p1y,p2x,p2y,p3x,p3y"):
    text = "\n".join([header, *(",".join(map(str, line)) for line in lines)])
    (folder / "list.csv").write_text(text + "\n")


@pytest.fixture
def heads(tmp_path, monkeypatch):
    """Ten pictures of 40 x 32 with a list beside them."""
    monkeypatch.setenv("MOS_CACHE", str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    for line in rows():
        Image.fromarray(random.integers(1, 255, (H, W), dtype=np.uint8)).save(tmp_path / line[0])
    write(tmp_path, rows())
    return tmp_path


def build(folder, **options):
    given = {"name": "heads", "csv": folder / "list.csv", "image_size": "20,20"} | options
    main([f"--{key}={value}" for key, value in given.items() if value is not None])


def built(folder, name="heads-0"):
    return open_landmarks(folder / f"cache/dataset/landmark/landmark-{name}.pt")


def refused(folder, **options):
    """The message; nothing may lie in the cache then."""
    with pytest.raises(BadInput) as caught:
        build(folder, **options)
    assert not list((folder / "cache").rglob("*.pt")) and not list(folder.rglob("*.png.*"))
    assert not list((folder / "cache").rglob(".tmp-*"))
    return str(caught.value)


def test_five_folds_and_all_test_each_picture_once_and_map_back_to_the_list(heads, capsys):
    build(heads)
    tested = []
    for fold in range(5):
        bundle = built(heads, f"heads-{fold}")
        assert {split: len(bundle.cases[split]) for split in SPLITS} == {
            "train": 7,
            "valid": 1,
            "test": 2,
        }
        tested += [case.id for case in bundle.cases["test"]]
        by_id = {line[0].removesuffix(".png"): line for line in rows()}
        for split in SPLITS:
            for row, case in enumerate(bundle.cases[split]):
                line = by_id[case.id]
                back = to_original(
                    bundle.points[split][row].double(),
                    torch.tensor(case.factor),
                    torch.tensor(case.offset),
                )
                assert back.ravel().tolist() == pytest.approx(line[2:], abs=1e-4)
                mm = bundle.scale[split][row] / torch.tensor(case.factor)
                assert mm.tolist() == pytest.approx([line[1]] * 2, rel=1e-5)
    assert sorted(tested) == sorted(line[0].removesuffix(".png") for line in rows())
    assert len(built(heads, "heads-all").cases["train"]) == 10
    said = capsys.readouterr().out
    assert "10 pictures of 10 patients (each picture counts as a patient), 3 points each" in said
    with Image.open(heads / "cache/dataset/landmark/landmark-heads.png") as sheet:
        assert min(sheet.size) > 300


def test_a_set_that_is_there_is_not_overwritten_unless_asked(heads):
    build(heads, only_fold=0)
    with pytest.raises(BadInput, match="exists already; give --overwrite"):
        build(heads, only_fold=0)
    build(heads, only_fold=0, overwrite="true", points="a,b,c")
    assert built(heads).names == ("a", "b", "c")


def test_shares_make_the_validation_small_and_keep_the_test_sets(heads):
    build(heads, split="14:2:4", only_fold=3)
    one = built(heads, "heads-3")
    build(heads, name="usual", only_fold=3)
    other = built(heads, "usual-3")
    assert [c.id for c in one.cases["test"]] == [c.id for c in other.cases["test"]]
    assert len(one.cases["valid"]) == 1 and len(one.cases["train"]) == 7


def test_pictures_of_one_patient_stay_together(heads):
    header = "file,scale,p1x,p1y,p2x,p2y,p3x,p3y,patient"
    write(heads, [[*line, f"q{number // 2}"] for number, line in enumerate(rows())], header)
    build(heads, name="pairs", only_fold=1)
    bundle = built(heads, "pairs-1")
    patients = {split: {case.patient for case in bundle.cases[split]} for split in SPLITS}
    assert sum(map(len, patients.values())) == 5
    assert len(bundle.cases["test"]) == 2 * len(patients["test"])


def test_the_column_split_decides_where_asked(heads):
    split = ["train"] * 6 + ["valid", "test", "test", "train"]
    header = "file,scale,p1x,p1y,p2x,p2y,p3x,p3y,split"
    write(heads, [[*line, own] for line, own in zip(rows(), split)], header)
    build(heads, split="column")
    bundle = built(heads, "heads")
    assert [case.id for case in bundle.cases["test"]] == ["p07", "p08"]
    assert len(bundle.cases["train"]) == 7
    write(heads, [[*line, "dev"] for line in rows()], header)
    (heads / "cache/dataset/landmark/landmark-heads.pt").unlink()
    assert "line 2: split is 'dev'; --split column needs train" in refused(heads, split="column")
    write(heads, rows())
    assert "no column split" in refused(heads, split="column")


def test_points_just_outside_are_kept_and_masked_and_counted(heads, capsys):
    lines = rows()
    lines[2][4:6] = 33.5, 10  # 1.5 pixels beyond the right edge
    lines[5][4:6] = "", ""
    write(heads, lines)
    build(heads, folds=0)
    bundle = built(heads, "heads-all")
    assert bundle.visible["train"].sum(dim=0).tolist() == [10, 8, 10]
    assert not bundle.visible["train"][2, 1] and bundle.points["train"][2, 1, 0] == pytest.approx(
        34 / 2 - 0.5
    )
    assert bundle.points["train"][5, 1].isnan().all()
    said = capsys.readouterr().out
    assert "WARNING: 1 points of 1 pictures lie outside their picture, such as 2 of p02" in said
    assert "WARNING: 1 points of 1 pictures were not set, such as 2 of p05" in said


def test_a_point_far_outside_is_taken_for_a_mistake(heads):
    lines = rows()
    lines[3][2:4] = 12, 52
    write(heads, lines)
    message = refused(heads)
    assert "list.csv line 5: point 1 at x 12, y 52 lies 13 pixels beyond the picture" in message
    assert "of 32 x 40 pixels; at most 4 are let through. Are x and y swapped" in message
    build(heads, outside=0.5, folds=0)
    assert not built(heads, "heads-all").visible["train"][3, 0]


def test_bad_pictures_are_refused_with_their_line(heads):
    Image.fromarray(np.zeros((H, W), np.uint8)).save(heads / "p04.png")
    message = refused(heads)
    assert "list.csv line 6: p04: every pixel is 0, an all-black image" in message
    (heads / "p04.png").write_bytes(b"nothing")
    assert "line 6" in refused(heads) and "cannot be read as a picture" in refused(heads)
    (heads / "p04.png").unlink()
    assert "line 6: no such file p04.png" in refused(heads)
    (heads / "p04.png").write_bytes((heads / "p02.png").read_bytes())
    assert "p04 and p02 are the same picture, pixel for pixel" in refused(heads)


def test_bad_lists_are_refused(heads):
    for place, value, words in (
        (0, "p01.png", "stands in line 3 already"),
        (2, "left", "p1x is 'left', needs a number"),
        (1, "-1", "scale is '-1', needs mm per pixel above 0"),
    ):
        lines = rows()
        lines[6][place] = value
        write(heads, lines)
        message = refused(heads)
        assert "list.csv line 8" in message and words in message
    lines = rows()
    lines[6] = lines[6][:-2]
    write(heads, lines)
    assert "line 8: 6 cells, but the header has 8: every row needs the same 3 points" in refused(
        heads
    )
    write(heads, rows(4))
    assert "4 patients; five folds need at least 5" in refused(heads)


def test_scale_comes_from_the_list_else_from_the_option_else_it_is_asked_for(heads):
    write(heads, [[line[0], *line[2:]] for line in rows()], "file,p1x,p1y,p2x,p2y,p3x,p3y")
    assert "nothing says how many mm a pixel is" in refused(heads)
    build(heads, scale=0.25, folds=0)
    bundle = built(heads, "heads-all")
    assert bundle.cases["train"][0].scale == (0.25, 0.25)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": ""}, "--name"),
        ({"csv": None}, "give --csv, or --stack with --json; found neither"),
        ({"stack": "a.mha"}, "found both"),
        ({"csv": None, "stack": "a.mha"}, "--stack and --json go together"),
        ({"csv": None, "stack": "a.mha", "json": "b", "patient": "x"}, "--patient looks into file"),
        ({"image_size": "0,20"}, "at least 16 pixels"),
        ({"split": "8:1:1"}, "a fifth tests"),
        ({"split": "7:2"}, "needs train:valid:test"),
        ({"points": "a,b"}, "--points: 2 names, but .* has 3 points"),
        ({"points": "isbi2016"}, "--points isbi2016: one name for 3 points.*isbi2015"),
        ({"points": "a,a,b"}, "'a' is empty or there twice"),
        ({"swap": "1:4"}, "--swap '4': no such point"),
        ({"swap": "1:2,2:3"}, "--swap: swap pair 1, 2"),
        ({"swap": "1-2"}, "'1-2' is no pair"),
        ({"patient": "x(\\d)"}, "finds nothing"),
        ({"images": "nowhere"}, "--images nowhere: no such folder"),
        ({"scale": "0"}, "--scale 0.0: needs mm"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_read(heads, options, words):
    with pytest.raises(BadInput, match=words):
        build(heads, **options)


def test_points_swap_by_name_or_by_number(heads):
    build(heads, points="left eye,right eye,nose", swap="left eye:2", folds=0)
    assert built(heads, "heads-all").swap == ((0, 1),)


def stack(folder, count=6):
    """The challenge's form: pictures of different sizes, zero-padded, and their points."""
    from run.landmark.phantom import export_stack

    made, points = export_stack("phantom-tiny", folder, count)
    return made, points, json.loads(points.read_text())


def test_the_challenges_stack_is_cut_and_maps_back(tmp_path, monkeypatch):
    monkeypatch.setenv("MOS_CACHE", str(tmp_path / "cache"))
    mha, points, said = stack(tmp_path)
    build(tmp_path, csv=None, stack=mha, json=points, folds=0, points="isbi2015")
    bundle = built(tmp_path, "heads-all")
    assert bundle.names[0] == "sella" and bundle.channels == 1
    for row, case in enumerate(bundle.cases["train"]):
        assert case.id == f"image{row + 1:03d}"
        assert case.original == (84, 66)
        assert bundle.manifest["cases"]["train"][row]["cut"][2] < 84  # padding is gone
        own = [p["point"][:2] for p in said["points"] if p["point"][2] == row + 1]
        back = to_original(
            bundle.points["train"][row].double(),
            torch.tensor(case.factor),
            torch.tensor(case.offset),
        )
        assert np.allclose(back, own, atol=1e-4)
    assert not bundle.visible["train"].all()  # some heads are cut at the chin or the lips


def test_a_json_of_another_stack_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("MOS_CACHE", str(tmp_path / "cache"))
    mha, points, said = stack(tmp_path)
    said["points"][-1]["point"][2] = 9
    points.write_text(json.dumps(said))
    message = refused(tmp_path, csv=None, stack=mha, json=points)
    assert "names image 9, but the stack has images 1 to 6" in message
    said["points"].pop()
    points.write_text(json.dumps(said))
    message = refused(tmp_path, csv=None, stack=mha, json=points)
    assert "unequal point counts: image 6 has 18 points and lacks 19" in message


def test_an_all_black_picture_of_a_stack_is_named(tmp_path, monkeypatch):
    import SimpleITK as sitk

    monkeypatch.setenv("MOS_CACHE", str(tmp_path / "cache"))
    mha, points, _ = stack(tmp_path)
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(mha)))
    array[3] = 0
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=True), str(mha))
    message = refused(tmp_path, csv=None, stack=mha, json=points)
    assert "image 4: image004: every pixel is 0" in message


def test_pictures_of_other_formats_and_a_dicom_that_says_its_scale(heads, capsys):
    from tests.io.test_picture import dicom

    lines = rows()
    for number, suffix in ((0, "jpg"), (1, "bmp"), (2, "tif")):
        with Image.open(heads / f"p{number:02d}.png") as image:
            image.save(heads / f"p{number:02d}.{suffix}")
        lines[number][0] = f"p{number:02d}.{suffix}"
    deep = np.tile(np.linspace(0, 4000, W).astype(np.uint16), (H, 1))
    dicom(heads / "p03.dcm", deep, ImagerPixelSpacing=[0.3, 0.3], photometric="MONOCHROME1")
    lines[3][0] = "p03.dcm"
    write(heads, lines)
    build(heads, folds=0)
    said = capsys.readouterr().out
    assert "WARNING: 1 pictures say another scale than the list, such as" in said
    assert "p03.dcm: 0.3, the list says 0.13" in said
    image = built(heads, "heads-all").images["train"][3, 0, :, :16]
    assert image[:, 0].min() > 240 and image[:, -1].max() < 15


def test_the_patient_is_found_in_the_file_name(heads):
    build(heads, patient=r"p(\d)", folds=0)
    assert {case.patient for case in built(heads, "heads-all").cases["train"]} == {"0"}


def test_the_launcher_says_one_sentence_and_ends_with_2(heads, launcher):
    lines = rows()
    lines[1][3] = "low"
    write(heads, lines)
    done = launcher("landmark/cmd/build", "--name", "heads", "--csv", heads / "list.csv")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.strip().splitlines() == [
        f"error: {heads}/list.csv line 3: p1y is 'low', needs a number"
    ]
