"""A small dataset file of two labels, and options that fit it."""

import json

import torch

from mos.data.bundle import open_bundle
from run.baseline.model_arguments import ModelArguments

WHOLE = ((0, 4), (0, 8), (0, 8))


def cube(label=1, at=2, size=3, depth=slice(1, 3)):
    segment = torch.zeros(4, 8, 8, dtype=torch.uint8)
    segment[depth, at : at + size, at : at + size] = label
    return segment


def bundle(
    tmp_path, *, annotated=(1, 2), names=("background", "left", "right"), known=True, **changes
):
    """Opens the file; without `known` it has no manifest; changes replace or add tensors."""
    segment = torch.stack([cube(1) + cube(2, at=5, size=2)] * 2)
    volumes = torch.stack([segment * 80, segment], 1)
    made = {f"{split}3d": volumes[:n] for split, n in (("train", 2), ("valid", 1), ("test", 0))}
    made["train2d"] = volumes[:, :, 1]
    manifest = {
        "labels": {str(i): name for i, name in enumerate(names)},
        "annotated": list(annotated),
        "cases": {
            f"{split}3d": [
                {"id": f"{split}{i}", "patient": f"{split}{i}", "spacing": [8, 2, 2], "box": WHOLE}
                for i in range(n)
            ]
            for split, n in (("train", 2), ("valid", 1), ("test", 0))
        },
        "train2d": [[0, 1], [1, 1]],
    }
    if known:
        made["manifest"] = json.dumps(manifest)
    made |= changes
    torch.save(made, tmp_path / "baseline-toy.pt")
    return open_bundle(tmp_path / "baseline-toy.pt")


def options(**changes):
    given = {"dataset_crop_size": (8, 8), "model_channels": (4, 4, 8), "image_enhance_level": 0}
    given |= {"dataset_empty_slices": 0.0}  # pictures of known count
    return ModelArguments(**given | changes)
