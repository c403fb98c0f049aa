"""Whether the other end of a connection is still there, while a command of ours runs on it.

A frozen sshd accepts and acknowledges every byte: only an answer to a question of the protocol proves that it
is there, as OpenSSH's ServerAliveInterval asks it.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import paramiko

ASK_EVERY_S = 10.0

SILENT_S = 30.0
"""Without an answer and without a byte for so long, the host counts as gone."""


class Movement:
    """Closes `transport` when the host is gone, or, with `idle_s`, when no byte moved for so long.

    `why` says so afterwards. Bytes of a slow line count: an answer may have to queue behind them.
    """

    def __init__(self, transport: paramiko.Transport, host: str, idle_s: float | None = None) -> None:
        self.why = ""
        self._transport = transport
        self._host = host
        self._idle_s = idle_s
        self._moved_at = self._heard_at = time.monotonic()
        self._over = threading.Event()

    def __enter__(self) -> Movement:
        for run in (self._ask, self._watch):
            threading.Thread(target=run, name=f"{self._host} {run.__name__}", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def moved(self) -> None:
        self._moved_at = time.monotonic()

    def _ask(self) -> None:
        with suppress(paramiko.SSHException, EOFError, OSError):
            while not self._over.wait(ASK_EVERY_S) and self._transport.is_active():
                self._transport.global_request("keepalive@openssh.com", wait=True)
                self._heard_at = time.monotonic()

    def _watch(self) -> None:
        while not self._over.wait(min(1.0, SILENT_S / 10)):
            now = time.monotonic()
            if now - max(self._heard_at, self._moved_at) > SILENT_S:
                self.why = f"{self._host} did not answer for {SILENT_S:g} s"
            elif self._idle_s is not None and now - self._moved_at > self._idle_s:
                self.why = f"nothing came from {self._host}, and it took nothing, for {self._idle_s:g} s"
            if self.why:
                self._transport.close()
                return
