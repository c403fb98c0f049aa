"""A journal that another version of the program wrote to: it is in order, and must not be moved away."""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from pathlib import Path

from orchestrator import __version__
from orchestrator.errors import JournalError

NEWER = f"install that version, or a later one; this is {__version__}. Nothing was changed"


def require_readable(connection: sqlite3.Connection, path: Path, version: int, newest: int) -> None:
    """Raises: JournalError: the file has a later version than this program reads."""
    if version > newest:
        writer = _last_writer(connection)
        newer = f"a newer orchestrator {writer}" if writer else "a newer orchestrator"
        numbers = f"it has journal version {version}, this one reads up to {newest}"
        raise JournalError(f"{path} was written by {newer}: {numbers}.", NEWER)


def with_writer(connection: sqlite3.Connection, error: JournalError) -> JournalError:
    """The error with the version that wrote the journal, where that was not this one."""
    writer = _last_writer(connection)
    if writer in (None, __version__):
        return error
    return JournalError(f"{error.message} The journal was last written by orchestrator {writer}.", NEWER)


def _last_writer(connection: sqlite3.Connection) -> str | None:
    """The version of the daemon that last came up; None where that cannot be told."""
    query = "SELECT body FROM facts WHERE kind = 'DaemonStarted' ORDER BY id DESC LIMIT 1"
    with suppress(sqlite3.Error, ValueError, TypeError, KeyError):
        return str(json.loads(connection.execute(query).fetchone()[0])["version"])
    return None
