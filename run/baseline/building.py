"""Builds dataset files: finds cases, prepares them once, deals them into folds, writes and sums up."""

import functools
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mos.data.write import PreparedSet, deal_rows, write_bundle
from mos.engine.progress import progress
from mos.errors import BadInput
from mos.folders import dataset_folder
from mos.io.batch import prepare_case, run_all, scan_case
from mos.io.geometry import Grid, find_turn
from mos.io.layouts import CaseFiles, Found, find_msd, find_nnunet, find_pairs
from mos.io.prepare import Preparation, working_grid
from mos.shapes import format_numbers
from run.baseline.model_arguments import TASK
from run.baseline.pseudo.marks import refuse_pseudo_labels
from run.baseline.sheet import write_sheet

SHEET_CASES = 8


def build(options, targets: Mapping[str, tuple[Path, int | None]], command: list[str]) -> None:
    """Makes the dataset files `targets`: name -> (path, fold; None for all cases in one part).

    Raises:
        BadInput: whatever is wrong with the images, the labels, the split or the disk.
    """
    found = _find(options)
    cases = found.cases
    refuse_pseudo_labels(options.kind, [case.label for case in cases if case.label])
    patients = sorted({case.patient for case in cases})
    alone = (
        "" if options.patient else " (each case counts as a patient: no --patient pattern given)"
    )
    print(f"{len(cases)} cases of {len(patients)} patients{alone}", flush=True)
    # Dealt before anything is read: too few patients are said at once.
    everyone = [case.patient for case in cases]
    parts = {
        name: deal_rows(options.kind, everyone, fold, options.split_seed)
        for name, (_, fold) in targets.items()
    }
    preparation, channels = _plan(options, cases)
    volumes, axes, records, counts = _prepare(options, cases, preparation, channels)
    labels = _label_names(options, found, counts, volumes)
    _sum_up(records, volumes, labels, counts)
    _warn_vanished(records, volumes, counts, preparation.label_map)
    prepared = PreparedSet(
        task=TASK,
        kind=options.kind,
        volumes=volumes,
        axes=axes,
        cases=records,
        labels=labels,
        preparation=preparation.to_json(),
    )
    for name, (path, _) in targets.items():
        write_bundle(path, prepared, parts[name], name=name, command=command)
        sizes = ", ".join(f"{key} {len(rows)}" for key, rows in parts[name].items())
        print(f"{path}: {sizes}, {path.stat().st_size / 1e6:.1f} MB", flush=True)
    sheet = dataset_folder(TASK) / f"{TASK}-{options.name}.png"
    _draw(sheet, volumes, records, labels)
    print(f"{sheet}: look at it before you train")


def _find(options) -> Found:
    if options.msd:
        return find_msd(Path(options.msd), options.patient)
    if options.nnunet:
        return find_nnunet(Path(options.nnunet), options.patient)
    return find_pairs(options.images, options.labels, options.patient)


