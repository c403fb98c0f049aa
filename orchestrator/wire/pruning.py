"""Taking away what is old."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.wire.host import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """Remove logs, verdicts and ended launches older than `logs_s`, and kept results older than
    `results_s` (None: none). Answered by `Pruned`.

    `launches` are still asked about, `workstreams` still planned: their newest logs stay.
    """

    place: Place
    logs_s: float
    results_s: float | None
    launches: tuple[str, ...]
    workstreams: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """`failed` says what could not be removed, and why; the rest is gone."""

    files: int
    bytes: int
    failed: tuple[str, ...] = ()
