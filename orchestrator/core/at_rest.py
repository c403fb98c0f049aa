"""What `status` says of a workstream that goes on only when somebody says so."""

from __future__ import annotations

from orchestrator.core.plan import Workstream
from orchestrator.core.state import Done, Failed, Held, Merged, State, Stopped

NOTHING_LEFT = (
    "; the numbers of the attempt before it: it had nothing left to do. "
    "Give the stage more epochs in the plan, type orchestrator up and restart, or orchestrator resume"
)
"""Of a stage that was restarted and held on what it had already."""


def at_rest(phase: Held | Done | Failed | Stopped | Merged) -> tuple[str, str]:
    """Of what goes on only when somebody says so."""
    match phase:
        case Held():
            return "held", "; ".join(phase.unmet) + _how_on(phase)
        case Done():
            return "done", ""
        case Failed(reason=reason, launched=launched):
            return "failed", reason if launched else f"{reason}; orchestrator up tries again"
        case Stopped(reason=reason):
            return "stopped", reason
        case Merged(wave=wave):
            return "merged", f"in wave {wave}"


def _how_on(phase: Held) -> str:
    if phase.repeats:
        return "; orchestrator resume repeats the stage"
    return NOTHING_LEFT if phase.again else ""


def why_idle(state: State, workstream: Workstream) -> str:
    if state.wave(workstream.wave).landed is not None:
        return f"wave {workstream.wave} landed without it; move it to a later wave"
    return "not started: orchestrator up"
