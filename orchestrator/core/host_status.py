"""What `status` says of hosts: who is there, and who holds what."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.devices import Census, Gpu
from orchestrator.core.fitting import unseen
from orchestrator.core.leases import Device, devices_of, sight_of
from orchestrator.core.observation import HostSeen, Observation
from orchestrator.core.placement import holders
from orchestrator.core.plan import Host
from orchestrator.core.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProcessStatus:
    """`workstream` is whose it is, None for a stranger's and for a gate's."""

    pid: int
    name: str
    user: str
    memory_mb: int | None
    workstream: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuStatus:
    """A device of the plan. What only a driver knows is None without one. `held_by` has a name a share."""

    index: int
    name: str | None
    memory_total_mb: int | None
    memory_used_mb: int | None
    memory_free_mb: int | None
    utilization: int | None
    share: int
    held_by: tuple[str, ...]
    processes: tuple[GpuProcessStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """`workers` hold `slots`, where there is a limit. `driver` is None where nobody looked for one.

    `gpu_note` says what about the devices is not as the plan has it.
    """

    name: str
    reachable: bool | None
    reason: str
    workers: int
    slots: int | None = None
    drained: bool = False
    disk_free_bytes: int | None = None
    driver: bool | None = None
    gpu_note: str = ""
    gpus: tuple[GpuStatus, ...] = ()


def host_status(host: Host, state: State, observation: Observation, now: float) -> HostStatus:
    seen = observation.hosts.get(host.name, HostSeen())
    devices = devices_of(host, state, sight_of(observation, host.name, now)) if host.gpus else ()
    return HostStatus(
        name=host.name,
        reachable=seen.reachable,
        reason=seen.reason,
        workers=len(holders(state, host.name)),
        slots=host.slots,
        drained=state.capacity.drain.covers(host.name),
        disk_free_bytes=seen.disk.free_bytes if seen.disk else None,
        driver=seen.census.driver if seen.census and not seen.census.is_pending else None,
        gpu_note=gpu_note(host, seen.census),
        gpus=tuple(_gpu(state, device) for device in devices),
    )


def gpu_note(host: Host, census: Census | None) -> str:
    """What about a host's devices is not as the plan has it; empty where all is well, or nothing known."""
    if not host.gpus or census is None:
        return ""
    if not census.driver:
        declared = "1 GPU" if len(host.gpus) == 1 else f"{len(host.gpus)} GPUs"
        return f"{declared} declared, no driver found: leases go by count alone"
    why = unseen(host, census)
    if why and not census.is_pending:
        return f"no GPU is given: {why}"
    split = [str(index) for index in host.gpus if index in census.divided]
    if split:
        return (
            f"GPU {', '.join(split)} is divided by MIG: a lease is of the whole device, and a run sees its "
            f"first instance only; give instances by `env` and `slots` instead of `gpu`"
        )
    absent = [str(index) for index in host.gpus if census.gpu(index) is None]
    return f"its driver does not show GPU {', '.join(absent)}" if absent and not why else ""


def _gpu(state: State, device: Device) -> GpuStatus:
    seen = device.seen
    return GpuStatus(
        index=device.index,
        name=seen.name if seen else None,
        memory_total_mb=seen.total_mb if seen else None,
        memory_used_mb=seen.used_mb if seen else None,
        memory_free_mb=seen.free_mb if seen else None,
        utilization=seen.utilization if seen else None,
        share=device.share,
        held_by=tuple(lease.who for lease in device.leases),
        processes=tuple(_processes(state, seen)) if seen else (),
    )


def _processes(state: State, gpu: Gpu) -> list[GpuProcessStatus]:
    whose = {record.launch.id: name for name, record in state.workstreams.items() if record.launch}
    return [
        GpuProcessStatus(
            pid=process.pid,
            name=process.name,
            user=process.user,
            memory_mb=process.used_mb,
            workstream=next((whose[one] for one in process.launches if one in whose), None),  # type: ignore[index]
        )
        for process in gpu.processes
    ]
