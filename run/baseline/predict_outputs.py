"""What lies in an output folder of `cmd/predict`, and by which run and settings it was made.

`predict.json` holds, for each image, what it was made from and with, and whether it is done:

    {"format": 1,
     "runs": {"<weights_sha256>": {"run": .., "setting": .., "labels": {"1": "anterior"}, ..}},
     "images": {"<name>": {"done": true, "source": [..], "weights_sha256": .., "epoch": 40,
                           "flips": "hw", "window": [..], "overlap": 0.25, "precision": "fp32",
                           "allow_gaps": false}}}

The mean of several runs has a list of their values in place of each of `epoch`, `flips`, `window`, `overlap` and
`precision`, the hash of their hashes, and under `runs` their names and hashes (`mean_of`).

An image is entered as not done before it is written and as done after, so a kill at any moment leaves
nothing that looks like a result and is none.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mos.errors import BadInput
from mos.files import atomic_path, sweep_temporaries, write_json

if TYPE_CHECKING:
    from run.baseline.predict_inputs import Source

RECORD_NAME = "predict.json"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything but the image itself that decides what a segmentation looks like.

    The mean of several runs has a tuple with the value of each run, but for the hash and `allow_gaps`.
    """

    weights_sha256: str
    epoch: int | tuple[int, ...]
    flips: str | tuple[str, ...]  # axes that are averaged over, "" for none
    window: tuple[int, ...] | tuple[tuple[int, ...], ...]  # d, h, w voxels
    overlap: float | tuple[float, ...]
    precision: str | tuple[str, ...]
    allow_gaps: bool

    def plain(self) -> dict[str, Any]:
        """As JSON gives it back."""
        return {key: _listed(value) for key, value in asdict(self).items()}

    def entry(self, source: "Source", done: bool) -> dict[str, Any]:
        """The entry of an image in `predict.json`."""
        files = [os.path.abspath(file) for file in source.files]
        return {"done": done, "source": files} | self.plain()


def _listed(value: Any) -> Any:
    return [_listed(one) for one in value] if isinstance(value, tuple) else value


def result_path(folder: Path, name: str) -> Path:
    """`<folder>/<name>.nii.gz`"""
    return folder / f"{name}.nii.gz"


