"""What `run.json` says of a segmentation run, and what of it may not change within a run."""

from collections.abc import Mapping
from typing import Any

from mos.data.bundle import Bundle, content_hash
from run.baseline.labels import Labels
from run.baseline.model_arguments import TASK, ModelArguments
from run.baseline.task import typical_spacing

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
    options: ModelArguments, bundle: Bundle, aux: Mapping[str, Bundle], labels: Labels
) -> dict[str, Any]:
    """What the record of a run says of its data, labels and network; see `mos.engine.run.Opened`."""
    return {
        "task": TASK,
        "setting": options.train_dataset,
        "network": options.model,
        "dims": options.dims,
        "aux": options.aux_folder_name,
        "aux_datasets": _aux_sets(options, aux, labels),
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
            "sha256": content_hash(bundle),
            "cases": {name.removesuffix("3d"): len(cases) for name, cases in bundle.cases.items()},
            "labels_cut": _labels_cut(bundle),
        },
    }


def identity_of(options: ModelArguments, labels: Labels) -> dict[str, Any]:
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
