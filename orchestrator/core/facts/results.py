"""Results that were brought here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsSynced:
    """Written when somebody asked, for the first pull, the first after a failure, and the last of a launch.

    `files` and `bytes` are all that is in `folder`; `final`: the launch had ended before.
    """

    workstream: str
    launch: str | None
    folder: str
    files: int
    bytes: int
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncFailed:
    """`cause`: `disk` (ours is full), `files` (some did not come), `refused` or `transfer`.

    Written once for each cause in a row. `final`: the launch had ended, and the rest of it is here.
    """

    workstream: str
    launch: str | None
    cause: str
    reason: str
    final: bool = False
