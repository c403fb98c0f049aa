"""The folder that results are put into, held by descriptors: no link in any path is ever followed.

`<to>/<name>/` holds nothing but results; `<to>/.orchestrator/<name>/` the manifest, the lock and what is
still on its way. Workstreams' names begin with a letter or digit, so that no other can get there.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.agent.files import load_json, open_lock, try_lock, write_json
from orchestrator.errors import Refused
from orchestrator.results.manifest import Manifest, read_manifest

OURS = ".orchestrator"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOCK_PAUSE_S = 0.1


class InTheWay(Refused):
    """Something here keeps a result from its place: a link, or a file where a folder should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """`root` and `staging` are open; `lock` is held, by whoever inherits it too."""

    path: Path
    ours: Path
    root: int
    staging: int
    lock: int

    @property
    def staging_path(self) -> Path:
        return self.ours / "staging"

    def manifest(self) -> Manifest:
        return load_manifest(self.ours)

    def keep(self, manifest: Manifest) -> None:
        write_json(self.ours / "manifest.json", manifest.document())

    def stamp_of(self, path: str) -> str | None:
        """Of a plain file in its place; None where there is none, or something else.

        Raises:
            InTheWay: a folder of the path is a link.
        """
        folder, _, name = path.rpartition("/")
        with suppress(FileNotFoundError), opened(self.root, folder, make=False) as parent:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            return local_stamp(found) if stat.S_ISREG(found.st_mode) else None
        return None

    def open_file(self, root: int, path: str) -> int:
        """A descriptor of a plain file below `root` or `staging`.

        Raises:
            OSError: there is none, or something else is in its place.
        """
        folder, _, name = path.rpartition("/")
        with opened(root, folder, make=False) as parent:
            descriptor = os.open(name, _FILE, dir_fd=parent)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "is no plain file", path)
        return descriptor

    def put(self, path: str, earlier: str | None) -> str:
        """Move a staged file to its place, what is there to the name `earlier`; its stamp here.

        Raises:
            InTheWay: its place cannot be had.
        """
        folder, _, name = path.rpartition("/")
        with opened(self.staging, folder, make=False) as source, opened(self.root, folder) as target:
            if earlier is not None:
                os.rename(name, earlier, src_dir_fd=target, dst_dir_fd=target)
            try:
                os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
            except (IsADirectoryError, NotADirectoryError) as error:
                raise InTheWay(f"{self.path / path} is a folder here and a file there.") from error
            return local_stamp(os.stat(name, dir_fd=target, follow_symlinks=False))

    def free_name(self, path: str, word: str) -> str:
        """A name beside `path` for the version that is there, after who wrote it; without its folder."""
        folder, _, name = path.rpartition("/")
        with opened(self.root, folder) as parent:
            names = set(os.listdir(parent))  # noqa: PTH208 (a Path knows no descriptor)
        number, wanted = 1, f"{name}.~{word}~"
        while wanted in names:
            number, wanted = number + 1, f"{name}.~{word}.{number + 1}~"
        return wanted

    def discard_staged(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        with suppress(OSError), opened(self.staging, folder, make=False) as parent:
            os.unlink(name, dir_fd=parent)


def local_stamp(found: os.stat_result) -> str:
    return f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}"


def places(plan_folder: Path, to: str, name: str) -> tuple[Path, Path]:
    """Where a workstream's results lie, and where what we know of them."""
    return plan_folder / to / name, plan_folder / to / OURS / name


def load_manifest(ours: Path) -> Manifest:
    return read_manifest(load_json(ours / "manifest.json"))


@contextmanager
def receiving(plan_folder: Path, to: str, name: str, go_on: Callable[[], None]) -> Iterator[Receiving]:
    """Folders made where they lack, and the workstream's lock; waits for who holds it.

    `go_on` is asked meanwhile, and raises to give up.

    Raises:
        InTheWay: one of them is a link, or a file.
    """
    path, ours = places(plan_folder, to, name)
    base = os.open(plan_folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with (
            opened(base, f"{to}/{name}") as root,
            opened(base, f"{to}/{OURS}/{name}/staging", mode=0o700) as staging,
            _locked(ours / "lock", go_on) as lock,
        ):
            yield Receiving(path=path, ours=ours, root=root, staging=staging, lock=lock)
    finally:
        os.close(base)


@contextmanager
def _locked(path: Path, go_on: Callable[[], None]) -> Iterator[int]:
    lock = open_lock(path)
    try:
        while not try_lock(lock):
            go_on()
            time.sleep(_LOCK_PAUSE_S)
        yield lock
    finally:
        os.close(lock)


@contextmanager
def opened(base: int, path: str, *, make: bool = True, mode: int = 0o755) -> Iterator[int]:
    """A folder below `base`, part by part.

    Raises:
        FileNotFoundError: it is not there and not to be made.
        InTheWay: a part of the path is a link, or no folder.
    """
    folder = os.dup(base)
    try:
        for part in path.split("/") if path else ():
            below = _open_part(folder, part, path, mode if make else None)
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)


def _open_part(folder: int, part: str, path: str, mode: int | None) -> int:
    if mode is not None:
        with suppress(FileExistsError):
            os.mkdir(part, mode, dir_fd=folder)
    try:
        return os.open(part, _FOLDER, dir_fd=folder)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        what = "a link" if _is_link(folder, part) else "no folder"
        raise InTheWay(
            f"{part} in {path} is {what}: results are put through none.", "move it away; a folder is made"
        ) from error


def _is_link(folder: int, part: str) -> bool:
    return stat.S_ISLNK(os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode)
