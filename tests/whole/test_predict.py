"""From images in any orientation to their segmentation: built, trained, predicted, scored on the original grid."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import torch

from mos.metrics.segmentation import score_case
from mos.shapes import flip_xyz_dhw
from run.baseline.phantom import export_nifti
from tests.io.conftest import _write_series as write_series
from tests.whole.conftest import CROP3D, UNET2D, UNET3D, Press, told

ORIENTATIONS = ("PIR", "RAS", "LPS", "ASL")
PREDICT = "baseline/cmd/predict"


@dataclass(frozen=True)
class Trained:
    """A run on a built set, and the images of its test cases without their labels."""

    press: Press
    run: Path
    images: Path  # holds the test images alone
    labels: Path

    def predict(self, output: Path, *args, code: int = 0, images: Path | None = None):
        words = ("--run", self.run, "--input", images or self.images, "--output", output)
        press = replace(self.press, environ={"OMP_NUM_THREADS": "1"})
        return press(PREDICT, *words, "--device", "cpu", "--threads", "1", *args, code=code)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """The tiny phantom as NIfTI, each patient stored along other axes."""
    folder = tmp_path_factory.mktemp("source")
    for number, case in enumerate(export_nifti("phantom-tiny", folder)):
        for part in ("images", "labels"):
            path = folder / part / f"{case}.nii.gz"
            image = nibabel.load(path)
            to = nibabel.orientations.axcodes2ornt(ORIENTATIONS[number % len(ORIENTATIONS)])
            turn = nibabel.orientations.ornt_transform(nibabel.io_orientation(image.affine), to)
            nibabel.save(image.as_reoriented(turn), path)
    return folder


def _build_and_train(source, press: Press, name, launcher, *build, **environ) -> Trained:
    globs = ("--images", f"{source}/images/*", "--labels", f"{source}/labels/*")
    split = ("--patient", r"(tiny\d+)", "--only_fold", 0)
    plain = replace(press, environ={})
    plain("baseline/cmd/build", "--name", name, *globs, *split, *build, "--jobs", "1")
    press(launcher, SETTING=f"{name}-0", **environ)
    run = press.run(Path(launcher).name, f"{name}-0")
    images = press.folder / f"{name}-images"
    images.mkdir()
    for case in torch.load(run / "latest" / "test-metrics.pt", weights_only=True)["case"]:
        shutil.copy(source / "images" / f"{case}.nii.gz", images)
    return Trained(press, run, images, source / "labels")


@pytest.fixture(scope="module")
def kept(source, warm_python, cache, tmp_path_factory) -> Trained:
    """A 3-D run on images whose voxels were kept as they are."""
    press = Press(warm_python, cache, tmp_path_factory.mktemp("kept"))
    return _build_and_train(source, press, "kept", UNET3D, "--spacing", "0,0,0", **CROP3D)


@pytest.fixture(scope="module")
def resampled(source, warm_python, cache, tmp_path_factory) -> Trained:
    """A 2-D run, trained long enough to be right, on images brought from 4 to 3 mm in plane."""
    press = Press(warm_python, cache, tmp_path_factory.mktemp("resampled"))
    # Many steps in few epochs, since each epoch is scored and stored.
    long = {"COUNT": "2", "MOS_LOOP": "8", "MOS_WARMUP_EPOCHS": "0.2"}
    good = {"MOS_MODEL_CHANNELS": "16,32,64", "MOS_LEARNING_RATE": "1e-2"}
    return _build_and_train(
        source, press, "resampled", UNET2D, "--spacing", "25,3,3", **long, **good
    )


def _rescore(trained: Trained, output: Path) -> tuple[np.ndarray, np.ndarray]:
    """raw_dice (n, label_count) on the images' own grids, and as the run wrote it."""
    best = torch.load(trained.run / "best" / "test-metrics.pt", weights_only=True)
    record = json.loads((trained.run / "run.json").read_text())
    rows = []
    for case in best["case"]:
        predicted = sitk.ReadImage(str(output / f"{case}.nii.gz"))
        reference = sitk.ReadImage(str(trained.labels / f"{case}.nii.gz"))
        image = sitk.ReadImage(str(trained.images / f"{case}.nii.gz"))
        for look in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(predicted, look)() == pytest.approx(getattr(image, look)()), case
        scores = score_case(
            sitk.GetArrayFromImage(predicted),
            sitk.GetArrayFromImage(reference),
            record["eval_labels"],
            record["label_count"],
            flip_xyz_dhw(image.GetSpacing()),
        )
        rows.append(scores["raw_dice"])
    return np.stack(rows), best["raw_dice"].numpy()


