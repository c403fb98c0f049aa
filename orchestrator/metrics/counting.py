"""The journal's counts, kept up to date by reading what is new when somebody asks."""

from __future__ import annotations

import threading
from pathlib import Path

from orchestrator.core.tally import Tally
from orchestrator.journal import Journal


class Counting:
    """Thread-safe."""

    def __init__(self, journal: Path) -> None:
        self._path = journal
        self._lock = threading.Lock()
        self._cursor = 0
        self._tally = Tally()

    def tally(self) -> Tally:
        """Raises: JournalError."""
        with self._lock:
            journal = Journal.read(self._path)
            if journal is None:
                return self._tally
            try:
                for entry in journal.entries(self._cursor):
                    self._tally = self._tally.after(entry.fact)
                    self._cursor = entry.id
            finally:
                journal.close()
            return self._tally
