"""`keepalive`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.errors import OrchestratorError, UsageError


def keepalive(
    command: Annotated[list[str], typer.Argument(metavar="-- CMD", help="The command.")],
    every: Annotated[str, typer.Option("--every", metavar="T", help="How often to beat, as 30s.")] = "30s",
) -> None:
    """Run any command with a heartbeat and a log beside it."""
    from orchestrator import supervise
    from orchestrator.supervise.keepalive import default_directory

    every_s = seconds(every, "--every")
    if every_s <= 0:
        raise UsageError("--every must be longer than nothing.")
    folder = Path(default_directory()).resolve()
    _keep_out_of_git(folder)
    raise typer.Exit(supervise.keepalive(command, every_s=every_s, directory=folder))


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
