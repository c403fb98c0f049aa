"""What follows a worker's end without being asked: its branch is read, pushed, and put through its gates."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

import structlog

from orchestrator import git
from orchestrator.core import facts as f
from orchestrator.core.gating import Tips
from orchestrator.core.plan import HostName, Plan, Workstream
from orchestrator.core.state import Done, State, WorkstreamRecord
from orchestrator.desk import Desk
from orchestrator.errors import OrchestratorError
from orchestrator.gates import green_gates, run_workstream_gates
from orchestrator.inbox import Message, TipsRead
from orchestrator.tips import read_tips

Reach = Callable[[HostName], bool]
"""Whether a host answers, as far as is known."""

log = structlog.get_logger(__name__)


class Harvest:
    """Level-triggered: each look does what is missing, so that a look that fails costs time only.

    Each host has a thread of its own: gates that run for hours on one delay nothing on another.
    """

    def __init__(self, desk: Callable[[], Desk], reach: Reach, inbox: SimpleQueue[Message]) -> None:
        self._desk = desk
        self._reach = reach
        self._inbox = inbox
        self._looking: set[HostName] = set()
        self._lock = threading.Lock()
        self._tried: set[tuple[str, str]] = set()
        self._closed = False

    def look(self, plan: Plan) -> None:
        """Look in the background at every host whose last look is over."""
        with self._lock:
            due = {w.host for w in plan.workstreams.values()} - self._looking
            if self._closed:
                return
            self._looking |= due
        for host in due:
            threading.Thread(target=self._look, args=(host,), name=f"harvest {host}", daemon=True).start()

    def close(self) -> None:
        self._closed = True

    def _look(self, host: HostName) -> None:
        try:
            self._bring_in(self._desk(), host)
        except OrchestratorError as error:
            log.warning("harvest", host=host, reason=error.message, hint=error.hint)
        except Exception:
            log.exception("bug in the harvest")
        finally:
            with self._lock:
                self._looking.discard(host)

    def _bring_in(self, desk: Desk, host: HostName) -> None:
        tips = self._read(desk, host)
        for workstream, record in _finished(desk.plan, desk.state, host):
            tip = tips.commits.get(workstream.name)
            if tip is None or self._closed:
                continue
            self._push(desk, workstream, record, tip)
            if tips.open_gates(workstream) and (workstream.name, tip) not in self._tried:
                self._tried.add((workstream.name, tip))
                run_workstream_gates(desk, workstream, tip, only=None, use_cache=True)
                tips = self._read(desk, host)

    def _read(self, desk: Desk, host: HostName) -> Tips:
        names = frozenset(w.name for w in desk.plan.on_host(host))
        # Not while it is silent: reconnecting is the lane's, at its own pace.
        commits = read_tips(desk, names, reachable_only=True) if self._reach(host) else {}
        tips = Tips(commits=commits, green=green_gates(desk.home, desk.plan, commits, desk.state))
        self._inbox.put(TipsRead(names=names, tips=tips))
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


def _finished(plan: Plan, state: State, host: HostName) -> list[tuple[Workstream, WorkstreamRecord]]:
    return [
        (workstream, record)
        for workstream in plan.on_host(host)
        if isinstance((record := state.of(workstream.name)).phase, Done)
    ]


def has_finished(plan: Plan, state: State) -> bool:
    """True when there is anything to bring in."""
    return any(isinstance(state.of(name).phase, Done) for name in plan.workstreams)
