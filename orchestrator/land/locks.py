"""Locks that a killed git left behind: removed where they are proved to be ours, else refused by name.

Proved means: the journal says that a move was begun, no git of ours lives, no other git is at work in
the repository, the lock has not changed for a while, and it holds what git writes for that very move.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator import git
from orchestrator.agent.files import open_lock, try_lock
from orchestrator.errors import Refused
from orchestrator.git import Git
from orchestrator.home import Home

GIT_PATIENCE_S = 10.0
"""How long a git that a killed landing started may take to end by itself."""

_STILL_S = 1.1
_READERS = frozenset({"log", "show", "diff", "blame", "grep", "cat-file", "fsmonitor--daemon"})


@dataclass(frozen=True, slots=True)
class Grip:
    """The right to move refs and checkouts of a repository.

    Every git started with it holds the lock too, for as long as it runs: it outlives a killed parent.
    """

    home: Home
    descriptor: int

    @property
    def repository(self) -> Git:
        """Its objects and refs are on the disk when it returns."""
        return self.at(self.home.root)

    def at(self, folder: Path) -> Git:
        return Git(folder, settings=("core.fsync=committed,reference",), pass_fds=(self.descriptor,))


@contextmanager
def grip(home: Home) -> Iterator[Grip]:
    """Whoever holds it knows that no git of an earlier move is alive.

    Raises:
        Refused: one still runs.
    """
    path = home.state.root / "moving.lock"
    descriptor = open_lock(path)
    give_up_at = time.monotonic() + GIT_PATIENCE_S
    try:
        while not try_lock(descriptor):
            if time.monotonic() > give_up_at:
                raise Refused(
                    f"a git of an interrupted landing still runs{_holders(path)}.",
                    "try again when it has ended, or end it",
                )
            time.sleep(0.02)
        yield Grip(home, descriptor)
    finally:
        os.close(descriptor)


def _holders(path: Path) -> str:
    found = [str(pid) for pid in _processes() if pid != os.getpid() and path in _open_files(pid)]
    return f", pid {', '.join(found)}" if found else ""


def _open_files(pid: int) -> Iterator[Path]:
    try:
        yield from [entry.readlink() for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:  # gone, or somebody else's
        return


def ref_locks(
    git_dirs: Collection[Path], common_dir: Path, values: Mapping[str, set[str]]
) -> dict[Path, Proof]:
    """The locks git takes for a transaction over these refs, each with its proof.

    `values` are what each ref may have been locked for: a lock holds the new object, or nothing yet.
    """
    found: dict[Path, Proof] = {common_dir / f"{ref}.lock": _holds(ids) for ref, ids in values.items()}
    found |= {folder / "HEAD.lock": _holds(set()) for folder in git_dirs}
    return {**found, common_dir / "packed-refs.lock": _holds(set())}


Proof = Callable[[Path], bool]
"""Whether a lock's content is what git wrote for our move."""


def _holds(ids: set[str]) -> Proof:
    def proved(lock: Path) -> bool:
        return lock.read_bytes()[:100].decode("ascii", "replace").strip() in {"", *ids}

    return proved


def index_lock(worktree: Path, marks: Collection[str]) -> tuple[Path, Proof]:
    """The lock of a checkout's index: ours holds one of `marks`, that of a git we started is not whole.

    A whole index is what `git commit -a` of a user holds for as long as an editor is open.
    """

    def proved(lock: Path) -> bool:
        content = lock.read_bytes()
        return content.decode("ascii", "replace").strip() in marks or not _is_whole(content)

    return git.git_dir(worktree) / "index.lock", proved


def _is_whole(index: bytes) -> bool:
    """False for one that was being written: it ends with a hash of itself, or with zeros."""
    if len(index) < 32:
        return False
    sums = (hashlib.sha1(index[:-20]).digest(), hashlib.sha256(index[:-32]).digest(), bytes(20))
    return any(index.endswith(end) for end in sums)


def clear(home: Home, locks: Mapping[Path, Proof]) -> None:
    """Remove those of `locks` that are there and proved to be ours; waits a second when there are any.

    Raises:
        Refused: one is not, or another git is at work; nothing was removed.
    """
    before = _seen(locks)
    if not before:
        return
    time.sleep(_STILL_S)
    after = _seen(locks)
    for lock in after:
        if before.get(lock) != after[lock]:
            raise _not_ours(lock, "another git is at work there")
        if not locks[lock](lock):
            raise _not_ours(lock, "it does not hold what the interrupted landing would have written")
    empty = [lock for lock, (_, size, _) in after.items() if size == 0]
    busy = _at_work(home) if empty else ()  # what a lock says proves more than who is about
    if busy:
        raise _not_ours(empty[0], f"it may be that of git with pid {', '.join(map(str, busy))}")
    for lock in after:
        lock.unlink(missing_ok=True)
        if lock.name == "packed-refs.lock":
            lock.with_suffix(".new").unlink(missing_ok=True)


def _seen(locks: Mapping[Path, Proof]) -> dict[Path, tuple[int, int, int]]:
    found = {}
    for lock in locks:
        try:
            stat = lock.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        found[lock] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    return found


def _not_ours(lock: Path, why: str) -> Refused:
    return Refused(
        f"the lock {lock} is in the way of an interrupted landing, and is left alone: {why}.",
        "when no git runs in this repository any more, remove that file and run it again",
    )


def _at_work(home: Home) -> tuple[int, ...]:
    """Every git that runs in this repository and may write; none where there is no /proc."""
    folders = [str(home.common_dir), *(worktree.path for worktree in git.list_worktrees(home.git))]
    return tuple(pid for pid in _processes() if _writes(pid) and _is_in(pid, folders))


def _processes() -> list[int]:
    proc = Path("/proc")
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()] if proc.is_dir() else []


def _writes(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return False
    return Path(words[0]).name == "git" and not _READERS.intersection(words)


def _is_in(pid: int, folders: Collection[str]) -> bool:
    try:
        cwd = str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return False
    return any(cwd == folder or cwd.startswith(f"{folder}/") for folder in folders)
