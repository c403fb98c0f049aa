"""A process that git kills: for tests of what is left when it ends anywhere."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path


def killing_git(folder: Path, number: int) -> str:
    """A PATH whose git kills the process that calls it in place of its `number`-th command."""
    folder.mkdir()
    (folder / "git").write_text(
        f'#!/bin/sh\necho >> "{folder}/count"\n'
        f'[ "$(wc -l < "{folder}/count")" -eq {number} ] && kill -9 $PPID && exit 1\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    (folder / "git").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def killed(act: Callable[[], object], path: str) -> bool:
    """Whether `act`, in a process of its own and with this PATH, was cut short."""
    child = os.fork()
    if child == 0:
        os.environ["PATH"] = path
        try:
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
