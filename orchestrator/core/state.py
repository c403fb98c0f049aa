"""What follows from the facts so far. `State.after(fact)` is the only way to a next state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from orchestrator.core import facts as f
from orchestrator.core.capacity import Capacity
from orchestrator.core.facts import Fact, LaunchId


class ImpossibleFact(Exception):
    """A fact that cannot follow the state it met: a bug, or a journal that is not ours."""


# --- the phases of a workstream ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Idle:
    """Nobody asked for it yet."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """To be launched as soon as needs, host and slots allow, but not before `delay_s` have passed."""

    delay_s: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Starting:
    """Its launch was chosen and written down; whether it happened is not known yet."""


@dataclass(frozen=True, slots=True)
class Running:
    pass


class AfterStop(Enum):
    STOP = "stop"
    RESTART = "restart"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Stopping:
    then: AfterStop


@dataclass(frozen=True, slots=True)
class Ended:
    """Its run ended; what that means is not decided yet."""


@dataclass(frozen=True, slots=True)
class Held:
    unmet: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Done:
    pass


@dataclass(frozen=True, slots=True)
class Failed:
    """`launched` is False when the launch itself was refused: `up` may try again."""

    reason: str
    launched: bool = True


@dataclass(frozen=True, slots=True)
class Stopped:
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Merged:
    wave: int


Phase = Idle | Wanted | Starting | Running | Stopping | Ended | Held | Done | Failed | Stopped | Merged


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRecord:
    """The newest launch of a workstream. `asks` is what it waits for somebody to answer."""

    id: LaunchId
    host: str
    stage: str
    attempt: int
    gpus: tuple[int, ...]
    exit: f.LaunchEnded | None = None
    asks: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkstreamRecord:
    """`stage` is an index into the plan's stages; `attempts` counts its runs, refused launches apart.

    `launches` counts all launches ever, `failures` those held against the restart limit.
    `elapsed_s` is the wall time of the present stage over its ended attempts. `began` is where its branch
    stood at the first launch. `cleaned`: its worktree and branch were taken away.
    """

    phase: Phase = field(default_factory=Idle)
    stage: int = 0
    attempts: int = 0
    launches: int = 0
    failures: int = 0
    elapsed_s: float = 0.0
    launch: LaunchRecord | None = None
    worktree: str | None = None
    tip: str | None = None
    began: str | None = None
    port: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    pushed: str | None = None
    push_refused: str | None = None
    cleaned: bool = False
    approvals: tuple[f.ReviewApproved, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """A landing that was begun and not yet finished or refused."""

    begun: f.LandingBegun


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveRecord:
    """`parts` are its landings so far, in order, since it was last rolled back; `landed` the one that
    completed it. `rollback` is under way; `rolled_back` is the last one, until the wave lands again.

    `pushed` is the commit that base's remote is known to have got with the wave.
    """

    landing: Landing | None = None
    landed: f.WaveLanded | None = None
    pushed: str | None = None
    parts: tuple[f.WaveLanded, ...] = ()
    rollback: f.RollbackBegun | None = None
    rolled_back: f.WaveRolledBack | None = None
    rollbacks: int = 0

    @property
    def members_landed(self) -> tuple[str, ...]:
        return tuple(name for part in self.parts for name in part.landed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What would come of merging some branches now: a conflict, or only the same files."""

    conflict: bool
    files: tuple[str, ...]


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
        match fact:
            case f.JournalBegun(token=token):
                return replace(self, token=token)
            case (
                f.DaemonStarted()
                | f.DaemonStopped()
                | f.PlanRead()
                | f.HostLost()
                | f.HostBack()
                | f.HostPruned()
                | f.JournalArchived()
                | f.GateFinished()
                | f.GateRetried()
                | f.LandingAsked()
                | f.PartTried()
                | f.WaveIsolated()
                | f.RollbackAsked()
                | f.CleaningAsked()
                | f.CleaningRefused()
                | f.WaveProposed()
            ):
                return self
            case (
                f.LandingBegun()
                | f.WaveLanded()
                | f.LandingRefused()
                | f.LandingUndone()
                | f.WavePushed()
                | f.WavePushRefused()
            ):
                return _after_landing(self, fact)
            case f.ConflictForeseen() | f.OverlapForeseen() | f.ForecastCleared():
                return replace(self, foreseen=_after_forecast(self.foreseen, fact))
            case f.RollbackBegun() | f.WaveRolledBack() | f.RollbackRefused():
                return _after_rollback(self, fact)
            case f.GpuPeakSeen() | f.DrainAsked() | f.DrainLifted():
                return replace(self, capacity=self.capacity.after(fact))
            case _:
                record = self.of(fact.workstream)
                stage = record.launch.stage if record.launch else None
                told = replace(self, capacity=self.capacity.after(fact, stage))
                return told._with(fact.workstream, _after(record, fact))

    def _with(self, name: str, record: WorkstreamRecord) -> State:
        return replace(self, workstreams={**self.workstreams, name: record})


