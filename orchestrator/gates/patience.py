"""Waiting for what others hold, for as long as somebody wants it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

from orchestrator.desk import Desk
from orchestrator.errors import Refused

POLL_S = 0.05
SAID_AFTER_S = 1.0
"""Short waits are not worth a word."""

_FIGURES = re.compile(r"[0-9.]+")
"""What changes from moment to moment in a reason that stays the same."""


class Patience:
    """One gate's waits. `say` is told what it waits for, once for each thing."""

    def __init__(self, desk: Desk, over: threading.Event, say: Callable[[str], None]) -> None:
        self._desk = desk
        self._over = over
        self._say = say
        self._since: dict[str, float] = {}
        self._said: set[str] = set()

    def wait(self, seconds: float) -> None:
        """Raises: Refused: nobody wants it any more."""
        if self._over.wait(seconds):
            raise Refused("interrupted.")
        self._desk.require_asker()

    def pause(self, what: str) -> None:
        """Wait a moment for `what`.

        Raises:
            Refused: nobody wants it any more.
        """
        now, about = time.monotonic(), _FIGURES.sub("", what)
        if now - self._since.setdefault(about, now) >= SAID_AFTER_S and about not in self._said:
            self._said.add(about)
            self._say(what)
        self.wait(POLL_S)

    def waiting_for(self, what: str) -> Callable[[], None]:
        return lambda: self.pause(what)
