"""The tolerance of the normalised surface dice: its default, and how a user writes another one."""

from mos.errors import BadInput

# mm by which outlines may differ unless a run says otherwise: about what two people who draw the same
# organ differ by (Nikolov et al. 2021 measured 1 to 3 mm from organ to organ), and the same on every
# grid, so that runs on coarse and on fine voxels compare.
NSD_TOLERANCE = 2.0


def parse_tolerances(text: str, label_count: int = 256) -> dict[int, float]:
    """Reads the tolerance of `nsd` in mm: `2` for all labels, `2,3:1.5` with another one for label 3.

    Returns:
        mm by label id, 1..label_count-1.

    Raises:
        BadInput: a part that is no positive number, or no label id before a colon.
    """
    general, own = NSD_TOLERANCE, {}
    for part in filter(None, text.split(",")):
        label, colon, value = part.rpartition(":")
        try:
            number = float(value)
            key = int(label) if colon else None
        except ValueError:
            number, key = 0.0, None
        if not 0 < number < float("inf") or (colon and not 1 <= (key or 0) <= 255):
            raise BadInput(
                f"--nsd_tolerance {text!r}: {part!r} is no tolerance; give mm above 0, such as 2, or 2,3:1.5 "
                "for 1.5 mm in label 3"
            )
        if colon:
            own[key] = number
        else:
            general = number
    return {label: own.get(label, general) for label in range(1, label_count)}
