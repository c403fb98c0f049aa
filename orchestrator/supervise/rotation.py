"""The worker's log: every byte, over all attempts, in numbered files cut at line ends."""

# ruff: noqa: PTH103, PTH105, PTH120

from __future__ import annotations

import contextlib
import os

# A line may run over the limit by this much before it is cut all the same.
_LONGEST_OVERRUN_BYTES = 1024 * 1024


class Log:
    """Appends to `path`; at `limit_bytes` it becomes `path.1`, and so on up to `path.<keep>`.

    A full or broken disk must not end the worker: `error` says what is wrong for as long as it is, and
    what was lost is noted in the log once it can be written again.
    """

    def __init__(self, path: str, limit_bytes: int, keep: int) -> None:
        self.error: str | None = None
        self._path = path
        self._limit_bytes = limit_bytes
        self._keep = keep
        self._descriptor: int | None = None
        self._size = 0
        self._at_line_end = True
        self._lost_bytes = 0

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            self._open()
            if self._lost_bytes:
                self._append(f"\n[{self._lost_bytes} bytes of output lost: {self.error}]\n".encode())
                self._lost_bytes, self.error = 0, None
            while view:
                view = view[self._write_some(view) :]
        except OSError as error:
            self.error = error.strerror or str(error)
            self._lost_bytes += len(view)
            self.close()

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _open(self) -> None:
        if self._descriptor is not None:
            return
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o666)
        self._size = os.fstat(self._descriptor).st_size
        self._at_line_end = not self._size or os.pread(self._descriptor, 1, self._size - 1) == b"\n"

    def _write_some(self, view: memoryview) -> int:
        room = self._limit_bytes - self._size
        if len(view) <= room:
            return self._append(view)
        data = bytes(view)
        cut = data.rfind(b"\n", 0, max(0, room)) + 1
        if not cut and not (self._at_line_end and self._size):
            # The line that is begun goes on past the limit, up to its end.
            cut = data.find(b"\n") + 1 or min(len(data), max(1, room + _LONGEST_OVERRUN_BYTES))
        written = self._append(view[:cut])
        if written == cut and (self._at_line_end or self._size >= self._limit_bytes + _LONGEST_OVERRUN_BYTES):
            self._rotate()
        return written

    def _append(self, data: bytes | memoryview) -> int:
        if not data:
            return 0
        assert self._descriptor is not None
        written = os.write(self._descriptor, data)
        self._size += written
        self._at_line_end = data[written - 1 : written] == b"\n"
        return written

    def _rotate(self) -> None:
        self.close()
        for number in range(self._keep - 1, 0, -1):
            self._rename(f"{self._path}.{number}", f"{self._path}.{number + 1}")
        self._rename(self._path, f"{self._path}.1")
        self._open()

    def _rename(self, old: str, new: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.replace(old, new)
