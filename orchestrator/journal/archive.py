"""Old entries, moved out of the journal into compressed files beside it. None is ever lost or changed.

A file is named by its first and last entry. It is durable before its entries leave the journal, so a
crash in between leaves them in both places; a reader takes each once.
"""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from orchestrator.errors import JournalError
from orchestrator.journal.entry import Entry, read_entry

ARCHIVING_VERSION = 2
MOST_AT_ONCE = 20_000
"""So many are held in memory, and keep the journal's writer waiting."""

_SUFFIX = ".jsonl.gz"
_Row = tuple[int, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    file: Path
    entries: int


def archive_entries(journal: Path, before: datetime, most: int = MOST_AT_ONCE) -> Archived | None:
    """Move the first `most` entries that lead up to `before` out of `journal`; None where there are none.

    May run beside the journal's writer, which waits for one delete.

    Raises:
        JournalError: the disk or the journal does not allow it; nothing was moved.
    """
    stamp = before.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    try:
        with closing(sqlite3.connect(journal, isolation_level=None)) as connection:
            rows = _older(connection, stamp, most)
            if not rows:
                return None
            file = _write(_folder(journal), rows)
            _require_same(file, rows)
            _remove(connection, rows[-1][0])
    except (sqlite3.Error, OSError, EOFError, zlib.error) as error:
        raise JournalError(f"cannot archive entries of {journal}: {error}") from error
    return Archived(file=file, entries=len(rows))


def archived_entries(journal: Path, after: int, until: int | None) -> Iterator[Entry]:
    """The archived entries behind `after` and before `until` (None: all), in order.

    Raises:
        JournalError: a file cannot be read.
    """
    last = after
    for first_of, last_of, file in _files(journal):
        if last_of <= last or (until is not None and first_of >= until):
            continue
        for row in _read(file):
            if row[0] > last and (until is None or row[0] < until):
                last = row[0]
                yield read_entry(file, *row)


def _older(connection: sqlite3.Connection, stamp: str, most: int) -> list[_Row]:
    """Up to the first entry that is not older: a clock that was set back moves nothing early."""
    query = (
        "SELECT id, at, kind, body FROM facts WHERE id < "
        "COALESCE((SELECT MIN(id) FROM facts WHERE at >= ?), 9223372036854775807) ORDER BY id LIMIT ?"
    )
    return connection.execute(query, (stamp, most)).fetchall()


def _remove(connection: sqlite3.Connection, last: int) -> None:
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM facts WHERE id <= ?", (last,))
    # A version that knows of no archive would replay the rest alone.
    connection.execute(f"PRAGMA user_version={ARCHIVING_VERSION}")
    connection.execute("COMMIT")


def _folder(journal: Path) -> Path:
    return journal.with_name("journal")


def _write(folder: Path, rows: list[_Row]) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / f"{rows[0][0]:012d}-{rows[-1][0]:012d}{_SUFFIX}"
    temporary = file.with_name(f".{file.name}.part")
    with temporary.open("wb") as raw:
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
            for row in rows:
                packed.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        raw.flush()
        os.fsync(raw.fileno())
    temporary.chmod(0o600)
    temporary.replace(file)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return file


def _require_same(file: Path, rows: list[_Row]) -> None:
    if list(_read(file)) != rows:
        raise OSError(f"{file} does not hold what was written to it")


def _files(journal: Path) -> list[tuple[int, int, Path]]:
    found = []
    for file in _folder(journal).glob(f"[0-9]*{_SUFFIX}"):
        first, _, last = file.name.removesuffix(_SUFFIX).partition("-")
        if first.isdigit() and last.isdigit():
            found.append((int(first), int(last), file))
    return sorted(found)


def _read(file: Path) -> Iterator[_Row]:
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                number, at, kind, body = json.loads(line)
                yield number, at, kind, body
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise JournalError(f"the journal's archive {file} cannot be read: {error}") from error
