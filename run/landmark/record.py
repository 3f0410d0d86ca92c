"""What `run.json` says of a landmark run, and what of it may not change within a run."""

from typing import Any

from mos.data.landmark_bundle import LandmarkBundle, landmark_hash
from run.landmark.model_arguments import TASK, ModelArguments


def make_record(options: ModelArguments, bundle: LandmarkBundle) -> dict[str, Any]:
    """What the record of a run says of its data, points and network; see `mos.engine.run.Opened`."""
    return {
        "task": TASK,
        "setting": options.train_dataset,
        "network": options.model,
        "dims": 2,
        "aux": "none",
        "aux_datasets": [],
        "image_side": options.image_side,
        "image_size": list(options.size_for(bundle.size)),
        # A point is told as a label is: its number, from 1, and its name.
        "labels": {str(number): name for number, name in enumerate(bundle.names, 1)},
        "label_count": len(bundle.names),
        "swap": [list(pair) for pair in bundle.swap],
        "in_channels": bundle.channels,
        "preparation": bundle.manifest.get("preparation"),
        "dataset": {
            "name": options.train_dataset,
            "path": str(bundle.path),
            "sha256": landmark_hash(bundle),
            "cases": {split: len(cases) for split, cases in bundle.cases.items()},
            "points_masked": {
                split: int((~visible).sum()) for split, visible in bundle.visible.items()
            },
        },
    }


def identity_of(options: ModelArguments, bundle: LandmarkBundle) -> dict[str, Any]:
    """What builds the network and decides a score: it may not change within a run."""
    return {
        "model": options.model,
        "points": list(bundle.names),
        "channels": list(options.model_channels or ()),  # (): the network's own
        "norm": options.norm,
        "encoder": options.encoder,
        "image_size": list(options.size_for(bundle.size)),
        "heatmap_stride": options.heatmap_stride,
        "heatmap_sigma": options.heatmap_sigma,
        "heatmap_loss": options.heatmap_loss,
        "decoding": options.decoding,
        "decoding_radius": options.radius,
        "valid_flips": options.valid_flips,
        "valid_scales": list(options.valid_scales),
        "seed": options.seed,
        "dataset_train_all": options.dataset_train_all,
    }
