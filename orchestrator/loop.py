"""The one loop and the one writer: messages in, facts written, state folded, effects handed out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from queue import Empty, SimpleQueue

import structlog

from orchestrator import requests as r
from orchestrator.core import facts as f
from orchestrator.core.decide import Effect, decide, stops_due
from orchestrator.core.facts import Fact
from orchestrator.core.gating import Tips
from orchestrator.core.leases import with_ends
from orchestrator.core.observation import HostSeen, Observation
from orchestrator.core.peaks import with_peaks
from orchestrator.core.plan import Plan
from orchestrator.core.state import ImpossibleFact, State
from orchestrator.core.status import DaemonStatus, Status, status
from orchestrator.errors import JournalBlocked, JournalError
from orchestrator.holding import Hold
from orchestrator.inbox import (
    Asked,
    Happened,
    HostAnswered,
    HostSilent,
    LaunchesSeen,
    Leave,
    Message,
    NotPerformed,
    ResultsSeen,
    Tick,
    TipsRead,
)
from orchestrator.journal import Journal
from orchestrator.stops_kept import StopsKept

RETRY_PAUSE_S = 5.0
"""Before an action that could not be performed is tried again."""

SNAPSHOT_EVERY = 2000
"""Entries; folding so many takes some hundredths of a second."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything the loop knows at one moment. Replaced whole, so that any thread may read it."""

    plan: Plan
    state: State
    observation: Observation
    tips: Tips
    daemon: DaemonStatus
    last_entry: int

    def status(self) -> Status:
        return status(self.plan, self.state, self.observation, self.tips, self.daemon, time.monotonic())


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Where the loop hands on what is not its own. None of these may block."""

    effects: Callable[[View, tuple[Effect, ...]], None]
    asked: Callable[[View, Asked], None]
    tick: Callable[[View], None]
    changed: Callable[[View], None]
    turned: Callable[[float], None] = lambda took_s: None
    held: Callable[[View], None] = lambda view: None
    """The daemon begins to hold every action (`view.daemon.held` says why), or goes on."""


class Loop:
    """Each turn: take the inbox; write facts; fold them; decide until nothing follows; hand out effects."""

    def __init__(
        self, journal: Journal, plan: Plan, daemon: DaemonStatus, inbox: SimpleQueue[Message], hooks: Hooks
    ) -> None:
        self._journal = journal
        self._inbox = inbox
        self._hooks = hooks
        self._pauses: dict[str, float] = {}
        self._hold: Hold | None = None
        self._stops = StopsKept(path=journal.path.with_name("stops.json"))
        state, last_entry = journal.replay()
        self._kept_entry = last_entry
        now = time.monotonic()
        self.view = View(
            plan=plan,
            state=state,
            observation=Observation(phase_since=dict.fromkeys(state.workstreams, now)),
            tips=Tips(),
            daemon=daemon,
            last_entry=last_entry,
        )

    def run(self) -> str:
        """Turn until told to leave; returns why."""
        while True:
            messages = self._taken()
            begun = time.monotonic()
            for message in messages:
                if isinstance(message, Leave):
                    return message.why
                self._take(message)
            self._decide()
            self._hooks.changed(self.view)
            self._hooks.turned(time.monotonic() - begun)

    def begin(self, facts: Iterable[Fact]) -> None:
        """As `write`, before anything else; a journal that was begun may be full by now."""
        facts, stops = tuple(facts), self._stops.read()
        try:
            self.write((*facts, *stops))
            self._stops.clear()
        except JournalBlocked:
            if self._hold is None or not self.view.state.token:
                raise
            self._hold.keep(facts)
            self._stop_meanwhile(self._hold, stops)

    def end(self, facts: Iterable[Fact]) -> None:
        """As `write`, at the end, where that can be."""
        try:
            self._try_again()
            self.write(facts)
            self.keep_snapshot()
        except JournalBlocked as error:
            log.warning("not written", reason=error.message)

    def write(self, facts: Iterable[Fact]) -> None:
        """Make facts durable, then fold them. Facts that no longer fit are dropped and logged.

        Raises:
            JournalBlocked: nothing was written; every action is held until the journal takes facts again,
                but for stops.
        """
        facts = tuple(facts)
        if self._hold is None:
            try:
                self._write(facts)
                return
            except JournalBlocked as error:
                self._hold = Hold(error=error, written=self.view.state)
                log.error("holds everything", reason=error.message, hint=self._hold.refusal().hint)
                self._show_hold()
        self._stop_meanwhile(self._hold, facts)

    def _stop_meanwhile(self, hold: Hold, facts: Sequence[Fact]) -> None:
        """What people may do while everything is held: end workers. The journal gets it later.

        Raises:
            JournalBlocked: it is something else, or can be written down nowhere.
        """
        stops = [fact for fact in facts if isinstance(fact, f.StopAsked)]
        if len(stops) < len(facts) or (stops and not self._stops.keep([*hold.stops, *stops])):
            raise hold.refusal()
        hold.stops.extend(stops)
        self._show(stops)

    def _show(self, facts: Iterable[Fact]) -> None:
        """Fold what is not in the journal yet."""
        state, _ = _folded(self.view.state, facts)
        self._enter(state)

    def _write(self, facts: Iterable[Fact]) -> None:
        state, fitting = _folded(self.view.state, facts)
        if not fitting:
            return
        entries = self._journal.append(fitting, datetime.now(timezone.utc))
        self._enter(state)
        observation = with_ends(self.view.observation, fitting, time.monotonic())
        begun = [fact.workstream for fact in fitting if isinstance(fact, f.LaunchChosen | f.LaunchAdopted)]
        observation = observation.without_found(begun) if begun else observation
        self.view = replace(self.view, observation=observation, last_entry=entries[-1].id)
        if self.view.last_entry - self._kept_entry >= SNAPSHOT_EVERY:
            self.keep_snapshot()

    def _enter(self, state: State) -> None:
        entered = dict.fromkeys(_in_new_phases(self.view.state, state), time.monotonic())
        since = {**self.view.observation.phase_since, **entered}
        self.view = replace(
            self.view, state=state, observation=replace(self.view.observation, phase_since=since)
        )

    def keep_snapshot(self) -> None:
        """So that the next daemon need not fold everything anew."""
        self._kept_entry = self.view.last_entry
        try:
            self._journal.keep_snapshot(self.view.state, self.view.last_entry)
        except JournalError as error:
            log.warning("snapshot", reason=error.message)  # the facts themselves are there

    def _try_again(self) -> None:
        """Go on where the journal takes facts again, first of all those that had to wait."""
        hold = self._hold
        if hold is None or not hold.is_due(self._journal.path):
            return
        shown = self.view
        self.view = replace(shown, state=hold.written)
        try:
            self._write(hold.over())
        except JournalBlocked as error:
            self.view = shown
            hold.failed_again(error)
            return
        self._hold = None
        self._stops.clear()
        log.info("goes on", held=hold.reason)
        self._show_hold()

    def _show_hold(self) -> None:
        held = self._hold.reason if self._hold else ""
        self.view = replace(self.view, daemon=replace(self.view.daemon, held=held))
        self._hooks.held(self.view)

    def _note(self, fact: Fact) -> None:
        """Write it down, now or as soon as that can be."""
        try:
            self.write([fact])
        except JournalBlocked:
            assert self._hold is not None
            self._hold.keep([fact])

    def adopt(self, plan: Plan) -> None:
        self.view = replace(self.view, plan=plan)

    def forget_host(self, host: str) -> None:
        """Whether it answers is not known until the next look."""
        self._host_seen(host, HostSeen())

    def _taken(self) -> list[Message]:
        """Everything in the inbox; blocks for the first."""
        messages = [self._inbox.get()]
        while True:
            try:
                messages.append(self._inbox.get_nowait())
            except Empty:
                return messages

    def _take(self, message: Message) -> None:
        match message:
            case Happened():
                self._happened(message)
            case NotPerformed(key=key):
                self._not_performed(key)
            case LaunchesSeen(launches=launches):
                self.view = replace(self.view, observation=self.view.observation.with_found(launches))
            case HostAnswered():
                self._answered(message)
            case HostSilent():
                self._silent(message)
            case ResultsSeen(workstream=name, seen=seen):
                self.view = replace(self.view, observation=self.view.observation.with_results(name, seen))
            case TipsRead(names=names, tips=tips):
                self.view = replace(self.view, tips=self.view.tips.replaced(names, tips))
            case Asked():
                self._asked(message)
            case Tick():
                self._end_pauses()
                self._try_again()
                self._hooks.tick(self.view)

    def _happened(self, message: Happened) -> None:
        try:
            self.write(message.facts)
        except JournalError as error:
            if message.written is not None:
                message.written.set_exception(error)
            elif self._hold is not None and message.key is None:
                self._hold.keep(message.facts)
            if self._hold is None:
                raise
            self._show(fact for fact in message.facts if isinstance(fact, f.LaunchEnded))
            # What it was the end of is done once more when that can be written down: that does no harm.
        if message.key is not None:
            self._in_flight(self.view.observation.in_flight - {message.key})
        if message.written is not None and not message.written.done():
            message.written.set_result(None)

    def _asked(self, message: Asked) -> None:
        if self._hold is not None and not isinstance(message.request, r.Wait | r.Stop | r.Down):
            message.talk.refuse(self._hold.refusal())
        else:
            self._hooks.asked(self.view, message)

    def _not_performed(self, key: str) -> None:
        if key in self.view.observation.in_flight:
            self._pauses[key] = time.monotonic() + RETRY_PAUSE_S

    def _end_pauses(self) -> None:
        due = {key for key, at in self._pauses.items() if at <= time.monotonic()}
        self._pauses = {key: at for key, at in self._pauses.items() if key not in due}
        self._in_flight(self.view.observation.in_flight - due)

    def _in_flight(self, keys: frozenset[str]) -> None:
        self.view = replace(self.view, observation=replace(self.view.observation, in_flight=keys))

    def _answered(self, message: HostAnswered) -> None:
        before = self.view.observation.hosts.get(message.host, HostSeen())
        if before.reachable is not True:
            self._note(f.HostBack(host=message.host, boot_id=message.boot_id))
        self._host_seen(message.host, _seen(message))
        observation = self.view.observation.with_pulses(message.launches, message.asked_at, time.monotonic())
        observation = with_peaks(observation, self.view.state, message.census)
        self.view = replace(self.view, observation=observation)

    def _silent(self, message: HostSilent) -> None:
        before = self.view.observation.hosts.get(message.host, HostSeen())
        if before.reachable is not False:
            self._note(f.HostLost(host=message.host, reason=message.reason))
        self._host_seen(
            message.host, HostSeen(reachable=False, reason=message.reason, boot_id=before.boot_id)
        )

    def _host_seen(self, host: str, seen: HostSeen) -> None:
        observation = self.view.observation
        self.view = replace(
            self.view, observation=replace(observation, hosts={**observation.hosts, host: seen})
        )

    def _decide(self) -> None:
        """What could not be written down is not done, and is decided anew."""
        while self._hold is None:
            view = self.view
            decision = decide(view.plan, view.state, view.observation, time.monotonic())
            if not decision.facts:
                self._hand_out(decision.effects)
                return
            with suppress(JournalBlocked):
                self.write(decision.facts)
        view = self.view
        self._hand_out(stops_due(view.plan, view.state, view.observation))

    def _hand_out(self, effects: tuple[Effect, ...]) -> None:
        if effects:
            keys = frozenset(effect.key for effect in effects)
            self._in_flight(self.view.observation.in_flight | keys)
            self._hooks.effects(self.view, effects)


def _seen(message: HostAnswered) -> HostSeen:
    age_s = message.census.age_s if message.census else None
    return HostSeen(
        reachable=True,
        boot_id=message.boot_id,
        gpus_of_gates=message.gpus_of_gates,
        census=message.census,
        census_at=message.asked_at - (age_s or 0.0),
        disk=message.disk,
    )


def _folded(state: State, facts: Iterable[Fact]) -> tuple[State, list[Fact]]:
    """The state after those of the facts that fit it, and these."""
    fitting = []
    for fact in facts:
        try:
            state = state.after(fact)
        except ImpossibleFact as error:
            log.warning("outdated", reason=str(error))
            continue
        fitting.append(fact)
    return state, fitting


def _in_new_phases(before: State, after: State) -> Iterator[str]:
    for name, record in after.workstreams.items():
        if record is not before.workstreams.get(name) and record.phase is not before.of(name).phase:
            yield name
