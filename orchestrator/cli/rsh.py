"""`rsh`: how git and rsync reach a host of the plan."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.here import find_here
from orchestrator.cli.options import PlanFile
from orchestrator.names import require_one_of


def rsh(
    host: Annotated[str, typer.Argument(metavar="HOST")],
    command: Annotated[list[str], typer.Argument(metavar="COMMAND")],
    tty: Annotated[bool, typer.Option("--tty", help="Give the command a terminal.")] = False,
    idle: Annotated[
        float | None, typer.Option("--idle", metavar="SECONDS", help="End it when no byte moves for so long.")
    ] = None,
    plan: PlanFile = None,
) -> None:
    """Run a command on a host, as ssh would with the plan's settings."""
    from orchestrator import ssh

    loaded = find_here(plan).load_plan()
    require_one_of("host", host, loaded.hosts)
    target = loaded.hosts[host]  # type: ignore[index]
    raise typer.Exit(ssh.rsh(target, " ".join(command), tty=tty, idle_s=idle))
