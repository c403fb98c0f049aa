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
    slot = missing_slot(plan, state, workstream)
    return (slot,) if slot else ()


def backoff_left_s(state: State, observation: Observation, workstream: Workstream, now: float) -> float:
    match state.of(workstream.name).phase:
        case Wanted(delay_s=delay_s):
            return observation.phase_since.get(workstream.name, now) + delay_s - now
        case _:
            return 0.0
