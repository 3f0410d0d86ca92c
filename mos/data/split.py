"""Deals patients into training, validation and test, 7:1:2, in five rotations."""

import hashlib
from collections.abc import Iterable

from mos.errors import BadInput

FOLDS = 5
_TENTHS = 10


def split_patients(
    patients: Iterable[str], fold: int, seed: int = 0, valid: int | None = None
) -> dict[str, list[str]]:
    """The patients of each part of one fold.

    Patients are ordered by the SHA-256 of `seed:patient`, so that the order depends on nothing else,
    and cut into tenths. Fold k tests tenths 2k and 2k + 1 and validates tenth 2k + 2 (counted round);
    with fewer than ten patients some tenths are empty, then the next one that is not is validated.
    Over the five folds each patient is tested exactly once.

    Args:
        patients: names; repeated ones count once.
        fold: 0 to 4.
        seed: another seed deals anew.
        valid: validate so many patients instead of a tenth: those that come first after the tested ones.

    Returns:
        `train`, `valid`, `test` -> patients, in hash order.

    Raises:
        BadInput: fewer than five patients, or none left to train.
    """
    names = set(patients)
    if len(names) < FOLDS:
        raise BadInput(
            f"{len(names)} patients found ({', '.join(sorted(names))}); five folds need at least {FOLDS}. "
            "Give more cases, mend --patient, or build one file with --kind aux"
        )
    order = sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).hexdigest())
    tenths = [[] for _ in range(_TENTHS)]
    for rank, name in enumerate(order):
        tenths[_TENTHS * rank // len(order)].append(name)
    rest = [(2 * fold + 2 + step) % _TENTHS for step in range(_TENTHS - 2)]
    test = tenths[2 * fold] + tenths[2 * fold + 1]
    if valid is not None:
        others = [name for tenth in rest for name in tenths[tenth]]
        if not 0 < valid < len(others):
            raise BadInput(
                f"{len(names)} patients, of which {len(test)} test: {valid} cannot validate; needs 1 to "
                f"{len(others) - 1}"
            )
        return {"train": others[valid:], "valid": others[:valid], "test": test}
    chosen = next(tenth for tenth in rest if tenths[tenth])
    return {
        "train": [name for tenth in rest if tenth != chosen for name in tenths[tenth]],
        "valid": tenths[chosen],
        "test": test,
    }
