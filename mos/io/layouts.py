"""Finds the cases of a dataset: image files, their label file, the patient."""

import glob
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mos.errors import BadInput
from mos.io.pairing import names_of, pair
from mos.io.read import SUFFIXES, stem


@dataclass(frozen=True)
class CaseFiles:
    """One case on disk: one image of one or more channels, or one image file for each channel."""

    id: str
    patient: str
    images: tuple[Path, ...]
    label: Path | None


@dataclass(frozen=True)
class Found:
    """What a layout holds; the names come from its `dataset.json`, where there is one."""

    cases: tuple[CaseFiles, ...]
    label_names: Mapping[int, str] = field(default_factory=dict)


def find_pairs(images: Sequence[str], labels: str | None, patient: str | None) -> Found:
    """Cases by glob.

    An image and a label belong together when their names are equal, or become equal once one fixed
    beginning and ending is taken off all images and another off all labels: `X.nii.gz` and
    `X_gt.nii.gz`, `image_X.mha` and `label_X.mha`, `X/image.nii` and `X/label.nii` (files of equal
    name are told apart by their folders).

    Args:
        images: a glob for each channel; `**` goes through folders, a DICOM folder is a match too.
        labels: a glob, or None for images without labels.
        patient: regular expression, see `patient_of`.

    Raises:
        BadInput: nothing matches, or an image, channel or label is left without its partner.
    """
    channels = [_matches(one, "--images") for one in images]
    label_files = _matches(labels, "--labels") if labels else []
    # Where images and labels lie side by side one glob may match both: the narrower one has it.
    for number, files in enumerate(channels):
        if len(label_files) <= len(files):
            channels[number] = [file for file in files if file not in set(label_files)]
        else:
            label_files = [file for file in label_files if file not in set(files)]
    if not channels[0]:
        raise BadInput(
            f"--images {' '.join(images)}: matches the same files as --labels; narrow one"
        )
    names = names_of(channels[0])
    rest = [
        pair(names, names_of(other), "--images", pattern)
        for other, pattern in zip(channels[1:], images[1:])
    ]
    label_of = pair(names, names_of(label_files), "--labels", labels) if labels else {}
    cases = []
    for name, file in names.items():
        case_id = re.sub(r"[\\/]+", "_", name)
        cases.append(
            CaseFiles(
                case_id,
                patient_of(case_id, file, patient),
                (file, *(other[name] for other in rest)),
                label_of.get(name),
            )
        )
    return Found(_checked(cases))


def find_msd(folder: Path, patient: str | None) -> Found:
    """The training cases of a Medical Segmentation Decathlon folder, with or without `dataset.json`.

    Raises:
        BadInput: not such a folder, or a listed file is missing.
    """
    folder = _existing_folder(folder, "--msd")
    description = _description(folder)
    if not description.get("training"):
        found = find_pairs(
            [glob.escape(str(folder / "imagesTr")) + "/*"],
            glob.escape(str(folder / "labelsTr")) + "/*",
            patient,
        )
        return Found(found.cases, _label_names(description))
    cases = []
    for entry in description["training"]:
        if not isinstance(entry, dict) or not {"image", "label"} <= entry.keys():
            raise BadInput(f"{folder / 'dataset.json'}: training needs entries of image and label")
        image, label = folder / entry["image"], folder / entry["label"]
        for file in (image, label):
            if not file.exists():
                raise BadInput(f"{file}: listed in {folder / 'dataset.json'} but not there")
        cases.append(
            CaseFiles(stem(image), patient_of(stem(image), image, patient), (image,), label)
        )
    return Found(_checked(cases), _label_names(description))


