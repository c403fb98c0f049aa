"""What the daemon shows the world without being asked: messages, a ping, figures, and word to systemd.

Each works on a thread of its own, and none can delay the loop or end the daemon.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import structlog

from orchestrator.core.plan import MetricsPolicy, NotifyPolicy, Plan
from orchestrator.loop import View
from orchestrator.metrics.exposition import Exposition
from orchestrator.metrics.listener import Listener
from orchestrator.notify.ledger import ledger_file
from orchestrator.notify.notifier import Notifier
from orchestrator.notify.ping import Ping
from orchestrator.settings import StatePaths
from orchestrator.systemd.readiness import Readiness
from orchestrator.turning import Turning

LISTEN_AGAIN_S = 15.0

log = structlog.get_logger(__name__)


class Beacons:
    """Follows the plan at each `adopt`; `env` is where secrets are looked up."""

    def __init__(
        self, paths: StatePaths, view: Callable[[], View], env: Callable[[], Mapping[str, str]]
    ) -> None:
        self._paths = paths
        self._view = view
        self._env = lambda: {**os.environ, **env()}
        self._turning = Turning()
        self._readiness = Readiness()
        self._exposition = Exposition(paths.journal, view, self._turning, self.troubles)
        self._notifier: Notifier | None = None
        self._ping: Ping | None = None
        self._pinged: NotifyPolicy | None = None
        self._listener: Listener | None = None
        self._wanted: MetricsPolicy | None = None
        self._listen_at = 0.0
        self._deaf = ""

    def started(self) -> None:
        """The daemon listens."""
        self._readiness.ready(f"project {self._view().plan.project}")

    def adopt(self, plan: Plan) -> None:
        self._adopt_notifier(plan)
        self._adopt_ping(plan)
        if plan.metrics != self._wanted:
            self._close_listener()
            self._wanted, self._listen_at = plan.metrics, 0.0
        self.tick()

    def tick(self) -> None:
        """A port that was taken is asked for again."""
        if self._wanted is None or self._listener is not None or time.monotonic() < self._listen_at:
            return
        self._listen_at = time.monotonic() + LISTEN_AGAIN_S
        try:
            self._listener, self._deaf = Listener(self._wanted, self._exposition.text), ""
        except OSError as error:
            where = f"{self._wanted.host}:{self._wanted.port}"
            self._deaf = f"metrics: cannot listen on {where}: {error.strerror}"
            log.warning("no metrics", reason=self._deaf)

    def turned(self, took_s: float) -> None:
        """From the loop's thread, after each turn."""
        self._turning.turned(took_s)
        self._readiness.turned()

    def metrics(self) -> bytes:
        """What Prometheus reads. Raises: JournalError."""
        return self._exposition.text()

    def troubles(self) -> tuple[str, ...]:
        """What cannot be told to others, in words. Thread-safe."""
        notified = self._notifier.troubles() if self._notifier else ()
        pinged = (f"ping: {self._ping.trouble}",) if self._ping and self._ping.trouble else ()
        return (*notified, *pinged, *((self._deaf,) if self._deaf else ()))

    def close(self, *, failed: bool) -> None:
        """Blocks for a few seconds at most. `failed`: the daemon ends by an error."""
        self._readiness.stopping()
        if self._notifier is not None:
            self._notifier.close()
        if self._ping is not None:
            self._ping.close(failed=failed)
        self._close_listener()

    def _adopt_notifier(self, plan: Plan) -> None:
        if plan.notify.urls and self._notifier is None:
            self._notifier = Notifier(self._paths, self._view, self._env)
            self._notifier.start()
        elif not plan.notify.urls:
            if self._notifier is not None:
                self._notifier.close(forget=True)
                self._notifier = None
            # What happens while nobody is told must not be told when somebody is again.
            with suppress(OSError):
                ledger_file(self._paths.root).unlink()

    def _adopt_ping(self, plan: Plan) -> None:
        policy = plan.notify
        before = (self._pinged.ping, self._pinged.ping_every_s) if self._pinged else (None, 0.0)
        if before == (policy.ping, policy.ping_every_s):
            return
        if self._ping is not None:
            self._ping.close(failed=False)
        self._ping, self._pinged = None, policy
        if policy.ping is not None:
            self._ping = Ping(policy, Path(plan.source).parent, self._env, self._turning.s_ago)
            self._ping.start()

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._deaf = ""
