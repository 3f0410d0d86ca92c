"""Segmentation as the engine sees it: scores on real voxels, the picture, a whole file."""

import json
import math

import pytest
import torch

from mos.engine.device import Machine
from mos.engine.distributed import Processes
from mos.engine.evaluate import evaluate, summarise
from mos.errors import BadInput
from run.baseline.labels import Labels, labels_for
from run.baseline.task import make_task, picture, reduce, score_volumes
from tests.run.small_file import WHOLE, bundle, cube, options

CPU = Machine(torch.device("cpu"), "fp32")
BOTH = Labels(3, {0: "background", 1: "left", 2: "right"}, (1, 2), (1, 2))


def certain(segment, label_count=3):
    """Probabilities that say exactly this."""
    chances = torch.nn.functional.one_hot(segment.long(), label_count).float()
    return chances.permute(3, 0, 1, 2)


def batch(*references, box=WHOLE, spacing=(8.0, 1.5, 1.5)):
    n = len(references)
    return {
        "image": torch.rand(n, 1, 4, 8, 8),
        "segment": torch.stack(references),
        "spacing": [spacing] * n,
        "box": [box] * n,
    }


def score(prediction, reference, labels=BOTH, **more):
    return score_volumes(certain(prediction)[None], batch(reference, **more), labels)


def test_the_right_answer_scores_one_and_costs_nothing():
    scores = score(cube(), cube())
    assert scores["raw_dice"][0, 1] == 1 and scores["raw_msd"][0, 1] == 0
    assert scores["epoch_losses"].tolist() == pytest.approx([0], abs=1e-6)
    assert scores["epoch_losses"].dtype == torch.float64


def test_background_and_absent_labels_are_not_scored():
    raw = score(cube(), cube())["raw_dice"][0]
    assert raw.isnan().tolist() == [True, False, True]


def test_distances_are_in_millimetres():
    moved = score(cube(depth=slice(1, 2)), cube(depth=slice(2, 3)))
    assert moved["raw_hd"][0, 1] == pytest.approx(8)
    moved = score(cube(depth=slice(1, 2)), cube(depth=slice(2, 3)), spacing=(5.0, 1.0, 1.0))
    assert moved["raw_hd"][0, 1] == pytest.approx(5)


def test_what_is_predicted_in_the_padding_changes_nothing():
    box = ((0, 3), (0, 7), (1, 8))
    reference, wrong = cube(size=2), cube(size=2)
    wrong[3], wrong[:, 7], wrong[:, :, 0] = 2, 1, 2
    clean, dirty = score(cube(size=2), reference, box=box), score(wrong, reference, box=box)
    for key in clean:
        assert torch.equal(clean[key].nan_to_num(-1), dirty[key].nan_to_num(-1)), key
    assert score(wrong, reference)["raw_fp"][0, 2] > 0


def test_a_missed_label_scores_zero_and_infinite_distance():
    scores = score(cube(label=0), cube())
    assert scores["raw_dice"][0, 1] == scores["raw_iou"][0, 1] == 0
    assert math.isinf(scores["raw_hd"][0, 1]) and math.isinf(scores["raw_msd"][0, 1])


def test_labels_outside_the_list_are_nan():
    one = Labels(3, {}, (1, 2), (2,))
    raw = score(cube(2), cube(2), one)["raw_dice"][0]
    assert raw[2] == 1 and raw[:2].isnan().all()


def test_a_certain_mistake_has_a_large_but_finite_loss():
    wrong = score(cube(2), cube(1))["epoch_losses"]
    assert torch.isfinite(wrong).all() and wrong > 1


def test_the_loss_takes_labels_that_are_not_learnt_as_background():
    only_left = Labels(3, {}, (1,), (1,))
    assert score(cube(0), cube(2), only_left)["epoch_losses"].tolist() == pytest.approx(
        [0], abs=1e-6
    )


def test_cases_keep_their_order_spacing_and_box():
    chances = torch.stack([certain(cube(1)), certain(cube(2)), certain(cube(0))])
    scores = score_volumes(chances, batch(cube(1), cube(1), cube(1)), BOTH)
    assert scores["raw_dice"].shape == (3, 3)
    assert scores["raw_dice"][:, 1].tolist() == [1, 0, 0]


def test_means_leave_nan_out_keep_infinity_and_count_missed_and_invented():
    chances = torch.stack([certain(cube(1)), certain(cube(2)), certain(cube(0))])
    tables = score_volumes(chances, batch(cube(1), cube(1), cube(0)), BOTH)
    means = reduce(tables)
    assert means["dice"].tolist()[:2] == [1, 0] and means["dice"][2].isnan()
    assert math.isinf(means["hd"][1])
    assert (int(means["missed"]), int(means["invented"])) == (1, 1)
    line = summarise({**tables, **means, "case": ["a", "b", "c"]})
    assert line["dice"] == 0.5 and line["left_out"]["dice"] == 1 and line["missed"] == 1
    json.dumps(line, allow_nan=False)


