"""The answer to `status`: derived on reading, never stored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from orchestrator.core.decide import SHELL_STAGE, end_in_words
from orchestrator.core.gating import Tips, wave_state
from orchestrator.core.host_status import HostStatus, host_status
from orchestrator.core.line import Line, line
from orchestrator.core.liveness import beat_age_s, is_stale
from orchestrator.core.observation import HostSeen, Observation, Progress, Pulse
from orchestrator.core.plan import Plan, Workstream
from orchestrator.core.state import (
    Done,
    Ended,
    Failed,
    Held,
    Idle,
    Merged,
    Running,
    Starting,
    State,
    Stopped,
    Stopping,
    Wanted,
    WorkstreamRecord,
)
from orchestrator.core.waiting import backoff_left_s


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressStatus:
    step: float | None
    total: float | None
    unit: str
    eta_s: float | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkstreamStatus:
    name: str
    wave: int
    host: str
    branch: str
    worktree: str | None
    session: str
    state: str
    stage: str | None
    attempt: int
    exit_code: int | None
    signal: str | None
    progress: ProgressStatus | None
    metrics: Mapping[str, float]
    heartbeat_age_s: float | None
    restarts: int
    reason: str
    last_line: str
    port: int | None
    tip: str | None
    results: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveStatus:
    wave: int
    state: str
    goal: str
    workstreams: tuple[str, ...]
    landed: tuple[str, ...]
    base_after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenStatus:
    """Branches that would conflict if merged now (`conflict`), or that touch the same files."""

    between: tuple[str, ...]
    conflict: bool
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStatus:
    running: bool
    pid: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`plan` is the file it follows, `plan_digest` the SHA-256 of its text when it was read.

    `troubles`: what the daemon cannot tell others (messages, pings, figures), in words. `drained`: nothing
    new starts anywhere.
    """

    project: str
    plan: str
    plan_digest: str
    daemon: DaemonStatus
    hosts: tuple[HostStatus, ...]
    workstreams: tuple[WorkstreamStatus, ...]
    waves: tuple[WaveStatus, ...]
    conflicts: tuple[ForeseenStatus, ...]
    troubles: tuple[str, ...] = ()
    drained: bool = False


def status(
    plan: Plan, state: State, observation: Observation, tips: Tips, daemon: DaemonStatus, now: float
) -> Status:
    turns = line(plan, state, observation, now)
    return Status(
        project=plan.project,
        plan=plan.source,
        plan_digest=plan.digest,
        daemon=daemon,
        hosts=tuple(host_status(host, state, observation, now) for host in plan.hosts.values()),
        workstreams=tuple(
            _workstream(plan, state, observation, tips, w, turns, now) for w in plan.workstreams.values()
        ),
        waves=tuple(
            WaveStatus(
                wave=number,
                state=wave_state(plan, state, tips, number).value,
                goal=wave.goal,
                workstreams=wave.workstreams,
                landed=state.wave(number).members_landed,
                base_after=parts[-1].base_after if (parts := state.wave(number).parts) else None,
            )
            for number, wave in plan.waves.items()
        ),
        conflicts=tuple(
            ForeseenStatus(between=between, conflict=one.conflict, files=one.files)
            for between, one in state.foreseen.items()
        ),
        drained=state.capacity.drain.everywhere,
    )


def _workstream(
    plan: Plan,
    state: State,
    observation: Observation,
    tips: Tips,
    workstream: Workstream,
    turns: Line,
    now: float,
) -> WorkstreamStatus:
    record = state.of(workstream.name)
    launch = record.launch
    pulse = observation.pulse(launch.id) if launch else None
    word, reason = state_in_words(plan, state, observation, workstream, now, turns)
    worktree = None if record.cleaned else record.worktree or plan.worktree_here(workstream)
    live = pulse is not None and isinstance(record.phase, Running | Stopping)
    progress = pulse.seen.progress if pulse else None
    return WorkstreamStatus(
        name=workstream.name,
        wave=workstream.wave,
        host=workstream.host,
        branch=workstream.branch,
        worktree=worktree,
        session=plan.session(workstream.name),
        state=word,
        stage=_stage_name(workstream, record),
        attempt=max(1, record.attempts),
        exit_code=launch.exit.exit_code if launch and launch.exit else None,
        signal=launch.exit.signal if launch and launch.exit else None,
        progress=_progress(progress) if progress else None,
        metrics=record.metrics or (progress.metrics if progress else {}),
        heartbeat_age_s=round(beat_age_s(pulse, now), 1) if pulse and live else None,
        restarts=record.failures,
        reason=reason,
        last_line=pulse.seen.last_line if pulse else "",
        port=record.port,
        tip=_tip(record, tips.commits.get(workstream.name)),
        results=f"{worktree}/{workstream.results}" if worktree else None,
    )


