"""The daemon's own paths and limits."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import OrchestratorError, UsageError

POLL_S = 1.0
"""How often a host is looked at: an end is known well within the promised 3 s."""

CALL_DEADLINE_S = 8.0
"""The longest an ordinary call to a host may take; twice this is within the promised 20 s."""

SOCKET_PATH_LIMIT_BYTES = 100
"""`sun_path` holds 108 bytes on Linux and 104 on macOS."""


def poll_s() -> float:
    """Seconds between two looks; `ORCHESTRATOR_POLL_S` sets others.

    Raises:
        UsageError: it sets what is no number of seconds.
    """
    text = os.environ.get("ORCHESTRATOR_POLL_S", str(POLL_S))
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.05 <= seconds <= 60.0:
        raise UsageError(
            f"ORCHESTRATOR_POLL_S={text!r} is no number of seconds between 0.05 and 60.",
            "unset ORCHESTRATOR_POLL_S",
        )
    return seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePaths:
    """Everything the daemon keeps, under `<git common dir>/orchestrator/`."""

    root: Path

    @property
    def journal(self) -> Path:
        return self.root / "state.db"

    @property
    def lock(self) -> Path:
        return self.root / "daemon.lock"

    @property
    def log(self) -> Path:
        return self.root / "daemon.log"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def gates(self) -> Path:
        return self.root / "gates"

    @property
    def forecast(self) -> Path:
        return self.root / "forecast"

    @property
    def checks(self) -> Path:
        return self.root / "checks"

    @property
    def socket(self) -> Path:
        """Where the daemon listens. A path too long for a socket moves to a private short one."""
        path = self.root / "daemon.sock"
        if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT_BYTES:
            return path
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        return short_directory() / f"{name}.sock"

    def create(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)


def short_directory() -> Path:
    """A directory of this user alone, with a short path that cron, `su` and every shell agree on.

    Raises:
        OrchestratorError: somebody else made it first.
    """
    directory = Path("/tmp") / f"orchestrator-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or directory.is_symlink():
        raise OrchestratorError(
            f"{directory} is not private to this user, so no socket can be put there.",
            "remove it, or move the repository to a shorter path",
        )
    return directory
