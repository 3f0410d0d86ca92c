"""Brings voxel values from one grid to another without ringing, aliasing or mixed labels."""

from collections.abc import Iterable

import numpy as np

from mos.io.geometry import Grid


def resample_image(array: np.ndarray, source: Grid, target: Grid, interpolation: str) -> np.ndarray:
    """Resamples one channel.

    Args:
        array: (d, h, w) on `source`, any real type.
        source: the grid of `array`; its axes run along those of `target`.
        target: the wanted grid.
        interpolation: `bspline` (cubic, held between the darkest and brightest voxel around each
            point so that edges do not ring) or `linear`.

    Returns:
        (d, h, w) float32 on `target`.
    """
    import SimpleITK as sitk
    from scipy import ndimage

    if _unchanged(source, target):
        return array.astype(np.float32)
    image = _smoothed(source.image(array.astype(np.float32)), source, target)
    # The spline filter of ITK needs four voxels along every axis.
    if interpolation == "linear" or min(source.shape) < 4:
        return sitk.GetArrayFromImage(_resample(image, target, sitk.sitkLinear))
    smooth = sitk.GetArrayFromImage(_resample(image, target, sitk.sitkBSpline3))
    values = sitk.GetArrayViewFromImage(image)
    bounds = []
    for extreme in (ndimage.minimum_filter, ndimage.maximum_filter):
        around = source.image(extreme(values, size=3, mode="nearest"))
        bounds.append(sitk.GetArrayFromImage(_resample(around, target)))
    return np.clip(smooth, *bounds)


def resample_labels(array: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """Resamples a label map: each label linearly as a share of 0 to 1, then the largest share wins.

    Args:
        array: (d, h, w) uint8 on `source`.
        source: the grid of `array`; its axes run along those of `target`.
        target: the wanted grid.

    Returns:
        (d, h, w) uint8 on `target`.
    """
    if _unchanged(source, target):
        return array.copy()
    labels = np.zeros(target.shape, np.uint8)
    best, total = np.zeros(target.shape, np.float32), np.zeros(target.shape, np.float32)
    for label in np.unique(array[array > 0]).tolist():
        # Only around the label: a hundred small organs would else cost a hundred whole volumes.
        here, there = _surroundings(array == label, source, target)
        share = (array[here] == label).astype(np.float32)
        share = resample_linear(share, source.part(here), target.part(there))
        total[there] += share
        won = share > best[there]
        labels[there][won] = label
        best[there][won] = share[won]
    # Shares add up to 1, so background has what the labels left; it wins a tie.
    labels[1 - total >= best] = 0
    return labels


def vote(
    shares: Iterable[tuple[int, np.ndarray]], source: Grid, target: Grid
) -> tuple[np.ndarray, np.ndarray]:
    """The label with the largest probability at each voxel of `target`; the first given wins a tie.

    Args:
        shares: pairs of a label id and its probability (d, h, w) on `source`, one held at a time.
        source: grid of the probabilities; its axes run along those of `target`.
        target: the wanted grid.

    Returns:
        (d, h, w) uint8 on `target`, and the probability of these labels there, float32.
    """
    best = np.full(target.shape, -np.inf, np.float32)
    labels = np.zeros(target.shape, np.uint8)
    for label, share in shares:
        share = resample_linear(share.astype(np.float32), source, target)
        won = share > best
        labels[won] = label
        best[won] = share[won]
    return labels, best


def resample_linear(array: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """Resamples shares or probabilities (d, h, w) float32 linearly; smoothed where they get coarser."""
    import SimpleITK as sitk

    if _unchanged(source, target):
        return array
    image = _smoothed(source.image(array), source, target)
    return sitk.GetArrayFromImage(_resample(image, target, sitk.sitkLinear))


def _surroundings(mask: np.ndarray, source: Grid, target: Grid) -> tuple[tuple, tuple]:
    """Slices (d, h, w) of both grids that hold all a mask can reach when it is resampled."""
    here, there = [], []
    move = np.linalg.inv(target.affine) @ source.affine  # voxel (x, y, z) to voxel; diagonal
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(i for i in range(3) if i != axis)))
        # The blur of `_smoothed` fades within two new voxels, the interpolation within one old one.
        margin = int(np.ceil(2 * target.spacing[axis] / source.spacing[axis])) + 2
        first, last = max(0, hit[0] - margin), min(mask.shape[axis] - 1, hit[-1] + margin)
        scale, shift = move[2 - axis, 2 - axis], move[2 - axis, 3]
        start, stop = np.floor(first * scale + shift), np.ceil(last * scale + shift) + 1
        # At the border the last voxel also answers for what lies beyond it.
        start, stop = (0 if first == 0 else start), (
            np.inf if last == mask.shape[axis] - 1 else stop
        )
        here.append(slice(int(first), int(last) + 1))
        there.append(slice(int(max(0, start)), int(min(target.shape[axis], stop))))
    return tuple(here), tuple(there)


def _unchanged(source: Grid, target: Grid) -> bool:
    return source.shape == target.shape and np.allclose(source.affine, target.affine)


def _smoothed(image, source: Grid, target: Grid):
    """Blurs along each axis that is to become coarser, by just what the wider voxel asks for.

    A voxel's response is taken as a Gaussian whose full width at half maximum is its edge; the blur is
    the difference in variance of the two (Cardoso et al., MICCAI 2015, scale factor point spread
    function matching). Axes that become finer are left as they are.
    """
    import SimpleITK as sitk

    width = 2 * np.sqrt(2 * np.log(2))
    grown = np.square(target.spacing) - np.square(source.spacing)
    variance = np.maximum(grown, 0)[::-1] / width**2  # (x, y, z), mm^2
    variance[variance < 1e-4 * np.square(source.spacing[::-1])] = 0
    if not variance.any():
        return image
    return sitk.DiscreteGaussian(image, variance.tolist(), 64, 0.01, True)


def _resample(image, target: Grid, interpolator=None):
    """Samples an image at the voxel centres of `target`; beyond its border the border continues."""
    import SimpleITK as sitk

    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([int(n) for n in reversed(target.shape)])
    resampler.SetOutputSpacing(list(reversed(target.spacing)))
    resampler.SetOutputDirection(target.direction.ravel().tolist())
    resampler.SetOutputOrigin(target.affine[:3, 3].tolist())
    resampler.SetInterpolator(sitk.sitkNearestNeighbor if interpolator is None else interpolator)
    resampler.SetUseNearestNeighborExtrapolator(True)
    return resampler.Execute(image)
