"""What is seen of launches, cheaply: a file is read again only when its stamp changed, nothing forks."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator import supervise
from orchestrator.agent import contract
from orchestrator.agent.asking import Asking, Quiet
from orchestrator.agent.files import load_json, tail
from orchestrator.agent.host import boot_id
from orchestrator.agent.launches import exit_of, launch_folder
from orchestrator.supervise.evidence import is_full
from orchestrator.supervise.fence import is_anothers
from orchestrator.supervise.processes import process_state
from orchestrator.supervise.records import ExitRecord, read_exit, read_json
from orchestrator.supervise.spec import BEAT_S
from orchestrator.supervise.written import is_from_before, is_own
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
# Sessions of many launches open together; a supervisor that comes later than this comes never.
START_PATIENCE_S = 60.0
_SILENT_BEATS = 2.5

Stamp = tuple[int, int, int] | None


@dataclass(slots=True)
class _Known:
    """What is remembered of one launch, with the stamp of the file it was read from."""

    folder: str
    results: str
    log: str
    launch: str
    attempt: int
    stage: str
    beat_s: float
    first_seen_at: float = field(default_factory=time.monotonic)
    exit: Exit | None = None
    beat_stamp: Stamp = None
    beat_at: float = field(default_factory=time.monotonic)
    beat_seq: int = 0
    output_seq: int = 0
    log_error: str = ""
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
        return Seen(boot_id=boot_id(), launches=asked)

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
            known = _known(folder, watched, spec)
            self._known[key] = known
        return known

    def _begin_settling(self, known: _Known | None) -> None:
        """A launch whose supervisor was killed: end what it left, in the background."""
        if known is None or known.exit is not None or known.folder in self._settling:
            return
        if _is_alive(known.folder) or _exists(f"{known.folder}/exit.json"):
            return
        if _exists(f"{known.folder}/supervisor.json"):
            self._settling[known.folder] = self._settlers.submit(supervise.settle, known.folder)
        elif time.monotonic() - known.first_seen_at > START_PATIENCE_S:
            self._settling[known.folder] = self._settlers.submit(
                supervise.give_up, known.folder, known.launch, known.attempt, known.stage
            )

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
            reported=known.progress is not None,
            last_line=known.last_line,
            silence=_silence(known) if alive else "",
            log_error=known.log_error if alive else "",
        )

    def _exit(self, known: _Known) -> Exit | None:
        settled = self._settling.get(known.folder)
        if settled is not None:
            if not settled.done():
                return None
            del self._settling[known.folder]
        # On a full disk what was settled may be known and not written.
        found = exit_of(read_exit(known.folder) or _result(settled))
        if found is not None:
            _read_all(known)  # what was written between the first look and the end
        return found

    def _forget(self, request: Probe) -> None:
        """Launches no longer asked for, of this place."""
        wanted = {(request.place.state, watched.launch, watched.results) for watched in request.launches}
        for key in [key for key in self._known if key[0] == request.place.state and key not in wanted]:
            del self._known[key]


def _known(folder: Path, watched: Watched, spec: dict[str, Any]) -> _Known:
    attempt, beat_s = spec.get("attempt"), spec.get("beat_s")
    return _Known(
        folder=str(folder),
        results=watched.results,
        log=str(spec.get("log") or ""),
        launch=watched.launch,
        attempt=attempt if isinstance(attempt, int) else 0,
        stage=str(spec.get("stage") or ""),
        beat_s=float(beat_s) if isinstance(beat_s, (int, float)) else BEAT_S,
    )


def _result(settled: Future[ExitRecord | None] | None) -> ExitRecord | None:
    return settled.result() if settled is not None and settled.exception() is None else None


def _silence(known: _Known) -> str:
    """What can be told of a supervisor that lives and has not beaten for long; of others nothing."""
    if time.monotonic() - known.beat_at <= _SILENT_BEATS * known.beat_s:
        return ""
    if is_full(known.folder):
        return "its disk is full"
    pid = read_json(f"{known.folder}/supervisor.json").get("pid")
    state = process_state(pid) if isinstance(pid, int) else ""
    return f"state {state}" if state else ""


def _read_all(known: _Known) -> None:
    _read_beat(known)
    # Until its supervisor has looked, nobody can tell what lay there before.
    if known.beat_stamp is not None or _exists(f"{known.folder}/supervisor.json"):
        _read_progress(known)
    _read_last_line(known)


def _read_beat(known: _Known) -> None:
    path = f"{known.folder}/heartbeat.json"
    stamp = _stamp(path)
    if stamp is None or stamp == known.beat_stamp:
        return
    beat = read_json(path)
    if isinstance(beat.get("seq"), int):
        known.beat_seq, known.beat_stamp, known.beat_at = beat["seq"], stamp, time.monotonic()
        known.output_seq = beat["output_seq"] if isinstance(beat.get("output_seq"), int) else 0
        known.log_error = contract.short_line(beat.get("log_error"))


def _read_progress(known: _Known) -> None:
    path = f"{known.results}/progress.json"
    stamp = _stamp(path)
    if stamp is None or stamp == known.progress_stamp:
        return
    try:
        document = contract.load_object(path, contract.PROGRESS_LIMIT_BYTES)
        if not is_anothers(document, known.launch, known.attempt) and not is_from_before(known.folder, path):
            known.progress = contract.progress_of(document)
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
    """The file counts only when this launch left it so, whatever clocks say."""
    path = Path(request.results, request.file)
    folder = launch_folder(request.place, request.launch)
    try:
        if not _is_written_by(folder, path):
            return Metrics(found=False)
        document = contract.load_object(path, contract.METRICS_LIMIT_BYTES)
        attempt = load_json(folder / "spec.json").get("attempt")
        if is_anothers(document, request.launch, attempt if isinstance(attempt, int) else 0):
            return Metrics(found=False)
        return contract.metrics_of(document)
    except FileNotFoundError:
        return Metrics(found=False)
    except (contract.Unreadable, OSError) as error:
        return Metrics(found=True, error=f"{request.file} {error}")


def _is_written_by(folder: Path, path: Path) -> bool:
    own = is_own(str(folder), str(path))
    if own is None:  # a supervisor of an earlier version, or a full disk
        return path.stat().st_mtime_ns >= (folder / "spec.json").stat().st_mtime_ns
    return own
