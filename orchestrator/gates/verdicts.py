"""What gates came to, in words and as documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.checks import Finding
from orchestrator.core.gating import Outcome, verdict_in_words
from orchestrator.core.plan import Gate, HostName
from orchestrator.gates.jobs import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """`workstream` is None for a wave's gate. `message` says why it is not green, and ends with the
    end of its output.

    `log` and `proposal`, a patch of what the gate changed, are paths on `host`; a built-in check has
    none. `attempts` counts its runs, those that came to nothing included.
    """

    gate: str
    wave: int
    workstream: str | None
    host: HostName
    commit: str
    tree: str
    outcome: Outcome
    severity: str = "block"
    cached: bool = False
    attempts: int = 1
    seconds: float = 0.0
    log: str | None = None
    proposal: str | None = None
    message: str = ""
    findings: tuple[Finding, ...] = ()
    suppressed: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """It does not block."""
        return self.is_green or self.severity == "warn"

    @property
    def is_green(self) -> bool:
        return self.outcome is Outcome.GREEN

    @property
    def is_red(self) -> bool:
        return self.outcome is Outcome.RED

    @property
    def subject(self) -> str:
        return self.workstream or f"wave {self.wave}"

    @property
    def why(self) -> str:
        return self.message.partition("\n")[0]

    @property
    def said(self) -> str:
        """What it came to: `red, only a warning`."""
        return verdict_in_words(self.outcome, self.ok)

    @property
    def finding(self) -> str:
        """What it came to and why: `red: exit status 3`."""
        return self.said + (f": {self.why}" if not self.is_green else "")

    @property
    def sentence(self) -> str:
        """`tests is red: exit status 3`."""
        return f"{self.gate} {'has' if self.outcome is Outcome.INFRASTRUCTURE else 'is'} {self.finding}"

    def words(self) -> str:
        took = "cached" if self.cached else f"{self.seconds:.0f} s"
        runs = f", run {self.attempts} times" if self.attempts > 1 else ""
        said, colon, why = self.finding.partition(":")
        return f"{self.gate} of {self.subject}: {said} ({took}{runs}){colon}{why}"

    def document(self) -> dict[str, Any]:
        return {
            "gate": self.gate,
            "workstream": self.workstream,
            "ok": self.ok,
            "outcome": self.outcome.value,
            "severity": self.severity,
            "cached": self.cached,
            "attempts": self.attempts,
            "seconds": round(self.seconds, 3),
            "log": self.log,
            "proposal": self.proposal,
            "host": self.host,
            "commit": self.commit,
            "message": self.message,
        }


def gates_document(verdicts: Sequence[GateVerdict]) -> dict[str, Any]:
    """What `gate run --json` prints."""
    suppressed = [finding.document() for verdict in verdicts for finding in verdict.suppressed]
    return {
        "ok": all(verdict.ok for verdict in verdicts),
        "gates": [verdict.document() for verdict in verdicts],
        "findings": [finding.document() for verdict in verdicts for finding in verdict.findings],
        **({"suppressed": suppressed} if suppressed else {}),
    }


def verdict_of(job: Job, gate: Gate, outcome: Outcome, **fields: Any) -> GateVerdict:
    return GateVerdict(
        gate=gate.name,
        wave=job.wave,
        workstream=job.workstream.name if job.workstream else None,
        host=job.host,
        commit=job.commit,
        tree=job.tree,
        outcome=outcome,
        severity=gate.severity,
        **fields,
    )
