"""Where the cases of pseudo-labelling come from: a dataset file, or images without any labels.

Cases of a dataset file are shown on its stored grid, without the padding, at their true place in the
patient; images are shown on their own grid.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mos.data.bundle import Bundle, content_hash, open_bundle
from mos.errors import BadInput
from mos.folders import dataset_path
from mos.io.geometry import Grid
from mos.io.layouts import patient_of
from mos.io.prepare import Preparation, prepare, restore_confident, stored_grid
from run.baseline.dataset import inside, spacings_of
from run.baseline.model_arguments import TASK
from run.baseline.phantom import ensure
from run.baseline.predict_inputs import Source, find_inputs, read_channels


@dataclass(frozen=True, kw_only=True)
class LoadedCase:
    """A case, ready to be predicted and shown.

    Attributes:
        block: (ch, d, h, w) uint8, what the network sees.
        record: the geometry part of a manifest's case record.
        images: one `sitk.Image` for each channel, on the grid an annotator works on.
        original: labels (d, h, w) uint8 on that grid that a person drew before; 0 where there are none.
    """

    block: np.ndarray
    record: Mapping[str, Any]
    images: Sequence[Any]
    original: np.ndarray
    resampled: bool

    def restore(self, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From probabilities (label_count, d, h, w) on the block to the annotator's grid.

        Returns:
            Label ids (d, h, w) uint8 and the probability of these, float32 0..1.
        """
        if self.resampled:
            import SimpleITK as sitk

            both = restore_confident(probabilities, self.record, self.images[0])
            return tuple(sitk.GetArrayFromImage(image) for image in both)
        part = probabilities[(slice(None), *inside(self.record["box"]))]
        return part.argmax(0).astype(np.uint8), part.max(0)


class DatasetSource:
    """The cases of a dataset file."""

    def __init__(self, bundle: Bundle, asked_spacing: Sequence[float] | None):
        self.bundle = bundle
        self.key = next(iter(bundle.cases))
        self.spacings = spacings_of(bundle, self.key, asked_spacing)
        ids = [case.id for case in bundle.cases[self.key]]
        self.rows = {name: row for row, name in enumerate(file_names(ids))}

    @property
    def label_names(self) -> dict[int, str]:
        return self.bundle.label_names

    @property
    def channels(self) -> int:
        return self.bundle.channels

    def annotated(self) -> tuple[int, ...]:
        """The ids a person drew; where the file does not say, those its voxels hold."""
        if self.bundle.annotated is not None:
            return self.bundle.annotated
        found: set[int] = set()
        for volume in self.bundle.tensors[self.key].numpy():
            found |= {int(i) for i in np.flatnonzero(np.bincount(volume[-1].ravel()))}
        return tuple(sorted(found - {0}))

    def new_cases(self) -> dict[str, dict[str, Any]]:
        """What the state keeps of each case."""
        cases = self.bundle.cases[self.key]
        return {
            name: {"id": cases[row].id, "patient": cases[row].patient}
            for name, row in self.rows.items()
        }

    def record_of(self, name: str) -> dict[str, Any]:
        """The case record of the manifest; of a file without one, what its axis and spacing say.

        Such a file does not say where in the patient its voxels lie: they are put along LPS with the
        first voxel at x = y = 0.
        """
        row = self.rows[name]
        case, spacing = self.bundle.cases[self.key][row], self.spacings[row]
        listed = self.bundle.manifest.get("cases", {}).get(self.key)
        box = [list(side) for side in case.box]
        if listed and {"affine", "original_shape", "origin", "orientation"} <= listed[row].keys():
            return dict(listed[row], box=box)
        positions = self.bundle.axes.get(self.key)
        first = 0.0 if positions is None else float(positions[row][box[0][0]])
        affine = np.diag([*reversed(spacing), 1.0])
        affine[2, 3] = first - box[0][0] * spacing[0]
        return {
            "id": case.id,
            "patient": case.patient,
            "original_shape": list(self.bundle.tensors[self.key].shape[2:]),
            "original_spacing": list(spacing),
            "affine": affine.tolist(),
            "orientation": "LPS",
            "spacing": list(spacing),
            "box": box,
            "origin": [0, 0, 0],
        }

    def volume(self, name: str) -> np.ndarray:
        """(ch + 1, d, h, w) uint8 as stored."""
        return self.bundle.tensors[self.key][self.rows[name]].numpy()

    def axis(self, name: str) -> np.ndarray:
        """(d,) float32: position of each slice in mm, nan in padding."""
        if self.key in self.bundle.axes:
            return self.bundle.axes[self.key][self.rows[name]].astype(np.float32)
        record = self.record_of(name)
        axis = np.full(self.bundle.tensors[self.key].shape[2], np.nan, np.float32)
        axis[slice(*record["box"][0])] = stored_grid(record).slice_positions()
        return axis

    def original(self, name: str) -> np.ndarray:
        """Labels (d, h, w) uint8 that a person drew, without padding."""
        return self.volume(name)[-1][inside(self.record_of(name)["box"])].copy()

    def load(self, name: str, known: Mapping[str, Any]) -> LoadedCase:
        """Reads a case."""
        volume, record = self.volume(name), self.record_of(name)
        grid, window = stored_grid(record), (slice(None), *inside(record["box"]))
        real = volume[window]
        return LoadedCase(
            block=volume[:-1],
            record=record,
            images=[grid.image(channel) for channel in real[:-1]],
            original=self.original(name),
            resampled=False,
        )


