"""`doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.here import find_here
from orchestrator.cli.options import AsJson, PlanFile


def doctor(
    host: Annotated[str | None, typer.Argument(metavar="[HOST]", help="Only this host.")] = None,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Check git, tmux, Python, rsync, SSH, disk, GPU and clock of every host."""
    here = find_here(plan)
    raise NotImplementedError(here, host, as_json)
