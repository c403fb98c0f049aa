"""What was read out of files, remembered by the id of their content. Losing it costs time only."""

from __future__ import annotations

import marshal
import sqlite3
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Generic, TypeVar

from orchestrator.source import fragments
from orchestrator.source.facts import EDITION, Facts, packed, unpacked
from orchestrator.source.fragments import Fragments

T = TypeVar("T")
_AT_ONCE = 500
_WAIT_S = 30.0


class BlobCache(Generic[T]):
    """A small database in the state directory; one that cannot be read, or is of another form, is begun anew.

    `packed` and `unpacked` turn a value into plain tuples and back.
    """

    def __init__(
        self,
        path: Path | None,
        form: int,
        packed: Callable[[T], tuple[object, ...]],
        unpacked: Callable[[tuple[object, ...]], T],
    ) -> None:
        self._path = path
        self._form = form * 10_000 + sys.version_info[0] * 100 + sys.version_info[1]
        self._packed = packed
        self._unpacked = unpacked

    def load(self, ids: Iterable[str]) -> dict[str, T]:
        rows = self._select("id, facts", ids)
        try:
            return {row[0]: self.read(row[1]) for row in rows}
        except (ValueError, TypeError, EOFError):
            self._begin_anew()
            return {}

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Those that are not remembered, each once."""
        wanted = list(dict.fromkeys(ids))
        known = {row[0] for row in self._select("id", wanted)}
        return [one for one in wanted if one not in known]

    def keep(self, facts: Mapping[str, T]) -> None:
        self.keep_written({one: written(self._packed(found)) for one, found in facts.items()})

    def keep_written(self, facts: Mapping[str, bytes]) -> None:
        if self._path is None or not facts:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with closing(self._open(self._path)) as database, database:
                database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())
        except sqlite3.DatabaseError:
            self._begin_anew()

    def read(self, content: bytes) -> T:
        return self._unpacked(marshal.loads(content))

    def _select(self, columns: str, ids: Iterable[str]) -> list[tuple[Any, ...]]:
        if self._path is None or not self._path.exists():
            return []
        wanted = list(dict.fromkeys(ids))
        found: list[tuple[Any, ...]] = []
        try:
            with closing(self._open(self._path)) as database:
                for start in range(0, len(wanted), _AT_ONCE):
                    some = wanted[start : start + _AT_ONCE]
                    marks = ",".join("?" * len(some))
                    found += database.execute(f"SELECT {columns} FROM facts WHERE id IN ({marks})", some)
        except sqlite3.DatabaseError:
            self._begin_anew()
            return []
        return found

    def _begin_anew(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _open(self, path: Path) -> sqlite3.Connection:
        database = sqlite3.connect(path, timeout=_WAIT_S)
        database.execute("PRAGMA synchronous = OFF")
        if database.execute("PRAGMA user_version").fetchone()[0] != self._form:
            with database:
                database.execute("DROP TABLE IF EXISTS facts")
                database.execute("CREATE TABLE facts (id TEXT PRIMARY KEY, facts BLOB) WITHOUT ROWID")
                database.execute(f"PRAGMA user_version = {self._form}")
        return database


def written(packed: tuple[object, ...]) -> bytes:
    """What is kept of a value. Some of it may be made by another process than keeps it."""
    return marshal.dumps(packed)  # type: ignore[arg-type]  # tuples of tuples, at any depth


class FragmentsCache(BlobCache[Fragments]):
    def __init__(self, path: Path | None) -> None:
        super().__init__(path, fragments.FORM, fragments.packed, fragments.unpacked)


class FactsCache(BlobCache[Facts]):
    def __init__(self, path: Path | None) -> None:
        super().__init__(path, EDITION, packed, unpacked)
