"""Who may use which slot of a host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

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


def missing_slot(
    plan: Plan, state: State, workstream: Workstream, of_gates: tuple[int, ...] = ()
) -> str | None:
    """Why `workstream` cannot be placed on its host now, None when it can.

    `of_gates` are the devices that gates hold there, one entry for each share.
    """
    host = plan.hosts[workstream.host]
    held = holders(state, host.name)
    if host.slots is not None and len(held) >= host.slots:
        return f"a slot on {host.name} ({len(held)} of {host.slots} in use)"
    if workstream.gpu and free_gpus(host, (*devices_of(held), *of_gates), workstream.gpu) is None:
        return missing_gpus(host, workstream.gpu)
    return None


def missing_gpus(host: Host, count: int) -> str:
    return f"{count} GPU of {host.name} ({len(host.gpus)} shared by {host.share})"


def devices_of(held: Iterable[LaunchRecord]) -> tuple[int, ...]:
    """One entry for each share in use."""
    return tuple(device for launch in held for device in launch.gpus)


def free_gpus(host: Host, taken: Iterable[int], count: int) -> tuple[int, ...] | None:
    """`count` different devices with a free share, the least loaded first; None when there are not enough.

    `taken` has a device once for each of its shares in use.
    """
    load = Counter(taken)
    free = sorted((d for d in host.gpus if load[d] < host.share), key=lambda d: (load[d], d))
    return tuple(sorted(free[:count])) if len(free) >= count else None
