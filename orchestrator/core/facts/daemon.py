"""The daemon, its plan and its hosts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalBegun:
    """`token` keeps the launch ids of two journals apart, also on a host that saw both."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStarted:
    pid: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStopped:
    pid: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRead:
    source: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalArchived:
    """So many old entries moved to `file`."""

    file: str
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalHeld:
    """For so long nothing could be written down, and nothing was begun or ended; written once it can be."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPruned:
    """What was older than the plan keeps it was removed there."""

    host: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLost:
    host: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTakenOver:
    """From now on this daemon changes things there; `before` did until now."""

    host: str
    before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBack:
    host: str
    boot_id: str
