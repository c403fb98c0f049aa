"""What lies between the daemon and a host, and can be cut."""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

_CHUNK_BYTES = 65536


class Link(Protocol):
    """Both ends go on to believe in their connections while it is cut."""

    def cut(self) -> None: ...

    def heal(self) -> None: ...


class Relay:
    """A TCP relay on loopback: what it is given it passes on, later, or not at all.

    `delay_s` holds each piece back. While it is cut nothing is read and nobody is served; the kernel
    still accepts, which a link that is down would not.
    """

    def __init__(self, port: int) -> None:
        """Passes on to `port`."""
        self.delay_s = 0.0
        self._target = port
        self._up = threading.Event()
        self._up.set()
        self._closed = False
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, name="relay", daemon=True).start()

    def cut(self) -> None:
        self._up.clear()

    def heal(self) -> None:
        self._up.set()

    def drop(self) -> None:
        """End every connection at once, on both sides."""
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed = True
        self._up.set()
        self._listener.close()
        self.drop()

    def _serve(self) -> None:
        while not self._closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(near,), name="relayed", daemon=True).start()

    def _relay(self, near: socket.socket) -> None:
        self._up.wait()
        try:
            far = socket.create_connection(("127.0.0.1", self._target), timeout=10)
        except OSError:
            near.close()
            return
        self._open |= {near, far}
        try:
            self._pass_on({near: far, far: near})
        except OSError:
            pass  # either side has gone: so does the other
        finally:
            self._open -= {near, far}
            near.close()
            far.close()

    def _pass_on(self, ways: dict[socket.socket, socket.socket]) -> None:
        while True:
            self._up.wait()
            ready, _, _ = select.select(list(ways), [], [], 0.2)
            for source in ready if self._up.is_set() else ():
                data = source.recv(_CHUNK_BYTES)
                if not data:
                    return
                time.sleep(self.delay_s)
                ways[source].sendall(data)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two ends of a cable, one of them in a host's network namespace."""

    device: str

    def cut(self) -> None:
        from faults.namespace import ip

        ip("link", "set", self.device, "down")

    def heal(self) -> None:
        from faults.namespace import ip

        ip("link", "set", self.device, "up")