def test_the_picture_shows_image_reference_and_prediction_side_by_side():
    reference = torch.zeros(4, 8, 8, dtype=torch.uint8)
    reference[2, 2:5, 2:5] = 1
    prediction = torch.zeros_like(reference)
    prediction[2, 5:7, 5:7] = 2
    one = batch(reference)
    drawn = picture(certain(prediction)[None], one)
    assert drawn.shape == (3, 8, 24) and drawn.dtype == torch.uint8
    image, middle, right = drawn.split(8, 2)
    grey = (one["image"][0, 0, 2] * 255).to(torch.uint8)
    assert torch.equal(image, grey.expand(3, -1, -1))
    assert torch.equal((middle != image).any(0), reference[2] > 0)
    assert torch.equal((right != image).any(0), prediction[2] > 0)


@pytest.mark.parametrize("crop", [(8, 8), (4, 8, 8)])
def test_a_task_learns_and_scores_a_whole_file(tmp_path, crop):
    opened = bundle(tmp_path)
    asked = options(dataset_crop_size=crop)
    task = make_task(asked, opened, labels_for(asked, opened), CPU)
    parts = task.loss(task.network, task.datasets["train"].batch([0, 1], [1, 2]))
    assert torch.isfinite(parts["loss"]) and parts["loss"].requires_grad
    table = evaluate(task, "valid", CPU, Processes())
    assert table["case"] == ["valid0"] and table["raw_dice"].shape == (1, 3)
    assert set(table) >= {"dice", "iou", "hd", "msd", "epoch_losses", "missed", "invented"}
    assert task.best[0] in summarise(table)
    assert len(task.datasets["test"]) == 0


def test_the_reference_is_not_needed_to_predict(tmp_path):
    opened, asked = bundle(tmp_path), options()
    task = make_task(asked, opened, labels_for(asked, opened), CPU)
    task.network.eval()
    with torch.no_grad():
        answer = task.predict(task.network, {"image": torch.rand(1, 1, 4, 8, 8)})
    assert answer.shape == (1, 3, 4, 8, 8)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"dataset_crop_size": (8, 9)}, "--dataset_crop_size 8,9: larger than train2d .* 8,8"),
        ({"dataset_crop_size": (5, 8, 8)}, "larger than train3d .* 4,8,8"),
        ({"dataset_image_size": (9, 9)}, "--dataset_image_size 9,9: .* stores 8,8"),
        ({"dataset_spacing": (4.0, 2.0, 2.0)}, "says 8,2,2 mm for case train0"),
    ],
)
def test_options_that_do_not_fit_the_file_are_refused(tmp_path, changes, message):
    opened, asked = bundle(tmp_path), options(**changes)
    with pytest.raises(BadInput, match=message):
        make_task(asked, opened, labels_for(asked, opened), CPU)


def test_a_file_that_does_not_say_its_spacing_needs_to_be_told(tmp_path):
    opened = bundle(tmp_path, known=False)
    with pytest.raises(BadInput, match="--dataset_spacing d,h,w"):
        make_task(options(), opened, labels_for(options(), opened), CPU)
    told = options(dataset_spacing=(8.0, 2.0, 2.0))
    task = make_task(told, opened, labels_for(told, opened), CPU)
    assert task.datasets["valid"].batch([0], [0])["spacing"] == [(8.0, 2.0, 2.0)]
    assert task.datasets["train"].describe(1) == {"case": "slice 1"}


def test_a_training_slice_is_named_after_its_volume(tmp_path):
    opened = bundle(tmp_path)
    task = make_task(options(), opened, labels_for(options(), opened), CPU)
    assert task.datasets["train"].describe(1) == {"case": "train1 slice 1"}


def with_positions(tmp_path, step):
    """A file without a manifest, whose slices lie `step` mm apart."""
    axes = {
        f"{split}3daxis": torch.arange(4.0).mul(step).repeat(n, 1)
        for split, n in (("train", 2), ("valid", 1), ("test", 0))
    }
    return bundle(tmp_path, known=False, **axes)


def test_slice_positions_decide_how_far_slices_lie_apart(tmp_path):
    opened = with_positions(tmp_path, 8.02)
    told = options(dataset_spacing=(8.0, 2.0, 2.0))
    task = make_task(told, opened, labels_for(told, opened), CPU)
    spacing = task.datasets["valid"].batch([0], [0])["spacing"][0]
    assert spacing == pytest.approx((8.02, 2, 2))


def test_a_spacing_that_contradicts_the_slice_positions_is_refused(tmp_path):
    opened = with_positions(tmp_path, 10)
    told = options(dataset_spacing=(8.0, 2.0, 2.0))
    with pytest.raises(
        BadInput, match="8,2,2: .*slices 10 mm apart.*give --dataset_spacing 10,2,2"
    ):
        make_task(told, opened, labels_for(told, opened), CPU)
    with pytest.raises(BadInput, match="does not say its spacing.*such as 10,1.5,1.5"):
        make_task(options(), opened, labels_for(options(), opened), CPU)


def test_a_spacing_of_zero_is_refused_before_any_data_is_read():
    with pytest.raises(BadInput, match="--dataset_spacing 10,0,1.5: needs three sizes in mm"):
        options(dataset_spacing=(10.0, 0.0, 1.5)).check()
