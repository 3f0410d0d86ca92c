"""Where the voxels of an image lie: axis order, spacing, and how one grid becomes another."""

import itertools
from dataclasses import dataclass

import numpy as np

from mos.errors import BadInput
from mos.shapes import flip_xyz_dhw

# Letter -> (patient axis in LPS coordinates, direction along it).
_LETTERS = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}

# Where x, y, z grow to when slices (z) run from feet to head, front to back or right to left, each seen
# the usual way: left or back to the right, back or feet downwards.
VIEWS = {"axial": "LPS", "coronal": "LIP", "sagittal": "PIL"}

# Corners of two grids may lie this part of the smallest voxel edge apart and still count as one grid:
# affines written by different programs differ by rounding, a real mistake is half a voxel or more.
GRID_TOLERANCE = 0.05

# Two spacings closer than this (relative) are one spacing, so that 0.9999 mm is not resampled to 1 mm.
SPACING_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Grid:
    """A voxel grid in LPS space.

    Attributes:
        shape: voxels along (d, h, w).
        affine: (4, 4), maps a voxel index (x, y, z) to millimetres (x, y, z) in LPS.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    @staticmethod
    def of(image) -> "Grid":
        """The grid of a 3-D `sitk.Image`, or of the header an `sitk.ImageFileReader` has read."""
        affine = np.eye(4)
        affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
        affine[:3, 3] = image.GetOrigin()
        return Grid(flip_xyz_dhw([int(n) for n in image.GetSize()]), affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres along (d, h, w)."""
        return flip_xyz_dhw([float(v) for v in np.linalg.norm(self.affine[:3, :3], axis=0)])

    @property
    def direction(self) -> np.ndarray:
        """(3, 3): column j is the unit vector of image axis j of (x, y, z)."""
        return self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)

    def image(self, array: np.ndarray):
        """Wraps an array (d, h, w) of this grid's shape as a `sitk.Image`."""
        import SimpleITK as sitk

        image = sitk.GetImageFromArray(np.ascontiguousarray(array))
        image.SetSpacing(flip_xyz_dhw(self.spacing))
        image.SetDirection(self.direction.ravel().tolist())
        image.SetOrigin(self.affine[:3, 3].tolist())
        return image

    def part(self, region: tuple[slice, slice, slice]) -> "Grid":
        """The grid of `array[region]`; slices along (d, h, w) with start and stop."""
        affine = self.affine.copy()
        start = flip_xyz_dhw([side.start for side in region])
        affine[:3, 3] += affine[:3, :3] @ np.array(start, dtype=float)
        return Grid(tuple(side.stop - side.start for side in region), affine)

    def slice_positions(self) -> np.ndarray:
        """(d,) float64: position of each slice along the slice normal, mm."""
        normal = self.direction[:, 2]
        first = float(normal @ self.affine[:3, 3])
        return first + np.arange(self.shape[0]) * self.spacing[0]

    def describe(self) -> str:
        """One line for a message: size, spacing, origin and orientation."""
        numbers = [
            "x".join(str(n) for n in self.shape),
            ",".join(f"{v:.4g}" for v in self.spacing),
            ",".join(f"{v:.5g}" for v in self.affine[:3, 3]),
        ]
        axes = "/".join(",".join(f"{v:.3g}" for v in column) for column in self.direction.T)
        return "size {} (d,h,w), spacing {} mm, origin {}, axes {} (x/y/z in LPS)".format(
            *numbers, axes
        )


def same_grid(a: Grid, b: Grid) -> bool:
    """True when sizes agree and no corner is more than GRID_TOLERANCE of a voxel edge away."""
    if a.shape != b.shape:
        return False
    ends = [(0, n - 1) for n in flip_xyz_dhw(a.shape)]
    corners = np.array([(*corner, 1) for corner in itertools.product(*ends)])
    apart = np.abs(corners @ (a.affine - b.affine).T).max()
    # A grid one voxel wide has no corner that shows a changed spacing, hence the second test.
    near = np.allclose(a.spacing, b.spacing, rtol=SPACING_TOLERANCE * 10)
    return bool(apart <= GRID_TOLERANCE * min(a.spacing) and near)


