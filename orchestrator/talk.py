"""One surface's request, from the daemon's side: lines on the way, and one answer at the end."""

from __future__ import annotations

import queue
from typing import Any

from orchestrator.errors import OrchestratorError


class Talk:
    """Thread-safe. The first answer counts; later ones, and lines after it, are dropped."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.over = False

    def say(self, text: str) -> None:
        if not self.over:
            self._lines.put({"say": text})

    def answer(self, document: Any) -> None:
        self._end({"answer": document})

    def refuse(self, error: OrchestratorError) -> None:
        self._end(
            {
                "refused": {
                    "message": str(error),
                    "hint": error.hint,
                    "exit_status": int(error.exit_status),
                }
            }
        )

    def abandon(self) -> None:
        """Nobody listens any more."""
        self.over = True

    def next_line(self, timeout_s: float) -> dict[str, Any] | None:
        """The next line; None when there is none within `timeout_s`. The one without `say` is the last."""
        try:
            return self._lines.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def _end(self, document: dict[str, Any]) -> None:
        if not self.over:
            self.over = True
            self._lines.put(document)
