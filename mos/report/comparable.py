"""What stands in the way of comparing the runs of a dataset with one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any


from mos.report.alike import fold_differences, option_changes
from mos.report.notice import Notice
from mos.report.run_record import Run
from mos.report.seeds import find_contenders, seed_notices
from mos.report.unseen import test_use_notices

if TYPE_CHECKING:
    import pandas as pd


def comparison_notices(runs: Sequence[Run], rows: pd.DataFrame) -> list[Notice]:
    """Everything about `runs` and their scores (the rows of `collect`) that a comparison must know."""
    notices = seed_notices(find_contenders(runs))
    rows_of_tables, settings = defaultdict(list), defaultdict(list)
    for run in runs:
        rows_of_tables[run.dataset, run.name].append(run)
        settings[run.dataset, run.setting].append(run)
        if changes := option_changes(run.record):
            text = f"its options changed between its starts: {'; '.join(changes)}"
            notices.append(_about("options changed", run, text))
    for (dataset, name), folds in rows_of_tables.items():
        if differences := fold_differences(folds):
            text = f"one row, but its folds were trained differently: {'; '.join(differences)}"
            notices.append(
                Notice(kind="folds differ", dataset=dataset, run=name, setting="", text=text)
            )
    for (dataset, setting), mine in settings.items():
        notices += _different_files(dataset, setting, mine)
        notices += _cut_labels(dataset, setting, mine)
    notices += test_use_notices(runs, rows)
    for (dataset, stage), part in rows.groupby(["dataset", "stage"]):
        notices += _unequal_cases(dataset, stage, part)
        if "nsd_tolerance" in part.columns:
            notices += _other_tolerances(dataset, stage, part)
        if stage == "test":
            notices += _cases_tested_twice(dataset, part)
    return notices


def _about(kind: str, run: Run, text: str) -> Notice:
    return Notice(kind=kind, dataset=run.dataset, run=run.name, setting=run.setting, text=text)


def _source(run: Run) -> dict[str, Any]:
    source = run.record.get("dataset")
    return source if isinstance(source, dict) else {}


def _different_files(dataset: str, setting: str, runs: Sequence[Run]) -> list[Notice]:
    hashes = {str(_source(run)["sha256"]) for run in runs if _source(run).get("sha256")}
    if len(hashes) < 2:
        return []
    text = f"its runs were trained on {len(hashes)} different versions of the dataset file"
    return [Notice(kind="dataset file", dataset=dataset, run="", setting=setting, text=text)]


def _cut_labels(dataset: str, setting: str, runs: Sequence[Run]) -> list[Notice]:
    """Labelled voxels that the builder cropped away: no score can count them.

    Told once for a setting whose runs all say the same, else run by run.
    """
    texts = [(run, _cut_text(_source(run).get("labels_cut"))) for run in runs]
    said = {text for _, text in texts}
    if said == {""}:
        return []
    if len(said) == 1:
        (text,) = said
        return [Notice(kind="labels cut", dataset=dataset, run="", setting=setting, text=text)]
    return [_about("labels cut", run, text) for run, text in texts if text]


def _cut_text(cut: Any) -> str:
    """The sentence on `labels_cut` of run.json, {stage: {"cases": k, "voxels": n}}; "" for no loss."""
    parts = []
    for stage in ("test", "valid", "train"):
        lost = cut.get(stage) if isinstance(cut, dict) else None
        if isinstance(lost, dict) and lost.get("voxels"):
            cases, voxels = lost.get("cases"), lost["voxels"]
            were = "were cut by cropping " if not parts else ""
            parts.append(f"of {cases} {stage} cases {were}({voxels} voxels)")
    return f"references {', '.join(parts)}" if parts else ""


def _unequal_cases(dataset: str, stage: str, part: pd.DataFrame) -> list[Notice]:
    cells = part.loc[part["state"] != "not scored", ["run", "case", "label"]].drop_duplicates()
    whole, cases = len(cells[["case", "label"]].drop_duplicates()), cells["case"].nunique()
    by_run = cells.groupby("run")["case"]
    notices = []
    for run, mine, own in zip(by_run.size().index, by_run.size(), by_run.nunique()):
        lacking = cases - own
        if lacking:
            text = f"{stage}: lacks {lacking} of {cases} cases others have"
        elif whole > mine:
            text = f"{stage}: lacks labels that others are scored on"
        else:
            continue
        notices.append(Notice(kind="other cases", dataset=dataset, run=run, setting="", text=text))
    return notices


def _other_tolerances(dataset: str, stage: str, part: pd.DataFrame) -> list[Notice]:
    """Surface dice at another tolerance is another score; told of labels that several runs have."""
    known = part[["run", "label", "nsd_tolerance"]].dropna().drop_duplicates()
    used = {
        run: tuple(sorted(set(zip(of["label"], of["nsd_tolerance"]))))
        for run, of in known.groupby("run")
    }
    if (known.groupby("label")["nsd_tolerance"].nunique() < 2).all():
        return []
    return [
        Notice(
            kind="nsd tolerance",
            dataset=dataset,
            run=run,
            setting="",
            text=f"{stage}: its nsd is at {', '.join(sorted({f'{mm:g}' for _, mm in pairs}))} mm, and not all "
            "runs beside it have the same; cmd/re_eval complete --nsd_tolerance <mm> makes them alike",
        )
        for run, pairs in used.items()
    ]


def _cases_tested_twice(dataset: str, part: pd.DataFrame) -> list[Notice]:
    places = part[["run", "case", "fold"]].drop_duplicates()
    suspects = set(places.loc[places.duplicated(["run", "case"]), "run"])
    notices = []
    for run, mine in places[places["run"].isin(suspects)].groupby("run"):
        folds = mine.groupby("case")["fold"].nunique()
        if (folds > 1).any():
            text = (
                f"{(folds > 1).sum()} cases are tested in several folds, {folds.idxmax()} among them: "
                "the folds are not of one split; such a case counts with its mean"
            )
            notices.append(Notice(kind="split", dataset=dataset, run=run, setting="", text=text))
    return notices
