"""The bodies of the phantom's patients: who they are and what their heart measures, in millimetres."""

import math
from dataclasses import dataclass

import numpy as np

from mos.data.phantom_random import Draw

FAT, LV, RV, MYOCARDIUM = 1, 2, 3, 4

GROUPS = {
    "normal": 0.26,
    "dilated": 0.19,
    "hypertrophic": 0.19,
    "infarct": 0.19,
    "rv overload": 0.17,
}
# Contraction of each recorded phase: 0 is the end of filling (ED), 1 the end of ejection (ES).
PHASES = {"ed": 0.0, "es": 1.0, "mid": 0.5}

# group: (cavity radius, wall, widest RV, shortening of the cavity radius at ES), mm and a fraction
_MEASURES = {
    "normal": (24.0, 9.0, 27.0, 0.33),
    "dilated": (32.0, 8.0, 27.0, 0.12),
    "hypertrophic": (20.5, 15.5, 24.0, 0.42),
    "infarct": (27.5, 9.0, 26.0, 0.19),
    "rv overload": (22.0, 9.5, 41.0, 0.28),
}


@dataclass(frozen=True, kw_only=True)
class Body:
    """One patient at rest (ED); (y, x) pairs are mm from the middle of the picture."""

    group: str
    centre: tuple[float, float]  # LV axis at mid-height
    lean: tuple[float, float]  # mm in-plane per mm of height
    apex: float  # height of the tip, mm from the middle of the stack
    length: float  # tip to valve plane, mm
    septum: tuple[float, float]  # unit vector from the LV to the RV
    cavity: float  # LV cavity radius at its widest, mm
    wall: float  # mean wall thickness there, mm
    rv_width: float  # septum to free wall, mm
    rv_shift: float  # along the septum, mm
    rv_wall: float
    shortening: float
    flat: float  # how far the septum is pushed in, fraction of the radius
    valve: tuple[float, float]  # slope of the valve plane
    outline: np.ndarray  # (6,) harmonics 1-3 of the outer wall
    thickness: np.ndarray  # (6,) the same of the wall thickness
    rv_outline: np.ndarray  # (6,)
    scar: tuple[float, float, float, float]  # unit vector, lowest and highest height / length
    papillary: tuple[
        tuple[float, float, float], ...
    ]  # along, across (fractions of the cavity), radius
    fat: float  # mean thickness of epicardial fat, mm
    fat_patch: float  # how much it varies, mm
    outer_fat: float  # mean thickness of the fat outside the pericardium, mm
    pericardium: float  # mm
    patches: np.ndarray  # (2, n, n, n) lattice of both fats
    skin_fat: float
    chest: np.ndarray  # (16,) small displacements of the organs around, standard normal
    texture: np.ndarray  # (n, n, n) lattice of organ texture


def patient_phases(patient: str) -> list[str]:
    """The volumes recorded of a patient: `ed`, most often `es` too, sometimes `mid`."""
    count = {"1": 1, "2": 2, "3": 3}[
        Draw(patient, "volumes").choice({"1": 0.4, "2": 0.4, "3": 0.2})
    ]
    return list(PHASES)[:count]


def _unit(y: float, x: float) -> tuple[float, float]:
    size = math.sqrt(y * y + x * x)
    return y / size, x / size


def make_body(patient: str) -> Body:
    """Draws the anatomy of a patient; all volumes of the patient share it."""
    draw = Draw(patient, "anatomy")
    group = draw.choice(GROUPS)
    cavity, wall, rv_width, shortening = _MEASURES[group]
    length = draw.normal(88, 5) + (6 if group == "dilated" else 0)
    obesity = draw.uniform(0.45, 1.0) + (draw.uniform(0, 0.8) if draw.uniform() < 0.4 else 0)
    scar_lowest = draw.uniform(-0.2, 0.35)
    return Body(
        group=group,
        centre=(draw.uniform(-14, 12), draw.uniform(-8, 20)),
        lean=(draw.normal(0.0, 0.06), draw.normal(0.0, 0.06)),
        apex=-length / 2 + draw.uniform(-15, 15),
        length=length,
        septum=_unit(-0.35 + draw.normal(0, 0.2), -1.0),
        cavity=cavity * draw.normal(1, 0.06),
        wall=wall * draw.normal(1, 0.08),
        rv_width=rv_width * draw.normal(1, 0.08),
        rv_shift=draw.normal(-3, 3),
        rv_wall=draw.uniform(2.2, 3.6) + (1.5 if group == "rv overload" else 0),
        shortening=shortening * draw.normal(1, 0.1),
        flat=draw.uniform(0.1, 0.24) if group == "rv overload" else draw.uniform(0, 0.04),
        valve=(draw.normal(0.05, 0.09), draw.normal(0, 0.09)),
        outline=draw.normals(6) * np.float32(0.025),
        thickness=draw.normals(6) * np.float32(0.16 if group == "hypertrophic" else 0.07),
        rv_outline=draw.normals(6) * np.float32(0.05),
        scar=(
            *_unit(draw.normal(), draw.normal()),
            scar_lowest,
            scar_lowest + draw.uniform(0.4, 0.7),
        ),
        papillary=tuple(
            (draw.uniform(-0.5, -0.15), side * draw.uniform(0.42, 0.62), draw.uniform(3, 5.5))
            for side in (-1, 1)
        ),
        fat=3.6 * obesity,
        fat_patch=2.8 * obesity,
        outer_fat=4.0 * obesity,
        pericardium=draw.uniform(0.6, 1.5),
        patches=draw.normals(2, 16, 16, 16),
        skin_fat=5 + 14 * obesity * draw.uniform(0.7, 1.2),
        chest=draw.normals(16),
        texture=draw.normals(32, 32, 32),
    )
