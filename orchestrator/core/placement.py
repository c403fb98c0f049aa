"""Who may use which slot of a host."""

from __future__ import annotations

from collections import Counter

from orchestrator.core.plan import Host, Plan, Workstream
from orchestrator.core.state import LaunchRecord, Running, Starting, State, Stopping


def holders(state: State, host: str) -> tuple[LaunchRecord, ...]:
    """The launches that occupy slots of `host` now."""
    return tuple(
        record.launch
        for record in state.workstreams.values()
        if isinstance(record.phase, Starting | Running | Stopping)
        and record.launch is not None
        and record.launch.host == host
    )


def missing_slot(plan: Plan, state: State, workstream: Workstream) -> str | None:
    """Why `workstream` cannot be placed on its host now, None when it can."""
    host = plan.hosts[workstream.host]
    held = holders(state, host.name)
    if host.slots is not None and len(held) >= host.slots:
        return f"a slot on {host.name} ({len(held)} of {host.slots} in use)"
    if workstream.gpu and free_gpus(host, held, workstream.gpu) is None:
        return f"{workstream.gpu} GPU of {host.name} ({len(host.gpus)} shared by {host.share})"
    return None


def free_gpus(host: Host, held: tuple[LaunchRecord, ...], count: int) -> tuple[int, ...] | None:
    """`count` different devices with a free share, the least loaded first; None when there are not enough."""
    load = Counter(device for launch in held for device in launch.gpus)
    free = sorted((d for d in host.gpus if load[d] < host.share), key=lambda d: (load[d], d))
    return tuple(sorted(free[:count])) if len(free) >= count else None
