"""Built-in gates, one file each. A check that is not in the table is not built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module

from orchestrator.checks.finding import Check, Finding, Sibling, Subject
from orchestrator.core.plan import Gate
from orchestrator.errors import Refused
from orchestrator.source.facts import EDITION


def _made(module: str, subject: Subject) -> tuple[Finding, ...]:
    """Loads the check when it is first made: who looks up verdicts needs none, and some are large."""
    check: Check = import_module(f"{__name__}.{module}").findings
    return check(subject)


CHECKS: Mapping[str, Check] = {
    "clean-merge": partial(_made, "clean_merge"),
    "paths": partial(_made, "paths"),
    "silent-revert": partial(_made, "silent_revert"),
    "components": partial(_made, "claimed_components"),
    "redflags": partial(_made, "redflags.check"),
    "tdd": partial(_made, "tdd.check"),
    "docs": partial(_made, "documented"),
    "benchmarks": partial(_made, "benchmarks"),
    "review": partial(_made, "review"),
    "metrics": partial(_made, "metrics"),
    "pytest": partial(_made, "pytest_run"),
    "mypy": partial(_made, "mypy_run"),
    "ruff": partial(_made, "ruff_run"),
    "pre-commit": partial(_made, "pre_commit"),
    "clones": partial(_made, "clones"),
    "independence": partial(_made, "independence"),
}


RUNNING = frozenset({"tdd", "benchmarks", "pytest", "mypy", "ruff", "pre-commit"})
"""Checks that run commands in a checkout; the others only read what is committed."""

SEES_SIBLINGS = frozenset({"clones", "independence", "metrics", "docs"})
"""Checks whose verdict also depends on where other planned branches stand."""

SEES_APPROVALS = frozenset({"review"})


def runs_commands(gate: Gate) -> bool:
    return gate.run is not None or gate.check in RUNNING or _wants_proof(gate)


def _wants_proof(gate: Gate) -> bool:
    return gate.check == "components" and bool(gate.settings.get("proof"))


def only_reading(gate: Gate) -> Gate:
    """The part of a gate that reads, where its settings ask for more."""
    if not _wants_proof(gate):
        return gate
    return replace(gate, settings={key: value for key, value in gate.settings.items() if key != "proof"})


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
    "only_reading",
    "require_check",
    "runs_commands",
]
