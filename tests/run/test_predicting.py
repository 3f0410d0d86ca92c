"""cmd/predict on a run made by hand: precision, precise messages, and what an interruption leaves."""

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from mos.engine import device
from mos.engine.checkpoint import save_epoch
from mos.errors import BadInput
from mos.folders import epoch_folder
from mos.io.prepare import Preparation
from run.baseline import predicting
from run.baseline.cmd.predict import main
from run.baseline.model_arguments import ModelArguments
from run.baseline.stored import machine_for
from run.baseline.task import build_network

OPTIONS = {
    "model_channels": "4,8,8",
    "model_norm": "instance",
    "dataset_crop_size": "16,16",
    "dataset_valid_crop_size": "4,16,16",
}


@pytest.fixture
def run(tmp_path):
    """A stored run of two epochs on one channel, with weights as they were drawn."""
    return stored_run(tmp_path / "baseline-heart-0" / "unet-2d-none")


def stored_run(folder, seed=0, **changed):
    trained = ModelArguments(
        model_channels=(4, 8, 8), model_norm="instance", dataset_crop_size=(16, 16), seed=seed
    )
    record = {
        "preparation": Preparation(label_map={"5": 1}).to_json(),
        "in_channels": 1,
        "label_count": 2,
        "labels": {"0": "background", "1": "left ventricle"},
        "train_labels": [1],
        "spacing": [5.0, 1.0, 1.0],
        "options": OPTIONS,
    } | changed
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(record))
    for epoch in (1, 2):
        network = build_network(
            trained, in_channels=1, label_count=2, spacing=(5, 1, 1), channels_last=False
        )
        with torch.no_grad():
            for weight in network.parameters():
                weight.mul_(epoch)
        save_epoch(folder, epoch, network, {}, {})
    os.symlink(epoch_folder(folder, 1).name, folder / "best")
    return folder


