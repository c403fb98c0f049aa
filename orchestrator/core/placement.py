"""Who occupies a host."""

from __future__ import annotations

from orchestrator.core.state import LaunchRecord, Running, Starting, State, Stopping, WorkstreamRecord


def is_held(record: WorkstreamRecord) -> bool:
    """Whether the newest launch still has its slot and its devices."""
    return record.launch is not None and isinstance(record.phase, Starting | Running | Stopping)


def holders(state: State, host: str) -> dict[str, LaunchRecord]:
    """The launches that occupy slots of `host` now, by workstream."""
    return {
        name: record.launch
        for name, record in state.workstreams.items()
        if record.launch is not None and record.launch.host == host and is_held(record)
    }
