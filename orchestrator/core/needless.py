"""Runs that go on for nothing: what we end though nobody asked for it."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.causes import Cause
from orchestrator.core.liveness import is_stalled, watched_silence_s
from orchestrator.core.observation import Pulse
from orchestrator.core.plan import Workstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Needless:
    """`silent_s` is for how long the run had not advanced."""

    cause: Cause
    reason: str
    silent_s: float = 0.0


def needless(workstream: Workstream, pulse: Pulse) -> Needless | None:
    """Why a run is to be ended; None while there is hope. Silence we did not watch is no reason."""
    if pulse.seen.exit is not None or not workstream.stages:
        return None
    if workstream.restart.diverged and (diverged := pulse.reports.diverged) is not None:
        return Needless(cause=Cause.DIVERGED, reason=f"diverged: {diverged}")
    if is_stalled(workstream, pulse):
        silent_s = watched_silence_s(pulse)
        return Needless(cause=Cause.STALLED, reason=_stalled(pulse, silent_s), silent_s=silent_s)
    return None


def _stalled(pulse: Pulse, silent_s: float) -> str:
    progress = pulse.seen.progress
    where = f" at {progress.unit} {progress.step:g}" if progress and progress.step is not None else ""
    return f"stalled{where}: alive, but without progress for {silent_s:.0f} s"
