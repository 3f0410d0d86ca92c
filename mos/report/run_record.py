"""One run's folder as data: whose run it is, how it went, and which epoch speaks for it."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mos import folders
from mos.report.run_log import RunLog, read_log

if TYPE_CHECKING:
    from mos.report.cache import Cache

# Several folds are numbered 0-9; anything longer, as in covid-19, is part of a dataset's name.
_FOLD = re.compile(r"(?P<dataset>.+)-(?P<fold>\d)")
_NAME = re.compile(
    r"(?P<network>.+?)(?:\[(?P<tag>[^\]]*)\])?-(?P<dims>[23]d)-(?P<aux>[^\[]*)(?P<postfix>.*)"
)
# Of landmarks: <network>[<tag>]-<size><postfix>, the size in pixels.
_SIZED_NAME = re.compile(
    r"(?P<network>.+?)(?:\[(?P<tag>[^\]]*)\])?-(?P<dims>\d+(?:x\d+)?)(?P<postfix>\D.*)?"
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as its files tell it. `record` is run.json as written, {} where it cannot be read."""

    folder: Path
    task: str
    setting: str  # hippocampus-0
    dataset: str  # hippocampus
    fold: str  # 0, or "" for a setting without folds
    name: str
    network: str
    tag: str
    dims: str  # 2d, 3d, or "" where unknown; of landmarks the image size, such as 512
    aux: str
    postfix: str
    record: dict
    log: RunLog  # stage -> epoch -> its last line in metric.jsonl
    epoch: int | None  # the epoch whose scores are shown
    chosen_by: str  # how that epoch was chosen
    epochs_done: int
    epochs_wanted: int | None
    problems: tuple[tuple[str, str], ...]  # (kind, sentence)

    @cached_property
    def told(self) -> str:
        """All that its folder's name and run.json say: what is made from those is made from this."""
        return repr((self.setting, self.name, self.order, self.record))

    @property
    def order(self) -> tuple:
        """Where its name stands among others, as the tables sort them."""
        return name_order(self.network, self.tag, self.dims, self.aux, self.postfix, self.name)

    @property
    def seed(self) -> int | None:
        seed = self.record.get("seed")
        return seed if isinstance(seed, int) and abs(seed) < 1 << 63 else None

    @property
    def label_names(self) -> dict[int, str]:
        return _label_names(self.record)


def read_run(folder: Path, task: str, cache: Cache | None = None) -> Run:
    """Reads run.json, metric.jsonl and the links of one run; what is broken goes to `problems`."""
    if cache is None:
        from mos.report.cache import Cache  # numpy, which cmd/sweep does without until it has runs

        cache = Cache(None)
    problems: list[tuple[str, str]] = []
    record = _read_record(folder / folders.RUN_RECORD, problems)
    # The folder is the address: a copied run must not be pooled with the one it was copied from.
    setting = folder.parent.name.removeprefix(f"{task}-")
    log = _read_log(folder / folders.METRIC_LOG, problems, cache, setting)
    if record.get("setting") not in (None, setting):
        problems.append(("moved", f"run.json says it was trained on {record['setting']}"))
    dataset, fold = split_setting(setting)
    epochs = folders.epoch_numbers(folder)
    epoch, chosen_by = _choose_epoch(folder, epochs, log, task, problems)
    done = max(epochs, default=0)
    wanted = record.get("target_epoch")
    wanted = wanted if isinstance(wanted, int) else None
    if record and (not record.get("finished") or (wanted is not None and done < wanted)):
        of = f" of {wanted}" if wanted is not None else ""
        problems.append(("unfinished", f"stopped, or still running, after {done}{of} epochs"))
    return Run(
        folder=folder,
        task=str(record.get("task") or task),
        setting=setting,
        dataset=dataset,
        fold=fold,
        **_name_parts(folder.name, record, task),
        record=record,
        log=log,
        epoch=epoch,
        chosen_by=chosen_by,
        epochs_done=done,
        epochs_wanted=wanted,
        problems=tuple(problems),
    )


def split_setting(setting: str) -> tuple[str, str]:
    """`hippocampus-0` -> (`hippocampus`, `0`); without a fold number, as in `x-all`, (setting, "")."""
    match = _FOLD.fullmatch(setting)
    return (match["dataset"], match["fold"]) if match else (setting, "")


def parse_run_name(name: str, task: str = "baseline") -> dict[str, str]:
    """Splits `<network>[<tag>]-<2d|3d>-<aux><postfix>`; a name of another shape is all network.

    Only a postfix in brackets, such as `[pretrain]`, can be told from the auxiliary datasets. Names of
    landmark runs have a size, `unet-512`, where others have dimensions and auxiliary data.
    """
    parts = {"network": name, "tag": "", "dims": "", "aux": "", "postfix": ""}
    match = (_SIZED_NAME if task == "landmark" else _NAME).fullmatch(name)
    if match is None:
        return parts
    return parts | {key: value or "" for key, value in match.groupdict().items()}


