"""Finds label files that a network wrote, so that `cmd/build` never puts them where cases are scored."""

from collections.abc import Sequence
from pathlib import Path

from mos.errors import BadInput
from mos.io.read import stem
from run.baseline.predict_outputs import RECORD_NAME, read_outputs
from run.baseline.pseudo.state import MARK, STATE_NAME


def refuse_pseudo_labels(kind: str, labels: Sequence[Path]) -> None:
    """Refuses to build a set that is scored from predicted or corrected labels.

    Known by the mark in the file, by the work folder it lies in, or by the `predict.json` beside it.

    Args:
        kind: of the set to build; only main and zero-shot sets are scored.

    Raises:
        BadInput: names the first such file.
    """
    if kind not in ("main", "zeroshot"):
        return
    predicted: dict[Path, set[str]] = {}
    for path in labels:
        folder = path.parent
        if folder not in predicted:
            there = (folder / RECORD_NAME).exists()
            predicted[folder] = set(read_outputs(folder)["images"]) if there else set()
        in_work = any((above / STATE_NAME).exists() for above in path.resolve().parents[:2])
        if in_work or stem(path) in predicted[folder] or is_marked(path):
            raise BadInput(
                f"{path}: is a label a network wrote, and a {kind} set scores against its labels. Pseudo-labels "
                "become an auxiliary set: .scripts/baseline/cmd/pseudo-gen --step merge, or --kind aux here"
            )


def is_marked(path: Path) -> bool:
    """Whether a NIfTI file says of itself that it is a pseudo-label."""
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return False
    import nibabel

    try:
        found = nibabel.load(path).header.get("descrip")
    except Exception:  # what is wrong with the file is said where it is read
        return False
    return found is not None and MARK.encode() in bytes(found)
