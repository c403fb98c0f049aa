"""Built-in gates, one file each. A check that is not in the table is not built."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.checks import claimed_components, clean_merge, paths, silent_revert
from orchestrator.checks.finding import Check, Finding, Subject
from orchestrator.checks.redflags import check as redflags
from orchestrator.core.plan import Gate
from orchestrator.errors import Refused
from orchestrator.source.facts import EDITION

CHECKS: Mapping[str, Check] = {
    "clean-merge": clean_merge.findings,
    "paths": paths.findings,
    "silent-revert": silent_revert.findings,
    "components": claimed_components.findings,
    "redflags": redflags.findings,
}


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


__all__ = ["CHECKS", "EDITION", "Check", "Finding", "Subject", "require_check"]
