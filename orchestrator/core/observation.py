"""What was seen: of a run, of a host, of everything at one moment.

`Exit`, `Progress` and `LaunchSeen` travel from the hosts, so this module needs no more than the
standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator.core.devices import Census, Disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a run ended: the contents of `exit.json`."""

    exit_code: int | None
    signal: str | None
    cause: str
    ended: float
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The worker's own words, bounded and stripped of control characters. Metrics are finite."""

    seq: int
    step: float | None = None
    total: float | None = None
    unit: str = "step"
    message: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    not_finite: tuple[str, ...] = ()
    checkpoint: str | None = None
    eta_s: float | None = None
    grace_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSeen:
    """`alive`: its supervisor holds its lock. `unknown`: no trace of the launch on this host.

    `exit` is set once it ended, `metrics_file` then holds what the run itself wrote as metrics.
    `progress_error` says why a progress file could not be read. `asks` is the line with which it waits
    for somebody to type.
    """

    launch: str
    alive: bool
    unknown: bool = False
    exit: Exit | None = None
    beat_seq: int = 0
    output_seq: int = 0
    progress: Progress | None = None
    progress_error: str | None = None
    last_line: str = ""
    asks: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSeen:
    """`reachable` is None until the first answer or failure.

    `gpus_of_gates` are the devices that gates hold there, one entry for each share. `census_at` is our
    clock when the census was taken, at the earliest.
    """

    reachable: bool | None = None
    reason: str = ""
    boot_id: str | None = None
    gpus_of_gates: tuple[int, ...] = ()
    census: Census | None = None
    census_at: float = 0.0
    disk: Disk | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """A run as last seen, with our own clock's reading of when its counters last moved.

    Ages are differences on the daemon's monotonic clock: no host's clock is compared with another.
    `asked_at` is when the question left that this answers: what happened later it cannot know.
    """

    seen: LaunchSeen
    asked_at: float
    beat_at: float
    advance_at: float

    def after(self, seen: LaunchSeen, asked_at: float, now: float) -> Pulse:
        beat_at = self.beat_at if seen.beat_seq == self.seen.beat_seq else now
        advanced = advance_counter(seen) != advance_counter(self.seen)
        advance_at = now if advanced else self.advance_at
        return Pulse(seen=seen, asked_at=asked_at, beat_at=beat_at, advance_at=advance_at)


def advance_counter(seen: LaunchSeen) -> tuple[int, int]:
    """What moves while a worker advances: its progress, or its terminal where it writes none."""
    if seen.progress is not None:
        return (seen.progress.seq, 0)
    return (0, seen.output_seq)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything known at one moment. `phase_since` holds when each phase was entered.

    `in_flight` holds the keys of actions handed out and not yet answered, `gpu_peaks` the most MiB that
    each launch was seen to hold on one device, `ended_at` when launches were last seen to end.
    """

    hosts: Mapping[str, HostSeen] = field(default_factory=dict)
    pulses: Mapping[str, Pulse] = field(default_factory=dict)
    phase_since: Mapping[str, float] = field(default_factory=dict)
    in_flight: frozenset[str] = frozenset()
    gpu_peaks: Mapping[str, int] = field(default_factory=dict)
    ended_at: Mapping[str, float] = field(default_factory=dict)

    def reachable(self, host: str) -> bool:
        return self.hosts.get(host, _UNSEEN).reachable is True

    def pulse(self, launch: str) -> Pulse | None:
        return self.pulses.get(launch)

    def with_pulses(self, seen: tuple[LaunchSeen, ...], asked_at: float, now: float) -> Observation:
        pulses = dict(self.pulses)
        for one in seen:
            before = pulses.get(one.launch)
            first = Pulse(seen=one, asked_at=asked_at, beat_at=now, advance_at=now)
            pulses[one.launch] = before.after(one, asked_at, now) if before else first
        return replace(self, pulses=pulses)


_UNSEEN = HostSeen()
