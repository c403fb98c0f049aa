"""Removes what is older than it has to be kept, by this host's clock. No link is followed.

A launch whose supervisor lives is never touched, nor the log that a planned worker writes to, nor an
agent that some process was started from.
"""

from __future__ import annotations

import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator import supervise
from orchestrator.wire import Prune, Pruned

AGENTS_KEPT_S = 30 * 86400.0
_FAILURES_TOLD = 10


@dataclass(slots=True)
class _Tally:
    files: int = 0
    bytes: int = 0
    failed: list[str] = field(default_factory=list)

    def remove(self, path: Path) -> None:
        """A file, a link itself, or a folder with all that is in it."""
        files = [file for file in _files_in(path) if not file.is_dir()]
        size = sum(_size(file) for file in files)
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:
            self.failed.append(f"{path}: {error.strerror}")
            return
        self.files += len(files)
        self.bytes += size


def prune(request: Prune) -> Pruned:
    state, now = Path(request.place.state), time.time()
    tally = _Tally()
    for path in _old_launches(state, now - request.logs_s, set(request.launches)):
        tally.remove(path)
    for path in _old_logs(state, now - request.logs_s, set(request.workstreams)):
        tally.remove(path)
    if request.results_s is not None:
        for path in _entries(state / "kept"):
            if _newest(path) < now - request.results_s:
                tally.remove(path)
    for path in _old_agents(now - AGENTS_KEPT_S):
        tally.remove(path)
    return Pruned(files=tally.files, bytes=tally.bytes, failed=tuple(tally.failed[:_FAILURES_TOLD]))


def _old_launches(state: Path, before: float, wanted: set[str]) -> Iterator[Path]:
    for folder in _entries(state / "launches"):
        ended = not (folder / "supervisor.json").exists() or (folder / "exit.json").exists()
        old = ended and _newest(folder) < before
        if old and folder.name not in wanted and not supervise.is_running(str(folder)):
            yield folder


def _old_logs(state: Path, before: float, planned: set[str]) -> Iterator[Path]:
    for folder in _entries(state / "logs"):
        for file in _entries(folder):
            current = file.name == "worker.log" and folder.name in planned
            if not current and not file.name.startswith(".") and _modified(file) < before:
                yield file
        if folder.name not in planned and all(file.name.startswith(".") for file in _entries(folder)):
            yield folder
    for file in _files_in(state / "gates"):
        if _is_verdict_or_log(file) and _modified(file) < before:
            yield file


def _is_verdict_or_log(file: Path) -> bool:
    return "results" in file.parts or file.suffix in (".log", ".patch") or file.name.endswith(".log.1")


def _old_agents(before: float) -> Iterator[Path]:
    """Zips, and what was made of them, that no process was started from."""
    own = next((parent for parent in Path(__file__).parents if parent.suffix == ".zip"), None)
    if own is None:
        return
    in_use = _command_lines()
    for path in _entries(own.parent):
        is_own = path.name.startswith(own.stem)
        if not is_own and _modified(path) < before and str(path).encode() not in in_use:
            yield path


def _command_lines() -> bytes:
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(process.read_bytes())
    return b"\0".join(lines)


def _entries(folder: Path) -> list[Path]:
    """Nothing of a folder that is not there, or is a link to somewhere else."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    return sorted(folder.iterdir())


def _files_in(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.is_dir():
        yield path
        return
    for entry in _entries(path):
        yield from _files_in(entry)


def _newest(path: Path) -> float:
    """When the newest file in it was written; its own time where it holds none."""
    return max(_times(_files_in(path)), default=_modified(path))


def _times(files: Iterable[Path]) -> Iterator[float]:
    return (_modified(file) for file in files)


def _modified(path: Path) -> float:
    """Of what is just going, or cannot be looked at: now, so that it stays."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return time.time()


def _size(path: Path) -> int:
    try:
        found = path.lstat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
