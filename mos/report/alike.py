"""Whether trainings were alike that the tables show as one: the folds of a row, the starts of a run."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from mos.report.run_record import Run

# Options that say where a run computes and what it is called, not how it learns; the dataset is
# another in every fold, and the two counts of epochs only say where a start begins.
INCIDENTAL = frozenset(
    "train_dataset device threads channels_last compile note dataset_device start_epoch increase_epoch "
    "log_every_n_epochs use_profile".split()
)
UNKNOWN = "not recorded"


def fold_differences(runs: Sequence[Run]) -> list[str]:
    """What differs between the trainings of one row's folds, one text per key, both values in it.

    Compared are the options (but INCIDENTAL ones), what the network is, the scored labels, the
    preparation of the images and the length of the schedule. A run whose run.json cannot be read
    is left out.

    Returns:
        Such as `learning_rate 0.001 (folds 0, 2), 0.005 (fold 1)`; [] where all are alike.
    """
    known = {run.fold or run.setting: run for run in runs if run.record}
    told = {fold: facts(run) for fold, run in known.items()}
    # One file for all folds, such as the weights of fold 0, is named after another fold in most.
    literal = {fold: facts(run, as_written=True) for fold, run in known.items()}
    found = []
    for key in dict.fromkeys(key for of in told.values() for key in of):
        folds = defaultdict(list)
        for fold, of in told.items():
            folds[of.get(key, UNKNOWN)].append(fold)
        if len(folds) > 1 and len({of.get(key, UNKNOWN) for of in literal.values()}) > 1:
            parts = [
                f"{value} (fold{'s' if len(of) > 1 else ''} {', '.join(of)})"
                for value, of in folds.items()
            ]
            found.append(f"{key} {', '.join(parts)}")
    return found


def option_changes(record: Mapping[str, Any]) -> list[str]:
    """Options that changed between the starts of one run, as `starts` of its run.json tells.

    A start that went back (`--increase_epoch -3`) replaces those whose epochs it did again.

    Returns:
        Such as `learning_rate 0.001 -> 0.005 after epoch 20`, in the order of training.
    """
    starts = record.get("starts")
    starts = [one for one in starts if isinstance(one, Mapping)] if isinstance(starts, list) else []
    last = _mapping(record.get("options"))
    kept: list[tuple[int, dict[str, str]]] = []
    known: dict[str, str] = {}
    for number, start in enumerate(starts, start=1):
        given = _mapping(start.get("options")) or (last if number == len(starts) else {})
        known = known | {key: _text(value) for key, value in given.items()}
        after = start.get("after_epoch")
        after = after if isinstance(after, int) else 0
        while kept and kept[-1][0] >= after:
            kept.pop()
        kept.append((after, known))
    found = []
    for (_, before), (after, now) in zip(kept, kept[1:]):
        for key in sorted(before.keys() & now.keys() - INCIDENTAL):
            if before[key] != now[key]:
                found.append(f"{key} {before[key]} -> {now[key]} after epoch {after}")
    return found


def facts(run: Run, *, as_written: bool = False) -> dict[str, str]:
    """What is compared between trainings, as text. A fold's own name in a value is no difference.

    Args:
        as_written: leave that name as it is.
    """
    record = run.record
    options = _mapping(record.get("options"))
    told = {key: value for key, value in options.items() if key not in INCIDENTAL}
    for part in ("identity", "preparation"):
        told |= {f"{part}.{key}": value for key, value in _mapping(record.get(part)).items()}
    # schedule_epochs as resolved: the option of this name may be 0, for automatic.
    told |= {key: record[key] for key in ("eval_labels", "schedule_epochs") if key in record}
    texts = {key: _text(value) for key, value in told.items()}
    if run.fold and not as_written:
        texts = {k: text.replace(run.setting, f"{run.dataset}-*") for k, text in texts.items()}
    return texts


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return "empty" if value == "" else str(value)
