"""A place for objects that nobody shall keep: merges that are only tried, work that is only looked at."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.git.command import Git

_MEMORY = "/dev/shm"
_LEAST_FREE_BYTES = 512 * 1024 * 1024
_SETTINGS = ("core.fsync=none", "core.looseCompression=0")


@contextmanager
def quarantine(common_dir: str | Path, directory: str | Path | None = None) -> Iterator[Git]:
    """Git in `directory` (default: the repository) that reads the repository's objects and writes none.

    What it writes lies in a folder, in memory where there is room, that is removed on leaving.
    """
    with tempfile.TemporaryDirectory(prefix="orchestrator-objects-", dir=_roomy_folder()) as name:
        objects = Path(name, "objects")
        (objects / "info").mkdir(parents=True)
        (objects / "pack").mkdir()
        # A file, since in the variable for it a colon would end a path.
        (objects / "info" / "alternates").write_bytes(bytes(Path(common_dir, "objects").absolute()) + b"\n")
        environment = {"GIT_OBJECT_DIRECTORY": str(objects)}
        yield Git(directory or common_dir, _SETTINGS, environment=environment)


def _roomy_folder() -> str | None:
    try:
        found = os.statvfs(_MEMORY)
    except OSError:
        return None
    roomy = found.f_bavail * found.f_frsize >= _LEAST_FREE_BYTES
    return _MEMORY if roomy and os.access(_MEMORY, os.W_OK | os.X_OK) else None
