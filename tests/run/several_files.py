"""Small dataset files of different sets, written where a run looks for them."""

import json

import torch

from mos.folders import dataset_path

NAMES = {0: "background", 1: "left", 2: "right", 3: "top"}


def put(
    name,
    *,
    annotated=(1, 2, 3),
    people=("a", "b"),
    scored=(),
    size=(4, 8, 8),
    spacing=(8, 2, 2),
    names=NAMES,
    channels=1,
    known=True,
    seed=0,
):
    """A file whose volumes hold every annotated id; people train, those in `scored` are valid and test.

    Without `known` it has no manifest.
    """
    random = torch.Generator().manual_seed(seed)
    splits = {"train3d": people} if not scored else {}
    if scored:
        splits = {"train3d": people, "valid3d": scored[:1], "test3d": scored[1:]}
    made, cases = {}, {}
    for split, members in splits.items():
        shape = (len(members), channels + 1, *size)
        volumes = torch.randint(0, 256, shape, generator=random, dtype=torch.uint8)
        volumes[:, -1] = 0
        for place, label in enumerate(annotated):
            volumes[:, -1, 1:3, 1 + 2 * place : 3 + 2 * place, 1:6] = label
        made[split] = volumes
        box = [[0, n] for n in size]
        cases[split] = [
            {"id": f"{one}_{split[:2]}", "patient": one, "spacing": spacing, "box": box}
            for one in members
        ]
    rows = [(row, index) for row in range(len(people)) for index in (1, 2)]
    made["train2d"] = torch.stack([made["train3d"][row, :, index] for row, index in rows])
    if known:
        labels = {str(i): names[i] for i in (0, *annotated)}
        made["manifest"] = json.dumps(
            {"labels": labels, "annotated": list(annotated), "cases": cases, "train2d": rows}
        )
    path = dataset_path("baseline", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(made, path)
    return path
