"""When a wave is open, ready, merging or merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from orchestrator.core.plan import CommitId, Plan, WaveNumber, Workstream
from orchestrator.core.state import Done, Merged, State


class WaveState(Enum):
    OPEN = "open"
    READY = "ready"
    MERGING = "merging"
    MERGED = "merged"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tips:
    """Where the planned branches stand, and which of their gates are green there."""

    commits: Mapping[str, CommitId] = field(default_factory=dict)
    green: frozenset[tuple[str, str, CommitId]] = frozenset()

    def is_green(self, workstream: Workstream) -> bool:
        tip = self.commits.get(workstream.name)
        return tip is not None and all((workstream.name, g.name, tip) in self.green for g in workstream.gates)


def wave_state(plan: Plan, state: State, tips: Tips, number: WaveNumber) -> WaveState:
    if has_landed(plan, state, number):
        return WaveState.MERGED
    if state.wave(number).landing is not None:
        return WaveState.MERGING
    ready = may_be_ready(plan, state, number) and all(tips.is_green(w) for w in to_land(plan, state, number))
    return WaveState.READY if ready else WaveState.OPEN


def may_be_ready(plan: Plan, state: State, number: WaveNumber) -> bool:
    """Whether nothing but its gates decides."""
    if has_landed(plan, state, number):
        return False
    return all(is_done(state, w) for w in to_land(plan, state, number))


def to_land(plan: Plan, state: State, number: WaveNumber) -> tuple[Workstream, ...]:
    """Those of the wave that have not landed with a part of it."""
    landed = state.wave(number).members_landed
    return tuple(w for w in plan.of_wave(number) if w.name not in landed)


def has_landed(plan: Plan, state: State, number: WaveNumber) -> bool:
    """True when the wave landed as a whole, or all that the plan still has of it landed in parts."""
    record = state.wave(number)
    return record.landed is not None or (bool(record.parts) and not to_land(plan, state, number))


def is_done(state: State, workstream: Workstream) -> bool:
    return isinstance(state.of(workstream.name).phase, Done | Merged)


def waves_before(plan: Plan, state: State, number: WaveNumber) -> tuple[WaveNumber, ...]:
    """Lower waves that have not landed, or only in part: they land first."""
    return tuple(n for n in plan.waves if n < number and not has_landed(plan, state, n))
