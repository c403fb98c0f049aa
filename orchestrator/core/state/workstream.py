"""How facts move a workstream."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core import facts as f
from orchestrator.core.causes import Cause
from orchestrator.core.costs import costs_among
from orchestrator.core.facts import Fact
from orchestrator.core.stages import ELAPSED
from orchestrator.core.state.records import (
    AfterStop,
    Done,
    Ended,
    Failed,
    Held,
    Idle,
    LaunchRecord,
    Phase,
    Running,
    Starting,
    Stopped,
    Stopping,
    SyncRecord,
    Wanted,
    WorkstreamRecord,
)


class ImpossibleFact(Exception):
    """A fact that cannot follow the state it met: a bug, or a journal that is not ours."""


WorkstreamFact = (
    f.StartAsked
    | f.StopAsked
    | f.RestartAsked
    | f.DoneAsked
    | f.ReviewApproved
    | f.HoldAccepted
    | f.LaunchChosen
    | f.LaunchAdopted
    | f.Launched
    | f.LaunchRefused
    | f.LaunchEnded
    | f.InputAwaited
    | f.InputGiven
    | f.CheckpointChosen
    | f.StallSeen
    | f.StopChosen
    | f.StepPoisoned
    | f.StagePassed
    | f.StageHeld
    | f.RetryChosen
    | f.GaveUp
    | f.FitsNowhere
    | f.BranchPushed
    | f.PushRefused
    | f.WorkstreamCleaned
    | f.ResultsSynced
    | f.SyncFailed
)


LaunchFact = (
    f.Launched
    | f.LaunchRefused
    | f.LaunchEnded
    | f.CheckpointChosen
    | f.StallSeen
    | f.StopChosen
    | f.StepPoisoned
    | f.RetryChosen
    | f.GaveUp
)

OWN_FAILURES = (Cause.EXITED.value, Cause.SIGNAL.value)
"""Causes that lie in the worker itself, as far as its host can tell."""


def workstream_after(record: WorkstreamRecord, fact: WorkstreamFact) -> WorkstreamRecord:
    match fact:
        case f.StartAsked() | f.StopAsked() | f.RestartAsked() | f.DoneAsked():
            return _after_asking(record, fact)
        case f.LaunchAdopted():
            return _adopted(record, fact)
        case f.LaunchChosen() | f.Launched() | f.LaunchRefused() | f.LaunchEnded():
            return _after_launch(record, fact)
        case f.InputAwaited() | f.InputGiven():
            return _after_asking_for_input(record, fact)
        case f.CheckpointChosen() | f.StallSeen() | f.StopChosen():
            return _after_look(record, fact)
        case f.StagePassed() | f.StageHeld() | f.HoldAccepted():
            return _after_stage(record, fact)
        case f.FitsNowhere():
            return _unplaced(record, fact)
        case f.RetryChosen() | f.GaveUp() | f.StepPoisoned():
            return _after_failure(record, fact)
        case f.ReviewApproved():
            return replace(record, approvals=(*record.approvals, fact))
        case f.BranchPushed(commit=commit):
            return replace(record, pushed=commit, push_refused=None)
        case f.PushRefused(commit=commit):
            return replace(record, push_refused=commit)
        case f.WorkstreamCleaned():
            return replace(record, worktree=None, port=None, tip=fact.tip or record.tip, cleaned=True)
        case f.ResultsSynced() | f.SyncFailed():
            return replace(record, sync=_after_sync(record.sync, fact))


def _after_sync(sync: SyncRecord, fact: f.ResultsSynced | f.SyncFailed) -> SyncRecord:
    return SyncRecord(
        ever=sync.ever or isinstance(fact, f.ResultsSynced),
        failed=fact.cause if isinstance(fact, f.SyncFailed) else "",
        final=fact.launch if fact.final else sync.final,
    )


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
            return replace(_forgiven(record), phase=Wanted())
        case (Stopping(), f.StartAsked()):
            return replace(_forgiven(record), phase=Stopping(AfterStop.RESTART))
        case (Idle() | Wanted() | Held() | Done() | Failed() | Stopped() | Ended(), f.RestartAsked()):
            return replace(_forgiven(record), phase=Wanted())
        case (Starting() | Running() | Stopping(), f.RestartAsked()):
            return replace(_forgiven(record), phase=Stopping(AfterStop.RESTART))
        case (Starting() | Running() | Stopping(), f.StopAsked()):
            return replace(record, phase=Stopping(AfterStop.STOP))
        case (Wanted() | Ended(), f.StopAsked()):
            return replace(record, phase=Stopped(f"stopped by {fact.by}"))
        case (Starting() | Running() | Stopping(), f.DoneAsked()):
            return replace(record, phase=Stopping(AfterStop.DONE))
        case (Idle() | Wanted() | Stopped() | Failed() | Held() | Ended(), f.DoneAsked()):
            return replace(record, phase=Done())
    raise _impossible(record, fact)


def _forgiven(record: WorkstreamRecord) -> WorkstreamRecord:
    """A person has looked at it: what failed before counts no more."""
    return replace(record, failed_by=(), interruptions=(), failed=None)


def _after_launch(
    record: WorkstreamRecord, fact: f.LaunchChosen | f.Launched | f.LaunchRefused | f.LaunchEnded
) -> WorkstreamRecord:
    if isinstance(fact, f.LaunchChosen):
        return _chosen(record, fact)
    _require_present(record, fact)
    match (record.phase, fact):
        case (Starting() | Stopping(), f.Launched()):
            return _launched(record, fact)
        case (Starting(), f.LaunchRefused()):
            return replace(record, phase=Failed(fact.message, launched=False), attempts=record.attempts - 1)
        case (Stopping(then), f.LaunchRefused()) if then is not AfterStop.JUDGE:
            return replace(record, phase=_stopped(then, fact.message), attempts=record.attempts - 1)
        case (Starting() | Running(), f.LaunchEnded()):
            return replace(_with_exit(record, fact), phase=Ended())
        case (Stopping(then), f.LaunchEnded()):
            return replace(_with_exit(record, fact), phase=_stopped(then, "stopped on request"))
    raise _impossible(record, fact)


def _require_present(record: WorkstreamRecord, fact: LaunchFact) -> LaunchRecord:
    """The launch the fact is about, which has to be the newest: what comes late of others is refused."""
    if record.launch is None or record.launch.id != fact.launch:
        raise _impossible(record, fact)
    return record.launch


def _chosen(record: WorkstreamRecord, fact: f.LaunchChosen) -> WorkstreamRecord:
    return _tried(record, fact, Starting())


def _adopted(record: WorkstreamRecord, fact: f.LaunchAdopted) -> WorkstreamRecord:
    return replace(
        _tried(record, fact, Running()),
        stage=fact.index,
        worktree=fact.worktree,
        tip=fact.tip or record.tip,
        port=fact.port,
        cleaned=False,
    )


def _tried(
    record: WorkstreamRecord, fact: f.LaunchChosen | f.LaunchAdopted, phase: Starting | Running
) -> WorkstreamRecord:
    """With one launch more, of which nothing is known yet."""
    if not isinstance(record.phase, Wanted):
        raise _impossible(record, fact)
    launch = LaunchRecord(
        id=fact.launch, host=fact.host, stage=fact.stage, attempt=fact.attempt, gpus=fact.gpus
    )
    return replace(
        record,
        phase=phase,
        launch=launch,
        attempts=fact.attempt,
        launches=record.launches + 1,
        metrics={},
    )


def _launched(record: WorkstreamRecord, fact: f.Launched) -> WorkstreamRecord:
    # Entered anew where a stop was asked meanwhile: what was seen before the launch says nothing of it.
    phase = replace(record.phase) if isinstance(record.phase, Stopping) else Running()
    return replace(
        record,
        phase=phase,
        worktree=fact.worktree,
        tip=fact.tip,
        began=record.began or fact.tip,
        port=fact.port,
        cleaned=False,
    )


def _after_look(
    record: WorkstreamRecord, fact: f.CheckpointChosen | f.StallSeen | f.StopChosen
) -> WorkstreamRecord:
    launch = _require_present(record, fact)
    match (record.phase, fact):
        case (Starting() | Running() | Stopping() | Ended(), f.CheckpointChosen()):
            return replace(record, launch=replace(launch, checkpoint=fact))
        case (Running() | Stopping() | Ended(), f.StallSeen()):
            return replace(record, launch=replace(launch, stall=fact))
        case (Running(), f.StopChosen()):
            return replace(record, phase=Stopping(AfterStop.JUDGE), launch=replace(launch, stop=fact))
    raise _impossible(record, fact)


def _with_exit(record: WorkstreamRecord, fact: f.LaunchEnded) -> WorkstreamRecord:
    assert record.launch is not None
    return replace(
        record,
        launch=replace(record.launch, exit=fact),
        elapsed_s=record.elapsed_s + fact.elapsed_s,
        ran_s=record.ran_s + fact.elapsed_s,
    )


def _stopped(then: AfterStop, reason: str) -> Phase:
    match then:
        case AfterStop.STOP:
            return Stopped(reason)
        case AfterStop.RESTART:
            return Wanted()
        case AfterStop.DONE:
            return Done()
        case AfterStop.JUDGE:
            return Ended()


def _after_stage(
    record: WorkstreamRecord, fact: f.StagePassed | f.StageHeld | f.HoldAccepted
) -> WorkstreamRecord:
    match (record.phase, fact):
        case (Ended(), f.StagePassed()):
            judged = _judged(record, fact)
            return (
                replace(judged, phase=Done())
                if fact.next_stage is None
                else _at_stage(judged, fact.next_stage)
            )
        case (Ended(), f.StageHeld()):
            return _held(_judged(record, fact), fact)
        case (Held(repeats=True), f.HoldAccepted()):
            return replace(_forgiven(record), phase=Wanted())
        case (Held(), f.HoldAccepted(next_stage=None)):
            return replace(record, phase=Done())
        case (Held(), f.HoldAccepted(next_stage=int(index))):
            return _at_stage(record, index)
    raise _impossible(record, fact)


def _held(record: WorkstreamRecord, fact: f.StageHeld) -> WorkstreamRecord:
    numbers = {name: value for name, value in fact.inputs.items() if name != ELAPSED}
    again = bool(numbers) and numbers == record.held_on
    return replace(record, phase=Held(fact.unmet, again=again), held_on=numbers)


def _judged(record: WorkstreamRecord, fact: f.StagePassed | f.StageHeld) -> WorkstreamRecord:
    if record.launch is None or record.launch.id != fact.launch:
        raise _impossible(record, fact)
    size = {} if fact.checkpoint_bytes is None else {"checkpoint_bytes": float(fact.checkpoint_bytes)}
    measured = {**record.measured, **costs_among(fact.metrics), **size}
    return replace(record, metrics=fact.metrics, measured=measured)


def _after_failure(
    record: WorkstreamRecord, fact: f.RetryChosen | f.GaveUp | f.StepPoisoned
) -> WorkstreamRecord:
    launch = _require_present(record, fact)
    if not isinstance(record.phase, Ended):
        raise _impossible(record, fact)
    match fact:
        case f.RetryChosen():
            return _to_repeat(record, fact, launch.exit)
        case f.GaveUp():
            return replace(record, phase=Failed(fact.reason))
        case f.StepPoisoned():
            return replace(record, phase=Held((fact.reason,), repeats=True))


def _unplaced(record: WorkstreamRecord, fact: f.FitsNowhere) -> WorkstreamRecord:
    if not isinstance(record.phase, Wanted):
        raise _impossible(record, fact)
    return replace(record, phase=Failed(fact.reason, launched=False))


def _to_repeat(record: WorkstreamRecord, fact: f.RetryChosen, end: f.LaunchEnded | None) -> WorkstreamRecord:
    failed_by = () if fact.refilled else record.failed_by
    steps = [step for step in (record.furthest, end.step if end else None) if step is not None]
    record = replace(record, phase=Wanted(fact), furthest=max(steps, default=None))
    if not fact.counted:
        return replace(record, failed_by=failed_by, interruptions=(*record.interruptions, record.ran_s))
    of_its_own = fact.cause in OWN_FAILURES
    return replace(record, failed_by=(*failed_by, fact.cause), failed=end if of_its_own else record.failed)


def _at_stage(record: WorkstreamRecord, index: int) -> WorkstreamRecord:
    record = replace(_forgiven(record), furthest=None, held_on={}, elapsed_s=0.0)
    return replace(record, phase=Wanted(), stage=index, attempts=0)


def _impossible(record: WorkstreamRecord, fact: Fact) -> ImpossibleFact:
    return ImpossibleFact(f"{fact} cannot follow {record.phase}")
