"""Who holds which share of which device, and what room that leaves: the plan's word against the driver's.

Memory is in MiB. A lease is held by a running launch, by a gate, and by a launch that ended for as long
as its processes show on the device. Where a host has no driver, leases go by count alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from orchestrator.core.devices import Census, Gpu, GpuProcess, in_mib, process_in_words
from orchestrator.core.observation import HostSeen, Observation
from orchestrator.core.placement import is_held
from orchestrator.core.plan import Host
from orchestrator.core.state import State, WorkstreamRecord

LINGER_LIMIT_S = 60.0
"""What a run left on a device counts as that run's for this long, then as a stranger's."""

MARGIN = 1.1
A_GATE = "a gate"


def reserve_mb(total_mb: int) -> int:
    """What a driver and a desktop may take of a device that counts as empty."""
    return max(total_mb // 20, min(1024, total_mb // 10))


def need_mb(peak_mb: int | None, share: int, total_mb: int) -> int:
    """What a run is to be given of a device: its peak and a margin, or its part when none is known."""
    usable_mb = total_mb - reserve_mb(total_mb)
    if peak_mb is None:
        return usable_mb // share
    return min(int(peak_mb * MARGIN), max(peak_mb, usable_mb))


def visible_devices(gpus: tuple[int, ...]) -> dict[str, str]:
    """The environment of a run that was given devices; CUDA would else count the fastest first."""
    if not gpus:
        return {}
    return {"CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus)), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One share of a device. `launch` is None for a gate's. `has_ended`: its run is over."""

    who: str
    launch: str | None = None
    peak_mb: int | None = None
    has_ended: bool = False


@dataclass(frozen=True, kw_only=True)
class Device:
    """One device of a host. `seen` is None where leases go by count alone, and where the driver does not
    show it (`is_shown` is False).
    """

    index: int
    share: int
    leases: tuple[Lease, ...] = ()
    seen: Gpu | None = None
    is_shown: bool = True

    @cached_property
    def strangers(self) -> tuple[GpuProcess, ...]:
        """Processes of nobody who has a lease here."""
        ours = {lease.launch for lease in self.leases}
        has_gates = None in ours
        return tuple(
            process
            for process in self._processes
            if ours.isdisjoint(process.launches) and not (has_gates and process.launches)
        )

    @cached_property
    def room_mb(self) -> int:
        """What is left once everybody who has a lease holds what it may come to hold."""
        return self.room_without_ours_mb - sum(map(self._meant_mb, self.leases))

    @cached_property
    def room_without_ours_mb(self) -> int:
        """What is left once every lease has ended.

        Memory of no visible process is thought to be of the leases without one: a container shows none.
        """
        assert self.seen is not None
        strangers = sum(process.used_mb or 0 for process in self.strangers)
        held = [self._held_mb(lease) for lease in self.leases]
        unseen = [self._meant_mb(lease) for lease in self.leases if not self._held_mb(lease)]
        hidden = max(0, self.seen.used_mb - strangers - sum(held) - sum(unseen))
        return self.seen.total_mb - strangers - hidden

    def need_mb(self, peak_mb: int | None) -> int:
        assert self.seen is not None
        return need_mb(peak_mb, self.share, self.seen.total_mb)

    @property
    def _processes(self) -> tuple[GpuProcess, ...]:
        return self.seen.processes if self.seen else ()

    def processes_of(self, launch: str | None) -> tuple[GpuProcess, ...]:
        return tuple(process for process in self._processes if launch in process.launches)

    def _held_mb(self, lease: Lease) -> int:
        return sum(process.used_mb or 0 for process in self.processes_of(lease.launch))

    def _meant_mb(self, lease: Lease) -> int:
        needs = 0 if lease.has_ended else self.need_mb(lease.peak_mb)
        return max(self._held_mb(lease), needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is known of a host's devices. `census_at` and `since` are of the clock of `now`: when the census
    was taken at the earliest, and when each workstream entered its phase.
    """

    census: Census | None = None
    census_at: float = math.inf
    of_gates: tuple[int, ...] = ()
    since: Mapping[str, float] = field(default_factory=dict)
    now: float = 0.0


def sight_of(observation: Observation, host: str, now: float) -> Sight:
    seen = observation.hosts.get(host, HostSeen())
    return Sight(
        census=seen.census,
        census_at=seen.census_at,
        of_gates=seen.gpus_of_gates,
        since=observation.phase_since,
        now=now,
    )


def devices_of(host: Host, state: State, sight: Sight) -> tuple[Device, ...]:
    """The devices that the plan names, with who holds them."""
    census = sight.census if sight.census is not None and sight.census.is_known else None
    held = [(name, r) for name, r in state.workstreams.items() if r.launch and r.launch.host == host.name]
    devices = []
    for index in host.gpus:
        seen = census.gpu(index) if census else None
        leases = [lease for name, r in held if (lease := _lease(state, name, r, index, seen, sight))]
        gates = [Lease(who=A_GATE)] * sight.of_gates.count(index)
        held_by, shown = (*leases, *gates), seen is not None or census is None
        devices.append(Device(index=index, share=host.share, leases=held_by, seen=seen, is_shown=shown))
    return tuple(devices)


def _lease(
    state: State, name: str, record: WorkstreamRecord, index: int, seen: Gpu | None, sight: Sight
) -> Lease | None:
    launch = record.launch
    if launch is None or index not in launch.gpus:
        return None
    if is_held(record):
        return Lease(who=name, launch=launch.id, peak_mb=state.capacity.peak_mb(name, launch.stage))
    if seen is None or launch.exit is None:
        return None
    ended_at = sight.since.get(name, -math.inf)
    shows = any(launch.id in process.launches for process in seen.processes)
    lingers = sight.now - ended_at <= LINGER_LIMIT_S if shows else sight.census_at <= ended_at
    return Lease(who=name, launch=launch.id, has_ended=True) if lingers else None


# --- placing --------------------------------------------------------------------------------------


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
    whose = f", left by {' '.join(process.launches)}," if process.launches else " of nobody here"
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
