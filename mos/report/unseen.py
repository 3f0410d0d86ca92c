"""Whether test patients were unseen: those that train, choose or are tested twice, by the files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mos.report.notice import Notice
from mos.report.run_record import Run

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 3  # names in a sentence


def test_use_notices(runs: Sequence[Run], rows: pd.DataFrame) -> list[Notice]:
    """Patients on both sides of a split, and runs whose training saw the test set.

    Only what result files tell: patients of training alone are in no metric file. Patients are the
    same where their names are, so zero-shot sets that number theirs alike may be named wrongly; the
    sentence says so.
    """
    notices = [
        Notice(
            kind="test set use",
            dataset=run.dataset,
            run=run.name,
            setting=run.setting,
            text="trained on all splits (--dataset_train_all), the test set among them: no score of it here, "
            "or of another run started from its weights, is of unseen patients",
        )
        for run in runs
        if _says_yes(run.record.get("options"), "dataset_train_all")
    ]
    notices += _weights_of_other_folds(runs)
    if not len(rows):
        return notices
    known = rows[["dataset", "setting", "fold", "run", "stage", "patient"]].drop_duplicates()
    for (dataset, setting), part in known.groupby(["dataset", "setting"], sort=True):
        tested = set(part.loc[part["stage"] == "test", "patient"])
        chosen = set(part.loc[part["stage"] == "valid", "patient"])
        if both := tested & chosen:
            text = f"{_named(both)} in validation and in test: the epoch was chosen by them"
            notices.append(_notice(dataset, setting, text))
    for dataset, part in known.groupby("dataset", sort=True):
        tested = part[part["stage"] == "test"]
        folds = tested.groupby("patient")["fold"].nunique()
        if several := set(folds.index[folds > 1]):
            text = (
                f"{_named(several)} tested in several folds: where folds are of one split, "
                "each trained on patients that the other tests"
            )
            notices.append(_notice(dataset, "", text))
        own = set(part.loc[~part["stage"].str.startswith("zeroshot"), "patient"])
        for stage, away in part[part["stage"].str.startswith("zeroshot")].groupby("stage"):
            if both := own & set(away["patient"]):
                name = stage.removeprefix("zeroshot").strip() or "a zero-shot set"
                text = (
                    f"{_named(both)} in {name} too, by name: unless two sets name "
                    "different people alike, its scores are not of unseen patients"
                )
                notices.append(_notice(dataset, "", text))
    return notices


def _weights_of_other_folds(runs: Sequence[Run]) -> list[Notice]:
    """Runs that began with weights of another fold, whose training patients they test.

    Weights that have seen auxiliary data alone are no such thing; where the run they are of is not
    in the tree, that is not known and said.
    """
    there = {(run.setting, run.name): run for run in runs}
    found = []
    for run in runs:
        origin = run.record.get("weights_from")
        setting = origin.get("setting") if isinstance(origin, dict) else None
        dataset, _, fold = str(setting or "").rpartition("-")
        if not run.fold or dataset != run.dataset or fold == run.fold:
            continue
        source = there.get((setting, origin.get("run")))
        if source and _says_yes(source.record.get("options"), "aux_dataset_only"):
            continue
        unless = "" if source else "unless they saw auxiliary data alone, "
        text = (
            f"began with the weights of {setting} / {origin.get('run')}: {unless}trained on patients "
            "that this fold tests"
        )
        found.append(
            Notice(
                kind="test set use",
                dataset=run.dataset,
                run=run.name,
                setting=run.setting,
                text=text,
            )
        )
    return found


def _notice(dataset: str, setting: str, text: str) -> Notice:
    return Notice(kind="patient overlap", dataset=dataset, run="", setting=setting, text=text)


def _named(patients: set[str]) -> str:
    """`1 patient (a) is`, `5 patients (a, b, c, ...) are`."""
    names = sorted(map(str, patients))
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"{len(names)} patient{'s' if len(names) > 1 else ''} ({shown}) {'are' if len(names) > 1 else 'is'}"


def _says_yes(options: object, key: str) -> bool:
    return isinstance(options, dict) and str(options.get(key)).lower() == "true"
