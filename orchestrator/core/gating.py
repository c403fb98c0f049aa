"""When a wave is open, ready, merging or merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from orchestrator.core.plan import CommitId, Gate, Plan, WaveNumber, Workstream
from orchestrator.core.state import Done, Merged, State


class WaveState(Enum):
    OPEN = "open"
    READY = "ready"
    MERGING = "merging"
    MERGED = "merged"
    ROLLED_BACK = "rolled-back"


class Outcome(Enum):
    """What a gate came to. `INFRASTRUCTURE`: to nothing, because something outside it failed."""

    GREEN = "green"
    RED = "red"
    INFRASTRUCTURE = "infrastructure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tips:
    """Where the planned branches stand, and which of their gates are green there."""

    commits: Mapping[str, CommitId] = field(default_factory=dict)
    green: frozenset[tuple[str, str, CommitId]] = frozenset()

    def is_green(self, workstream: Workstream) -> bool:
        """Whether no gate holds it back. Gates that only warn do not, nor do those of its wave."""
        if workstream.name not in self.commits:
            return False
        return not any(gate.holds_tips for gate in self.open_gates(workstream))

    def open_gates(self, workstream: Workstream) -> tuple[Gate, ...]:
        """The gates of an existing tip that are not known to be green there."""
        tip = self.commits[workstream.name]
        return tuple(
            gate
            for gate in workstream.gates
            if not gate.is_for_the_wave and (workstream.name, gate.name, tip) not in self.green
        )


def wave_state(plan: Plan, state: State, tips: Tips, number: WaveNumber) -> WaveState:
    record = state.wave(number)
    if record.landed is not None:
        return WaveState.MERGED
    if record.landing is not None:
        return WaveState.MERGING
    ready = may_be_ready(plan, state, number) and all(tips.is_green(w) for w in plan.of_wave(number))
    return WaveState.READY if ready else WaveState.OPEN


def may_be_ready(plan: Plan, state: State, number: WaveNumber) -> bool:
    """Whether nothing but its gates decides."""
    return state.wave(number).landed is None and all(is_done(state, w) for w in plan.of_wave(number))


def is_done(state: State, workstream: Workstream) -> bool:
    return isinstance(state.of(workstream.name).phase, Done | Merged)


def waves_before(plan: Plan, state: State, number: WaveNumber) -> tuple[WaveNumber, ...]:
    """Lower waves that have not landed: they land first."""
    return tuple(n for n in plan.waves if n < number and state.wave(n).landed is None)