def test_predictions_score_as_the_run_did_within_resampling_error(resampled, tmp_path):
    resampled.predict(tmp_path)
    on_original, in_run = _rescore(resampled, tmp_path)
    assert np.nanmean(in_run[:, [2, 4]]) > 0.3, "trained too briefly to say anything"
    assert np.nanmean(on_original) == pytest.approx(np.nanmean(in_run), abs=0.05)


def test_predictions_score_exactly_as_the_run_did_where_nothing_was_resampled(kept, tmp_path):
    pressed = kept.predict(tmp_path)
    on_original, in_run = _rescore(kept, tmp_path)
    np.testing.assert_array_equal(on_original, in_run)
    assert pressed.stderr == "" and "5 images, 0 done already" in pressed.stdout
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_stopped_prediction_goes_on_with_what_is_missing(kept, tmp_path):
    kept.predict(tmp_path)
    first, *others = sorted(tmp_path.glob("*.nii.gz"))
    content = first.read_bytes()
    times = {path: path.stat().st_mtime_ns for path in others}
    first.unlink()
    assert "5 images, 4 done already" in kept.predict(tmp_path).stdout
    assert first.read_bytes() == content
    assert {path: path.stat().st_mtime_ns for path in others} == times


def test_another_runs_work_is_not_mixed_with(kept, resampled, tmp_path):
    kept.predict(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    message = told(resampled.predict(tmp_path, code=2))
    assert "holds the work of baseline-kept-0/unet-3d-none epoch" in message
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_image_with_two_channels_is_refused_by_name(kept, tmp_path):
    path = tmp_path / "two.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((8, 8, 4, 2), np.int16), np.eye(4)), path)
    message = told(kept.predict(tmp_path / "out", images=path, code=2))
    assert "two.nii.gz" in message and "2 channels" in message and "1" in message


def test_a_folder_that_is_no_run_is_refused(kept, tmp_path):
    words = ("--run", tmp_path, "--input", kept.images, "--output", tmp_path / "out")
    message = told(replace(kept.press, environ={})(PREDICT, *words, code=2))
    assert f"--run {tmp_path}: no run.json there" in message


def test_a_dicom_series_is_segmented_in_its_own_grid_as_the_same_image_in_nifti(kept, tmp_path):
    nifti = sorted(kept.images.glob("*.nii.gz"))[0]
    image = sitk.DICOMOrient(sitk.ReadImage(str(nifti)), "LPS")
    volume = sitk.GetArrayFromImage(image)
    write_series(
        tmp_path / "series",
        volume - min(0, int(volume.min())),
        spacing=flip_xyz_dhw(image.GetSpacing()),
        origin=image.GetOrigin(),
    )
    kept.predict(tmp_path / "out", images=tmp_path / "series")
    kept.predict(tmp_path / "nifti", images=nifti)
    got = sitk.ReadImage(str(tmp_path / "out" / "series.nii.gz"))
    same = sitk.DICOMOrient(sitk.ReadImage(str(tmp_path / "nifti" / nifti.name)), "LPS")
    assert got.GetSize() == image.GetSize()
    for look in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(got, look)() == pytest.approx(getattr(image, look)(), abs=1e-4)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(got), sitk.GetArrayFromImage(same))
