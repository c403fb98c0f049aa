"""Carries bytes from one descriptor to others without ever waiting for a slow reader."""

from __future__ import annotations

import os

from .loop import READ, WRITE, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK_BYTES = 64 * 1024
# A pipe that is ready takes this much without blocking (POSIX: at least 512; Linux: 4096).
_SAFE_WRITE_BYTES = 512
_SKIPPED = b"\r\n[output skipped: this terminal was too slow; the log has it]\r\n"


class Outbox:
    """Bytes on their way to `descriptor`, which may be slow, blocked or dead.

    With `lossy`, the oldest go when more than `limit_bytes` wait; otherwise `full` asks the source to
    hold back. `nonblocking` says that a write never blocks, whatever its size.
    """

    def __init__(
        self, loop: Loop, descriptor: int, *, limit_bytes: int, lossy: bool = False, nonblocking: bool = False
    ) -> None:
        self.on_room: Callable[[], None] = _nothing
        self.on_dead: Callable[[], None] = _nothing
        self.dead = False
        self.ends_line = True
        self._loop = loop
        self._descriptor = descriptor
        self._limit_bytes = limit_bytes
        self._lossy = lossy
        self._write_bytes = _CHUNK_BYTES if nonblocking else _SAFE_WRITE_BYTES
        self._waiting = bytearray()

    @property
    def empty(self) -> bool:
        return not self._waiting

    @property
    def full(self) -> bool:
        return len(self._waiting) >= self._limit_bytes and not self._lossy

    def put(self, data: bytes) -> None:
        if self.dead or not data:
            return
        if self.empty:
            self._loop.watch(self._descriptor, WRITE, self._write)
        self._waiting += data
        self.ends_line = data.endswith(b"\n")
        if self._lossy and len(self._waiting) > self._limit_bytes:
            half = len(self._waiting) - self._limit_bytes // 2
            self._waiting[: self._waiting.find(b"\n", half) + 1 or half] = _SKIPPED

    def _write(self) -> None:
        try:
            written = os.write(self._descriptor, self._waiting[: self._write_bytes])
        except BlockingIOError:
            return
        except OSError:
            self.close()
            self.on_dead()
            return
        del self._waiting[:written]
        if self.empty:
            self._loop.ignore(self._descriptor, WRITE)
        if not self.full:
            self.on_room()

    def close(self) -> None:
        self.dead = True
        self._waiting.clear()
        self._loop.ignore(self._descriptor, WRITE)


class Source:
    """A descriptor that is read until it ends, as fast as `outbox` has room."""

    def __init__(
        self, loop: Loop, descriptor: int, deliver: Callable[[bytes], None], outbox: Outbox | None = None
    ) -> None:
        self.ended = False
        self._loop = loop
        self._descriptor = descriptor
        self._deliver = deliver
        self._outbox = outbox
        if outbox:
            outbox.on_room = self._resume
        self._resume()

    def _resume(self) -> None:
        if not self.ended:
            self._loop.watch(self._descriptor, READ, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, _CHUNK_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""  # a terminal whose other side is gone says EIO
        if not data:
            self.close()
            return
        self._deliver(data)
        if self._outbox:
            self._outbox.put(data)
            if self._outbox.full:
                self._loop.ignore(self._descriptor, READ)

    def close(self) -> None:
        self.ended = True
        self._loop.ignore(self._descriptor, READ)


def _nothing() -> None:
    pass
