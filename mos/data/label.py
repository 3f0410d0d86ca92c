"""The label ids that the voxels of a dataset file hold."""

from collections.abc import Iterator

import numpy as np

from mos.data.bundle import Bundle
from mos.errors import BadInput


def highest_label(bundle: Bundle) -> int:
    """The largest label id in the file; reads every segmentation once."""
    return max((highest for *_, highest in _highest(bundle)), default=0)


def labels_found(bundle: Bundle) -> tuple[int, ...]:
    """The label ids in the file's volumes, ascending, background left out; reads every one once."""
    found = np.zeros(256, bool)
    for name, cases in bundle.cases.items():
        for row in range(len(cases)):
            found[bundle.tensors[name][row, -1].numpy()] = True
    return tuple(int(label) for label in np.flatnonzero(found) if label)


def check_labels(bundle: Bundle, label_count: int) -> None:
    """Refuses a file with a label id outside 0 .. label_count - 1; reads every segmentation once.

    Raises:
        BadInput: names the first volume or slice with such an id.
    """
    for name, row, highest in _highest(bundle):
        if highest >= label_count:
            raise BadInput(
                f"{bundle.path}: {name}, {bundle.row_name(name, row)}: label id {highest} found, but --label_count "
                f"is {label_count} (ids 0-{label_count - 1}). Give --label_count {highest + 1}, or renumber "
                "with cmd/build --label_map"
            )


def _highest(bundle: Bundle) -> Iterator[tuple[str, int, int]]:
    """Tensor, row and largest label id of every volume and slice."""
    for name, tensor in bundle.tensors.items():
        # numpy: torch's reductions over uint8 are not vectorised (0.1 GB/s).
        for row, volume in enumerate(tensor.numpy()):
            yield name, row, int(volume[-1].max()) if volume.size else 0
