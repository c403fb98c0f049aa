"""`validate` and `schema`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from orchestrator.cli.failures import warn
from orchestrator.cli.here import Here, find_here
from orchestrator.cli.options import AsJson, PlanFile
from orchestrator.cli.printing import note, styled, tell, tell_json
from orchestrator.errors import ExitStatus, UsageError
from orchestrator.home import find_checkout, find_plan_file

if TYPE_CHECKING:
    from orchestrator.core.plan import NotBuilt, Plan
    from orchestrator.home import Checkout


def validate(plan: PlanFile = None, as_json: AsJson = False) -> None:
    """Check the plan and say everything that is wrong with it."""
    from orchestrator.plan_file import PlanErrors

    here = _to_check(plan)
    try:
        loaded = here.load_plan()
    except PlanErrors as errors:
        if as_json:
            tell_json({"ok": False, "problems": [_problem(p) for p in errors.problems], "warnings": []})
        note(errors.message)
        note(_count(len(errors.problems), "problem"))
        raise typer.Exit(ExitStatus.USAGE) from None
    warnings = [not_built_text(here, missing) for missing in loaded.not_built]
    for text in warnings:
        warn(text)
    if as_json:
        tell_json({"ok": True, "problems": [], "warnings": warnings})
    else:
        tell(_summary(loaded))


def _to_check(plan: Path | None) -> Here:
    """The nearest plan, except in a worktree of ours, where the daemon's counts."""
    here = find_here(plan)
    checkout = find_checkout(here.plan_file.parent if plan is not None else Path.cwd())
    if plan is not None or not checkout.is_linked:
        return here
    if _is_ours(here, checkout):
        note(f"in a worktree of a workstream the daemon's plan counts: checking {here.plan_file}")
        return here
    return replace(here, plan_file=find_plan_file(Path.cwd()) or here.plan_file)


def _is_ours(here: Here, checkout: Checkout) -> bool:
    """Whether a worker was ever sent there."""
    usual = f"{checkout.common_dir.parent}.worktrees"
    known = here.load_state().workstreams.items()
    return str(checkout.folder) in {record.worktree or f"{usual}/{name}" for name, record in known}


def schema() -> None:
    """Print a JSON Schema of the plan, for editors."""
    from orchestrator.plan_file import json_schema

    tell_json(json_schema())


def load_startable_plan(here: Here) -> Plan:
    """Raises:
    UsageError: the plan uses a key that nothing acts on yet.
    """
    loaded = here.load_plan()
    if loaded.not_built:
        lines = "\n".join(not_built_text(here, missing) for missing in loaded.not_built)
        raise UsageError(lines, "take these keys out of the plan; orchestrator validate lists them")
    return loaded


def not_built_text(here: Here, missing: NotBuilt) -> str:
    return missing.words(str(here.plan_file))


def _problem(problem: Any) -> dict[str, object]:
    return {
        "file": str(problem.path),
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
    }


def _summary(plan: Plan) -> str:
    streams, waves = len(plan.workstreams), len(plan.waves)
    mark = styled("✓", "green")
    return f"{mark} {plan.source}: {_count(streams, 'workstream')} in {_count(waves, 'wave')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
