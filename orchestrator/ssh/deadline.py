"""One deadline over many steps, each of which blocks in its own way."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from orchestrator.errors import HostUnreachable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point of the monotonic clock, and what the user was waiting for."""

    at: float
    host: str
    seconds: float

    @classmethod
    def after(cls, seconds: float, host: str) -> Deadline:
        return cls(time.monotonic() + seconds, host, seconds)

    def left_s(self, doing: str) -> float:
        """Seconds left for `doing`.

        Raises:
            HostUnreachable: none are left.
        """
        left = self.at - time.monotonic()
        if left <= 0:
            raise self.missed(doing)
        return left

    def missed(self, doing: str) -> HostUnreachable:
        return HostUnreachable(
            f"{self.host} did not answer within {self.seconds:g} s ({doing})",
            "check that the machine is up and that a firewall lets SSH through",
        )


def within(deadline: Deadline, doing: str, action: Callable[[], T]) -> T:
    """What `action` returns or raises; it is left behind in its thread when the deadline passes."""
    outcome: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put((action(), None))
        except Exception as error:  # noqa: BLE001 - it is raised again in the thread that waits
            outcome.put((None, error))

    threading.Thread(target=run, name=doing, daemon=True).start()
    try:
        value, error = outcome.get(timeout=deadline.left_s(doing))
    except queue.Empty:
        raise deadline.missed(doing) from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]
