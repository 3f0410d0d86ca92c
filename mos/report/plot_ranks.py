"""The critical-difference diagram and the rank-stability strips as numbers; templates draw them."""

from dataclasses import dataclass

from mos.report.critical_difference import CriticalDifference
from mos.report.ranking import Method, Ranking

WIDTH, SIDE, TOP, STEP = 760, 210, 46, 21  # px; SIDE holds names, STEP is the height of one
CELL = 22  # px, a rank of a strip


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A contender of the diagram: from its mean rank on the axis down to its name at a side."""

    name: str
    rank: float
    x: float
    y: float
    end: float  # x where the name begins
    left: bool


@dataclass(frozen=True, kw_only=True)
class Bar:
    """Contenders that do not differ significantly, from x1 to x2."""

    x1: float
    x2: float
    y: float


@dataclass(frozen=True, kw_only=True)
class Diagram:
    """Demsar 2006, figure 1: best at the left here, rank 1 first."""

    height: float
    axis: tuple[float, float]  # x of rank 1 and of the last rank
    ticks: tuple[tuple[float, str], ...]
    arms: tuple[Arm, ...]
    bars: tuple[Bar, ...]
    scale: tuple[float, float]  # x1, x2 of a line as long as the critical difference
    difference: float


def diagram(found: CriticalDifference) -> Diagram:
    """Where everything of the diagram lies; the better half of the names stands at the left."""
    count = len(found.contenders)
    low, high = SIDE, WIDTH - SIDE

    def place(rank: float) -> float:
        return round(low + (rank - 1) / max(1, count - 1) * (high - low), 1)

    bars = tuple(
        Bar(
            x1=place(found.mean_ranks[first]) - 4,
            x2=place(found.mean_ranks[last]) + 4,
            y=TOP + 8 + 7 * level,
        )
        for level, (first, last) in enumerate(found.groups)
    )
    start = TOP + 26 + 7 * len(bars)
    half = (count + 1) // 2
    arms = []
    for i, (name, rank) in enumerate(zip(found.contenders, found.mean_ranks)):
        is_left = i < half
        # Outer names are lowest, so that no arm crosses another's name.
        row = i if is_left else count - 1 - i
        arms.append(
            Arm(
                name=name,
                rank=rank,
                x=place(rank),
                y=start + row * STEP,
                end=low - 12 if is_left else high + 12,
                left=is_left,
            )
        )
    every = max(1, -(-count // 15))
    ticks = tuple((place(rank), str(rank)) for rank in range(1, count + 1, every))
    length = found.difference / max(1, count - 1) * (high - low)
    return Diagram(
        height=start + half * STEP,
        axis=(low, high),
        ticks=ticks,
        arms=tuple(arms),
        bars=bars,
        scale=(low, round(low + length, 1)),
        difference=found.difference,
    )


@dataclass(frozen=True, kw_only=True)
class Blob:
    """How often a contender had a rank: a disc whose area is its share of the draws."""

    x: float
    radius: float
    share: float
    rank: int


def strip(method: Method, contender: int) -> list[Blob]:
    """The discs of one contender, one per rank it ever had in the draws."""
    return [
        Blob(
            x=(rank - 0.5) * CELL,
            radius=max(1.0, round((share**0.5) * (CELL / 2 - 1), 2)),
            share=share,
            rank=rank,
        )
        for rank, share in enumerate(method.shares[contender], start=1)
        if share > 0
    ]


def strip_width(ranking: Ranking) -> int:
    """px that the strips of a ranking need, one CELL a rank."""
    return CELL * len(ranking.contenders)