class ImageSource:
    """Image files and DICOM folders that have no labels."""

    def __init__(self, preparation: Mapping[str, Any], channels: int, allow_gaps: bool):
        self.preparation = Preparation.from_json(preparation)
        self.channels = channels
        self.allow_gaps = allow_gaps
        self.label_names: dict[int, str] = {}

    def annotated(self) -> tuple[int, ...]:
        return ()

    def load(self, name: str, known: Mapping[str, Any]) -> LoadedCase:
        """Reads and prepares a case.

        Raises:
            BadInput: an unreadable image, or another number of channels.
        """
        source = Source(name, tuple(map(Path, known["files"])))
        images = read_channels(source, self.channels, allow_gaps=self.allow_gaps)
        prepared = prepare(images, None, self.preparation)
        return LoadedCase(
            block=prepared.image,
            record=prepared.case,
            images=images,
            original=np.zeros(Grid.of(images[0]).shape, np.uint8),
            resampled=True,
        )


def open_dataset_source(name: str, key: str, asked_spacing: Sequence[float] | None, sha: str = ""):
    """A dataset file's cases.

    Args:
        sha: the content hash it must have; "" for any.

    Raises:
        BadInput: a missing or broken file, one that has changed.
    """
    ensure(name)
    kind = "aux" if key == "train3d" else "pseudo"
    bundle = open_bundle(dataset_path(TASK, name), kind, (key,))
    if sha and content_hash(bundle) != sha:
        raise BadInput(
            f"{bundle.path}: has changed since its pseudo-labels were begun, so they belong to other voxels. "
            "Put the old file back, or begin anew with another --pseudo_output"
        )
    if not len(bundle.tensors[key]):
        raise BadInput(f"{bundle.path}: {key} is empty, there is nothing to predict")
    return DatasetSource(bundle, asked_spacing)


def find_images(
    patterns: Sequence[str], channels: int, patient: str, folder: Path
) -> dict[str, dict[str, Any]]:
    """What the state keeps of each image that the patterns stand for.

    Raises:
        BadInput: see `find_inputs`; a patient pattern that finds nothing.
    """
    sources = find_inputs(patterns, channels, folder)
    names = file_names([source.name for source in sources])
    return {
        name: {
            "id": source.name,
            "patient": patient_of(source.name, source.files[0], patient),
            "files": [os.path.abspath(file) for file in source.files],
        }
        for name, source in zip(names, sources, strict=True)
    }


def file_names(ids: Sequence[str]) -> list[str]:
    """Case ids as file names: other characters than letters, digits and `.,+@-_` become `_`.

    Raises:
        BadInput: two ids would have one name.
    """
    names = [re.sub(r"[^\w.,+@-]", "_", one).lstrip(".-") or "_" for one in ids]
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        twins = [one for one, its in zip(ids, names) if its == name]
        raise BadInput(
            f"cases {' and '.join(map(repr, twins[:2]))} would both be written to {name}.nii.gz; rename one"
        )
    return names
