"""Alive and advancing are two facts; this names what follows from their ages."""

from __future__ import annotations

from orchestrator.core.observation import Pulse
from orchestrator.core.plan import Heartbeat, Workstream

GRACE_LIMIT_S = 3600.0
"""The longest silence a worker may announce for itself."""

STALL_GRACE_S = 30.0
"""The shortest time from `stale` to the end of a worker that stands still."""

SILENT_FLOOR_S = 5.0
"""A busy host may be late by so much, however often it is asked to beat."""

BEATS_MISSED = 3
"""Beats that may be missing before the supervisor itself counts as silent."""


def beat_age_s(pulse: Pulse, now: float) -> float:
    return max(0.0, now - pulse.beat_at)


def is_stale(pulse: Pulse, heartbeat: Heartbeat, now: float) -> bool:
    """True when nothing advanced for longer than the plan, or the worker's own notice, allows."""
    return now - pulse.advance_at > allowed_s(pulse, heartbeat)


def allowed_s(pulse: Pulse, heartbeat: Heartbeat) -> float:
    return max(heartbeat.stale_s, _announced_s(pulse))


def _announced_s(pulse: Pulse) -> float:
    progress = pulse.seen.progress
    if progress is None or progress.grace_s is None:
        return 0.0
    return min(progress.grace_s, GRACE_LIMIT_S)


def watched_silence_s(pulse: Pulse) -> float:
    """How long we saw it not advance. What passed while we, or its host, were away is not in it."""
    return pulse.seen_at - max(pulse.advance_at, pulse.watched_from)


def may_stall(workstream: Workstream, pulse: Pulse) -> bool:
    """Whether silence says anything: this run counts its steps, and its supervisor lives.

    A supervisor that is silent as well cannot write, or does not get to run: then neither may the worker.
    One that waits for somebody to type stands still for a reason.
    """
    seen = pulse.seen
    counts = seen.reported and seen.progress is not None and seen.progress.step is not None
    lives = seen.alive and seen.exit is None and not beat_is_late(pulse, workstream.heartbeat)
    return bool(workstream.stages) and lives and counts and seen.asks is None


def beat_is_late(pulse: Pulse, heartbeat: Heartbeat) -> bool:
    """Whether its supervisor was seen not to beat; unlike its worker, it never has a reason not to."""
    silent_s = pulse.seen_at - max(pulse.beat_at, pulse.watched_from)
    return silent_s > max(BEATS_MISSED * heartbeat.every_s, STALL_GRACE_S)


def silent_s(pulse: Pulse, heartbeat: Heartbeat) -> float | None:
    """How long we saw a living supervisor not beat; None while that is nothing to speak of.

    Its worker may be well: nothing is restarted because of it.
    """
    silent = pulse.seen_at - max(pulse.beat_at, pulse.watched_from)
    is_long = silent > max(BEATS_MISSED * heartbeat.every_s, SILENT_FLOOR_S)
    return silent if pulse.seen.alive and is_long else None


def stands_still(workstream: Workstream, pulse: Pulse) -> bool:
    """Whether it is time to look where it stands: it is stale, and was watched all the while."""
    stale = watched_silence_s(pulse) > allowed_s(pulse, workstream.heartbeat)
    return workstream.restart.stalled and stale and may_stall(workstream, pulse)


def is_stalled(workstream: Workstream, pulse: Pulse) -> bool:
    """Whether it stood still for one more grace."""
    return stands_still(workstream, pulse) and watched_silence_s(pulse) > stall_limit_s(workstream, pulse)


def stall_limit_s(workstream: Workstream, pulse: Pulse) -> float:
    heartbeat = workstream.heartbeat
    return allowed_s(pulse, heartbeat) + max(heartbeat.stale_s, STALL_GRACE_S)
