"""Label values of a file become label ids: whole, in range, renumbered."""

from collections.abc import Mapping

import numpy as np

from mos.errors import BadInput


def whole_labels(values: np.ndarray) -> np.ndarray:
    """Label ids as uint8, from any number type.

    Raises:
        BadInput: values that are not whole numbers in 0-255.
    """
    rounded = np.rint(values)
    if not np.isfinite(values).all() or np.abs(values - rounded).max(initial=0) > 1e-3:
        odd = values[~(np.abs(values - rounded) <= 1e-3)].flat[0]
        raise BadInput(
            f"label value {odd:g} is no whole number; is this a probability map or image?"
        )
    if rounded.min(initial=0) < 0 or rounded.max(initial=0) > 255:
        raise BadInput(
            f"label values run {rounded.min():g} to {rounded.max():g}; ids need 0-255 "
            "(255 in a 0/255 mask: --label_map 255:1)"
        )
    return rounded.astype(np.uint8)


def map_labels(labels: np.ndarray, label_map: Mapping[str, int]) -> np.ndarray:
    """Renumbers labels (d, h, w) uint8 by `Preparation.label_map`; 0 stays 0 unless listed.

    Raises:
        BadInput: an id that the map does not list while it has no `*`.
    """
    if not label_map:
        return labels
    table = {0: 0, **{int(k): v for k, v in label_map.items() if k != "*"}}
    missing = [int(i) for i in np.unique(labels) if int(i) not in table]
    if missing and "*" not in label_map:
        raise BadInput(
            f"label id {', '.join(map(str, missing))} is not in --label_map; "
            f"add {missing[0]}:0 to drop it, or *:0 to drop all others"
        )
    lookup = np.full(256, label_map.get("*", 0), np.uint8)
    for source, stored in table.items():
        lookup[source] = stored
    return lookup[labels]