def open_output(
    folder: Path,
    sources: Sequence["Source"],
    settings: Settings,
    run: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> list["Source"]:
    """Makes sure that a folder holds work of these settings alone, and says what is left to do.

    A result is done when its entry says so and equals the entry it would get now. One made with
    allow_gaps off had no gaps, so it is also what allow_gaps gives.

    Args:
        run: what `predict.json` tells of the run beside the settings: names, labels.
        overwrite: make all `sources` again. They count as not done from here on, so that after an
            interruption the same command without overwrite goes on.

    Raises:
        BadInput: the folder holds results of other settings, of other images of the same name or of
            unknown origin (without overwrite); a result would replace its own image; a broken record.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"--output {folder}: cannot be made ({error.strerror}); give a folder"
        ) from error
    for source in sources:
        if result_path(folder, source.name).resolve() in [file.resolve() for file in source.files]:
            raise BadInput(
                f"--output {folder}: {source} would be overwritten by its own segmentation; give "
                "another folder"
            )
    with _held(folder):
        record = read_outputs(folder)
        stored = record["images"]
        there = {name for name in stored if result_path(folder, name).exists()}
        if overwrite:
            todo = list(sources)
            _say_mixed(folder, record, there - {source.name for source in sources}, settings)
        else:
            _refuse_others(folder, record, there, sources, settings)
            todo = [s for s in sources if s.name not in there or not stored[s.name].get("done")]
        sweep_temporaries(folder)
        if todo:
            record["runs"][settings.weights_sha256] = dict(run)
            stored |= {source.name: settings.entry(source, done=False) for source in todo}
            write_json(folder / RECORD_NAME, record)
    return todo


def write_result(folder: Path, source: "Source", settings: Settings, image: Any) -> None:
    """Writes the segmentation of an image (a `sitk.Image`) and enters it as done."""
    import SimpleITK as sitk

    with atomic_path(result_path(folder, source.name)) as temporary:
        sitk.WriteImage(image, str(temporary))
    with _held(folder):
        # Read again: another process may be busy with other images of the same folder.
        record = read_outputs(folder)
        record["images"][source.name] = settings.entry(source, done=True)
        write_json(folder / RECORD_NAME, record)


def read_outputs(folder: Path) -> dict[str, Any]:
    """`predict.json` with its keys `runs` and `images`, empty where there is none.

    Raises:
        BadInput: the file is broken.
    """
    path = folder / RECORD_NAME
    empty = {"format": 1, "runs": {}, "images": {}}
    if not path.exists():
        return empty
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("needs a JSON object")
        # A record of before there were entries knows nothing of single images.
        record = empty | {key: found[key] for key in ("runs", "images") if key in found}
        images = record["images"]
        if not isinstance(record["runs"], dict) or not isinstance(images, dict):
            raise ValueError("runs and images need to be objects")
        if odd := [name for name, entry in images.items() if not isinstance(entry, dict)]:
            raise ValueError(f"the entry of {odd[0]!r} needs to be an object")
    except (ValueError, OSError) as error:
        raise BadInput(
            f"{path}: cannot be read ({error}), so nobody knows by which run the results beside it were "
            "made. Give another --output, or delete the file and give --overwrite"
        ) from error
    return record


def _refuse_others(
    folder: Path,
    record: Mapping[str, Any],
    there: set[str],
    sources: Sequence["Source"],
    settings: Settings,
) -> None:
    """Refuses a folder that these results would be mixed or confused with."""
    rest = "give another folder, or --overwrite"
    stored = record["images"]
    for name in sorted(there):
        if differing := _differing(stored[name], settings):
            raise BadInput(
                f"--output {folder}: holds the work of {_whose(record, stored[name])}: "
                f"{name}.nii.gz was made with {differing}; {rest}"
            )
    for source in sources:
        entry = stored.get(source.name)
        if entry is None and result_path(folder, source.name).exists():
            raise BadInput(
                f"--output {folder}: holds {source.name}.nii.gz, and {RECORD_NAME} does not say by what "
                f"it was made; {rest}"
            )
        wanted = settings.entry(source, done=True)["source"]
        if source.name in there and entry.get("source") != wanted:
            before = ", ".join(map(str, entry.get("source") or ["an unknown image"]))
            raise BadInput(
                f"--output {folder}: {source.name}.nii.gz was made from {before}, now it would be from "
                f"{', '.join(wanted)}; {rest}"
            )


def _differing(entry: Mapping[str, Any], settings: Settings) -> str:
    """The settings of an entry that are others now, in words; "" for none."""
    now = settings.plain()
    wrong = [key for key, value in now.items() if entry.get(key) != value]
    if entry.get("allow_gaps") is False and "allow_gaps" in wrong:
        wrong.remove("allow_gaps")
    if "epoch" in wrong and "weights_sha256" in wrong:
        wrong.remove("weights_sha256")  # says no more than the epoch
    words = {"weights_sha256": "other weights"}
    return ", ".join(
        words.get(key, f"{key} {entry.get(key)!r} (now {now[key]!r})") for key in wrong
    )


def _whose(record: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    run = record["runs"].get(entry.get("weights_sha256"))
    name = f"{run.get('setting')}/{run.get('run')}" if isinstance(run, dict) else "an unknown run"
    return f"{name} epoch {entry.get('epoch')}"


def _say_mixed(folder: Path, record: Mapping[str, Any], left: set[str], settings: Settings) -> None:
    others = sorted(name for name in left if _differing(record["images"][name], settings))
    if others:
        print(
            f"note: {folder}: {len(others)} results of other settings stay, such as {others[0]}.nii.gz; "
            f"{RECORD_NAME} tells them apart"
        )


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Lets one process at a time read and write the record; the system gives it back after a kill."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        # Some network disks cannot lock a folder; there two processes need two output folders.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
