"""Whether a command ended by itself, or something outside it kept it from an end of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from orchestrator.supervise.records import ExitRecord

FULL_BELOW_BYTES = 1024 * 1024
"""With less left than this on its disk, a command that failed is not blamed."""

# What others send: the kernel out of memory, a system that goes down, a person. A fault of the
# program's own comes as SIGSEGV, SIGABRT and the like.
_SENT_BY_OTHERS = frozenset({"SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"})
# So a shell reports a child that SIGKILL ended.
_CHILD_KILLED = 128 + 9
_CAUSES = {
    "supervisor-lost": "its supervisor was killed",
    "rebooted": "its host was started anew",
    "stopped": "it was stopped from outside",
    "hangup": "it was stopped from outside",
    "start-failed": "it could not be started",
}


def fault_outside(
    record: ExitRecord | None, folders: Iterable[Path], *, full_below_bytes: int = FULL_BELOW_BYTES
) -> str | None:
    """What kept a run from an end of its own, in words; None when it has one, good or bad.

    `folders` are where it writes. Running out of time is its own fault.
    """
    if record is None:
        return "its supervisor did not start"
    if record.cause in _CAUSES:
        return _CAUSES[record.cause]
    if record.cause == "timeout" or record.exit_code == 0:
        return None
    if record.signal in _SENT_BY_OTHERS:
        return f"it was killed by {record.signal}"
    if record.exit_code == _CHILD_KILLED:
        return "a process of it was killed by SIGKILL (exit status 137)"
    return _full_disk(folders, full_below_bytes)


def _full_disk(folders: Iterable[Path], below_bytes: int) -> str | None:
    for folder in folders:
        free = shutil.disk_usage(folder).free
        if free < below_bytes:
            return f"the disk of {folder} is full ({free} bytes left)"
    return None
