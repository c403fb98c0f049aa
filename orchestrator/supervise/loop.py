"""Waits for descriptors, signals and moments of time: no work, no wake-up."""

from __future__ import annotations

import os
import select
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

READ, WRITE = select.POLLIN, select.POLLOUT


class Loop:
    """Calls a handler for each descriptor that is ready, signal that came and moment that is reached."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._interest: dict[int, int] = {}
        self._handlers: dict[tuple[int, int], Callable[[], None]] = {}
        self._on_signal: dict[int, Callable[[], None]] = {}
        self._at: float | None = None
        self._at_do: Callable[[], float] = time.monotonic
        self._signals, self._signal_end = os.pipe()
        os.set_blocking(self._signals, False)
        os.set_blocking(self._signal_end, False)
        signal.set_wakeup_fd(self._signal_end, warn_on_full_buffer=False)
        self.watch(self._signals, READ, self._take_signals)

    def watch(self, descriptor: int, event: int, handler: Callable[[], None]) -> None:
        self._handlers[descriptor, event] = handler
        self._interest[descriptor] = self._interest.get(descriptor, 0) | event
        self._poll.register(descriptor, self._interest[descriptor])

    def ignore(self, descriptor: int, event: int) -> None:
        if self._handlers.pop((descriptor, event), None) is None:
            return
        self._interest[descriptor] &= ~event
        if self._interest[descriptor]:
            self._poll.register(descriptor, self._interest[descriptor])
        else:
            del self._interest[descriptor]
            self._poll.unregister(descriptor)

    def on_signals(self, numbers: Iterable[int], handler: Callable[[], None]) -> None:
        for number in numbers:
            self._on_signal[number] = handler
            signal.signal(number, _noted)

    def repeat(self, do: Callable[[], float]) -> None:
        """Call `do` now and then each time the monotonic moment that it returned is reached."""
        self._at_do = do
        self._at = do()

    def run(self, done: Callable[[], bool], limit_s: float | None = None) -> bool:
        """Serve everything until `done()`; return whether it was before `limit_s` had passed."""
        end_at = None if limit_s is None else time.monotonic() + limit_s
        while not done():
            now = time.monotonic()
            if end_at is not None and now >= end_at:
                return False
            if self._at is not None and now >= self._at:
                self._at = self._at_do()
            self._serve(min((at for at in (end_at, self._at) if at is not None), default=None))
        return True

    def _serve(self, until: float | None) -> None:
        # One millisecond more: poll rounds down and would spin.
        wait_ms = None if until is None else max(0, int((until - time.monotonic()) * 1000) + 1)
        for descriptor, events in self._poll.poll(wait_ms):
            gone = events & ~(READ | WRITE)
            for event in (READ, WRITE):
                # A handler may have taken away the interest of the next one.
                if (events & event or gone) and (handler := self._handlers.get((descriptor, event))):
                    handler()

    def _take_signals(self) -> None:
        try:
            numbers = os.read(self._signals, 512)
        except BlockingIOError:
            return
        for number in sorted(set(numbers)):
            if handler := self._on_signal.get(number):
                handler()


def _noted(number: int, frame: object) -> None:
    """Only the wake-up counts: the loop calls the handler at a moment that suits it."""
