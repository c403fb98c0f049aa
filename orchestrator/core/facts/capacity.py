"""What there is room for: peaks that were measured, drains, and work that fits nowhere."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.facts.workers import LaunchId


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuPeakSeen:
    """The most memory that a run was seen to hold on one device. Written when it grew by a tenth."""

    workstream: str
    launch: LaunchId
    stage: str
    peak_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FitsNowhere:
    """No device of its host is large enough: it would wait for ever."""

    workstream: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainAsked:
    """Nothing new starts on `hosts`; none named: anywhere."""

    by: str
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainLifted:
    """`everywhere`: the drain of the whole plan ends too, not only those of `hosts`."""

    by: str
    hosts: tuple[str, ...] = ()
    everywhere: bool = False
