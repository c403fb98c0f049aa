"""Whether every workstream can start one day: needs that nothing satisfies, and needs in a circle."""

from __future__ import annotations

import graphlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from orchestrator.plan_file.members import Member, wave_place, waves
from orchestrator.plan_file.problems import Problem, quoted, unknown
from orchestrator.plan_file.tree import Place, Source, Tree, Unquoted, items

# Each is a search of the whole plan; a plan of thousands of circles is not read to its end.
_CYCLES_REPORTED = 20

# A workstream that is done, or a wave that has landed.
_Event = str | int


@dataclass(frozen=True)
class _Need:
    """`who` cannot start before `what`; a wave that needs something stands for its workstreams."""

    who: str
    wave: int
    what: _Event
    place: Place
    by_wave: bool = False


def order_problems(source: Source, everyone: tuple[Member, ...]) -> Iterator[Problem]:
    needs = tuple(_needs(source, everyone))
    wave_of = {member.name: member.wave for member in everyone}
    numbers = waves(source.root)
    possible = []
    for need in needs:
        message = _impossible(need, wave_of, numbers)
        if message:
            yield source.problem(need.place, message)
        else:
            possible.append(need)
    yield from _cycles(source, everyone, possible)


def _needs(source: Source, everyone: Iterable[Member]) -> Iterator[_Need]:
    for member in everyone:
        place = member.key_place("needs")
        for item_place, item in items(place, member.merged.get("needs")):
            if (what := _event(item)) is not None:
                yield _Need(member.name, member.wave, what, item_place)
        wave_needs = waves(source.root)[member.wave].get("needs")
        for item_place, item in items(wave_place(member.wave, "needs"), wave_needs):
            if (what := _event(item)) is not None:
                yield _Need(member.name, member.wave, what, item_place, by_wave=True)


def _event(item: Tree) -> _Event | None:
    if isinstance(item, str):
        return item
    number = item.value if isinstance(item, Unquoted) else None
    return None if isinstance(number, (bool, float)) else number


def _impossible(need: _Need, wave_of: dict[str, int], numbers: Iterable[int]) -> str | None:
    who = f"wave {need.wave}" if need.by_wave else quoted(need.who)
    match need.what:
        case str() as name if name not in wave_of:
            return _unknown_name(name, wave_of, numbers)
        case str() as name if need.by_wave and wave_of[name] == need.wave:
            return f"wave {need.wave} needs {quoted(name)}, a workstream of its own"
        case str() as name if name == need.who:
            return f"{who} needs itself"
        case int() as number if number not in numbers:
            return unknown("wave", str(number), map(str, numbers))
        case int() as number if number == need.wave:
            return f"{who} needs wave {number}, {_own(need)}; it may need earlier ones"
        case int() as number if number > need.wave:
            return f"{who} needs wave {number}, a later one; waves land in ascending order"
        case _:
            return None


def _own(need: _Need) -> str:
    return "itself" if need.by_wave else "its own"


def _unknown_name(name: str, wave_of: dict[str, int], numbers: Iterable[int]) -> str:
    message = unknown("workstream", name, wave_of)
    is_wave = name.isdecimal() and int(name[:9]) in numbers
    return f"{message}; for the wave leave the quotes out" if is_wave else message


def _cycles(source: Source, everyone: tuple[Member, ...], needs: list[_Need]) -> Iterator[Problem]:
    places = {(need.who, need.what): need.place for need in needs}
    graph = _graph(everyone, needs)
    for _ in range(_CYCLES_REPORTED):
        cycle = _cycle(graph)
        if cycle is None:
            return
        steps = list(itertools.pairwise(cycle))
        written = [places[step] for step in steps if step in places]
        place = max(written, key=source.line)
        yield source.problem(
            place, f"needs in a circle: {' -> '.join(map(_said, cycle))}; take one of them out"
        )
        for event in cycle:
            graph.pop(event, None)


def _graph(everyone: Iterable[Member], needs: Iterable[_Need]) -> dict[_Event, list[_Event]]:
    """What each event waits for. A wave lands after its workstreams and after the waves before it."""
    graph: dict[_Event, list[_Event]] = {}
    for member in everyone:
        graph.setdefault(member.wave, []).append(member.name)
    numbers = sorted(number for number in graph if isinstance(number, int))
    for earlier, later in itertools.pairwise(numbers):
        graph[later].append(earlier)
    for need in needs:
        graph.setdefault(need.who, []).append(need.what)
    return graph


def _cycle(graph: dict[_Event, list[_Event]]) -> list[_Event] | None:
    """A circle, each member followed by one it waits for, the first again at the end."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(reversed(error.args[1]))
    return None


def _said(event: _Event) -> str:
    return event if isinstance(event, str) else f"wave {event}"