@pytest.fixture
def images(tmp_path):
    """Images `case_0000`, `case_0001`, `case_0002`."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        values = np.random.default_rng(number).normal(size=(3, 16, 16)).astype(np.float32)
        sitk.WriteImage(sitk.GetImageFromArray(values), str(folder / f"case_000{number}.mha"))
    return folder


@pytest.fixture
def predict(run, images, tmp_path):
    """Calls cmd/predict; a switch is given as True."""

    def call(**options):
        given = {"run": run, "input": images, "output": tmp_path / "out", "device": "cpu"}
        given |= {"threads": 1} | options
        runs = given.pop("run")
        runs = [str(one) for one in (runs if isinstance(runs, list) else [runs])]
        main(["--run", *runs, *(f"--{key}={value}" for key, value in given.items())])
        return {
            path.name[:9]: path.read_bytes() for path in sorted((tmp_path / "out").glob("*.nii.gz"))
        }

    return call


def entries(tmp_path):
    return json.loads((tmp_path / "out" / "predict.json").read_text())


def test_every_numbered_case_is_segmented_and_recorded(predict, tmp_path, capsys):
    assert list(predict()) == ["case_0000", "case_0001", "case_0002"]
    said = capsys.readouterr()
    assert said.err == "", "no line per image where nobody watches"
    assert "3 images, 0 done already" in said.out and "3 images written" in said.out
    record = entries(tmp_path)
    assert all(entry["done"] for entry in record["images"].values())
    (about,) = record["runs"].values()
    assert about["labels"]["1"] == "left ventricle" and about["label_map"] == {"5": 1}
    assert (about["setting"], about["run"]) == ("baseline-heart-0", "unet-2d-none")


def test_another_epoch_and_flips_are_refused_until_overwritten(predict, tmp_path):
    first = predict()
    for other, words in (
        ({"epoch": 2}, "epoch 1 .now 2."),
        ({"flips": True}, "flips '' .now 'hw'"),
    ):
        with pytest.raises(BadInput, match=words):
            predict(**other)
    second = predict(epoch=2, overwrite=True)
    assert second != first and predict(epoch=2) == second
    assert {entry["epoch"] for entry in entries(tmp_path)["images"].values()} == {2}


def test_a_stop_in_the_middle_of_overwriting_goes_on_where_it_was(predict, monkeypatch, capsys):
    predict()
    segment, seen = predicting.segment, []

    def stopped(source, *rest):
        seen.append(source.name)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return segment(source, *rest)

    monkeypatch.setattr(predicting, "segment", stopped)
    with pytest.raises(KeyboardInterrupt):
        predict(epoch=2, overwrite=True)
    with pytest.raises(BadInput, match="epoch 2 .now 1."):
        predict()
    predict(epoch=2)
    assert seen == ["case_0000", "case_0001", "case_0001", "case_0002"]


def test_an_image_that_cannot_be_used_is_named_and_those_before_it_are_kept(predict, images):
    broken = images / "case_0001.mha"
    whole = broken.read_bytes()
    sitk.WriteImage(sitk.GetImageFromArray(np.full((3, 16, 16), np.nan)), str(broken))
    with pytest.raises(BadInput) as error:
        predict()
    message = str(error.value)
    assert f"{broken}: image holds no finite value" in message
    assert "The 1 images done are kept" in message and "\n" not in message
    broken.write_bytes(whole)
    assert len(predict()) == 3


@pytest.mark.parametrize(
    ("trained_in", "used", "noted"),
    [("fp32", "fp32", False), ("fp16", "fp32", True), ("bf16", "fp32", True)],
)
@pytest.mark.parametrize("resolved", [False, True])
def test_a_precision_this_device_lacks_becomes_fp32_with_a_note(
    predict, run, tmp_path, monkeypatch, capsys, trained_in, used, noted, resolved
):
    monkeypatch.setattr(device, "_fast_bf16", lambda kind: False)
    record = json.loads((run / "run.json").read_text())
    if resolved:  # `auto` at training, which came to this on that machine
        record["machine"] = {"device": "cuda", "precision": trained_in}
    else:
        record["options"]["precision"] = trained_in
    (run / "run.json").write_text(json.dumps(record))
    predict()
    assert {entry["precision"] for entry in entries(tmp_path)["images"].values()} == {used}
    assert (f"note: the run was trained in {trained_in}" in capsys.readouterr().out) == noted


def test_a_precision_is_that_of_training_where_the_device_has_it(monkeypatch):
    monkeypatch.setattr(device, "_fast_bf16", lambda kind: True)
    options = SimpleNamespace(device="cpu", precision="auto", threads=1)
    trained = ModelArguments()
    for wanted in ("fp32", "bf16"):
        machine = machine_for(options, trained, {"machine": {"precision": wanted}})
        assert machine.precision == wanted
    assert machine_for(options, trained, {}).precision == "bf16"
    asked = SimpleNamespace(device="cpu", precision="fp16", threads=1)
    with pytest.raises(BadInput, match="fp16: needs a GPU"):
        machine_for(asked, trained, {})


def test_an_image_too_large_for_memory_is_said_as_such(predict, monkeypatch):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(predicting, "predict_probabilities", full)
    with pytest.raises(BadInput, match=r"case_0000\.mha: with 3x16x16 voxels too large .* cpu"):
        predict()


@pytest.fixture
def folds(run, tmp_path):
    """Two more runs on the same data, with other weights."""
    return [
        run,
        *(
            stored_run(tmp_path / f"baseline-heart-{seed}" / "unet-2d-none", seed)
            for seed in (1, 2)
        ),
    ]


def test_several_runs_answer_with_the_mean_of_their_probabilities(
    predict, folds, images, monkeypatch, capsys, tmp_path
):
    single, seen = predicting.predict_probabilities, []

    def watched(*args, **kwargs):
        seen.append(single(*args, **kwargs))
        return seen[-1]

    monkeypatch.setattr(predicting, "predict_probabilities", watched)
    together = predict(run=folds)
    assert len(seen) == 3 * 3, "three images, three runs each"
    assert "the mean of 3 runs (baseline-heart-0/unet-2d-none epoch 1" in capsys.readouterr().out
    for number, name in enumerate(together):
        expected = torch.stack(seen[3 * number : 3 * number + 3]).mean(0)[0].argmax(0)
        found = sitk.ReadImage(str(tmp_path / "out" / f"{name}.nii.gz"))
        assert np.array_equal(sitk.GetArrayFromImage(found), expected)
        alone = [chances[0].argmax(0) for chances in seen[3 * number : 3 * number + 3]]
        assert any(not torch.equal(one, expected) for one in alone), "or the test cannot fail"


def test_the_order_of_runs_changes_nothing_and_each_run_is_in_the_record(predict, folds, tmp_path):
    together = predict(run=folds)
    assert predict(run=folds[::-1]) == together
    (about,) = entries(tmp_path)["runs"].values()
    assert about["setting"] == "baseline-heart-0 + baseline-heart-1 + baseline-heart-2"
    assert len(set(about["mean_of"].values())) == 3
    assert "baseline-heart-1/unet-2d-none epoch 1" in about["mean_of"]
    entry = entries(tmp_path)["images"]["case_0000"]
    assert entry["epoch"] == [1, 1, 1] and entry["flips"] == ["", "", ""]
    assert entry["window"] == [[4, 16, 16]] * 3


def test_the_mean_of_other_runs_is_refused_until_overwritten(predict, folds):
    predict(run=folds)
    with pytest.raises(BadInput, match="was made with other weights"):
        predict(run=[*folds[:2], stored_run(folds[0].parent / "unet-2d-none[b]", 5)])
    with pytest.raises(BadInput, match="epoch .1, 1, 1. .now .1, 1.."):
        predict(run=folds[:2])
    with pytest.raises(BadInput, match="epoch .1, 1, 1. .now 1."):
        predict()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"labels": {"0": "background", "1": "right ventricle"}}, "name the label ids differently"),
        ({"preparation": Preparation(spacing=(2, 1, 1)).to_json()}, "prepare images differently"),
    ],
)
def test_runs_that_have_no_mean_are_refused_with_the_reason(predict, run, tmp_path, changed, words):
    other = stored_run(tmp_path / "baseline-knee-0" / "unet-2d-none", 1, **changed)
    with pytest.raises(BadInput, match=words):
        predict(run=[run, other])


def test_a_run_named_twice_is_refused(predict, run):
    with pytest.raises(BadInput, match="name each run once"):
        predict(run=[run, run])


def test_flips_are_refused_where_training_allowed_none(predict, run):
    record = json.loads((run / "run.json").read_text())
    record["options"]["image_flip_axes"] = ""
    (run / "run.json").write_text(json.dumps(record))
    with pytest.raises(BadInput, match="no axis may be flipped"):
        predict(flips=True)


@pytest.mark.parametrize("view", ["axial", "coronal", "sagittal", "slices"])
def test_a_volume_cut_into_slices_along_any_axis_comes_back_in_its_own_size_and_affine(
    predict, run, tmp_path, monkeypatch, view
):
    """Images stored along odd axes, padded and cropped; what is bright shall be label 1, voxel for voxel."""
    record = json.loads((run / "run.json").read_text())
    kept = Preparation(orientation=view, size=(24, 24, 24), percentiles=(0, 100))
    record["preparation"] = kept.to_json()
    record["options"]["dataset_valid_crop_size"] = "4,24,24"
    (run / "run.json").write_text(json.dumps(record))
    slices = []

    class BrightSlices(torch.nn.Module):
        def forward(self, image):
            slices.append(image)
            return torch.cat([0.5 - image, image - 0.5], 1) * 100

    monkeypatch.setattr(predicting, "load_network", lambda *stored: BrightSlices())
    folder = tmp_path / "odd"
    folder.mkdir()
    values = np.random.default_rng(0).random((5, 13, 9)).astype(np.float32)
    values.flat[:2] = 0, 1
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.7, 0.9, 4))
    image.SetOrigin((3, -20, 7.5))
    # x runs to the feet, y to the front, z to the right; the whole a little oblique.
    turn = np.array([[0, 0, -1], [0, -1, 0], [-1, 0, 0]]) @ _rotation(0.1)
    image.SetDirection(turn.ravel().tolist())
    sitk.WriteImage(image, str(folder / "odd.mha"))
    predict(input=folder)
    found = sitk.ReadImage(str(tmp_path / "out" / "odd.nii.gz"))
    for look in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(found, look)() == pytest.approx(getattr(image, look)(), abs=1e-5)
    stored = np.rint(values * 255)  # what a network sees
    assert np.array_equal(sitk.GetArrayFromImage(found), stored > 127)
    assert {tuple(part.shape[1:]) for part in slices} == {(1, 24, 24)}, "slice by slice"
    # Whichever way it was cut, there is a slice of 24 that shows the axis it was cut across.
    across = {"axial": 9, "coronal": 13, "sagittal": 5, "slices": 5}[view]
    assert sum(bool(one.any()) for part in slices for one in part) == across


def _rotation(angle):
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
