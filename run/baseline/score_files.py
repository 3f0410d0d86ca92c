"""Scores of segmentation files against label files, as CSV by case and by label."""

import csv
import glob
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mos.engine.progress import progress
from mos.errors import BadInput
from mos.files import write_text
from mos.io.geometry import Grid, same_grid, turn_onto
from mos.io.labels import map_labels, whole_labels
from mos.io.pairing import names_of, pair
from mos.io.read import SUFFIXES, read_image
from mos.metrics.overlap import dice, iou, overlap_counts
from run.baseline.predict_outputs import read_outputs
from run.baseline.pseudo.marks import is_marked

RATES = ("dice", "iou", "recall", "fp_rate", "fn_rate")
COUNTS = ("tp", "fp", "fn", "tn")


@dataclass(frozen=True)
class Meaning:
    """What the ids of a folder of segmentations mean.

    Attributes:
        names: of the ids to score; empty: every id there is, without a name.
        label_map: from ids of the label files to those of the segmentations.
    """

    names: Mapping[int, str]
    label_map: Mapping[str, int]


def score(options: Any) -> None:
    """Writes `scores.csv`, `scores-cases.csv` and `scores-labels.csv`.

    Args:
        options: `run.baseline.cmd.score.Options`.

    Raises:
        BadInput: files without partner, on different grids, or with ids that are no labels.
    """
    folder = Path(options.predictions)
    meaning = read_meaning(folder, options)
    pairs = find_files(folder, options.labels)
    tables: dict[str, dict[int, dict[str, float]]] = {}
    for name, files in progress(pairs.items(), total=len(pairs), title="score"):
        tables[name] = score_pair(*files, meaning)
    # Of files without names, a label is one that any of them has.
    ids = sorted(meaning.names or {label for table in tables.values() for label in table})
    names = {label: meaning.names.get(label, f"label {label}") for label in ids}
    output = Path(options.output or folder)
    by_case, by_label = means_by_case(tables), means_by_label(tables, names)
    rows = [
        {"case": case, "label": label, "name": names[label]} | table.get(label, {})
        for case, table in tables.items()
        for label in ids
    ]
    write_csv(output / "scores.csv", ("case", "label", "name", *RATES, *COUNTS), rows)
    write_csv(output / "scores-cases.csv", ("case", *RATES, "labels_scored"), by_case)
    columns = ("label", "name", *RATES, "cases_scored", "missed", "invented")
    write_csv(output / "scores-labels.csv", columns, by_label)
    for row in by_label:
        told = " ".join(f"{key} {row[key]:.4f}" for key in ("dice", "iou", "recall"))
        print(
            f"{row['label']:>3} {row['name']}: {told} ({row['cases_scored']} of {len(tables)} cases)"
        )
    print(f"{output / 'scores.csv'}, scores-cases.csv, scores-labels.csv: {len(tables)} cases")


def read_meaning(folder: Path, options: Any) -> Meaning:
    """What was asked for, and where nothing was, what `predict.json` says.

    Raises:
        BadInput: the folder holds results of runs with other labels.
    """
    record = read_outputs(folder)
    used = {entry.get("weights_sha256") for entry in record["images"].values()}
    runs = [run for key, run in record["runs"].items() if key in used]
    told = [(run.get("labels"), run.get("predicted_labels"), run.get("label_map")) for run in runs]
    if any(one != told[0] for one in told):
        raise BadInput(
            f"--predictions {folder}: holds results of runs whose ids mean different things, such as "
            f"{runs[0].get('setting')} and {runs[-1].get('setting')}; predict into a folder each"
        )
    labels, predicted, label_map = told[0] if told else ({}, [], {})
    names = {i: (labels or {}).get(str(i), f"label {i}") for i in predicted or [] if i}
    if options.label_names is not None:
        names = dict(options.label_names)
    if options.label_map is not None:
        label_map = dict(options.label_map)
    return Meaning(names=names, label_map=label_map or {})


def find_files(folder: Path, labels: str) -> dict[str, tuple[Path, Path]]:
    """Segmentation and label file of each case, by the segmentation's name.

    Raises:
        BadInput: none found; one without partner; a label that a network wrote.
    """
    found = sorted(f for f in folder.iterdir() if _is_image(f))
    others = [f for f in map(Path, sorted(glob.glob(labels, recursive=True))) if _is_image(f)]
    for flag, given, files in (("predictions", folder, found), ("labels", labels, others)):
        if not files:
            raise BadInput(f"--{flag} {given}: no image file ({', '.join(SUFFIXES)}) there")
    for label in others:
        if label.resolve().parent == folder.resolve() or is_marked(label):
            raise BadInput(
                f"--labels {labels}: {label} was written by a network, and scores against it would say nothing of "
                "what is right; give labels that people drew"
            )
    names = names_of(found)
    partners = pair(names, names_of(others), "--labels", labels)
    return {name: (names[name], partners[name]) for name in sorted(names)}