def find_nnunet(folder: Path, patient: str | None) -> Found:
    """The training cases of an nnU-Net raw folder (version 1 or 2): `X_0000`, `X_0001`, ... and `X`.

    Raises:
        BadInput: not such a folder, or a case lacks a channel or its label.
    """
    folder = _existing_folder(folder, "--nnunet")
    description = _description(folder)
    groups: dict[str, dict[int, Path]] = {}
    for file in _images_in(folder / "imagesTr"):
        match = re.fullmatch(r"(.+)_(\d{4})", stem(file))
        if not match:
            raise BadInput(f"{file}: nnU-Net images end in a channel number, such as _0000")
        groups.setdefault(match[1], {})[int(match[2])] = file
    labels = {stem(file): file for file in _images_in(folder / "labelsTr")}
    wanted = sorted(set().union(*groups.values()))
    cases = []
    for name, files in sorted(groups.items()):
        if sorted(files) != wanted:
            raise BadInput(f"{folder}: case {name} has channels {sorted(files)}, others {wanted}")
        if name not in labels:
            raise BadInput(f"{folder}: case {name} has no label {folder / 'labelsTr' / name}.*")
        images = tuple(files[number] for number in wanted)
        cases.append(
            CaseFiles(name, patient_of(name, images[0], patient), images, labels.pop(name))
        )
    if labels:
        raise BadInput(
            f"{next(iter(labels.values()))}: label without an image in {folder / 'imagesTr'}"
        )
    return Found(_checked(cases), _label_names(description))


def patient_of(case_id: str, file: Path, pattern: str | None) -> str:
    """The patient of a case: what the pattern finds in the case id, else in the path; no pattern: the id.

    The pattern's first group counts, or all of it when it has none.

    Raises:
        BadInput: no regular expression, or it finds nothing.
    """
    if not pattern:
        return case_id
    try:
        match = re.search(pattern, case_id) or re.search(pattern, file.as_posix())
    except re.error as error:
        raise BadInput(f"--patient {pattern!r}: no regular expression ({error})") from error
    found = match and (match[1] if match.re.groups else match[0])
    if not found:
        raise BadInput(f"--patient {pattern!r}: finds nothing in {file}; such as '(patient\\d+)'")
    return found


def _matches(pattern: str, flag: str) -> list[Path]:
    found = [Path(p) for p in sorted(glob.glob(pattern, recursive=True))]
    # macOS leaves a `._name` beside every file it copies.
    found = [p for p in found if not p.name.startswith(".")]
    if not found:
        raise BadInput(f"{flag} {pattern!r}: matches no file (quote the pattern: '...')")
    return found


def _images_in(folder: Path) -> list[Path]:
    _existing_folder(folder, "--nnunet")
    files = sorted(f for f in folder.iterdir() if f.name.lower().endswith(SUFFIXES))
    files = [f for f in files if not f.name.startswith(".")]
    if not files:
        raise BadInput(f"{folder}: no image in it ({', '.join(SUFFIXES)})")
    return files


def _existing_folder(folder: Path, flag: str) -> Path:
    if not Path(folder).is_dir():
        raise BadInput(f"{flag}: {folder} is no folder")
    return Path(folder)


def _description(folder: Path) -> dict:
    file = folder / "dataset.json"
    if not file.exists():
        return {}
    try:
        description = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        raise BadInput(f"{file}: cannot be read as JSON ({error})") from error
    if not isinstance(description, dict):
        raise BadInput(f"{file}: needs a JSON object")
    return description


def _label_names(description: dict) -> dict[int, str]:
    """Reads both ways of writing labels: {"1": "liver"} and {"liver": 1}; regions are left out."""
    names = {}
    for key, value in dict(description.get("labels", {})).items():
        if isinstance(value, int):
            names[value] = str(key)
        elif str(key).isdecimal() and isinstance(value, str):
            names[int(key)] = value
    return names


def _checked(cases: list[CaseFiles]) -> tuple[CaseFiles, ...]:
    seen: dict[str, CaseFiles] = {}
    for case in cases:
        if case.id in seen:
            raise BadInput(
                f"case id {case.id!r} twice: {seen[case.id].images[0]}, {case.images[0]}"
            )
        seen[case.id] = case
    return tuple(sorted(cases, key=lambda case: case.id))
