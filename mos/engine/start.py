"""What a run's network starts from: its own epochs, weights that were named, or chance."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mos.engine.epochs import EpochPlan
from mos.engine.record import file_hash, read_record
from mos.engine.warm_start import (
    Match,
    find_moments,
    find_weights,
    load_matching,
    misfits,
    read_weights,
)
from mos.errors import BadInput
from mos.folders import epoch_number
from mos.options import TrainingOptions, fill_in


@dataclass(frozen=True, kw_only=True)
class Part:
    """Pretrained weights that a task puts into a part of its network, such as an encoder."""

    flag: str  # the option that names them
    given: Path
    # Given the path and what reads a weights file: the fields of a `Match` of the part, and notes; BadInput.
    load: Callable[
        [Path, Callable[[Path], Mapping[str, Tensor]]], tuple[Mapping[str, Any], list[str]]
    ]


def choose_weights(
    run: Path,
    options: TrainingOptions,
    plan: EpochPlan,
    network: nn.Module,
    record: Mapping[str, Any],
    before: Mapping[str, Any] | None,
    outputs: str = "labels apart (background included)",
    part: Part | None = None,
) -> dict[str, Any] | None:
    """Loads the weights a new training starts from, and says what it started from.

    Args:
        record: `setting`, `labels`, `label_count` and `in_channels` of the run as it now starts.
        before: `weights_from` of the run so far.
        outputs: what a head of n channels tells n of, for messages.
        part: weights for a part of the network.

    Returns:
        `weights_from` of the record; None for fresh weights.

    Raises:
        BadInput: they cannot be used, or the run began otherwise and would not read them.
    """
    given = options.model_path or options.pretrain_model_path
    given = given and Path(fill_in(str(given), record["setting"]))
    flag = "--model_path" if options.model_path else "--pretrain_model_path"
    if part and given:
        raise BadInput(
            f"{part.flag} {part.given}: {flag} would overwrite what it loads; give one of the two"
        )
    if part:
        given, flag = part.given, part.flag
        for name in ("load_optimizer", "load_model_strict"):
            if getattr(options, name):
                raise BadInput(
                    f"--{name}: is for weights of a whole network, and {flag} has those of a part; leave it out"
                )
    # 1. The run's own epoch: `fit` goes on from it.
    if plan.resume_from:
        _check_unchanged(run, flag, given, before)
        return dict(before) if before else None
    if given is None:
        for name in ("load_optimizer", "load_model_strict"):
            if getattr(options, name):
                raise BadInput(
                    f"--{name}: there are no weights to load; give --pretrain_model_path or --model_path too"
                )
        # 5. Fresh weights, drawn from the seed.
        return None
    # 4. Those of a part; the rest is fresh.
    if part:
        fields, notes = part.load(part.given, read_weights)
        return _told(flag, given, part.given.resolve(), Match(**fields), notes)
    # 2. --model_path, exactly. 3. --pretrain_model_path, as far as it fits.
    path = find_weights(given, flag)
    if path.is_relative_to(run.resolve()):
        raise BadInput(
            f"{flag} {given}: lies in the run that would start over from it, and is moved away then; copy that "
            "epoch's folder elsewhere and name the copy, or begin a run of its own with --dir_postfix '[name]'"
        )
    exact = options.model_path is not None or options.load_model_strict
    found = load_matching(path, network, flag=flag, strict=exact)
    moments = find_moments(path, network) if options.load_optimizer else None
    source = _source(path)
    notes = _reasons(found, record, outputs) + _other_meanings(source, record)
    return _told(flag, given, path, found, notes, moments, source)


def _told(
    flag: str,
    given: Path,
    path: Path,
    found: Match,
    notes: list[str],
    moments: Path | None = None,
    source: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`weights_from` of the record."""
    source = source or {}
    return {
        "option": flag.removeprefix("--"),
        "asked": str(given),
        "path": str(path),
        "sha256": file_hash(path),
        "optimizer": str(moments) if moments else None,
        "run": source.get("name"),
        "setting": source.get("setting"),
        "epoch": epoch_number(path.parent),
        "matched": list(found.matched),
        "skipped": found.skipped,
        "reinitialised": found.reinitialised,
        "shapes": {name: [list(shape) for shape in both] for name, both in found.shapes.items()},
        "share": found.share,
        "notes": notes,
    }


def describe_weights(record: Mapping[str, Any], plan: EpochPlan) -> list[str]:
    """Lines for the console: where the weights come from, and what of them did not fit."""
    start = record["weights_from"]
    if start is None:
        return []
    if plan.resume_from:
        return [f"weights  its own, of epoch {plan.resume_from}; it began from {start['path']}"]
    kept, fresh = len(start["matched"]), len(start["reinitialised"])
    moments = " and the optimiser's moments" if start["optimizer"] else ""
    lines = [
        f"weights  {start['path']}",
        f"         {kept} of {kept + fresh} tensors{moments} loaded ({start['share']:.1%} of the parameters), "
        f"{fresh} re-initialised; {len(start['skipped'])} in the file skipped",
    ]
    details = misfits(start["skipped"], start["reinitialised"], start["shapes"]) + start["notes"]
    return lines + [f"         {detail}" for detail in details]


def _check_unchanged(
    run: Path, flag: str, given: Path | None, before: Mapping[str, Any] | None
) -> None:
    """Refuses weights that would be ignored silently: the run has epochs that began elsewhere."""
    asked = before["asked"] if before else None
    if given is None or str(given) == asked:
        return
    raise BadInput(
        f"{flag} {given}: would not be loaded, because {run} has epochs of its own, which began from "
        f"{asked or 'fresh weights'}. Leave it out to go on, start over with --start_epoch 1, or begin a run of its "
        "own with --dir_postfix '[name]'"
    )


def _source(weights: Path) -> dict[str, Any]:
    """The record of the run the weights are an epoch of; {} for a file from elsewhere."""
    return read_record(weights.parent.parent) if epoch_number(weights.parent) is not None else {}


def _reasons(found: Match, record: Mapping[str, Any], outputs: str) -> list[str]:
    """What a shape that does not fit means, where that can be told."""
    heads, firsts = set(), set()
    for file, own in found.shapes.values():
        if len(file) != len(own) or file[2:] != own[2:]:
            continue
        if file[1:] == own[1:] and own[0] == record["label_count"]:
            heads.add(file[0])
        elif len(own) > 1 and file[0] == own[0] and own[1] == record["in_channels"]:
            firsts.add(file[1])
    notes = [
        f"the head starts anew: it told {count} {outputs}, here {record['label_count']}"
        for count in sorted(heads)
    ]
    return notes + [
        f"the first layer starts anew: it took {count} channels, here {record['in_channels']}"
        for count in sorted(firsts)
    ]


def _other_meanings(source: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """Labels (or points) whose numbers meant something else to the run that made the weights."""
    before, now = source.get("labels", {}), record["labels"]
    changed = [
        f"{label} {before[label]} -> {now[label]}"
        for label in before.keys() & now.keys()
        if before[label] != now[label]
    ]
    return [f"label ids meant something else there: {', '.join(sorted(changed))}"] * bool(changed)
