"""How facts move a workstream."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core import facts as f
from orchestrator.core.facts import Fact
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
    | f.Launched
    | f.LaunchRefused
    | f.LaunchEnded
    | f.InputAwaited
    | f.InputGiven
    | f.StagePassed
    | f.StageHeld
    | f.RetryChosen
    | f.GaveUp
    | f.BranchPushed
    | f.PushRefused
    | f.WorkstreamCleaned
)


def workstream_after(record: WorkstreamRecord, fact: WorkstreamFact) -> WorkstreamRecord:
    match fact:
        case f.StartAsked() | f.StopAsked() | f.RestartAsked() | f.DoneAsked():
            return _after_asking(record, fact)
        case f.LaunchChosen() | f.Launched() | f.LaunchRefused() | f.LaunchEnded():
            return _after_launch(record, fact)
        case f.StagePassed() | f.StageHeld() | f.RetryChosen() | f.GaveUp() | f.HoldAccepted():
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
    fact: f.StagePassed | f.StageHeld | f.RetryChosen | f.GaveUp | f.HoldAccepted,
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
        case (Held(), f.HoldAccepted(next_stage=None)):
            return replace(record, phase=Done())
        case (Held(), f.HoldAccepted(next_stage=int(index))):
            return _at_stage(record, index)
    raise _impossible(record, fact)


def _at_stage(record: WorkstreamRecord, index: int) -> WorkstreamRecord:
    return replace(record, phase=Wanted(), stage=index, attempts=0, failures=0, elapsed_s=0.0)


def _impossible(record: WorkstreamRecord, fact: Fact) -> ImpossibleFact:
    return ImpossibleFact(f"{fact} cannot follow {record.phase}")
