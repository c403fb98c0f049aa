"""What is known of room over restarts: the memory that each stage came to need, and what is drained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator.core import facts as f
from orchestrator.core.facts import Fact

PEAK_METRIC = "peak_gpu_memory_mb"
"""What a worker may write beside its metrics: the most its allocator held on a device."""

OUTSIDE_THE_ALLOCATOR_MB = 512
"""A CUDA context and its libraries, which no allocator counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Where nothing new starts. `by` is who asked last."""

    everywhere: bool = False
    hosts: frozenset[str] = frozenset()
    by: str = ""

    def covers(self, host: str) -> bool:
        return self.everywhere or host in self.hosts

    def after(self, fact: f.DrainAsked | f.DrainLifted) -> Drain:
        match fact:
            case f.DrainAsked(hosts=()):
                return replace(self, everywhere=True, by=fact.by)
            case f.DrainAsked():
                return replace(self, hosts=self.hosts | set(fact.hosts), by=fact.by)
            case f.DrainLifted():
                everywhere = self.everywhere and not fact.everywhere
                return replace(self, everywhere=everywhere, hosts=self.hosts - set(fact.hosts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """`peaks` are MiB on one device, by workstream and stage."""

    peaks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    drain: Drain = field(default_factory=Drain)

    def peak_mb(self, workstream: str, stage: str) -> int | None:
        """What the stage came to hold; of one that never ran, what the others of its workstream did."""
        known = self.peaks.get(workstream, {})
        return known.get(stage, max(known.values(), default=None))

    def after(self, fact: Fact, stage: str | None = None) -> Capacity:
        """`stage` is that of the newest launch of the fact's workstream."""
        match fact:
            case f.DrainAsked() | f.DrainLifted():
                return replace(self, drain=self.drain.after(fact))
            case f.GpuPeakSeen():
                return self._with_peak(fact.workstream, fact.stage, fact.peak_mb)
            case f.StagePassed() | f.StageHeld() if stage is not None and PEAK_METRIC in fact.metrics:
                told_mb = int(fact.metrics[PEAK_METRIC])
                return self._with_peak(fact.workstream, stage, told_mb + OUTSIDE_THE_ALLOCATOR_MB)
            case f.RestartAsked():
                # Who asks for that by name may have made it smaller.
                return replace(self, peaks={k: v for k, v in self.peaks.items() if k != fact.workstream})
        return self

    def _with_peak(self, workstream: str, stage: str, peak_mb: int) -> Capacity:
        known = self.peaks.get(workstream, {})
        if peak_mb <= known.get(stage, 0):
            return self
        return replace(self, peaks={**self.peaks, workstream: {**known, stage: peak_mb}})
