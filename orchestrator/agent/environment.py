"""The environment of commands, and where the supervisor's program lies."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path

from orchestrator import supervise

# What belongs to the terminal or shell the daemon was started from.
_PERSONAL = {"TERM", "TMUX", "TMUX_PANE", "PWD", "OLDPWD", "SHLVL", "_", "LINES", "COLUMNS"}


def clean_environment() -> None:
    """Remove from this process what must reach neither tmux nor any command."""
    from orchestrator.git.command import leaked_variables  # not for who only looks at launches

    for name in [*_PERSONAL - {"TERM", "PWD"}, *leaked_variables()]:
        os.environ.pop(name, None)
    for name in [name for name in os.environ if name.startswith("ORCHESTRATOR_")]:
        del os.environ[name]


def command_environment(*overlays: dict[str, str]) -> dict[str, str]:
    """This agent's environment under `overlays`.

    Workers get it too: a tmux server keeps the environment of the day it was started, and workers,
    set-ups and gates must find the same programs.
    """
    combined = {
        name: value
        for name, value in os.environ.items()
        if name not in _PERSONAL and not name.startswith("ORCHESTRATOR_")
    }
    for overlay in overlays:
        combined.update(overlay)
    return combined


def supervisor_argv(spec: Path) -> list[str]:
    return [sys.executable or "python3", "-S", "-E", str(supervisor_folder()), str(spec)]


@cache
def supervisor_folder() -> Path:
    """The supervisor as files: in place, or unpacked once beside the zip this agent runs from."""
    folder = Path(supervise.__file__).parent
    if folder.is_dir():
        return folder
    archive = next(parent for parent in folder.parents if parent.is_file())
    return unpack(archive, folder.relative_to(archive).as_posix())


def unpack(archive: Path, prefix: str) -> Path:
    target = archive.with_name(f"{archive.stem}.supervise")
    if target.is_dir():
        return target
    # Launches run in threads of one agent, and agents of several projects share the folder.
    staging = Path(tempfile.mkdtemp(prefix=f".{archive.stem}.", dir=archive.parent))
    with zipfile.ZipFile(archive) as zipped:
        for name in zipped.namelist():
            if name.startswith(f"{prefix}/") and name.endswith(".py"):
                (staging / Path(name).name).write_bytes(zipped.read(name))
    try:
        staging.rename(target)
    except OSError:  # another was faster
        shutil.rmtree(staging, ignore_errors=True)
        if not target.is_dir():
            raise
    return target
