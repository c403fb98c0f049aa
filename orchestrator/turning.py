"""How the loop's turns are told apart from a loop that hangs."""

from __future__ import annotations

import time


class Turning:
    """When the loop last turned and how long turns take. Written by the loop, read by any thread."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.longest_s = 0.0
        self._at = time.monotonic()

    def turned(self, took_s: float) -> None:
        self._at = time.monotonic()
        self.count += 1
        self.seconds += took_s
        self.longest_s = max(self.longest_s, took_s)

    def s_ago(self) -> float:
        return time.monotonic() - self._at
