"""Dice and IoU of all labels of a case, beside MONAI's DiceMetric on one-hot maps.

    python -m tests.benchmark.metrics_overlap [--quick]

MONAI's time includes making the maps one-hot, which its interface needs, and gives dice alone.
"""

import numpy as np

from mos.metrics import kernel, overlap
from tests.benchmark import is_quick, race, row
from tests.benchmark.metric_maps import maps


def both(counts) -> tuple[np.ndarray, np.ndarray]:
    tp, predicted, present = counts
    found = tp, predicted - tp, present - tp
    return overlap.dice(*found), overlap.iou(*found)


def monai(prediction: np.ndarray, reference: np.ndarray, label_count: int) -> np.ndarray:
    import torch
    from monai.metrics import DiceMetric
    from monai.networks.utils import one_hot

    p, r = (
        one_hot(torch.from_numpy(label_map)[None, None], label_count)
        for label_map in (prediction, reference)
    )
    return DiceMetric(include_background=True, reduction="none")(p, r)[0].numpy()


def main() -> None:
    seconds = 3 if is_quick(__doc__) else 30
    for name in ("16x128x128", "128x192x160"):
        prediction, reference, _ = maps(name)
        contestants = {
            "numpy": lambda: both(overlap._count(prediction, reference, 4)),
            "monai": lambda: monai(prediction, reference, 4),
        }
        compiled, _ = kernel.load()
        if compiled:
            contestants["kernel"] = lambda: both(compiled.counts(prediction, reference)[:, :4])
        found = {who: run() for who, run in contestants.items()}
        np.testing.assert_allclose(found["numpy"][0], found["monai"], rtol=1e-5)
        times = race(contestants, seconds, warm=True)
        what = f"dice + iou, 4 labels, {name}"
        row(f"{what}, numpy", times["numpy"], times["monai"], "MONAI DiceMetric", 50)
        if compiled:
            np.testing.assert_array_equal(found["kernel"], found["numpy"])
            row(f"{what}, compiled", times["kernel"], times["monai"], "MONAI DiceMetric", 50)


if __name__ == "__main__":
    main()
