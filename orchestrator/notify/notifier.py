"""Tells people what happens, on a thread of its own. What it has told, its ledger knows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from orchestrator.core.notices import conditions, hold_condition
from orchestrator.core.plan import NotifyPolicy
from orchestrator.core.posting import take
from orchestrator.core.wording import message
from orchestrator.errors import JournalError
from orchestrator.journal import Entry, Journal
from orchestrator.loop import View
from orchestrator.notify.delivery import deliver
from orchestrator.notify.gathering import with_conditions, with_entries
from orchestrator.notify.ledger import Failure, Ledger, Letter, ledger_file, read_ledger, write_ledger
from orchestrator.notify.letters import after_a_crash, answered, begun, due, posted, tidied
from orchestrator.notify.services import Service, services
from orchestrator.settings import StatePaths

LOOK_EVERY_S = 0.5
CONDITIONS_EVERY_S = 5.0

log = structlog.get_logger(__name__)


class Notifier:
    """At most once across crashes: what is about to be handed over is written down before.

    `now` is seconds since the epoch. The loop is never waited for, nor does it wait for this.
    """

    def __init__(
        self,
        paths: StatePaths,
        view: Callable[[], View],
        env: Callable[[], Mapping[str, str]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._paths = paths
        self._view = view
        self._env = env
        self._now = now
        self._looked_at = -CONDITIONS_EVERY_S
        self._unwritable = False
        self._forget = False
        self._complained: dict[str, str] = {}
        self._stop = threading.Event()
        self.ledger, self._saved = self._opened(), Ledger()
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, *, forget: bool = False) -> None:
        """A message on its way is not waited for: its process ends by itself. `forget`: write no more."""
        self._forget = forget
        self._stop.set()
        self._thread.join(timeout=LOOK_EVERY_S * 2)

    def troubles(self) -> tuple[str, ...]:
        """Which services do not take messages, in words. Thread-safe."""
        failures = tuple(failure_in_words(failure) for failure in self.ledger.failures.values())
        return (*failures, *(("notify.json cannot be written",) if self._unwritable else ()))

    def turn(self) -> None:
        """One look at everything; blocks while messages are handed over."""
        view, now = self._view(), self._now()
        policy, known = view.plan.notify, services(view.plan.notify.urls)
        ledger = tidied(self.ledger, known, now)
        ledger = with_entries(ledger, self._new_entries(view, ledger.cursor), policy.on)
        ledger = self._with_conditions(ledger, view, now)
        told, box = take(ledger.box, policy, now, local_minute(now))
        ledger = replace(ledger, box=box)
        if told:
            ledger = posted(ledger, message(view.plan.project, told, now, local_clock), known, now)
        self._keep(ledger)
        self._send(policy, known, now)

    def _opened(self) -> Ledger:
        """The ledger of this journal; without one everything so far counts as told."""
        view, now = self._view(), self._now()
        found = read_ledger(ledger_file(self._paths.root))
        if found is None or found.token != view.state.token:
            return Ledger(token=view.state.token, cursor=view.last_entry)
        return after_a_crash(found, services(view.plan.notify.urls), now)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            try:
                self.turn()
            except JournalError as error:
                self._complain("journal", error.message)
            except Exception:
                log.exception("bug in the notifier")
                self._stop.wait(CONDITIONS_EVERY_S)

    def _new_entries(self, view: View, cursor: int) -> tuple[Entry, ...]:
        if view.last_entry <= cursor:
            return ()
        journal = Journal.read(self._paths.journal)
        if journal is None:
            return ()
        try:
            return tuple(journal.entries(cursor))
        finally:
            journal.close()

    def _with_conditions(self, ledger: Ledger, view: View, now: float) -> Ledger:
        monotonic = time.monotonic()
        if monotonic - self._looked_at < CONDITIONS_EVERY_S:
            return ledger
        self._looked_at = monotonic
        found = conditions(view.plan, view.state, view.observation, view.tips, monotonic)
        found.append(hold_condition(view.daemon.held))
        return with_conditions(ledger, found, now, view.plan.notify.on)

    def _keep(self, ledger: Ledger) -> None:
        """A cursor alone needs no writing: what it skips would be skipped again. On a full disk the
        memory has to do, for that is when people want to be told."""
        self.ledger = ledger
        if self._forget or replace(ledger, cursor=self._saved.cursor) == self._saved:
            return
        try:
            write_ledger(ledger_file(self._paths.root), ledger)
            self._saved, self._unwritable = ledger, False
        except OSError as error:
            if not self._unwritable:
                self._unwritable = True
                self._complain("ledger", f"cannot be written: {error.strerror}")

    def _send(self, policy: NotifyPolicy, known: tuple[Service, ...], now: float) -> None:
        letters = due(self.ledger, now)
        if not letters or (policy.quiet is not None and policy.quiet.cover(local_minute(now))):
            return
        self._keep(begun(self.ledger, letters))
        by_id = {service.id: service for service in known}
        reasons = self._handed_over(letters, by_id)
        ledger = self.ledger
        for letter in letters:
            label, reason = by_id[letter.service].label, reasons[letter.service]
            ledger = answered(ledger, letter, label, reason, self._now())
            self._complain(label, reason)
        self._keep(ledger)

    def _handed_over(self, letters: tuple[Letter, ...], by_id: Mapping[str, Service]) -> dict[str, str]:
        """Why each was not sent; all services at once, so that none waits for another's deadline."""
        folder, env = Path(self._view().plan.source).parent, self._env()
        reasons: dict[str, str] = {}

        def hand_over(letter: Letter) -> None:
            reasons[letter.service] = deliver(by_id[letter.service], letter.message, env=env, folder=folder)

        threads = [threading.Thread(target=hand_over, args=(one,), daemon=True) for one in letters]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {letter.service: reasons.get(letter.service, "a bug of ours") for letter in letters}

    def _complain(self, about: str, reason: str) -> None:
        """Into the log, once for each new reason."""
        if reason and self._complained.get(about) != reason:
            log.warning("not notified", about=about, reason=reason)
        self._complained[about] = reason


def failure_in_words(failure: Failure) -> str:
    tries = f"{failure.tries} {'try' if failure.tries == 1 else 'tries'}"
    return f"notify {failure.label}: {failure.reason} ({tries}, since {local_clock(failure.since)})"


def local_minute(now: float) -> int:
    local = time.localtime(now)
    return local.tm_hour * 60 + local.tm_min


def local_clock(at: float) -> str:
    return time.strftime("%H:%M", time.localtime(at))
