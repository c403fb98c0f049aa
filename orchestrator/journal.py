"""Facts in SQLite: append-only, durable before anything acts on them, replayed to a `State`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, get_args

from orchestrator.codec import build, plain_fields
from orchestrator.core.facts import Fact
from orchestrator.core.state import State
from orchestrator.errors import JournalError

VERSION = 1

_KINDS: dict[str, type[Any]] = {cls.__name__: cls for cls in get_args(Fact)}

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A fact as it stands in the journal; `at` is UTC, for people."""

    id: int
    at: str
    fact: Fact

    def document(self) -> dict[str, Any]:
        """As the interface prints it."""
        return {"id": self.id, "at": self.at, "kind": type(self.fact).__name__, **plain_fields(self.fact)}


class Journal:
    """One writer, guarded by the daemon's lock; any number of readers."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Open for writing, creating it if absent.

        Raises:
            JournalError: not a journal, or of a newer version.
        """
        try:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            _check_version(connection, path)
            connection.executescript(_TABLES)
            connection.execute(f"PRAGMA user_version={VERSION}")
            path.chmod(0o600)
        except sqlite3.Error as error:
            raise JournalError(f"cannot open the journal {path}: {error}", _hint(error)) from error
        return cls(connection, path)

    @classmethod
    def read(cls, path: Path) -> Journal | None:
        """Open for reading only; None when there is no journal yet."""
        if not path.exists():
            return None
        try:
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            _check_version(connection, path)
        except sqlite3.Error as error:
            raise JournalError(f"cannot read the journal {path}: {error}", _SALVAGE) from error
        return cls(connection, path)

    def append(self, facts: Iterable[Fact], at: datetime) -> tuple[Entry, ...]:
        """Write facts durably, all or none. Blocks for one disk flush.

        Raises:
            JournalError: they could not be written; nothing was.
        """
        stamp = at.astimezone(timezone.utc).isoformat(timespec="milliseconds")
        bodies = [(fact, json.dumps(plain_fields(fact), ensure_ascii=False)) for fact in facts]
        insert = "INSERT INTO facts (at, kind, body) VALUES (?, ?, ?)"
        written = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for fact, body in bodies:
                cursor = self._connection.execute(insert, (stamp, type(fact).__name__, body))
                written.append(Entry(id=cursor.lastrowid or 0, at=stamp, fact=fact))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            text = f"cannot write to the journal {self._path}: {error}"
            raise JournalError(text, _hint(error, "")) from error
        return tuple(written)

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """The facts written after the entry with id `after`, in order.

        Raises:
            JournalError: an entry this version cannot read.
        """
        query = "SELECT id, at, kind, body FROM facts WHERE id > ? ORDER BY id"
        for number, at, kind, body in self._connection.execute(query, (after,)):
            yield Entry(id=number, at=at, fact=_fact(self._path, number, kind, body))

    def state(self) -> State:
        """Replay everything."""
        state = State()
        for entry in self.entries():
            state = state.after(entry.fact)
        return state

    def close(self) -> None:
        self._connection.close()


_SALVAGE = "move it away and run `orchestrator up`: worktrees, branches and running workers stay"
_MAKE_ROOM = "make room on that disk and run it again: nothing that was written down is lost"


def _hint(error: sqlite3.Error, otherwise: str = _SALVAGE) -> str:
    full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return _MAKE_ROOM if full else otherwise


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise JournalError(f"{path} was written by a newer orchestrator (journal version {version}).")


def _fact(path: Path, number: int, kind: str, body: str) -> Fact:
    cls = _KINDS.get(kind)
    if cls is None:
        raise JournalError(f"{path}: entry {number} is of unknown kind {kind}.", _SALVAGE)
    try:
        fact: Fact = build(cls, json.loads(body))
    except ValueError as error:
        raise JournalError(f"{path}: entry {number} ({kind}) cannot be read: {error}", _SALVAGE) from error
    return fact
