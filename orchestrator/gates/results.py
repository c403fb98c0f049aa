"""The verdicts that are kept: greens by what they depend on. A red command is always run again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator import git
from orchestrator.agent.files import load_json, write_json
from orchestrator.checks import CHECKS, Finding, Subject, require_check, runs_commands
from orchestrator.checks.finding import shown
from orchestrator.checks.trials import Trials
from orchestrator.codec import build, plain_fields
from orchestrator.core.gating import Outcome
from orchestrator.core.plan import LOCAL, CommitId, Gate, Plan
from orchestrator.core.state import State
from orchestrator.gates.jobs import Job, workstream_job
from orchestrator.gates.keys import Key, key_of
from orchestrator.gates.siblings import siblings_of
from orchestrator.gates.toolchains import kept_toolchain
from orchestrator.gates.verdicts import GateVerdict, verdict_of
from orchestrator.home import Home

_FINDINGS_SUMMED = 3
"""In the one line that says why; all of them stand below it."""


def keep(home: Home, key: Key, gate: Gate, verdict: GateVerdict) -> None:
    """Keep a green, and what a built-in check came to: that cannot be otherwise next time.

    A command that is red now makes an earlier green of the same key worth nothing.
    """
    path = _path(home, key)
    if verdict.is_green or (verdict.is_red and gate.check is not None):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(path, content_of(key, verdict))
    elif verdict.is_red:
        path.unlink(missing_ok=True)


def kept_verdict(home: Home, job: Job, gate: Gate, key: Key) -> GateVerdict | None:
    """A green; of a check that only reads also a red, which cannot be otherwise for the same key."""
    verdict = verdict_from(load_json(_path(home, key)), job, gate, key)
    holds = verdict is not None and (verdict.is_green or not runs_commands(gate))
    return verdict if holds else None


def content_of(key: Key, verdict: GateVerdict) -> dict[str, Any]:
    return {
        "key": key.digest,
        "outcome": verdict.outcome.value,
        "seconds": verdict.seconds,
        "attempts": verdict.attempts,
        "log": verdict.log,
        "proposal": verdict.proposal,
        "message": verdict.message,
        "commit": verdict.commit,
        "findings": [plain_fields(finding) for finding in (*verdict.findings, *verdict.suppressed)],
    }


def verdict_from(content: Mapping[str, Any], job: Job, gate: Gate, key: Key) -> GateVerdict | None:
    """What somebody else's run came to; None when that is not known."""
    if content.get("key") != key.digest:
        return None
    log = content.get("log")
    return verdict_of(
        job,
        gate,
        Outcome(content["outcome"]),
        cached=True,
        seconds=float(content.get("seconds") or 0.0),
        attempts=int(content.get("attempts") or 1),
        log=log if log and (job.host != LOCAL or Path(log).exists()) else None,
        proposal=content.get("proposal"),
        message=content.get("message") or "",
        **told(build(Finding, one) for one in content.get("findings") or ()),
    )


def told(found: Iterable[Finding]) -> dict[str, tuple[Finding, ...]]:
    """The findings of a verdict: those that count, and those that may stay."""
    every = tuple(found)
    return {
        "findings": tuple(finding for finding in every if finding.allowed is None),
        "suppressed": tuple(finding for finding in every if finding.allowed is not None),
    }


def checked(home: Home, job: Job, gate: Gate, trials: Trials | None = None) -> GateVerdict:
    """Run a built-in check here, its commands by `trials`.

    Raises:
        NoVerdict: a command could not be run.
        Refused: this version has no such check.
    """
    subject = Subject(
        git=home.git,
        gate=gate.name,
        workstream=job.workstream,
        base=job.base,
        commit=job.commit,
        settings=gate.settings,
        claims=job.claims,
        siblings=job.siblings,
        approvals=job.approvals,
        trials=trials,
        together=job.together,
    )
    found = told(require_check(gate)(subject))
    message = _summary(found["findings"])
    outcome = Outcome.RED if found["findings"] else Outcome.GREEN
    return verdict_of(job, gate, outcome, message=message, **found)


def _summary(findings: Sequence[Finding]) -> str:
    said = [f"{shown(one.path)}: {one.message}" if one.path else one.message for one in findings]
    more = len(said) - _FINDINGS_SUMMED
    return "; ".join([*said[:_FINDINGS_SUMMED], *([f"and {more} more"] if more > 0 else [])])


def green_gates(
    home: Home, plan: Plan, tips: Mapping[str, CommitId], state: State | None = None
) -> frozenset[tuple[str, str, CommitId]]:
    """The (workstream, gate, tip) that are known to be green. Runs no command, asks no host.

    `state` knows the approvals.

    Some git commands and a small file for each gate; a built-in check not made yet is made now.
    """
    if not tips:
        return frozenset()
    trees = git.find_trees(home.git, tips.values())
    siblings = siblings_of(home, plan, (plan.workstream(name) for name in tips))
    base = git.find_commits(home.git, [f"refs/heads/{plan.base}"])[f"refs/heads/{plan.base}"]
    return frozenset(
        (name, gate.name, tip)
        for name, tip in tips.items()
        if base is not None and (tree := trees[tip]) is not None
        for gate in _green(
            home,
            workstream_job(
                plan.workstream(name),
                commit=tip,
                tree=tree,
                base=base,
                siblings=siblings,
                approvals=state.of(name).approvals if state is not None else (),
                together=tips.values(),
            ),
        )
    )


def _green(home: Home, job: Job) -> Iterator[Gate]:
    toolchain = kept_toolchain(home, job)
    for gate in job.gates:
        if runs_commands(gate) and toolchain is None:
            continue
        key = key_of(home, job, gate, toolchain)
        found = load_json(_path(home, key))
        if found.get("key") != key.digest and gate.check in CHECKS and not runs_commands(gate):
            verdict = checked(home, job, gate)
            keep(home, key, gate, verdict)
            found = content_of(key, verdict)
        if found.get("key") == key.digest and found.get("outcome") == Outcome.GREEN.value:
            yield gate


def _path(home: Home, key: Key) -> Path:
    return home.state.gates / "results" / key.path
