"""The journal's file: one writer, any number of readers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from orchestrator.codec import plain_fields
from orchestrator.core.facts import Fact
from orchestrator.core.state import State
from orchestrator.errors import JournalBlocked, JournalError
from orchestrator.journal import snapshot
from orchestrator.journal.archive import archived_entries
from orchestrator.journal.entry import SALVAGE, Entry, read_entry
from orchestrator.journal.versions import require_readable, with_writer

VERSION = 2
"""The newest that is understood: 1 holds every entry, 2 is what has some in an archive beside it."""

FIRST_VERSION = 1

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL
);
"""


class Journal:
    """One writer, guarded by the daemon's lock; any number of readers."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    @property
    def path(self) -> Path:
        return self._path

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
            version = _check_version(connection, path)
            connection.executescript(_TABLES + snapshot.TABLE)
            if version < FIRST_VERSION:  # even to write the same again needs room
                connection.execute(f"PRAGMA user_version={FIRST_VERSION}")
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
            raise JournalError(f"cannot read the journal {path}: {error}", SALVAGE) from error
        return cls(connection, path)

    def append(self, facts: Iterable[Fact], at: datetime) -> tuple[Entry, ...]:
        """Write facts durably, all or none. Blocks for one disk flush.

        Raises:
            JournalBlocked: the disk does not take them now; nothing was written.
            JournalError: they could not be written; nothing was.
        """
        stamp = at.astimezone(timezone.utc).isoformat(timespec="milliseconds")
        bodies = [(fact, json.dumps(plain_fields(fact), ensure_ascii=False)) for fact in facts]
        insert = "INSERT INTO facts (at, kind, body) VALUES (?, ?, ?)"
        written = []
        self._roll_back()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for fact, body in bodies:
                cursor = self._connection.execute(insert, (stamp, type(fact).__name__, body))
                written.append(Entry(id=cursor.lastrowid or 0, at=stamp, fact=fact))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            kind = JournalBlocked if _may_pass(error) else JournalError
            text = f"cannot write to the journal {self._path}: {error}"
            raise kind(text, _hint(error, "")) from error
        return tuple(written)

    def _roll_back(self) -> None:
        """Also what an earlier failure left open; a disk that fails may not even let go."""
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """The facts written after the entry with id `after`, in order.

        Raises:
            JournalError: an entry this version cannot read.
        """
        try:
            yield from self._entries(after)
        except JournalError as error:
            raise with_writer(self._connection, error) from error

    def _entries(self, after: int) -> Iterator[Entry]:
        query = "SELECT id, at, kind, body FROM facts WHERE id > ? ORDER BY id"
        # The first row is taken before the archive is looked at: what is moved there meanwhile stays here.
        rows = self._connection.execute(query, (after,))
        first = rows.fetchone()
        yield from archived_entries(self._path, after, first[0] if first else None)
        if first is not None:
            yield read_entry(self._path, *first)
        for row in rows:
            yield read_entry(self._path, *row)

    def state(self) -> State:
        """Replay everything."""
        return self.replay()[0]

    def replay(self) -> tuple[State, int]:
        """The state after the last entry, and that entry's id; 0 where there is none."""
        kept = snapshot.load(self._connection)
        state, last = (kept.state, kept.entry) if kept else (State(), 0)
        for entry in self.entries(after=last):
            state, last = state.after(entry.fact), entry.id
        return state, last

    def keep_snapshot(self, state: State, entry: int) -> None:
        """Keep `state`, which is what the entries up to `entry` fold to.

        Raises:
            JournalError: it could not be written.
        """
        try:
            snapshot.save(self._connection, state, entry)
        except sqlite3.Error as error:
            raise JournalError(
                f"cannot write to the journal {self._path}: {error}", _hint(error, "")
            ) from error

    def close(self) -> None:
        self._connection.close()


_MAKE_ROOM = "make room on that disk and run it again: nothing that was written down is lost"


def _hint(error: sqlite3.Error, otherwise: str = SALVAGE) -> str:
    return _MAKE_ROOM if _code(error) == sqlite3.SQLITE_FULL else otherwise


_PASSING = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
)


def _may_pass(error: sqlite3.Error) -> bool:
    """What the disk, its rights or another program's lock cause; not a journal that is damaged or gone."""
    moved = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY_DBMOVED
    return _code(error) in _PASSING and not moved


def _code(error: sqlite3.Error) -> int | None:
    """Without what the extended codes add."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _check_version(connection: sqlite3.Connection, path: Path) -> int:
    version: int
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    require_readable(connection, path, version, VERSION)
    return version
