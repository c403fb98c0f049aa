"""Plan, state and observation in; the next decision out. Pure, and the same for the same input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.core import facts as f
from orchestrator.core.adopting import SHELL_STAGE, stage_of_found
from orchestrator.core.facts import Fact, LaunchId
from orchestrator.core.line import Line, line
from orchestrator.core.liveness import stands_still, watched_silence_s
from orchestrator.core.needless import needless
from orchestrator.core.observation import Exit, Observation, Pulse
from orchestrator.core.peaks import peak_facts
from orchestrator.core.plan import Plan, Stage, Workstream
from orchestrator.core.restarts import after_bad_end
from orchestrator.core.state import (
    Ended,
    LaunchRecord,
    Running,
    Starting,
    State,
    Stopping,
    Wanted,
    WorkstreamRecord,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartWorker:
    workstream: Workstream
    launch: LaunchRecord

    @property
    def key(self) -> str:
        return f"start {self.launch.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWorker:
    workstream: Workstream
    launch: LaunchRecord

    @property
    def key(self) -> str:
        return f"stop {self.launch.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeStage:
    """Read what the run wrote, and hold it against the stage's `require`."""

    workstream: Workstream
    launch: LaunchRecord
    stage: int
    elapsed_s: float

    @property
    def key(self) -> str:
        return f"judge {self.launch.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepStacks:
    """Keep where a worker stands that stopped to advance after its report `seq`."""

    workstream: Workstream
    launch: LaunchRecord
    seq: int
    step: float | None
    silent_s: float

    @property
    def key(self) -> str:
        return f"stacks {self.launch.id} {self.seq}"


Effect = StartWorker | StopWorker | JudgeStage | KeepStacks
"""What a host's lane performs. Each has a key, and does no harm when performed twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`facts` need no effect: the loop writes them down and asks again before it performs anything."""

    facts: tuple[Fact, ...] = ()
    effects: tuple[Effect, ...] = ()


def decide(plan: Plan, state: State, observation: Observation, now: float) -> Decision:
    """At most one fact for each workstream; or, when there is none, every effect that is due."""
    facts: list[Fact] = list(peak_facts(state, observation))
    turns = line(plan, state, observation, now)
    for workstream in plan.workstreams.values():
        fact = _fact_due(state, observation, workstream, turns)
        if fact is not None:
            facts.append(fact)
    if facts:
        return Decision(facts=tuple(facts))
    return Decision(effects=tuple(_effects_due(plan, state, observation)))


def stops_due(plan: Plan, state: State, observation: Observation) -> tuple[StopWorker, ...]:
    """Ends that were asked for and written down: all that is done while nothing else may be."""
    return tuple(e for e in _effects_due(plan, state, observation) if isinstance(e, StopWorker))


def stage_of(workstream: Workstream, index: int) -> Stage | None:
    """The stage at `index`, None for a plain shell."""
    return workstream.stages[index] if index < len(workstream.stages) else None


def _fact_due(state: State, observation: Observation, workstream: Workstream, turns: Line) -> Fact | None:
    record = state.of(workstream.name)
    match record.phase:
        case Wanted():
            return _adoption(observation, workstream, record) or _turn(state, workstream, record, turns)
        case Running():
            return (
                _end_seen(observation, workstream, record)
                or _stop_due(observation, workstream, record)
                or _input_seen(observation, workstream, record)
            )
        case Starting() | Stopping():
            return _end_seen(observation, workstream, record)
        case Ended():
            return _verdict(workstream, record)
        case _:
            return None


def _adoption(
    observation: Observation, workstream: Workstream, record: WorkstreamRecord
) -> f.LaunchAdopted | None:
    """What runs already is taken over; what is not as the plan has it is left to the refusal of a start."""
    found = observation.found.get(workstream.name)
    index = stage_of_found(workstream, found) if found is not None else None
    if found is None or index is None or not observation.reachable(workstream.host):
        return None
    if record.launch is not None and record.launch.id == found.launch:
        return None
    return f.LaunchAdopted(
        workstream=workstream.name,
        launch=LaunchId(found.launch),
        host=workstream.host,
        stage=found.stage,
        index=index,
        attempt=found.attempt,
        worktree=found.worktree,
        tip=found.tip,
        port=found.port,
        gpus=found.gpus,
    )


def _turn(
    state: State, workstream: Workstream, record: WorkstreamRecord, turns: Line
) -> f.LaunchChosen | f.FitsNowhere | None:
    if workstream.name in turns.hopeless:
        return f.FitsNowhere(workstream=workstream.name, reason=turns.hopeless[workstream.name])
    gpus = turns.served.get(workstream.name)
    return None if gpus is None else _chosen(state, workstream, record, gpus)


