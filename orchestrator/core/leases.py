"""Who holds which share of which device, and what room that leaves: the plan's word against the driver's.

Memory is in MiB. A lease is held by a running launch, by a gate, and by a launch that ended for as long
as its processes show on the device. Where a host has no driver, leases go by count alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from orchestrator.core import facts as f
from orchestrator.core.devices import CENSUS_LIMIT_S, Census, Gpu, GpuProcess
from orchestrator.core.facts import Fact
from orchestrator.core.observation import HostSeen, Observation
from orchestrator.core.placement import is_held
from orchestrator.core.plan import Host
from orchestrator.core.state import State, WorkstreamRecord

LINGER_LIMIT_S = 60.0
"""What a run left on a device counts as that run's for this long, then as a stranger's."""

REMEMBERED_S = 2 * max(LINGER_LIMIT_S, CENSUS_LIMIT_S)

MARGIN = 1.1
A_GATE = "a gate"


def reserve_mb(total_mb: int) -> int:
    """What a driver and a desktop may take of a device that counts as empty."""
    return max(total_mb // 20, min(1024, total_mb // 8))


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
    """What is known of a host's devices. `census_at` is when the census was taken at the earliest, `ended_at`
    when launches were seen to end, both by the clock of `now`.
    """

    census: Census | None = None
    census_at: float = math.inf
    of_gates: tuple[int, ...] = ()
    ended_at: Mapping[str, float] = field(default_factory=dict)
    now: float = 0.0


def sight_of(observation: Observation, host: str, now: float) -> Sight:
    seen = observation.hosts.get(host, HostSeen())
    return Sight(
        census=seen.census,
        census_at=seen.census_at,
        of_gates=seen.gpus_of_gates,
        ended_at=observation.ended_at,
        now=now,
    )


def with_ends(observation: Observation, facts: Iterable[Fact], now: float) -> Observation:
    """Runs that ended just now; those of long ago leave nothing that counts as theirs."""
    ends: dict[str, float] = {fact.launch: now for fact in facts if isinstance(fact, f.LaunchEnded)}
    if not ends:
        return observation
    recent = {one: at for one, at in observation.ended_at.items() if now - at <= REMEMBERED_S}
    return replace(observation, ended_at={**recent, **ends})


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
    ended_at = sight.ended_at.get(launch.id, -math.inf)
    shows = any(launch.id in process.launches for process in seen.processes)
    lingers = sight.now - ended_at <= LINGER_LIMIT_S if shows else sight.census_at <= ended_at
    return Lease(who=name, launch=launch.id, has_ended=True) if lingers else None
