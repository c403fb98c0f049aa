"""When which workstream's results are pulled while the daemon runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from typing import Any

import structlog

from orchestrator.core.observation import Observation, SyncSeen
from orchestrator.core.plan import Plan, Workstream
from orchestrator.core.state import State, WorkstreamRecord
from orchestrator.desk import Desk
from orchestrator.errors import Bug, ExitStatus, OrchestratorError, Refused
from orchestrator.results.lanes import Lanes
from orchestrator.results.outcome import Outcome, pull_and_tell
from orchestrator.talk import Talk

FIRST_PAUSE_S = 5.0
"""After a pull that failed; doubled each time, up to the plan's own interval."""

END_PATIENCE_S = 5.0

log = structlog.get_logger(__name__)


def clock_s() -> float:
    """Goes on while a laptop sleeps, where the system has such a clock."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """`final` is the launch whose results are all here, its end being known before they were pulled.

    `end` is the launch whose end has led to a pull already.
    """

    due_at: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    final: str | None = None
    end: str | None = None
    under_way: bool = False


class ResultsWatch:
    """Level-triggered: what is overdue is pulled, whatever kept it from being so before."""

    def __init__(
        self,
        desk: Callable[[], Desk],
        tell: Callable[[str, SyncSeen], None],
        clock: Callable[[], float] = clock_s,
    ) -> None:
        self._desk = desk
        self._tell = tell
        self._clock = clock
        self._lanes = Lanes()
        self._lock = threading.Lock()
        self._standings: dict[str, _Standing] = {}

    def look(self, plan: Plan, state: State, observation: Observation) -> None:
        """Send off what is due. Called by the loop at each tick; never blocks."""
        for workstream in plan.workstreams.values():
            record = state.of(workstream.name)
            if workstream.sync is None or record.worktree is None or record.cleaned:
                continue
            if not observation.reachable(workstream.host):
                self._change(workstream.name, due_at=0.0)  # at once when it is back
            elif self._is_due(workstream, record):
                self._send_off(workstream, record)

    def pull_now(self, names: Sequence[str], talk: Talk) -> None:
        """In threads of their own; the answer is the report."""

        def ask() -> None:
            try:
                talk.answer(pull_all(self._desk(), names, self._lanes, talk.say, self._note))
            except OrchestratorError as error:
                talk.refuse(error)
            except Exception as error:  # the asker must hear of it, whatever it is
                log.exception("bug in a pull")
                talk.refuse(Bug(f"a bug of ours: {error!r}", "see daemon.log beside the journal"))

        threading.Thread(target=ask, name="results asked", daemon=True).start()

    @property
    def under_way(self) -> tuple[str, ...]:
        """Whose results are just being pulled, as a matter of course."""
        with self._lock:
            return tuple(name for name, standing in self._standings.items() if standing.under_way)

    def close(self) -> None:
        self._lanes.close()

    def _is_due(self, workstream: Workstream, record: WorkstreamRecord) -> bool:
        standing = self._standing(workstream.name)
        launch = record.launch
        if standing.under_way or launch is None:
            return False
        if launch.exit is None:
            return self._clock() >= standing.due_at
        if launch.id in (standing.final, record.sync.final):
            return False
        # Its end is news: what it wrote last is fetched without waiting for the interval.
        return launch.id != standing.end or self._clock() >= standing.due_at

    def _send_off(self, workstream: Workstream, record: WorkstreamRecord) -> None:
        assert record.launch is not None
        end = record.launch.id if record.launch.exit else None
        self._change(workstream.name, under_way=True, end=end)
        try:
            self._lanes.submit(workstream.host, lambda: self._pull(workstream))
        except Refused:
            return  # the daemon is leaving

    def _pull(self, workstream: Workstream) -> None:
        try:
            self._note(pull_and_tell(self._desk(), workstream.name, self._lanes.go_on, asked=False))
        except OrchestratorError as error:
            log.warning("results", workstream=workstream.name, reason=error.message)
            self._put_off(workstream.name)
        except Exception:
            log.exception("bug in a pull", workstream=workstream.name)
            self._put_off(workstream.name)
        finally:
            self._change(workstream.name, under_way=False)

    def _note(self, outcome: Outcome) -> None:
        name, plan = outcome.workstream, self._desk().plan
        if outcome.cause not in ("", "files"):
            log.warning("results", workstream=name, cause=outcome.cause, reason=outcome.reason)
            self._put_off(name)
        else:
            due_at = self._clock() + plan.workstream(name).pulling.every_s
            self._change(name, due_at=due_at, pause_s=FIRST_PAUSE_S)
            if outcome.final:
                self._change(name, final=outcome.launch)
        self._tell(name, seen_of(outcome, time.monotonic()))

    def _put_off(self, name: str) -> None:
        pause_s = self._standing(name).pause_s
        longest = self._desk().plan.workstream(name).pulling.every_s
        self._change(name, due_at=self._clock() + min(pause_s, longest), pause_s=min(2 * pause_s, 3600.0))

    def _standing(self, name: str) -> _Standing:
        return self._standings.get(name, _Standing())

    def _change(self, name: str, **changes: Any) -> None:
        with self._lock:
            self._standings[name] = replace(self._standing(name), **changes)


def seen_of(outcome: Outcome, now: float) -> SyncSeen:
    came = outcome.cause in ("", "files")
    return SyncSeen(at=now if came else None, files=outcome.files, bytes=outcome.bytes, reason=outcome.reason)


def pull_all(
    desk: Desk,
    names: Sequence[str],
    lanes: Lanes,
    say: Callable[[str], None],
    note: Callable[[Outcome], None] = lambda _: None,
) -> dict[str, Any]:
    """Pull from all hosts at once; the report of `sync`. Interrupted, it closes the lanes."""

    def pull(name: str) -> Outcome:
        outcome = pull_and_tell(desk, name, lanes.go_on, asked=True)
        note(outcome)
        if not outcome.cause:
            say(f"{name}: {in_words(outcome)}")
        return outcome

    pulls: list[Future[Outcome]] = [
        lanes.submit(desk.plan.workstream(name).host, lambda name=name: pull(name))  # type: ignore[misc]
        for name in names
    ]
    try:
        outcomes = [future.result() for future in pulls]
    except KeyboardInterrupt:
        lanes.close()
        wait(pulls, timeout=END_PATIENCE_S)  # their rsyncs are ended, not left behind
        raise
    return {
        "ok": not any(outcome.cause for outcome in outcomes),
        "exit_status": int(max((outcome.exit_status for outcome in outcomes), default=ExitStatus.DONE)),
        "workstreams": [outcome.document() for outcome in outcomes],
    }


def in_words(outcome: Outcome) -> str:
    return f"{outcome.fetched} new or changed of {outcome.files} files" if outcome.fetched else "nothing new"
