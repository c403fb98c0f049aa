"""Where the daemon's log goes: a line that cannot be written is lost, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from typing import IO

import structlog


class LogSink:
    """As much of a file as structlog needs. On a full disk a plain one raises in whoever logs."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        with suppress(OSError):
            return self._file.write(text)
        return 0

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


def log_to(file: IO[str]) -> None:
    """The log of this process goes to `file` from now on, as long as it takes lines."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(LogSink(file)))  # type: ignore[arg-type]
