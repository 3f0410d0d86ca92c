"""Which cases the page carries images of, within a budget, and how its viewer gets them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mos import folders
from mos.errors import BadInput
from mos.report.case_images import CaseImages, case_file, load_case_images
from mos.report.collection import Collection
from mos.report.metric import metrics_in
from mos.report.notice import Notice
from mos.report.page_points import point_adder
from mos.report.png_uri import Add, Version, png_uri
from mos.report.run_record import Run

if TYPE_CHECKING:
    import pandas as pd

_MIB = 2**20
_TOLERANCE = 1e-4  # of dice: stored scores may have been summed in another order


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The images of one dataset's test cases, as JSON takes them.

    `cases` is case -> versions of its images. Of landmarks `mos.report.page_points` says what they are;
    else each is {shape [d, h, w], across, spacing, positions, labels, scored, image, reference, runs:
    run -> {prediction, epoch}}. The three are data URIs of grey PNG: slices of h x w side by side,
    `across` in a row; a label's grey value is its id.
    """

    cases: dict[str, list[Version]]
    note: str  # how many cases have images and why not more; "" where none has
    notices: tuple[Notice, ...]  # files that are broken or belong to other weights


def choose_pictures(collection: Collection, budget_mib: float) -> dict[str, Pictures]:
    """The images of as many cases as fit, worst, median and best first, by dataset.

    Images of a case come with the predictions of all runs that have them: without something beside
    it a picture says little. Datasets share the budget equally.
    """
    if budget_mib <= 0 or not any(map(_image_folder, collection.runs)):
        return {}
    rows = collection.rows
    tested = rows[(rows["stage"] == "test") & (rows["state"] != "not scored")]
    available = {
        dataset: found
        for dataset in sorted({run.dataset for run in collection.runs})
        if (found := _files(collection.runs, tested[tested["dataset"] == dataset], dataset))
    }
    adder = point_adder if collection.of_points else _adder
    return {
        dataset: _pictures(
            found,
            adder(tested[tested["dataset"] == dataset]),
            budget_mib * _MIB / len(available),
            budget_mib,
        )
        for dataset, found in available.items()
    }


def _image_folder(run: Run) -> bool:
    """Whether the shown epoch has a folder of images."""
    if run.epoch is None:
        return False
    return (folders.epoch_folder(run.folder, run.epoch) / "test-images").is_dir()


def _files(runs: Sequence[Run], tested: pd.DataFrame, dataset: str) -> dict[str, list[Run]]:
    """Case -> the runs that have a file of its images; cases in the order they are to be taken."""
    found: dict[str, list[Run]] = {}
    order = _order(tested)
    cases_of = {key: set(part["case"]) for key, part in tested.groupby(["run", "fold"])}
    for run in runs:
        if run.dataset != dataset or not _image_folder(run):
            continue
        epoch = folders.epoch_folder(run.folder, run.epoch)
        for case in cases_of.get((run.name, run.fold), ()):
            if case_file(epoch, case).is_file():
                found.setdefault(case, []).append(run)
    return {case: found[case] for case in order if case in found}


def _order(tested: pd.DataFrame) -> list[str]:
    """Worst, median, best by the first metric's mean over all runs, then from the worst up."""
    metric = metrics_in(tested.columns)[0]
    means = tested.groupby("case")[metric.key].mean()
    means = means if metric.higher_is_better else -means
    ordered = [str(case) for case in means.sort_values(kind="stable").index]
    if len(ordered) > 2:
        first = [ordered[0], ordered[len(ordered) // 2], ordered[-1]]
        return first + [case for case in ordered if case not in first]
    return ordered


def _pictures(
    available: dict[str, list[Run]], add: Add, budget: float, whole_budget: float
) -> Pictures:
    cases, notices, spent, lacking = {}, [], 0, 0
    for case, runs in available.items():
        if spent > budget:
            lacking += 1
            continue
        versions: list[Version] = []
        for run in sorted(runs, key=lambda run: run.order):
            try:
                add(versions, run, case_file(folders.epoch_folder(run.folder, run.epoch), case))
            except BadInput as error:
                notices.append(_notice(run, f"images of {case} are left out: {error}"))
        size = sum(_size(version) for version in versions)
        if versions and spent + size <= budget:
            cases[case] = versions
            spent += size
        else:
            lacking += bool(versions)
    note = f"{len(cases)} of {len(available)} cases with images are in this page"
    if lacking:
        note += f"; {lacking} did not fit in {whole_budget:g} MiB (--image_budget)"
    return Pictures(cases=cases, note=note, notices=tuple(notices))


def _adder(tested: pd.DataFrame) -> Add:
    """Adds images of segmentations; `tested` are the rows of a dataset's tests."""
    dice = tested.set_index(["run", "fold", "case", "label"])["dice"]
    dice = {key: float(value) for key, value in dice.items()}

    def add(versions: list[Version], run: Run, path: Path) -> None:
        images = load_case_images(path)
        if text := _other_weights(images, run, dice):
            raise BadInput(text)
        _add(versions, images, run)

    return add


def _other_weights(images: CaseImages, run: Run, dice: dict) -> str:
    """Why a prediction is not the one that was scored; "" if it is: epoch and dice must agree."""
    if images.epoch != run.epoch:
        return f"they are of epoch {images.epoch}, shown is epoch {run.epoch}"
    for label in images.scored:
        stored = dice.get((run.name, run.fold, images.case, label), math.nan)
        true, found = images.reference == label, images.prediction == label
        total = int(true.sum()) + int(found.sum())
        again = 2 * int((true & found).sum()) / total if total else math.nan
        if not math.isclose(stored, again, abs_tol=_TOLERANCE) and not (
            math.isnan(stored) and math.isnan(again)
        ):
            return (
                f"label {label} has dice {again:.4f} in them and {stored:.4f} in the metric file; "
                ".scripts/baseline/cmd/plot-test makes them again"
            )
    return ""


def _add(versions: list[Version], images: CaseImages, run: Run) -> None:
    """Puts a prediction beside those of other runs on the same image, or begins a new version."""
    shape = list(images.reference.shape)
    across = max(1, round(math.sqrt(shape[0] * shape[1] / shape[2])))
    image, reference = png_uri(images.image[0], across), png_uri(images.reference, across)
    prediction = {"prediction": png_uri(images.prediction, across), "epoch": images.epoch}
    for version in versions:
        same = (version["image"], version["reference"], version["shape"])
        if same == (image, reference, shape) and version["scored"] == list(images.scored):
            version["runs"][run.name] = prediction
            return
    versions.append(
        {
            "shape": shape,
            "across": across,
            "spacing": [round(mm, 6) for mm in images.spacing],
            "positions": [round(float(mm), 3) for mm in images.positions],
            "labels": {str(label): name for label, name in images.labels.items()},
            "scored": list(images.scored),
            "image": image,
            "reference": reference,
            "runs": {run.name: prediction},
        }
    )


def _size(version: Version) -> int:
    """Characters of what is large: pictures, and points as numbers."""
    predictions = sum(len(str(one["prediction"])) for one in version["runs"].values())
    return len(version["image"]) + len(str(version["reference"])) + predictions


def _notice(run: Run, text: str) -> Notice:
    return Notice(kind="images", dataset=run.dataset, run=run.name, setting=run.setting, text=text)
