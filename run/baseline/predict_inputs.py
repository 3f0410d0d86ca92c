"""What `cmd/predict` is asked to segment: files, channel files and DICOM folders become named images."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mos.errors import BadInput
from mos.io.dicom import is_dicom_file
from mos.io.read import SUFFIXES, read_grid, read_image, stem
from run.baseline.predict_outputs import RECORD_NAME

# Flat pictures beside a DICOM series are previews of it; a volume beside it is another image.
_PICTURES = (".png", ".tif", ".tiff", ".bmp")
_CHANNEL = re.compile(r"(.+)_(\d{4})")


@dataclass(frozen=True)
class Source:
    """One image to segment.

    Attributes:
        name: the result is `<name>.nii.gz`.
        files: an image file or a DICOM folder; or one file for each channel, in their order.
    """

    name: str
    files: tuple[Path, ...]

    def __str__(self) -> str:
        return " + ".join(map(str, self.files))


def find_inputs(patterns: Sequence[str], channels: int, output: Path | None = None) -> list[Source]:
    """The images that files, patterns, DICOM folders and folders of these stand for, each once.

    Only where the run has several channels do `X_0000.nii.gz`, `X_0001.nii.gz`, ... belong together:
    they are the channels of one image `X`, and naming one of them names all. With one channel every
    file is an image of its own, whatever it is called. Folders are searched to their bottom, past
    hidden files and past the results of earlier predictions.

    Args:
        patterns: paths or globs; `**` goes through folders.
        channels: image channels of the run.
        output: where results go; it cannot be an input.

    Raises:
        BadInput: nothing found; two inputs for one result; several files of one DICOM series; a
            folder of a series and volumes; channel files that are not as many as the run's channels.
    """
    found: dict[str, Path] = {}
    for pattern in patterns:
        path = Path(pattern)
        matches = [path] if path.exists() else map(Path, sorted(glob.glob(pattern, recursive=True)))
        images = [image for match in matches for image in _images_at(match, output)]
        if not images:
            raise BadInput(
                f"--input {pattern}: "
                + (
                    f"holds no image ({', '.join(SUFFIXES)}) and no DICOM series"
                    if path.is_dir()
                    else "no such file or folder, and no image matches it"
                )
            )
        found |= {os.path.abspath(image): image for image in images}
    paths = list(found.values())
    _refuse_split_series(paths)
    sources = list(_grouped(paths, channels))
    names: dict[str, Source] = {}
    for source in sources:
        if names.setdefault(source.name, source) is not source:
            raise BadInput(
                f"--input: {names[source.name]} and {source} would both be written to "
                f"{source.name}.nii.gz; predict them into two --output folders"
            )
    return sources


def read_channels(source: Source, count: int, *, allow_gaps: bool = False) -> list[Any]:
    """Reads an image as `count` 3-D `sitk.Image`s, one for each channel.

    Raises:
        BadInput: a file that cannot be read, or another number of channels.
    """
    channels = [c for file in source.files for c in read_image(file, allow_gaps=allow_gaps)]
    if len(channels) != count:
        raise BadInput(
            f"{source}: has {len(channels)} channels, the run was trained on {count}"
            + (f"; name the files of one image X_0000 to X_{count - 1:04d}" if count > 1 else "")
        )
    return channels


def _images_at(path: Path, output: Path | None) -> list[Path]:
    """The image files and series folders at and below a path."""
    if path.is_file():
        return [path]
    if output is not None and path.resolve() == output.resolve():
        raise BadInput(f"--input {path}: is the --output folder too; give another --output")
    inside = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    files = [entry for entry in inside if entry.is_file()]
    images = [file for file in files if file.name.lower().endswith(SUFFIXES)]
    # A DICOMDIR lists the series in the folders below it and is no image itself.
    series = any(
        is_dicom_file(file) for file in files if file not in images and file.name != "DICOMDIR"
    )
    if series and images:
        volumes = [file for file in images if not file.name.lower().endswith(_PICTURES)]
        if volumes:
            raise BadInput(
                f"--input {path}: holds a DICOM series and other images, such as {volumes[0].name}; "
                "move the series into a folder of its own, or give the files one by one"
            )
        print(
            f"note: {path}: its DICOM series is segmented; {images[0].name} is passed over"
            if len(images) == 1
            else f"note: {path}: its DICOM series is segmented; {len(images)} pictures such as "
            f"{images[0].name} are passed over"
        )
    found = [path] if series else images
    for folder in inside:
        if not folder.is_dir() or (output is not None and folder.resolve() == output.resolve()):
            continue
        if (folder / RECORD_NAME).exists():
            print(f"note: {folder}: passed over, it holds results of cmd/predict")
            continue
        found = [*found, *_images_at(folder, output)]
    return found


def _refuse_split_series(paths: Sequence[Path]) -> None:
    """A slice is no image where its series is there: several files of one series are a mistake."""
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        if path.is_file() and is_dicom_file(path):
            folders.setdefault(path.parent, []).append(path)
    for folder, files in folders.items():
        series: dict[str, Path] = {}
        for file in files if len(files) > 1 else ():
            first = series.setdefault(_series_of(file), file)
            if first is not file:
                raise BadInput(
                    f"--input: {first} and {file.name} are slices of one DICOM series; give the "
                    f"folder: --input {folder}"
                )


def _series_of(file: Path) -> str:
    from pydicom import dcmread

    try:
        header = dcmread(
            file, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"], force=True
        )
        return str(header.get("SeriesInstanceUID", ""))
    except Exception as error:  # pydicom reports garbled files with whatever its parser trips over
        raise BadInput(f"{file}: garbled DICOM file ({error}); copy it again") from error


def _grouped(paths: Sequence[Path], channels: int) -> Iterator[Source]:
    """One source a path, or one for the channel files of an image."""
    seen: dict[tuple[Path, str], list[int]] = {}
    for path in paths:
        match = _CHANNEL.fullmatch(stem(path)) if channels > 1 and path.is_file() else None
        # A file that holds several channels is an image of its own: `scan_0001` is then its name.
        if match is None or read_grid(path)[1] != 1:
            yield Source(stem(path), (path,))
        elif (key := (path.parent, match[1])) not in seen:
            files = _channel_files(*key)
            seen[key] = [number for number, _ in files]
            names = ", ".join(file.name for _, file in files[:8])
            if len(files) != channels or len(set(seen[key])) != channels:
                raise BadInput(
                    f"--input: image {match[1]!r} in {path.parent} has {len(files)} channel files "
                    f"({names}{', ...' if len(files) > 8 else ''}), the run was trained on {channels} "
                    f"channels; needs {match[1]}_0000 to {match[1]}_{channels - 1:04d}, one file each"
                )
            first = next(iter(seen))
            if seen[key] != seen[first]:
                raise BadInput(
                    f"--input: image {match[1]!r} in {path.parent} has the channel files {names}, but "
                    f"{first[1]!r} has the numbers {seen[first]}; number the channels alike"
                )
            yield Source(match[1], tuple(file for _, file in files))


def _channel_files(folder: Path, name: str) -> list[tuple[int, Path]]:
    """The files `<name>_NNNN` of a folder by number."""
    matches = (
        (_CHANNEL.fullmatch(stem(file)), file)
        for file in folder.iterdir()
        if file.is_file() and file.name.lower().endswith(SUFFIXES)
    )
    return sorted((int(m[2]), file) for m, file in matches if m and m[1] == name)