def _tip(record: WorkstreamRecord, standing: str | None) -> str | None:
    """What landed counts, whatever became of the branch; a look at branches may be older than that."""
    landed = record.tip if isinstance(record.phase, Merged) else None
    return landed or standing or record.tip


def _stage_name(workstream: Workstream, record: WorkstreamRecord) -> str | None:
    if record.launch is None and isinstance(record.phase, Idle):
        return None
    return workstream.stages[record.stage].name if workstream.stages else SHELL_STAGE


def _progress(progress: Progress) -> ProgressStatus:
    eta_s = progress.eta_s if progress.eta_s is not None and math.isfinite(progress.eta_s) else None
    return ProgressStatus(
        step=_whole(progress.step),
        total=_whole(progress.total),
        unit=progress.unit,
        eta_s=eta_s,
        message=progress.message,
    )


def _whole(number: float | None) -> float | None:
    """Steps are counted: 3, not 3.0, where nothing is lost by it."""
    return int(number) if number is not None and number.is_integer() else number


def state_in_words(
    plan: Plan,
    state: State,
    observation: Observation,
    workstream: Workstream,
    now: float,
    turns: Line | None = None,
) -> tuple[str, str]:
    """The interface's word for a workstream's state, and why; `turns` where they are known already."""
    record = state.of(workstream.name)
    match record.phase:
        case Idle():
            return "waiting", _why_idle(state, workstream)
        case Wanted():
            turns = turns or line(plan, state, observation, now)
            return _wanted(state, observation, workstream, turns, now)
        case Starting():
            return "starting", ""
        case Running():
            return _running(observation, workstream, record, now)
        case Ended():
            return "running", f"{_end(record)}; its results are being judged"
        case Stopping(then=then):
            return "running", {"stop": "stopping", "restart": "stopping, to restart", "done": "ending"}[
                then.value
            ]
        case Held(unmet=unmet):
            return "held", "; ".join(unmet)
        case Done():
            return "done", ""
        case Failed(reason=reason, launched=False):
            return "failed", f"{reason}; orchestrator up tries again"
        case Failed(reason=reason):
            return "failed", reason
        case Stopped(reason=reason):
            return "stopped", reason
        case Merged(wave=wave):
            return "merged", f"in wave {wave}"
        case _ as never:
            assert_never(never)


def _why_idle(state: State, workstream: Workstream) -> str:
    if state.wave(workstream.wave).landed is not None:
        return f"wave {workstream.wave} landed without it; move it to a later wave"
    return "not started: orchestrator up"


def _end(record: WorkstreamRecord) -> str:
    return end_in_words(record.launch.exit) if record.launch and record.launch.exit else "ended"


def _wanted(
    state: State, observation: Observation, workstream: Workstream, turns: Line, now: float
) -> tuple[str, str]:
    phase = state.of(workstream.name).phase
    cause = phase.reason if isinstance(phase, Wanted) else ""
    if backoff_left_s(state, observation, workstream, now) > 0:
        return "backoff", cause
    waits = turns.waits.get(workstream.name)
    if waits:
        return "waiting", "waits for " + ", ".join(waits)
    return "starting", cause


def _running(
    observation: Observation, workstream: Workstream, record: WorkstreamRecord, now: float
) -> tuple[str, str]:
    assert record.launch is not None
    pulse = observation.pulse(record.launch.id)
    if not observation.reachable(workstream.host):
        seen = observation.hosts.get(workstream.host, HostSeen())
        return "running", f"host {workstream.host} does not answer: {seen.reason}" if seen.reason else ""
    if pulse is not None and is_stale(pulse, workstream.heartbeat, now):
        words = _worker_words(pulse)
        silence = f"nothing advanced for {now - pulse.advance_at:.0f} s"
        return "stale", f"{silence}; {words}" if words else silence
    return "running", _worker_words(pulse)


def _worker_words(pulse: Pulse | None) -> str:
    if pulse is None:
        return ""
    if pulse.seen.asks is not None:
        return f"waits for input: {pulse.seen.asks}"
    if pulse.seen.progress_error is not None:
        return pulse.seen.progress_error
    if pulse.seen.progress is not None and pulse.seen.progress.not_finite:
        return "not finite: " + ", ".join(pulse.seen.progress.not_finite)
    return ""
