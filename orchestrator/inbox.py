"""What lanes, surfaces and clocks tell the loop. Nobody else touches the state."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

from orchestrator.core.adopting import LaunchFound
from orchestrator.core.devices import Census, Disk
from orchestrator.core.facts import Fact
from orchestrator.core.gating import Tips
from orchestrator.core.observation import LaunchSeen, SyncSeen
from orchestrator.requests import Request
from orchestrator.talk import Talk


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Facts to write down. `key` names the action they end; `written` is told when they are durable."""

    facts: tuple[Fact, ...]
    key: str | None = None
    written: Future[None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPerformed:
    """An action that could not be done now; it is tried again after a pause."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAnswered:
    """`asked_at` is our monotonic clock when the question left.

    `gpus_of_gates` are the devices that gates hold there, one entry for each share.
    """

    host: str
    asked_at: float
    boot_id: str
    launches: tuple[LaunchSeen, ...]
    gpus_of_gates: tuple[int, ...] = ()
    census: Census | None = None
    disk: Disk | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchesSeen:
    """What runs on a host that was just connected to, whoever began it."""

    launches: tuple[LaunchFound, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSilent:
    host: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TipsRead:
    """`tips` holds what is known now of the workstreams `names`."""

    names: frozenset[str]
    tips: Tips


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsSeen:
    workstream: str
    seen: SyncSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    request: Request
    talk: Talk


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time passed: look at every host, and again at everything that waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """End the daemon. Workers stay."""

    why: str


Message = (
    Happened
    | NotPerformed
    | LaunchesSeen
    | HostAnswered
    | HostSilent
    | TipsRead
    | ResultsSeen
    | Asked
    | Tick
    | Leave
)
