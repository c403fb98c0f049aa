"""What follows from the facts so far. `State.after(fact)` is the only way to a next state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from orchestrator.core import facts as f
from orchestrator.core.capacity import Capacity
from orchestrator.core.facts import Fact
from orchestrator.core.state.records import (
    AfterStop,
    Done,
    Ended,
    Failed,
    Foreseen,
    Held,
    Idle,
    Landing,
    LaunchRecord,
    Merged,
    Phase,
    Running,
    Starting,
    Stopped,
    Stopping,
    SyncRecord,
    Wanted,
    WaveRecord,
    WorkstreamRecord,
)
from orchestrator.core.state.wave import (
    ForecastFact,
    LandingFact,
    RollbackFact,
    done_again,
    foreseen_after,
    merged,
    wave_after_landing,
    wave_after_rollback,
)
from orchestrator.core.state.workstream import ImpossibleFact, WorkstreamFact, workstream_after

Noted = (
    f.DaemonStarted
    | f.DaemonStopped
    | f.PlanRead
    | f.HostLost
    | f.HostBack
    | f.HostPruned
    | f.HostTakenOver
    | f.JournalArchived
    | f.JournalHeld
    | f.GateFinished
    | f.GateRetried
    | f.LandingAsked
    | f.PartTried
    | f.WaveIsolated
    | f.RollbackAsked
    | f.CleaningAsked
    | f.CleaningRefused
    | f.WaveProposed
    | f.WorkCommitted
)
"""Facts for people and reports: nothing follows from them here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    token: str = ""
    workstreams: Mapping[str, WorkstreamRecord] = field(default_factory=dict)
    waves: Mapping[int, WaveRecord] = field(default_factory=dict)
    foreseen: Mapping[tuple[str, ...], Foreseen] = field(default_factory=dict)
    capacity: Capacity = field(default_factory=Capacity)

    def of(self, workstream: str) -> WorkstreamRecord:
        return self.workstreams.get(workstream, _BLANK)

    def wave(self, number: int) -> WaveRecord:
        return self.waves.get(number, WaveRecord())

    def after(self, fact: Fact) -> State:
        """The state once `fact` has happened.

        Raises:
            ImpossibleFact: it cannot happen in this state.
        """
        if isinstance(fact, Noted):
            return self
        if isinstance(fact, f.JournalBegun):
            return replace(self, token=fact.token)
        if isinstance(fact, LandingFact):
            return self._after_landing(fact)
        if isinstance(fact, RollbackFact):
            return self._after_rollback(fact)
        if isinstance(fact, ForecastFact):
            return replace(self, foreseen=foreseen_after(self.foreseen, fact))
        if isinstance(fact, f.GpuPeakSeen | f.DrainAsked | f.DrainLifted):
            return replace(self, capacity=self.capacity.after(fact))
        return self._after_work(fact)

    def _after_work(self, fact: WorkstreamFact) -> State:
        before = self.of(fact.workstream)
        stage = before.launch.stage if before.launch else None
        records = {**self.workstreams, fact.workstream: workstream_after(before, fact)}
        return replace(self, workstreams=records, capacity=self.capacity.after(fact, stage))

    def _after_landing(self, fact: LandingFact) -> State:
        wave, records = self.wave(fact.wave), self.workstreams
        if isinstance(fact, f.WaveLanded):
            records = merged(records, wave, fact)
        waves = {**self.waves, fact.wave: wave_after_landing(wave, fact)}
        return replace(self, workstreams=records, waves=waves)

    def _after_rollback(self, fact: RollbackFact) -> State:
        wave, records = self.wave(fact.wave), self.workstreams
        if isinstance(fact, f.WaveRolledBack):
            records = done_again(records, fact)
        waves = {**self.waves, fact.wave: wave_after_rollback(wave, fact)}
        return replace(self, workstreams=records, waves=waves)


_BLANK = WorkstreamRecord()


def replayed(facts: Iterable[Fact], start: State | None = None) -> State:
    state = start or State()
    for fact in facts:
        state = state.after(fact)
    return state


__all__ = [
    "AfterStop",
    "Done",
    "Ended",
    "Failed",
    "Foreseen",
    "Held",
    "Idle",
    "ImpossibleFact",
    "Landing",
    "LaunchRecord",
    "Merged",
    "Phase",
    "Running",
    "Starting",
    "State",
    "Stopped",
    "Stopping",
    "SyncRecord",
    "Wanted",
    "WaveRecord",
    "WorkstreamFact",
    "WorkstreamRecord",
    "replayed",
]
