"""What every `python -m workers.*` command shares: exit codes, error lines, the stop request."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

DONE = 0
FAILED = 1
BAD_USAGE = 2
INVALID_DATA = 4
DIVERGED = 70
INTERRUPTED = 75


class WorkerError(Exception):
    """A failure with the exit code that tells the orchestrator what to do about it."""

    exit_code = FAILED


class UsageError(WorkerError):
    """The command line, config or files given are wrong; a retry cannot help."""

    exit_code = BAD_USAGE


class InvalidData(WorkerError):
    """A dataset is not what it says it is."""

    exit_code = INVALID_DATA


class NotWritten(WorkerError):
    """The disk is full, or takes nothing for another reason; what was written before is whole."""


class DivergedError(WorkerError):
    """The loss, a gradient or a weight is no longer finite."""

    exit_code = DIVERGED


class InterruptedRun(WorkerError):
    """The run stopped because it was asked to; the next one can go on from here."""

    exit_code = INTERRUPTED


def run_command(name: str, command: Callable[[], None]) -> int:
    try:
        command()
    except WorkerError as error:
        label = "stopped" if isinstance(error, InterruptedRun) else "error"
        print(f"{name}: {label}: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except OSError as error:  # a full disk, a folder that may not be read, a drive that went away
        where = f"{error.filename}: " if error.filename else ""
        print(f"{name}: error: {where}{error.strerror or error}", file=sys.stderr, flush=True)
        return FAILED
    return DONE


def made_folder(path: Path) -> Path:
    """Make it where it is missing.

    Raises:
        UsageError: there cannot be one.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be a folder for results: {error.strerror}") from None
    return path


def default_results() -> Path:
    return Path(os.environ.get("ORCHESTRATOR_RESULTS") or "results")


class StopRequest:
    """Remembers the first SIGTERM or SIGINT; the second one ends the process at once."""

    def __init__(self) -> None:
        self._signal: signal.Signals | None = None

    def listen(self) -> "StopRequest":
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._receive)
        return self

    def check(self) -> None:
        """Raise InterruptedRun once a stop was asked for."""
        if self._signal is not None:
            raise InterruptedRun(self._signal.name)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self._signal = signal.Signals(number)
        signal.signal(number, signal.SIG_DFL)
