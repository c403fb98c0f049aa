"""What `up` did, or would do, a line for each workstream."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.cli.here import Here
from orchestrator.cli.printing import aligned, one_line, styled, tell, tell_json
from orchestrator.cli.sessions import attach_line

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan
    from orchestrator.core.state import State

Document = dict[str, Any]


def report_start(plan: Plan, answer: Document) -> None:
    streams = answer["workstreams"]
    lines = aligned(_line(plan, w, answer) for w in streams if _is_news(w, answer))
    for line in lines:
        tell(line)
    if not lines or not (answer["started"] or answer["refused"] or answer["unreachable"]):
        tell(f"nothing to do: {_counts(streams)}")
    for host in answer["unreachable"]:
        tell(f"{styled('!', 'yellow')} host {host} is out of reach; its workers start when it is back")


def tell_forecast(here: Here, plan: Plan, names: Sequence[str], as_json: bool) -> None:
    """What `up` would do now, from the plan and the journal."""
    forecast = _forecast(here, plan, names)
    if as_json:
        tell_json({"workstreams": [{"name": n, "action": a, "reason": r} for n, a, r in forecast]})
        return
    for line in aligned((f"{_glyph(action)} {name}", action, reason) for name, action, reason in forecast):
        tell(line)


def _is_news(w: Document, answer: Document) -> bool:
    return w["name"] in (*answer["started"], *answer["refused"]) or w["state"] == "waiting"


def _line(plan: Plan, w: Document, answer: Document) -> tuple[str, ...]:
    name = w["name"]
    if name in answer["refused"]:
        return (f"{_glyph('failed')} {name}", "failed", one_line(w["reason"]))
    if name in answer["started"]:
        there = f"{w['session']}  {w['worktree']}  {attach_line(plan, plan.workstream(name))}"
        word = f"taken over in stage {w['stage']}" if name in answer.get("adopted", ()) else "started"
        ended = f"  ({w['state']}{': ' + one_line(w['reason']) if w['reason'] else ''})"
        return (f"{_glyph('started')} {name}", word, there + ("" if w["state"] == "running" else ended))
    return (f"{_glyph('waiting')} {name}", "waiting", one_line(w["reason"]))


def _glyph(action: str) -> str:
    match action:
        case "started" | "start":
            return styled("✓", "green")
        case "failed":
            return styled("✗", "red")
        case "waiting" | "wait":
            return styled("·", "yellow")
        case _:
            return styled("-", "dim")


def _counts(streams: Sequence[Document]) -> str:
    counts = Counter(w["state"] for w in streams)
    return ", ".join(f"{number} {state}" for state, number in counts.items()) or "no workstreams"


def _forecast(here: Here, plan: Plan, names: Sequence[str]) -> list[tuple[str, str, str]]:
    from orchestrator.core.line import line
    from orchestrator.core.observation import HostSeen, Observation
    from orchestrator.core.state import Wanted
    from orchestrator.core.status import state_in_words

    state, now = _asked(here.load_state(), plan, names), time.monotonic()
    observation = Observation(hosts=dict.fromkeys(plan.hosts, HostSeen(reachable=True)))
    turns = line(plan, state, observation, now)
    found = []
    for name in names:
        workstream = plan.workstream(name)
        match state.of(name).phase:
            case Wanted():
                waits = turns.waits.get(name)
                what = f"{workstream.branch} on {workstream.host}, session {plan.session(workstream.name)}"
                found.append((name, "wait", "for " + ", ".join(waits)) if waits else (name, "start", what))
            case _:
                word, reason = state_in_words(plan, state, observation, workstream, now, turns)
                found.append((name, "leave", f"it is {word}" + (f": {reason}" if reason else "")))
    return found


def _asked(state: State, plan: Plan, names: Sequence[str]) -> State:
    """The state once `up` was asked for these."""
    from orchestrator.core.facts import DrainLifted, StartAsked
    from orchestrator.core.state import Failed, Idle, Stopped

    if set(names) == set(plan.workstreams):
        state = state.after(DrainLifted(by="up", everywhere=True))
    for name in names:
        match state.of(name).phase:
            case Idle() | Stopped() | Failed(launched=False):
                state = state.after(StartAsked(workstream=name, by="up"))
    return state
