"""From an image as it was taken to the uint8 block a network sees, and back to the image's own grid."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mos.errors import BadInput
from mos.io.geometry import Grid, Turn, find_turn, same_grid, turn_onto, with_spacing
from mos.io.labels import map_labels, whole_labels
from mos.io.resample import resample_image, resample_labels, vote


@dataclass(frozen=True)
class Preparation:
    """How images of one dataset are prepared; recorded in the dataset file so that it cannot differ later.

    Attributes:
        spacing: mm along (d, h, w); 0 keeps that axis of each image as it is.
        size: stored voxels along (d, h, w), cropped or padded around the image's centre; 0 keeps all.
        grows: axes (d, h, w) on which an image larger than `size` is kept whole instead of cropped; the
            builder sets it where it took the size from the largest case instead of being told it.
        percentiles: of each image channel; they become 0 and 255.
        orientation: three letters such as LPS, or `slices` (see `geometry.find_turn`).
        interpolation: `bspline` or `linear`, for images; labels are voted on linearly.
        label_map: source id as text -> stored id; `*` stands for every id not listed; empty keeps all.
    """

    spacing: tuple[float, float, float] = (0.0, 0.0, 0.0)
    size: tuple[int, int, int] = (0, 0, 0)
    grows: tuple[bool, bool, bool] = (False, False, False)
    percentiles: tuple[float, float] = (0.5, 99.5)
    orientation: str = "LPS"
    interpolation: str = "bspline"
    label_map: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self):
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise BadInput(f"percentiles {low:g},{high:g}: need two rising numbers in 0-100")
        if self.interpolation not in ("bspline", "linear"):
            raise BadInput(f"interpolation {self.interpolation!r}: write bspline or linear")

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        plain = {name: getattr(self, name) for name in (f.name for f in dataclasses.fields(self))}
        plain["label_map"] = dict(self.label_map)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "Preparation":
        """The inverse of `to_json`.

        Raises:
            BadInput: a key this version does not know.
        """
        known = {f.name for f in dataclasses.fields(Preparation)}
        if unknown := sorted(set(values) - known):
            raise BadInput(
                f"preparation: unknown key {unknown[0]!r}; written by a newer MOS? "
                f"This one knows {', '.join(sorted(known))}"
            )
        return Preparation(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


@dataclass(frozen=True)
class Prepared:
    """One prepared case.

    Attributes:
        image: (ch, d, h, w) uint8.
        label: (d, h, w) uint8 of stored label ids, or None.
        axis: (d,) float32, position of each slice along the slice normal in mm; NaN where padded.
        case: the geometry part of a manifest's case record; `restore` reads it.
    """

    image: np.ndarray
    label: np.ndarray | None
    axis: np.ndarray
    case: dict[str, Any]


def working_grid(grid: Grid, preparation: Preparation) -> Grid:
    """The turned and resampled grid of an image, before cropping and padding."""
    turned = find_turn(grid, preparation.orientation).grid(grid)
    return with_spacing(turned, preparation.spacing)


def stored_size(preparation: Preparation, own: Sequence[int]) -> tuple[int, ...]:
    """Voxels (d, h, w) to store of an image that has `own` on the working grid."""
    return tuple(
        max(wanted, n) if grows else wanted or n
        for wanted, grows, n in zip(preparation.size, preparation.grows, own)
    )


def prepare(images, label, preparation: Preparation) -> Prepared:
    """Prepares one case; no label is needed or used for anything but the label itself.

    Args:
        images: a 3-D `sitk.Image`, or a sequence of them on one grid, one for each channel.
        label: a 3-D `sitk.Image` on the same grid (axes may be stored in another order), or None.
        preparation: what to do.

    Returns:
        The prepared case.

    Raises:
        BadInput: grids differ, no finite voxel, label ids that are not whole numbers in 0-255 or that
            the label map does not list.
    """
    images = list(images) if isinstance(images, Sequence) else [images]
    grid = Grid.of(images[0])
    turn = find_turn(grid, preparation.orientation)
    turned, work = turn.grid(grid), working_grid(grid, preparation)
    size = stored_size(preparation, work.shape)
    origin = [(own - kept) // 2 for own, kept in zip(work.shape, size)]

    stored = np.zeros((len(images), *size), np.uint8)
    intensity = []
    for number, channel in enumerate(images):
        values = _on_grid(channel, grid, "channel 0", f"channel {number}")
        low, high = _window(values, preparation.percentiles)
        values = turn.array(np.nan_to_num(values, nan=low, posinf=high, neginf=low))
        values = resample_image(values, turned, work, preparation.interpolation)
        place(_to_uint8(values, low, high), stored[number], origin)
        intensity.append([low, high])

    stored_label, cut = None, 0
    if label is not None:
        ids = whole_labels(_on_grid(label, grid, "image", "label"))
        ids = map_labels(ids, preparation.label_map)
        ids = resample_labels(turn.array(ids), turned, work)
        stored_label = place(ids, np.zeros(size, np.uint8), origin)
        cut = int(np.count_nonzero(ids) - np.count_nonzero(stored_label))

    box = [[max(0, -o), min(n, own - o)] for o, n, own in zip(origin, size, work.shape)]
    axis = np.full(size[0], np.nan, np.float32)
    axis[slice(*box[0])] = work.slice_positions()[box[0][0] + origin[0] :][: box[0][1] - box[0][0]]
    case = {
        "original_shape": list(grid.shape),
        "original_spacing": list(grid.spacing),
        "affine": grid.affine.tolist(),
        "orientation": preparation.orientation,
        "spacing": list(work.spacing),
        "box": box,
        "origin": origin,
        "intensity": intensity,
        "labels_cut": cut,
    }
    return Prepared(stored, stored_label, axis, case)


def restore(labels: np.ndarray, case: Mapping[str, Any], reference):
    """Maps stored labels back to the grid of the image they were made for.

    Args:
        labels: (d, h, w) uint8 on the stored grid.
        case: the case record, or `Prepared.case`.
        reference: the 3-D `sitk.Image` that was prepared; only its geometry is read.

    Returns:
        A uint8 `sitk.Image` of the reference's size, spacing, origin and direction. What the crop
        left out is background.

    Raises:
        BadInput: the reference is not the image the case record describes.
    """
    turn, work, turned = _way_back(case, reference)
    back = [-o for o in case["origin"]]
    whole = place(np.asarray(labels, np.uint8), np.zeros(work.shape, np.uint8), back, case["box"])
    return _like(reference, turn.undo(resample_labels(whole, work, turned)))


def restore_probabilities(probabilities: np.ndarray, case: Mapping[str, Any], reference):
    """Like `restore`, from probabilities (label_count, d, h, w): they are resampled, then compared."""
    return restore_confident(probabilities, case, reference)[0]


def restore_confident(probabilities: np.ndarray, case: Mapping[str, Any], reference) -> tuple:
    """`restore_probabilities`, and how sure it was.

    Returns:
        Two `sitk.Image`s of the reference's grid: uint8 labels, and float32 0..1, the probability of the
        label that won.
    """
    turn, work, turned = _way_back(case, reference)
    back = [-o for o in case["origin"]]

    def on_work():
        # Beyond the crop only background is certain, so it starts at 1 there and the others at 0.
        for label, share in enumerate(probabilities):
            whole = np.full(work.shape, float(label == 0), np.float32)
            yield label, place(np.asarray(share, np.float32), whole, back, case["box"])

    labels, confidence = vote(on_work(), work, turned)
    return _like(reference, turn.undo(labels)), _like(reference, turn.undo(confidence))


def stored_grid(case: Mapping[str, Any]) -> Grid:
    """The grid of the real voxels of a prepared case, the stored block without its padding.

    Args:
        case: the case record, or `Prepared.case`.
    """
    original = Grid(tuple(case["original_shape"]), np.array(case["affine"], dtype=float))
    turned = find_turn(original, case["orientation"]).grid(original)
    work = with_spacing(turned, case["spacing"])
    sides = zip(case["box"], case["origin"], strict=True)
    return work.part(tuple(slice(a + o, b + o) for (a, b), o in sides))


def _way_back(case: Mapping[str, Any], reference) -> tuple[Turn, Grid, Grid]:
    """The turn of a case, its grid after turning and resampling, and after turning only."""
    grid = Grid(tuple(case["original_shape"]), np.array(case["affine"], dtype=float))
    _need_same_grid(grid, Grid.of(reference), "case record", "reference image")
    turn = find_turn(grid, case["orientation"])
    turned = turn.grid(grid)
    return turn, with_spacing(turned, case["spacing"]), turned


def _like(reference, array: np.ndarray):
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.CopyInformation(reference)
    return image


def place(source: np.ndarray, target: np.ndarray, origin: Sequence[int], box=None) -> np.ndarray:
    """Copies the shared part of two blocks (d, h, w) into `target`.

    Args:
        source: block to copy from.
        target: block to write to, in place; also returned.
        origin: index in `source` of the target's voxel (0, 0, 0); may be negative.
        box: half-open part of `source` that counts, default all of it.
    """
    box = box or [(0, n) for n in source.shape]
    first = [max(start, o) for (start, _), o in zip(box, origin)]
    last = [min(stop, o + n) for (_, stop), o, n in zip(box, origin, target.shape)]
    read = tuple(slice(a, b) for a, b in zip(first, last))
    write = tuple(slice(a - o, b - o) for a, b, o in zip(first, last, origin))
    target[write] = source[read]
    return target


def _on_grid(image, grid: Grid, name: str, image_name: str) -> np.ndarray:
    """An image's voxels (d, h, w) on a grid that is its own, but for the order and direction of axes."""
    import SimpleITK as sitk

    own = Grid.of(image)
    turn = turn_onto(own, grid)
    if not same_grid(turn.grid(own), grid):
        _need_same_grid(grid, own, name, image_name)
    return turn.array(sitk.GetArrayFromImage(image))


def _need_same_grid(a: Grid, b: Grid, name_a: str, name_b: str) -> None:
    if not same_grid(a, b):
        raise BadInput(
            f"{name_a} and {name_b} lie on different grids\n  {name_a}: {a.describe()}\n"
            f"  {name_b}: {b.describe()}\n  resample one onto the other first, or mend its header"
        )


def _window(values: np.ndarray, percentiles: tuple[float, float]) -> tuple[float, float]:
    """The two values that become 0 and 255; equal only for an image of one value."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise BadInput("image holds no finite value")
    low, high = (float(v) for v in np.percentile(finite, percentiles))
    # Nearly all background: the percentiles meet though there is something to see.
    return (low, high) if high > low else (float(finite.min()), float(finite.max()))


def _to_uint8(values: np.ndarray, low: float, high: float) -> np.ndarray:
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    scaled = (values - np.float32(low)) * np.float32(255 / (high - low))
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