def _plan(options, cases: Sequence[CaseFiles]) -> tuple[Preparation, int]:
    """Reads all headers and settles spacing, size and channels."""
    work = functools.partial(scan_case, allow_gaps=options.allow_gaps)
    # Headers are small: reading them in this process beats starting others.
    scans = dict(progress(run_all(work, cases, 1), total=len(cases), title="headers"))
    grids = [scans[row][0] for row in range(len(cases))]
    channels = {scans[row][1]: cases[row].id for row in reversed(range(len(cases)))}
    if len(channels) > 1:
        told = ", ".join(f"{case} has {count}" for count, case in sorted(channels.items()))
        raise BadInput(f"the number of image channels differs: {told}; give cases of one kind")
    turned = [find_turn(grid, options.orientation).grid(grid) for grid in grids]
    _warn_thick(options.orientation, turned, cases)
    spacing = options.spacing
    if spacing is None:
        spacing = tuple(round(float(v), 4) for v in np.median([g.spacing for g in turned], axis=0))
        print(f"spacing {format_numbers(spacing)} mm (median of the set)")
    preparation = Preparation(
        spacing=spacing,
        percentiles=options.percentiles,
        orientation=options.orientation,
        interpolation=options.interpolation,
        label_map=dict(options.label_map),
    )
    shapes = np.array([working_grid(grid, preparation).shape for grid in grids])
    largest = shapes.max(axis=0)
    rounded = (int(largest[0]), *(int(-(-n // 8) * 8) for n in largest[1:]))
    size = tuple(wanted or own for wanted, own in zip(options.size, rounded))
    print(
        f"cases are {format_numbers(shapes.min(axis=0))} to {format_numbers(largest)} voxels (d,h,w) at spacing "
        f"{format_numbers(spacing)} mm; stored as {format_numbers(size)}",
        flush=True,
    )
    grows = tuple(wanted == 0 for wanted in options.size)
    return replace(preparation, size=size, grows=grows), next(iter(channels))


def _warn_thick(orientation: str, turned: Sequence[Grid], cases: Sequence[CaseFiles]) -> None:
    lying = [
        case.id
        for grid, case in zip(turned, cases)
        if max(grid.spacing[1:]) > 1.5 * grid.spacing[0]
    ]
    if lying and orientation != "slices":
        print(
            f"warning: in {len(lying)} cases, such as {lying[0]}, the thick slices do not run along d "
            f"after turning to {orientation}. To keep slices whole give --orientation slices"
        )


def _prepare(options, cases: Sequence[CaseFiles], preparation: Preparation, channels: int):
    """All cases in uint8: volumes (n, ch + 1, d, h, w), axes (n, d), records, source label counts."""
    count, size = len(cases), preparation.size
    _need_memory(count * (channels + 1) * int(np.prod(size)))
    volumes = np.zeros((count, channels + 1, *size), np.uint8)
    axes = np.zeros((count, size[0]), np.float32)
    records: list[dict[str, Any]] = [{}] * count
    counts: list[dict[int, int]] = [{}] * count
    work = functools.partial(prepare_case, preparation=preparation, allow_gaps=options.allow_gaps)
    done = run_all(work, cases, options.jobs)
    for row, (prepared, found) in progress(done, total=count, title="preparing"):
        volumes[row, :-1] = prepared.image
        if prepared.label is not None:
            volumes[row, -1] = prepared.label
        axes[row], records[row], counts[row] = prepared.axis, prepared.case, found
    return volumes, axes, records, counts


def _need_memory(need: int) -> None:
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # All cases once, and once more the fold that is being written.
    if 2 * need > have:
        raise BadInput(
            f"the prepared cases take {need / 1e9:.1f} GB, twice that while writing; this machine has "
            f"{have / 1e9:.1f} GB. Give a coarser --spacing, a smaller --size, or fewer cases"
        )


def _label_names(options, found: Found, counts, volumes: np.ndarray) -> dict[int, str]:
    """Names of the stored ids: asked for, else from dataset.json, else `label N`."""
    if options.kind == "pseudo" and not any(counts):
        return {0: "background"}
    source = set(found.label_names) | {i for one in counts for i in one}
    stored = {i: _stored_id(dict(options.label_map), i) for i in source}
    names = {}
    for i, new in sorted(stored.items()):
        if new:
            names.setdefault(new, found.label_names.get(i, f"label {new}"))
    if unknown := sorted(set(dict(options.label_names)) - set(names) - {0}):
        raise BadInput(
            f"--label_names names id {unknown[0]}, but the labels hold {sorted(names)} after --label_map"
        )
    if not names:
        raise BadInput(
            "no label id but background in the whole set; check --labels and --label_map"
        )
    return {0: "background"} | names | dict(options.label_names)


def _stored_id(mapping: Mapping[str, int], source: int) -> int:
    """What a source label id becomes."""
    if not mapping or source == 0:
        return int(mapping.get("0", 0)) if source == 0 else source
    return int(mapping.get(str(source), mapping.get("*", 0)))


def _warn_vanished(records, volumes: np.ndarray, counts, mapping: Mapping[str, int]) -> None:
    """Says which labels a coarser spacing wiped out."""
    gone = [
        (record["id"], source)
        for record, volume, one in zip(records, volumes, counts)
        for source in one
        if not record["labels_cut"]
        and _stored_id(mapping, source)
        and not (volume[-1] == _stored_id(mapping, source)).any()
    ]
    if gone:
        print(
            f"WARNING: {len(gone)} structures became smaller than a voxel and are lost, such as label "
            f"{gone[0][1]} of {gone[0][0]}; give a finer --spacing"
        )


def _sum_up(records, volumes: np.ndarray, labels: Mapping[int, str], counts) -> None:
    if not any(counts):
        return
    histogram = np.bincount(volumes[:, -1].ravel(), minlength=256)
    for i, name in labels.items():
        cases = sum(bool((volume[-1] == i).any()) for volume in volumes)
        print(f"label {i} {name}: {int(histogram[i])} voxels in {cases} cases")
    empty = [r["id"] for r, v, c in zip(records, volumes, counts) if c and not v[-1].any()]
    if empty:
        print(f"warning: {len(empty)} cases hold no label, such as {empty[0]}")
    spacings = Counter(tuple(round(v, 3) for v in record["spacing"]) for record in records)
    if len(spacings) > 1:
        print(f"note: {len(spacings)} different spacings are kept, such as {next(iter(spacings))}")
    cut = [(r["labels_cut"], r["id"]) for r in records if r["labels_cut"]]
    if cut:
        worst = max(cut)
        print(
            f"WARNING: --size cut off {sum(n for n, _ in cut)} labelled voxels in {len(cut)} cases, "
            f"{worst[0]} of them in {worst[1]}. Those structures are scored without these parts: "
            "give a larger --size (0,0,0 cuts nothing)"
        )
    else:
        print("no labelled voxel was cut off")


def _draw(path: Path, volumes: np.ndarray, records, labels: Mapping[int, str]) -> None:
    rows = np.unique(np.linspace(0, len(volumes) - 1, SHEET_CASES).round().astype(int))
    chosen = [records[row] for row in rows]
    write_sheet(
        path,
        [volumes[row] for row in rows],
        [record["id"] for record in chosen],
        [record["spacing"] for record in chosen],
        [record["box"] for record in chosen],
        labels,
    )
