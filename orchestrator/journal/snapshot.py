"""A state kept beside the facts that it follows from, so that a long journal is not folded anew each time.

It counts only for the code that folded it: any other replays the facts.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from orchestrator.core.state import State
from orchestrator.kept_values import Unusable, code_digest, dumped, loaded

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
    row = (entry, _code(), dumped(state))
    connection.execute("INSERT OR REPLACE INTO snapshot (one, entry, code, state) VALUES (1, ?, ?, ?)", row)


def load(connection: sqlite3.Connection) -> Snapshot | None:
    """None where none is kept, or one of other code, or one that is damaged."""
    try:
        row = connection.execute("SELECT entry, state FROM snapshot WHERE code = ?", (_code(),)).fetchone()
        if row is None:
            return None
        state = loaded(row[1], "core")
    except (sqlite3.OperationalError, Unusable):
        return None  # an older journal has no such table
    return Snapshot(entry=row[0], state=state) if isinstance(state, State) else None


def _code() -> str:
    """What decides how facts fold."""
    return code_digest("core").hex()
