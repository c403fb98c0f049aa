"""Who this host is and what it has."""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import subprocess
import time
from functools import cache
from pathlib import Path

from orchestrator.errors import CommandFailed, Refused
from orchestrator.supervise.records import boot_id as read_boot_id
from orchestrator.wire import PROTOCOL_VERSION, Hello, HostFacts, Inspect, Inspection

VERSION_TIMEOUT_S = 3.0
_SYSTEMD_RUNS = Path("/run/systemd/system")
_LINGER = Path("/var/lib/systemd/linger")


def hello(request: Hello) -> HostFacts:
    """Raises: Refused: whoever asks speaks another protocol."""
    if request.protocol != PROTOCOL_VERSION:
        raise Refused(f"the agent speaks protocol {PROTOCOL_VERSION}, whoever asks {request.protocol}")
    return HostFacts(
        protocol=PROTOCOL_VERSION,
        pid=os.getpid(),
        python=platform.python_version(),
        boot_id=boot_id(),
        user=_user(),
        home=str(Path.home()),
        git=_answer("git", "--version"),
        tmux=_answer("tmux", "-V"),
    )


def inspect(request: Inspect) -> Inspection:
    """Raises: CommandFailed: no parent of the folder can be read."""
    folder = _existing(Path(request.folder).expanduser())
    try:
        disk = shutil.disk_usage(folder)
    except OSError as error:
        raise CommandFailed(f"the disk of {folder} cannot be measured: {error.strerror}") from error
    return Inspection(
        facts=hello(Hello()),
        rsync=_answer("rsync", "--version"),
        disk_free_bytes=disk.free,
        disk_total_bytes=disk.total,
        folder_writable=os.access(folder, os.W_OK | os.X_OK),
        wall_clock=time.time(),
        lingering=(_LINGER / _user()).exists() if _SYSTEMD_RUNS.is_dir() else None,
    )


@cache
def boot_id() -> str:
    return read_boot_id() or f"{platform.node()}-unknown"


def _existing(folder: Path) -> Path:
    return next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose uid has no name
        return str(os.getuid())


def _answer(*argv: str) -> str | None:
    """The first line a program prints; None when it is missing or does not answer."""
    output = program_output(*argv)
    return output.splitlines()[0].strip() if output else None


def program_output(*argv: str) -> str | None:
    """All it prints; None when it is missing, fails or does not answer."""
    try:
        done = subprocess.run(argv, capture_output=True, timeout=VERSION_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace")
