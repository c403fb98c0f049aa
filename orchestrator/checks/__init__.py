"""Built-in gates, one file each. A check that is not in the table is not built."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.checks import (
    benchmarks,
    claimed_components,
    clean_merge,
    clones,
    documented,
    independence,
    metrics,
    mypy_run,
    paths,
    pre_commit,
    pytest_run,
    review,
    ruff_run,
    silent_revert,
)
from orchestrator.checks.finding import Check, Finding, Sibling, Subject
from orchestrator.checks.redflags import check as redflags
from orchestrator.checks.tdd import check as tdd
from orchestrator.core.plan import Gate
from orchestrator.errors import Refused
from orchestrator.source.facts import EDITION

CHECKS: Mapping[str, Check] = {
    "clean-merge": clean_merge.findings,
    "paths": paths.findings,
    "silent-revert": silent_revert.findings,
    "components": claimed_components.findings,
    "redflags": redflags.findings,
    "tdd": tdd.findings,
    "docs": documented.findings,
    "benchmarks": benchmarks.findings,
    "review": review.findings,
    "metrics": metrics.findings,
    "pytest": pytest_run.findings,
    "mypy": mypy_run.findings,
    "ruff": ruff_run.findings,
    "pre-commit": pre_commit.findings,
    "clones": clones.findings,
    "independence": independence.findings,
}


RUNNING = frozenset({"tdd", "benchmarks", "pytest", "mypy", "ruff", "pre-commit"})
"""Checks that run commands in a checkout; the others only read what is committed."""

SEES_SIBLINGS = frozenset({"clones", "independence", "metrics", "docs"})
"""Checks whose verdict also depends on where other planned branches stand."""

SEES_APPROVALS = frozenset({"review"})


def runs_commands(gate: Gate) -> bool:
    return gate.run is not None or gate.check in RUNNING


def require_check(gate: Gate) -> Check:
    """The check a gate names.

    Raises:
        Refused: this version has no such check.
    """
    check = CHECKS.get(gate.check or "")
    if check is None:
        raise Refused(
            f"the gate {gate.name} asks for the check {gate.check}, which this version does not have.",
            f"built are: {', '.join(CHECKS)}",
        )
    return check


__all__ = [
    "CHECKS",
    "EDITION",
    "SEES_APPROVALS",
    "SEES_SIBLINGS",
    "Check",
    "Finding",
    "Sibling",
    "Subject",
    "require_check",
    "runs_commands",
]
