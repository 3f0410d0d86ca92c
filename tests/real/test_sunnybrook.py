"""The Sunnybrook stacks that real-data experiments read."""

import csv

import nibabel
import numpy as np
from tests.real.sunnybrook import stack


def test_every_mask_pixel_of_the_list_is_in_its_stack(shared_data, tmp_path):
    source = shared_data / "sunnybrook_lv"
    names = stack(source, tmp_path)
    assert len(names) == 20
    with open(source / "slices.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    name = "SC-HF-I-01_ES"
    listed = [row for row in rows if f"{row['patient']}_{row['phase']}" == name]
    labels = np.asarray(nibabel.load(tmp_path / "labels" / f"{name}.nii.gz").dataobj)
    assert labels.shape == (256, 256, len(listed))
    wanted = sorted((int(row["slice_index"]), int(row["mask_pixels"])) for row in listed)
    assert (labels == 1).sum((0, 1)).tolist() == [pixels for _, pixels in wanted]
