"""Who is served next on each host, and what everybody else waits for.

First comes the higher priority, then the lower wave, then who has waited longest, then the order of the
file. Whoever is first in line for devices and does not get them has them kept: what becomes free on
those is for nobody behind. Each host has a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from orchestrator.core.fitting import Request, missing_gpus, never_fits, obstacle, placed, unseen
from orchestrator.core.leases import Device, Lease, devices_of, sight_of
from orchestrator.core.observation import Observation
from orchestrator.core.placement import holders
from orchestrator.core.plan import Host, Plan, Workstream
from orchestrator.core.state import State, Wanted
from orchestrator.core.waiting import not_its_turn

NAMES_SHOWN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`served` has the devices that each is given now, `waits` what each other waits for, in words, and
    `hopeless` why waiting is in vain.
    """

    served: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    waits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hopeless: Mapping[str, str] = field(default_factory=dict)


def line(plan: Plan, state: State, observation: Observation, now: float) -> Line:
    """Of all wanted workstreams."""
    served: dict[str, tuple[int, ...]] = {}
    waits: dict[str, tuple[str, ...]] = {}
    hopeless: dict[str, str] = {}
    counters: dict[str, _Counter] = {}
    for workstream in in_order(plan, state, observation):
        before = not_its_turn(plan, state, observation, workstream, now)
        if before:
            waits[workstream.name] = before
            continue
        host = plan.hosts[workstream.host]
        if host.name not in counters:
            counters[host.name] = _Counter.at(host, state, observation, now)
        match counters[host.name].serve(workstream, _request(state, workstream)):
            case _Given(gpus=gpus):
                served[workstream.name] = gpus
            case _Waits(what=what):
                waits[workstream.name] = what
            case _Hopeless(why=why):
                hopeless[workstream.name] = why
    return Line(served=served, waits=waits, hopeless=hopeless)


def in_order(plan: Plan, state: State, observation: Observation) -> list[Workstream]:
    """Everybody who is wanted, who is served first first."""
    wanted = [w for w in plan.workstreams.values() if isinstance(state.of(w.name).phase, Wanted)]
    since = observation.phase_since
    return sorted(wanted, key=lambda w: (-w.priority, w.wave, since.get(w.name, 0.0)))


def stage_name(workstream: Workstream, stage: int) -> str:
    return workstream.stages[stage].name if stage < len(workstream.stages) else ""


def _request(state: State, workstream: Workstream) -> Request:
    stage = stage_name(workstream, state.of(workstream.name).stage)
    peak_mb = state.capacity.peak_mb(workstream.name, stage)
    return Request(who=workstream.name, count=workstream.gpu, peak_mb=peak_mb)


@dataclass(frozen=True, slots=True)
class _Given:
    gpus: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Waits:
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Hopeless:
    why: str


@dataclass(slots=True)
class _Counter:
    """One host's line while it is served: what is taken, and what is kept for whom. `looks`: the first
    census of its devices is under way.
    """

    host: Host
    slots: list[str]
    devices: tuple[Device, ...]
    no_sight: str | None
    looks: bool = False
    kept: dict[int, str] = field(default_factory=dict)
    for_slots: list[str] = field(default_factory=list)
    for_gpus: list[str] = field(default_factory=list)

    @staticmethod
    def at(host: Host, state: State, observation: Observation, now: float) -> _Counter:
        sight = sight_of(observation, host.name, now)
        return _Counter(
            host=host,
            slots=list(holders(state, host.name)) if host.slots is not None else [],
            devices=devices_of(host, state, sight) if host.gpus else (),
            no_sight=unseen(host, sight.census),
            looks=sight.census is not None and sight.census.is_pending,
        )

    def serve(self, workstream: Workstream, request: Request) -> _Given | _Waits | _Hopeless:
        if self.host.slots is not None and len(self.slots) >= self.host.slots:
            return _wait(request, self._missing_slot(), self.for_slots)
        gpus: tuple[int, ...] = ()
        if request.count:
            why = never_fits(self.host, self.devices, request)
            if why:
                return _Hopeless(why)
            if self.no_sight:
                if self.looks:
                    self.slots.append(request.who)  # it is about to know: nobody behind may take that
                return _wait(request, self.no_sight, self.for_gpus)
            found = placed(self.devices, request, self.kept)
            if found is None:
                return self._keep(request)
            gpus = found
        self._take(workstream, request, gpus)
        return _Given(gpus)

    def _take(self, workstream: Workstream, request: Request, gpus: tuple[int, ...]) -> None:
        self.slots.append(workstream.name)
        lease = Lease(who=workstream.name, launch="", peak_mb=request.peak_mb)
        self.devices = tuple(
            replace(device, leases=(*device.leases, lease)) if device.index in gpus else device
            for device in self.devices
        )

    def _missing_slot(self) -> str:
        return (
            f"a slot on {self.host.name} ({len(self.slots)} of {self.host.slots} in use: {names(self.slots)})"
        )

    def _keep(self, request: Request) -> _Waits:
        missing = missing_gpus(self.host, self.devices, request, self.kept)
        waits = _wait(request, missing, self.for_gpus)
        if not self.kept:
            self.kept = dict.fromkeys(kept_for(self.devices, request), request.who)
        return waits


def _wait(request: Request, what: str, ahead: list[str]) -> _Waits:
    """`ahead` wait for the same, and are served before."""
    behind = (f"behind {names(ahead)}",) if ahead else ()
    ahead.append(request.who)
    return _Waits((what, *behind))


def kept_for(devices: Iterable[Device], request: Request) -> tuple[int, ...]:
    """The devices that are kept for whoever is first in line; none while strangers are in its way.

    Those that it could have at once come first, then the lowest: the choice stays the same until it is
    served, so that it cannot be overtaken for ever.
    """
    possible = [device for device in devices if _is_ours_to_free(device, request)]
    possible.sort(key=lambda device: (obstacle(device, request) is not None, device.index))
    chosen = possible[: request.count]
    return tuple(device.index for device in chosen) if len(chosen) == request.count else ()


def _is_ours_to_free(device: Device, request: Request) -> bool:
    """Whether the request will fit once our own runs there have ended."""
    if not device.is_shown:
        return False
    if device.seen is None:
        return True
    if device.share == 1 and device.strangers:
        return False
    return device.room_without_ours_mb >= device.need_mb(request.peak_mb)


def names(of: Iterable[str]) -> str:
    """The first few, and how many more."""
    listed = list(of)
    more = f" and {len(listed) - NAMES_SHOWN} more" if len(listed) > NAMES_SHOWN else ""
    return ", ".join(listed[:NAMES_SHOWN]) + more
