"""The untracked files that a plan carries into worktrees and gate checkouts."""

from __future__ import annotations

import base64
import stat
from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import Refused
from orchestrator.wire import CopiedFile

COPY_LIMIT_BYTES = 16 * 1024 * 1024


def copied_files(root: Path, paths: Sequence[str]) -> tuple[CopiedFile, ...]:
    """The files, read from the repository's folder.

    Raises:
        Refused: one is missing, no plain file inside the repository, or too large.
    """
    return tuple(_copied(root, path) for path in paths)


def _copied(root: Path, path: str) -> CopiedFile:
    source = root / path
    if not source.resolve().is_relative_to(root.resolve()):
        raise Refused(f"copy: {path} leads out of the repository.")
    if source.is_dir():
        raise Refused(f"copy: {path} is a directory; name files.")
    if not source.is_file():
        raise Refused(f"copy: there is no file {path} in {root}.", "create it, or take it out of the plan")
    found = source.stat()
    if found.st_size > COPY_LIMIT_BYTES:
        raise Refused(f"copy: {path} has {found.st_size} bytes; the limit is {COPY_LIMIT_BYTES}.")
    content = base64.b64encode(source.read_bytes()).decode()
    return CopiedFile(path=path, mode=stat.S_IMODE(found.st_mode), content=content)
