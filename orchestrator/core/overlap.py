"""Which changed lines of two branches meet. A span is the first and the last line, counted from 1."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class LineChange:
    """Lines of the common version that one side replaced, and where its own lines are now.

    An empty side (`count` 0) lies behind the line it starts at: an insertion, or a deletion.
    """

    start: int
    count: int
    own_start: int
    own_count: int

    @property
    def place(self) -> tuple[float, float]:
        """Where it lies, as positions between lines: an insertion behind line 5 is at 5.5."""
        if self.count == 0:
            return self.start + 0.5, self.start + 0.5
        return self.start, self.start + self.count - 1

    @property
    def own(self) -> Span:
        """The lines in the side's own version; where it deleted them, the line before."""
        return self.own_start, self.own_start + max(self.own_count, 1) - 1


@dataclass(frozen=True, slots=True)
class Meeting:
    """The lines, in each side's own version, that lie nearest to the other's.

    `distance` is how many unchanged lines lie between; 0 when the changes touch or overlap.
    """

    a: tuple[Span, ...]
    b: tuple[Span, ...]
    distance: int


def meeting(a: Sequence[LineChange], b: Sequence[LineChange]) -> Meeting | None:
    """Both in the order of their lines. None when one side changed no line."""
    if not a or not b:
        return None
    distances = {(one, other): _between(one, other) for one in a for other in _near(one, b)}
    nearest = min(distances.values())
    met = [pair for pair, distance in distances.items() if distance == nearest]
    return Meeting(merged(one.own for one, _ in met), merged(other.own for _, other in met), nearest)


def _near(one: LineChange, others: Sequence[LineChange]) -> Sequence[LineChange]:
    """Those that overlap it, and the next on either side."""
    first, last = one.place
    begin = bisect_left(others, first, key=lambda other: other.place[1])
    end = bisect_right(others, last, key=lambda other: other.place[0])
    return others[max(0, begin - 1) : end + 1]


def _between(a: LineChange, b: LineChange) -> int:
    first, second = sorted((a.place, b.place))
    return max(0, math.ceil(second[0]) - math.floor(first[1]) - 1)


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sorted, with those that touch made one."""
    found: list[Span] = []
    for start, end in sorted(set(spans)):
        if found and start <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)
