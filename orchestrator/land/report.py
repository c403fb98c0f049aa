"""What became of a wave, landing or taken out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from orchestrator.codec import plain_fields
from orchestrator.gates import GateVerdict
from orchestrator.git import ConflictFile
from orchestrator.land.reasons import LeftOut
from orchestrator.land.trials import Isolation


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingReport:
    """`reasons` say why the answer is no, all of them; `notes` are worth knowing in any case.

    `landed` is what a dry run would land: its document says so under another key. `base_after` is
    where base is now. `pushed` is None where nothing was to be pushed; `push_cause` says whether a push was
    refused (`moved`, `rejected`) or failed (`failed`). `isolation` says what red gates of the wave come from.
    """

    wave: int
    ok: bool
    landed: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    gates: tuple[GateVerdict, ...] = ()
    base_before: str | None = None
    base_after: str | None = None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tag: str | None = None
    candidate: str | None = None
    dry_run: bool = False
    already_landed: bool = False
    pushed: bool | None = None
    push_error: str | None = None
    push_cause: str | None = None
    isolation: Isolation | None = None

    def document(self) -> dict[str, Any]:
        return {
            "wave": self.wave,
            "ok": self.ok,
            "landed": [] if self.dry_run else list(self.landed),
            "would_land": list(self.landed),
            "left_out": [{"name": one.name, "reason": one.reason} for one in self.left_out],
            "gates": [verdict.document() for verdict in self.gates],
            "findings": [f.document() for verdict in self.gates for f in verdict.findings],
            "suppressed": [f.document() for verdict in self.gates for f in verdict.suppressed],
            "base_before": self.base_before,
            "base_after": self.base_after,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "tag": self.tag,
            "candidate": self.candidate,
            "dry_run": self.dry_run,
            "already_landed": self.already_landed,
            "pushed": self.pushed,
            "push_error": self.push_error,
            "push_cause": self.push_cause,
            "isolation": self.isolation and self.isolation.document(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """A later wave that is affected, and how."""

    wave: int
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackReport:
    """`form` is `reset` where base goes back, `commit` where one takes the wave out.

    `reasons` say why the answer is no; then nothing was changed. `base_after` is where base is now, or
    would be in a dry run.
    """

    wave: int
    ok: bool
    form: str | None = None
    rolled_back: tuple[str, ...] = ()
    dependents: tuple[Dependent, ...] = ()
    conflicts: tuple[ConflictFile, ...] = ()
    gates: tuple[GateVerdict, ...] = ()
    base_before: str | None = None
    base_after: str | None = None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    dry_run: bool = False
    already_rolled_back: bool = False
    pushed: bool | None = None
    push_error: str | None = None
    push_cause: str | None = None

    def document(self) -> dict[str, Any]:
        return {
            **plain_fields(replace(self, gates=())),
            "gates": [verdict.document() for verdict in self.gates],
        }
