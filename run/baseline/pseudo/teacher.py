"""Who predicts pseudo-labels: the stored run with the best validation dice, or several weighted by it.

The test set never chooses: only lines of the stage `valid` are looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mos.data.bundle import open_bundle
from mos.engine.checkpoint import stored_epochs
from mos.engine.metric_log import best_epoch, read_lines
from mos.engine.record import file_hash
from mos.errors import BadInput
from mos.folders import (
    RUN_RECORD,
    WEIGHTS,
    checkpoint_root,
    dataset_path,
    epoch_folder,
    setting_folder,
)
from run.baseline.model_arguments import TASK
from run.baseline.stored import StoredRun, open_dataset, open_stored


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """One epoch of a stored run, and how much its word counts."""

    stored: StoredRun
    epoch: int
    valid_dice: float
    weight: float = 1.0

    @property
    def name(self) -> str:
        """`<setting>/<run>`, such as `phantom-0/unet-2d-none`."""
        folder = self.stored.folder.resolve()
        return f"{folder.parent.name.removeprefix(TASK + '-')}/{folder.name}"

    @property
    def epoch_folder(self) -> Path:
        return epoch_folder(self.stored.folder, self.epoch)

    def entry(self) -> dict[str, Any]:
        """What the state and the merged file keep of it."""
        return {
            "name": self.name,
            "run": str(self.stored.folder.resolve()),
            "epoch": self.epoch,
            "valid_dice": self.valid_dice,
            "weight": self.weight,
            "weights_sha256": file_hash(self.epoch_folder / WEIGHTS),
        }


def choose_teachers(options: Any) -> list[Teacher]:
    """The runs that predict, best validation dice first, with weights that add up to 1.

    Args:
        options: with `run`, `setting`, `ensemble` and `pseudo_threshold` of `cmd/pseudo-gen`.

    Raises:
        BadInput: no run, none with a validation dice, too few that reach the threshold, or runs of an
            ensemble that do not fit together.
    """
    folders = [Path(run) for run in options.run] or _runs_of(options.setting)
    found = [candidate for folder in folders if (candidate := _candidate(folder, options))]
    where = "--run" if options.run else f"--setting {','.join(options.setting)}"
    if not found:
        raise BadInput(
            f"{where}: no run there has a stored epoch with a validation dice, and nothing else may choose a "
            "teacher; train one, or name another with --run '.checkpoint/baseline-<setting>/<run>'"
        )
    found.sort(key=lambda teacher: -teacher.valid_dice)  # of equals the first named
    good = [teacher for teacher in found if teacher.valid_dice >= options.pseudo_threshold]
    if len(good) < options.ensemble:
        best = ", ".join(f"{one.name} {one.valid_dice:.4f}" for one in found[:5])
        wanted = "teacher" if options.ensemble == 1 else f"ensemble of {options.ensemble}"
        raise BadInput(
            f"{where}: no {wanted} reaches --pseudo_threshold {options.pseudo_threshold:g} in validation dice "
            f"(best: {best}). Train longer or with more data, as correcting poor labels takes longer than "
            f"drawing them; or lower the bar, such as --pseudo_threshold {found[0].valid_dice * 0.99:.2f}"
            + ("" if options.ensemble == 1 else ", or ask for a smaller --ensemble")
        )
    chosen = good[: options.ensemble]
    check_together(chosen)
    return weighted(chosen)


def weighted(teachers: Sequence[Teacher]) -> list[Teacher]:
    """The same teachers, each weighing its validation dice over the sum of all."""
    from dataclasses import replace

    total = sum(teacher.valid_dice for teacher in teachers)
    return [replace(teacher, weight=teacher.valid_dice / total) for teacher in teachers]


def check_together(teachers: Sequence[Teacher]) -> None:
    """Refuses an ensemble whose probabilities cannot be averaged.

    Raises:
        BadInput: names the two runs and what differs.
    """
    first = teachers[0]
    for other in teachers[1:]:
        for what, get in (
            ("label ids", lambda t: _learnt(t.stored)),
            ("image channels", lambda t: t.stored.record["in_channels"]),
            ("preparation of images", lambda t: t.stored.record.get("preparation")),
        ):
            if get(first) != get(other):
                raise BadInput(
                    f"--ensemble {len(teachers)}: {first.name} and {other.name} differ in their {what} "
                    f"({get(first)} and {get(other)}); name runs that agree with --run, or give --ensemble 1"
                )


def taught_patients(teachers: Sequence[Teacher]) -> list[str] | None:
    """The patients that the teachers learned from, sorted; None where a dataset is gone or changed.

    Those of the main and the auxiliary sets, and at second hand those that the teachers of the
    pseudo-labels among them were trained on.

    A run that is scored on one of them must not learn from these teachers' labels.
    """
    patients: set[str] = set()
    for teacher in teachers:
        try:
            sets = [open_dataset(teacher.stored)]
            for aux in teacher.stored.record.get("aux_datasets", ()):
                sets.append(open_bundle(dataset_path(TASK, aux["name"]), "aux"))
        except BadInput as error:
            print(f"note: {teacher.name}: which patients it was trained on is unknown ({error})")
            return None
        for bundle in sets:
            patients |= {case.patient for case in bundle.cases["train3d"]}
            patients |= set(bundle.manifest.get("pseudo", {}).get("teacher_patients") or ())
    return sorted(patients)


def _learnt(stored: StoredRun) -> Mapping[int, str]:
    return {label: stored.labels.names.get(label, "") for label in stored.labels.train}


def _runs_of(settings: Sequence[str]) -> list[Path]:
    """The runs on some main datasets; on all there are, where none is named and there is one."""
    if not settings:
        settings = settings_with_runs()
        if len(settings) != 1:
            there = f"there are: {', '.join(settings)}"
            known = there if settings else f"{checkpoint_root()} holds none yet"
            raise BadInput(
                "--setting is missing: the runs on which main dataset may predict? Scores of different "
                f"sets do not compare; {known}. Give --setting <name>, or --run <folder>"
            )
    runs = [run for setting in settings for run in _runs_in(setting_folder(TASK, setting))]
    if not runs:
        raise BadInput(
            f"--setting {','.join(settings)}: no runs in {setting_folder(TASK, settings[0])}; train one "
            "first, or give --run <folder>"
        )
    return runs


def settings_with_runs() -> list[str]:
    """The main datasets that have runs, sorted."""
    root = checkpoint_root()
    folders = sorted(root.iterdir()) if root.is_dir() else []
    names = [f.name for f in folders if f.name.startswith(f"{TASK}-") and _runs_in(f)]
    return [name.removeprefix(f"{TASK}-") for name in names]


def _runs_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(run for run in folder.iterdir() if (run / RUN_RECORD).is_file())


def _candidate(folder: Path, options: Any) -> Teacher | None:
    """A run with its best epoch by validation; None where it has no score and was not named."""
    stored = open_stored(folder)
    lines = read_lines(folder)
    epoch = best_epoch(lines, stored_epochs(folder), "dice", "max")
    if epoch is None:
        if options.run:
            raise BadInput(
                f"--run {folder}: no stored epoch of it has a validation dice, so nobody knows how good it "
                "is; train it on a dataset with validation cases, or name another run"
            )
        return None
    dice = [x["dice"] for x in lines if x["stage"] == "valid" and x["epoch"] == epoch][-1]
    return Teacher(stored=stored, epoch=epoch, valid_dice=float(dice))