@dataclass(frozen=True)
class Turn:
    """A change of axis order and direction: no voxel value changes.

    Attributes:
        source: source axis of each new axis, both counted along (x, y, z).
        flip: whether each new axis runs against its source axis.
    """

    source: tuple[int, int, int]
    flip: tuple[bool, bool, bool]

    def grid(self, grid: Grid) -> Grid:
        """The grid after the turn; every voxel keeps its place in space."""
        size = flip_xyz_dhw(grid.shape)
        affine = np.eye(4)
        affine[:3, 3] = grid.affine[:3, 3]
        for axis, (source, flip) in enumerate(zip(self.source, self.flip)):
            column = grid.affine[:3, source]
            affine[:3, axis] = -column if flip else column
            if flip:
                affine[:3, 3] += column * (size[source] - 1)
        return Grid(flip_xyz_dhw([size[s] for s in self.source]), affine)

    def array(self, array: np.ndarray) -> np.ndarray:
        """Turns an array (d, h, w); a view."""
        return np.flip(np.transpose(array, self._order()), self._flipped())

    def undo(self, array: np.ndarray) -> np.ndarray:
        """The inverse of `array`; a view."""
        return np.transpose(np.flip(array, self._flipped()), np.argsort(self._order()))

    def _order(self) -> tuple[int, ...]:
        return flip_xyz_dhw([2 - s for s in self.source])

    def _flipped(self) -> tuple[int, ...]:
        return tuple(2 - axis for axis in range(3) if self.flip[axis])


def find_turn(grid: Grid, orientation: str) -> Turn:
    """The turn that brings a grid's axes nearest to an orientation.

    Args:
        grid: any grid, oblique ones too.
        orientation: three letters naming where x, y, z grow to, such as `LPS`; a name in `VIEWS`, after the
            slices that are cut; or `slices`, which keeps the acquired slice axis (the last) as d and only
            mirrors so that a slice is seen the usual way.

    Raises:
        BadInput: not such a text.
    """
    orders = list(itertools.permutations(range(3)))
    if orientation == "slices":
        patient = np.abs(grid.direction).argmax(axis=0)
        # The usual view: left or back to the right, back or feet downwards; slices towards L, P or S.
        x, y = sorted((0, 1), key=lambda axis: patient[axis])
        letters = ["LPS"[patient[x]], "LPI"[patient[y]], "LPS"[patient[2]]]
        orders = [(x, y, 2)]
    else:
        letters = list(VIEWS.get(orientation, orientation))
        axes = [_LETTERS[letter][0] for letter in letters if letter in _LETTERS]
        if len(letters) != 3 or sorted(axes) != [0, 1, 2]:
            raise BadInput(
                f"orientation {orientation!r}: needs three letters such as LPS, {', '.join(VIEWS)} or slices"
            )
    wanted = np.zeros((3, 3))
    for column, letter in enumerate(letters):
        axis, sign = _LETTERS[letter]
        wanted[axis, column] = sign
    return _nearest_turn(grid.direction, wanted, orders)


def turn_onto(grid: Grid, target: Grid) -> Turn:
    """The turn that brings a grid's axes nearest to those of another."""
    orders = list(itertools.permutations(range(3)))
    return _nearest_turn(grid.direction, target.direction, orders)


def _nearest_turn(direction: np.ndarray, wanted: np.ndarray, orders: list) -> Turn:
    """The order of axes, with mirroring, whose directions (columns) agree best with the wanted ones."""
    agree = wanted.T @ direction  # row: new axis, column: source axis
    source = max(orders, key=lambda order: sum(abs(agree[j, order[j]]) for j in range(3)))
    return Turn(tuple(source), tuple(bool(agree[j, source[j]] < 0) for j in range(3)))


def with_spacing(grid: Grid, spacing: tuple[float, float, float]) -> Grid:
    """The grid of the same region and centre with another spacing, in mm along (d, h, w).

    An axis whose wanted spacing is 0, or its own already, stays exactly as it is. The number of voxels
    is rounded, so the outermost new centres always lie inside the old voxels.
    """
    affine, shape = grid.affine.copy(), list(grid.shape)
    for axis in range(3):
        old, new, count = grid.spacing[axis], spacing[axis], grid.shape[axis]
        if not new or abs(new / old - 1) <= SPACING_TOLERANCE:
            continue
        shape[axis] = max(1, int(np.floor(count * old / new + 0.5 + 1e-6)))
        unit = grid.direction[:, 2 - axis]
        affine[:3, 2 - axis] = unit * new
        affine[:3, 3] += unit * ((count - 1) * old - (shape[axis] - 1) * new) / 2
    return Grid(tuple(shape), affine)
