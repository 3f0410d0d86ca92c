"""The phantom is the same everywhere, and looks as a short-axis stack must."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from mos.data.phantom import LABELS, WORLDS, make_volume, patient_phases
from mos.data.phantom_anatomy import FAT, LV, MYOCARDIUM, RV, make_body
from mos.data.phantom_random import Draw, smooth_noise
from mos.folders import project_folder

SMALL = {"shape": (4, 48, 48), "spacing": (25.0, 4.0, 4.0)}
HASH = """
import hashlib
from mos.data.phantom import make_volume
volume = make_volume("tiny001", "es", shape=(4, 48, 48), spacing=(25.0, 4.0, 4.0))
print(hashlib.sha256(volume.image.tobytes() + volume.segment.tobytes()).hexdigest())
"""


def _sha(volume):
    return hashlib.sha256(volume.image.tobytes() + volume.segment.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def middle():
    """Two neighbouring slices through the middle of a heart, as fine as the real set's."""
    return make_volume("phantom001", "ed", shape=(2, 160, 160))


def test_two_processes_make_the_same_bytes():
    command = [sys.executable, "-c", HASH]
    other = subprocess.run(
        command, capture_output=True, text=True, cwd=project_folder(), check=True
    )
    assert other.stdout.strip() == _sha(make_volume("tiny001", "es", **SMALL))


def test_the_pixels_are_those_of_this_version():
    # When this fails because the phantom was meant to change, raise VERSION in phantom_random.py.
    assert (
        _sha(make_volume("tiny001", "ed", **SMALL))
        == "dbcc89885906ad4d42100dfa040107056394698becc92a417a213c3c9cdc3e61"
    )


def test_the_left_ventricle_lies_within_its_myocardium(middle):
    for segment in middle.segment:
        cavity = segment == LV
        around = np.zeros_like(cavity)
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            around |= np.roll(cavity, step, axis)
        assert set(np.unique(segment[around & ~cavity])) == {MYOCARDIUM}


def test_the_right_ventricle_lies_beyond_the_septum_on_the_patients_right(middle):
    columns = {label: np.nonzero(middle.segment == label)[2].mean() for label in (LV, RV)}
    assert columns[RV] < columns[LV] - 10


def test_blood_is_brighter_than_muscle(middle):
    mean = {label: middle.image[middle.segment == label].mean() for label in LABELS}
    assert mean[LV] > 1.5 * mean[MYOCARDIUM] and mean[RV] > 1.3 * mean[MYOCARDIUM]


def test_bright_fat_lies_outside_the_pericardium_too(middle):
    fat = np.median(middle.image[middle.segment == FAT])
    rows = slice(20, 140)
    others = (middle.segment == 0) & (middle.image > fat)
    assert others[:, rows, rows].sum() > (middle.segment == FAT).sum() / 2


def test_the_stack_reaches_beyond_apex_and_base():
    volume = make_volume("phantom001", "ed", shape=(16, 40, 40), spacing=(10.0, 6.0, 6.0))
    assert volume.axis.tolist() == [10.0 * k for k in range(16)]
    seen = (volume.segment == MYOCARDIUM).any(axis=(1, 2))
    assert not seen[0] and not seen[-1] and 6 <= seen.sum() <= 12


def test_the_cavity_empties_from_ed_to_es_in_the_same_anatomy():
    sizes = [(make_volume("phantom001", p, **SMALL).segment == LV).sum() for p in ("ed", "es")]
    assert sizes[1] < 0.8 * sizes[0]


def test_patients_fall_in_every_group_and_have_one_to_three_volumes():
    patients = [f"phantom{number:03d}" for number in range(1, 41)]
    assert len({make_body(patient).group for patient in patients}) == 5
    assert {len(patient_phases(patient)) for patient in patients} == {1, 2, 3}


@pytest.mark.parametrize("world", WORLDS)
def test_every_world_scans_the_whole_range_of_grey_and_all_labels(world):
    volume = make_volume("tiny001", "ed", world=world, **SMALL)
    assert volume.image.dtype == np.uint8 and volume.segment.dtype == np.uint8
    assert (volume.image.min(), volume.image.max()) == (0, 255)
    assert set(np.unique(volume.segment)) == set(LABELS)


def test_another_scanner_sees_the_same_patient_differently():
    home, abroad = (make_volume("tiny001", world=world, **SMALL) for world in ("home", "abroad"))
    assert np.corrcoef(home.image.ravel(), abroad.image.ravel())[0, 1] < 0.95


def test_a_name_gives_its_own_stream():
    assert Draw("a", "ed").uniform() == Draw("a", "ed").uniform() != Draw("a", "es").uniform()
    values = Draw("many").normals(20000)
    assert abs(values.mean()) < 0.03 and abs(values.std() - 1) < 0.03


def test_noise_hits_its_lattice_and_is_linear_between():
    lattice = np.array([0.0, 10, 20, 30], np.float32)  # at -4, -2, 0 and 2 mm
    found = smooth_noise(lattice, 2.0, np.array([-4.0, 0.0, 1.0, 2.0], np.float32))
    assert found.tolist() == [0, 20, 25, 30]
