"""In which order to merge branches that conflict, so that few must be reworked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MergeStep:
    """`rework` names the base, or earlier branches, whose changes it must take in before it merges."""

    name: str
    rework: tuple[str, ...] = ()


def suggest_order(
    groups: Iterable[Sequence[str]],
    conflicts: Iterable[tuple[str, str]],
    against_base: Collection[str] = (),
    base: str = "base",
) -> tuple[MergeStep, ...]:
    """Groups (waves) stay in their order. In each, as many as can go together without rework go first.

    Greedy: always the branch that spoils fewest of those still clean; ties keep the given order.
    """
    meets = _neighbours(conflicts)
    done: dict[str, None] = {}
    steps: list[MergeStep] = []
    for group in groups:
        left = list(group)
        while left:
            name = min(left, key=lambda one: _cost(one, left, meets, done, against_base))
            left.remove(name)
            onto = (base,) if name in against_base else ()
            steps.append(MergeStep(name, (*onto, *(n for n in done if n in meets.get(name, ())))))
            done[name] = None
    return tuple(steps)


def _neighbours(conflicts: Iterable[tuple[str, str]]) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for a, b in conflicts:
        found.setdefault(a, set()).add(b)
        found.setdefault(b, set()).add(a)
    return found


def _cost(
    name: str,
    left: Sequence[str],
    meets: Mapping[str, set[str]],
    done: Collection[str],
    against_base: Collection[str],
) -> tuple[bool, int]:
    mine = meets.get(name, set())
    needs_rework = name in against_base or not mine.isdisjoint(done)
    spoils = [n for n in left if n in mine and n not in against_base and meets[n].isdisjoint(done)]
    return needs_rework, len(spoils)
