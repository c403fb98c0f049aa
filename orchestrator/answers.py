"""Requests to facts, and the moment each can be answered. Runs in the loop's thread; never blocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from orchestrator import requests as r
from orchestrator.core import facts as f
from orchestrator.core.decide import next_stage
from orchestrator.core.facts import Fact
from orchestrator.core.gating import has_landed
from orchestrator.core.plan import Plan
from orchestrator.core.state import (
    AfterStop,
    Done,
    Ended,
    Failed,
    Held,
    Idle,
    Merged,
    Phase,
    Running,
    Starting,
    State,
    Stopped,
    Stopping,
    Wanted,
)
from orchestrator.core.status import Status, WorkstreamStatus
from orchestrator.draining import drain_facts, drained, lifted_by_up, refuse_drained, running_on
from orchestrator.errors import Bug, OrchestratorError, Refused, UsageError
from orchestrator.inbox import Asked
from orchestrator.loop import View
from orchestrator.names import chosen, require_one_of, require_wave
from orchestrator.plan_file import load_plan
from orchestrator.results.outcome import launched_names
from orchestrator.talk import Talk

log = structlog.get_logger(__name__)

GOOD_ENDS = ("done", "merged")
ENDS = (*GOOD_ENDS, "failed", "held", "stopped")

Ready = Callable[[View, Status], Any]
"""The answer once it is known, None until then. May raise what is to be refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    talk: Talk
    names: tuple[str, ...]
    ready: Ready
    deadline: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Levers:
    """What answering may move."""

    write: Callable[[Sequence[Fact]], None]
    adopt: Callable[[Plan], None]
    environment: Callable[[Mapping[str, str]], None]
    run: Callable[[r.Errand, Talk], None]
    pull: Callable[[Sequence[str], Talk], None]
    take_over: Callable[[Sequence[str]], None]
    leave: Callable[[str], None]
    view: Callable[[], View]


