"""Which devices a request gets, and what it waits for where it gets none, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.core.devices import Census, GpuProcess, in_mib, process_in_words
from orchestrator.core.leases import Device
from orchestrator.core.plan import Host


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`peak_mb` is what the stage is known to come to hold on each of its devices."""

    who: str
    count: int
    peak_mb: int | None = None


def placed(
    devices: tuple[Device, ...], request: Request, kept: Mapping[int, str] | None = None
) -> tuple[int, ...] | None:
    """Different devices for the request, the least loaded first; None when there are not enough.

    `kept` are devices that are kept for somebody.
    """
    free = [d for d in devices if d.index not in (kept or {}) and obstacle(d, request) is None]
    free.sort(key=lambda device: (len(device.leases), device.index))
    if len(free) < request.count:
        return None
    return tuple(sorted(device.index for device in free[: request.count]))


def obstacle(device: Device, request: Request) -> str | None:
    """What keeps the request from a share of this device, in words."""
    if len(device.leases) >= device.share:
        return "; ".join(_holding(device))
    if not device.is_shown:
        return "its driver does not show it"
    if device.seen is None:
        return None
    if device.share == 1 and device.strangers:
        return "; ".join(map(stranger_in_words, device.strangers))
    need = device.need_mb(request.peak_mb)
    if device.room_mb < need:
        return f"{in_mib(need)} needed, {in_mib(max(0, device.room_mb))} left{_beside(device)}"
    return None


def _holding(device: Device) -> Iterator[str]:
    running = [lease.who for lease in device.leases if not lease.has_ended]
    if running:
        yield f"held by {', '.join(running)}"
    for lease in device.leases:
        if lease.has_ended:
            pids = [f"{process_in_words(p)} holds {_memory(p)}" for p in device.processes_of(lease.launch)]
            left = ", ".join(pids) or "not looked at since"
            yield f"still to be left by {lease.who}, whose run has ended: {left}"


def stranger_in_words(process: GpuProcess) -> str:
    tags = " ".join(process.launches)
    whose = f" of {tags}, which has no lease here," if tags else " of nobody here"
    return f"{process_in_words(process)}{whose} holds {_memory(process)}"


def _memory(process: GpuProcess) -> str:
    return "memory" if process.used_mb is None else in_mib(process.used_mb)


def _beside(device: Device) -> str:
    ours = [lease.who for lease in device.leases]
    others = [f"{process_in_words(p)} of nobody here with {_memory(p)}" for p in device.strangers]
    return f" beside {', '.join([*ours, *others])}" if ours or others else ""


def gpus_in_words(host: Host, count: int) -> str:
    """As `2 GPUs of gpu`; of a host with one, which."""
    if len(host.gpus) == 1:
        return f"GPU {host.gpus[0]} of {host.name}"
    return f"{count} GPU{'' if count == 1 else 's'} of {host.name}"


def missing_gpus(
    host: Host, devices: tuple[Device, ...], request: Request, kept: Mapping[int, str] | None = None
) -> str:
    """What a request that was not placed waits for."""
    found = {d.index: f"kept for {kept[d.index]}" for d in devices if kept and d.index in kept}
    found |= {d.index: why for d in devices if (why := obstacle(d, request))}
    alone = len(host.gpus) == 1
    each = [found[index] if alone else f"GPU {index}: {found[index]}" for index in sorted(found)]
    return f"{gpus_in_words(host, request.count)}: {'; '.join(each)}"


def unseen(host: Host, census: Census | None) -> str | None:
    """Why nothing can be said of the devices yet; None with a good census, and where nobody takes one."""
    if census is None or not census.driver:
        return None
    if not census.is_known:
        silent = f"nvidia-smi has not answered for {census.age_s:.0f} s" if census.age_s else ""
        why = census.error or silent
        return f"a look at the GPUs of {host.name}" + (f": {why}" if why else "")
    return None


def never_fits(host: Host, devices: tuple[Device, ...], request: Request) -> str | None:
    """Why waiting is in vain: the peak is more than its devices have."""
    if request.peak_mb is None or any(device.seen is None for device in devices):
        return None
    totals = [device.seen.total_mb for device in devices if device.seen]
    if sum(total_mb >= request.peak_mb for total_mb in totals) >= request.count:
        return None
    wanted = f"it was seen to need {in_mib(request.peak_mb)} of a GPU, and {host.name}"
    has = f"has at most {in_mib(max(totals, default=0))} on {gpus_in_words(host, request.count)}"
    return f"{wanted} {has}; give it another host, or make it smaller and orchestrator restart {request.who}"
