"""What people are told of: facts and conditions as notices. When they are told is in `posting`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core import facts as f
from orchestrator.core.events import Event
from orchestrator.core.facts import Fact
from orchestrator.core.gating import Outcome, Tips, WaveState, to_land, wave_state
from orchestrator.core.observation import HostSeen, Observation, advance_counter
from orchestrator.core.plan import LOCAL, Host, Plan, WaveNumber, Workstream
from orchestrator.core.state import State
from orchestrator.core.status import state_in_words
from orchestrator.core.waiting import disk_floor_bytes, lacking_disk

TEXT_LIMIT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to tell; equal ones become one with a `count`.

    `subject` is a workstream, a wave or a host. `first` is seconds since the epoch, `text` of the last.
    """

    event: Event
    subject: str
    text: str
    first: float
    count: int = 1

    def and_then(self, later: Notice) -> Notice:
        return Notice(
            event=self.event,
            subject=self.subject,
            text=later.text,
            first=self.first,
            count=self.count + later.count,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is so for a while. It is told once for each `mark`; None: it is over, told as `back`."""

    event: Event
    subject: str
    mark: str | None
    text: str = ""
    back: Event | None = None


Told = Mapping[tuple[Event, str], str]
"""The marks of the conditions that were told, or that nobody needs to be told of."""


def notice_of(fact: Fact, at: float) -> Notice | None:
    """What a fact tells people; None for what they need not know at once."""
    match fact:
        case f.StageHeld():
            return _notice(Event.HELD, fact.workstream, "; ".join(fact.unmet), at)
        case f.StepPoisoned():
            return _notice(Event.HELD, fact.workstream, fact.reason, at)
        case f.GaveUp():
            return _notice(Event.FAILED, fact.workstream, fact.reason, at)
        case f.LaunchRefused():
            return _notice(Event.FAILED, fact.workstream, fact.message, at)
        case f.InputAwaited():
            return _notice(Event.WAITING_FOR_INPUT, fact.workstream, fact.line, at)
        case f.StagePassed(next_stage=None):
            return _notice(Event.DONE, fact.workstream, "", at)
        case f.HostLost():
            return _notice(Event.HOST_LOST, fact.host, fact.reason, at)
        case f.HostBack():
            return _notice(Event.HOST_BACK, fact.host, "", at)
        case f.GateFinished(ok=False):
            return _red(fact, at)
        case f.WaveLanded():
            return _landed(fact, at)
        case f.WaveRolledBack():
            return _notice(Event.ROLLED_BACK, _wave(fact.wave), " ".join(fact.landed), at)
    return None


def conditions(plan: Plan, state: State, observation: Observation, tips: Tips, now: float) -> list[Condition]:
    """What no fact says: who is stalled, what is full, and which waves could land. `now` is monotonic."""
    stalled = (_stalled(plan, state, observation, w, now) for w in plan.workstreams.values())
    unsynced = (_unsynced(state, observation, w) for w in plan.workstreams.values())
    full = (_full(host, observation.hosts.get(host.name, HostSeen())) for host in plan.hosts.values())
    ready = (_ready(plan, state, tips, number) for number in plan.waves)
    return [one for one in (*stalled, *unsynced, *full, *ready) if one is not None]


def hold_condition(held: str) -> Condition:
    """Of the daemon itself; `held` is why it can write nothing down, or empty."""
    return Condition(
        event=Event.JOURNAL_HELD,
        subject=LOCAL,
        mark="held" if held else None,
        text=held,
        back=Event.JOURNAL_BACK,
    )


def news(found: list[Condition], told: Told, at: float) -> tuple[list[Notice], Told]:
    """Notices of the conditions that are new, and what has been told with them."""
    after, notices = dict(told), []
    for one in found:
        key = (one.event, one.subject)
        if one.mark is None:
            if after.pop(key, None) is not None and one.back is not None:
                notices.append(_notice(one.back, one.subject, one.text, at))
        elif after.get(key) != one.mark:
            after[key] = one.mark
            notices.append(_notice(one.event, one.subject, one.text, at))
    return notices, after


def one_line(text: str) -> str:
    """Texts of workers and programs: without line ends or control characters, and of bounded length."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= TEXT_LIMIT else plain[: TEXT_LIMIT - 1] + "…"


def _notice(event: Event, subject: str, text: str, at: float) -> Notice:
    return Notice(event=event, subject=subject, text=one_line(text), first=at)


def _red(fact: f.GateFinished, at: float) -> Notice | None:
    """A gate without a verdict accuses nobody, and is tried again."""
    if fact.outcome == Outcome.INFRASTRUCTURE.value:
        return None
    why = fact.message.partition("\n")[0]
    text = f"{fact.gate} at {fact.commit[:12]}" + (f": {why}" if why else "")
    return _notice(Event.GATES_RED, fact.workstream or _wave(fact.wave), text, at)


def _landed(fact: f.WaveLanded, at: float) -> Notice:
    rest = f", without {' '.join(fact.left_out)}" if fact.left_out else ""
    return _notice(Event.LANDED, _wave(fact.wave), f"{' '.join(fact.landed)} on {fact.base}{rest}", at)


def _wave(number: int) -> str:
    return f"wave {number}"


def _stalled(
    plan: Plan, state: State, observation: Observation, workstream: Workstream, now: float
) -> Condition | None:
    launch = state.of(workstream.name).launch
    pulse = observation.pulse(launch.id) if launch else None
    if launch is None or pulse is None:
        return None
    word, reason = state_in_words(plan, state, observation, workstream, now)
    if word != "stale":
        return None
    # Ages begin anew with each daemon; what the worker counts itself does not.
    mark = f"{launch.id} {advance_counter(pulse.seen)}"
    return Condition(event=Event.STALLED, subject=workstream.name, mark=mark, text=reason)


def _unsynced(state: State, observation: Observation, workstream: Workstream) -> Condition | None:
    """One outage, whatever its causes: each pull of it fails anew. A silent host is told as such."""
    record = state.of(workstream.name)
    if record.cleaned:
        return None
    seen = observation.synced.get(workstream.name)
    return Condition(
        event=Event.SYNC_FAILED,
        subject=workstream.name,
        mark="failed" if record.sync.failed else None,
        text=(seen.reason if seen else "") if record.sync.failed else "",
        back=Event.SYNC_BACK,
    )


def _full(host: Host, seen: HostSeen) -> Condition | None:
    """None between the floor and half as much again, and of a silent host: what was true before still is."""
    if seen.disk is None or not seen.reachable:
        return None
    lack = lacking_disk(host, seen.disk)
    if lack:
        text = f"{lack}; nothing new starts there"
        return Condition(event=Event.DISK_FULL, subject=host.name, mark="full", text=text)
    if 2 * seen.disk.free_bytes > 3 * disk_floor_bytes(host, seen.disk):
        return Condition(event=Event.DISK_FULL, subject=host.name, mark=None)
    return None


def _ready(plan: Plan, state: State, tips: Tips, number: WaveNumber) -> Condition | None:
    if wave_state(plan, state, tips, number) is not WaveState.READY:
        return None
    members = to_land(plan, state, number)
    mark = " ".join(f"{w.name}@{tips.commits[w.name]}" for w in members)
    text = f"orchestrator wave merge {number}"
    return Condition(event=Event.WAVE_READY, subject=_wave(number), mark=mark, text=text)
