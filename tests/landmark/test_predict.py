"""cmd/predict of landmarks: the run's own numbers again, from files, stacks and several runs."""

import csv
import json
import os

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from PIL import Image

from mos.errors import BadInput
from mos.io.json_points import read_point_json
from run.landmark.cmd import predict
from run.landmark.phantom import PHANTOM_SETS, export_csv, export_stack
from run.landmark.predict_ensemble import Grid, mean_heat
from tests.landmark.stored_runs import train_tiny

CPU = ["--device", "cpu", "--threads", "1"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Runs on the tiny phantom, and its X-rays as files: PNG (zero-padded as they come) and a stack."""
    root = tmp_path_factory.mktemp("predict")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOS_CACHE", str(root / "cache"))
        patch.setenv("MOS_CHECKPOINT", str(root / "checkpoint"))
        train_tiny("--image_flip", "true", epochs=2)
        train_tiny("--seed", "1", "--dir_postfix", "[other]")
        coarse = ("--heatmap_stride", "4", "--dataset_image_size", "48,40")
        train_tiny("--dir_postfix", "[coarse]", *coarse)
        train_tiny("--dir_postfix", "[focal]", "--heatmap_loss", "focal")
        export_csv("phantom-tiny", root / "png")
        export_stack("phantom-tiny", root / "stack")
        yield root


def run_of(place, name="unet-512"):
    return place / "checkpoint" / "landmark-phantom-tiny" / name


def points_of(place, tmp_path, *args, runs=("unet-512",), source="png", suffix="csv"):
    """(n, point_count, [xy]) and the files of a prediction, read back from what was written."""
    output = tmp_path / f"points.{suffix}"
    named = [str(run_of(place, run)) for run in runs]
    where = ["--input", str(place / source), "--output", str(output)]
    predict.main(["--run", *named, *where, *CPU, *map(str, args)])
    if suffix == "json":
        content = json.loads(output.read_text())
        numbers = np.array([entry["point"] for entry in content["points"]])
        return numbers.reshape(-1, 19, 3), content
    with open(output, newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [f"p{number}{axis}" for number in range(1, 20) for axis in "xy"]
    found = np.array([[float(row[column]) for column in columns] for row in rows])
    return found.reshape(-1, 19, 2), [row["file"] for row in rows]


def scored(place, name="unet-512"):
    """What the run found in its test cases, by case."""
    table = torch.load(run_of(place, name) / "best" / "test-metrics.pt", weights_only=True)
    return dict(zip(table["case"], table["predicted"].numpy()))


@pytest.mark.parametrize("run", ["unet-512", "unet-512[coarse]", "unet-512[focal]"])
def test_files_give_the_numbers_that_the_run_scored(place, tmp_path, run):
    points, files = points_of(place, tmp_path, runs=[run])
    found = dict(zip((file.removesuffix(".png") for file in files), points))
    assert len(found) == 12
    for case, expected in scored(place, run).items():
        assert np.abs(found[case] - expected).max() < 2e-3, case


def test_a_stack_gives_them_too_however_far_it_is_padded_in_the_form_of_the_challenge(
    place, tmp_path
):
    stack = sitk.GetArrayFromImage(sitk.ReadImage(str(place / "stack" / "stack1.mha")))
    wider = np.pad(stack, [(0, 0), (0, 9), (0, 17), (0, 0)])
    (tmp_path / "input").mkdir()
    sitk.WriteImage(
        sitk.GetImageFromArray(wider, isVector=True), str(tmp_path / "input" / "stack1.mha")
    )
    points, content = points_of(place, tmp_path, source=tmp_path / "input", suffix="json")
    assert {key: value for key, value in content.items() if key != "points"} == {
        "name": "Orthodontic landmarks",
        "type": "Multiple points",
        "version": {"major": 1, "minor": 0},
    }
    assert list(content) == ["name", "type", "points", "version"]
    assert [entry["name"] for entry in content["points"]] == [str(n) for n in range(1, 20)] * 12
    assert (points[..., 2] == np.arange(1, 13)[:, None]).all()
    for case, expected in scored(place).items():
        number = int(case.removeprefix("tinyhead")) - 1
        assert np.abs(points[number, :, :2] - expected).max() < 2e-3, case
    # The build reads it as it reads the challenge's own.
    listed = read_point_json(tmp_path / "points.json", 12)
    assert np.array_equal(listed.rows[3].points, points[3, :, :2])


def test_pictures_of_any_size_and_colour_are_seen_alike(place, tmp_path):
    grey = np.asarray(Image.open(place / "png" / "tinyhead001.png"))
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(grey).save(folder / "a.png")
    Image.fromarray(np.repeat(grey[..., None], 3, -1)).save(folder / "b.bmp")
    Image.fromarray(np.kron(grey, np.ones((5, 5), np.uint8))).save(folder / "c.png")
    Image.fromarray(np.pad(grey, [(6, 0), (4, 0)])).save(folder / "d.tif")
    points, content = points_of(place, tmp_path, "--names", "true", source=folder, suffix="json")
    a, b, c, d = points[..., :2]
    assert np.array_equal(a, b)
    assert np.median(np.abs(c - (5 * a + 2))) < 5  # a pixel of the small picture
    assert np.allclose(d, a + [4, 6], atol=2e-3)
    assert content["files"] == ["a.png", "b.bmp", "c.png", "d.tif"]
    assert content["points"][0]["name"] == "sella"


def test_several_runs_answer_by_the_mean_in_whatever_order_they_are_named(place, tmp_path):
    names = ["unet-512", "unet-512[other]", "unet-512[coarse]"]
    alone = [points_of(place, tmp_path, runs=[name])[0] for name in names]
    mean = points_of(place, tmp_path, runs=names)[0]
    again = points_of(place, tmp_path, runs=names[::-1])[0]
    assert np.array_equal(mean, again)
    assert all(np.abs(mean - one).max() > 0.1 for one in alone)


def test_flips_and_sizes_are_averaged_over_where_they_may_be(place, tmp_path):
    plain, flipped, sized = (
        points_of(place, tmp_path, *more)[0]
        for more in ((), ("--flips", "true"), ("--scales", "0.8,1"))
    )
    assert np.abs(plain - flipped).max() > 0.01 and np.abs(plain - sized).max() > 0.01
    with pytest.raises(BadInput, match="was trained without --image_flip"):
        points_of(place, tmp_path, "--flips", "true", runs=["unet-512[other]"])


def test_maps_of_another_grid_keep_their_peak_and_their_sum():
    """The peak lies 5 to 6 stored pixels from the corner on both grids."""
    fine, coarse = torch.zeros(1, 1, 12, 16), torch.zeros(1, 1, 4, 5)
    fine[0, 0, 5, 5], coarse[0, 0, 1, 1] = 1, 1
    heat, chosen = mean_heat([Grid(coarse, (3.5, 3.5)), Grid(fine, (1.0, 1.0))], chances=True)
    assert chosen == 1 and heat.sum().item() == pytest.approx(1)
    resampled = 2 * heat - fine
    x = (resampled[0, 0].sum(0) * torch.arange(16)).sum().item()
    assert x == pytest.approx(1.5 * 3.5 - 0.5, abs=0.02)  # the middle of the coarse pixel
    same, _ = mean_heat([Grid(fine, (1.0, 1.0)), Grid(3 * fine, (1.0, 1.0))], chances=False)
    assert torch.equal(same, 2 * fine)


def test_what_cannot_be_used_is_told_in_one_message_and_nothing_is_written(place, tmp_path):
    output = tmp_path / "out" / "points.csv"

    def refused(message, *, run="unet-512", source=place / "png", to=output, more=()):
        runs = [str(run_of(place, name)) for name in ([run] if isinstance(run, str) else run)]
        with pytest.raises(BadInput, match=message):
            predict.main(["--run", *runs, "--input", str(source), "--output", str(to), *CPU, *more])
        assert not output.exists() and not (output.parent.exists() and os.listdir(output.parent))

    black = tmp_path / "black"
    black.mkdir()
    Image.fromarray(np.full((40, 30), 9, np.uint8)).save(black / "a.png")
    Image.fromarray(np.zeros((40, 30), np.uint8)).save(black / "b.png")
    refused("b.png: every pixel is 0", source=black)
    (tmp_path / "broken.mha").write_bytes(
        (place / "stack" / "stack1.mha").read_bytes()[: 84 * 66 * 3 * 5]
    )
    refused("breaks off in picture [45] of 12", source=tmp_path / "broken.mha")
    (tmp_path / "no.png").write_text("no picture")
    refused("no.png: cannot be read as a picture", source=tmp_path / "no.png")
    refused("no such file or folder", source=tmp_path / "none.png")
    (tmp_path / "empty").mkdir()
    refused(r"holds no picture \(", source=tmp_path / "empty")
    (black / "stack1.mha").write_bytes((place / "stack" / "stack1.mha").read_bytes())
    refused("stands beside it; give one stack alone", source=black)
    refused("no run.json there", run="unet-999")
    refused("stores no weights of it; epochs with weights: 1, 2", more=("--epoch", "7"))
    refused("have the same weights", run=["unet-512", "unet-512"])
    refused("read their heatmaps differently", run=["unet-512", "unet-512[focal]"])
    refused("needs a name that ends in .json or .csv", to=tmp_path / "points")
    refused("give points.json", to=output, more=("--format", "json"))
    refused("is a folder", to=tmp_path)


def test_a_run_whose_dataset_was_prepared_by_hand_is_refused(place, tmp_path):
    record = json.loads((run_of(place) / "run.json").read_text())
    (tmp_path / "epoch-0001").mkdir()
    (tmp_path / "epoch-0001" / "weights.safetensors").write_bytes(b"")
    (tmp_path / "best").symlink_to("epoch-0001")
    (tmp_path / "run.json").write_text(json.dumps(record | {"preparation": None}))
    words = ["--run", str(tmp_path), "--input", str(place / "png"), "--output", "x.csv"]
    with pytest.raises(BadInput, match="does not say how its dataset was prepared"):
        predict.main(words)


def test_the_tiny_set_has_what_these_tests_count():
    assert PHANTOM_SETS["phantom-tiny"].patients == ("tinyhead", 12)
