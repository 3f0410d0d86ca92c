"""Landmarks as the engine sees them: scored in mm on the original image, masked points left out, maps averaged."""

from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from torch import nn

from mos.data.heatmap import DECODINGS, heatmaps, profiles, to_grid
from mos.data.landmark_bundle import open_landmarks
from mos.data.landmark_write import PreparedLandmarks, write_landmarks
from mos.engine.device import Machine
from mos.engine.order import sample_seed
from mos.errors import BadInput
from mos.losses.heatmap import HEATMAP_LOSSES
from run.landmark.model_arguments import ModelArguments
from run.landmark.picture import GREEN, RED, YELLOW
from run.landmark.predict_points import predict_heat, predict_points
from run.landmark.record import identity_of, make_record
from run.landmark.task import make_task

CPU = Machine(torch.device("cpu"), "fp32")
POINTS = np.array([[8.0, 10.0], [24.5, 12.25], [16.0, 30.0]])  # nose, left eye, right eye
MM, FACTOR, OFFSET = 0.1, 2.0, [6.0, 4.0]


def options(**changes):
    small = {"model_channels": (4, 8, 8), "heatmap_sigma": 3.0, "image_enhance_level": 0}
    return ModelArguments(**small | changes)


@pytest.fixture
def bundle(tmp_path):
    """Six heads of 40 x 32 pixels; the second point of the last, which tests, is unknown."""
    points = np.tile(POINTS, (6, 1, 1))
    points[5, 1] = np.nan
    cases = [
        {
            "id": f"head{number}",
            "patient": f"patient{number}",
            "source": "",
            "original": [90, 70],
            "cut": [4, 6, 84, 70],
            "content": [40, 32],
            "scale": [MM, MM],
            "to_original": {"factor": [FACTOR, FACTOR], "offset": OFFSET},
        }
        for number in range(6)
    ]
    random = np.random.default_rng(0)
    made = PreparedLandmarks(
        images=random.integers(0, 255, (6, 1, 40, 32)).astype(np.uint8),
        points=points,
        scale=np.full((6, 2), MM * FACTOR),
        cases=cases,
        names=("nose", "left eye", "right eye"),
        swap=((1, 2),),
    )
    parts = {"train": [0, 1, 2, 3], "valid": [4], "test": [5]}
    return open_landmarks(write_landmarks(tmp_path / "landmark-toy.pt", made, parts, name="toy"))


