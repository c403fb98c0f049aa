"""What was seen: of a run, of a host, of everything at one moment.

`Exit`, `Progress` and `LaunchSeen` travel from the hosts, so this module needs no more than the
standard library.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from orchestrator.core.adopting import Found, LaunchFound
from orchestrator.core.devices import Census, Disk
from orchestrator.core.divergence import Reports


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a run ended: the contents of `exit.json`.

    `step` is the last that its worker reported, `detail` one line of evidence, for people.
    """

    exit_code: int | None
    signal: str | None
    cause: str
    ended: float
    elapsed_s: float
    step: float | None = None
    detail: str = ""


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
    `progress_error` says why a progress file could not be read. `reported`: this run wrote that file.
    `silence` is what its host can tell of a supervisor that lives and has not beaten for long, `log_error`
    why its output cannot be kept. `asks` is the line with which it waits for somebody to type.
    """

    launch: str
    alive: bool
    unknown: bool = False
    exit: Exit | None = None
    beat_seq: int = 0
    output_seq: int = 0
    progress: Progress | None = None
    progress_error: str | None = None
    reported: bool = False
    last_line: str = ""
    asks: str | None = None
    silence: str = ""
    log_error: str = ""


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


GAP_S = 20.0
"""Answers further apart than this leave a time that nobody has watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """A run as last seen, with our own clock's reading of when its counters last moved.

    Ages are differences on the daemon's monotonic clock: no host's clock is compared with another.
    `asked_at` is when the question left that this answers: what happened later it cannot know.
    `seen_at` is when the answer came, `watched_from` when the answers began to come without a gap.
    """

    seen: LaunchSeen
    asked_at: float
    seen_at: float
    watched_from: float
    beat_at: float
    advance_at: float
    reports: Reports = field(default_factory=Reports)

    @classmethod
    def first(cls, seen: LaunchSeen, asked_at: float, now: float) -> Pulse:
        return cls(
            seen=seen,
            asked_at=asked_at,
            seen_at=now,
            watched_from=now,
            beat_at=now,
            advance_at=now,
            reports=_reports_after(Reports(), seen),
        )

    def after(self, seen: LaunchSeen, asked_at: float, now: float) -> Pulse:
        return Pulse(
            seen=seen,
            asked_at=asked_at,
            seen_at=now,
            watched_from=now if now - self.seen_at > GAP_S else self.watched_from,
            beat_at=self.beat_at if seen.beat_seq == self.seen.beat_seq else now,
            advance_at=self.advance_at if advance_counter(seen) == advance_counter(self.seen) else now,
            reports=_reports_after(self.reports, seen),
        )


def _reports_after(reports: Reports, seen: LaunchSeen) -> Reports:
    """An earlier attempt's last report says nothing about this one."""
    progress = seen.progress
    if progress is None or not seen.reported:
        return reports
    return reports.after(progress.seq, progress.step, progress.metrics, progress.not_finite)


def advance_counter(seen: LaunchSeen) -> tuple[int, int]:
    """What moves while a worker advances: its progress, or its terminal until it writes some."""
    if seen.progress is not None and seen.reported:
        return (seen.progress.seq, 0)
    return (0, seen.output_seq)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSeen:
    """A workstream's results as last pulled: all there are here now. `at` is our own clock's reading.

    `at` is None where a pull failed and none went well before; `reason` says why the last one was not whole.
    """

    at: float | None
    files: int = 0
    bytes: int = 0
    reason: str = ""

    def after(self, seen: SyncSeen) -> SyncSeen:
        """A pull that brought nothing takes nothing away."""
        return seen if seen.at is not None else replace(self, reason=seen.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything known at one moment. `phase_since` holds when each phase was entered.

    `in_flight` holds the keys of actions handed out and not yet answered, `gpu_peaks` the most MiB that
    each launch was seen to hold on one device, `ended_at` when launches were last seen to end, `found` what
    ran already when its host was connected to, for as long as nothing was launched since.
    """

    hosts: Mapping[str, HostSeen] = field(default_factory=dict)
    pulses: Mapping[str, Pulse] = field(default_factory=dict)
    phase_since: Mapping[str, float] = field(default_factory=dict)
    in_flight: frozenset[str] = frozenset()
    synced: Mapping[str, SyncSeen] = field(default_factory=dict)
    gpu_peaks: Mapping[str, int] = field(default_factory=dict)
    ended_at: Mapping[str, float] = field(default_factory=dict)
    found: Found = field(default_factory=dict)

    def reachable(self, host: str) -> bool:
        return self.hosts.get(host, _UNSEEN).reachable is True

    def pulse(self, launch: str) -> Pulse | None:
        return self.pulses.get(launch)

    def with_results(self, workstream: str, seen: SyncSeen) -> Observation:
        before = self.synced.get(workstream)
        return replace(self, synced={**self.synced, workstream: before.after(seen) if before else seen})

    def with_found(self, found: tuple[LaunchFound, ...]) -> Observation:
        return replace(self, found={**self.found, **{one.workstream: one for one in found}})

    def without_found(self, workstreams: Iterable[str]) -> Observation:
        gone = set(workstreams)
        return replace(self, found={name: one for name, one in self.found.items() if name not in gone})

    def with_pulses(self, seen: tuple[LaunchSeen, ...], asked_at: float, now: float) -> Observation:
        """A launch that is being started may be unknown still: that is no sight of it."""
        pulses = dict(self.pulses)
        for one in seen:
            if one.unknown and f"start {one.launch}" in self.in_flight:
                continue
            before = pulses.get(one.launch)
            pulses[one.launch] = (
                before.after(one, asked_at, now) if before else Pulse.first(one, asked_at, now)
            )
        return replace(self, pulses=pulses)


_UNSEEN = HostSeen()