def score_pair(prediction: Path, reference: Path, meaning: Meaning) -> dict[int, dict[str, float]]:
    """Rates and voxel counts of each label that either file has.

    Labels of `meaning` that neither has are left out: there is nothing to score.

    Raises:
        BadInput: files on different grids; an id the label map does not list.
    """
    segmented, labelled = (_read(file) for file in (prediction, reference))
    grid, own = Grid.of(segmented), Grid.of(labelled)
    turn = turn_onto(own, grid)
    if not same_grid(turn.grid(own), grid):
        raise BadInput(
            f"{prediction} and {reference} lie on different grids\n  {grid.describe()}\n  {own.describe()}\n"
            "  score segmentations on the grid of the images they were made for, as cmd/predict writes them"
        )
    predicted = _ids(segmented, prediction)
    try:
        wanted = map_labels(_ids(labelled, reference), meaning.label_map)
    except BadInput as error:
        raise BadInput(f"{reference}: {error}") from error
    counts = overlap_counts(predicted, np.ascontiguousarray(turn.array(wanted)), 256)
    table = {}
    for label in meaning.names or range(1, 256):
        tp, fp, fn = (int(count[label]) for count in counts)
        if tp + fp + fn:
            table[label] = rates(tp, fp, fn, predicted.size)
    return table


def rates(tp: int, fp: int, fn: int, voxels: int) -> dict[str, float]:
    """The rates of one label of one case, and its counts.

    Args:
        voxels: of the image.

    Returns:
        `dice`, `iou`, `recall` TP / (TP + FN), `fp_rate` FP / (FP + TN), `fn_rate` FN / (FN + TP), all from
        0 to 1, and `tp`, `fp`, `fn`, `tn`. Of a label the reference does not have, recall is 0
        and fn_rate 1, the worst there is; fp_rate is nan where the reference fills the image.
    """
    tn = voxels - tp - fp - fn
    recall = tp / (tp + fn) if tp + fn else 0.0
    return {
        "dice": float(dice(tp, fp, fn)),
        "iou": float(iou(tp, fp, fn)),
        "recall": recall,
        "fp_rate": fp / (fp + tn) if fp + tn else float("nan"),
        "fn_rate": 1 - recall,
        **{"tp": tp, "fp": fp, "fn": fn, "tn": tn},
    }


def means_by_case(tables: Mapping[str, Mapping[int, Mapping[str, float]]]) -> list[dict[str, Any]]:
    """One row a case: means over the labels that are scored in it."""
    return [
        {"case": case} | _means(table.values()) | {"labels_scored": len(table)}
        for case, table in tables.items()
    ]


def means_by_label(
    tables: Mapping[str, Mapping[int, Mapping[str, float]]], names: Mapping[int, str]
) -> list[dict[str, Any]]:
    """One row a label: means over the cases it is scored in, and how often it was missed or invented."""
    rows = []
    for label, name in names.items():
        cells = [table[label] for table in tables.values() if label in table]
        one_sided = {
            "missed": sum(cell["tp"] + cell["fp"] == 0 for cell in cells),
            "invented": sum(cell["tp"] + cell["fn"] == 0 for cell in cells),
        }
        about = {"label": label, "name": name}
        rows.append(about | _means(cells) | {"cases_scored": len(cells)} | one_sided)
    return rows


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows whole or not at all; what a row lacks, and nan, is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])
    write_text(path, text.getvalue())


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.6f}"
    return "" if value is None else value


def _means(cells) -> dict[str, float]:
    """The mean of each rate over the cells that have it; nan where none has."""
    means = {}
    for key in RATES:
        values = [cell[key] for cell in cells if not np.isnan(cell[key])]
        means[key] = float(np.mean(values)) if values else float("nan")
    return means


def _is_image(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".") and file.name.lower().endswith(SUFFIXES)


def _read(file: Path) -> Any:
    channels = read_image(file)
    if len(channels) != 1:
        raise BadInput(f"{file}: has {len(channels)} channels; a segmentation has one")
    return channels[0]


def _ids(image: Any, file: Path) -> np.ndarray:
    import SimpleITK as sitk

    try:
        return whole_labels(sitk.GetArrayFromImage(image))
    except BadInput as error:
        raise BadInput(f"{file}: {error}") from error