WorkstreamFact = (
    f.StartAsked
    | f.StopAsked
    | f.RestartAsked
    | f.DoneAsked
    | f.ReviewApproved
    | f.HoldAccepted
    | f.LaunchChosen
    | f.Launched
    | f.LaunchRefused
    | f.LaunchEnded
    | f.InputAwaited
    | f.InputGiven
    | f.StagePassed
    | f.StageHeld
    | f.RetryChosen
    | f.GaveUp
    | f.FitsNowhere
    | f.BranchPushed
    | f.PushRefused
    | f.WorkstreamCleaned
)

_BLANK = WorkstreamRecord()


def _after(record: WorkstreamRecord, fact: WorkstreamFact) -> WorkstreamRecord:
    match fact:
        case f.StartAsked() | f.StopAsked() | f.RestartAsked() | f.DoneAsked():
            return _after_asking(record, fact)
        case f.LaunchChosen() | f.Launched() | f.LaunchRefused() | f.LaunchEnded():
            return _after_launch(record, fact)
        case (
            f.StagePassed()
            | f.StageHeld()
            | f.RetryChosen()
            | f.GaveUp()
            | f.HoldAccepted()
            | f.FitsNowhere()
        ):
            return _after_judgement(record, fact)
        case f.InputAwaited() | f.InputGiven():
            return _after_asking_for_input(record, fact)
        case f.ReviewApproved():
            return replace(record, approvals=(*record.approvals, fact))
        case f.BranchPushed(commit=commit):
            return replace(record, pushed=commit, push_refused=None)
        case f.PushRefused(commit=commit):
            return replace(record, push_refused=commit)
        case f.WorkstreamCleaned():
            return replace(record, worktree=None, port=None, tip=fact.tip or record.tip, cleaned=True)


def _after_asking_for_input(
    record: WorkstreamRecord, fact: f.InputAwaited | f.InputGiven
) -> WorkstreamRecord:
    if record.launch is None or record.launch.id != fact.launch or not isinstance(record.phase, Running):
        raise _impossible(record, fact)
    line = fact.line if isinstance(fact, f.InputAwaited) else None
    return replace(record, launch=replace(record.launch, asks=line))


def _after_asking(
    record: WorkstreamRecord, fact: f.StartAsked | f.StopAsked | f.RestartAsked | f.DoneAsked
) -> WorkstreamRecord:
    match (record.phase, fact):
        case (Idle() | Stopped() | Failed(launched=False), f.StartAsked()):
            return replace(record, phase=Wanted(), failures=0)
        case (Stopping(), f.StartAsked()):
            return replace(record, phase=Stopping(AfterStop.RESTART), failures=0)
        case (Idle() | Wanted() | Held() | Done() | Failed() | Stopped() | Ended(), f.RestartAsked()):
            return replace(record, phase=Wanted(), failures=0)
        case (Starting() | Running() | Stopping(), f.RestartAsked()):
            return replace(record, phase=Stopping(AfterStop.RESTART), failures=0)
        case (Starting() | Running() | Stopping(), f.StopAsked()):
            return replace(record, phase=Stopping(AfterStop.STOP))
        case (Wanted() | Ended(), f.StopAsked()):
            return replace(record, phase=Stopped(f"stopped by {fact.by}"))
        case (Starting() | Running() | Stopping(), f.DoneAsked()):
            return replace(record, phase=Stopping(AfterStop.DONE))
        case (Idle() | Wanted() | Stopped() | Failed() | Held() | Ended(), f.DoneAsked()):
            return replace(record, phase=Done())
    raise _impossible(record, fact)


def _after_launch(
    record: WorkstreamRecord, fact: f.LaunchChosen | f.Launched | f.LaunchRefused | f.LaunchEnded
) -> WorkstreamRecord:
    if not isinstance(fact, f.LaunchChosen) and (record.launch is None or record.launch.id != fact.launch):
        raise _impossible(record, fact)
    match (record.phase, fact):
        case (Wanted(), f.LaunchChosen()):
            launch = LaunchRecord(
                id=fact.launch, host=fact.host, stage=fact.stage, attempt=fact.attempt, gpus=fact.gpus
            )
            return replace(
                record,
                phase=Starting(),
                launch=launch,
                attempts=fact.attempt,
                launches=record.launches + 1,
                metrics={},
            )
        case (Starting() | Stopping(), f.Launched()):
            phase = Running() if isinstance(record.phase, Starting) else record.phase
            return replace(
                record,
                phase=phase,
                worktree=fact.worktree,
                tip=fact.tip,
                began=record.began or fact.tip,
                port=fact.port,
                cleaned=False,
            )
        case (Starting(), f.LaunchRefused()):
            return replace(record, phase=Failed(fact.message, launched=False), attempts=record.attempts - 1)
        case (Stopping(then), f.LaunchRefused()):
            return replace(record, phase=_stopped(then, fact.message), attempts=record.attempts - 1)
        case (Starting() | Running(), f.LaunchEnded()):
            return replace(_with_exit(record, fact), phase=Ended())
        case (Stopping(then), f.LaunchEnded()):
            return replace(_with_exit(record, fact), phase=_stopped(then, "stopped on request"))
    raise _impossible(record, fact)


