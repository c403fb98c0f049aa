"""One run of a key at a time: who asks while it runs waits, and takes what it comes to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.agent.files import open_lock, try_lock

_LIMIT_BYTES = 1024 * 1024


class Turn:
    """The right to run. `said` is what a run came to that was under way when this turn was asked for."""

    def __init__(self, descriptor: int, said: dict[str, Any]) -> None:
        self.said = said
        self._descriptor = descriptor

    def tell(self, content: object) -> None:
        """Tell those who wait."""
        os.pwrite(self._descriptor, json.dumps(content).encode("utf-8", "surrogateescape"), 0)


@contextmanager
def turn(path: Path, pause: Callable[[], None], *, join: bool) -> Iterator[Turn]:
    """Wait for the turn, calling `pause` again and again. Without `join` nothing that others say counts.

    The file is removed with the turn: who waited holds it open still and reads there what was said; who
    comes later makes another one.
    """
    while True:
        descriptor = open_lock(path)
        try:
            while not try_lock(descriptor):
                pause()
            if _is_at(path, descriptor):
                # What stands in it now is of a run whose process was killed.
                os.ftruncate(descriptor, 0)
                try:
                    yield Turn(descriptor, {})
                finally:
                    path.unlink(missing_ok=True)
                return
            if join and (said := _read(descriptor)):
                yield Turn(descriptor, said)
                return
        finally:
            os.close(descriptor)


def _read(descriptor: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(descriptor, _LIMIT_BYTES, 0))
    except ValueError:  # nothing yet, or whoever wrote it was killed
        return {}
    return found if isinstance(found, dict) else {}


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))
