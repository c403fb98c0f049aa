"""How much runs at once on a host, over all processes of this machine that run gates of this project."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

from orchestrator.agent.files import locked, open_lock, try_lock
from orchestrator.core.devices import Census
from orchestrator.core.fitting import Request, missing_gpus, placed, unseen
from orchestrator.core.leases import Sight, devices_of
from orchestrator.core.plan import Gate, Host
from orchestrator.desk import Desk
from orchestrator.gates.jobs import AT_ONCE_ON_A_HOST, Job, checkouts_of
from orchestrator.gates.patience import Patience
from orchestrator.home import Home
from orchestrator.wire import ReadGpus

CENSUS_EVERY_S = 1.0
CENSUS_DEADLINE_S = 30.0


@contextmanager
def place_for(desk: Desk, job: Job, gate: Gate, patience: Patience) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Wait until the gate may run: the name of its checkout, and the GPUs it is given."""
    with ExitStack() as held:
        gpus = held.enter_context(_gpus(desk, desk.plan.hosts[job.host], gate.gpu, patience))
        checkouts = checkouts_of(job.name, is_wave=job.workstream is None)
        lane = held.enter_context(_first_free(desk, job, checkouts, patience.waiting_for("its checkout")))
        if not gpus:
            slots = [f"slot.{number}" for number in range(1, AT_ONCE_ON_A_HOST + 1)]
            what = f"one of {AT_ONCE_ON_A_HOST} gates on {job.host} to end"
            held.enter_context(_first_free(desk, job, slots, patience.waiting_for(what)))
        yield lane, gpus


@contextmanager
def _first_free(desk: Desk, job: Job, names: Sequence[str], pause: Callable[[], None]) -> Iterator[str]:
    while True:
        for name in names:
            descriptor = open_lock(_lock_file(desk.home, job.host, name))
            if try_lock(descriptor):
                try:
                    yield name
                finally:
                    os.close(descriptor)
                return
            os.close(descriptor)
        pause()


@contextmanager
def _gpus(desk: Desk, host: Host, count: int, patience: Patience) -> Iterator[tuple[int, ...]]:
    if not count:
        yield ()
        return
    request, census = Request(who="", count=count), _Censuses(desk, host)
    while True:
        with ExitStack() as held:
            given = _take_gpus(desk, host, request, census.newest(), held)
            if isinstance(given, tuple):
                yield given
                return
        patience.pause(given)


def _take_gpus(
    desk: Desk, host: Host, request: Request, census: Census, held: ExitStack
) -> tuple[int, ...] | str:
    """Lock a share of each of some devices until `held` is left; else, what is missing."""
    missing = unseen(host, census)
    if missing is not None:
        return missing
    with locked(_lock_file(desk.home, host.name, "gpu.all")):
        shares = {device: _free_shares(desk.home, host, device) for device in host.gpus}
        sight = Sight(census=census, of_gates=_taken(host, shares))
        devices = devices_of(host, desk.state, sight)
        given = placed(devices, request)
        for device, free in shares.items():
            for descriptor in free[1:] if device in (given or ()) else free:
                os.close(descriptor)
    for device in given or ():
        held.callback(os.close, shares[device][0])
    return missing_gpus(host, devices, request) if given is None else given


class _Censuses:
    """What the host's driver says, asked for no more often than it looks."""

    def __init__(self, desk: Desk, host: Host) -> None:
        self._desk = desk
        self._host = host
        self._asked_at = -math.inf
        self._census = Census()

    def newest(self) -> Census:
        """Blocks for the first look. Raises: HostUnreachable."""
        if time.monotonic() - self._asked_at >= CENSUS_EVERY_S:
            self._census = self._desk.site(self._host.name).call(ReadGpus(), deadline_s=CENSUS_DEADLINE_S)
            self._asked_at = time.monotonic()
        return self._census


def _free_shares(home: Home, host: Host, device: int) -> list[int]:
    """Descriptors that lock the shares of a device which no gate holds."""
    free = []
    for share in range(host.share):
        descriptor = open_lock(_lock_file(home, host.name, f"gpu.{device}.{share}"))
        if try_lock(descriptor):
            free.append(descriptor)
        else:
            os.close(descriptor)
    return free


def gpus_of_gates(home: Home, host: Host) -> tuple[int, ...]:
    """The devices that gates hold now, one entry for each share."""
    if not host.gpus or not _lock_file(home, host.name, "gpu.all").exists():
        return ()
    with locked(_lock_file(home, host.name, "gpu.all")):
        shares = {device: _free_shares(home, host, device) for device in host.gpus}
        for descriptor in chain(*shares.values()):
            os.close(descriptor)
    return _taken(host, shares)


def _taken(host: Host, free: Mapping[int, Sequence[int]]) -> tuple[int, ...]:
    return tuple(device for device in host.gpus for _ in range(host.share - len(free[device])))


def _lock_file(home: Home, host: str, name: str) -> Path:
    """A dot in `name` keeps it apart from every workstream's."""
    return home.state.gates / "running" / host / f"{name}.lock"
