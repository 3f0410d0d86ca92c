"""A landmark dataset file: what is written is read, and what is wrong with one is said."""

import json

import numpy as np
import pytest
import torch

from mos.data.landmark_bundle import landmark_hash, open_landmarks
from mos.data.landmark_write import PreparedLandmarks, write_landmarks
from mos.errors import BadInput

PARTS = {"train": [0, 1], "valid": [2], "test": [3]}


def prepared():
    """Four pictures of 6 x 4 pixels in a grid of 6 x 8; the second point of the first lies outside."""
    points = np.tile([[1.0, 2.0], [3.0, 5.0], [0.0, 0.0]], (4, 1, 1))
    points[0, 1] = 5.0, 2.0  # in the grid, but beyond the picture
    points[1, 2] = np.nan
    cases = [
        {
            "id": f"head{number}",
            "patient": f"patient{number}",
            "source": f"{number}.png",
            "original": [12, 10],
            "cut": [0, 2, 12, 10],
            "content": [6, 4],
            "scale": [0.1, 0.2],
            "to_original": {"factor": [2.0, 2.0], "offset": [2.0, 0.0]},
        }
        for number in range(4)
    ]
    return PreparedLandmarks(
        images=np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((4, 1, 6, 8), np.uint8),
        points=points,
        scale=np.tile([0.2, 0.4], (4, 1)),
        cases=cases,
        names=("nose", "left eye", "right eye"),
        swap=((1, 2),),
    )


@pytest.fixture
def written(tmp_path):
    return write_landmarks(tmp_path / "landmark-toy.pt", prepared(), PARTS, name="toy")


def test_what_is_written_is_read(written):
    bundle = open_landmarks(written)
    assert bundle.size == (6, 8) and bundle.channels == 1
    assert bundle.names == ("nose", "left eye", "right eye") and bundle.swap == ((1, 2),)
    assert bundle.images["test"].unique().tolist() == [3]
    assert bundle.visible["train"].tolist() == [[True, False, True], [True, True, False]]
    assert bundle.points["train"][0, 1].tolist() == [5, 2]  # kept though it is masked
    assert bundle.scale["valid"][0].tolist() == pytest.approx([0.2, 0.4])
    case = bundle.cases["test"][0]
    assert (case.id, case.patient, case.factor, case.offset) == (
        "head3",
        "patient3",
        (2, 2),
        (2, 0),
    )
    assert case.scale == (0.1, 0.2) and case.content == (6, 4) and case.original == (12, 10)


def test_the_hash_knows_the_content_and_not_the_hour(written, tmp_path):
    bundle = open_landmarks(written)
    again = write_landmarks(tmp_path / "b.pt", prepared(), PARTS, name="toy", command=["other"])
    assert landmark_hash(open_landmarks(again)) == landmark_hash(bundle)
    moved = prepared()
    moved.points[0, 0, 0] += 1
    other = write_landmarks(tmp_path / "c.pt", moved, PARTS, name="toy")
    assert landmark_hash(open_landmarks(other)) != landmark_hash(bundle)


def test_a_file_without_a_manifest_loads_with_numbers_for_names(written):
    content = torch.load(written, weights_only=True)
    del content["manifest"]
    torch.save(content, written)
    bundle = open_landmarks(written)
    assert bundle.names == ("1", "2", "3")
    assert [case.id for case in bundle.cases["train"]] == ["train row 0", "train row 1"]
    assert bundle.cases["test"][0].factor == (1, 1)


def broken(written, change):
    """The message on opening the file after `change` of its content."""
    content = torch.load(written, weights_only=True)
    change(content)
    torch.save(content, written)
    with pytest.raises(BadInput) as caught:
        open_landmarks(written)
    message = str(caught.value)
    assert message.startswith(f"{written}: ")
    return message


def manifest(**changes):
    def change(content):
        said = json.loads(content["manifest"])
        said.update(changes)
        content["manifest"] = json.dumps(said)

    return change


def set_case(split, row, **changes):
    def change(content):
        said = json.loads(content["manifest"])
        said["cases"][split][row].update(changes)
        content["manifest"] = json.dumps(said)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("valid"), "key 'valid' is missing"),
        (lambda c: c.pop("test_points"), "test_points (n, point_count, 2) float32"),
        (lambda c: c.update(train=c["train"].float()), "(2, 1, 6, 8) float32, needs (n, ch, h, w)"),
        (lambda c: c.update(train=[1]), "key 'train' is a list"),
        (lambda c: c.update(train_points=c["train_points"][:1]), "train has 2 images"),
        (lambda c: c.update(test_scale=c["test_scale"][:, :1]), "needs (1, 2)"),
        (lambda c: c["test_scale"].zero_(), "test_scale needs mm per pixel above 0"),
        (lambda c: c["train_visible"].fill_(2), "train_visible holds 2; needs 0 or 1"),
        (lambda c: c["train_visible"].fill_(1), "row 1, point 3 is marked visible at (nan, nan)"),
        (lambda c: c["test_points"].fill_(np.inf), "holds infinity"),
        (lambda c: c.update(test=c["test"][..., :5]), "images (ch, h, w) are"),
        (lambda c: c.update(manifest="{"), "'manifest' is no JSON text"),
        (manifest(points=["a", "b"]), "needs 3 different names"),
        (manifest(swap=[[0, 7]]), "swap pair 0, 7: there are points 0 to 2"),
        (manifest(swap=[3]), "'swap' needs pairs"),
        (set_case("test", 0, patient="patient0"), "patient0 is in both train and test"),
        (set_case("train", 1, id="head0"), "case head0 is there twice"),
        (set_case("valid", 0, to_original=None), "manifest's cases of valid lack or garble"),
        (set_case("valid", 0, scale=[0, 1]), "case head2: scale (0.0, 1.0)"),
    ],
)
def test_a_file_that_breaks_its_promise_is_refused(written, change, words):
    assert words in broken(written, change)


def test_splits_need_the_same_points(written):
    def change(content):
        content["test_points"] = content["test_points"][:, :2].clone()
        content["test_visible"] = content["test_visible"][:, :2].clone()

    assert "test_points has 2 points, train_points has 3" in broken(written, change)


def test_a_list_of_cases_too_short_is_refused(written):
    def change(content):
        said = json.loads(content["manifest"])
        said["cases"]["train"].pop()
        content["manifest"] = json.dumps(said)

    assert "lists 1 cases in train, the tensor has 2" in broken(written, change)


@pytest.mark.parametrize("left", [0, 100, 2000])
def test_a_truncated_file_is_refused(written, left):
    written.write_bytes(written.read_bytes()[:left])
    with pytest.raises(BadInput, match="truncated"):
        open_landmarks(written)


def test_a_missing_file_says_which_there_are(written):
    with pytest.raises(BadInput, match="no such dataset file; there are: toy"):
        open_landmarks(written.with_name("landmark-other.pt"))