def name_order(
    network: str, tag: str, dims: str, aux: str, postfix: str, name: str
) -> tuple[str | bool, ...]:
    """Sorts the parts of names: 2-D before 3-D of a network, each without auxiliary data first."""
    return network, tag, dims, aux not in ("", "none"), aux, postfix, name


def _name_parts(folder_name: str, record: dict, task: str) -> dict[str, str]:
    """The parts of a run's name: what run.json says, else what the folder's name says."""
    parts = parse_run_name(folder_name, task)
    if record.get("network"):
        parts["network"] = str(record["network"])
        parts["tag"] = str(record.get("tag") or "")
    if record.get("dims") and task != "landmark":
        parts["dims"] = f"{str(record['dims']).removesuffix('d')}d"
    if record.get("aux"):
        aux = record["aux"]
        parts["aux"] = ",".join(map(str, aux)) if isinstance(aux, list) else str(aux)
    if isinstance(record.get("postfix"), str):
        parts["postfix"] = record["postfix"]
    return parts | {"name": folder_name}


def _read_record(path: Path, problems: list) -> dict:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problems.append(("broken", "run.json is missing; its name was read from the folder's"))
        return {}
    except (OSError, ValueError) as error:
        problems.append(("broken", f"run.json cannot be read ({error})"))
        return {}
    if not isinstance(record, dict):
        problems.append(("broken", "run.json holds no object"))
        return {}
    return record


def _read_log(path: Path, problems: list, cache: Cache, pack: str) -> RunLog:
    try:
        kept = cache.read_parts(path, pack, _log_parts)
        log = RunLog(kept.head, kept.body)
    except FileNotFoundError:
        problems.append(("broken", "metric.jsonl is missing: no learning curves"))
        return RunLog.of({})
    except OSError as error:
        problems.append(("broken", f"metric.jsonl cannot be read ({error})"))
        return RunLog.of({})
    if log.bad:
        text = f"metric.jsonl: {len(log.bad)} bad lines, the first is line {log.bad[0]}"
        problems.append(("broken", text))
    return log


def _log_parts(path: Path) -> tuple[bytes, bytes]:
    log = read_log(path)
    return log.head, log.body


def _choose_epoch(
    folder: Path, epochs: list[int], log: RunLog, task: str, problems: list
) -> tuple[int | None, str]:
    """The epoch to show, by validation alone: the test lines are not looked at.

    1. the link `best`, which the run itself set by validation; told if metric.jsonl disagrees
    2. without the link, the epoch that is best in metric.jsonl by the task's first metric
    3. without validation (folds named xxx-all have none), the last stored epoch
    """
    from mos.report.metric import metrics_of  # numpy, as above

    metric = metrics_of(task)[0]
    sign = 1 if metric.higher_is_better else -1
    stored = set(epochs)
    scores = log.validated(metric.key)
    valid = [(sign * score, epoch) for epoch, score in scores.items() if epoch in stored]
    highest, best = max(valid) if valid else (-math.inf, None)  # of equals the later one
    linked = _linked_epoch(folder / folders.BEST)
    if linked in stored:
        of_linked = sign * scores[linked] if linked in scores else -math.inf
        if best is not None and of_linked < highest - 1e-6:
            problems.append(
                (
                    "best",
                    f"the link best names epoch {linked}, but by validation {metric.key} in metric.jsonl "
                    f"epoch {best} is best; epoch {linked} is shown",
                )
            )
        if "valid" in log or _validated(folder, linked):
            return linked, "best by validation"
        # Without validation the engine links best to the last epoch; whatever it names is shown.
    elif best is not None:
        problems.append(("best", f"no link best; epoch {best} is best by metric.jsonl"))
        return best, "best by validation in metric.jsonl"
    if epochs:
        shown = linked if linked in stored else epochs[-1]
        which = "last epoch" if shown == epochs[-1] else "link best"
        problems.append(("no validation", f"never validated: the {which}, {shown}, is shown"))
        return shown, f"{which}, no validation"
    problems.append(("no scores", "no epoch is stored yet"))
    return None, ""


def _validated(folder: Path, epoch: int) -> bool:
    return folders.metric_file(folders.epoch_folder(folder, epoch), "valid").exists()


def _linked_epoch(link: Path) -> int | None:
    try:
        return folders.epoch_number(Path(os.readlink(link)))
    except OSError:
        return None


def _label_names(record: dict) -> dict[int, str]:
    labels = record.get("labels")
    if not isinstance(labels, dict):
        return {}
    return {int(key): str(name) for key, name in labels.items() if str(key).isdecimal()}
