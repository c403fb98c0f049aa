"""What would come of merging branches that are still worked on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictForeseen:
    """Branches that would conflict, were they merged now; with base, `between` has base's name last."""

    between: tuple[str, ...]
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapForeseen:
    """Branches that touch the same files and merge all the same."""

    between: tuple[str, ...]
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastCleared:
    """What was foreseen between them is gone."""

    between: tuple[str, ...]
