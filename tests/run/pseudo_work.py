"""A piece of pseudo-labelling on four tiny cases, with a teacher that answers what the test wants."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np

from mos.data.write import PreparedSet, write_bundle
from mos.folders import dataset_path
from run.baseline.cmd.pseudo_gen import Options
from run.baseline.pseudo import generate as generating
from run.baseline.pseudo.state import Work, new_state

NAMES = {0: "background", 1: "fat", 2: "heart"}
SHAPE = (4, 8, 8)
# The first and last slice are padding; the image was cropped by one voxel in plane.
BOX, ORIGIN = [[1, 3], [0, 8], [0, 8]], [-1, 1, 1]
CASES = ("a", "b", "c", "d")


def original_affine(number=0):
    """LPS, turned about z by 30 degrees, spacing 2 x 2 x 5 mm."""
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) * (2, 2, 5)
    affine[:3, 3] = 10, -20, 100 + number
    return affine


def write_dataset(name="toy", *, kind="aux", label=None, annotated=(2,), cases=CASES, channels=1):
    """Writes a dataset file; `label` (d, h, w) is what is drawn in every case, padding left out."""
    volumes = np.zeros((len(cases), channels + 1, *SHAPE), np.uint8)
    random = np.random.default_rng(0)
    volumes[:, :-1, 1:3] = random.integers(0, 255, (len(cases), channels, 2, 8, 8))
    if label is not None:
        volumes[:, -1] = label
    records = [
        {
            "id": case,
            "patient": f"patient {case}",
            "source": [],
            "label_source": [],
            "original_shape": [2, 10, 10],
            "original_spacing": [5.0, 2.0, 2.0],
            "affine": original_affine(number).tolist(),
            "orientation": "LPS",
            "spacing": [5.0, 2.0, 2.0],
            "box": BOX,
            "origin": ORIGIN,
            "intensity": [[0, 1]],
            "labels_cut": 0,
        }
        for number, case in enumerate(cases)
    ]
    axes = np.full((len(cases), 4), np.nan, np.float32)
    axes[:, 1:3] = 0, 5
    prepared = PreparedSet(
        task="baseline",
        kind=kind,
        volumes=volumes,
        axes=axes,
        cases=records,
        labels={i: NAMES[i] for i in (0, *annotated)},
        preparation={"spacing": [5, 2, 2]},
    )
    key = "train3d" if kind == "aux" else "crop3d"
    return write_bundle(
        dataset_path("baseline", name), prepared, {key: list(range(len(cases)))}, name=name
    )


def heart():
    """Id 2, drawn by a person in the upper left corner."""
    label = np.zeros(SHAPE, np.uint8)
    label[1:3, :2, :2] = 2
    return label


class Teacher:
    """Says of every voxel of a case what the test wants, with a given certainty."""

    def __init__(self, answers, *, name="toy/unet-2d-none", certainty=0.8, number=1, learnt=(1, 2)):
        self.answers, self.certainty, self.name, self.number = answers, certainty, name, number
        self.epoch, self.valid_dice, self.weight = 3, 0.8, 1.0
        self.stored = SimpleNamespace(
            labels=SimpleNamespace(train=learnt, names=NAMES),
            record={"in_channels": 1, "spacing": [5, 2, 2], "preparation": {"spacing": [5, 2, 2]}},
            options=None,
            folder=Path("toy"),
        )
        self.epoch_folder = None

    def entry(self):
        return {
            "name": self.name,
            "run": "/nowhere",
            "epoch": self.epoch,
            "valid_dice": self.valid_dice,
            "weight": self.weight,
            "weights_sha256": f"sha of {self.number}",
        }


def teach(monkeypatch, teacher):
    """Lets a teacher answer instead of stored runs."""
    monkeypatch.setattr(generating, "choose_teachers", lambda options: [teacher])
    monkeypatch.setattr(generating, "taught_patients", lambda teachers: ["patient z"])
    monkeypatch.setattr(generating, "machine_for", lambda *_: None)
    monkeypatch.setattr(generating, "load_network", lambda *_: None)

    def probabilities(loaded, teacher, network, machine):
        wanted = teacher.answers[loaded.record["id"]]
        chances = np.full((3, *SHAPE), (1 - teacher.certainty) / 2, np.float32)
        np.put_along_axis(chances, wanted[None].astype(int), teacher.certainty, 0)
        return chances

    monkeypatch.setattr(generating, "_probabilities", probabilities)


def options(**changes):
    return dataclasses.replace(Options(recheck=0), **changes)


def begin(folder, key="train3d", name="toy"):
    source = {"kind": "dataset", "name": name, "key": key, "spacing": None}
    return Work(Path(folder) / "work", new_state("work", source))


def fat(row=4):
    """Id 1 as a teacher sees it: four voxels of one row in each real slice."""
    label = np.zeros(SHAPE, np.uint8)
    label[1:3, row, 2:6] = 1
    return label


def paint(path, change, *, shift=0.0, dtype=None):
    """Edits a label file as an annotator would: `change` gets its array (x, y, z)."""
    image = nibabel.load(path)
    affine = image.affine.copy()
    affine[0, 3] += shift
    array = np.asarray(image.dataobj).astype(dtype or np.uint8)
    nibabel.save(nibabel.Nifti1Image(change(array), affine), path)
