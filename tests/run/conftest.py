"""A small set of images and labels on disk for the commands that build and check."""

import numpy as np
import pytest


@pytest.fixture
def heart(tmp_path, monkeypatch):
    """Six patients with one volume, one with two, in `images` and `labels`; datasets go to `cache`."""
    import SimpleITK as sitk

    monkeypatch.setenv("MOS_CACHE", str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    names = [f"patient{i:03d}_a" for i in range(1, 8)] + ["patient001_b"]
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
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
        sitk.WriteImage(image, str(tmp_path / "images" / f"{name}.nii.gz"))
        sitk.WriteImage(mask, str(tmp_path / "labels" / f"{name}_seg.nii.gz"))
    return tmp_path


@pytest.fixture
def build(heart):
    """Calls cmd/build on the set; keywords replace or add options, None leaves one out."""

    def call(**options):
        from run.baseline.cmd.build import main

        given = {
            "name": "heart",
            "images": f"{heart}/images/*",
            "labels": f"{heart}/labels/*",
            "patient": r"(patient\d+)",
            "jobs": "1",
        } | options
        main([f"--{key}={value}" for key, value in given.items() if value is not None])

    return call