class Answers:
    """Open requests of all surfaces."""

    def __init__(self, levers: Levers) -> None:
        self._levers = levers
        self._pending: list[Pending] = []

    def take(self, view: View, asked: Asked) -> None:
        """Act on a request. It is answered now, or by a later `check`."""
        try:
            self._take(view, asked.request, asked.talk)
        except OrchestratorError as error:
            asked.talk.refuse(error)
        except Exception as error:  # one request must not end the daemon; the bug is logged whole
            log.exception("bug in a request")
            asked.talk.refuse(Bug(f"a bug of ours: {error!r}", "see daemon.log beside the journal"))

    def check(self, view: View) -> None:
        """Answer what can be answered in this view, and refuse what ran out of time."""
        if not self._pending:
            return
        status = view.status()
        self._pending = [p for p in self._pending if not p.talk.over and not _answered(p, view, status)]

    def say(self, text: str) -> None:
        """To everybody who waits."""
        for pending in self._pending:
            pending.talk.say(text)

    def _take(self, view: View, request: r.Request, talk: Talk) -> None:
        match request:
            case r.Up():
                self._up(view, request, talk)
            case r.Restart():
                self._restart(view, request, talk)
            case r.Resume():
                self._resume(view, request, talk)
            case r.Stop() | r.Down():
                self._stop(view, request, talk)
            case r.Done():
                self._done(view, request, talk)
            case r.Drain():
                self._drain(view, request, talk)
            case r.Approve():
                self._approve(view, request, talk)
            case r.Wait():
                self._wait(view, request, talk)
            case r.Sync():
                names = chosen_names(view.plan, request.names)
                self._levers.pull(launched_names(view.state, names) if not request.names else names, talk)
            case r.Clean():
                chosen_names(view.plan, request.names)
                self._levers.run(request, talk)
            case r.MergeWave() | r.RollBackWave() | r.RelandWave():
                require_wave(request.wave, view.plan.waves)
                self._levers.run(request, talk)

    def _later(self, talk: Talk, names: Sequence[str], ready: Ready, timeout_s: float | None = None) -> None:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._pending.append(Pending(talk=talk, names=tuple(names), ready=ready, deadline=deadline))

    def _up(self, view: View, request: r.Up, talk: Talk) -> None:
        plan = load_plan(Path(view.plan.source))
        _refuse_not_built(plan)
        _refuse_removed(view.state, plan)
        names = chosen_names(plan, request.names, request.wave)
        for host in request.take_over:
            require_one_of("host", host, plan.hosts)
        if plan.digest != view.plan.digest:
            self._levers.write([f.PlanRead(source=plan.source, digest=plan.digest)])
        self._levers.adopt(plan)
        self._levers.environment(request.env)
        if set(names) == set(plan.workstreams):
            self._levers.write(lifted_by_up(view.state, request.by))
        self._levers.take_over(request.take_over)
        before = {name: view.state.of(name).launches for name in names}
        asked = [
            n for n in names if startable(view.state.of(n).phase) and not _came_too_late(view.state, plan, n)
        ]
        self._levers.write([f.StartAsked(workstream=n, by=request.by) for n in asked])
        self._later(talk, names, lambda now, status: _started(now, status, names, before))

    def _restart(self, view: View, request: r.Restart, talk: Talk) -> None:
        names = chosen_names(view.plan, request.names)
        for name in names:
            if isinstance(view.state.of(name).phase, Merged):
                raise Refused(f"{name} has landed: there is nothing to restart.")
        refuse_drained(view.plan, view.state, names)
        self._levers.environment(request.env)
        before = {name: view.state.of(name).launches for name in names}
        self._levers.write([f.RestartAsked(workstream=n, by=request.by) for n in names])
        self._later(talk, names, lambda now, status: _started(now, status, names, before))

    def _resume(self, view: View, request: r.Resume, talk: Talk) -> None:
        names = chosen_names(view.plan, request.names)
        before = {name: view.state.of(name).launches for name in names}
        self._levers.write([_accepted(view, name, request.by) for name in names])
        self._later(talk, names, lambda now, status: _started(now, status, names, before))

    def _stop(self, view: View, request: r.Stop | r.Down, talk: Talk) -> None:
        names = chosen_names(view.plan, request.names)
        active = [n for n in names if _active(view.state.of(n).phase)]
        self._levers.write([f.StopAsked(workstream=n, by=request.by) for n in active])
        if active and (held := self._levers.view().daemon.held):
            talk.say(f"{', '.join(active)}: stopped all the same, the journal has it later: {held}")
        leaves = isinstance(request, r.Down) and not request.names

        def ready(now: View, status: Status) -> Any:
            answer = _stopped(now, status, names, active)
            if answer is not None and leaves:
                self._levers.leave(f"down, asked by {request.by}")
            return answer

        self._later(talk, names, ready)

    def _done(self, view: View, request: r.Done, talk: Talk) -> None:
        names = chosen_names(view.plan, request.names)
        for name in names:
            workstream = view.plan.workstream(name)
            if workstream.stages and workstream.agent is None:
                raise Refused(
                    f"{name} has a command: it is done when that ends well.", f"orchestrator stop {name}"
                )
        asked = [n for n in names if not isinstance(view.state.of(n).phase, Done | Merged)]
        self._levers.write([f.DoneAsked(workstream=n, by=request.by) for n in asked])
        self._later(talk, names, lambda now, status: _all_in(status, names, ("done", "merged")))

    def _drain(self, view: View, request: r.Drain, talk: Talk) -> None:
        hosts = request.hosts or tuple(view.plan.hosts)
        self._levers.write(drain_facts(view.plan, view.state, request))
        waits = request.wait and not request.off
        running = running_on(view.state, hosts)
        self._later(
            talk, running, lambda now, _: drained(now.state, hosts, until_empty=waits), request.timeout_s
        )

    def _approve(self, view: View, request: r.Approve, talk: Talk) -> None:
        (name,) = chosen_names(view.plan, (request.name,))
        if isinstance(view.state.of(name).phase, Merged):
            raise Refused(f"{name} has landed: there is nothing to approve.")
        seen = {"workstream": name, "by": request.by, "commit": request.commit, "tree": request.tree}
        review = f.ReviewApproved(**seen)
        if review not in view.state.of(name).approvals:  # typed twice, it is one decision
            self._levers.write([review])
        self._later(talk, (name,), lambda _now, _status: seen)

    def _wait(self, view: View, request: r.Wait, talk: Talk) -> None:
        names = chosen_names(view.plan, request.names)
        ready = _all_in if request.states else _all_ended
        wanted = request.states or GOOD_ENDS
        self._later(talk, names, lambda now, status: ready(status, names, wanted), request.timeout_s)


def _answered(pending: Pending, view: View, status: Status) -> bool:
    try:
        answer = pending.ready(view, status)
        if answer is None and pending.deadline is not None and time.monotonic() >= pending.deadline:
            raise Refused("the time ran out: " + _states(status, pending.names))
    except OrchestratorError as error:
        pending.talk.refuse(error)
        return True
    if answer is not None:
        pending.talk.answer(answer)
    return answer is not None


def chosen_names(plan: Plan, names: Sequence[str], wave: int | None = None) -> tuple[str, ...]:
    """The named workstreams, or all, in the plan's order, once each.

    Raises:
        UsageError: the plan has no such workstream or wave.
    """
    if wave is not None:
        require_wave(wave, plan.waves)
    meant = frozenset(chosen(names, plan.workstreams))
    return tuple(w.name for w in plan.workstreams.values() if w.name in meant and wave in (None, w.wave))


def _refuse_not_built(plan: Plan) -> None:
    if plan.not_built:
        lines = "\n".join(missing.words(plan.source) for missing in plan.not_built)
        raise UsageError(lines, "take these keys out of the plan; orchestrator validate lists them")


