"""The answer to `status`: derived on reading, never stored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from orchestrator.core import facts as f
from orchestrator.core.adopting import SHELL_STAGE
from orchestrator.core.at_rest import at_rest, why_idle
from orchestrator.core.causes import end_in_words
from orchestrator.core.gating import Tips, wave_state
from orchestrator.core.host_status import HostStatus, host_status
from orchestrator.core.line import Line, line
from orchestrator.core.liveness import (
    beat_age_s,
    beat_is_late,
    is_stale,
    may_stall,
    silent_s,
    stall_limit_s,
    watched_silence_s,
)
from orchestrator.core.observation import HostSeen, Observation, Progress, Pulse, SyncSeen
from orchestrator.core.plan import Plan, Workstream
from orchestrator.core.state import (
    AfterStop,
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
class SyncStatus:
    """`age_s` is since results were last pulled; `reason` why the last pull was not whole."""

    age_s: float | None
    files: int
    bytes: int
    reason: str


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
    synced: SyncStatus | None = None


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
    """`held` says why it begins and ends nothing now: it cannot write down what it does. Mostly empty."""

    running: bool
    pid: int | None
    held: str = ""


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
        synced=_synced(observation.synced.get(workstream.name), now),
    )


def _synced(seen: SyncSeen | None, now: float) -> SyncStatus | None:
    if seen is None:
        return None
    age_s = None if seen.at is None else round(now - seen.at, 1)
    return SyncStatus(age_s=age_s, files=seen.files, bytes=seen.bytes, reason=seen.reason)


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
            return "waiting", why_idle(state, workstream)
        case Wanted():
            turns = turns or line(plan, state, observation, now)
            return _wanted(state, observation, workstream, turns, now)
        case Starting():
            return "starting", _host_silence(observation, record)
        case Running():
            return _running(observation, workstream, record, now)
        case Ended():
            judged = f"{_end(record)}; its results are being judged"
            return "running", _joined(judged, _host_silence(observation, record))
        case Stopping(then=then):
            return "running", _joined(_stopping(record, then), _host_silence(observation, record))
        case Held() | Done() | Failed() | Stopped() | Merged():
            return at_rest(record.phase)
        case _ as never:
            assert_never(never)


def _end(record: WorkstreamRecord) -> str:
    launch = record.launch
    return end_in_words(launch.exit, launch.stop) if launch and launch.exit else "ended"


def _stopping(record: WorkstreamRecord, then: AfterStop) -> str:
    match then:
        case AfterStop.STOP:
            return "stopping"
        case AfterStop.RESTART:
            return "stopping, to restart"
        case AfterStop.DONE:
            return "ending"
        case AfterStop.JUDGE:
            stop = record.launch.stop if record.launch else None
            return f"stopping it: {stop.reason}{_stacks(record)}" if stop else "stopping it"


def _wanted(
    state: State, observation: Observation, workstream: Workstream, turns: Line, now: float
) -> tuple[str, str]:
    phase = state.of(workstream.name).phase
    retry = phase.retry if isinstance(phase, Wanted) else None
    left_s = backoff_left_s(state, observation, workstream, now)
    if retry is not None and left_s > 0:
        return "backoff", f"{retry.reason}; {_repeat(retry)} in {math.ceil(left_s)} s"
    waits = turns.waits.get(workstream.name)
    if waits:
        cause = f"; {retry.reason}" if retry else ""
        return "waiting", "waits for " + ", ".join(waits) + cause
    return "starting", f"{retry.reason}; {_repeat(retry)} now" if retry else ""


def _repeat(retry: f.RetryChosen) -> str:
    return f"restart {retry.restart} of {retry.limit}" if retry.limit else "restart"


def _running(
    observation: Observation, workstream: Workstream, record: WorkstreamRecord, now: float
) -> tuple[str, str]:
    assert record.launch is not None
    pulse = observation.pulse(record.launch.id)
    if not observation.reachable(record.launch.host):
        return "running", _host_silence(observation, record)
    words = _supervisor_words(workstream, pulse), _worker_words(pulse)
    if pulse is not None and is_stale(pulse, workstream.heartbeat, now):
        return "stale", _joined(_silence(workstream, record, pulse, now), *words)
    return "running", _joined(*words)


def _joined(*words: str) -> str:
    return "; ".join(filter(None, words))


def _host_silence(observation: Observation, record: WorkstreamRecord) -> str:
    """Why nothing new is known of a launch; empty while its host answers, or was not asked yet."""
    host = record.launch.host if record.launch else ""
    seen = observation.hosts.get(host, HostSeen())
    if seen.reachable is not False:
        return ""
    return f"host {host} does not answer" + (f": {seen.reason}" if seen.reason else "")


def _supervisor_words(workstream: Workstream, pulse: Pulse | None) -> str:
    silent = silent_s(pulse, workstream.heartbeat) if pulse else None
    if pulse is None:
        return ""
    if silent is None:
        return f"its output cannot be kept: {pulse.seen.log_error}" if pulse.seen.log_error else ""
    why = f" ({pulse.seen.silence})" if pulse.seen.silence else ""
    return f"its supervisor is silent for {silent:.0f} s{why}"


def _silence(workstream: Workstream, record: WorkstreamRecord, pulse: Pulse, now: float) -> str:
    """How long nothing advanced, and what follows from that."""
    silence = f"nothing advanced for {now - pulse.advance_at:.0f} s"
    if beat_is_late(pulse, workstream.heartbeat):
        return silence
    if not workstream.restart.stalled or not may_stall(workstream, pulse):
        return silence
    left_s = math.ceil(max(0, stall_limit_s(workstream, pulse) - watched_silence_s(pulse)))
    return f"stalled: {silence}; ended and restarted in {left_s} s unless it advances{_stacks(record)}"


def _stacks(record: WorkstreamRecord) -> str:
    stall = record.launch.stall if record.launch else None
    return f"; its stacks: {stall.stacks}" if stall and stall.stacks else ""


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
