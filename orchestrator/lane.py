"""One host's threads: what is slow or silent there delays nobody else."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from queue import SimpleQueue

import structlog

from orchestrator.core.decide import Effect
from orchestrator.core.facts import HostTakenOver
from orchestrator.core.plan import HostName, Plan
from orchestrator.core.state import State
from orchestrator.errors import HostUnreachable, OrchestratorError
from orchestrator.inbox import Happened, HostSilent, LaunchesSeen, Message, NotPerformed
from orchestrator.observe import observe, running_launches
from orchestrator.perform import Bench, perform
from orchestrator.site import Site, Sites, Superseded

RECONNECT_FIRST_S = 1.0
RECONNECT_LIMIT_S = 3.0
"""A host that is back is known again within 5 s."""

RECONNECT_PERSON_LIMIT_S = 15.0
"""Where a person has to mend something first: an sshd that counts refused logins bears that."""

log = structlog.get_logger(__name__)


def reconnect_pause_s(failures: int, *, needs_person: bool, jitter: float) -> float:
    """The wait after the n-th failure in a row. `jitter`, of 0 to 1, keeps many hosts from coming in step."""
    limit_s = RECONNECT_PERSON_LIMIT_S if needs_person else RECONNECT_LIMIT_S
    longest_s = min(RECONNECT_FIRST_S * 2.0 ** min(failures, 8), limit_s)
    return longest_s * (0.25 + 0.75 * jitter)


class Lane:
    """Runs work for one host off the loop's thread; everything it learns goes to the inbox.

    Probes have a thread of their own, and so has each batch of effects: a set-up that lasts for hours
    delays neither a probe nor a stop. No thread keeps the process from ending.
    """

    def __init__(self, host: HostName, sites: Sites, inbox: SimpleQueue[Message]) -> None:
        self._host = host
        self._sites = sites
        self._inbox = inbox
        self._newest: tuple[Plan, State] | None = None
        self._wake = threading.Condition()
        self._closed = False
        self._retry_at = 0.0
        self._failures = 0
        self._taken: Site | None = None
        self._searched: Site | None = None
        threading.Thread(target=self._probe_on, name=f"probe {host}", daemon=True).start()

    def probe(self, plan: Plan, state: State) -> None:
        """Look at the host as soon as the last look is over, and a reconnect is due."""
        with self._wake:
            self._newest = (plan, state)
            self._wake.notify()

    def perform(self, bench: Bench, effects: Sequence[Effect]) -> None:
        threading.Thread(
            target=self._perform, args=(bench, effects), name=f"perform {self._host}", daemon=True
        ).start()

    def hurry(self) -> None:
        """Reconnect at once: something was mended."""
        with self._wake:
            self._failures, self._retry_at = 0, 0.0
            self._wake.notify()

    def close(self) -> None:
        """Do not wait for calls under way: closing their link ends them."""
        with self._wake:
            self._closed = True
            self._wake.notify()

    def _probe_on(self) -> None:
        while (due := self._next_probe()) is not None:
            try:
                self._look(*due)
                self._failures = 0
            except Superseded:
                with self._wake:
                    self._newest = self._newest or due
            except OrchestratorError as error:
                self._silent(error)
            except Exception:
                log.exception("bug in a lane", host=self._host)

    def _next_probe(self) -> tuple[Plan, State] | None:
        """Blocks until a look is asked for and a reconnect due; None once the lane is closed."""
        with self._wake:
            while not self._closed:
                left_s = self._retry_at - time.monotonic()
                if self._newest is not None and left_s <= 0:
                    newest, self._newest = self._newest, None
                    return newest
                self._wake.wait(max(left_s, 0.01) if self._newest is not None else None)
        return None

    def _look(self, plan: Plan, state: State) -> None:
        site = self._sites.site(self._host)
        if site.taken_from is not None and site is not self._taken:
            self._taken = site
            self._inbox.put(Happened(facts=(HostTakenOver(host=self._host, before=site.taken_from),)))
        if site is not self._searched:
            found = running_launches(site, plan, state)
            self._searched = site
            if found:
                self._inbox.put(LaunchesSeen(launches=found))
        self._inbox.put(observe(site, plan, state))

    def _silent(self, error: OrchestratorError) -> None:
        """Say so, and let some time pass. Only a probe finds a host silent: it is never long under way."""
        needs_person = getattr(error, "needs_person", True)
        pause_s = reconnect_pause_s(self._failures, needs_person=needs_person, jitter=random.random())
        reason = f"{error.message} ({error.hint})" if needs_person and error.hint else error.message
        if needs_person and not self._failures:
            log.warning("host", host=self._host, reason=error.message, hint=error.hint)
        with self._wake:
            self._retry_at = time.monotonic() + pause_s
            self._failures += 1
            closed = self._closed
        if not closed:
            self._inbox.put(HostSilent(host=self._host, reason=reason))

    def _perform(self, bench: Bench, effects: Sequence[Effect]) -> None:
        """Whatever is raised becomes a message, and the effects may be tried again."""
        try:
            perform(bench, self._sites.site(self._host), effects)
            reason = ""
        except HostUnreachable as error:
            reason = error.message
        except OrchestratorError as error:
            reason = error.message
            log.warning("refused", host=self._host, reason=reason, hint=error.hint)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            log.exception("bug in a lane", host=self._host)
        for effect in effects:
            self._inbox.put(NotPerformed(key=effect.key, reason=reason))
