"""What grows for ever is kept in bounds: once a day old logs go, and old entries of the journal move."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import structlog

from orchestrator import wire
from orchestrator.core import facts as f
from orchestrator.core.plan import HostName, Plan
from orchestrator.core.state import State
from orchestrator.desk import Desk
from orchestrator.errors import OrchestratorError
from orchestrator.journal import archive_entries

EVERY_S = 86400.0
FIRST_AFTER_S = 60.0
"""What just came up has workers to start first."""

DEADLINE_S = 600.0
LOG_LIMIT_BYTES = 20 * 1024 * 1024

log = structlog.get_logger(__name__)


class Ageing:
    """Level-triggered: what a look does not get done, the next day's does."""

    def __init__(self, desk: Callable[[], Desk], reachable: Callable[[HostName], bool]) -> None:
        self._desk = desk
        self._reachable = reachable
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ageing")
        self._looking = threading.Lock()
        self._due_at = time.monotonic() + FIRST_AFTER_S

    def look(self) -> None:
        """Look in the background, unless the last look still goes on or the next is not due yet."""
        if time.monotonic() >= self._due_at and self._looking.acquire(blocking=False):
            self._due_at = time.monotonic() + EVERY_S
            self._pool.submit(self._look)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> None:
        try:
            age(self._desk(), self._reachable)
        except OrchestratorError as error:
            log.warning("ageing", reason=error.message, hint=error.hint)
        except Exception:
            log.exception("bug in the ageing")
        finally:
            self._looking.release()


def age(desk: Desk, reachable: Callable[[HostName], bool] = lambda _: True) -> None:
    """Do it now; blocks. A host that does not answer keeps what it has.

    Raises:
        JournalError: old entries could not be moved.
    """
    for name in desk.plan.hosts:
        if reachable(name):
            _prune(desk, name)
    _rotate(desk.home.state.log)
    before = datetime.now(timezone.utc) - timedelta(seconds=desk.plan.retention.journal_s)
    while (moved := archive_entries(desk.home.state.journal, before)) is not None:
        desk.record(f.JournalArchived(file=str(moved.file), entries=moved.entries))


def _rotate(log_file: Path) -> None:
    """The daemon's own log is its standard output: it is copied away and emptied, for it stays open."""
    if log_file.exists() and log_file.stat().st_size > LOG_LIMIT_BYTES:
        shutil.copyfile(log_file, log_file.with_name(f"{log_file.name}.1"))
        os.truncate(log_file, 0)


def _prune(desk: Desk, host: HostName) -> None:
    try:
        site = desk.site(host)
        pruned: wire.Pruned = site.call(_request(site.place, desk.plan, desk.state), deadline_s=DEADLINE_S)
    except OrchestratorError as error:
        log.warning("prune", host=host, reason=error.message)
        return
    if pruned.failed:
        log.warning("prune", host=host, failed=pruned.failed)
    if pruned.files:
        desk.record(f.HostPruned(host=host, files=pruned.files, bytes=pruned.bytes))


def _request(place: wire.Place, plan: Plan, state: State) -> wire.Prune:
    launches = (record.launch.id for record in state.workstreams.values() if record.launch is not None)
    return wire.Prune(
        place=place,
        logs_s=plan.retention.logs_s,
        results_s=plan.retention.results_s,
        launches=tuple(launches),
        workstreams=tuple(plan.workstreams),
    )