class Knowing(nn.Module):
    """Answers with the logarithm of a Gaussian at places of the image, whatever it is shown."""

    def __init__(self, points, stride, sigma):
        super().__init__()
        self.points = torch.as_tensor(np.asarray(points), dtype=torch.float32)
        self.stride, self.sigma = stride, sigma

    def forward(self, image):
        size = [side // self.stride for side in image.shape[2:]]
        grid = to_grid(self.points, self.stride).expand(len(image), -1, -1)
        return heatmaps(*profiles(grid, size, self.sigma / self.stride)).clamp_min(1e-30).log()


def scored(bundle, network, split="test", **changes):
    asked = options(**changes)
    task = make_task(asked, bundle, CPU)
    batch = task.datasets[split].batch([0], [0])
    return task.score(task.predict(network, batch), batch), task


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_right_answer_is_right_to_a_few_hundredths_of_a_millimetre(bundle, stride):
    network = Knowing(POINTS, stride, 3.0)
    tables, _ = scored(bundle, network, split="valid", heatmap_stride=stride)
    assert tables["raw_mre"].shape == (1, 3) and tables["raw_mre"].max() < 0.02
    assert tables["raw_sdr2"].tolist() == [[1, 1, 1]]


def test_an_error_counts_in_millimetres_of_the_original_image(bundle):
    """3 right and 4 down of stored pixels are 6 and 8 original ones: 10 x 0.1 mm."""
    network = Knowing(POINTS + [3.0, 4.0], 2, 3.0)
    tables, _ = scored(bundle, network, split="valid")
    assert tables["raw_mre"][0].tolist() == pytest.approx([1.0] * 3, abs=0.02)
    wanted = (POINTS + [3.0, 4.0] + 0.5) * FACTOR + np.array(OFFSET) - 0.5
    assert np.abs(tables["predicted"][0].numpy() - wanted).max() < 0.2


def test_images_trained_on_in_another_size_are_scored_in_the_same_millimetres(bundle):
    half = (POINTS + 0.5) / 2 - 0.5 + [3.0, 0.0]
    asked = {"dataset_image_size": (20, 16), "heatmap_stride": 1, "heatmap_sigma": 1.5}
    tables, _ = scored(bundle, Knowing(half, 1, 1.5), split="valid", **asked)
    assert tables["raw_mre"][0].tolist() == pytest.approx([3 * 2 * FACTOR * MM] * 3, abs=0.02)


def test_a_masked_point_is_neither_scored_nor_in_the_loss(bundle):
    tables, task = scored(bundle, Knowing(POINTS, 2, 3.0))
    assert tables["raw_mre"][0].isnan().tolist() == [False, True, False]
    assert torch.isfinite(tables["epoch_losses"]).all()
    reduced = task.reduce(tables)
    assert reduced["mre"].shape == (1,) and int(reduced["points"]) == 2
    batch = dict(task.datasets["train"].batch([0, 1], [1, 2]))
    whole = task.loss(task.network, batch)["loss"]
    batch["visible"] = batch["visible"].clone()
    batch["visible"][:, 1] = False
    batch["points"] = batch["points"].clone()
    batch["points"][:, 1] = float("nan")
    assert torch.isfinite(task.loss(task.network, batch)["loss"]) and torch.isfinite(whole)


def test_the_loss_of_a_case_is_the_loss_it_was_trained_with(bundle):
    for kind in HEATMAP_LOSSES:
        asked = options(heatmap_loss=kind)
        task = make_task(asked, bundle, CPU)
        task.network.eval()
        batch = task.datasets["valid"].batch([0], [0])
        with torch.no_grad():
            table = task.score(task.predict(task.network, batch), batch)
            wanted = task.loss(task.network, batch)["loss"]
        assert table["epoch_losses"].item() == pytest.approx(wanted.item(), rel=2e-3), kind


def test_the_mirror_image_finds_points_that_swapped_their_places(bundle):
    """A network that always says left where its pupil is; seen in a mirror the other eye is there."""
    order = [0, 2, 1]
    symmetric = np.array([[15.5, 10.0], [8.0, 20.0], [23.0, 20.0]])  # 31 - 8 = 23
    network = Knowing(symmetric, 1, 3.0)
    asked = options(heatmap_stride=1, image_flip=True, valid_flips=True)
    image = torch.zeros(1, 1, 40, 32)
    found = predict_points(network, image, asked, order).points[0]
    assert (found - torch.tensor(symmetric)).abs().max() < 0.05
    wrong = predict_points(network, image, asked, [0, 1, 2]).points[0]
    assert (wrong[1:] - torch.tensor(symmetric[1:])).abs().max() > 5 or not torch.allclose(
        predict_heat(network, image, asked, order), predict_heat(network, image, asked, [0, 1, 2])
    )


class Bright(nn.Module):
    """Answers with the logarithm of the image itself, on its own grid."""

    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, image):
        return nn.functional.avg_pool2d(image, self.stride).clamp_min(1e-6).log()


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("size", [(40, 32), (41, 35)])
def test_sizes_and_mirrors_agree_on_where_a_spot_is(stride, size):
    spot = torch.tensor([[[13.3, 21.8]]])
    image = heatmaps(*profiles(spot, size, 4.0))
    plain = {"heatmap_stride": stride, "heatmap_sigma": 4.0, "image_flip": True}
    for more in ({}, {"valid_flips": True}, {"valid_scales": (0.75, 1.0, 1.5)}):
        found = predict_points(Bright(stride), image, options(**plain | more), [0]).points
        assert (found - spot).abs().max() < 0.35, more


