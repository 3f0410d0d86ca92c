"""The work folder of `cmd/pseudo-gen`: what lies in it, and how far the work has come.

    .checkpoint/pseudo/<name>/
    ├── pseudo.json                     the state, written whole after every case
    ├── images/<case>.nii.gz            what an annotator looks at; further channels in images_0001/, ...
    ├── predicted/<case>.nii.gz         the teacher's labels, original labels kept
    ├── confidence/<case>.nii.gz        probability of the chosen label, 0-1
    ├── learned/<case>.nii.gz           a later teacher's labels of a case that is corrected already
    ├── batch-001/                      handed out: images, labels to correct, README.txt, label names
    └── accepted/<case>.nii.gz          the corrected labels, checked

All files of a case lie on one grid. `pseudo.json`:

    {"format": 1, "name": "heart", "source": {"kind": "dataset", ..} or {"kind": "images"},
     "labels": {"0": "background", "1": "fat"}, "output_labels": [1], "original_labels": [2, 3],
     "rounds": [{"number": 1, "teachers": [{"name": .., "epoch": 17, "valid_dice": 0.81, "weight": 1.0, ..}]}],
     "cases": {"<case>": {"patient": .., "round": 1, "confidence": 0.83, "taken": {..}, "learned": {..}}},
     "batches": [{"number": 1, "new": [..], "check": [..], "returned": [..]}],
     "merges": [{"dataset": .., "cases": 5}]}

A case is `unpredicted` until it has a `round`, `out` while it is new in a batch and has not come back,
`corrected` once it has been `taken`, and `predicted` in between.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mos.errors import BadInput
from mos.files import atomic_path, sweep_temporaries, write_json
from mos.folders import checkpoint_root

STATE_NAME = "pseudo.json"
FORMAT = 1
# Label files say what they are wherever they are copied to; `pseudo.marks` reads it.
MARK = "MOS pseudo-label"
LABEL_FOLDERS = ("predicted", "learned", "accepted")
_LISTS, _OBJECTS = ("rounds", "batches", "merges"), ("source", "labels", "cases")


@dataclass(frozen=True)
class Work:
    """A work folder and its state; `save` after every change."""

    folder: Path
    state: dict[str, Any]

    @property
    def cases(self) -> dict[str, dict[str, Any]]:
        return self.state["cases"]

    @property
    def round(self) -> int:
        """The number of the newest round, 0 before the first."""
        return len(self.state["rounds"])

    @property
    def outputs(self) -> tuple[int, ...]:
        """The ids that are predicted."""
        return tuple(self.state["output_labels"])

    def save(self) -> None:
        write_json(self.folder / STATE_NAME, self.state)

    def path(self, part: str, case: str, channel: int = 0) -> Path:
        """A file of a case: `part` is images, predicted, confidence, learned or accepted."""
        return self.folder / (f"{part}_{channel:04d}" if channel else part) / f"{case}.nii.gz"

    def batch_folder(self, number: int) -> Path:
        return self.folder / f"batch-{number:03d}"

    def status_of(self, case: str) -> str:
        """unpredicted, predicted, out or corrected."""
        known = self.cases[case]
        if "taken" in known:
            return "corrected"
        if any(case in batch["new"] for batch in self.state["batches"]):
            return "out"
        return "predicted" if known.get("round") else "unpredicted"

    def having(self, status: str) -> list[str]:
        """The cases of a status, in the order of the source."""
        return [case for case in self.cases if self.status_of(case) == status]

    def open_batches(self) -> list[dict[str, Any]]:
        """Batches of which something has not come back."""
        return [batch for batch in self.state["batches"] if missing(batch)]


def missing(batch: dict[str, Any]) -> list[str]:
    """The cases of a batch that have not come back."""
    return [case for case in batch["new"] + batch["check"] if case not in batch["returned"]]


def pseudo_root() -> Path:
    return checkpoint_root() / "pseudo"


def known_works() -> list[Path]:
    """The work folders in the usual place, sorted."""
    root = pseudo_root()
    return sorted(f for f in root.iterdir() if (f / STATE_NAME).exists()) if root.is_dir() else []


def new_state(name: str, source: dict[str, Any]) -> dict[str, Any]:
    """The state of work that has not begun."""
    lists = {key: [] for key in ("output_labels", "original_labels", *_LISTS)}
    return {"format": FORMAT, "name": name, "source": source, "labels": {}, "cases": {}} | lists


def read_work(folder: Path) -> Work | None:
    """The work in a folder; None where none has begun.

    Raises:
        BadInput: the state is broken or of a newer MOS.
    """
    path = folder / STATE_NAME
    if not path.exists():
        return None
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise ValueError(f"needs an object of format {FORMAT}")
        for keys, kind in ((_LISTS, list), (_OBJECTS, dict)):
            if odd := [key for key in keys if not isinstance(state.get(key), kind)]:
                raise ValueError(f"{odd[0]!r} needs to be a {kind.__name__}")
    except (ValueError, OSError) as error:
        raise BadInput(
            f"{path}: cannot be read ({error}), so nobody knows what was predicted, handed out and corrected. "
            "Put back a copy of it, or begin anew with another --pseudo_output"
        ) from error
    return Work(folder, state)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Lets one process at a time work in a folder; the system gives it back after a kill.

    Raises:
        BadInput: another process is at work there, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise BadInput(
            f"--pseudo_output {folder}: cannot be made ({error.strerror}); give a folder"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise BadInput(
            f"--pseudo_output {folder}: another cmd/pseudo-gen is at work there; wait until it has ended"
        ) from error
    except OSError:  # some network disks cannot lock a folder; there one must not start two
        pass
    try:
        for place in (folder, *(f for f in folder.iterdir() if f.is_dir())):
            sweep_temporaries(place)
        yield
    finally:
        os.close(handle)


def write_image(path: Path, image: Any) -> None:
    """Writes a `sitk.Image` whole or not at all."""
    import SimpleITK as sitk

    if path.parent.name in LABEL_FOLDERS:
        image.SetMetaData("ITK_FileNotes", MARK)  # NIfTI's `descrip`
    with atomic_path(path) as temporary:
        sitk.WriteImage(image, str(temporary), useCompression=True)


def copy_file(source: Path, target: Path) -> None:
    """Copies a file whole or not at all."""
    import shutil

    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
