"""What a workstream waits for before its turn for a slot or a device can come."""

from __future__ import annotations

from orchestrator.core.devices import Disk
from orchestrator.core.gating import has_landed
from orchestrator.core.observation import HostSeen, Observation
from orchestrator.core.plan import Host, Needs, Plan, Workstream
from orchestrator.core.state import Done, Failed, Held, Merged, State, Stopped, Wanted

GIB = 1024**3
DISK_FLOOR_BYTES = GIB
DISK_FLOOR_PART = 20
"""Of a small file system, a twentieth is enough to begin with."""


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


def not_its_turn(
    plan: Plan, state: State, observation: Observation, workstream: Workstream, now: float
) -> tuple[str, ...]:
    """What keeps a wanted workstream from standing in line on its host, in words; empty when nothing does."""
    needs = unmet_needs(plan, state, workstream)
    if needs:
        return needs
    drained = _drained(state, workstream.host)
    if drained:
        return (drained,)
    if not observation.reachable(workstream.host):
        seen = observation.hosts.get(workstream.host)
        return (f"host {workstream.host}" + (f" ({seen.reason})" if seen and seen.reason else ""),)
    left_s = backoff_left_s(state, observation, workstream, now)
    if left_s > 0:
        return (f"{left_s:.0f} s of backoff",)
    host = plan.hosts[workstream.host]
    full = lacking_disk(host, observation.hosts.get(host.name, HostSeen()).disk)
    return (full,) if full else ()


def _drained(state: State, host: str) -> str | None:
    drain = state.capacity.drain
    if drain.everywhere:
        return f"the end of the drain that {drain.by} asked for (orchestrator drain --off)"
    if host in drain.hosts:
        return f"the end of the drain of {host} (orchestrator drain --off {host})"
    return None


def lacking_disk(host: Host, disk: Disk | None) -> str | None:
    """Why nothing may start on so full a disk."""
    if disk is None:
        return None
    floor = disk_floor_bytes(host, disk)
    if disk.free_bytes >= floor:
        return None
    return (
        f"disk: {size_in_words(disk.free_bytes)} free of {size_in_words(disk.total_bytes)} on {host.name}, "
        f"at {disk.folder}, below the floor of {size_in_words(floor)}"
    )


def disk_floor_bytes(host: Host, disk: Disk) -> int:
    """The plan's word, else a gibibyte, or of a small file system its twentieth."""
    if host.disk_floor is not None:
        return host.disk_floor
    return min(DISK_FLOOR_BYTES, disk.total_bytes // DISK_FLOOR_PART)


def size_in_words(size: int) -> str:
    for unit, name in ((1024**4, "TiB"), (GIB, "GiB"), (1024**2, "MiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size / 1024:.0f} KiB"


def backoff_left_s(state: State, observation: Observation, workstream: Workstream, now: float) -> float:
    match state.of(workstream.name).phase:
        case Wanted(delay_s=delay_s):
            return observation.phase_since.get(workstream.name, now) + delay_s - now
        case _:
            return 0.0
