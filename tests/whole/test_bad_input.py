"""Bad input gets one message with exit code 2, and what is on disk stays as it was."""

import json
import os
import shutil
import subprocess
from dataclasses import replace

import pytest
import torch

from tests.whole.conftest import UNET2D, UNET3D, assert_same_results, told


def _snapshot(run):
    files = (path for path in run.rglob("*") if path.is_file() and "logs" not in path.parts)
    return {path: path.read_bytes() for path in files if path.name != "run.lock"}


@pytest.fixture
def spoil(press, trained, tmp_path):
    """`spoil(change)`: presses the launcher on a copy of the tiny set after `change(content)`."""

    def call(change, code=2, **environ):
        folder = tmp_path / "spoilt" / "dataset" / "baseline"
        folder.mkdir(parents=True)
        source = trained.cache / "dataset" / "baseline" / "baseline-phantom-tiny.pt"
        content = torch.load(source, weights_only=True)
        change(content)
        torch.save(content, folder / "baseline-mine.pt")
        pressed = replace(press, cache=tmp_path / "spoilt")
        return pressed(UNET2D, code=code, SETTING="mine", COUNT="1", **environ)

    return call


def _shape(content):
    content["train2d"] = content["train2d"][:, 0]


def _ids(content):
    content["test3d"][1, -1, 0, 0, 0] = 9


def _patients(content):
    manifest = json.loads(content["manifest"])
    manifest["cases"]["test3d"][0]["patient"] = manifest["cases"]["train3d"][0]["patient"]
    content["manifest"] = json.dumps(manifest)


def _missing(content):
    del content["valid3d"]


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (_shape, ["train2d", "(50, 48, 48)", "(n, ch + 1, h, w)"]),
        (_ids, ["test3d", "label id 9", "--label_count 10"]),
        (_patients, ["is in both train3d and test3d", "--patient"]),
        (_missing, ["'valid3d' is missing", "keys found"]),
    ],
    ids=["shape", "label id", "patient in two splits", "key"],
)
def test_a_file_that_breaks_the_contract_is_refused(change, parts, spoil, tmp_path):
    message = told(spoil(change))
    assert all(part in message for part in [*parts, "baseline-mine.pt"]), message
    assert not (
        tmp_path / "checkpoint"
    ).exists(), "nothing is begun with a file that cannot be used"


def test_debug_shows_where_it_was_refused(spoil):
    pressed = spoil(_missing, MOS_DEBUG="1")
    assert "Traceback" in pressed.stderr and "open_bundle" in pressed.stderr


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"hello"], ids=repr)
def test_a_foreign_file_is_refused(content, press, tmp_path):
    folder = tmp_path / "cache" / "dataset" / "baseline"
    folder.mkdir(parents=True)
    (folder / "baseline-mine.pt").write_bytes(content)
    message = told(replace(press, cache=tmp_path / "cache")(UNET2D, code=2, SETTING="mine"))
    assert "baseline-mine.pt" in message and "cmd/build" in message


def test_a_truncated_file_is_refused(press, trained, tmp_path):
    source = trained.cache / "dataset" / "baseline" / "baseline-phantom-tiny.pt"
    folder = tmp_path / "cache" / "dataset" / "baseline"
    folder.mkdir(parents=True)
    (folder / "baseline-mine.pt").write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    message = told(replace(press, cache=tmp_path / "cache")(UNET2D, code=2, SETTING="mine"))
    assert "truncated" in message


