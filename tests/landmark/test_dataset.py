"""Batches of images with points, at the stored size and at another, and the built-in sets."""

import json

import numpy as np
import pytest
import torch

from mos.data.augment_points import Motion
from mos.data.landmark_bundle import SPLITS, open_landmarks
from mos.data.landmark_write import PreparedLandmarks, write_landmarks
from mos.data.points import to_original
from mos.errors import BadInput
from run.landmark.dataset import evaluation_dataset, training_dataset
from run.landmark.phantom import PHANTOM_SETS, ensure, export_csv, export_stack

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOS_CACHE", str(tmp_path_factory.mktemp("cache")))
        return open_landmarks(ensure("phantom-tiny"))


def test_the_tiny_phantom_has_splits_names_scales_and_masked_points(tiny):
    assert [len(tiny.cases[split]) for split in SPLITS] == [8, 1, 3]
    assert tiny.size == (64, 52) and tiny.names[:2] == ("sella", "nasion")
    scale = torch.cat([tiny.scale[split] for split in SPLITS])
    assert scale.std() > 0.15 and scale.min() > 3
    assert 0 < sum(int((~tiny.visible[split]).sum()) for split in SPLITS) < 30


def test_an_unknown_phantom_is_refused_and_other_names_are_left_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("MOS_CACHE", str(tmp_path))
    with pytest.raises(BadInput, match="no such phantom; there are: phantom-0, "):
        ensure("phantom-7")
    assert ensure("ceph-0") is None
    assert {f"phantom-{fold}" for fold in (*range(5), "all", "tiny")} == set(PHANTOM_SETS)


def test_evaluation_shows_what_is_stored(tiny):
    data = evaluation_dataset(tiny, "test", image_size=None, device=CPU)
    batch = data.batch([2, 0], [0, 0])
    assert torch.equal(batch["image"] * 255, tiny.images["test"][[2, 0]].float())
    assert torch.equal(batch["points"], tiny.points["test"][[2, 0]])
    assert torch.equal(batch["visible"], tiny.visible["test"][[2, 0]])
    assert batch["visible"].dtype == torch.bool and batch["image"].dtype == torch.float32
    assert data.describe(2)["case"] == tiny.cases["test"][2].id


def test_a_training_batch_moves_points_with_the_image_and_comes_from_its_seeds(tiny):
    data = training_dataset(tiny, image_size=None, motion=Motion(), device=CPU)
    one, two = (data.batch([0, 1, 0], [5, 6, 7]) for _ in range(2))
    assert all(torch.equal(one[key], two[key]) for key in ("image", "visible", "scale"))
    assert torch.equal(one["points"][0].nan_to_num(), two["points"][0].nan_to_num())
    assert not torch.equal(one["points"][0], one["points"][2])
    swapped = data.batch([1, 0], [6, 5])
    assert torch.allclose(swapped["image"][1], one["image"][0], atol=1e-5)
    assert {key: tuple(value.shape) for key, value in one.items()} == {
        "image": (3, 1, 64, 52),
        "points": (3, 19, 2),
        "visible": (3, 19),
        "scale": (3, 2),
    }


def test_all_splits_may_train(tiny):
    data = training_dataset(
        tiny, image_size=None, motion=Motion(level=0), device=CPU, splits=SPLITS
    )
    assert len(data) == 12 and data.describe(11)["case"] == tiny.cases["test"][2].id


def dot_file(tmp_path, dot=(33.25, 20.75)):
    """One picture with a soft dot on its point; its original was twice as large and 6 further right."""
    y, x = np.mgrid[:60, :80]
    soft = 250 * np.exp(-((x - dot[0]) ** 2 + (y - dot[1]) ** 2) / (2 * 3.0**2))
    case = {
        "id": "dot",
        "patient": "dot",
        "source": "",
        "original": [120, 166],
        "cut": [0, 6, 120, 166],
        "content": [60, 80],
        "scale": [0.25, 0.25],
        "to_original": {"factor": [2.0, 2.0], "offset": [6.0, 0.0]},
    }
    prepared = PreparedLandmarks(
        images=np.rint(soft).astype(np.uint8)[None, None],
        points=np.array([[dot]]),
        scale=np.array([[0.5, 0.5]]),
        cases=[case],
        names=["dot"],
    )
    parts = {"train": [0], "valid": [], "test": []}
    return open_landmarks(write_landmarks(tmp_path / "dot.pt", prepared, parts, name="dot"))


@pytest.mark.parametrize("size", [(30, 40), (45, 60), (40, 90), (120, 160)])
def test_resized_images_keep_dot_point_millimetres_and_the_way_back_together(tmp_path, size):
    bundle = dot_file(tmp_path)
    batch = evaluation_dataset(bundle, "train", image_size=size, device=CPU).batch([0], [0])
    image, point = batch["image"][0, 0].double(), batch["points"][0, 0].double()
    assert image.shape == size
    weight = torch.where(image > 0.02, image, 0)
    y, x = (torch.arange(n, dtype=torch.float64) for n in size)
    found = torch.stack([(weight.sum(0) * x).sum(), (weight.sum(1) * y).sum()]) / weight.sum()
    assert torch.allclose(found, point, atol=0.05)
    back = to_original(batch["points"], batch["factor"][:, None], batch["offset"][:, None])[0, 0]
    assert back.tolist() == pytest.approx([2 * 33.75 + 5.5, 2 * 21.25 - 0.5], abs=1e-3)
    assert torch.allclose(batch["scale"] / batch["factor"], torch.tensor(0.25), rtol=1e-5)


def test_a_size_that_is_none_and_a_file_without_anything_to_learn_are_refused(tmp_path):
    bundle = dot_file(tmp_path)
    with pytest.raises(BadInput, match="--dataset_image_size 8,8: needs h,w of at least 16"):
        evaluation_dataset(bundle, "train", image_size=(8, 8), device=CPU)
    with pytest.raises(BadInput, match="valid hold no image"):
        training_dataset(bundle, image_size=None, motion=Motion(), device=CPU, splits=("valid",))
    bundle = dot_file(tmp_path, dot=(-3.0, 5.0))
    with pytest.raises(BadInput, match="no point of the training images is visible"):
        training_dataset(bundle, image_size=None, motion=Motion(), device=CPU)


def test_the_phantom_can_be_written_as_files_of_its_own(tmp_path):
    assert export_csv("phantom-tiny", tmp_path, 2).read_text().count("\n") == 3
    assert (tmp_path / "tinyhead002.png").exists()
    mha, points = export_stack("phantom-tiny", tmp_path, 2)
    said = json.loads(points.read_text())
    assert said["type"] == "Multiple points" and len(said["points"]) == 38
    assert [p["name"] for p in said["points"][:2]] == ["1", "2"]
    assert said["points"][-1]["point"][2] == 2 and mha.stat().st_size > 2 * 84 * 66 * 3
