"""What gates came to. Greens are kept by tree and definition; a red command is always run again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator import git
from orchestrator.agent.files import load_json, write_json
from orchestrator.checks import CHECKS, Finding, Subject, require_check
from orchestrator.core.plan import CommitId, Gate, HostName, Plan
from orchestrator.gates.jobs import Job, result_name, workstream_job
from orchestrator.site import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """`workstream` is None for a wave's gate. `message` says why it is red, and ends with its last lines.

    `log` is a path on `host`; a built-in check has none.
    """

    gate: str
    wave: int
    workstream: str | None
    host: HostName
    commit: str
    tree: str
    ok: bool
    cached: bool = False
    seconds: float = 0.0
    log: str | None = None
    message: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def subject(self) -> str:
        return self.workstream or f"wave {self.wave}"

    @property
    def why(self) -> str:
        return self.message.partition("\n")[0]

    def words(self) -> str:
        took = "cached" if self.cached else f"{self.seconds:.0f} s"
        colour = "green" if self.ok else "red"
        return f"{self.gate} of {self.subject}: {colour} ({took})" + (f": {self.why}" if not self.ok else "")

    def document(self) -> dict[str, Any]:
        return {
            "gate": self.gate,
            "workstream": self.workstream,
            "ok": self.ok,
            "cached": self.cached,
            "seconds": round(self.seconds, 3),
            "log": self.log,
            "host": self.host,
            "commit": self.commit,
            "message": self.message,
        }


def gates_document(verdicts: Sequence[GateVerdict]) -> dict[str, Any]:
    """What `gate run --json` prints."""
    return {
        "ok": all(verdict.ok for verdict in verdicts),
        "gates": [verdict.document() for verdict in verdicts],
        "findings": [finding.document() for verdict in verdicts for finding in verdict.findings],
    }


def verdict_of(job: Job, gate: Gate, *, ok: bool, **fields: Any) -> GateVerdict:
    return GateVerdict(
        gate=gate.name,
        wave=job.wave,
        workstream=job.workstream.name if job.workstream else None,
        host=job.host,
        commit=job.commit,
        tree=job.tree,
        ok=ok,
        **fields,
    )


def checked(home: Home, job: Job, gate: Gate) -> GateVerdict:
    """Run a built-in check here, and keep what it came to.

    Raises:
        Refused: this version has no such check.
    """
    subject = Subject(
        git=home.git,
        gate=gate.name,
        workstream=job.workstream,
        base=job.base,
        commit=job.commit,
        settings=gate.settings,
    )
    findings = require_check(gate)(subject)
    message = "; ".join(f"{f.path}: {f.message}" if f.path else f.message for f in findings)
    verdict = verdict_of(job, gate, ok=not findings, message=message, findings=findings)
    keep(home, job, gate, verdict)
    return verdict


def keep(home: Home, job: Job, gate: Gate, verdict: GateVerdict) -> None:
    if not verdict.ok and gate.check is None:
        return
    path = _path(home, job, gate)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = {"ok": verdict.ok, "seconds": verdict.seconds, "log": verdict.log, "commit": verdict.commit}
    write_json(path, content)


def kept_green(home: Home, job: Job, gate: Gate) -> GateVerdict | None:
    found = load_json(_path(home, job, gate))
    if found.get("ok") is not True:
        return None
    seconds = float(found.get("seconds") or 0.0)
    return verdict_of(job, gate, ok=True, cached=True, seconds=seconds, log=found.get("log"))


def green_gates(home: Home, plan: Plan, tips: Mapping[str, CommitId]) -> frozenset[tuple[str, str, CommitId]]:
    """The (workstream, gate, tip) that are known to be green. Runs no command.

    Two git commands and a small file for each gate; a built-in check not made yet is made now.
    """
    if not tips:
        return frozenset()
    trees = git.find_trees(home.git, tips.values())
    base = git.find_commits(home.git, [f"refs/heads/{plan.base}"])[f"refs/heads/{plan.base}"]
    return frozenset(
        (name, gate.name, tip)
        for name, tip in tips.items()
        if base is not None and (tree := trees[tip]) is not None
        for gate in _green(home, workstream_job(plan.workstream(name), commit=tip, tree=tree, base=base))
    )


def _green(home: Home, job: Job) -> Iterable[Gate]:
    return (gate for gate in job.gates if _is_green(home, job, gate))


def _is_green(home: Home, job: Job, gate: Gate) -> bool:
    found = load_json(_path(home, job, gate)).get("ok")
    if found is None and gate.check in CHECKS:
        return checked(home, job, gate).ok
    return found is True


def _path(home: Home, job: Job, gate: Gate) -> Path:
    return home.state.gates / "results" / job.tree / result_name(job, gate, home.root)