def test_chances_stay_chances_when_they_are_averaged():
    asked = options(valid_scales=(0.8, 1.0), heatmap_stride=2)
    heat = predict_heat(Bright(2), torch.rand(2, 1, 40, 32), asked, [0])
    assert heat.shape == (2, 1, 20, 16)
    assert heat.sum((2, 3)).flatten().tolist() == pytest.approx([1, 1], rel=1e-4)


def test_training_lowers_the_loss_and_repeats_itself(bundle):
    def losses():
        task = make_task(options(image_enhance_level=3, batch_size=4), bundle, CPU)
        optimizer = torch.optim.AdamW(task.network.parameters(), lr=1e-2)
        task.network.train()
        values = []
        for step in range(8):
            seeds = [sample_seed(0, 1, 4 * step + place) for place in range(4)]
            loss = task.loss(task.network, task.datasets["train"].batch([0, 1, 2, 3], seeds))[
                "loss"
            ]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            values.append(loss.item())
        return values

    first = losses()
    assert first[-1] < first[0] - 0.1 and losses() == first


def test_nothing_is_scored_where_everything_is_trained_on(bundle):
    task = make_task(options(dataset_train_all=True), bundle, CPU)
    assert [len(task.datasets[s]) for s in ("train", "valid", "test")] == [6, 0, 0]


def test_the_picture_shows_reference_prediction_and_the_way_between(bundle):
    _, task = scored(bundle, Knowing(POINTS, 2, 3.0))
    batch = task.datasets["test"].batch([0], [0])
    drawn = task.picture(task.predict(Knowing(POINTS + [6.0, 0.0], 2, 3.0), batch), batch)
    assert drawn.shape == (3, 40, 32) and drawn.dtype == torch.uint8
    colour = lambda x, y: tuple(drawn[:, y, x].tolist())  # noqa: E731
    assert colour(8, 10) == RED and colour(14, 10) == GREEN and colour(11, 10) == YELLOW
    assert colour(24, 12) != RED, "its reference is unknown"


def test_the_record_names_points_as_labels_are_named(bundle):
    record = make_record(options(), bundle)
    assert record["labels"] == {"1": "nose", "2": "left eye", "3": "right eye"}
    assert record["dataset"]["points_masked"] == {"train": 0, "valid": 0, "test": 1}
    assert len(record["dataset"]["sha256"]) == 64 and record["image_size"] == [40, 32]
    assert identity_of(options(), bundle) != identity_of(options(heatmap_sigma=4.0), bundle)


def test_names_in_the_help_are_those_of_the_tables():
    hints = get_type_hints(ModelArguments)
    assert get_args(hints["heatmap_loss"]) == tuple(HEATMAP_LOSSES)
    assert get_args(hints["decoding"]) == DECODINGS


def test_large_images_are_reduced_to_the_side_and_small_ones_stay():
    assert options().size_for((600, 484)) == (512, 413)
    assert options().size_for((256, 208)) == (256, 208)
    assert options(dataset_image_size=(320, 256)).size_for((600, 484)) == (320, 256)
    assert options(tag="wide", dir_postfix="[a]").run_name == "unet[wide]-512[a]"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"dataset_image_size": (600, 400)}, "larger than --image_side 512"),
        ({"dataset_image_size": (3, 16, 16)}, "needs h,w"),
        ({"heatmap_stride": 3}, "needs 1, 2, 4"),
        ({"heatmap_stride": 4, "heatmap_sigma": 1.0}, "narrower than half a heatmap pixel"),
        ({"valid_flips": True}, "--image_flip"),
        ({"model": "hrnet"}, "--model_channels .*hrnet does not heed it.*unet"),
        ({"encoder": "resnet18"}, "--encoder resnet18: unet does not heed it.*hrnet, fpn"),
        ({"image_rotation": 200.0}, "degrees"),
        ({"dir_postfix": "2"}, "another number of the size"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_read(changes, told):
    with pytest.raises(BadInput, match=told):
        options(**changes).check()
