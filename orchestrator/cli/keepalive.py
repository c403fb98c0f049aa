"""`keepalive`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.errors import UsageError


def keepalive(
    command: Annotated[list[str], typer.Argument(metavar="-- CMD", help="The command.")],
    every: Annotated[str, typer.Option("--every", metavar="T", help="How often to beat, as 30s.")] = "30s",
) -> None:
    """Run any command with a heartbeat and a log beside it."""
    from orchestrator import supervise

    every_s = seconds(every, "--every")
    if every_s <= 0:
        raise UsageError("--every must be longer than nothing.")
    raise typer.Exit(supervise.keepalive(command, every_s=every_s))


def seconds(text: str, option: str) -> float:
    """Raises:
    UsageError: the text is no duration.
    """
    from orchestrator.plan_file.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError:
        raise UsageError(f"{option}: '{text}' is no duration.", "write 30s, 5m, 2h or 1d") from None
