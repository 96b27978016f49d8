"""Small charts as SVG of our own: numbers come in, a path and its frame come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT = 600, 120
_PAD = 4


@dataclass(frozen=True, slots=True)
class Curve:
    """A line over days, and the area below it; ``lowest`` and ``highest`` frame it."""

    line: str
    area: str
    first: date
    last: date
    lowest: int
    highest: int
    end: tuple[float, float]
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True, slots=True)
class Bars:
    """A number for each hour as a bar: x and height, in a frame of 100 by 20."""

    each: tuple[tuple[float, float], ...]
    width: float
    highest: int


def bars(numbers: Sequence[int]) -> Bars:
    """A bar for each of ``numbers``; the highest fills the frame."""
    highest = max(numbers, default=0)
    step = 100 / max(1, len(numbers))
    each = tuple(
        (place * step, 20 * number / highest if highest else 0.0)
        for place, number in enumerate(numbers)
    )
    return Bars(each, step * 0.8, highest)


def curve(points: Sequence[tuple[date, int]]) -> Curve | None:
    """The curve through ``points`` (in the order of days); None for less than two."""
    if len(points) < 2:
        return None
    first, last = points[0][0], points[-1][0]
    lowest, highest = min(n for _, n in points), max(n for _, n in points)
    spread, days = max(1, highest - lowest), max(1, (last - first).days)
    places = [
        (
            (day - first).days / days * WIDTH,
            HEIGHT - _PAD - (number - lowest) / spread * (HEIGHT - 4 * _PAD),
        )
        for day, number in points
    ]
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    area = f"{line}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z"
    return Curve(line, area, first, last, lowest, highest, places[-1])
