"""Why a run ended: what its host found, and what we had stopped it for."""

from __future__ import annotations

from enum import Enum

from orchestrator.core import facts as f

CONFIGURATION_ERROR = 2
"""Exit code of a worker that says: do not retry, mend the configuration."""

INTERRUPTED = 75
"""Exit code of a worker that says: interrupted, resumable."""


class Cause(Enum):
    """The first ones are those of `exit.json`; the last four are told apart here."""

    EXITED = "exited"
    SIGNAL = "signal"
    STOPPED = "stopped"
    TIMEOUT = "timeout"
    HANGUP = "hangup"
    START_FAILED = "start-failed"
    SUPERVISOR_LOST = "supervisor-lost"
    REBOOTED = "rebooted"
    LOST = "lost"
    MEMORY = "memory"
    GPU_MEMORY = "gpu-memory"
    GPU_FAULT = "gpu-fault"
    DISK = "disk"
    INTERRUPTED = "interrupted"
    CONFIGURATION = "configuration"
    STALLED = "stalled"
    DIVERGED = "diverged"


_OF_EXIT_CODES = {CONFIGURATION_ERROR: Cause.CONFIGURATION, INTERRUPTED: Cause.INTERRUPTED}
_KNOWN = {cause.value: cause for cause in Cause}


def cause_of(end: f.LaunchEnded, stop: f.StopChosen | None = None) -> Cause:
    """`stop` is what we had decided about the run before it ended."""
    if stop is not None and (end.cause == "stopped" or stop.cause == Cause.DIVERGED.value):
        return Cause(stop.cause)
    if end.cause == "exited":
        return _OF_EXIT_CODES.get(end.exit_code or 0, Cause.EXITED)
    # A host with a newer agent may know causes that we do not.
    return _KNOWN.get(end.cause, Cause.EXITED if end.signal is None else Cause.SIGNAL)


_WORDS = {
    Cause.STOPPED: "was stopped",
    Cause.TIMEOUT: "ran out of its stage's time",
    Cause.HANGUP: "lost its tmux session",
    Cause.START_FAILED: "could not be started",
    Cause.SUPERVISOR_LOST: "lost its supervisor",
    Cause.REBOOTED: "ended when its host rebooted",
    Cause.LOST: "was lost: it left no trace on its host",
    Cause.MEMORY: "was killed for memory",
    Cause.GPU_MEMORY: "ran out of GPU memory",
    Cause.GPU_FAULT: "failed on its GPU",
    Cause.DISK: "failed on a full disk",
    Cause.INTERRUPTED: "was interrupted (exit code 75)",
}


def end_in_words(end: f.LaunchEnded, stop: f.StopChosen | None = None) -> str:
    """How a run ended, for people."""
    cause = cause_of(end, stop)
    if stop is not None and cause.value == stop.cause:
        return stop.reason
    words = _WORDS.get(cause)
    if words is None:
        words = f"was ended by {end.signal}" if end.signal else f"ended with exit code {end.exit_code}"
    return f"{words} ({end.detail})" if end.detail else words
