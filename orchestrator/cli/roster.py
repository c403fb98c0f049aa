"""The required branches as a command finds them: by the plan, else by the files in this checkout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.here import Here, find_here
from orchestrator.home import PLAN_NAME, find_checkout, find_plan_file

if TYPE_CHECKING:
    from orchestrator.enforcement.required import Roster


@dataclass(frozen=True, slots=True, kw_only=True)
class Required:
    """`folder` is where the files of the honest-branch checks lie."""

    here: Here
    roster: Roster
    folder: Path


def planned_roster(plan: Path | None) -> Required:
    """Raises:
    UsageError: there is no plan.
    """
    from orchestrator.enforcement.required import Roster, read_listed

    here = find_here(plan)
    folder = find_checkout(here.plan_file.parent).folder
    roster = Roster(plan=here.load_plan(), planned=True, listed=read_listed(folder))
    return Required(here=here, roster=roster, folder=folder)


def find_roster(plan: Path | None) -> Required:
    """As `planned_roster`, or without a plan what `.required_branches` says.

    Raises:
        UsageError: there is neither.
    """
    from orchestrator.enforcement.required import read_listed, roster_of_files

    if plan is not None or _has_plan():
        return planned_roster(plan)
    checkout = find_checkout(Path.cwd())
    roster = roster_of_files(checkout.folder, read_listed(checkout.folder))
    here = Here(plan_file=checkout.folder / PLAN_NAME, state_paths=checkout.state)
    return Required(here=here, roster=roster, folder=checkout.folder)


def _has_plan() -> bool:
    """In this repository: one that lies further up is another's."""
    checkout = find_checkout(Path.cwd())
    found = find_plan_file(Path.cwd().resolve())
    main = checkout.common_dir.parent / PLAN_NAME
    inside = found is not None and found.is_relative_to(checkout.folder)
    return inside or (checkout.is_linked and main.is_file())
