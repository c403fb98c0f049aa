"""What was computed before, by whoever computed it: the daemon and the command line share one file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

LIMIT_BYTES = 32 * 1024 * 1024
_BUSY_S = 5.0
_KEYS_AT_ONCE = 500

Key = TypeVar("Key")


class ForecastCache:
    """JSON values by key; every key says all that its value depends on. Losing it costs time only.

    A file that cannot be used, for whatever reason, is an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "forecast.db"

    def complete(
        self,
        wanted: Iterable[Key],
        key_of: Callable[[Key], str],
        compute: Callable[[Sequence[Key]], Mapping[Key, Any]],
    ) -> tuple[dict[Key, Any], int]:
        """A value for each of `wanted`: known, or computed now and kept; and how many were computed.

        What `compute` gives no value for is computed again next time.
        """
        keys = {one: key_of(one) for one in wanted}
        known = self._read(list(keys.values()))
        missing = [one for one, key in keys.items() if key not in known]
        computed = dict(compute(missing)) if missing else {}
        self._write({keys[one]: value for one, value in computed.items()})
        # Through JSON both ways: a value looks the same whether it was known or not.
        fresh = {one: json.loads(json.dumps(value)) for one, value in computed.items()}
        return {one: known[key] for one, key in keys.items() if key in known} | fresh, len(missing)

    def _read(self, keys: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with suppress(sqlite3.Error, OSError, ValueError), self._open() as database:
            for start in range(0, len(keys), _KEYS_AT_ONCE):
                some = keys[start : start + _KEYS_AT_ONCE]
                marks = ",".join("?" * len(some))
                rows = database.execute(f"SELECT key, value FROM entries WHERE key IN ({marks})", some)
                found |= {key: json.loads(value) for key, value in rows}
        return found

    def _write(self, values: Mapping[str, Any]) -> None:
        if not values:
            return
        rows = [(key, json.dumps(value)) for key, value in values.items()]
        try:
            with self._open() as database:
                database.executemany("INSERT OR REPLACE INTO entries (key, value) VALUES (?, ?)", rows)
                _shrink(database)
        except sqlite3.OperationalError:  # busy, a full disk, a folder that may not be written
            return
        except sqlite3.DatabaseError:
            self._path.unlink(missing_ok=True)
        except OSError:
            return

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path, timeout=_BUSY_S)) as database, database:
            database.execute("PRAGMA synchronous=OFF")
            database.execute(
                "CREATE TABLE IF NOT EXISTS entries "
                "(id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, value TEXT)"
            )
            yield database


def _shrink(database: sqlite3.Connection) -> None:
    """Drop the older half once the file is larger than it may be; its pages are used again."""
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    if (pages - free) * size > LIMIT_BYTES:
        middle = "SELECT id FROM entries ORDER BY id LIMIT 1 OFFSET (SELECT COUNT(*) / 2 FROM entries)"
        database.execute(f"DELETE FROM entries WHERE id < ({middle})")
