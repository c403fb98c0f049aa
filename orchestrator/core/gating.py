"""When a wave is open, ready, merging or merged."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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


def verdict_in_words(outcome: Outcome, ok: bool) -> str:
    """`ok`: it does not block, whatever it came to."""
    said = "no verdict" if outcome is Outcome.INFRASTRUCTURE else outcome.value
    return f"{said}, only a warning" if ok and outcome is not Outcome.GREEN else said


@dataclass(frozen=True, slots=True, kw_only=True)
class Tips:
    """Where the planned branches stand, and which of their gates are green there."""

    commits: Mapping[str, CommitId] = field(default_factory=dict)
    green: frozenset[tuple[str, str, CommitId]] = frozenset()

    def replaced(self, names: Collection[str], fresh: Tips) -> Tips:
        """With what `fresh` knows of these workstreams, and of the others what was known."""
        commits = {name: commit for name, commit in self.commits.items() if name not in names}
        green = frozenset(one for one in self.green if one[0] not in names)
        return Tips(commits={**commits, **fresh.commits}, green=green | fresh.green)

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
    if has_landed(plan, state, number):
        return WaveState.MERGED
    if state.wave(number).landing is not None:
        return WaveState.MERGING
    if state.wave(number).rolled_back is not None:
        return WaveState.ROLLED_BACK
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
    """Lower waves that have not landed, or only in part: they land first.

    One that was taken out holds nobody up.
    """
    return tuple(
        n
        for n in plan.waves
        if n < number and state.wave(n).rolled_back is None and not has_landed(plan, state, n)
    )


def needed_by(plan: Plan, number: WaveNumber) -> tuple[WaveNumber, ...]:
    """The waves that a wave or one of its workstreams names in `needs`."""
    members = {n for w in plan.of_wave(number) for n in w.needs.waves}
    return tuple(sorted({*plan.waves[number].needs.waves, *members}))