def _refuse_removed(state: State, plan: Plan) -> None:
    running = [name for name, record in state.workstreams.items() if isinstance(record.phase, _LAUNCHED)]
    gone = [name for name in running if name not in plan.workstreams]
    if gone:
        names = ", ".join(gone)
        raise Refused(
            f"{plan.source} no longer has {names}, which still runs.",
            f"put it back and `orchestrator stop {' '.join(gone)}` first",
        )


# --- phases ---------------------------------------------------------------------------------------


def startable(phase: Phase) -> bool:
    """What `up` starts: never what is done, held, or failed after it ran."""
    match phase:
        case Idle() | Stopped() | Failed(launched=False) | Stopping(then=AfterStop.STOP):
            return True
        case _:
            return False


def _came_too_late(state: State, plan: Plan, name: str) -> bool:
    """A workstream put into a wave that landed without it could never land: it is not started."""
    return has_landed(plan, state, plan.workstream(name).wave)


_LAUNCHED = Starting | Running | Stopping | Ended


def _active(phase: Phase) -> bool:
    return isinstance(phase, Wanted | _LAUNCHED)


def _accepted(view: View, name: str, by: str) -> f.HoldAccepted:
    record = view.state.of(name)
    if not isinstance(record.phase, Held):
        raise Refused(f"{name} is not held.", f"orchestrator status {name}")
    workstream = view.plan.workstream(name)
    following = record.stage if record.phase.repeats else next_stage(workstream, record.stage)
    return f.HoldAccepted(workstream=name, by=by, next_stage=following)


# --- answers --------------------------------------------------------------------------------------


def _started(view: View, status: Status, names: Sequence[str], before: Mapping[str, int]) -> Any:
    """The answer to `up`, once nothing asked for is on its way and every host it needs has spoken."""
    chosen = [w for w in status.workstreams if w.name in names]
    if any(_on_its_way(view, w) for w in chosen):
        return None
    refused = [w.name for w in chosen if _launch_refused(view, w.name)]
    launched = [w.name for w in chosen if view.state.of(w.name).launches > before[w.name]]
    silent = {h.name for h in status.hosts if h.reachable is False}
    unreached = {w.host for w in chosen if w.state in ("waiting", "starting") and w.host in silent}
    return {
        "workstreams": [asdict(w) for w in chosen],
        "started": [name for name in launched if name not in refused],
        "adopted": [name for name in launched if _ran_already(view, name)],
        "refused": refused,
        "unreachable": sorted(unreached),
    }


def _ran_already(view: View, name: str) -> bool:
    """Whether its launch is another journal's: those of this one bear its token."""
    launch = view.state.of(name).launch
    return launch is not None and not launch.id.endswith(f"-{view.state.token}")


def _on_its_way(view: View, workstream: WorkstreamStatus) -> bool:
    seen = view.observation.hosts.get(workstream.host)
    if seen is not None and seen.reachable is False:
        return False  # nobody knows for how long: whoever asked must hear of the others
    phase = view.state.of(workstream.name).phase
    if workstream.state == "starting" or isinstance(phase, Stopping):
        return True
    if workstream.state != "waiting":
        return False
    if seen is None or seen.reachable is None:
        return True
    looks = seen.census is not None and seen.census.is_pending
    return looks and view.plan.workstream(workstream.name).gpu > 0


def _launch_refused(view: View, name: str) -> bool:
    phase = view.state.of(name).phase
    return isinstance(phase, Failed) and not phase.launched


def _stopped(view: View, status: Status, names: Sequence[str], asked: Sequence[str]) -> Any:
    active = [n for n in names if _active(view.state.of(n).phase)]
    silent = {h.name for h in status.hosts if h.reachable is False}
    if any(view.plan.workstream(n).host not in silent for n in active):
        return None
    return {"stopped": [n for n in asked if n not in active], "left": active}


def _all_in(status: Status, names: Sequence[str], states: Sequence[str]) -> Any:
    """The states of all, once every one is as wanted.

    Raises:
        Refused: one has ended otherwise and will not get there by itself.
    """
    chosen = [w for w in status.workstreams if w.name in names]
    if all(w.state in states for w in chosen):
        return {"workstreams": {w.name: w.state for w in chosen}}
    stuck = [w for w in chosen if w.state in ENDS and w.state not in states and not _goes_on(w.state, states)]
    if stuck:
        raise Refused("; ".join(map(_in_words, stuck)))
    return None


def _all_ended(status: Status, names: Sequence[str], good: Sequence[str]) -> Any:
    """The states of all, once every one has ended.

    Raises:
        Refused: all have, and not all of them well.
    """
    chosen = [w for w in status.workstreams if w.name in names]
    return _all_in(status, names, good) if all(w.state in ENDS for w in chosen) else None


def _in_words(workstream: WorkstreamStatus) -> str:
    reason = f": {workstream.reason}" if workstream.reason else ""
    return f"{workstream.name} is {workstream.state}{reason}"


def _goes_on(state: str, states: Sequence[str]) -> bool:
    return state == "done" and "merged" in states


def _states(status: Status, names: Sequence[str]) -> str:
    return ", ".join(f"{w.name} is {w.state}" for w in status.workstreams if w.name in names)
