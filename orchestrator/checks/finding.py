"""What a built-in check is given, and what it answers with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.core.plan import Workstream
from orchestrator.git import Git


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One commit to check. `workstream` is None for a wave's candidate; `base` is where base stands."""

    git: Git
    gate: str
    workstream: Workstream | None
    base: str
    commit: str
    settings: Mapping[str, object]

    @property
    def name(self) -> str | None:
        return self.workstream.name if self.workstream else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, with the place where a reader finds it."""

    gate: str
    workstream: str | None
    rule: str
    message: str
    path: str | None = None
    line: int | None = None

    def document(self) -> dict[str, Any]:
        return {
            "gate": self.gate,
            "workstream": self.workstream,
            "path": self.path,
            "line": self.line,
            "rule": self.rule,
            "message": self.message,
        }


Check = Callable[[Subject], tuple[Finding, ...]]
"""Depends on nothing but its subject: equal subjects have equal findings. None means green."""
