"""What follows a worker's end without being asked: its branch is read, pushed, and put through its gates."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import structlog

from orchestrator import git
from orchestrator.core import facts as f
from orchestrator.core.gating import Tips
from orchestrator.core.plan import Plan, Workstream
from orchestrator.core.state import Done, State, WorkstreamRecord
from orchestrator.desk import Desk
from orchestrator.errors import OrchestratorError
from orchestrator.gates import green_gates, run_workstream_gates
from orchestrator.inbox import Message, TipsRead
from orchestrator.tips import read_tips

log = structlog.get_logger(__name__)


class Harvest:
    """Level-triggered: each look does what is missing, so that a look that fails costs time only."""

    def __init__(self, desk: Callable[[], Desk], inbox: SimpleQueue[Message]) -> None:
        self._desk = desk
        self._inbox = inbox
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="harvest")
        self._looking = threading.Lock()
        self._tried: set[tuple[str, str]] = set()

    def look(self) -> None:
        """Look in the background, unless the last look still goes on."""
        if self._looking.acquire(blocking=False):
            self._pool.submit(self._look)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> None:
        try:
            self._bring_in(self._desk())
        except OrchestratorError as error:
            log.warning("harvest", reason=error.message, hint=error.hint)
        except Exception:
            log.exception("bug in the harvest")
        finally:
            self._looking.release()

    def _bring_in(self, desk: Desk) -> None:
        tips = self._read(desk)
        for workstream, record in _finished(desk.plan, desk.state):
            tip = tips.commits.get(workstream.name)
            if tip is None:
                continue
            self._push(desk, workstream, record, tip)
            if tips.open_gates(workstream) and (workstream.name, tip) not in self._tried:
                self._tried.add((workstream.name, tip))
                run_workstream_gates(desk, workstream, tip, only=None, use_cache=True)
                tips = self._read(desk)

    def _read(self, desk: Desk) -> Tips:
        commits = read_tips(desk, reachable_only=True)
        tips = Tips(commits=commits, green=green_gates(desk.home, desk.plan, commits, desk.state))
        self._inbox.put(TipsRead(tips=tips))
        return tips

    def _push(self, desk: Desk, workstream: Workstream, record: WorkstreamRecord, tip: str) -> None:
        remote = desk.plan.remote
        if remote is None or tip in (record.pushed, record.push_refused):
            return
        try:
            reasons = git.push(desk.home.git, remote, [f"{tip}:refs/heads/{workstream.branch}"])
            reason = "; ".join(reasons.values())
        except OrchestratorError as error:
            reason = error.message
        if reason:
            log.warning("push", workstream=workstream.name, remote=remote, reason=reason)
            desk.record(f.PushRefused(workstream=workstream.name, remote=remote, commit=tip, reason=reason))
        else:
            desk.record(f.BranchPushed(workstream=workstream.name, remote=remote, commit=tip))


def _finished(plan: Plan, state: State) -> list[tuple[Workstream, WorkstreamRecord]]:
    return [
        (workstream, record)
        for workstream in plan.workstreams.values()
        if isinstance((record := state.of(workstream.name)).phase, Done)
    ]


def has_finished(plan: Plan, state: State) -> bool:
    """True when there is anything to bring in."""
    return bool(_finished(plan, state))