@pytest.mark.parametrize(
    ("args", "environ", "parts"),
    [
        (["--lerning_rate", "1"], {}, ["--lerning_rate", "--learning_rate"]),
        ([], {"COUTN": "100"}, ["COUTN", "COUNT"]),
        ([], {"MOS_LERNING_RATE": "1"}, ["MOS_LERNING_RATE", "MOS_LEARNING_RATE"]),
        ([], {"SETTING": "hippocampsu-0"}, ["no such dataset file", "phantom-tiny"]),
        ([], {"SETTING": "phantom-tni"}, ["no such phantom", "phantom-tiny"]),
        (["--dataset_crop_size", "64,64"], {}, ["64,64", "48,48", "--dataset_crop_size 48,48"]),
        (["--model_channels", "4,8"], {}, ["--model_channels", "three or more"]),
        (["--dataset_train_labels", "7"], {}, ["--dataset_train_labels", "7"]),
        (["--dataset_spacing", "1,1,1"], {}, ["--dataset_spacing 1,1,1", "25,4,4"]),
        (["--precision", "fp16"], {}, ["--precision fp16", "bf16"]),
        (["--dataset_image_size", "40,40"], {}, ["--dataset_image_size 40,40", "48,48"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_option_that_does_not_fit_is_refused(args, environ, parts, press, trained):
    message = told(press(UNET2D, *args, code=2, **environ))
    assert all(part in message for part in parts), message
    assert not press.folder.exists()


def test_a_crop_deeper_than_the_volumes_is_refused(press, trained):
    message = told(press(UNET3D, code=2, MOS_DATASET_CROP_SIZE="16,32,32"))
    assert "16,32,32" in message and "--dataset_crop_size 4,32,32" in message


def test_a_dataset_that_changed_between_two_starts_is_refused(press, trained, tmp_path):
    shutil.copytree(trained.cache / "dataset", tmp_path / "cache" / "dataset")
    press = replace(press, cache=tmp_path / "cache")
    press(UNET2D, COUNT="1")
    before = _snapshot(press.run())
    path = tmp_path / "cache" / "dataset" / "baseline" / "baseline-phantom-tiny.pt"
    old = path.read_bytes()
    content = torch.load(path, weights_only=True)
    content["train3d"][0, 0, 0, 0, 0] += 1
    torch.save(content, path)
    message = told(press(UNET2D, COUNT="2", code=2))
    assert "phantom-tiny has changed since the run began" in message and "--dir_postfix" in message
    assert _snapshot(press.run()) == before
    path.write_bytes(old)
    press(UNET2D, COUNT="2")


def test_another_network_in_the_same_folder_is_refused(press):
    press(UNET2D, COUNT="1")
    before = _snapshot(press.run())
    message = told(press(UNET2D, "--model_channels", "4,8,16", COUNT="2", code=2))
    assert "channels [4, 8, 8] -> [4, 8, 16]" in message and "--dir_postfix" in message
    assert _snapshot(press.run()) == before


def test_broken_weights_are_refused_by_name_and_left_alone(press):
    press(UNET2D, COUNT="1")
    path = press.run() / "epoch-0001" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    message = told(press(UNET2D, COUNT="2", code=2))
    assert str(path) in message and path.stat().st_size == 100


def test_a_checkpoint_folder_that_cannot_be_written_to_is_refused(press, tmp_path):
    (tmp_path / "file").write_text("")
    message = told(replace(press, folder=tmp_path / "file" / "checkpoint")(UNET2D, code=2))
    assert str(tmp_path / "file") in message


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a size in KiB; needs the right to mount."""
    folder = tmp_path / "disk"
    mounted = []

    def make(size):
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", folder]
        if os.geteuid() or subprocess.run(words, capture_output=True).returncode:
            pytest.skip("needs root and the right to mount a tmpfs")
        mounted.append(folder)
        return folder

    yield make
    for one in mounted:
        subprocess.run(["umount", one], check=True)


@pytest.mark.parametrize("size", [8, 64, 120, 200])
def test_a_full_disk_loses_nothing_and_the_run_goes_on_when_there_is_room(
    size, press, trained, small_disk, tmp_path
):
    disk = small_disk(size)
    full = replace(press, folder=disk)
    assert "the disk is full" in told(full(UNET2D, COUNT="4", code=2))
    shutil.copytree(disk, tmp_path / "roomy", symlinks=True)
    roomy = replace(press, folder=tmp_path / "roomy")
    if roomy.run().exists():
        stored = _snapshot(roomy.run())
        assert not [path for path in stored if ".tmp" in str(path.relative_to(roomy.run()))]
        for path in roomy.run().glob("epoch-*/*.pt"):
            torch.load(path, weights_only=True)
    roomy(UNET2D, COUNT="4")
    assert_same_results(roomy.run(), trained.run())
