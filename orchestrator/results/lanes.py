"""Threads of each host's own for transfers: one that hangs delays no other host, and no loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from orchestrator.errors import Refused

AT_ONCE = 2
"""Transfers from one host at a time: the link is shared with the workers' own traffic."""

T = TypeVar("T")


class Lanes:
    """Thread-safe. Work that is under way at `close` is told so by `go_on`."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._opening = threading.Lock()
        self._closed = threading.Event()

    def submit(self, host: str, work: Callable[[], T]) -> Future[T]:
        with self._opening:
            self.go_on()
            if host not in self._pools:
                self._pools[host] = ThreadPoolExecutor(self._at_once, thread_name_prefix=f"results-{host}")
            return self._pools[host].submit(work)

    def go_on(self) -> None:
        """Raises: Refused: the lanes are closed."""
        if self._closed.is_set():
            raise Refused("the transfer was interrupted; what came so far stays.")

    def close(self) -> None:
        self._closed.set()
        with self._opening:
            for pool in self._pools.values():
                pool.shutdown(wait=False, cancel_futures=True)
