"""Alive and advancing are two facts; this names what follows from their ages."""

from __future__ import annotations

from orchestrator.core.observation import Pulse
from orchestrator.core.plan import Heartbeat

GRACE_LIMIT_S = 3600.0
"""The longest silence a worker may announce for itself."""


def beat_age_s(pulse: Pulse, now: float) -> float:
    return max(0.0, now - pulse.beat_at)


def is_stale(pulse: Pulse, heartbeat: Heartbeat, now: float) -> bool:
    """True when nothing advanced for longer than the plan, or the worker's own notice, allows."""
    return now - pulse.advance_at > max(heartbeat.stale_s, _announced_s(pulse))


def _announced_s(pulse: Pulse) -> float:
    progress = pulse.seen.progress
    if progress is None or progress.grace_s is None:
        return 0.0
    return min(progress.grace_s, GRACE_LIMIT_S)
