"""Stacks the PNG slices of Sunnybrook (`../shared/data/sunnybrook_lv`) into NIfTI for `cmd/build`.

    python -m tests.real.sunnybrook ../shared/data/sunnybrook_lv /tmp/sunnybrook

Writes `images/<patient>_<phase>.nii.gz` and `labels/`, with 1 for the left ventricle's cavity.
"""

import csv
import sys
from itertools import groupby
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

# Not in the files; the nominal values of the set: 1.25-1.4 mm in plane, 8-10 mm between slices.
SPACING_XYZ = (1.3, 1.3, 9.0)


def stack(source: Path, target: Path) -> list[str]:
    """Writes every stack of the set.

    Returns:
        The names of the stacks, `<patient>_<ED|ES>`.
    """
    with open(source / "slices.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows.sort(key=lambda row: (row["patient"], row["phase"], int(row["slice_index"])))
    # Rows of a picture run from front to back and columns from right to left of the body, as LPS.
    affine = np.diag([-SPACING_XYZ[0], -SPACING_XYZ[1], SPACING_XYZ[2], 1.0])
    names = []
    for (patient, phase), members in groupby(rows, lambda row: (row["patient"], row["phase"])):
        files = [row["file"] for row in members]
        name = f"{patient}_{phase}"
        for folder, part, scale in (("images", "images", 1), ("masks", "labels", 255)):
            slices = [np.asarray(Image.open(source / folder / file)) // scale for file in files]
            (target / part).mkdir(parents=True, exist_ok=True)
            volume = np.stack(slices).transpose(2, 1, 0).astype(np.uint8)
            nibabel.save(nibabel.Nifti1Image(volume, affine), target / part / f"{name}.nii.gz")
        names.append(name)
    return names


if __name__ == "__main__":
    print(f"{len(stack(Path(sys.argv[1]), Path(sys.argv[2])))} stacks in {sys.argv[2]}")