def _chosen(
    state: State, workstream: Workstream, record: WorkstreamRecord, gpus: tuple[int, ...]
) -> f.LaunchChosen:
    stage = stage_of(workstream, record.stage)
    number = record.launches + 1
    return f.LaunchChosen(
        workstream=workstream.name,
        launch=LaunchId(f"{workstream.name}-{number}-{state.token}"),
        host=workstream.host,
        stage=stage.name if stage else SHELL_STAGE,
        attempt=record.attempts + 1,
        gpus=gpus,
    )


def _end_seen(
    observation: Observation, workstream: Workstream, record: WorkstreamRecord
) -> f.LaunchEnded | None:
    """The end of a run, as its host told it. A host that does not answer tells nothing."""
    launch = record.launch
    assert launch is not None
    pulse = observation.pulse(launch.id)
    if pulse is None or f"start {launch.id}" in observation.in_flight:
        return None
    if pulse.seen.exit is not None:
        return ended(workstream.name, launch.id, pulse.seen.exit)
    asked_since = pulse.asked_at > observation.phase_since.get(workstream.name, 0.0)
    if pulse.seen.unknown and asked_since and not isinstance(record.phase, Starting):
        return ended(workstream.name, launch.id, _LOST)
    return None


def _input_seen(
    observation: Observation, workstream: Workstream, record: WorkstreamRecord
) -> f.InputAwaited | f.InputGiven | None:
    """That it began, or no longer needs, to wait for somebody to type."""
    launch = record.launch
    pulse = observation.pulse(launch.id) if launch else None
    if launch is None or pulse is None or (pulse.seen.asks is None) == (launch.asks is None):
        return None
    if pulse.seen.asks is None:
        return f.InputGiven(workstream=workstream.name, launch=launch.id)
    return f.InputAwaited(workstream=workstream.name, launch=launch.id, line=pulse.seen.asks)


def _stop_due(
    observation: Observation, workstream: Workstream, record: WorkstreamRecord
) -> f.StopChosen | None:
    """Why a run has to be ended though nobody asked for it. Of a silent host nothing follows."""
    launch = record.launch
    assert launch is not None
    pulse = observation.pulse(launch.id)
    if pulse is None or not observation.reachable(launch.host):
        return None
    why = needless(workstream, pulse)
    if why is None:
        return None
    return f.StopChosen(
        workstream=workstream.name,
        launch=launch.id,
        cause=why.cause.value,
        reason=why.reason,
        silent_s=why.silent_s,
    )


_LOST = Exit(exit_code=None, signal=None, cause="lost", ended=0.0, elapsed_s=0.0)


def ended(workstream: str, launch: LaunchId, end: Exit) -> f.LaunchEnded:
    return f.LaunchEnded(
        workstream=workstream,
        launch=launch,
        exit_code=end.exit_code,
        signal=end.signal,
        cause=end.cause,
        ended=end.ended,
        elapsed_s=end.elapsed_s,
        step=end.step,
        detail=end.detail,
    )


def _verdict(workstream: Workstream, record: WorkstreamRecord) -> Fact | None:
    """What an ended run leads to; None when its results have to be read first."""
    launch = record.launch
    assert launch is not None
    assert launch.exit is not None
    stage = stage_of(workstream, record.stage)
    if stage is None:
        return f.StopAsked(workstream=workstream.name, by="the end of its shell")
    if launch.exit.cause == "exited" and launch.exit.exit_code == 0:
        return None
    return after_bad_end(workstream.name, workstream.restart, record)


def next_stage(workstream: Workstream, stage: int) -> int | None:
    return stage + 1 if stage + 1 < len(workstream.stages) else None


def _effects_due(plan: Plan, state: State, observation: Observation) -> Iterator[Effect]:
    for workstream in plan.workstreams.values():
        record = state.of(workstream.name)
        if record.launch is None or not observation.reachable(record.launch.host):
            continue
        effect = _effect_due(workstream, record, record.launch, observation)
        if effect is not None and effect.key not in observation.in_flight:
            yield effect


def _effect_due(
    workstream: Workstream, record: WorkstreamRecord, launch: LaunchRecord, observation: Observation
) -> Effect | None:
    match record.phase:
        case Running():
            return _stacks_due(workstream, launch, observation.pulse(launch.id))
        case Starting():
            return StartWorker(workstream=workstream, launch=launch)
        case Stopping():
            return StopWorker(workstream=workstream, launch=launch)
        case Ended():
            return JudgeStage(
                workstream=workstream, launch=launch, stage=record.stage, elapsed_s=record.elapsed_s
            )
        case _:
            return None


def _stacks_due(workstream: Workstream, launch: LaunchRecord, pulse: Pulse | None) -> KeepStacks | None:
    """Once for each time that it stops to advance."""
    if pulse is None or pulse.seen.progress is None or not stands_still(workstream, pulse):
        return None
    progress = pulse.seen.progress
    if launch.stall is not None and launch.stall.seq == progress.seq:
        return None
    return KeepStacks(
        workstream=workstream,
        launch=launch,
        seq=progress.seq,
        step=progress.step,
        silent_s=watched_silence_s(pulse),
    )
