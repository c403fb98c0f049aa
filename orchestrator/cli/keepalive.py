"""`keepalive`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.completion import complete_hosts
from orchestrator.cli.here import find_here
from orchestrator.cli.options import PlanFile
from orchestrator.errors import OrchestratorError, UsageError
from orchestrator.names import require_one_of


def keepalive(
    command: Annotated[list[str], typer.Argument(metavar="-- CMD", help="The command.")],
    every: Annotated[str, typer.Option("--every", metavar="T", help="How often to beat, as 30s.")] = "30s",
    host: Annotated[
        str | None,
        typer.Option("--on", metavar="HOST", help="On a host of the plan.", autocompletion=complete_hosts),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="With --on: find it again by this name."),
    ] = None,
    folder: Annotated[
        str | None, typer.Option("--in", metavar="DIR", help="With --on: where; default: the home there.")
    ] = None,
    plan: PlanFile = None,
) -> None:
    """Run any command with a heartbeat and a log beside it, here or on a host.

    On a host it outlives the link and this terminal: typed again, the same command is followed again.
    """
    every_s = seconds(every, "--every")
    if every_s <= 0:
        raise UsageError("--every must be longer than nothing.")
    if host is not None:
        raise typer.Exit(_on(plan, host, command, name, folder, every_s))
    if name is not None or folder is not None:
        raise UsageError("--name and --in are for --on HOST.")
    raise typer.Exit(_here(command, every_s))


def _on(
    plan: Path | None, host: str, command: list[str], name: str | None, folder: str | None, every_s: float
) -> int:
    from orchestrator.agent.refusals import is_safe_name
    from orchestrator.cli.keepalive_on import Kept, default_name, keep_on

    here = find_here(plan)
    loaded = here.load_plan()
    require_one_of("host", host, loaded.hosts)
    known_as = name or default_name(command, folder)
    if not is_safe_name(known_as):
        raise UsageError(f"--name: {name!r} is no name.", "letters, digits and . _ : @ + - only")
    kept = Kept(name=known_as, argv=tuple(command), folder=folder, beat_s=every_s)
    return keep_on(here, loaded, host, kept)  # type: ignore[arg-type]


def _here(command: list[str], every_s: float) -> int:
    from orchestrator import supervise
    from orchestrator.supervise.keepalive import default_directory

    folder = Path(default_directory()).resolve()
    _keep_out_of_git(folder)
    return supervise.keepalive(command, every_s=every_s, directory=folder)


def _keep_out_of_git(folder: Path) -> None:
    from orchestrator.agent.worktrees import exclude_keepalive

    # Tidiness, no more: the command runs all the same.
    with suppress(OrchestratorError, OSError, ValueError):
        exclude_keepalive(folder)


def seconds(text: str, option: str) -> float:
    """Raises:
    UsageError: the text is no duration.
    """
    from orchestrator.plan_file.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError:
        raise UsageError(f"{option}: '{text}' is no duration.", "write 30s, 5m, 2h or 1d") from None
