"""Looks through a dataset file: counts, sizes, points, and what must not be in two splits."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import torch

from mos.data.digest import image_digest
from mos.data.landmark_bundle import SPLITS, LandmarkBundle, open_landmarks
from mos.errors import BadInput


def describe(path: Path) -> Iterator[str]:
    """Yields lines that say what is in a file.

    Raises:
        BadInput: the file breaks the documented contract, or a picture is in two splits.
    """
    bundle = open_landmarks(path)
    twice = _twins(bundle)
    h, w = bundle.size
    yield (
        f"{path}: {path.stat().st_size / 1e6:.1f} MB, {bundle.channels} channel(s), {h} x {w} pixels (h x w), "
        f"{len(bundle.names)} points"
    )
    scale = torch.cat([bundle.scale[split] for split in SPLITS])
    if len(scale):
        low, high = float(scale.min()), float(scale.max())
        same = high - low < 5e-4 * high
        yield f"  a pixel is {low:.4g}{'' if same else f' to {high:.4g}'} mm"
    for split in SPLITS:
        cases, visible = bundle.cases[split], bundle.visible[split]
        masked = int((~visible).sum())
        unknown = int(bundle.points[split].isnan().any(dim=-1).sum())
        patients = len({case.patient for case in cases})
        yield (
            f"  {split}: {len(cases)} pictures of {patients} patients, {int(visible.sum())} points visible, "
            f"{masked - unknown} outside, {unknown} unknown"
        )
    yield from _point_lines(bundle)
    if bundle.swap:
        pairs = ", ".join(f"{bundle.names[a]} and {bundle.names[b]}" for a, b in bundle.swap)
        yield f"  change places in a mirror: {pairs}"
    if bundle.manifest:
        preparation = bundle.manifest.get("preparation", {})
        said = ", ".join(f"{key} {value}" for key, value in preparation.items())
        yield f"  prepared with {said or 'nothing recorded'}"
        created = bundle.manifest.get("created", {})
        command = shlex.join(created.get("command", ()))
        yield f"  made {created.get('time', '?')} by MOS {created.get('mos', '?')}: {command}"
    else:
        yield "  no manifest: patients, names of the points and original pixels are unknown"
    known = "no patient in two splits" if bundle.manifest else "patients unknown"
    yield f"  {known}; no picture in two splits"
    for one, other in twice:
        yield f"  note: {one} and {other} are the same picture"


def _point_lines(bundle: LandmarkBundle) -> Iterator[str]:
    """Each point: in how many pictures, and where on the stored image, on average and how spread."""
    points = torch.cat([bundle.points[split] for split in SPLITS])
    visible = torch.cat([bundle.visible[split] for split in SPLITS])
    scale = torch.cat([bundle.scale[split] for split in SPLITS])
    for number, name in enumerate(bundle.names):
        seen = visible[:, number]
        if not seen.any():
            yield f"    {number + 1} {name}: in no picture"
            continue
        own = points[seen, number]
        x, y = own.mean(dim=0).tolist()
        spread = ((own - own.mean(dim=0)) * scale[seen]).square().sum(dim=-1).mean().sqrt()
        yield (
            f"    {number + 1} {name}: in {int(seen.sum())} of {len(seen)}, on average at x {x:.0f}, y {y:.0f}, "
            f"{float(spread):.1f} mm around it"
        )


def _twins(bundle: LandmarkBundle) -> list[tuple[str, str]]:
    """Pictures that are there twice within a split.

    Raises:
        BadInput: one is in two splits.
    """
    seen: dict[str, tuple[str, str]] = {}
    twice = []
    for split in SPLITS:
        for case, image in zip(bundle.cases[split], bundle.images[split].numpy(), strict=True):
            first, before = seen.setdefault(image_digest(image), (split, case.id))
            if first != split:
                raise BadInput(
                    f"{bundle.path}: {before} in {first} and {case.id} in {split} are the same picture, pixel for pixel; "
                    "build the file again without one of them"
                )
            if before != case.id:
                twice.append((before, case.id))
    return twice
