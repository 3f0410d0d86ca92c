"""The lists of the real landmark sets are read as they came."""

import csv

import numpy as np

from mos.io.csv_points import read_point_csv
from mos.io.picture import picture_size


def test_the_cephalograms_have_19_points_and_a_scale_for_each_axis(shared_data):
    found = read_point_csv(shared_data / "ceph_isbi2015" / "landmarks.csv")
    assert len(found.rows) == 75 and found.names == tuple(map(str, range(1, 20)))
    assert found.rows[0].scale == (0.39979, 0.4) and found.unused == ()
    assert all(picture_size(row.file) == (600, 484) for row in found.rows)


def test_the_fetal_heads_have_4_points_and_a_scale_of_their_own(shared_data):
    found = read_point_csv(shared_data / "hc18_fetal_head" / "landmarks.csv")
    assert len(found.rows) == 88
    assert found.names == ("ofd_left", "ofd_right", "bpd_top", "bpd_bottom")
    assert found.unused == ("head_circumference_mm", "long_axis_angle_deg")
    # Long and short axis of an ellipse give its circumference, which the set records as well.
    with open(found.path, newline="") as file:
        recorded = [float(line["head_circumference_mm"]) for line in csv.DictReader(file)]
    for row, circumference in zip(found.rows, recorded, strict=True):
        left, right, top, bottom = row.points * row.scale
        a, b = np.linalg.norm(right - left) / 2, np.linalg.norm(bottom - top) / 2
        h = ((a - b) / (a + b)) ** 2
        around = np.pi * (a + b) * (1 + 3 * h / (10 + np.sqrt(4 - 3 * h)))  # Ramanujan
        assert abs(around / circumference - 1) < 0.03