def _with_exit(record: WorkstreamRecord, fact: f.LaunchEnded) -> WorkstreamRecord:
    assert record.launch is not None
    return replace(
        record,
        launch=replace(record.launch, exit=fact),
        elapsed_s=record.elapsed_s + fact.elapsed_s,
    )


def _stopped(then: AfterStop, reason: str) -> Phase:
    match then:
        case AfterStop.STOP:
            return Stopped(reason)
        case AfterStop.RESTART:
            return Wanted()
        case AfterStop.DONE:
            return Done()


def _after_judgement(
    record: WorkstreamRecord,
    fact: f.StagePassed | f.StageHeld | f.RetryChosen | f.GaveUp | f.HoldAccepted | f.FitsNowhere,
) -> WorkstreamRecord:
    match (record.phase, fact):
        case (Ended(), f.StagePassed(next_stage=None)):
            return replace(record, phase=Done(), metrics=fact.metrics)
        case (Ended(), f.StagePassed(next_stage=int(index))):
            return replace(_at_stage(record, index), metrics=fact.metrics)
        case (Ended(), f.StageHeld()):
            return replace(record, phase=Held(fact.unmet), metrics=fact.metrics)
        case (Ended(), f.RetryChosen()):
            return replace(record, phase=Wanted(fact.delay_s, fact.reason), failures=record.failures + 1)
        case (Ended(), f.GaveUp()):
            return replace(record, phase=Failed(fact.reason))
        case (Wanted(), f.FitsNowhere()):
            return replace(record, phase=Failed(fact.reason, launched=False))
        case (Held(), f.HoldAccepted(next_stage=None)):
            return replace(record, phase=Done())
        case (Held(), f.HoldAccepted(next_stage=int(index))):
            return _at_stage(record, index)
    raise _impossible(record, fact)


def _at_stage(record: WorkstreamRecord, index: int) -> WorkstreamRecord:
    return replace(record, phase=Wanted(), stage=index, attempts=0, failures=0, elapsed_s=0.0)


def _after_forecast(
    foreseen: Mapping[tuple[str, ...], Foreseen],
    fact: f.ConflictForeseen | f.OverlapForeseen | f.ForecastCleared,
) -> Mapping[tuple[str, ...], Foreseen]:
    others = {between: one for between, one in foreseen.items() if between != fact.between}
    if isinstance(fact, f.ForecastCleared):
        return others
    one = Foreseen(conflict=isinstance(fact, f.ConflictForeseen), files=fact.files)
    return {**others, fact.between: one}


LandingFact = (
    f.LandingBegun | f.WaveLanded | f.LandingRefused | f.LandingUndone | f.WavePushed | f.WavePushRefused
)


def _after_landing(state: State, fact: LandingFact) -> State:
    wave = state.wave(fact.wave)
    tips = wave.landing.begun.tips if wave.landing else {}
    match fact:
        case f.LandingBegun():
            wave = replace(wave, landing=Landing(begun=fact))
        case f.LandingRefused() | f.LandingUndone():
            wave = replace(wave, landing=None)
        case f.WavePushed():
            wave = replace(wave, pushed=fact.commit)
        case f.WavePushRefused():
            pass
        case f.WaveLanded():
            complete = None if fact.left_out else fact
            wave = replace(wave, landing=None, landed=complete, parts=(*wave.parts, fact), rolled_back=None)
            state = replace(state, workstreams=_merged(state, fact, tips))
    return replace(state, waves={**state.waves, fact.wave: wave})


def _merged(state: State, fact: f.WaveLanded, tips: Mapping[str, str]) -> Mapping[str, WorkstreamRecord]:
    records = {name: state.of(name) for name in fact.landed}
    merged = {
        name: replace(record, phase=Merged(fact.wave), tip=tips.get(name, record.tip))
        for name, record in records.items()
    }
    return {**state.workstreams, **merged}


def _after_rollback(state: State, fact: f.RollbackBegun | f.WaveRolledBack | f.RollbackRefused) -> State:
    wave = state.wave(fact.wave)
    match fact:
        case f.RollbackBegun():
            wave = replace(wave, rollback=fact)
        case f.RollbackRefused():
            wave = replace(wave, rollback=None)
        case f.WaveRolledBack():
            wave = WaveRecord(rolled_back=fact, rollbacks=wave.rollbacks + 1)
            state = replace(state, workstreams=_done_again(state, fact))
    return replace(state, waves={**state.waves, fact.wave: wave})


def _done_again(state: State, fact: f.WaveRolledBack) -> Mapping[str, WorkstreamRecord]:
    records = {name: state.of(name) for name in fact.landed}
    done = {n: replace(r, phase=Done()) for n, r in records.items() if isinstance(r.phase, Merged)}
    return {**state.workstreams, **done}


def _impossible(record: WorkstreamRecord, fact: Fact) -> ImpossibleFact:
    return ImpossibleFact(f"{fact} cannot follow {record.phase}")


def replayed(facts: tuple[Fact, ...], start: State | None = None) -> State:
    state = start or State()
    for fact in facts:
        state = state.after(fact)
    return state
