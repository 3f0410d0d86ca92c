"""The loop of pseudo-labels: predicted, handed out, corrected, merged, trained on, predicted again."""

import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from mos.data.bundle import open_bundle
from run.baseline.phantom import export_nifti
from tests.whole.conftest import UNET2D, Press, told

PSEUDO = "baseline/cmd/pseudo-gen"


@pytest.fixture(scope="module")
def taught(warm_python, cache, tmp_path_factory) -> Press:
    """A press with one run of two epochs, good enough to see something."""
    press = Press(warm_python, cache, tmp_path_factory.mktemp("pseudo"))
    press(UNET2D, COUNT="2", MOS_MODEL_CHANNELS="16,32,64", MOS_LEARNING_RATE="1e-2", MOS_LOOP="2")
    return press


def step(press, name, *args, code=0):
    plain = replace(press, environ={"OMP_NUM_THREADS": "1"})
    return plain(PSEUDO, "--step", name, *args, code=code)


def edit(path):
    image = nibabel.load(path)
    array = np.asarray(image.dataobj).copy()
    array[20:26, 20:26, 1] = 2
    nibabel.save(nibabel.Nifti1Image(array, image.affine), path)


def test_the_loop_from_a_set_without_labels_to_a_better_teacher(taught):
    words = ("--pseudo_dataset", "phantom-tiny-pseudo")
    who = ("--threads", "1", "--device", "cpu")
    refused = step(taught, "generate", *words, *who, code=2)
    assert "no teacher reaches --pseudo_threshold 0.74" in told(refused)
    first = step(taught, "generate", *words, *who, "--pseudo_threshold", "0.1")
    assert "round 1: phantom-tiny/unet-2d-none epoch" in first.stdout
    step(taught, "hand_out", *words, "--batch", "2")
    work = taught.folder / "pseudo" / "phantom-tiny-pseudo"
    labels = sorted((work / "batch-001").glob("*_label.nii.gz"))
    assert len(labels) == 2
    for path in labels:
        edit(path)
    back = step(taught, "take_back", *words)
    assert "2 taken back; 2 cases are corrected" in back.stdout
    step(taught, "merge", *words)

    merged = "phantom-tiny-pseudo-corrected"
    bundle = open_bundle(taught.cache / f"dataset/baseline/baseline-{merged}.pt", "aux")
    source = open_bundle(
        taught.cache / "dataset/baseline/baseline-phantom-tiny-pseudo.pt", "pseudo"
    )
    assert len(bundle.cases["train3d"]) == 2 and bundle.annotated == (1, 2, 3, 4)
    rows = [case.id for case in source.cases["crop3d"]]
    for row, case in enumerate(bundle.cases["train3d"]):
        block = bundle.tensors["train3d"][row]
        assert (block[0] == source.tensors["crop3d"][rows.index(case.id), 0]).all()
        painted = np.zeros((4, 48, 48), bool)
        painted[1, 20:26, 20:26] = True
        # Where id 2 was predicted already nothing was changed.
        np.testing.assert_array_equal(block[1][painted], 2)
        provenance = bundle.provenance["train3d"][row].numpy()
        assert (provenance[~painted] == 1).all() and (provenance[painted] > 0).all()
    assert int(bundle.provenance["train3d"].max()) == 2

    pressed = step(taught, "retrain", *words, "--yes")
    assert f"2 of phantom-tiny, 2 of {merged}" in pressed.stdout
    run = taught.run(f"unet-2d-{merged}[pseudo1]")
    record = json.loads((run / "run.json").read_text())
    assert record["aux_datasets"][0]["name"] == merged and (run / "best").exists()
    named = ("--run", run, "--pseudo_threshold", "0.1")
    second = step(taught, "generate", *words, *who, *named)
    assert "round 2: phantom-tiny/unet-2d-phantom-tiny-pseudo-corrected[pseudo1]" in second.stdout
    assert "11 to predict, 2 corrected or handed out stay as they are" in second.stdout
    assert "what was learned: on 2 corrected cases" in second.stdout


def test_images_without_labels_come_back_on_their_own_grid_and_become_a_dataset(taught, tmp_path):
    (case,) = export_nifti("phantom-tiny-pseudo", tmp_path, patients=1)
    path = tmp_path / "images" / f"{case}.nii.gz"
    image = nibabel.load(path)
    to = nibabel.orientations.axcodes2ornt("PIR")
    turn = nibabel.orientations.ornt_transform(nibabel.io_orientation(image.affine), to)
    nibabel.save(turned := image.as_reoriented(turn), path)
    words = ("--pseudo_output", tmp_path / "scans")
    who = ("--run", taught.run(), "--pseudo_threshold", "0.1", "--device", "cpu", "--threads", "1")
    step(taught, "generate", *words, "--input", path, *who)
    for part in ("images", "predicted", "confidence"):
        made = nibabel.load(tmp_path / "scans" / part / f"{case}.nii.gz")
        assert made.shape == turned.shape
        np.testing.assert_allclose(made.affine, turned.affine, atol=1e-4)
    step(taught, "hand_out", *words)
    step(taught, "take_back", *words, "--accept_unchanged")
    step(taught, "merge", *words, "--output_dataset", "scans")
    bundle = open_bundle(taught.cache / "dataset/baseline/baseline-scans.pt", "aux")
    # Prepared as the teacher's set was, the voxels are those of the dataset file of the same patient.
    source = open_bundle(
        taught.cache / "dataset/baseline/baseline-phantom-tiny-pseudo.pt", "pseudo"
    )
    assert (bundle.tensors["train3d"][0, 0] == source.tensors["crop3d"][0, 0]).all()
    assert bundle.manifest["cases"]["train3d"][0]["pseudo"]["state"] == "corrected"
