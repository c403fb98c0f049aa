"""sd_notify(3): tells systemd that the daemon listens, and that its loop turns."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping


class Readiness:
    """Silent where systemd did not start us. The variables are taken out of `env`: workers inherit it."""

    def __init__(self, env: MutableMapping[str, str] = os.environ) -> None:
        address = env.pop("NOTIFY_SOCKET", "")
        watchdog_us = env.pop("WATCHDOG_USEC", "")
        is_ours = env.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._every_s = int(watchdog_us) / 2e6 if watchdog_us.isdecimal() and is_ours else None
        self._beat_at = 0.0

    def ready(self, words: str) -> None:
        self._say(f"READY=1\nSTATUS={words}")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def turned(self) -> None:
        """From the loop's own thread, after each turn: when it hangs, systemd hears no more."""
        if self._every_s is not None and time.monotonic() >= self._beat_at:
            self._beat_at = time.monotonic() + self._every_s
            self._say("WATCHDOG=1")

    def _say(self, text: str) -> None:
        """Never blocks, never fails: a lost datagram costs nothing, a daemon that waits for one does."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sending:
                sending.sendto(text.encode(), self._address)
        except OSError:
            # A lost beat must not wait for the next half of the interval.
            self._beat_at = 0.0
