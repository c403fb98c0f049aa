"""`complete`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from orchestrator.cli.landing_report import mark, short
from orchestrator.cli.options import AnyNames, AsJson, PlanFile
from orchestrator.cli.own_desk import own_desk
from orchestrator.cli.printing import aligned, one_line, styled, tell, tell_json
from orchestrator.cli.roster import planned_roster
from orchestrator.errors import ExitStatus
from orchestrator.names import chosen

if TYPE_CHECKING:
    from orchestrator.enforcement.completion import Box, Checklist


def complete(names: AnyNames = None, plan: PlanFile = None, as_json: AsJson = False) -> None:
    """Show what each branch still lacks to be complete; every box is computed."""
    from orchestrator.enforcement.completion import checklists
    from orchestrator.enforcement.documents import completion_document

    required = planned_roster(plan)
    wanted = chosen(names, required.roster.plan.workstreams)
    with own_desk(required.here, required.roster.plan) as desk:
        lists = checklists(desk, required.roster, required.folder, wanted)
    if as_json:
        tell_json(completion_document(lists))
    else:
        for one in lists:
            _tell(one)
    if not all(one.complete for one in lists):
        raise typer.Exit(ExitStatus.NO)


def _tell(one: Checklist) -> None:
    said = "complete" if one.complete else "not complete"
    tell(f"{mark(one.complete)} {one.name}: {said} ({one.branch} {short(one.commit)})")
    for line in aligned(_row(box) for box in one.boxes):
        tell(f"    {line}")


def _row(box: Box) -> tuple[str, ...]:
    shown = styled("-", "yellow") if box.ticked is None else mark(box.ticked)
    return (f"{shown} {box.name}", one_line(box.evidence))
