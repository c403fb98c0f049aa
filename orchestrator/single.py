"""One daemon for one repository: the lock that says so, and whose pid it holds."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from typing import IO

from orchestrator.errors import Refused
from orchestrator.settings import StatePaths

LOCK_PATIENCE_S = 0.5
"""Commands look at the lock by sharing it for a moment; that must not look like a second daemon."""


def take_lock(paths: StatePaths) -> IO[str]:
    """Hold the returned file open for as long as this process is the daemon.

    Raises:
        Refused: another one is.
    """
    file = paths.lock.open("a+")
    give_up_at = time.monotonic() + LOCK_PATIENCE_S
    while not _locked(file):
        if time.monotonic() >= give_up_at:
            file.seek(0)
            raise Refused(f"a daemon already runs here, with pid {file.read().strip()}.")
        time.sleep(0.02)
    with suppress(OSError):  # a full disk; the lock counts, the number is for people
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
    return file


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
