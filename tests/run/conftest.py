"""A small set of images and labels on disk for the commands that build and check."""

import numpy as np
import pytest


@pytest.fixture
def heart(tmp_path, monkeypatch):
    """Six patients with one volume, one with two, in `images` and `labels`; datasets go to `cache`."""
    monkeypatch.setenv("MOS_CACHE", str(tmp_path / "cache"))
    write_images(tmp_path)
    return tmp_path


def write_images(folder):
    """Writes the set into `images` and `labels` of a folder."""
    import SimpleITK as sitk

    random = np.random.default_rng(0)
    names = [f"patient{i:03d}_a" for i in range(1, 8)] + ["patient001_b"]
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for number, name in enumerate(names):
        label = np.zeros((5 + number % 2, 16, 18), np.uint8)
        label[1:4, 4:9, 5:9], label[2:4, 9:12, 5:9] = 1, 2
        image = sitk.GetImageFromArray(
            (label * 100 + random.integers(0, 30, label.shape)).astype("i2")
        )
        image.SetSpacing((1.5, 1.5, 8.0))
        image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
        mask = sitk.GetImageFromArray(label)
        mask.CopyInformation(image)
        sitk.WriteImage(image, str(folder / "images" / f"{name}.nii.gz"))
        sitk.WriteImage(mask, str(folder / "labels" / f"{name}_seg.nii.gz"))


@pytest.fixture
def build(heart):
    """Calls cmd/build on the set; keywords replace or add options, None leaves one out."""

    return lambda **options: call_build(heart, **options)


def call_build(folder, **options):
    from run.baseline.cmd.build import main

    given = {
        "name": "heart",
        "images": f"{folder}/images/*",
        "labels": f"{folder}/labels/*",
        "patient": r"(patient\d+)",
        "jobs": "1",
    } | options
    main([f"--{key}={value}" for key, value in given.items() if value is not None])


@pytest.fixture(scope="session")
def built_once(tmp_path_factory):
    """The dataset file of fold 0, built once; copy it before changing it."""
    folder = tmp_path_factory.mktemp("heart")
    write_images(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOS_CACHE", str(folder / "cache"))
        call_build(folder, only_fold=0)
    return folder / "cache/dataset/baseline/baseline-heart-0.pt"
