"""Looks through a dataset file: counts, shapes, labels, and what must not be in two splits."""

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mos.data.bundle import Bundle, open_bundle
from mos.data.bundle_cases import image_of
from mos.data.digest import image_digest
from mos.data.keys import VOLUMES, axis_key
from mos.errors import BadInput
from mos.shapes import format_numbers


def describe(path: Path, kind: str | None = None) -> Iterator[str]:
    """Yields lines that say what is in a file.

    Args:
        path: the `.pt` file.
        kind: main, aux, zeroshot, pseudo; None: what the file itself says.

    Raises:
        BadInput: the file breaks the documented contract.
    """
    bundle = open_bundle(path, kind or kind_of(path))
    _check_slices(bundle)
    histograms = {name: _histogram(bundle, name) for name in bundle.tensors}
    _check_ids(bundle, histograms)
    twice = _check_twins(bundle)

    names = bundle.label_names
    size = path.stat().st_size / 1e6
    yield f"{path}: {bundle.kind}, {size:.1f} MB, {bundle.channels} image channel(s)"
    if bundle.manifest:
        yield from _manifest_lines(bundle)
    else:
        yield "  no manifest: patients, spacing and label names are unknown"
    for name, tensor in bundle.tensors.items():
        line = f"  {name} {tuple(tensor.shape)}"
        if name in bundle.cases:
            cases = bundle.cases[name]
            line += f", {len({case.patient for case in cases})} patients"
        yield line
        total = max(1, sum(histograms[name].values()))
        for label, (voxels, count) in _by_label(bundle, name, histograms[name]).items():
            where = f" in {count} of {len(tensor)}"
            text = f"    label {label} {names.get(label, '')}".rstrip()
            yield f"{text}: {voxels} voxels ({100 * voxels / total:.2f} %){where}"
    if len(bundle.cases) > 1:
        known = "no patient in two splits" if bundle.manifest else "patients unknown"
        yield f"  {known}; no image in two splits"
    for a, b in twice:
        yield f"  note: {a} and {b} are the same image"


def kind_of(path: Path) -> str:
    """The kind a file says it is, else the one its keys fit."""
    import torch

    try:
        content = torch.load(path, weights_only=True, mmap=True)
        said = json.loads(content.get("manifest") or "{}").get("kind")
    except Exception:  # whatever is wrong with it, open_bundle finds the words
        return "main"
    if said in VOLUMES:
        return said
    if "crop3d" in content and "train3d" not in content:
        return "zeroshot" if axis_key("zeroshot", "crop3d") in content else "pseudo"
    return "aux" if "valid3d" not in content and "test3d" not in content else "main"


def _manifest_lines(bundle: Bundle) -> Iterator[str]:
    manifest = bundle.manifest
    spacings = np.array([c.spacing for cases in bundle.cases.values() for c in cases if c.spacing])
    if len(spacings):
        low, high = spacings.min(axis=0), spacings.max(axis=0)
        same = np.allclose(low, high, rtol=2e-3)
        text = format_numbers(low) if same else f"{format_numbers(low)} to {format_numbers(high)}"
        yield f"  spacing {text} mm (d,h,w)"
    yield "  labels " + ", ".join(f"{i} {name}" for i, name in bundle.label_names.items())
    preparation = ", ".join(f"{k} {v}" for k, v in manifest.get("preparation", {}).items())
    if pseudo := manifest.get("pseudo"):
        yield from _pseudo_lines(pseudo, manifest)
    yield f"  prepared with {preparation or 'nothing recorded'}"
    created = manifest.get("created", {})
    command = shlex.join(created.get("command", ()))
    yield f"  made {created.get('time', '?')} by MOS {created.get('mos', '?')}: {command}"
    records = [r for part in manifest.get("cases", {}).values() for r in part]
    cut = [(r.get("labels_cut", 0), r["id"]) for r in records if r.get("labels_cut")]
    if cut:
        worst = max(cut)
        yield (
            f"  WARNING: cropping cut off {sum(n for n, _ in cut)} labelled voxels in {len(cut)} cases, "
            f"{worst[0]} of them in {worst[1]}"
        )


def _pseudo_lines(pseudo: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[str]:
    """Who made the labels of a file of `cmd/pseudo-gen --step merge`."""
    cases = [case for part in manifest.get("cases", {}).values() for case in part]
    states = Counter(case.get("pseudo", {}).get("state", "original") for case in cases)
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    voxels = ", ".join(f"{count} {kind}" for kind, count in pseudo.get("voxels", {}).items())
    yield f"  pseudo-labels of {pseudo.get('work')}: {counts} cases; voxels {voxels}"


def _histogram(bundle: Bundle, name: str) -> dict[int, int]:
    counts = np.zeros(256, np.int64)
    for volume in bundle.tensors[name].numpy():
        counts += np.bincount(volume[-1].ravel(), minlength=256)
    return {int(i): int(counts[i]) for i in np.flatnonzero(counts)}


def _by_label(bundle: Bundle, name: str, histogram) -> dict[int, tuple[int, int]]:
    """Label id -> (voxels, volumes or slices that hold it), background left out."""
    volumes = bundle.tensors[name].numpy()
    return {
        label: (voxels, sum(bool((volume[-1] == label).any()) for volume in volumes))
        for label, voxels in histogram.items()
        if label
    }


def _check_ids(bundle: Bundle, histograms) -> None:
    names = bundle.label_names
    for name, histogram in histograms.items():
        unknown = sorted(set(histogram) - set(names) - {0})
        if names and unknown:
            rows = bundle.tensors[name].numpy()
            row = next(i for i, volume in enumerate(rows) if (volume[-1] == unknown[0]).any())
            raise BadInput(
                f"{bundle.path}: {name}, {bundle.row_name(name, row)}: label id {unknown[0]} found, but the manifest names only "
                f"{sorted(names)}; build the file again with --label_map or --label_names"
            )


def _check_slices(bundle: Bundle) -> None:
    """train2d must be the slices of train3d that the manifest says."""
    if not bundle.slices:
        return
    slices, volumes = bundle.tensors["train2d"].numpy(), bundle.tensors["train3d"].numpy()
    for number, (row, index) in enumerate(bundle.slices):
        if not np.array_equal(slices[number], volumes[row, :, index]):
            raise BadInput(
                f"{bundle.path}: train2d row {number} is not slice {index} of train3d row {row}, as the "
                "manifest says; build the file again"
            )


def _check_twins(bundle: Bundle) -> list[tuple[str, str]]:
    """Pairs of the same image within one split; one in two splits is refused."""
    seen: dict[str, tuple[str, str]] = {}
    twins = []
    for name, cases in bundle.cases.items():
        for case, volume in zip(cases, bundle.tensors[name].numpy()):
            key = image_digest(image_of(volume, case.box))
            other, other_id = seen.setdefault(key, (name, case.id))
            if other != name:
                raise BadInput(
                    f"{bundle.path}: {case.id} in {name} is the same image as {other_id} in {other}; "
                    "a test on a training image proves nothing. Remove one and build again"
                )
            if other_id != case.id:
                twins.append((other_id, case.id))
    return twins
