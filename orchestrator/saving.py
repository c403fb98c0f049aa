"""Work in progress, committed as often as the plan asks for while a worker runs."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from orchestrator import wire
from orchestrator.core import facts as f
from orchestrator.core.observation import Observation
from orchestrator.core.plan import Plan, Workstream
from orchestrator.core.state import Running, State, WorkstreamRecord
from orchestrator.desk import Desk
from orchestrator.errors import OrchestratorError, Refused
from orchestrator.results.lanes import Lanes

LOOKS = 4
"""In each of the plan's intervals: what is due then is the host's to say, by the last commit's age."""

DEADLINE_S = 600.0

log = structlog.get_logger(__name__)


class SavingWatch:
    """Level-triggered: a look that fails is made up for by the next."""

    def __init__(self, desk: Callable[[], Desk], clock: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._clock = clock
        self._lanes = Lanes()
        self._due: dict[str, float] = {}

    def look(self, plan: Plan, state: State, observation: Observation) -> None:
        """Send off what is due. Called by the loop at each tick; never blocks."""
        for workstream in plan.workstreams.values():
            every_s = workstream.pulling.commit_s
            record = state.of(workstream.name)
            if every_s is None or not isinstance(record.phase, Running) or record.worktree is None:
                self._due.pop(workstream.name, None)
                continue
            # A worker that has just begun has nothing yet.
            due = self._due.setdefault(workstream.name, self._clock() + every_s / LOOKS)
            if self._clock() >= due and observation.reachable(workstream.host):
                self._due[workstream.name] = self._clock() + every_s / LOOKS
                self._send_off(workstream, record, every_s)

    def close(self) -> None:
        self._lanes.close()

    def _send_off(self, workstream: Workstream, record: WorkstreamRecord, every_s: float) -> None:
        try:
            self._lanes.submit(workstream.host, lambda: self._save(workstream, record, every_s))
        except Refused:
            return  # the daemon is leaving

    def _save(self, workstream: Workstream, record: WorkstreamRecord, every_s: float) -> None:
        try:
            save_work(self._desk(), workstream, record, every_s)
        except OrchestratorError as error:
            log.warning("work in progress", workstream=workstream.name, reason=error.message)
        except Exception:
            log.exception("bug in saving", workstream=workstream.name)


def save_work(desk: Desk, workstream: Workstream, record: WorkstreamRecord, every_s: float) -> wire.WorkKept:
    """Commit what there is, unless the branch has a commit that is young enough.

    Raises: HostUnreachable, CommandFailed.
    """
    assert record.worktree is not None
    request = wire.CommitWork(
        worktree=record.worktree,
        branch=workstream.branch,
        results=workstream.results,
        message=_message(workstream, record),
        younger_s=every_s * (LOOKS - 1) / LOOKS,
    )
    kept: wire.WorkKept = desk.site(workstream.host).call(request, deadline_s=DEADLINE_S)
    if kept.reason is not None:
        log.info("work in progress", workstream=workstream.name, reason=kept.reason)
    if kept.commit is not None:
        desk.record(
            f.WorkCommitted(
                workstream=workstream.name, commit=kept.commit, files=kept.files, left_out=kept.left_out
            )
        )
    return kept


def _message(workstream: Workstream, record: WorkstreamRecord) -> str:
    launch = record.launch
    at = f", stage {launch.stage}, attempt {launch.attempt}" if launch else ""
    return (
        f"{workstream.name}: work in progress{at}\n\n"
        "Committed by the orchestrator while the worker runs, as the plan asks for.\n"
    )
