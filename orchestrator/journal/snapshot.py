"""A state kept beside the facts that it follows from, so that a long journal is not folded anew each time.

It counts only for the code that folded it: any other replays the facts.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator import core
from orchestrator.core.state import State

TABLE = """
CREATE TABLE IF NOT EXISTS snapshot (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    entry INTEGER NOT NULL,
    code TEXT NOT NULL,
    state BLOB NOT NULL
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    entry: int
    state: State


def save(connection: sqlite3.Connection, state: State, entry: int) -> None:
    row = (entry, _code(), pickle.dumps(state))
    connection.execute("INSERT OR REPLACE INTO snapshot (one, entry, code, state) VALUES (1, ?, ?, ?)", row)


def load(connection: sqlite3.Connection) -> Snapshot | None:
    """None where none is kept, or one of other code, or one that is damaged."""
    try:
        row = connection.execute("SELECT entry, state FROM snapshot WHERE code = ?", (_code(),)).fetchone()
        if row is None:
            return None
        state = _StateReader(io.BytesIO(row[1])).load()
    except (sqlite3.OperationalError, pickle.UnpicklingError, EOFError):
        return None  # an older journal has no such table
    return Snapshot(entry=row[0], state=state) if isinstance(state, State) else None


@cache
def _code() -> str:
    """What decides how facts fold: the sources of the core."""
    digest = hashlib.sha256()
    for name, source in _sources():
        digest.update(name.encode() + b"\0" + hashlib.sha256(source).digest())
    return digest.hexdigest()


def _sources() -> Iterator[tuple[str, bytes]]:
    room = Path(core.__file__).parent
    for path in sorted(room.rglob("*.py")):
        yield path.relative_to(room).as_posix(), path.read_bytes()


class _StateReader(pickle.Unpickler):
    """Makes values of a state and nothing else, whatever the blob holds."""

    def find_class(self, module: str, name: str) -> Any:
        if not module.startswith("orchestrator.core."):
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a state")
        return super().find_class(module, name)
