"""Deals pictures into training, validation and test: by patient and fold, or as the list says."""

from collections.abc import Sequence

from mos.data.landmark_bundle import SPLITS
from mos.data.split import FOLDS, split_patients
from mos.errors import BadInput
from mos.io.layouts import patient_of
from mos.io.point_list import PointList

_TENTHS = (7.0, 1.0, 2.0)


def patients_of(options, found: PointList, ids: Sequence[str]) -> list[str]:
    """The patient of each picture: by `--patient`, else by the list, else each picture is one.

    Raises:
        BadInput: the pattern finds nothing in a name.
    """
    if options.patient:
        return [patient_of(i, row.file, options.patient) for i, row in zip(ids, found.rows)]
    return [row.patient or own for own, row in zip(ids, found.rows)]


def deal(
    options, found: PointList, patients: Sequence[str], fold: int | None
) -> dict[str, list[int]]:
    """Split -> rows of the list.

    Args:
        fold: 0 to 4; None: all rows train, or with `--split column` go where the list says.

    Raises:
        BadInput: too few patients, a split the list does not name, or a patient in two.
    """
    rows = range(len(patients))
    if options.split is None:
        return _by_column(found, patients)
    if fold is None:
        return {"train": list(rows), "valid": [], "test": []}
    people = len(set(patients))
    if people < FOLDS:
        raise BadInput(
            f"{found.path}: {people} patients; five folds need at least {FOLDS}. Give more pictures, mend "
            "--patient, or give --folds 0 for one file in which all of them train"
        )
    valid = None
    if tuple(options.split) != _TENTHS:
        share = options.split[1] / sum(options.split)
        valid = max(1, round(share * people))
    chosen = split_patients(patients, fold, options.split_seed, valid)
    return {split: [row for row in rows if patients[row] in set(chosen[split])] for split in SPLITS}


def _by_column(found: PointList, patients: Sequence[str]) -> dict[str, list[int]]:
    parts: dict[str, list[int]] = {split: [] for split in SPLITS}
    where: dict[str, str] = {}
    for number, (row, patient) in enumerate(zip(found.rows, patients)):
        if row.split not in SPLITS:
            said = "no column split" if row.split is None else f"split is {row.split!r}"
            raise BadInput(f"{row.where}: {said}; --split column needs train, valid or test there")
        if where.setdefault(patient, row.split) != row.split:
            raise BadInput(
                f"{row.where}: patient {patient} is in both {where[patient]} and {row.split}; a patient "
                "belongs to one of them"
            )
        parts[row.split].append(number)
    if lacking := [split for split in ("train", "valid") if not parts[split]]:
        raise BadInput(f"{found.path}: column split names no {lacking[0]} row; a run needs some")
    return parts
