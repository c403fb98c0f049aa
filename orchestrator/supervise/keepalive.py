"""The same supervisor around any command, in the foreground, without tmux."""

# ruff: noqa: PTH103, PTH108, PTH109, PTH110

from __future__ import annotations

import contextlib
import os
import time

from .ending import settle
from .launch import REFUSED, supervise
from .processes import TAG
from .records import take_lock
from .spec import BEAT_S, PIPED, PTY, STOP_GRACE_S, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

_STATE_FILES = (
    "exit.json",
    "exit.json.reserve",
    "heartbeat.json",
    "heartbeat.json.reserve",
    "stop.json",
    "supervisor.json",
    "written.json",
    "lock",
)


def keepalive(
    command: Sequence[str],
    *,
    every_s: float = BEAT_S,
    directory: str | PathLike[str] | None = None,
    stop_grace_s: float = STOP_GRACE_S,
) -> int:
    """Run `command` with a heartbeat and a log in `directory`; return its exit code, or 128 and its signal.

    `directory` defaults to `$ORCHESTRATOR_RESULTS`, else `results`; inside a worker, whose own heartbeat
    lies there, to `keepalive` below it. It is a terminal to the command if we have one. One per
    directory; the second is refused with status 3. Call from the main thread: handlers are installed.
    """
    folder = os.path.realpath(directory if directory is not None else default_directory())
    state = f"{folder}/.keepalive"
    os.makedirs(folder, exist_ok=True)
    settle(state)
    if not _clear(state):
        os.write(2, f"keepalive: one already runs in {folder}\n".encode(errors="replace"))
        return REFUSED
    status = supervise(_spec(command, folder, state, every_s, stop_grace_s))
    _clear(state)
    return status


def _spec(command: Sequence[str], folder: str, state: str, every_s: float, stop_grace_s: float) -> Spec:
    env = {"ORCHESTRATOR_RESULTS": os.environ.get("ORCHESTRATOR_RESULTS") or folder}
    if outer := os.environ.get(TAG):
        env[TAG] = outer
    return Spec(
        {
            "launch": f"keepalive-{os.getpid()}-{time.time_ns()}",
            "workstream": os.path.basename(command[0]),  # noqa: PTH119
            "argv": list(command),
            "cwd": os.getcwd(),
            "env": env,
            "results": folder,
            "state": state,
            "log": f"{folder}/keepalive.log",
            "beat_s": every_s,
            "stop_grace_s": stop_grace_s,
            "streams": PTY if _in_a_terminal() else PIPED,
        }
    )


def default_directory() -> str:
    results = os.environ.get("ORCHESTRATOR_RESULTS")
    if not results:
        return "results"
    return f"{results}/keepalive" if os.environ.get(TAG) else results


def _in_a_terminal() -> bool:
    try:
        return os.isatty(0) and os.isatty(1) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def _clear(state: str) -> bool:
    """Remove the state of a run that is over; return whether it was."""
    if not os.path.exists(state):
        return True
    lock = take_lock(state, patience_s=0)
    if lock is None:
        return False
    for name in _STATE_FILES:
        with contextlib.suppress(OSError):
            os.unlink(f"{state}/{name}")
    os.close(lock)
    with contextlib.suppress(OSError):
        os.rmdir(state)  # noqa: PTH106
    return True
