"""What is seen of launches, cheaply: a file is read again only when its stamp changed, nothing forks."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator import supervise
from orchestrator.agent import contract
from orchestrator.agent.asking import Asking, Quiet
from orchestrator.agent.files import load_json, tail
from orchestrator.agent.host import boot_id
from orchestrator.agent.launches import exit_of, launch_folder
from orchestrator.supervise.records import ExitRecord, read_exit, read_json
from orchestrator.wire import (
    Exit,
    LaunchSeen,
    Metrics,
    Probe,
    Progress,
    ReadMetrics,
    Seen,
    Watched,
)

LAST_LINE_BYTES = 4096
# A lost supervisor's processes get seconds to end: that long a probe does not wait.
SETTLE_WAIT_S = 1.0

Stamp = tuple[int, int, int] | None


@dataclass(slots=True)
class _Known:
    """What is remembered of one launch, with the stamp of the file it was read from."""

    folder: str
    results: str
    log: str
    begun_ns: int = 0
    exit: Exit | None = None
    beat_stamp: Stamp = None
    beat_seq: int = 0
    output_seq: int = 0
    progress_stamp: Stamp = None
    progress: Progress | None = None
    progress_error: str | None = None
    log_stamp: Stamp = None
    last_line: str = ""


@dataclass(slots=True)
class Watch:
    """The memory of one agent; losing it costs time only."""

    _known: dict[tuple[str, str, str], _Known] = field(default_factory=dict)
    _settling: dict[str, Future[ExitRecord | None]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _settlers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8))
    _asking: Asking = field(default_factory=Asking)

    def probe(self, request: Probe) -> Seen:
        with self._lock:
            wait_until = time.monotonic() + SETTLE_WAIT_S
            for watched in request.launches:
                self._begin_settling(self._remembered(request, watched))
            if self._settling:
                wait(list(self._settling.values()), max(0.0, wait_until - time.monotonic()))
            launches = tuple(self._seen(request, watched) for watched in request.launches)
            asking = self._asking.lines(self._talked_with(request))
            self._forget(request)
        asked = tuple(replace(seen, asks=asking.get(seen.launch)) for seen in launches)
        free, total = _disk_of(request.place.worktrees)
        return Seen(boot_id=boot_id(), launches=asked, disk_free_bytes=free, disk_total_bytes=total)

    def _talked_with(self, request: Probe) -> list[Quiet]:
        """The living launches that people talk with, each with the stamp of what it printed last."""
        found = []
        for watched in request.launches:
            known = self._known.get((request.place.state, watched.launch, watched.results))
            if watched.screen is not None and known is not None and known.exit is None:
                found.append(Quiet(watched.launch, watched.screen, known.log_stamp))
        return found

    def _remembered(self, request: Probe, watched: Watched) -> _Known | None:
        key = (request.place.state, watched.launch, watched.results)
        known = self._known.get(key)
        if known is None:
            folder = launch_folder(request.place, watched.launch)
            spec = load_json(folder / "spec.json")
            if not spec:
                return None
            begun = _stamp(f"{folder}/spec.json")
            log = str(spec.get("log") or "")
            known = _Known(str(folder), watched.results, log, begun[0] if begun else 0)
            self._known[key] = known
        return known

    def _begin_settling(self, known: _Known | None) -> None:
        """A launch whose supervisor was killed: end what it left, in the background."""
        if known is None or known.exit is not None or known.folder in self._settling:
            return
        has_ended = not _is_alive(known.folder)
        if (
            has_ended
            and not _exists(f"{known.folder}/exit.json")
            and _exists(f"{known.folder}/supervisor.json")
        ):
            self._settling[known.folder] = self._settlers.submit(supervise.settle, known.folder)

    def _seen(self, request: Probe, watched: Watched) -> LaunchSeen:
        known = self._known.get((request.place.state, watched.launch, watched.results))
        if known is None:
            return LaunchSeen(launch=watched.launch, alive=False, unknown=True)
        alive = known.exit is None and _is_alive(known.folder)
        if known.exit is None:
            _read_all(known)
        # The record is written before the lock is let go: no lock, then the record is the last word.
        if not alive and known.exit is None:
            known.exit = self._exit(known)
        return LaunchSeen(
            launch=watched.launch,
            alive=alive,
            exit=known.exit,
            beat_seq=known.beat_seq,
            output_seq=known.output_seq,
            progress=known.progress,
            progress_error=known.progress_error,
            reported=known.progress_stamp is not None and known.progress_stamp[0] >= known.begun_ns,
            last_line=known.last_line,
        )

    def _exit(self, known: _Known) -> Exit | None:
        settled = self._settling.get(known.folder)
        if settled is not None:
            if not settled.done():
                return None
            del self._settling[known.folder]
        found = exit_of(read_exit(known.folder))
        if found is not None:
            _read_all(known)  # what was written between the first look and the end
        return found

    def _forget(self, request: Probe) -> None:
        """Launches no longer asked for, of this place."""
        wanted = {(request.place.state, watched.launch, watched.results) for watched in request.launches}
        for key in [key for key in self._known if key[0] == request.place.state and key not in wanted]:
            del self._known[key]


def _disk_of(folder: str) -> tuple[int | None, int | None]:
    """Free and total bytes where `folder` lies, or will lie."""
    while not _exists(folder) and folder not in ("", "/"):
        folder = os.path.dirname(folder)  # noqa: PTH120 (a Path costs as much as the call)
    try:
        found = os.statvfs(folder)
    except OSError:
        return None, None
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def _read_all(known: _Known) -> None:
    _read_beat(known)
    _read_progress(known)
    _read_last_line(known)


def _read_beat(known: _Known) -> None:
    path = f"{known.folder}/heartbeat.json"
    stamp = _stamp(path)
    if stamp is None or stamp == known.beat_stamp:
        return
    beat = read_json(path)
    if isinstance(beat.get("seq"), int):
        known.beat_seq, known.beat_stamp = beat["seq"], stamp
        known.output_seq = beat["output_seq"] if isinstance(beat.get("output_seq"), int) else 0


def _read_progress(known: _Known) -> None:
    path = f"{known.results}/progress.json"
    stamp = _stamp(path)
    if stamp is None or stamp == known.progress_stamp:
        return
    try:
        known.progress = contract.progress_of(contract.load_object(path, contract.PROGRESS_LIMIT_BYTES))
        known.progress_error = None
    except FileNotFoundError:
        return
    except (contract.Unreadable, OSError) as error:
        known.progress_error = f"progress.json {error}"
    known.progress_stamp = stamp


def _read_last_line(known: _Known) -> None:
    stamp = _stamp(known.log)
    if stamp is None or stamp == known.log_stamp:
        return
    text = tail(Path(known.log), LAST_LINE_BYTES).decode("utf-8", "replace")
    # A progress bar rewrites its line after each carriage return.
    lines = [contract.short_line(line) for line in text.replace("\r", "\n").split("\n")]
    known.last_line = next((line for line in reversed(lines) if line), known.last_line)
    known.log_stamp = stamp


def _stamp(path: str) -> Stamp:
    try:
        found = os.stat(path)  # noqa: PTH116 (a Path costs as much as the call)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _exists(path: str) -> bool:
    return _stamp(path) is not None


def _is_alive(folder: str) -> bool:
    """Whether the supervisor's lock is held; `supervise.is_running` at a quarter of its cost."""
    try:
        descriptor = os.open(f"{folder}/lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def read_metrics(request: ReadMetrics) -> Metrics:
    """The file counts only when it is not older than the launch, by the host's own clock."""
    path = Path(request.results, request.file)
    begun = launch_folder(request.place, request.launch) / "spec.json"
    try:
        if path.stat().st_mtime_ns < begun.stat().st_mtime_ns:
            return Metrics(found=False)
        return contract.metrics_of(contract.load_object(path, contract.METRICS_LIMIT_BYTES))
    except FileNotFoundError:
        return Metrics(found=False)
    except (contract.Unreadable, OSError) as error:
        return Metrics(found=True, error=f"{request.file} {error}")
