"""Small files: locks, atomic replacement, and writing into worktrees without leaving them."""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.agent.refusals import CannotStart
from orchestrator.wire import CopiedFile


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold an exclusive lock; blocks. Yields the descriptor, for children that must outlive us with it."""
    descriptor = open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def open_lock(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def load_json(path: Path) -> dict[str, Any]:
    """The object in a file of ours; empty when absent or torn."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, content: object) -> None:
    """Replace a file atomically, readable by this user only."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(content, file)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def text_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def inside(worktree: Path, relative: str) -> Path:
    """The absolute path of `relative`, symlinks followed.

    Raises:
        CannotStart: it would leave the worktree, or enter its `.git`.
    """
    root = worktree.resolve()
    path = Path(root, relative)
    parent = path.parent.resolve()
    target = parent / path.name
    if path.name in ("", "..") or not parent.is_relative_to(root) or target == root / ".git":
        raise CannotStart("copy", f"{relative} would leave the worktree {worktree}")
    if (root / ".git") in (parent, *parent.parents):
        raise CannotStart("copy", f"{relative} lies in {worktree}/.git")
    return target


def make_folder(worktree: Path, relative: str) -> Path:
    """A directory in the worktree, made when absent."""
    if Path(relative) == Path():
        return worktree
    folder = inside(worktree, relative)
    if folder.is_symlink() and not folder.resolve().is_relative_to(worktree.resolve()):
        raise CannotStart("copy", f"{relative} is a link out of the worktree {worktree}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def make_skeleton(worktree: Path, folders: Sequence[str]) -> None:
    """Directories, with an empty `.gitkeep` where git would otherwise not see them."""
    for relative in folders:
        make_folder(worktree, relative)
    for relative in folders:
        folder = make_folder(worktree, relative)
        if not any(folder.iterdir()):
            (folder / ".gitkeep").touch()


def copy_files(worktree: Path, files: Sequence[CopiedFile], *, overwrite: bool = False) -> None:
    for file in files:
        target = inside(worktree, file.path)
        if overwrite or not os.path.lexists(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(target, _content(file), file.mode, overwrite=overwrite)


def _content(file: CopiedFile) -> bytes:
    try:
        return base64.b64decode(file.content, validate=True)
    except binascii.Error as error:
        raise CannotStart("copy", f"{file.path}: the content is not base64") from error


def _copy(target: Path, content: bytes, mode: int, *, overwrite: bool) -> None:
    # A complete file appears at once: one cut short by a crash would never be overwritten.
    temporary = target.with_name(f".{target.name}.orchestrator-copy")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode & 0o777)
        if overwrite:
            temporary.replace(target)
        else:
            _link_new(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _link_new(temporary: Path, target: Path) -> None:
    try:
        target.hardlink_to(temporary)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not os.path.lexists(target):
            temporary.replace(target)


def tail(path: Path, limit_bytes: int) -> bytes:
    """The end of a file; empty when absent."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - limit_bytes))
            return file.read(limit_bytes)
    except OSError:
        return b""
