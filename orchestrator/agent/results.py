"""What workers leave in their worktrees: listed and hashed, folder by folder, without following a link."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.agent.files import load_json, write_json
from orchestrator.agent.launches import launch_folder
from orchestrator.agent.refusals import require_safe_name
from orchestrator.core.ownership import covers
from orchestrator.wire import (
    Finished,
    HashResults,
    ListResults,
    Portion,
    ResultFile,
    ResultFiles,
    ResultHash,
    ResultHashes,
    ResultsListed,
)

Emit = Callable[[object], None]

FILES_LIMIT = 50_000
"""More than these are no results that anybody looks at: a data set, or a runaway."""

_LEFT_OUT_LIMIT = 100
_DEPTH_LIMIT = 64
_BATCH = 500
_CHUNK_BYTES = 1024 * 1024
_CLOCK_GRAIN_NS = 20_000_000  # file systems take their times from a clock that ticks every 1 to 10 ms
_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC  # whoever made the plan may have named a link
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A named pipe that takes a file's place must not block us.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(slots=True)
class _Listing:
    request: ListResults
    files: list[ResultFile] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    unlisted: bool = False

    def leave_out(self, path: str, reason: str) -> None:
        if len(self.left_out) < _LEFT_OUT_LIMIT:
            self.left_out[path] = reason

    def is_wanted(self, path: str) -> bool:
        """Of a folder as of a file."""
        name = path.rpartition("/")[2]
        return not any(covers(pattern, path) or covers(pattern, name) for pattern in self.request.exclude)


def list_results(request: ListResults, emit: Emit) -> ResultsListed:
    listing = _Listing(request)
    try:
        root = os.open(request.worktree, _ROOT)
    except (FileNotFoundError, NotADirectoryError):
        return ResultsListed(worktree=False)
    try:
        for include in dict.fromkeys(request.include):
            _list_below(listing, root, include.rstrip("/"))
    finally:
        os.close(root)
    unique = list({file.path: file for file in listing.files}.values())
    for start in range(0, len(unique), _BATCH):
        emit(ResultFiles(files=tuple(unique[start : start + _BATCH])))
    return ResultsListed(
        worktree=True,
        left_out=listing.left_out,
        unlisted=listing.unlisted,
        since_ns=_begun_ns(request),
        now_ns=time.time_ns(),
    )


def _begun_ns(request: ListResults) -> int | None:
    if request.launch is None:
        return None
    with suppress(OSError):
        return (launch_folder(request.place, request.launch) / "spec.json").stat().st_mtime_ns
    return None


def _list_below(listing: _Listing, root: int, include: str) -> None:
    """What `include` names: a file, a folder with all that is in it, or a glob below its fixed part."""
    fixed = _fixed_part(include)
    try:
        folder = _open_folder(root, fixed.rpartition("/")[0])
    except FileNotFoundError:
        return
    except OSError as error:
        listing.leave_out(fixed, _words(error))
        return
    try:
        _list_entry(listing, folder, fixed, lambda path: covers(include, path), depth=0)
    finally:
        os.close(folder)


def _fixed_part(include: str) -> str:
    parts = include.split("/")
    plain = next((n for n, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    return "/".join(parts[:plain]) or "."


def _list_entry(
    listing: _Listing, folder: int, path: str, is_included: Callable[[str], bool], depth: int
) -> None:
    name = path.rpartition("/")[2]
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            if depth < _DEPTH_LIMIT and (path == "." or listing.is_wanted(path)) and name != ".git":
                _list_folder(listing, folder, path, is_included, depth)
        elif is_included(path) and listing.is_wanted(path):
            _list_file(listing, folder, path, found)
    except FileNotFoundError:
        return
    except OSError as error:
        listing.leave_out(path, _words(error))


def _list_folder(
    listing: _Listing, parent: int, path: str, is_included: Callable[[str], bool], depth: int
) -> None:
    folder = os.open(path.rpartition("/")[2], _FOLDER, dir_fd=parent)
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            if listing.unlisted:
                return
            _list_entry(listing, folder, name if path == "." else f"{path}/{name}", is_included, depth + 1)
    finally:
        os.close(folder)


def _list_file(listing: _Listing, folder: int, path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        listing.leave_out(path, "is a link" if stat.S_ISLNK(found.st_mode) else "is no plain file")
        return
    if not os.access(path.rpartition("/")[2], os.R_OK, dir_fd=folder):
        listing.leave_out(path, os.strerror(errno.EACCES))
        return
    if len(listing.files) >= FILES_LIMIT:
        listing.unlisted = True
        return
    listing.files.append(
        ResultFile(
            path=path,
            size=found.st_size,
            allocated=found.st_blocks * 512,
            mtime_ns=found.st_mtime_ns,
            stamp=stamp_of(found),
        )
    )


def stamp_of(found: os.stat_result) -> str:
    # The inode's own time with the rest: a tool that copies a file's date cannot set it.
    return f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}"


def _open_folder(root: int, path: str) -> int:
    """Raises: OSError: a part of the path is missing, a link or no folder."""
    folder = os.dup(root)
    for part in path.split("/") if path else ():
        below = -1
        try:
            below = os.open(part, _FOLDER, dir_fd=folder)
        finally:
            os.close(folder)
        folder = below
    return folder


def _words(error: OSError) -> str:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "a folder of its path is a link, or none"
    return error.strerror or str(error)


# --- hashes ---------------------------------------------------------------------------------------


def hash_results(request: HashResults, emit: Emit) -> Finished:
    path = _cache(request)
    known = {name: entry for name, entry in load_json(path).items() if isinstance(entry, list)}
    root = os.open(request.worktree, _ROOT)
    try:
        for portions in _batches(request.portions):
            hashes = tuple(_hash(root, portion, known) for portion in portions)
            emit(ResultHashes(hashes=hashes))
    finally:
        os.close(root)
    with suppress(OSError):  # a full disk: it is only found out again
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(path, dict(list(known.items())[-FILES_LIMIT:]))
    return Finished()


def _cache(request: HashResults) -> Path:
    name = require_safe_name(request.workstream, "workstream name")
    return Path(request.place.state, "results", f"{name}.json")


def _batches(portions: Sequence[Portion]) -> Iterator[Iterable[Portion]]:
    for start in range(0, len(portions), _BATCH):
        yield portions[start : start + _BATCH]


def _hash(root: int, portion: Portion, known: dict[str, list[str]]) -> ResultHash:
    folder, _, name = portion.path.rpartition("/")
    try:
        parent = _open_folder(root, folder)
        try:
            descriptor = os.open(name, _FILE, dir_fd=parent)
        finally:
            os.close(parent)
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123
            return _hash_open(file.fileno(), portion, known)
    except OSError as error:
        return ResultHash(path=portion.path, reason=_words(error))


def _hash_open(descriptor: int, portion: Portion, known: dict[str, list[str]]) -> ResultHash:
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        return ResultHash(path=portion.path, reason="is no plain file")
    stamp = stamp_of(before)
    whole = portion.size is None or portion.size == before.st_size
    if whole and (kept := known.get(portion.path)) and kept[0] == stamp:
        return ResultHash(path=portion.path, sha256=kept[1], stamp=stamp)
    digest = sha256_of(descriptor, portion.size)
    if stamp_of(os.fstat(descriptor)) != stamp or _is_fresh(before):
        return ResultHash(path=portion.path, sha256=digest)
    if whole:
        known.pop(portion.path, None)
        known[portion.path] = [stamp, digest]
    return ResultHash(path=portion.path, sha256=digest, stamp=stamp)


def _is_fresh(found: os.stat_result) -> bool:
    """Changed so lately that one more change might leave it the same stamp."""
    return abs(time.time_ns() - found.st_ctime_ns) < _CLOCK_GRAIN_NS


def sha256_of(descriptor: int, size: int | None = None) -> str:
    """Of an open file from its beginning, or of the first `size` bytes."""
    digest, offset = hashlib.sha256(), 0
    while size is None or offset < size:
        wanted = _CHUNK_BYTES if size is None else min(_CHUNK_BYTES, size - offset)
        chunk = os.pread(descriptor, wanted, offset)
        if not chunk:
            break
        digest.update(chunk)
        offset += len(chunk)
    return digest.hexdigest()
