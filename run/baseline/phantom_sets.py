"""The table of built-in phantom sets: what each holds. Light, so that a name is checked without torch."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class PhantomSet:
    """What a phantom file holds."""

    kind: str = "main"
    patients: tuple[str, int]  # first part of the names, how many
    world: str = "home"  # whose scanner, a key of mos.data.phantom.WORLDS
    annotated: tuple[int, ...] = (1, 2, 3, 4)
    fold: int | None = None  # None: everything is for training
    shape: tuple[int, int, int] | None = None  # d, h, w; None: the world's
    spacing: tuple[float, float, float] | None = None


_MAIN = PhantomSet(patients=("phantom", 40))
# Few and coarse voxels, for tests and first tries.
_TINY = PhantomSet(patients=("tiny", 10), fold=0, shape=(4, 48, 48), spacing=(25.0, 4.0, 4.0))

PHANTOM_SETS: dict[str, PhantomSet] = {
    **{f"phantom-{fold}": replace(_MAIN, fold=fold) for fold in range(5)},
    "phantom-all": _MAIN,
    # Another hospital that never drew the fat; and one that drew nothing but the left ventricle.
    "phantom-aux": PhantomSet(
        kind="aux", patients=("neighbour", 30), world="neighbour", annotated=(2, 3, 4)
    ),
    "phantom-aux2": PhantomSet(
        kind="aux", patients=("distant", 30), world="neighbour", annotated=(2,)
    ),
    "phantom-zeroshot": PhantomSet(kind="zeroshot", patients=("abroad", 12), world="abroad"),
    "phantom-pseudo": PhantomSet(kind="pseudo", patients=("unlabelled", 24), annotated=()),
    "phantom-tiny": _TINY,
    "phantom-tiny-aux": replace(
        _TINY,
        kind="aux",
        patients=("tinyaux", 8),
        world="neighbour",
        annotated=(2, 3, 4),
        fold=None,
    ),
    "phantom-tiny-zeroshot": replace(
        _TINY, kind="zeroshot", patients=("tinyzeroshot", 4), world="abroad", fold=None
    ),
    "phantom-tiny-pseudo": replace(
        _TINY, kind="pseudo", patients=("tinypseudo", 6), annotated=(), fold=None
    ),
}
