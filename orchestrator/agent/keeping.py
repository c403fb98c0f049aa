"""What git does not hold of a worktree that is to go: found, moved aside, put back if it must stay.

Paths are relative to the worktree; a folder that moves whole ends in a slash. No link is followed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator import git
from orchestrator.agent import ignored
from orchestrator.agent.files import load_json, write_json

MANIFEST = "manifest.json"
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Belongings:
    """`kept` are results, copies and ignored files, `untracked` the other files git does not know.

    `recreated` are what the set-up made and nobody touched since; `made` the set-up's own paths.
    """

    kept: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    recreated: tuple[str, ...] = ()
    made: tuple[str, ...] = ()

    @property
    def repositories(self) -> tuple[str, ...]:
        """Repositories of their own among what is untracked: no snapshot could hold them."""
        return tuple(path for path in self.untracked if path.endswith("/"))


def belongings(worktree: Path, results: Sequence[str], setup_marker: Path) -> Belongings:
    """`results` are files and folders to keep, ignored or not.

    `setup_marker` names the paths the set-up made, and is as old as its end.
    """
    tree = git.Git(worktree)
    made = frozenset(load_json(setup_marker).get("made") or ())
    since_ns = setup_marker.stat().st_mtime_ns if made else 0
    kept: list[str] = []
    recreated: list[str] = []
    for path in git.ignored_files(tree):
        as_made = ignored.is_kept(path, made) and _changed_ns(worktree / path) <= since_ns
        (recreated if as_made else kept).append(path)
    folders = tuple(f"{os.path.normpath(path)}/" for path in results)
    unknown = git.status(tree, every_untracked=True).untracked
    return Belongings(
        kept=(*kept, *(path for path in unknown if f"{path}/".startswith(folders))),
        untracked=tuple(path for path in unknown if not f"{path}/".startswith(folders)),
        recreated=tuple(recreated),
        made=tuple(sorted(made)) if recreated else (),
    )


def _changed_ns(path: Path) -> int:
    # The time of the inode: unlike a file's date, no copying tool sets it back.
    return path.lstat().st_ctime_ns


def files_and_bytes(worktree: Path, paths: Sequence[str]) -> tuple[int, int]:
    files = size = 0
    for name in (name for path in paths for name in _below(worktree, path)):
        found = (worktree / name).lstat()
        files += 1
        size += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return files, size


def _below(root: Path, path: str) -> Iterator[str]:
    """The path itself, or everything below a folder that is no link; folders left out."""
    if not path.endswith("/") or (root / path.rstrip("/")).is_symlink():
        yield path.rstrip("/")
        return
    for folder, folders, files in os.walk(root / path):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        yield from (os.path.relpath(Path(folder, name), root) for name in (*links, *files))


def kept_folder(state: Path, name: str) -> Path:
    """Where this clean keeps files: a folder that is new, or that an interrupted clean began."""
    number, folder = 1, state / "kept" / name
    while os.path.lexists(folder) and load_json(folder / MANIFEST).get("complete") is not False:
        number += 1
        folder = state / "kept" / f"{name}.{number}"
    return folder


def lacking_room(state: Path, worktree: Path, found: Belongings) -> Iterator[str]:
    """Moving needs none; copying to another file system does."""
    if not found.kept and not found.untracked:
        return
    if worktree.stat().st_dev == state.stat().st_dev:
        return
    _, size = files_and_bytes(worktree, (*found.kept, *found.untracked))
    free = shutil.disk_usage(state).free
    if size > free:
        yield f"{state} has {free} bytes free, and {size} of {worktree} are to be kept there"


def fresh_folder(folder: Path) -> Path:
    """An empty folder; what an interrupted clean left in it is in the trash ref already."""
    discard(folder)
    folder.mkdir(parents=True, mode=0o700)
    return folder


def write_manifest(folder: Path, worktree: Path, paths: Sequence[str], workstream: str) -> None:
    """Say what is about to be moved to `folder`; what an interrupted clean had moved stays listed."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    earlier = {entry["path"]: entry for entry in load_json(folder / MANIFEST).get("files", ())}
    now = {name: _entry(worktree, name) for path in paths for name in _below(worktree, path)}
    files = [entry for _, entry in sorted({**earlier, **now}.items())]
    write_json(folder / MANIFEST, {"v": 1, "workstream": workstream, "complete": False, "files": files})


def abandon(folder: str | None) -> None:
    """Nothing was moved to it after all: folders that are empty go, with a list of nothing."""
    if folder is None or not Path(folder).is_dir():
        return
    files = [name for _, _, names in os.walk(folder) for name in names]
    if files in ([], [MANIFEST]):
        discard(Path(folder))


def complete_manifest(folder: Path) -> None:
    write_json(folder / MANIFEST, {**load_json(folder / MANIFEST), "complete": True})


def _entry(root: Path, name: str) -> dict[str, Any]:
    path = root / name
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return {"path": name, "link": str(path.readlink())}
    if not stat.S_ISREG(found.st_mode):
        return {"path": name, "special": True}
    return {"path": name, "size": found.st_size, "sha256": _digest(path)}


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


class CopyFailed(Exception):
    """A file could not be copied to another file system; it lies where it was."""


@dataclass(slots=True)
class Removal:
    """Moves out of a worktree, each of which can be taken back."""

    worktree: Path
    _moved: list[tuple[Path, Path]] = field(default_factory=list)

    def move(self, paths: Sequence[str], folder: Path) -> None:
        """Raises: OSError, CopyFailed: one could not be moved; `undo` takes back the others."""
        for path in paths:
            source, target = self.worktree / path.rstrip("/"), folder / path.rstrip("/")
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, "it is there already", str(target))
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _transfer(source, target)
            self._moved.append((source, target))

    def undo(self) -> None:
        for source, target in reversed(self._moved):
            source.parent.mkdir(parents=True, exist_ok=True)
            _transfer(target, source)
        self._moved.clear()


def _transfer(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_over(source, target)


def _copy_over(source: Path, target: Path) -> None:
    """To another file system: the source goes once the copy is whole."""
    try:
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy2(source, target, follow_symlinks=False)
            _require_same(source, target)
    except (OSError, shutil.Error) as error:
        discard(target)
        raise CopyFailed(f"{source} could not be copied to {target}: {error}") from error
    discard(source)


def _require_same(source: Path, target: Path) -> None:
    if not source.is_symlink() and _digest(source) != _digest(target):
        raise OSError(errno.EIO, "the copy differs", str(target))


def discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        ignored.remove_folder(path)
    else:
        with suppress(FileNotFoundError):
            path.unlink()
