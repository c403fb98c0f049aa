"""What a workstream waits for before it can start."""

from __future__ import annotations

from orchestrator.core.gating import has_landed
from orchestrator.core.observation import Observation
from orchestrator.core.placement import missing_slot
from orchestrator.core.plan import Needs, Plan, Workstream
from orchestrator.core.state import Done, Failed, Held, Merged, State, Stopped, Wanted


def unmet_needs(plan: Plan, state: State, workstream: Workstream) -> tuple[str, ...]:
    """The needs that time has not met yet, in words."""
    wave = plan.waves[workstream.wave].needs
    both = Needs(
        workstreams=(*workstream.needs.workstreams, *wave.workstreams),
        waves=tuple(sorted({*workstream.needs.waves, *wave.waves})),
    )
    names = (_unmet_name(state, name) for name in both.workstreams)
    waves = (f"wave {n} to land" for n in both.waves if not has_landed(plan, state, n))
    return tuple(text for text in (*names, *waves) if text)


def _unmet_name(state: State, name: str) -> str | None:
    match state.of(name).phase:
        case Done() | Merged():
            return None
        case Failed():
            return f"{name}, which failed"
        case Held():
            return f"{name}, which is held"
        case Stopped():
            return f"{name}, which is stopped"
        case _:
            return f"{name} to be done"


def blockers(
    plan: Plan, state: State, observation: Observation, workstream: Workstream, now: float
) -> tuple[str, ...]:
    """Everything that keeps a wanted workstream from starting now, in words; empty when nothing does."""
    needs = unmet_needs(plan, state, workstream)
    if needs:
        return needs
    if not observation.reachable(workstream.host):
        seen = observation.hosts.get(workstream.host)
        return (f"host {workstream.host}" + (f" ({seen.reason})" if seen and seen.reason else ""),)
    left_s = backoff_left_s(state, observation, workstream, now)
    if left_s > 0:
        return (f"{left_s:.0f} s of backoff",)
    space = missing_space(state, observation, workstream)
    if space:
        return (space,)
    slot = missing_slot(plan, state, workstream, observation.gpus_of_gates(workstream.host))
    return (slot,) if slot else ()


def backoff_left_s(state: State, observation: Observation, workstream: Workstream, now: float) -> float:
    match state.of(workstream.name).phase:
        case Wanted(delay_s=delay_s):
            return observation.phase_since.get(workstream.name, now) + delay_s - now
        case _:
            return 0.0


DISK_FLOOR_BYTES = 1024**3
DISK_FLOOR_PART = 0.05
"""What must be free before a run that failed on a full disk starts again: the smaller of the two."""


def missing_space(state: State, observation: Observation, workstream: Workstream) -> str | None:
    """The free space that a run which failed on a full disk waits for; None when there is enough."""
    phase = state.of(workstream.name).phase
    if not isinstance(phase, Wanted) or phase.retry is None or not phase.retry.needs_disk:
        return None
    seen = observation.hosts.get(workstream.host)
    if seen is None or seen.disk_free_bytes is None or seen.disk_total_bytes is None:
        return None
    floor = min(DISK_FLOOR_BYTES, seen.disk_total_bytes * DISK_FLOOR_PART)
    if seen.disk_free_bytes >= floor:
        return None
    free, wanted = seen.disk_free_bytes / 2**20, floor / 2**20
    return f"space on the disk of {workstream.host} ({free:.0f} MiB free, {wanted:.0f} MiB wanted)"
