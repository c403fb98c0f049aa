"""What lay in the results when a run began, and when it had ended: whose a file is, no clock asked.

Every process of the run has ended before the second look: what changes later, nobody of it wrote.
"""

# ruff: noqa: PTH116

from __future__ import annotations

import contextlib
import os

from .records import read_json, replace_json

_FILES_LIMIT = 300

# Time of change in nanoseconds, size, inode.
Stamp = tuple[int, int, int]


class Written:
    """The JSON files of `results`, kept in `state` for the agent."""

    def __init__(self, state: str, results: str | None) -> None:
        self._state = state
        self._results = results
        self._before: dict[str, Stamp] = {}

    def begin(self) -> None:
        self._before = _stamps(self._results)
        self._keep({"before": self._before})

    def end(self) -> None:
        self._keep({"before": self._before, "after": _stamps(self._results)})

    def _keep(self, looks: dict[str, dict[str, Stamp]]) -> None:
        with contextlib.suppress(OSError):
            replace_json(f"{self._state}/written.json", {"v": 1, **looks})


def stamp(path: str) -> Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def is_from_before(state: str, path: str) -> bool:
    """Whether the file is as the run of `state` found it."""
    return _listed(state, "before", path) == stamp(path) is not None


def is_own(state: str, path: str) -> bool | None:
    """Whether the ended run of `state` left the file so and had not found it so; None if nobody looked."""
    if "after" not in read_json(f"{state}/written.json"):
        return None
    now = stamp(path)
    return now is not None and _listed(state, "after", path) == now != _listed(state, "before", path)


def _listed(state: str, look: str, path: str) -> Stamp | None:
    stamps = read_json(f"{state}/written.json").get(look)
    found = stamps.get(os.path.basename(path)) if isinstance(stamps, dict) else None  # noqa: PTH119
    return tuple(found) if isinstance(found, list) else None


def _stamps(folder: str | None) -> dict[str, Stamp]:
    try:
        names = sorted(os.listdir(folder)) if folder else []  # noqa: PTH208
    except OSError:
        return {}
    files = [name for name in names if name.endswith(".json")][:_FILES_LIMIT]
    return {name: found for name in files if (found := stamp(f"{folder}/{name}"))}
