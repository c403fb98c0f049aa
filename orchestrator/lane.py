"""One host's threads: what is slow or silent there delays nobody else."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import structlog

from orchestrator.core.decide import Effect
from orchestrator.core.plan import HostName, Plan
from orchestrator.core.state import State
from orchestrator.errors import HostUnreachable, OrchestratorError
from orchestrator.inbox import HostSilent, Message, NotPerformed
from orchestrator.observe import observe
from orchestrator.perform import Bench, perform
from orchestrator.site import Site, Sites

THREADS = 6
"""Calls under way to one host at a time: a probe, and starts and stops that may each last minutes."""

RECONNECT_FIRST_S = 1.0
RECONNECT_LIMIT_S = 15.0

log = structlog.get_logger(__name__)


class Lane:
    """Runs work for one host off the loop's thread; everything it learns goes to the inbox."""

    def __init__(self, host: HostName, sites: Sites, inbox: SimpleQueue[Message]) -> None:
        self._host = host
        self._sites = sites
        self._inbox = inbox
        self._pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix=f"lane-{host}")
        self._probing = threading.Lock()
        self._retry_at = 0.0
        self._pause_s = RECONNECT_FIRST_S

    def probe(self, plan: Plan, state: State) -> None:
        """Look at the host, unless the last look is still under way or a reconnect is not yet due."""
        if time.monotonic() >= self._retry_at and self._probing.acquire(blocking=False):
            self._pool.submit(self._probe, plan, state)

    def perform(self, bench: Bench, effects: Sequence[Effect]) -> None:
        self._pool.submit(self._perform, bench, effects)

    def close(self) -> None:
        """Do not wait for calls under way: closing their link ends them."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _probe(self, plan: Plan, state: State) -> None:
        try:
            self._guarded(lambda site: self._inbox.put(observe(site, plan, state)), keys=())
        finally:
            self._probing.release()

    def _perform(self, bench: Bench, effects: Sequence[Effect]) -> None:
        self._guarded(lambda site: perform(bench, site, effects), keys=[effect.key for effect in effects])

    def _guarded(self, work: Callable[[Site], None], keys: Sequence[str]) -> None:
        """Run `work`; whatever it raises becomes a message, and `keys` are free to be tried again."""
        try:
            work(self._sites.site(self._host))
            self._pause_s = RECONNECT_FIRST_S
            reason = ""
        except HostUnreachable as error:
            reason = error.message
            self._back_off()
            self._inbox.put(HostSilent(host=self._host, reason=reason))
        except OrchestratorError as error:
            reason = error.message
            log.warning("refused", host=self._host, reason=reason, hint=error.hint)
            if not keys:
                self._inbox.put(HostSilent(host=self._host, reason=reason))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            log.exception("bug in a lane", host=self._host)
        for key in keys:
            self._inbox.put(NotPerformed(key=key, reason=reason))

    def _back_off(self) -> None:
        self._sites.close(self._host)
        self._retry_at = time.monotonic() + self._pause_s * random.uniform(0.75, 1.25)
        self._pause_s = min(self._pause_s * 2, RECONNECT_LIMIT_S)
