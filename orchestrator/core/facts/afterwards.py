"""Landed waves that are taken out again, or cleaned up after."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.facts.landing import RefStep


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackAsked:
    wave: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackBegun:
    """Written before any ref moves. `form` is `reset` (base goes back) or `commit` (one takes it out).

    `refs` are those that move with base, in the transaction's order; `landed` who leaves `merged`.
    """

    wave: int
    base: str
    base_before: str
    base_after: str
    form: str
    landed: tuple[str, ...]
    refs: tuple[RefStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveRolledBack:
    """What went from `base_before` to `base_after` is what bringing the wave back has to undo."""

    wave: int
    base: str
    base_before: str
    base_after: str
    form: str
    landed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRefused:
    wave: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningAsked:
    """Empty `workstreams`: all that have landed."""

    workstreams: tuple[str, ...]
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkstreamCleaned:
    """Its worktree, session and branch are gone. `tip` is where the branch was.

    `kept` is the folder on its host that results and ignored files were moved to, `trash` the ref
    there that holds untracked files.
    """

    workstream: str
    branch: str
    tip: str | None
    worktree: str | None
    kept: str | None = None
    kept_bytes: int = 0
    trash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningRefused:
    workstream: str
    reasons: tuple[str, ...]
