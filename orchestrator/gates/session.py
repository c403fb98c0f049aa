"""What a driver that runs many candidates in a row may take as known, as long as it runs."""

from __future__ import annotations

import threading

from orchestrator.gates.keys import Key
from orchestrator.gates.verdicts import GateVerdict


class GateSession:
    """Reds of this session, in memory: outside it a red is always run again. Thread-safe."""

    def __init__(self) -> None:
        self._reds: dict[Key, GateVerdict] = {}
        self._lock = threading.Lock()

    def red(self, key: Key) -> GateVerdict | None:
        with self._lock:
            return self._reds.get(key)

    def learn(self, key: Key, verdict: GateVerdict) -> None:
        """A later green of the same key takes a red back."""
        with self._lock:
            if verdict.is_red:
                self._reds[key] = verdict
            elif verdict.is_green:
                self._reds.pop(key, None)
