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
    record = state.wave(number)
    if record.landed is not None:
        return WaveState.MERGED
    if record.landing is not None:
        return WaveState.MERGING
    if record.rolled_back is not None:
        return WaveState.ROLLED_BACK
    ready = may_be_ready(plan, state, number) and all(tips.is_green(w) for w in plan.of_wave(number))
    return WaveState.READY if ready else WaveState.OPEN


def may_be_ready(plan: Plan, state: State, number: WaveNumber) -> bool:
    """Whether nothing but its gates decides."""
    return state.wave(number).landed is None and all(is_done(state, w) for w in plan.of_wave(number))


def is_done(state: State, workstream: Workstream) -> bool:
    return isinstance(state.of(workstream.name).phase, Done | Merged)


def waves_before(plan: Plan, state: State, number: WaveNumber) -> tuple[WaveNumber, ...]:
    """Lower waves that have not landed: they land first. One that was taken out holds nobody up."""
    records = {n: state.wave(n) for n in plan.waves if n < number}
    return tuple(n for n, record in records.items() if record.landed is None and record.rolled_back is None)


def needed_by(plan: Plan, number: WaveNumber) -> tuple[WaveNumber, ...]:
    """The waves that a wave or one of its workstreams names in `needs`."""
    members = {n for w in plan.of_wave(number) for n in w.needs.waves}
    return tuple(sorted({*plan.waves[number].needs.waves, *members}))
