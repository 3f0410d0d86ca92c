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

    if _unchanged(source, target):
        return array.astype(np.float32)
    image = _smoothed(source.image(array.astype(np.float32)), source, target)
    # The spline filter of ITK needs four voxels along every axis.
    if interpolation == "linear" or min(source.shape) < 4:
        return sitk.GetArrayFromImage(_resample(image, target, sitk.sitkLinear))
    smooth = sitk.GetArrayFromImage(_resample(image, target, sitk.sitkBSpline3))
    low = _resample(sitk.GrayscaleErode(image, [1] * 3, sitk.sitkBox), target)
    high = _resample(sitk.GrayscaleDilate(image, [1] * 3, sitk.sitkBox), target)
    return np.clip(smooth, sitk.GetArrayFromImage(low), sitk.GetArrayFromImage(high))


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
    present = [int(label) for label in np.unique(array)]
    return vote(((label, array == label) for label in present), source, target)


def vote(shares: Iterable[tuple[int, np.ndarray]], source: Grid, target: Grid) -> np.ndarray:
    """The label with the largest share at each voxel of `target`; the first one given wins a tie.

    Args:
        shares: pairs of a label id and its share (d, h, w) on `source`, one held at a time.
        source: grid of the shares; its axes run along those of `target`.
        target: the wanted grid.

    Returns:
        (d, h, w) uint8 on `target`.
    """
    import SimpleITK as sitk

    best = np.full(target.shape, -np.inf, np.float32)
    labels = np.zeros(target.shape, np.uint8)
    for label, share in shares:
        share = share.astype(np.float32)
        if not _unchanged(source, target):
            image = _smoothed(source.image(share), source, target)
            share = sitk.GetArrayFromImage(_resample(image, target, sitk.sitkLinear))
        won = share > best
        labels[won] = label
        best[won] = share[won]
    return labels


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
