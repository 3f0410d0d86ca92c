"""The built-in dataset: a short-axis cardiac MR phantom, the same on every machine."""

from dataclasses import dataclass, replace

import numpy as np

from mos.data.phantom_anatomy import FAT, LV, MYOCARDIUM, RV, make_body, patient_phases
from mos.data.phantom_random import VERSION
from mos.data.phantom_scanner import World, scan, to_uint8

__all__ = ["LABELS", "VERSION", "WORLDS", "Volume", "make_volume", "patient_phases"]

LABELS = {
    0: "background",
    FAT: "epicardial fat",
    LV: "left ventricle",
    RV: "right ventricle",
    MYOCARDIUM: "myocardium",
}

_HOME = World(
    shape=(16, 160, 160),
    spacing=(10.0, 1.5, 1.5),
    thickness=8.0,
    signal={
        "air": 0.0,
        "lung": 0.07,
        "blood": 0.82,
        "muscle": 0.27,
        "scar": 0.40,
        "fat": -0.86,
        "pericardium": 0.12,
        "liver": 0.33,
        "spine": 0.36,
        "stomach": 0.62,
    },
    variation=0.07,
    noise=(0.025, 0.06),
    shading=(0.1, 0.4),
    blur=(0.06, 0.17),
    breathing=1.6,
)
WORLDS = {
    "home": _HOME,
    # Another hospital with a scanner of the same kind.
    "neighbour": replace(
        _HOME,
        signal={**_HOME.signal, "blood": 0.74, "muscle": 0.31, "fat": -0.72, "liver": 0.4},
        noise=(0.03, 0.07),
        shading=(0.0, 0.3),
        blur=(0.1, 0.2),
    ),
    # A spoiled gradient echo: blood no brighter than the organs, fat not opposed, more noise.
    "abroad": World(
        shape=(18, 144, 144),
        spacing=(8.0, 1.25, 1.25),
        thickness=7.0,
        signal={
            "air": 0.0,
            "lung": 0.1,
            "blood": 0.58,
            "muscle": 0.34,
            "scar": 0.47,
            "fat": 0.88,
            "pericardium": 0.2,
            "liver": 0.5,
            "spine": 0.45,
            "stomach": 0.25,
        },
        variation=0.08,
        noise=(0.06, 0.09),
        shading=(0.2, 0.55),
        blur=(0.1, 0.2),
        breathing=2.4,
        offcentre=0.25,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Volume:
    """One phantom volume."""

    image: np.ndarray  # (d, h, w) uint8
    segment: np.ndarray  # (d, h, w) uint8, ids of LABELS
    axis: np.ndarray  # (d,) float32, position of each slice in mm
    signal: np.ndarray  # (d, h, w) int16, what the scanner stored
    intensity: tuple[float, float]  # signals that became 0 and 255
    spacing: tuple[float, float, float]  # mm along d, h, w
    group: str  # normal, dilated, hypertrophic, infarct, rv overload


def make_volume(
    patient: str,
    volume: str = "ed",
    *,
    world: str = "home",
    shape: tuple[int, int, int] | None = None,
    spacing: tuple[float, float, float] | None = None,
) -> Volume:
    """Makes one volume; the same arguments give the same bytes on every machine.

    Args:
        patient: any name; it decides the anatomy and the pathology.
        volume: the phase of the heartbeat, `ed`, `es` or `mid`; see `patient_phases`.
        world: which hospital scans, a key of WORLDS.
        shape: (d, h, w), else the world's. The heart is drawn in mm, so a smaller shape wants a
            wider spacing to hold it.
        spacing: mm along (d, h, w), else the world's.
    """
    scanner = WORLDS[world]
    spacing = spacing or scanner.spacing
    signal, segment = scan(patient, volume, scanner, shape or scanner.shape, spacing)
    image, intensity = to_uint8(signal)
    return Volume(
        image=image,
        segment=segment,
        axis=(np.arange(len(image)) * spacing[0]).astype(np.float32),
        signal=signal,
        intensity=intensity,
        spacing=spacing,
        group=make_body(patient).group,
    )
