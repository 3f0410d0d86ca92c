"""What `run.json` says of a segmentation run, and whether a run that goes on is still the same one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mos.data.bundle import Bundle, content_hash
from mos.engine.checkpoint import last_epoch
from mos.engine.device import Machine
from mos.engine.record import now, read_record, surroundings
from mos.engine.task import Task
from mos.errors import BadInput
from run.baseline.labels import Labels
from run.baseline.model_arguments import TASK, ModelArguments
from run.baseline.task import typical_spacing

# What belongs to one start, or says what a new run begins with: no change of a run that goes on.
NOT_OF_THE_RUN = ("start_epoch", "increase_epoch", "pretrain_model_path", "model_path") + (
    "load_model_strict",
    "load_optimizer",
    "use_profile",
)

# What runs had before these became part of a run's identity.
SINCE = {
    "aux_dataset": [],
    "aux_dataset_labels": [],
    "aux_dataset_weight": [],
    "aux_dataset_only": False,
    "dataset_train_all": False,
    "partial_labels": "marginal",
    "encoder": None,
}


def make_record(
    run: Path,
    options: ModelArguments,
    bundle: Bundle,
    aux: Mapping[str, Bundle],
    labels: Labels,
    task: Task,
    machine: Machine,
    process_count: int,
    texts: Mapping[str, str],
    layers: Mapping[str, str],
) -> dict[str, Any]:
    """The record of the run as it now starts.

    Args:
        texts, layers: every option as text, and which layer set it.

    Raises:
        BadInput: the run has epochs that these options could not have made.
    """
    old = read_record(run)
    identity = _identity(options, labels)
    sha = content_hash(bundle)
    aux_sets = _aux_sets(options, aux, labels)
    done = last_epoch(run)
    if done and options.start_epoch != 1:  # 1 starts over: nothing of the old run remains
        _check_same_run(run, old, identity, {options.train_dataset: sha} | _hashes(aux_sets))
        _say_changes(old, texts)
    start = {"time": now(), "after_epoch": done, "options": dict(texts), "layers": dict(layers)}
    return {
        "name": run.name,
        "task": TASK,
        "setting": options.train_dataset,
        "network": options.model,
        "tag": options.tag,
        "dims": options.dims,
        "aux": options.aux_folder_name,
        "aux_datasets": aux_sets,
        "postfix": options.dir_postfix,
        "note": options.note or old.get("note", ""),
        "seed": options.seed,
        "identity": identity,
        "labels": {str(i): name for i, name in labels.names.items()},
        "label_count": labels.count,
        "train_labels": list(labels.train),
        "main_labels": list(labels.main or labels.train),
        "eval_labels": list(labels.evaluate),
        "spacing": list(typical_spacing(bundle, options.dataset_spacing)),
        "in_channels": bundle.channels,
        "preparation": bundle.manifest.get("preparation"),
        "dataset": {
            "name": options.train_dataset,
            "path": str(bundle.path),
            "sha256": sha,
            "cases": {name.removesuffix("3d"): len(cases) for name, cases in bundle.cases.items()},
            "labels_cut": _labels_cut(bundle),
        },
        "parameters": sum(p.numel() for p in task.network.parameters()),
        "machine": machine.record() | {"processes": process_count},
        "options": dict(texts),
        "layers": dict(layers),
        **surroundings(),
        # The schedule keeps the length of the first start, so extending a run never bends it.
        "schedule_epochs": options.schedule_epochs
        or (done and old.get("schedule_epochs"))
        or options.epoch_count,
        "pending": old.get("pending"),
        "weights_from": old.get("weights_from"),
        "target_epoch": options.epoch_count,
        "starts": [*old.get("starts", []), start],
    }


def _identity(options: ModelArguments, labels: Labels) -> dict[str, Any]:
    """What builds the network and decides a score: it may not change within a run."""
    return {
        "model": options.model,
        "dims": options.dims,
        "label_count": labels.count,
        "channels": list(options.model_channels or ()),  # (): the network's own
        "norm": options.norm,
        "encoder": options.encoder,
        "crop_size": list(options.dataset_crop_size),
        "train_labels": list(labels.main or labels.train),
        "eval_labels": list(labels.evaluate),
        "valid_crop_size": list(options.dataset_valid_crop_size),
        "valid_crop_overlap": options.dataset_valid_crop_overlap,
        "valid_flips": options.valid_flips,
        "spacing": list(options.dataset_spacing or ()),
        "seed": options.seed,
        # As typed: `taught-{fold}` is the same in every fold.
        "aux_dataset": options.aux_dataset.split(",") if options.aux_names else [],
        "aux_dataset_labels": [list(one) for one in labels.aux],
        "aux_dataset_weight": list(options.aux_dataset_weight or [1.0] * len(labels.aux)),
        "aux_dataset_only": options.aux_dataset_only,
        "dataset_train_all": options.dataset_train_all,
        "partial_labels": options.partial_labels,
    }


def _aux_sets(
    options: ModelArguments, aux: Mapping[str, Bundle], labels: Labels
) -> list[dict[str, Any]]:
    weights = options.aux_dataset_weight or [1.0] * len(aux)
    return [
        {
            "name": name,
            "path": str(bundle.path),
            "sha256": content_hash(bundle),
            "labels": list(its),
            "weight": weight,
            "cases": len(bundle.cases["train3d"]),
        }
        for (name, bundle), its, weight in zip(aux.items(), labels.aux, weights, strict=True)
    ]


def _hashes(aux_sets: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {one["name"]: one["sha256"] for one in aux_sets}


def _check_same_run(
    run: Path,
    old: Mapping[str, Any],
    identity: Mapping[str, Any],
    hashes: Mapping[str, str],
) -> None:
    """Refuses to go on with other options or dataset files (`hashes`: by name, the main one first)."""
    before = SINCE | old.get("identity", {})
    changed = [
        f"{key} {before.get(key)} -> {value}"
        for key, value in identity.items()
        if before.get(key) != value
    ]
    own = "begin a run of its own with --dir_postfix '[name]'"
    if changed:
        raise BadInput(
            f"{run}: its epochs were made with another {'; '.join(changed)}. Leave these options out to go on "
            f"with the old values, or {own}"
        )
    known = [old.get("dataset", {}).get("sha256"), *_hashes(old.get("aux_datasets", ())).values()]
    for (name, sha), then in zip(hashes.items(), known, strict=True):
        if sha != then:
            raise BadInput(
                f"{run}: its dataset file {name} has changed since the run began, so its epochs could "
                f"not be compared. Put the old file back, or {own}"
            )


def _say_changes(old: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    """Options that may change within a run are said; `starts` keeps them all."""
    before = old.get("options", {})
    for name, text in texts.items():
        if name in before and before[name] != text and name not in NOT_OF_THE_RUN:
            print(f"changed  {name} {before[name] or 'empty'} -> {text or 'empty'}, from here on")


def _labels_cut(bundle: Bundle) -> dict[str, dict[str, int]]:
    """Per split: cases whose reference was cut when the file was built, and the voxels lost."""
    listed = bundle.manifest.get("cases", {})
    counts = {
        name.removesuffix("3d"): [int(case.get("labels_cut", 0)) for case in listed.get(name, ())]
        for name in bundle.cases
    }
    return {
        split: {"cases": sum(cut > 0 for cut in cuts), "voxels": sum(cuts)}
        for split, cuts in counts.items()
    }
