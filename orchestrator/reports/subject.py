"""The wave that a document is about: what plan and git say of it, as plain values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.core.plan import Plan, WaveNumber, Workstream


class Verdict(Protocol):
    """What a gate came to; `workstream` is None for a wave's own."""

    @property
    def gate(self) -> str: ...

    @property
    def workstream(self) -> str | None: ...

    @property
    def said(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A workstream of the wave and the tip that it brings."""

    name: str
    branch: str
    tip: str
    results: str = "results"
    gates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    wave: int
    goal: str
    workstreams: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """`head` is the last merge onto `base_commit`; `contained` brought nothing that base lacked."""

    project: str
    wave: int
    goal: str
    base: str
    base_commit: str
    head: str
    members: tuple[Member, ...]
    contained: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    following: tuple[Next, ...] = ()

    @property
    def title(self) -> str:
        return f"Wave {self.wave}" + (f": {self.goal}" if self.goal else "")


@dataclass(frozen=True, slots=True)
class Unusable:
    """Something a workstream committed that no document can be made of."""

    workstream: str
    why: str


def subject_of(
    plan: Plan,
    number: WaveNumber,
    *,
    base: str,
    head: str,
    tips: Mapping[str, str],
    contained: Sequence[str],
    landed: Collection[str] = (),
) -> Subject:
    """`landed` are those of the wave that came with an earlier part of it."""
    wave = plan.waves[number]
    return Subject(
        project=plan.project,
        wave=number,
        goal=wave.goal,
        base=plan.base,
        base_commit=base,
        head=head,
        members=tuple(member_of(w, tips[w.name]) for w in plan.of_wave(number) if w.name in tips),
        contained=tuple(contained),
        left_out=tuple(name for name in wave.workstreams if name not in tips and name not in landed),
        gates=plan.wave_gate_names(number),
        following=tuple(
            Next(wave=n, goal=w.goal, workstreams=w.workstreams) for n, w in plan.waves.items() if n > number
        ),
    )


def member_of(workstream: Workstream, tip: str) -> Member:
    return Member(
        name=workstream.name,
        branch=workstream.branch,
        tip=tip,
        results=workstream.results,
        gates=tuple(gate.name for gate in workstream.gates),
    )
