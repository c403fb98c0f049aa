"""Waves whose gates are known: how the search for the reason goes there, and how often it runs them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from orchestrator.core.isolation import Ask, Outcome, Verdict, search
from orchestrator.core.membership import Members, Part

Gates = Callable[[Part], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """`runs` are every ask and its outcome, in order."""

    verdict: Verdict
    runs: tuple[tuple[Ask, Outcome], ...]

    def reds(self, members: Collection[str]) -> int:
        """How often exactly these were red."""
        return sum(o is Outcome.RED and set(ask.members) == set(members) for ask, o in self.runs)

    def greens(self, members: Collection[str]) -> int:
        return sum(o is Outcome.GREEN and set(ask.members) == set(members) for ask, o in self.runs)


def searched(members: Members, gates: Gates) -> Searched:
    runs: list[tuple[Ask, Outcome]] = []

    def run(ask: Ask) -> Outcome:
        runs.append((ask, gates(frozenset(ask.members))))
        return runs[-1][1]

    return Searched(verdict=search(members, run), runs=tuple(runs))


def red_with(*causes: Collection[str]) -> Gates:
    """Red exactly where all of one cause are together."""
    return lambda part: Outcome.RED if any(part.issuperset(cause) for cause in causes) else Outcome.GREEN
